"""A supervisor that has lost its run starts nobody again.

Promises: `team.runtime.charge`; docs/reliability.md, "Moving, forking and pruning runs".
"""

from __future__ import annotations

from typing import cast

import pytest

from bus import subjects
from bus.access import Access
from bus.connection import Connection
from bus.ids import SUPERVISOR
from bus.messages import MemberJoined
from bus.run_stream import Entry, RunStream
from team.policy import Liveness
from team.runtime.exit_codes import EXIT_FENCED, EXIT_FINAL
from team.runtime.launch import Launched
from team.runtime.supervisor import Supervisor


class _Ended:
    """A process that has ended."""

    pid = 1

    def __init__(self, code: int) -> None:
        self._code = code

    async def exited(self) -> int:
        return self._code


class _Supervisor(Supervisor):
    """One whose first member is fenced, and the next one gives up."""

    started: tuple[str, ...] = ()

    async def _start(self, name: str) -> Launched:
        self.started += (name,)
        return cast("Launched", _Ended(EXIT_FENCED if len(self.started) == 1 else EXIT_FINAL))

    def _how_it_ended(self, process: Launched, code: int) -> str:
        return f"{process.pid} ended with {code}"


@pytest.mark.parametrize(("is_lost", "started"), [(True, 1), (False, 2)])
async def test_a_fenced_member_is_started_again_only_by_the_runs_own_supervisor(
    connection: Connection, access: Access, stream: RunStream, is_lost: bool, started: int
) -> None:
    """Whoever took the run over has started the member that fenced it."""
    supervisor = _Supervisor(
        connection,
        stream.run,
        access=access,
        provider="rehearsal",
        restarts_max=3,
        liveness=Liveness(),
    )
    if is_lost:
        other = MemberJoined(pid=1, host="elsewhere")
        subject = subjects.member(stream.run, SUPERVISOR, SUPERVISOR)
        await stream.append(Entry(subject=subject, body=other))

    await supervisor._keep("ada")

    assert supervisor.started == ("ada",) * started
