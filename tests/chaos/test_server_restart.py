"""The bus itself dies in the middle of a run: members wait, and nothing is lost or doubled."""

from __future__ import annotations

import os
import signal
from pathlib import Path

from bus.access import SERVER_DIRECTORY
from bus.ids import LEAD
from bus.messages import FindingSubmitted, MemberLeft, TurnReplied
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


async def test_a_server_killed_with_the_last_record_does_not_keep_the_command_from_its_end(
    cli: Cli, lanes: list[Path]
) -> None:
    """The lead has left, nobody is supervised any more, and the result is still to be read."""

    def has_left(record: Record) -> bool:
        return isinstance(record.body, MemberLeft) and record.subject.author == LEAD

    with cli.start("run", "research", GOAL, *as_team(lanes), "--run", "end", "-q") as team:
        await cli.until("end", has_left)
        server = find_server(cli.home / SERVER_DIRECTORY)
        assert server is not None
        os.kill(server.pid, signal.SIGKILL)
        out, errors = team.communicate(timeout=60)

    assert team.returncode == 0, errors
    assert "# " in out
