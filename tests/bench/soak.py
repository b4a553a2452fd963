"""Runs in a loop for many minutes, and whether anything grows: `python -m tests.bench.soak`.

Sixteen members on the rehearsal model work at a time. Every few seconds each process is
looked at (memory, file handles, threads), after each run the server (streams, consumers,
connections, subscriptions) and the folder for temporary files. Old runs are deleted, as a
user would, so that what is kept on purpose does not look like a leak.
"""

from __future__ import annotations

import argparse
import asyncio
import http.client
import os
import subprocess
import sys
import tempfile
import time
from collections import defaultdict
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Final
from urllib.parse import urlsplit

import msgspec

from bus.access import SERVER_DIRECTORY, Access
from bus.connection import Connection, connect
from bus.server import find_server
from tests.bench.kit import machine, pss_mib, say, served_home, team_run, tree_of
from tests.bench.starts import write_sources

MEMBERS: Final = 16
LANES: Final = MEMBERS - 2
"""The lead and a verifier are members, too."""
LATENCY_MS: Final = 50
SAMPLE_S: Final = 2.0
RUNS_KEPT: Final = 3
SETTLE_S: Final = 35.0
"""A consumer that is not to last ends 30 s after its reader, with the patience of these runs."""
GROWTH_MAX: Final = 0.05
"""What may grow over the soak, as a share of its median, and still counts as flat …"""
SLACK: Final = {"pss_mib": 2.0, "fds": 1.0, "threads": 1.0}
"""… or so much of it, whatever the share."""
SKIPPED: Final = RUNS_KEPT + 2
"""The first runs fill caches and disk; slopes are taken from what comes after them."""
RUNS_MIN: Final = 2 * SKIPPED
"""With fewer runs nothing can be said of slopes."""


class Sample(msgspec.Struct, frozen=True, kw_only=True):
    """One process at one moment."""

    at_s: float
    run: int
    what: str
    pid: int
    pss_mib: float
    fds: int
    threads: int


class Served(msgspec.Struct, frozen=True, kw_only=True):
    """The server after a run: what it holds, and what it should not hold any more."""

    streams: int
    consumers: int
    fleeting: int
    connections: int
    subscriptions: int
    temporary: int


class Trend(msgspec.Struct, frozen=True, kw_only=True):
    """How one measure of one kind of process went over the soak."""

    what: str
    measure: str
    first: float
    last: float
    peak: float
    growth: float
    is_flat: bool


# --- looking at processes ---------------------------------------------------------


def sample(at_s: float, run: int, command: int, server: int) -> list[Sample]:
    """All processes of a run, by what they are."""
    found: list[Sample] = []
    for pid in (server, *tree_of(command)):
        what = "server" if pid == server else _kind(pid, command)
        try:
            fds = len(list(Path(f"/proc/{pid}/fd").iterdir()))
            threads = len(list(Path(f"/proc/{pid}/task").iterdir()))
        except OSError:
            continue  # it has just ended
        held = pss_mib(pid)
        if held:
            one = Sample(
                at_s=at_s, run=run, what=what, pid=pid, pss_mib=held, fds=fds, threads=threads
            )
            found.append(one)
    return found


def _kind(pid: int, command: int) -> str:
    if pid == command:
        return "command"
    try:
        line = Path(f"/proc/{pid}/cmdline").read_bytes()
        parent = int(Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[1])
    except (OSError, IndexError):
        return "gone"
    if b"resource_tracker" in line:
        return "tracker"
    return "forkserver" if parent == command else "member"


# --- looking at the server --------------------------------------------------------


class _Streams(msgspec.Struct):
    streams: list[str] | None = None


class _Consumers(msgspec.Struct):
    consumers: list[str] | None = None


class _Varz(msgspec.Struct):
    connections: int
    subscriptions: int


async def look_at(connection: Connection, monitor_url: str, temporary: Path) -> Served:
    """Count what the server holds; our own connection is not counted."""
    answer = await connection.call("STREAM.NAMES")
    streams = msgspec.json.decode(answer, type=_Streams).streams or []
    names: list[str] = []
    for stream in streams:
        answer = await connection.call(f"CONSUMER.NAMES.{stream}")
        names += msgspec.json.decode(answer, type=_Consumers).consumers or []
    varz = await asyncio.to_thread(_varz, monitor_url)
    return Served(
        streams=len(streams),
        consumers=len(names),
        fleeting=sum(name.startswith(("supervisor-", "watcher-")) for name in names),
        connections=varz.connections - 1,
        subscriptions=varz.subscriptions,
        temporary=len(list(temporary.iterdir())),
    )


def _varz(monitor_url: str) -> _Varz:
    monitor = http.client.HTTPConnection(urlsplit(monitor_url).netloc, timeout=5)
    monitor.request("GET", "/varz")
    found = msgspec.json.decode(monitor.getresponse().read(), type=_Varz)
    monitor.close()
    return found


async def forget(connection: Connection, number: int) -> None:
    """Delete an old run, with what belongs to it."""
    answer = await connection.call("STREAM.NAMES")
    for stream in msgspec.json.decode(answer, type=_Streams).streams or []:
        if stream.endswith(f"soak-{number}"):
            await connection.call(f"STREAM.DELETE.{stream}")


# --- the loop ---------------------------------------------------------------------


class Soak:
    """Runs in a loop, and all that was seen."""

    def __init__(self, folder: Path, access: Access, minutes: float) -> None:
        self.samples: list[Sample] = []
        self.served: list[Served] = []
        self.failed: list[str] = []
        self.runs = 0
        self._folder = folder
        self._access = access
        self._began = time.monotonic()
        self._ends = self._began + 60 * minutes

    async def go_on(self) -> None:
        """Run until the time is over, then wait until what is not to last has ended."""
        server = find_server(self._folder / SERVER_DIRECTORY)
        assert server is not None
        arguments = write_sources(self._folder, LANES)
        with _temporary(self._folder) as temporary:
            async with connect(self._access, name="soak") as connection:
                while time.monotonic() < self._ends:
                    self.runs += 1
                    await self._run(arguments, server.pid)
                    self.served.append(await look_at(connection, server.monitor_url, temporary))
                    await forget(connection, self.runs - RUNS_KEPT)
                    say(f"soak: run {self.runs}, {self._now() / 60:.1f} min, {self.served[-1]}")
                await asyncio.sleep(SETTLE_S)
                self.served.append(await look_at(connection, server.monitor_url, temporary))

    def _now(self) -> float:
        return time.monotonic() - self._began

    async def _run(self, arguments: Sequence[str], server: int) -> None:
        errors = self._folder / "errors"
        named = [*arguments, "--run", f"soak-{self.runs}"]
        command = team_run(named, latency_ms=LATENCY_MS, errors=errors)
        while command.poll() is None:
            self.samples += sample(self._now(), self.runs, command.pid, server)
            await _wait(command, SAMPLE_S)
        if command.returncode != 0:
            self.failed.append(f"run {self.runs}: exit code {command.returncode}")
            say(errors.read_text()[-2_000:])


async def _wait(command: subprocess.Popen[bytes], seconds: float) -> None:
    try:
        await asyncio.to_thread(command.wait, seconds)
    except subprocess.TimeoutExpired:
        return


@contextmanager
def _temporary(folder: Path) -> Iterator[Path]:
    """A folder of our own for temporary files, to see what is left in it."""
    place = folder / "tmp"
    place.mkdir()
    before = os.environ.get("TMPDIR")
    os.environ["TMPDIR"] = str(place)
    try:
        yield place
    finally:
        os.environ.pop("TMPDIR")
        if before is not None:
            os.environ["TMPDIR"] = before


# --- the verdict ------------------------------------------------------------------


def trends(samples: Sequence[Sample]) -> list[Trend]:
    """How each measure of each kind went, by the highest of each run."""
    peaks: dict[tuple[str, str], dict[int, float]] = defaultdict(dict)
    for one in samples:
        for measure in SLACK:
            if one.what not in ("gone", "tracker"):
                highest = peaks[one.what, measure]
                highest[one.run] = max(highest.get(one.run, 0.0), getattr(one, measure))
    return [_trend(*key, list(by_run.values())) for key, by_run in sorted(peaks.items())]


def _trend(what: str, measure: str, values: Sequence[float]) -> Trend:
    seen = values[SKIPPED:] if len(values) >= RUNS_MIN else values
    growth = slope(seen) * (len(seen) - 1)
    room = max(SLACK[measure], GROWTH_MAX * sorted(seen)[len(seen) // 2])
    return Trend(
        what=what,
        measure=measure,
        first=seen[0],
        last=seen[-1],
        peak=max(seen),
        growth=growth,
        is_flat=growth <= room,
    )


def slope(values: Sequence[float]) -> float:
    """What is added from one value to the next, by least squares; 0 for fewer than three."""
    count = len(values)
    if count < 3:
        return 0.0
    middle, mean = (count - 1) / 2, sum(values) / count
    above = sum((at - middle) * (value - mean) for at, value in enumerate(values))
    return above / sum((at - middle) ** 2 for at in range(count))


def leaks(served: Sequence[Served]) -> list[str]:
    """What the server or the temporary folder should not hold at the end."""
    last = served[-1]
    found = {
        "consumers of a supervisor or a follower": last.fleeting,
        "connections beside ours": last.connections,
        "temporary files": last.temporary,
        "streams of deleted runs": max(0, last.streams - 2 * (RUNS_KEPT + 1)),
    }
    return [f"{count} {what}" for what, count in found.items() if count]


def show(soak: Soak) -> str:
    """The table, and the verdict."""
    lines = [f"{'process':<12}{'measure':<10}{'first':>9}{'last':>9}{'peak':>9}{'growth':>9}  flat"]
    rows = trends(soak.samples)
    for one in rows:
        numbers = "".join(f"{n:>9.2f}" for n in (one.first, one.last, one.peak, one.growth))
        lines.append(f"{one.what:<12}{one.measure:<10}{numbers}  {'yes' if one.is_flat else 'NO'}")
    wrong = [f"{one.what} {one.measure} grows" for one in rows if not one.is_flat]
    wrong += [*leaks(soak.served), *soak.failed]
    if soak.runs < RUNS_MIN:
        wrong = [f"{soak.runs} runs are too few to tell, {RUNS_MIN} are needed"]
    lines += ["", f"runs: {soak.runs}; server at the end: {soak.served[-1]}"]
    lines.append(f"load average: {machine()['load_average']}")
    return "\n".join([*lines, f"verdict: {'; '.join(wrong) if wrong else 'flat'}"])


def main() -> int:
    """Soak for as long as asked."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--minutes", type=float, default=30.0, help="for how long")
    minutes = parser.parse_args().minutes
    with served_home() as (folder, access):
        tempfile.tempdir = None
        soak = Soak(folder, access, minutes)
        asyncio.run(soak.go_on())
    print(show(soak))
    return 0 if show(soak).endswith("verdict: flat") else 1


if __name__ == "__main__":
    sys.exit(main())
