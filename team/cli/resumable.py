"""Which run `team resume` means when none is named."""

from __future__ import annotations

from collections.abc import AsyncIterator
from typing import Final

from bus.connection import Connection
from bus.live import heard_runs
from bus.run_stream import RunStream, list_runs
from team.cli.common import glance
from team.errors import SpecError

SHOWN_MAX: Final = 5


async def run_to_resume(connection: Connection, named: str | None, *, is_last: bool) -> str:
    """The newest run that can be taken up, if that was asked for.

    Raises:
        SpecError: None was asked for, or there is none.
    """
    if named is not None:
        raise SpecError("--last", "", f"a run is named as well ({named})", "leave one of them out")
    found: list[str] = []
    async for run in _open_runs(connection):
        if is_last:
            return run
        found.append(run)
        if len(found) == SHOWN_MAX:
            break
    if not found:
        raise SpecError("RUN", "", "there is no run to take up", "see them all with 'team ps'")
    fix = f"name one: {', '.join(found)}; or add --last for the first of these"
    raise SpecError("RUN", "", "it is not said which", fix)


async def _open_runs(connection: Connection) -> AsyncIterator[str]:
    """Runs that were opened, are no replays, have no result, and nobody works on; newest first."""
    live = await heard_runs(connection)
    infos = sorted(await list_runs(connection), key=lambda info: info.newest_at, reverse=True)
    for info in infos:
        if info.run in live:
            continue
        state = await glance(RunStream(connection, info.run))
        if state.opened is not None and state.result is None and not state.opened.replay:
            yield info.run
