"""How long it takes until work goes on after a kill: of a teammate, of the lead, of the server.

Times are the stream's: from the kill to the record that shows it, on one machine's clock.
"""

from __future__ import annotations

import asyncio
import multiprocessing
import os
import signal
import time
from collections.abc import Callable
from multiprocessing import forkserver
from pathlib import Path
from typing import Final

import msgspec

from bus.access import SERVER_DIRECTORY, Access, open_access
from bus.connection import connect
from bus.ids import LEAD
from bus.messages import FindingSubmitted, MemberJoined, TurnReplied
from bus.run_stream import Record, RunStream, create_run
from bus.server import find_server
from tests.bench.kit import LATENCY_VARIABLE, Report, Row, home, machine, quantile, row, say
from tests.support.cli import GOAL, Cli, as_team
from tests.support.sources import three_lanes

ROUNDS: Final = 20
LATENCY_MS: Final = 200
_WAIT_S: Final = 120.0


class Found(msgspec.Struct, kw_only=True):
    """Seconds from each kill to what shows that work goes on, and the floors' seconds."""

    teammate_joined: list[float] = []
    teammate_moving: list[float] = []
    lead_joined: list[float] = []
    lead_moving: list[float] = []
    server_commit: list[float] = []
    fork_floor: list[float] = []
    server_floor: list[float] = []


# --- a run under kills ------------------------------------------------------------


async def run_once(cli: Cli, sources: list[Path], run: str, found: Found) -> None:
    """One run in which the server, every teammate and the lead are killed once, in turn."""
    environment = {LATENCY_VARIABLE: str(LATENCY_MS)}
    arguments = ["run", "research", GOAL, *as_team(sources), "--run", run, "-q"]
    with cli.start(*arguments, **environment) as team:
        await cli.until(run, _replied("ada"))
        found.server_commit.append(await kill_server(cli, run))
        for name in ("ada", "bea", "cleo"):
            await cli.until(run, _replied(name))
            joined, moving = await kill_member(cli, run, name)
            found.teammate_joined.append(joined)
            found.teammate_moving.append(moving)
        await cli.until(run, lambda r: isinstance(r.body, FindingSubmitted))
        joined, moving = await kill_member(cli, run, LEAD)
        found.lead_joined.append(joined)
        found.lead_moving.append(moving)
        _, errors = await asyncio.to_thread(team.communicate, timeout=_WAIT_S)
    assert team.returncode == 0, errors


def _replied(name: str) -> Callable[[Record], bool]:
    return lambda r: r.subject.author == name and isinstance(r.body, TurnReplied)


async def kill_member(cli: Cli, run: str, name: str) -> tuple[float, float]:
    """Kill a member: seconds until its next process has joined, and until it writes again."""
    await cli.kill(run, name)
    killed = time.time()
    joined = await cli.until(
        run, lambda r: _is(r, name) and isinstance(r.body, MemberJoined) and r.at > killed
    )
    moving = await cli.until(run, lambda r: _is(r, name) and r.seq > joined.seq)
    return joined.at - killed, moving.at - killed


def _is(record: Record, name: str) -> bool:
    return record.subject.author == name


async def kill_server(cli: Cli, run: str) -> float:
    """Kill the server: seconds until the run's next record is stored."""
    server = find_server(cli.home / SERVER_DIRECTORY)
    assert server is not None
    os.kill(server.pid, signal.SIGKILL)
    killed = time.time()
    return (await cli.until(run, lambda r: r.at > killed)).at - killed


# --- floors -----------------------------------------------------------------------


def fork_floor(access: Access, run: str) -> float:
    """Fork a process that connects and reads a run's stream; nothing of a member is in it."""
    began = time.perf_counter()
    _forked(_read_all, access, run)
    return time.perf_counter() - began


def _forked(work: Callable[..., object], *given: object) -> None:
    """Do something in a process of its own, forked from one that has imported it."""
    process = multiprocessing.get_context("forkserver").Process(target=work, args=given)
    process.start()
    process.join()
    assert process.exitcode == 0


def _read_all(access: Access, run: str) -> None:
    asyncio.run(_read(access, run))


async def _read(access: Access, run: str) -> None:
    async with connect(access, name="floor") as connection:
        assert [record async for record in RunStream(connection, run).read()]


async def server_floor(folder: Path) -> float:
    """Kill a server and start it again at once: seconds until a stream is made on it."""
    access = open_access(folder, None)
    server = find_server(folder / SERVER_DIRECTORY)
    assert server is not None
    os.kill(server.pid, signal.SIGKILL)
    began = time.perf_counter()
    access = await asyncio.to_thread(open_access, folder, None)
    async with connect(access, name="floor") as connection:
        await create_run(connection, f"floor-{time.time_ns()}")
    return time.perf_counter() - began


# --- the report -------------------------------------------------------------------


async def measure(folder: Path, rounds: int) -> Found:
    """Runs and floors in turn."""
    cli = Cli(folder, folder)
    sources = three_lanes(folder / "sources")
    found = Found()
    _forked(int)  # the forkserver has imported everything when its first child ends
    for number in range(rounds):
        say(f"recovery: round {number + 1} of {rounds}")
        run = f"recovery-{number}"
        await run_once(cli, sources, run, found)
        access = open_access(folder, None)
        found.fork_floor.append(await asyncio.to_thread(fork_floor, access, run))
        found.server_floor.append(await server_floor(folder))
    return found


def rows_of(found: Found) -> list[Row]:
    """Median and 95 % of each, beside the floor's own."""
    fork, restart = "fork, connect, read", "restart, make a stream"
    cases = [
        ("teammate killed", "it has joined again", found.teammate_joined, found.fork_floor, fork),
        ("teammate killed", "its task moves", found.teammate_moving, found.fork_floor, fork),
        ("lead killed", "it has joined again", found.lead_joined, found.fork_floor, fork),
        ("lead killed", "the plan moves", found.lead_moving, found.fork_floor, fork),
        ("server killed", "first commit", found.server_commit, found.server_floor, restart),
    ]
    return [
        row(
            f"{case}, n={len(seen)}",
            f"{what}, p{share:.0%}".rstrip("%"),
            "s",
            quantile(seen, share),
            quantile(floor, share),
            floor_is,
        )
        for case, what, seen, floor, floor_is in cases
        for share in (0.5, 0.95)
    ]


def run(*, is_quick: bool) -> Report:
    """Measure."""
    forkserver.set_forkserver_preload(["tests.bench.recovery"])
    with home() as folder:
        found = asyncio.run(measure(folder, 1 if is_quick else ROUNDS))
    return Report(
        name="recovery",
        how=(
            "Runs of three lanes on the rehearsal model, 200 ms a call. In each, the server,\n"
            "the three teammates and the lead are killed with SIGKILL, one after the other,\n"
            "each when the one before has recovered. From the kill to the stored record."
        ),
        rows=tuple(rows_of(found)),
        notes=(
            "a task moves with its next journal entry: a model call of 200 ms may be in it",
            "a first death; each further one within a minute waits longer (0.5, 2, 5 s)",
            f"load average at the end: {machine()['load_average']}",
        ),
    )
