"""`team resume` from another machine: all that a run needs is on the bus."""

from __future__ import annotations

import os
import shutil
import signal
from collections.abc import Iterator
from pathlib import Path

import pytest

from bus.ids import SUPERVISOR
from bus.messages import FindingSubmitted, MemberJoined, TurnReplied
from bus.run_stream import Record
from bus.server import start_server, stop_server
from tests.support.cli import GOAL, Cli, as_team, assert_nothing_twice

SLOW = {"PEERTEAM_REHEARSAL_LATENCY_MS": "150"}


def is_second_turn(record: Record) -> bool:
    body = record.body
    return isinstance(body, TurnReplied) and body.turn == 2 and body.context == "task:t1:1"


def is_first_turn(record: Record) -> bool:
    return isinstance(record.body, TurnReplied) and record.body.context == "task:t1:1"


def second_supervisor(record: Record) -> bool:
    is_joined = isinstance(record.body, MemberJoined) and record.subject.author == SUPERVISOR
    return is_joined and record.seq > 4


@pytest.fixture
def elsewhere(tmp_path: Path, cli: Cli) -> Iterator[tuple[Cli, Cli]]:
    """Two machines and a server that both reach: nothing is shared but the bus."""
    folder = tmp_path / "server"
    server = start_server(folder)
    url = server.url.replace("//", f"//{server.token}@")
    there = tmp_path / "there"
    there.mkdir()
    try:
        yield (
            Cli(cli.home, cli.cwd, NATS_URL=url),
            Cli(tmp_path / "other-home", there, NATS_URL=url),
        )
    finally:
        stop_server(folder)


@pytest.mark.slow
async def test_a_run_whose_machine_died_is_taken_up_on_another(
    elsewhere: tuple[Cli, Cli], lanes: list[Path]
) -> None:
    """Another home and folder, no cache, and the sources are gone: the stream has it all."""
    here, there = elsewhere
    asked = ["run", "research", GOAL, *as_team(lanes), "--run", "moved", "-q"]
    with here.start(*asked, **SLOW) as team:
        await here.until("moved", is_second_turn)
        os.killpg(team.pid, signal.SIGKILL)
        team.wait()
        before = await there.records("moved")
        for lane in lanes:
            shutil.rmtree(lane)
        shutil.rmtree(here.home)

        resumed = there.run("resume", "moved", "--json")

    assert resumed.returncode == 0, resumed.stderr
    after = await there.records("moved")
    assert [record.id for record in after[: len(before)]] == [record.id for record in before]
    assert_nothing_twice(after)
    findings = [r.subject.names[0] for r in after if isinstance(r.body, FindingSubmitted)]
    assert sorted(findings) == ["t1", "t2", "t3"]
    assert (there.home / "runs" / "moved" / "report.html").exists()


@pytest.mark.slow
async def test_a_frozen_run_is_taken_over_and_its_first_command_steps_down(
    elsewhere: tuple[Cli, Cli], lanes: list[Path]
) -> None:
    """Heard: refused. Frozen and not heard: taken up. Thawed: it sees that, and ends."""
    here, there = elsewhere
    asked = ["run", "research", GOAL, *as_team(lanes), "--run", "frozen", "-q"]
    with here.start(*asked, PEERTEAM_REHEARSAL_LATENCY_MS="4000") as first:
        await here.until("frozen", is_first_turn)
        refused = there.run("resume", "frozen")
        os.killpg(first.pid, signal.SIGSTOP)
        with there.start("resume", "frozen", "-q", **SLOW) as second:
            await there.until("frozen", second_supervisor)
            os.killpg(first.pid, signal.SIGCONT)
            _, said = first.communicate(timeout=60)
            _, errors = second.communicate(timeout=90)

    assert refused.returncode == 2
    assert "it is running; follow it: team watch frozen" in refused.stderr
    assert first.returncode == 2
    assert "another command has taken it over" in said
    assert second.returncode == 0, errors
    assert_nothing_twice(await there.records("frozen"))
