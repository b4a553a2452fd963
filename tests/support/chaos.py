"""Kill processes of a run at random by a seed, and look after each kill whether all still holds.

A seed says which process is killed, after which record of the stream, and how much later. It
replays as well as a schedule of processes can: the same victims at the same places, not the
same microseconds. What a seed did is told in `Story`, and a failure prints it.
"""

from __future__ import annotations

import asyncio
import os
import random
import signal
import subprocess
import time
from collections import Counter
from collections.abc import AsyncIterator, Iterable, Sequence
from contextlib import suppress
from pathlib import Path
from typing import Any, Final, Literal

import httpx2
import msgspec

from bus.access import SERVER_DIRECTORY, Access, find_access
from bus.connection import connect
from bus.errors import BusError
from bus.ids import LEAD
from bus.messages import FindingSubmitted, PlanMade, ResultPublished, TaskSettled, TurnReplied
from bus.run_stream import Record, open_run
from bus.server import find_server
from team.agent.models.rehearsal.transport import respond
from team.cli import exit_codes
from tests.support.cli import GOAL, Cli, as_team, is_alive, until_gone
from tests.support.invariants import assert_sound, broken, last_pids
from tests.support.messages_api import KEY, MessagesApi, messages_api

Victim = Literal["teammate", "lead", "server", "command", "forkserver"]
Phase = Literal["start", "plan", "work", "gate", "end"]

WEIGHTS: Final[dict[Victim, int]] = {
    "teammate": 8,
    "lead": 5,
    "server": 4,
    "command": 3,
    "forkserver": 2,
}
PHASES: Final[tuple[Phase, ...]] = ("start", "plan", "work", "gate", "end")
EARLY: Final = 4
"""Up to this record the processes still start: seconds go by without one."""
PLACES: Final = ((1, EARLY), (EARLY + 1, 10), (11, 90), (91, 140))
"""Records after which is killed: while all starts, the plan is made, lanes and gate work."""
PLACE_WEIGHTS: Final = (2, 2, 9, 7)
"""A run has 170 records and more: later than that it might have ended."""
LATENCY_S: Final = 0.05
PATIENCE_S: Final = 240.0
READ_S: Final = 0.5
SILENT_S: Final = 5.0
"""After so long without an answer the server is somewhere else now: look for it."""
RUN: Final = "chaos"
SEEDS_VARIABLE: Final = "PEERTEAM_CHAOS_SEEDS"
SHORT: Final = range(4)
"""Seeds of the short form; all others are slow."""
LONG_SEEDS: Final = 26
KILLS_SHORT: Final = 5
KILLS_LONG: Final = 8
SPEC: Final = 'name = "chaos"\n[policy]\nrestarts_max = 60\n'
"""Random kills may meet one member more often than a policy for users would forgive."""
KILLED: Final = -signal.SIGKILL
RESUMES_MAX: Final = 20
RESUME_S: Final = 0.2


class Blow(msgspec.Struct, frozen=True, kw_only=True):
    """One kill: whom, after which record, and how many seconds later; `pick` chooses among many."""

    victim: Victim
    after: int
    jitter_s: float
    pick: float


class Struck(msgspec.Struct, frozen=True, kw_only=True):
    """A kill that was done: which process, how far the run had got, and when, from its start."""

    victim: Victim
    name: str
    pid: int
    at_record: int
    phase: Phase
    at_s: float


class Story(msgspec.Struct, kw_only=True):
    """What a seed did."""

    seed: int
    struck: list[Struck] = []
    exits: list[int] = []

    def __str__(self) -> str:
        """For whoever has to find out what happened."""
        kills = [
            f"  {s.at_s:6.2f} s, after record {s.at_record} ({s.phase}): {s.name}, pid {s.pid}"
            for s in self.struck
        ]
        return "\n".join(
            [
                f"seed {self.seed}: {len(self.struck)} kills, exit codes {self.exits}",
                *kills,
                f"replay it: make chaos SEEDS={self.seed}",
            ]
        )


def all_seeds() -> range:
    """The seeds of the long form, those of the short one among them."""
    return range(len(SHORT) + LONG_SEEDS)


def kills_of(seed: int) -> int:
    """How many processes a seed kills."""
    return KILLS_SHORT if seed in SHORT else KILLS_LONG


def blows_of(seed: int, count: int) -> tuple[Blow, ...]:
    """The kills of a seed, in the order of the stream."""
    chance = random.Random(seed)
    victims = chance.choices(list(WEIGHTS), list(WEIGHTS.values()), k=count)
    places = [chance.randint(*chance.choices(PLACES, PLACE_WEIGHTS)[0]) for _ in victims]
    return tuple(
        Blow(
            victim=victim,
            after=after,
            jitter_s=chance.uniform(0.0, 1.5 if after <= EARLY else 2 * LATENCY_S),
            pick=chance.random(),
        )
        for victim, after in zip(victims, sorted(places), strict=True)
    )


def phase_of(records: Sequence[Record]) -> Phase:
    """How far a run has got."""
    bodies = [record.body for record in records]

    def has(kind: type) -> bool:
        return any(isinstance(body, kind) for body in bodies)

    if has(ResultPublished):
        return "end"
    if has(FindingSubmitted) or has(TaskSettled):
        return "gate"
    if has(PlanMade):
        return "work"
    return "plan" if len(records) > EARLY else "start"


class Storm:
    """One run under kills. `pass_over` returns when it has ended, and everything held."""

    def __init__(self, cli: Cli, sources: Sequence[Path], seed: int) -> None:
        self.story = Story(seed=seed)
        self._cli = cli
        self._sources = list(sources)
        self._blows = blows_of(seed, kills_of(seed))
        self._seen: list[Record] = []
        self._command: subprocess.Popen[str] | None = None
        self._asked: list[tuple[float, str]] = []
        self._ended = asyncio.Event()
        self._began = time.monotonic()

    async def pass_over(self) -> list[Record]:
        """Run, kill, resume; gives the whole stream.

        Raises:
            AssertionError: Something does not hold; its text tells the seed.
        """
        records: list[Record] = []
        try:
            async with asyncio.timeout(PATIENCE_S), messages_api(self._answer) as api:
                records = await self._under(api)
        except* (AssertionError, TimeoutError) as errors:
            why = "\n".join(str(one) or "it did not end in time" for one in errors.exceptions)
            raise AssertionError(f"{why}\n{self.story}\n{self._last_words()}") from errors
        finally:
            self._end_all()
        return records

    async def _under(self, api: MessagesApi) -> list[Record]:
        environment = {"ANTHROPIC_API_KEY": KEY, "ANTHROPIC_BASE_URL": api.url}
        async with asyncio.TaskGroup() as group:
            others = [group.create_task(work()) for work in (self._follow, self._strike_all)]
            await self._keep_running(environment)
            for task in others:
                task.cancel()  # a kill that comes due after the end is not done
        records = await self._cli.records(RUN)
        assert_sound(records, has_ended=True)
        assert_not_asked_again(records, self._asked)
        await until_gone(list(last_pids(records).values()))
        return records

    def _last_words(self) -> str:
        """The last that each process has logged."""
        logs = sorted((self._cli.home / "runs" / RUN / "logs").glob("*.log"))
        return "\n".join(
            f"{path.name}: {line}" for path in logs for line in path.read_text().splitlines()[-3:]
        )

    def _answer(self, body: dict[str, Any], _: int) -> httpx2.Response:
        """Answer as the rehearsal model does, after a while; keeps when it was asked, and what."""
        response = respond(body)
        self._asked.append((time.time(), response.headers["request-id"]))
        content = response.stream
        assert isinstance(content, httpx2.AsyncByteStream)
        return httpx2.Response(200, headers=response.headers, stream=_Late(content))

    # --- the command, again and again ---------------------------------------------

    async def _keep_running(self, environment: dict[str, str]) -> None:
        """Start the command and resume until it ends with a result, as a patient user would."""
        arguments = self._first_arguments()
        for _ in range(RESUMES_MAX):
            code, said = await self._run_once(arguments, environment)
            self.story.exits.append(code)
            if code == exit_codes.OK:
                self._ended.set()
                return
            assert _is_to_be_resumed(code, said), f"exit code {code}: {said}"
            await asyncio.sleep(RESUME_S)
            arguments = ["resume", RUN, "-q"]
        raise AssertionError(f"resumed {RESUMES_MAX} times; last: {said}")

    def _first_arguments(self) -> list[str]:
        spec = self._cli.cwd / "chaos.toml"
        spec.write_text(SPEC)
        return ["run", str(spec), GOAL, *as_team(self._sources), "--run", RUN, "-q"]

    async def _run_once(self, arguments: list[str], environment: dict[str, str]) -> tuple[int, str]:
        """Run a command to its end; its exit code, and what it said."""
        said = self._cli.cwd / "said.txt"
        self._command = self._started(arguments, environment, said)
        code = await asyncio.to_thread(self._command.wait)
        return code, said.read_text()

    def _started(
        self, arguments: list[str], environment: dict[str, str], said: Path
    ) -> subprocess.Popen[str]:
        with said.open("w") as file:
            return subprocess.Popen(
                self._cli.command(*arguments),
                cwd=self._cli.cwd,
                env=self._cli.environment | environment,
                stdin=subprocess.DEVNULL,
                stdout=subprocess.DEVNULL,
                stderr=file,
                text=True,
                start_new_session=True,
            )

    # --- kills --------------------------------------------------------------------

    async def _strike_all(self) -> None:
        for blow in self._blows:
            while len(self._seen) < blow.after:  # noqa: ASYNC110 - another process writes them
                await asyncio.sleep(0.005)
            await asyncio.sleep(blow.jitter_s)
            await self._strike(blow)
            await self._assert_holds()

    async def _strike(self, blow: Blow) -> None:
        """Kill whom the seed named, or who is nearest to it among those that live."""
        found: dict[Victim, list[tuple[str, int]]] = {}
        while not found:
            found = self._targets()
            await asyncio.sleep(0.01)
        victim = blow.victim if blow.victim in found else _nearest(blow.victim, found)
        name, pid = found[victim][int(blow.pick * len(found[victim]))]
        self.story.struck.append(
            Struck(
                victim=victim,
                name=name,
                pid=pid,
                at_record=len(self._seen),
                phase=phase_of(self._seen),
                at_s=time.monotonic() - self._began,
            )
        )
        os.kill(pid, signal.SIGKILL)

    def _targets(self) -> dict[Victim, list[tuple[str, int]]]:
        """The processes of this run that live, by what they are."""
        found: dict[Victim, list[tuple[str, int]]] = {}
        for name, pid in sorted(last_pids(self._seen).items()):
            if name != "supervisor" and self._is_ours(pid):
                found.setdefault("lead" if name == LEAD else "teammate", []).append((name, pid))
        server = find_server(self._cli.home / SERVER_DIRECTORY)
        if server is not None:
            found["server"] = [("server", server.pid)]
        if self._command is not None and self._command.poll() is None:
            found["command"] = [("command", self._command.pid)]
            if (forker := forkserver_of(self._command.pid)) is not None:
                found["forkserver"] = [("forkserver", forker)]
        return found

    def _is_ours(self, pid: int) -> bool:
        """Whether a process lives and is of this run: a pid may have gone to somebody else."""
        return is_alive(pid) and f"PEERTEAM_HOME={self._cli.home}".encode() in _read(pid, "environ")

    def _end_all(self) -> None:
        """End what is left, whatever has failed; members end with their command."""
        for name, pid in last_pids(self._seen).items():
            if name != "supervisor" and self._is_ours(pid):
                os.kill(pid, signal.SIGKILL)
        if self._command is not None and self._command.poll() is None:
            os.killpg(self._command.pid, signal.SIGKILL)
            self._command.wait()

    # --- looking ------------------------------------------------------------------

    async def _follow(self) -> None:
        """Read what comes, by a connection of our own; while the bus is away nothing comes."""
        while True:
            access = find_access(self._cli.home, None)
            with suppress(BusError):
                if access is not None:
                    await self._read_on(access)
            await asyncio.sleep(0.02)

    async def _read_on(self, access: Access) -> None:
        """Read on one connection, which finds a server that comes again by itself."""
        async with connect(access, name="chaos") as connection:
            stream = await open_run(connection, RUN)
            heard_at = time.monotonic()
            while time.monotonic() - heard_at < SILENT_S:
                # What was asked of a server that is gone now is never answered: ask again.
                with suppress(TimeoutError):
                    async with asyncio.timeout(READ_S):
                        async for record in stream.read(first_seq=len(self._seen) + 1):
                            self._seen.append(record)
                        heard_at = time.monotonic()
                await asyncio.sleep(0.01)

    async def _assert_holds(self) -> None:
        """The invariants on what there is; a batch that was half read is whole the next time."""
        first = broken(self._seen, has_ended=False)
        if not first:
            return
        before = len(self._seen)
        while len(self._seen) <= before and not self._ended.is_set():  # noqa: ASYNC110 - as above
            await asyncio.sleep(0.02)
        still = [one for one in broken(self._seen, has_ended=False) if one in first]
        assert not still, "\n".join(map(str, still))


class _Late(httpx2.AsyncByteStream):
    """A body that takes its time."""

    def __init__(self, content: httpx2.AsyncByteStream) -> None:
        self._content = content

    async def __aiter__(self) -> AsyncIterator[bytes]:
        await asyncio.sleep(LATENCY_S)
        async for piece in self._content:
            yield piece


def assert_not_asked_again(records: Sequence[Record], asked: Sequence[tuple[float, str]]) -> None:
    """Each answer in the stream was given, and not asked for again once it was stored there.

    Args:
        records: The whole stream.
        asked: When the provider was asked, and the id of its answer. Its clock and that of the
            NATS server are this machine's.
    """
    stored = {r.body.request_id: r for r in records if isinstance(r.body, TurnReplied)}
    stored.pop("", None)
    never = stored.keys() - {request_id for _, request_id in asked}
    assert not never, f"the provider never gave {sorted(never)}"
    for at, request_id in asked:
        record = stored.get(request_id)
        assert record is None or at <= record.at, (
            f"{request_id} of {record.subject} was asked again {at - record.at:.3f} s after "
            f"its answer was stored as {record.seq}"
        )


def forkserver_of(command: int) -> int | None:
    """The process that a command forks its members from, once there is one."""
    children = _read(command, f"task/{command}/children").split()
    named = [int(pid) for pid in children if b"forkserver" in _read(int(pid), "cmdline")]
    return named[0] if named else None


def kill_table(kills: Iterable[tuple[str, str]]) -> list[str]:
    """Kills by victim and phase, as a table."""
    counts = Counter((victim, phase) for victim, phase in kills)
    lines = [f"{'':<11}" + "".join(f"{phase:>7}" for phase in (*PHASES, "all"))]
    for victim in WEIGHTS:
        row = [counts[victim, phase] for phase in PHASES]
        lines.append(f"{victim:<11}" + "".join(f"{n:>7}" for n in (*row, sum(row))))
    row = [sum(counts[victim, phase] for victim in WEIGHTS) for phase in PHASES]
    return [*lines, f"{'all':<11}" + "".join(f"{n:>7}" for n in (*row, sum(row)))]


def _is_to_be_resumed(code: int, said: str) -> bool:
    """Whether a user would resume: it was killed, had no bus, or its members are still there."""
    is_early = code == exit_codes.BAD_INPUT and "it is running" in said
    return is_early or code in (KILLED, exit_codes.NO_BUS)


def _nearest(victim: Victim, found: dict[Victim, list[tuple[str, int]]]) -> Victim:
    """Whom to kill in place of one that has no process now."""
    is_member = victim in ("teammate", "lead")
    order: tuple[Victim, ...] = (
        ("lead", "teammate", "command", "server")
        if is_member
        else ("command", "server", "lead", "teammate")
    )
    return next(one for one in order if one in found)


def _read(pid: int, name: str) -> bytes:
    try:
        return Path(f"/proc/{pid}/{name}").read_bytes()
    except OSError:
        return b""
