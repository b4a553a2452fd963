"""Members are forked from one process; it may be killed like any other."""

from __future__ import annotations

import asyncio
import os
import signal
from pathlib import Path

from bus.messages import MemberJoined, TurnReplied
from bus.run_stream import Record
from tests.support.chaos import forkserver_of
from tests.support.cli import GOAL, Cli, as_team, is_alive
from tests.support.invariants import assert_sound, last_pids

SLOW = {"PEERTEAM_REHEARSAL_LATENCY_MS": "600"}


async def test_members_of_a_killed_forkserver_are_ended_and_started_again(
    cli: Cli, lanes: list[Path]
) -> None:
    """Nobody sees them end any more: left alone they would be twins of those started next."""

    def is_next(record: Record) -> bool:
        return isinstance(record.body, MemberJoined) and record.body.incarnation == 2

    with cli.start("run", "research", GOAL, *as_team(lanes), "--run", "fork", "-q", **SLOW) as team:
        await cli.until("fork", lambda r: isinstance(r.body, TurnReplied) and r.body.turn == 2)
        before = last_pids(await cli.records("fork"))
        forker = forkserver_of(team.pid)
        assert forker is not None
        os.kill(forker, signal.SIGKILL)
        await cli.until("fork", is_next)
        alive = {name for name, pid in before.items() if is_alive(pid)}
        _, errors = team.communicate(timeout=60)

    assert team.returncode == 0, errors
    assert alive == {"supervisor"}
    assert_sound(await cli.records("fork"), has_ended=True)


async def test_a_forkserver_killed_before_it_forked_anyone_is_started_again(
    cli: Cli, lanes: list[Path]
) -> None:
    """Its import takes longer than anything else at the start of a run."""
    with cli.start("run", "research", GOAL, *as_team(lanes), "--run", "early", "-q") as team:
        await cli.until("early", lambda r: r.subject.author == "supervisor")
        while (forker := forkserver_of(team.pid)) is None:  # noqa: ASYNC110 - another process
            await asyncio.sleep(0.01)
        os.kill(forker, signal.SIGKILL)
        _, errors = team.communicate(timeout=60)

    assert team.returncode == 0, errors
    assert_sound(await cli.records("early"), has_ended=True)
