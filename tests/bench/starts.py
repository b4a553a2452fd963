"""Whole starts of a team by `team run`, watched from outside; `ready` and `memory` read them.

Each start has a home of its own, so the server's start is in it. The rehearsal model
takes a second for each call: that keeps the teammates in their first call while they
are counted. That second is subtracted for each call that the lead's plan takes, and
nothing else: what a first call costs beside it is ours.
"""

from __future__ import annotations

import asyncio
import functools
import signal
import subprocess
import sys
import time
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Final

import msgspec

from bus.access import Access, find_access
from bus.connection import Connection, connect
from bus.errors import BusError
from bus.ids import LEAD
from bus.messages import FindingSubmitted, MemberJoined, MemberSeated, RunOpened, UsageSpent
from bus.run_stream import Record, RunStream
from tests.bench.fork_floor import Floor
from tests.bench.kit import ROOT, home, pss_mib, say, served_home, team_run, tree_of

SIZES: Final = (1, 4, 16)
CALL_MS: Final = 1_000
GOAL: Final = "How does each service cancel a request, and how does it shut down?"
RUN: Final = "bench"
_POLL_S: Final = 0.1
_WAIT_S: Final = 120.0
_HOLD: Final = "import anthropic, sys; print('ready', flush=True); sys.stdin.read()"


class Memory(msgspec.Struct, frozen=True, kw_only=True):
    """Who holds what at one moment, in MiB."""

    members: list[float]
    others: float


class Start(msgspec.Struct, frozen=True, kw_only=True):
    """One start of a team, in seconds since the command, and its memory.

    Attributes:
        opened: The run's first message.
        lead_joined: The lead is ready.
        seated: The seats of all workers are laid out, model time included.
        joined: The last worker is ready.
        plan_s: What the model waited in the calls of the lead's plan.
        at_ready: Memory when the last worker was ready.
        at_work: Memory when the first finding was submitted.
    """

    opened: float
    lead_joined: float
    seated: float
    joined: float
    plan_s: float
    at_ready: Memory
    at_work: Memory

    @property
    def ready(self) -> float:
        """From command to the last worker, less the model time of the plan."""
        return self.joined - self.plan_s


class Starts(msgspec.Struct, frozen=True, kw_only=True):
    """All starts of one size, and the floors measured between them."""

    teams: list[Start] = []
    cold_s: list[float] = []
    cold_pss: list[float] = []
    forked_s: list[float] = []
    floors: list[Floor] = []


@functools.cache
def all_starts(*, is_quick: bool) -> dict[int, Starts]:
    """Start teams and floors of each size, in turn; once for both benchmarks."""
    sizes, rounds = (SIZES[:2], 1) if is_quick else (SIZES, 3)
    found = {size: Starts() for size in sizes}
    for number in range(rounds):
        for size in sizes:
            say(f"starts: {size} teammates, round {number + 1} of {rounds}")
            starts = found[size]
            starts.teams.append(team_start(size))
            seconds, held = cold_floor(size)
            starts.cold_s.append(seconds)
            starts.cold_pss.extend(held)
            seconds, floor = fork_floor(size)
            starts.forked_s.append(seconds)
            starts.floors.append(floor)
    return found


# --- floors ----------------------------------------------------------------------


def cold_floor(count: int) -> tuple[float, list[float]]:
    """Start that many Pythons at once that import the SDK; seconds, and what each holds."""
    began = time.perf_counter()
    started = [
        subprocess.Popen(
            [sys.executable, "-c", _HOLD], stdin=subprocess.PIPE, stdout=subprocess.PIPE, cwd=ROOT
        )
        for _ in range(count)
    ]
    for process in started:
        assert process.stdout is not None
        assert process.stdout.readline() == b"ready\n"
    took = time.perf_counter() - began
    held = [pss_mib(process.pid) for process in started]
    for process in started:
        process.communicate()
    return took, held


def fork_floor(count: int) -> tuple[float, Floor]:
    """Fork that many from a preloaded server; seconds of the whole command, and its parts."""
    with served_home() as (_, access):
        program = Path(__file__).with_name("fork_floor.py")
        began = time.perf_counter()
        process = subprocess.Popen(
            [sys.executable, str(program), access.url, str(count)],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            cwd=ROOT,
        )
        assert process.stdin is not None
        assert process.stdout is not None
        process.stdin.write(f"{access.token}\n".encode())
        process.stdin.close()
        line = process.stdout.readline()
        took = time.perf_counter() - began
        process.stdout.close()
        process.wait()
    return took, msgspec.json.decode(line, type=Floor)


# --- a team ----------------------------------------------------------------------


def team_start(count: int) -> Start:
    """Start a team of that many workers with `team run`, watch it, interrupt it."""
    with home() as folder:
        arguments = _arguments(folder, count)
        began = time.time()
        process = team_run(arguments, latency_ms=CALL_MS, errors=folder / "errors")
        try:
            return asyncio.run(_watch(folder, process.pid, count, began))
        except BaseException:
            say((folder / "errors").read_text())
            raise
        finally:
            process.send_signal(signal.SIGINT)
            try:
                process.wait(20)
            except subprocess.TimeoutExpired:
                process.kill()


def _arguments(folder: Path, count: int) -> list[str]:
    """The arguments of a start of that many workers."""
    return [*write_sources(folder, count), "--run", RUN]


def write_sources(folder: Path, count: int) -> list[str]:
    """Write a team file and one source group a worker; the arguments that name them."""
    spec = folder / "bench.toml"
    spec.write_text(
        'name = "bench"\n[policy]\nteammates_max = 16\n[liveness]\nbus_away_seconds = 10\n'
    )
    arguments = [str(spec), GOAL, "--mode", "team", "--quiet"]
    for number in range(1, count + 1):
        group = folder / "sources" / f"depot{number:02d}"
        group.mkdir(parents=True)
        (group / "notes.md").write_text(_source(group.name))
        arguments += ["--source", str(group)]
    return arguments


def _source(name: str) -> str:
    lines = [f"# {name}", ""]
    for part in range(1, 41):
        lines += [
            f"Worker {part} of {name} will cancel a request that waits longer than {part} s.",
            f"To shut down, part {part} of {name} first closes its queue and then its workers.",
            "",
        ]
    return "\n".join(lines)


async def _watch(folder: Path, pid: int, count: int, began: float) -> Start:
    async with asyncio.timeout(_WAIT_S), _stream(folder) as stream:
        records = await _until(stream, lambda seen: len(_workers_joined(seen)) == count)
        at_ready = _memory(pid, records)
        records = await _until(
            stream, lambda seen: any(isinstance(r.body, FindingSubmitted) for r in seen)
        )
        at_work = _memory(pid, records)
    calls = sum(isinstance(r.body, UsageSpent) and r.body.context == "plan" for r in records)
    return Start(
        opened=_at(records, RunOpened)[0] - began,
        lead_joined=_at(records, MemberJoined, LEAD)[0] - began,
        seated=max(_seats(records).values()) - began,
        joined=max(_workers_joined(records).values()) - began,
        plan_s=calls * CALL_MS / 1_000,
        at_ready=at_ready,
        at_work=at_work,
    )


@asynccontextmanager
async def _stream(folder: Path) -> AsyncIterator[RunStream]:
    """The stream of the run, as soon as there is one."""
    access: Access | None = None
    while access is None:
        await asyncio.sleep(_POLL_S)
        access = find_access(folder, None)
    async with connect(access, name="bench") as connection:
        while not await _is_open(connection):  # noqa: ASYNC110 - another process opens it
            await asyncio.sleep(_POLL_S)
        yield RunStream(connection, RUN)


async def _is_open(connection: Connection) -> bool:
    try:
        await connection.call(f"STREAM.INFO.{RunStream(connection, RUN).name}", retry_s=1.0)
    except BusError:
        return False
    return True


async def _until(stream: RunStream, is_enough: Callable[[list[Record]], bool]) -> list[Record]:
    seen: list[Record] = []
    while not is_enough(seen):
        await asyncio.sleep(_POLL_S)
        first = seen[-1].seq + 1 if seen else 1
        seen += [record async for record in stream.read(first_seq=first)]
    return seen


def _at(records: Sequence[Record], kind: type, name: str | None = None) -> list[float]:
    return [
        record.at
        for record in records
        if isinstance(record.body, kind) and (name is None or record.subject.names[0] == name)
    ]


def _seats(records: Sequence[Record]) -> dict[str, float]:
    """When each worker's seat was laid out, by name."""
    return {
        record.subject.names[0]: record.at
        for record in reversed(records)
        if isinstance(record.body, MemberSeated) and record.body.role == "researcher"
    }


def _workers_joined(records: Sequence[Record]) -> dict[str, float]:
    seats = _seats(records)
    return {
        record.subject.author: record.at
        for record in records
        if isinstance(record.body, MemberJoined) and record.subject.author in seats
    }


def _memory(pid: int, records: Sequence[Record]) -> Memory:
    """What members hold, and what the command and the forkserver hold beside them."""
    members = {r.body.pid for r in records if isinstance(r.body, MemberJoined)}
    others = [one for one in tree_of(pid) if one not in members]
    return Memory(
        members=[held for one in members if (held := pss_mib(one))],
        others=sum(pss_mib(one) for one in others),
    )
