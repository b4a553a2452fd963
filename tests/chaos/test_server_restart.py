"""The bus itself dies in the middle of a run: members wait, and nothing is lost or doubled."""

from __future__ import annotations

import os
import signal
from pathlib import Path

from bus.access import SERVER_DIRECTORY
from bus.messages import FindingSubmitted, TurnReplied
from bus.run_stream import Record
from bus.server import find_server
from tests.support.cli import GOAL, Cli, as_team, assert_nothing_twice

SLOW = {"PEERTEAM_REHEARSAL_LATENCY_MS": "150"}


async def test_a_killed_server_is_started_again_and_the_run_goes_on(
    cli: Cli, lanes: list[Path]
) -> None:
    """`kill -9` of the embedded server while three members work."""

    def is_second_turn(record: Record) -> bool:
        body = record.body
        return isinstance(body, TurnReplied) and body.turn == 2 and body.context == "task:t1:1"

    with cli.start("run", "research", GOAL, *as_team(lanes), "--run", "bus", "-q", **SLOW) as team:
        await cli.until("bus", is_second_turn)
        before = await cli.records("bus")
        server = find_server(cli.home / SERVER_DIRECTORY)
        assert server is not None
        os.kill(server.pid, signal.SIGKILL)
        _, errors = team.communicate(timeout=90)

    assert team.returncode == 0, errors
    after = await cli.records("bus")
    assert [record.id for record in after[: len(before)]] == [record.id for record in before]
    assert_nothing_twice(after)
    findings = [r.subject.names[0] for r in after if isinstance(r.body, FindingSubmitted)]
    assert sorted(findings) == ["t1", "t2", "t3"]
