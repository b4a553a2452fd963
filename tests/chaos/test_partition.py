"""A network between members and the bus that parts one of them, or garbles what all of them say."""

from __future__ import annotations

import asyncio
import os
import random
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any, Literal
from urllib.parse import urlsplit

import pytest

from bus.access import SERVER_DIRECTORY
from bus.messages import MemberJoined, MemberLost, TurnReplied
from bus.run_stream import Record
from bus.server import start_server
from bus.testing import Proxy
from bus.testing_frames import by_seed
from tests.support.chaos import SEEDS_VARIABLE
from tests.support.cli import GOAL, Cli, as_team
from tests.support.invariants import assert_sound
from tests.support.switchboard import Switchboard

Fault = Literal["cut", "freeze"]
SLOW = {"PEERTEAM_REHEARSAL_LATENCY_MS": "150"}
RUN = "parted"


def _named() -> list[int]:
    return [int(seed) for seed in os.environ.get(SEEDS_VARIABLE, "").split()]


def _cases() -> list[Any]:
    """Each fault and member for 5 s; and what the seeds say, up to a minute."""
    cases: list[Any] = [
        pytest.param("bea", "cut", 5.0, id="bea-cut-5"),
        pytest.param("bea", "freeze", 5.0, id="bea-freeze-5"),
        pytest.param("lead", "cut", 5.0, id="lead-cut-5"),
        pytest.param("lead", "freeze", 5.0, id="lead-freeze-5"),
        pytest.param("bea", "freeze", 60.0, id="bea-freeze-60"),
        pytest.param("lead", "cut", 90.0, id="lead-cut-90"),
    ]
    for seed in _named():
        chance = random.Random(seed)
        member = chance.choice(["ada", "bea", "cleo", "vera", "lead"])
        fault, seconds = chance.choice(["cut", "freeze"]), chance.uniform(5.0, 60.0)
        cases.append(pytest.param(member, fault, seconds, id=f"seed-{seed}"))
    return cases


@asynccontextmanager
async def _switchboard(cli: Cli, member: str) -> AsyncIterator[Switchboard]:
    """The home's own server behind a switchboard that keeps one member apart."""
    server = await asyncio.to_thread(start_server, cli.home / SERVER_DIRECTORY)
    async with Proxy("127.0.0.1", urlsplit(server.url).port or 0) as proxy:
        board = Switchboard(server.url, server.token, proxy, lambda name: name == f"{RUN}/{member}")
        async with board.serving():
            yield board


@pytest.mark.slow
@pytest.mark.timeout(240)
@pytest.mark.parametrize(("member", "fault", "seconds"), _cases())
async def test_a_member_that_is_parted_from_the_bus_loses_nothing(
    member: str, fault: Fault, seconds: float, cli: Cli, lanes: list[Path]
) -> None:
    """It waits and goes on, or another takes its place and it is fenced: nobody can tell."""

    def is_at_work(record: Record) -> bool:
        is_member = record.subject.author == member
        return is_member and isinstance(record.body, TurnReplied | MemberJoined)

    async with _switchboard(cli, member) as board:
        arguments = ["run", "research", GOAL, *as_team(lanes), "--run", RUN, "-q"]
        with cli.start(*arguments, **SLOW, NATS_URL=board.url) as team:
            await cli.until(RUN, is_at_work)
            board.proxy.cut() if fault == "cut" else board.proxy.freeze()
            parted_at = time.time()
            # The fault lasts by the clock: that is what it is.
            await asyncio.sleep(seconds)
            parted = await cli.records(RUN)
            board.proxy.heal()
            _, errors = await asyncio.to_thread(team.communicate, timeout=150)

    assert team.returncode == 0, errors
    assert f"{RUN}/{member}" in board.names
    assert not [r for r in parted if r.subject.author == member and r.at > parted_at + 1.0]
    records = await cli.records(RUN)
    assert_sound(records, has_ended=True)
    assert [r.id for r in records[: len(parted)]] == [r.id for r in parted]
    assert not [r for r in records if isinstance(r.body, MemberLost)]


@pytest.mark.slow
@pytest.mark.timeout(240)
@pytest.mark.parametrize("seed", _named() or range(3))
async def test_a_team_behind_a_bad_network_loses_and_doubles_nothing(
    seed: int, cli: Cli, lanes: list[Path]
) -> None:
    """One message in 25 comes twice, after the next one, or late: of members and server alike."""
    server = await asyncio.to_thread(start_server, cli.home / SERVER_DIRECTORY)
    async with Proxy("127.0.0.1", urlsplit(server.url).port or 0, frames=True) as proxy:
        proxy.faults = by_seed(seed, double=0.02, swap=0.01, delay=0.01)
        url = f"nats://{server.token}@127.0.0.1:{proxy.port}"
        arguments = ["run", "research", GOAL, *as_team(lanes), "--run", RUN, "-q"]
        with cli.start(*arguments, NATS_URL=url) as team:
            _, errors = await asyncio.to_thread(team.communicate, timeout=200)

    assert team.returncode == 0, f"seed {seed}: {errors}"
    assert {fate for fate, _ in proxy.done} == {"double", "swap", "delay"}
    assert_sound(await cli.records(RUN), has_ended=True)
