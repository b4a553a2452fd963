"""A laptop that is closed in the middle of a run, and opened again."""

from __future__ import annotations

import asyncio
import os
import signal
from pathlib import Path

import pytest

from bus.ids import SUPERVISOR
from bus.messages import MemberJoined, TurnActed
from tests.support.cli import GOAL, Cli, as_team
from tests.support.invariants import assert_sound

SLOW = {"PEERTEAM_REHEARSAL_LATENCY_MS": "300"}
TIGHT = """\
name = "tight"
[policy]
seconds_max = 40
run_seconds_max = 60
"""
ASLEEP_S = 65.0
"""Longer than a task and the whole run may take."""


@pytest.mark.slow
@pytest.mark.timeout(240)
async def test_the_time_that_a_run_was_asleep_counts_for_no_limit(
    cli: Cli, lanes: list[Path]
) -> None:
    """Command and members stop for longer than the run may last, and go on as if nothing was."""
    spec = cli.cwd / "tight.toml"
    spec.write_text(TIGHT)
    arguments = ["run", str(spec), GOAL, *as_team(lanes), "--run", "lid", "-q"]
    with cli.start(*arguments, **SLOW) as team:
        await cli.until("lid", lambda record: isinstance(record.body, TurnActed))
        os.killpg(team.pid, signal.SIGSTOP)
        # It sleeps by the clock: that is what it is.
        await asyncio.sleep(ASLEEP_S)
        os.killpg(team.pid, signal.SIGCONT)
        _, errors = await asyncio.to_thread(team.communicate, timeout=120)

    assert team.returncode == 0, errors
    records = await cli.records("lid")
    assert_sound(records, has_ended=True)
    words = [r.body for r in records if r.subject.author == SUPERVISOR]
    slept = [body for body in words if isinstance(body, MemberJoined) and body.idle_since]
    assert len(slept) == 1
