"""Random processes of a run are killed at random instants; nothing is lost, nothing is doubled.

A seed names the kills. `make chaos SEEDS="17 4711"` runs the seeds that you name, and a
failure says which seed to name.
"""

from __future__ import annotations

import os
from collections import Counter
from pathlib import Path
from typing import Any

import pytest

from bus.messages import MemberJoined, MemberLost, ResultPublished
from tests.support.chaos import (
    SEEDS_VARIABLE,
    SHORT,
    WEIGHTS,
    Storm,
    all_seeds,
    blows_of,
    kills_of,
)
from tests.support.cli import GOAL, Cli, as_team
from tests.support.invariants import assert_sound

SLOW = {"PEERTEAM_REHEARSAL_LATENCY_MS": "150"}


def _seeds() -> list[Any]:
    """The seeds that were named; else a few for `make test`, and many that are slow."""
    if named := os.environ.get(SEEDS_VARIABLE, "").split():
        return [int(seed) for seed in named]
    slow = pytest.mark.slow
    return [seed if seed in SHORT else pytest.param(seed, marks=slow) for seed in all_seeds()]


@pytest.mark.timeout(300)
@pytest.mark.parametrize("seed", _seeds())
async def test_nothing_is_lost_whoever_is_killed(
    seed: int, cli: Cli, lanes: list[Path], record_property: Any
) -> None:
    """`kill -9` of members, lead, bus, command and forkserver, several times in one run."""
    storm = Storm(cli, lanes, seed)

    records = await storm.pass_over()

    print(storm.story)
    for one in storm.story.struck:
        record_property("kill", (one.victim, one.phase))
    [result] = [r.body for r in records if isinstance(r.body, ResultPublished)]
    assert result.status == "admitted", result.missing


def test_the_seeds_kill_everyone_often_enough() -> None:
    """20 kills in the short form, 200 and more in the long one, of every kind of process."""
    short = [blow.victim for seed in SHORT for blow in blows_of(seed, kills_of(seed))]
    long = [blow.victim for seed in all_seeds() for blow in blows_of(seed, kills_of(seed))]

    assert len(short) >= 20
    assert set(short) == set(WEIGHTS)
    assert len(long) - len(short) >= 200
    assert min(Counter(long).values()) >= 10


def test_a_seed_always_names_the_same_kills() -> None:
    assert blows_of(7, 8) == blows_of(7, 8)
    assert blows_of(7, 8) != blows_of(8, 8)


@pytest.mark.slow
async def test_who_is_killed_too_often_is_given_up_loudly(cli: Cli, lanes: list[Path]) -> None:
    """With one restart allowed, the second death in a minute loses the member; the rest go on."""
    spec = cli.cwd / "once.toml"
    spec.write_text('name = "once"\n[policy]\nrestarts_max = 1\n')
    with cli.start("run", str(spec), GOAL, *as_team(lanes), "--run", "once", "-q", **SLOW) as team:
        for incarnation in (1, 2):
            await cli.kill("once", "bea", incarnation)
        lost = await cli.until("once", lambda r: isinstance(r.body, MemberLost))
        _, errors = team.communicate(timeout=90)

    assert team.returncode == 0, errors
    assert lost.subject.names == ("bea",)
    assert isinstance(lost.body, MemberLost)
    assert "died 2 times" in lost.body.reason
    records = await cli.records("once")
    assert [r.seq for r in records if _joined(r, "bea")][-1] < lost.seq
    assert_sound(records, has_ended=True)


def _joined(record: Any, name: str) -> bool:
    return isinstance(record.body, MemberJoined) and record.subject.author == name
