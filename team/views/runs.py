"""Look at runs on a bus: one in full, one at a glance, all of them as rows.

Every look is a fold of the run's own stream; whoever shows a run uses these, so that the
command line and other doors say the same.
"""

from __future__ import annotations

from collections.abc import Mapping

import msgspec

from bus import subjects
from bus.connection import Connection
from bus.errors import BusUnavailableError
from bus.feed import feed_position
from bus.live import Beat, heard_members
from bus.run_stream import RunStream, list_runs, open_run
from team.rules.approvals import awaited
from team.runtime.home import run_dir
from team.state import RunState, fold
from team.views.members import state_of
from team.views.run_object import ForkRow, RunObject, fork_row, run_object, status_of


class RunRow(msgspec.Struct, frozen=True, kw_only=True):
    """One run in a list."""

    run: str
    status: str
    created_at: str
    waits_for: tuple[str, ...]
    silent: tuple[str, ...]
    goal: str
    messages: int
    size_bytes: int
    replicas: int
    forked: ForkRow | None


async def read_run(connection: Connection, run: str) -> tuple[RunStream, RunState]:
    """Open a run and fold its whole stream.

    Raises:
        RunNotFoundError: There is none of that name.
    """
    stream = await open_run(connection, run)
    state = RunState()
    async for record in stream.read():
        state.apply(record)
    return stream, state


async def glance(stream: RunStream) -> RunState:
    """A run by a few of its messages, without reading all of it."""
    kinds = ("spec", "member", "approval", "decision", "result")
    patterns = [subjects.pattern(stream.run, kind) for kind in kinds]
    records = [record for pattern in patterns async for record in stream.read(pattern)]
    return fold(sorted(records, key=lambda r: r.seq))


async def show_run(connection: Connection, run: str) -> tuple[RunState, RunObject]:
    """Describe a run as it stands now."""
    _, state = await read_run(connection, run)
    return state, await describe_run(connection, run, state)


async def describe_run(
    connection: Connection, run: str, state: RunState, *, may_be_live: bool = True
) -> RunObject:
    """Describe a folded run, with what only the server and this machine know.

    Args:
        connection: Any.
        run: The run.
        state: The fold of its whole stream.
        may_be_live: Whether to listen for heartbeats; takes a second.
    """
    fetched: dict[str, int] = {}
    for name in state.roster.seats:
        try:
            position = await feed_position(connection, run, name)
        except BusUnavailableError:
            continue
        if position is not None:
            fetched[name] = position.fetched_seq
    is_open = may_be_live and state.result is None
    heard = (await heard_members(connection)).get(run, {}) if is_open else {}
    report = run_dir(run) / "report.html"
    return run_object(
        run,
        state,
        is_live=bool(heard),
        heard=heard,
        fetched=fetched,
        report=str(report) if report.exists() else None,
    )


async def run_rows(connection: Connection) -> list[RunRow]:
    """Every run on the server, oldest first."""
    infos = await list_runs(connection)
    live = await heard_members(connection) if infos else {}
    states = [await glance(RunStream(connection, info.run)) for info in infos]
    return [
        RunRow(
            run=info.run,
            status=status_of(state, is_live=info.run in live),
            waits_for=tuple(one.id for one in awaited(state)),
            silent=_silent(state, live.get(info.run, {})),
            created_at=info.created_at[:19] + "Z",
            goal=info.label,
            messages=info.messages,
            size_bytes=info.size_bytes,
            replicas=info.replicas,
            forked=fork_row(state),
        )
        for info, state in zip(infos, states, strict=True)
    ]


def _silent(state: RunState, heard: Mapping[str, Beat]) -> tuple[str, ...]:
    """Members of a live run whose process is not heard."""
    is_open = bool(heard) and state.result is None
    seats = state.roster.present() if is_open else []
    return tuple(s.name for s in seats if state_of(s, heard.get(s.name)) == "silent")
