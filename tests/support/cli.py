"""The command line as a user runs it, in a home of its own, and a look at its stream."""

from __future__ import annotations

import asyncio
import json
import os
import signal
import subprocess
import sys
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import asynccontextmanager, contextmanager, suppress
from pathlib import Path
from typing import Any

from bus.access import find_access
from bus.connection import Connection, connect
from bus.errors import RunNotFoundError
from bus.messages import TurnReplied, UsageSpent
from bus.run_stream import Record, RunStream, open_run

GOAL = "How do alpha, beta and gamma cancel and shut down work?"
PATIENCE_S = 60.0


class Cli:
    """`team` with its own state directory and a clean environment."""

    def __init__(self, home: Path, cwd: Path, **environment: str) -> None:
        self.home, self.cwd = home, cwd
        kept = {k: v for k, v in os.environ.items() if not k.startswith(("ANTHROPIC", "NATS"))}
        self.environment = kept | {"PEERTEAM_HOME": str(home)} | environment

    def command(self, *arguments: str) -> list[str]:
        """The full command line."""
        return [sys.executable, "-m", "team.cli.main", *arguments]

    def run(
        self, *arguments: str, given: str | None = None, **environment: str
    ) -> subprocess.CompletedProcess[str]:
        """Run a command to its end."""
        return subprocess.run(
            self.command(*arguments),
            cwd=self.cwd,
            env=self.environment | environment,
            input=given,
            capture_output=True,
            text=True,
            timeout=PATIENCE_S,
            check=False,
        )

    @contextmanager
    def start(self, *arguments: str, **environment: str) -> Iterator[subprocess.Popen[str]]:
        """Start a command as the head of a process group; whatever is left is killed."""
        with subprocess.Popen(
            self.command(*arguments),
            cwd=self.cwd,
            env=self.environment | environment,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
            start_new_session=True,
        ) as process:
            try:
                yield process
            finally:
                with suppress(ProcessLookupError):
                    os.killpg(process.pid, signal.SIGKILL)

    def team_run(
        self, sources: list[Path], *more: str, goal: str = GOAL, **environment: str
    ) -> tuple[subprocess.CompletedProcess[str], dict[str, Any]]:
        """Run the research team and return what it printed, as text and as an object.

        As a team, unless another mode is asked for: code would rule that small sources need none.
        """
        given = named(sources) if "--mode" in more else as_team(sources)
        done = self.run("run", "research", goal, *given, "--json", *more, **environment)
        assert done.stdout, done.stderr
        return done, json.loads(done.stdout)

    @asynccontextmanager
    async def bus(self) -> AsyncIterator[Connection]:
        """A connection to this home's server."""
        access = find_access(self.home, self.environment.get("NATS_URL"))
        assert access is not None, "the embedded server does not run"
        async with connect(access, name="test") as connection:
            yield connection

    async def records(self, run: str) -> list[Record]:
        """The whole stream of a run."""
        async with self.bus() as connection:
            return [record async for record in RunStream(connection, run).read()]

    async def until(self, run: str, is_it: Callable[[Record], bool]) -> Record:
        """Wait for a record, from the run's beginning on; at most `PATIENCE_S` seconds."""
        async with asyncio.timeout(PATIENCE_S):
            while find_access(self.home, self.environment.get("NATS_URL")) is None:  # noqa: ASYNC110 - another process starts it
                await asyncio.sleep(0.02)
            async with self.bus() as connection:
                stream = await _opened(connection, run)
                seen = 0
                while True:
                    async for record in stream.read(first_seq=seen + 1):
                        seen = record.seq
                        if is_it(record):
                            return record
                    await asyncio.sleep(0.02)


def named(sources: list[Path]) -> list[str]:
    """Sources as arguments."""
    return [part for source in sources for part in ("--source", str(source))]


def as_team(sources: list[Path]) -> list[str]:
    """Sources as arguments of a run that is a team's, however small they are."""
    return [*named(sources), "--mode", "team"]


async def _opened(connection: Connection, run: str) -> RunStream:
    while True:
        try:
            return await open_run(connection, run)
        except RunNotFoundError:
            await asyncio.sleep(0.02)


async def until_gone(pids: list[int]) -> None:
    """Wait until processes have ended; at most `PATIENCE_S` seconds."""
    async with asyncio.timeout(PATIENCE_S):
        while any(is_alive(pid) for pid in pids):  # noqa: ASYNC110 - not our children
            await asyncio.sleep(0.02)


def is_alive(pid: int) -> bool:
    """Whether a process runs; one that is dead and not yet reaped does not."""
    try:
        state = Path(f"/proc/{pid}/stat").read_text().rsplit(")", 1)[1].split()[0]
    except FileNotFoundError:
        return False
    except OSError:
        return True
    return state != "Z"


def assert_nothing_twice(records: list[Record]) -> None:
    """No finished model call was repeated, no message stored twice."""
    calls = [
        (record.subject.author, body.context, body.turn)
        for record in records
        if isinstance(body := record.body, TurnReplied)
    ]
    assert len(calls) == len(set(calls))
    paid = [
        (record.subject.author, body.context, body.turn)
        for record in records
        if isinstance(body := record.body, UsageSpent)
    ]
    assert sorted(paid) == sorted(calls)
    ids = [record.id for record in records]
    assert len(ids) == len(set(ids))
