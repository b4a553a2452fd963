"""What every member does: take its seat, read its past, show a heartbeat, leave.

`seated` is the whole life of a member's process around its work. Nothing is shared
with other members but the bus.
"""

from __future__ import annotations

import asyncio
import os
import signal
import socket
import time
from collections.abc import AsyncIterator, Sequence
from contextlib import AsyncExitStack, asynccontextmanager, suppress
from pathlib import Path
from typing import Final

import msgspec
import structlog

from bus import subjects
from bus.artifacts import get_artifact
from bus.connection import Connection, connect
from bus.errors import BusError, BusUnavailableError
from bus.feed import Feed
from bus.ids import LEAD
from bus.live import BEAT_EVERY_S, Beat, Text, send_beat, send_text
from bus.messages import MemberJoined
from bus.run_stream import Entry, RunStream
from roles import Role
from team.agent.arrivals import arrivals_of, ordered
from team.agent.briefing import HOUSE_RULES
from team.agent.decision_log import ContextDecisions, WholeLog
from team.agent.given import given_text
from team.agent.inbox import Inbox
from team.agent.journal import Journal
from team.agent.loop import Agent
from team.agent.mcp.servers import Servers
from team.agent.models.call import Caller
from team.agent.models.cassette.environment import open_tape
from team.agent.models.priced import price_book
from team.agent.pacer import RunPacer
from team.agent.snapshots import Snapshots
from team.agent.web.fetcher import Fetcher
from team.agent.world import World
from team.errors import StateError
from team.members.library_cache import library_path
from team.members.seat import SeatKey
from team.sources import Library
from team.spec import ResolvedSpec
from team.state import RunState

log = structlog.get_logger()

LIVE_EVERY_S: Final = 0.05
"""How long text is gathered before it is sent on, in seconds."""
BUS_AWAY: Final = "the bus is away or full: waits"


class Member:
    """A member that has taken its seat."""

    def __init__(
        self,
        key: SeatKey,
        connection: Connection,
        world: World,
        journal: Journal,
        caller: Caller,
    ) -> None:
        self.key = key
        self.connection = connection
        self.world = world
        self.journal = journal
        self._caller = caller
        self._state, self._doing, self._turn, self._steps = "idle", "", 0, 0
        self._text = ""
        self._news = asyncio.Event()
        self._away_since: float | None = None
        self.agent = Agent(world, journal, caller, on_text=self._write, on_state=self.show)

    @property
    def state(self) -> RunState:
        """The run, as far as this member was told of it."""
        return self.world.state

    @property
    def inbox(self) -> Inbox:
        """What this member was sent."""
        return self.world.inbox

    @property
    def spec(self) -> ResolvedSpec:
        """What the run is made of."""
        assert self.state.spec is not None
        return self.state.spec

    @property
    def goal(self) -> str:
        """The goal of the run, word for word."""
        assert self.state.opened is not None
        return self.state.opened.goal

    async def commit(self, entries: Sequence[Entry]) -> None:
        """Commit, then wait until this member's own picture of the run includes it."""
        await self.inbox.reached(await self.world.stream.commit(entries))

    async def paid(self) -> None:
        """Wait until the lead's own picture of the run includes all that it has paid.

        Its next budget is what is left; what others may spend, they count from their journals.
        """
        if self.key.name == LEAD:
            await self.inbox.reached(self.journal.usage_seq)

    def role(self, name: str) -> Role:
        """A role file of the run."""
        return self.spec.roles[name]

    def system(self, role: Role) -> str:
        """The system prompt of a role."""
        given = given_text(self.spec.given_to(role.name))
        return "\n\n".join(filter(None, (role.instructions.strip(), given, HOUSE_RULES)))

    def show(self, state: str, doing: str, turn: int = 0) -> None:
        """Say in a heartbeat, at once, what this member is doing."""
        self._state, self._doing, self._turn = state, doing, turn
        self._steps += 1
        self._news.set()

    def _write(self, text: str) -> None:
        self._text += text
        self._steps += 1
        if text:
            self._news.set()

    async def beat(self) -> None:
        """Show heartbeats and stream text until cancelled, from the member's own loop.

        A heartbeat is due at its time, and when what the member does has changed; text as
        soon as it comes, what comes close together in one piece.
        """
        run, name = self.key.run, self.key.name
        due, shown = 0.0, ("", "")
        while True:
            self._look_at_bus()
            self.inbox.runs()
            beat = Beat(
                pid=os.getpid(),
                state=self._state,
                doing=self._doing,
                turn=self._turn,
                steps=self._steps,
            )
            if self._away_since is not None:
                beat = msgspec.structs.replace(beat, state="waiting", doing=BUS_AWAY)
            is_due = time.monotonic() >= due or shown != (beat.state, beat.doing)
            if is_due:
                due, shown = time.monotonic() + BEAT_EVERY_S, (beat.state, beat.doing)
            with suppress(BusError):
                if is_due:
                    await send_beat(self.connection, run, name, beat)
                if self._text:
                    text, self._text = self._text, ""
                    await send_text(self.connection, run, name, Text(text=text, turn=self._turn))
            await self._until_news(due)

    async def _until_news(self, due: float) -> None:
        """Wait for text or another act, but no longer than until a heartbeat is due."""
        await asyncio.sleep(LIVE_EVERY_S)
        with suppress(TimeoutError):
            async with asyncio.timeout(max(0.0, due - time.monotonic())):
                await self._news.wait()
        self._news.clear()

    def _look_at_bus(self) -> None:
        """Log that the bus went away, and that it came back."""
        reason = self.connection.waits_for
        if reason and self._away_since is None:
            self._away_since = time.monotonic()
            log.warning("bus.lost", reason=reason, patience_s=self.connection.patience_s)
        elif self._is_forsaken(reason):
            # What waits for mail has no write that would fail.
            self.inbox.fail(BusUnavailableError(self.connection.url, reason))
        elif not reason and self._away_since is not None:
            log.info("bus.found", away_s=round(time.monotonic() - self._away_since, 3))
            self._away_since = None

    def _is_forsaken(self, reason: str) -> bool:
        """Whether there has been no connection for longer than this member may wait."""
        if self._away_since is None or not reason or self.connection.is_connected:
            return False
        return time.monotonic() - self._away_since > self.connection.patience_s


@asynccontextmanager
async def seated(key: SeatKey) -> AsyncIterator[Member]:
    """Take a seat, and leave it at the end.

    Raises:
        StateError: Nobody has laid out a seat of that name.
        BusError: The bus can't be reached.
    """
    async with AsyncExitStack() as stack:
        name = f"{key.run}/{key.name}"
        connection = await stack.enter_async_context(
            connect(key.access, name=name, wait_s=key.patience_s, patience_s=key.patience_s)
        )
        tape = open_tape(key.name, key.provider)
        arrivals = arrivals_of(tape, RunStream(connection, key.run))
        stream = ordered(connection, key.run, arrivals)
        journal = Journal(stream, key.name)
        await journal.load()
        feed = Feed(connection, key.run, key.name)
        inbox = Inbox(feed, RunState(), key.name, arrivals)
        seat = str(subjects.member(key.run, key.name, LEAD))
        await inbox.load(stream, (seat,), journal.taken_in)
        if key.name not in inbox.state.roster.seats:
            reason = f"there is no seat for {key.name!r}"
            raise StateError(key.run, reason, "let the lead recruit it")
        if inbox.state.spec is None:
            raise StateError(key.run, "its spec was written by another version", "use that version")
        await inbox.start()
        stack.push_async_callback(inbox.stop)
        _stop_on_signals(inbox)
        library = await _library(connection, key, inbox.state)
        if library is not None:
            stack.callback(library.close)
        pacer = RunPacer(connection, key.run, key.name)
        book = price_book(inbox.state.spec.project)
        providers = inbox.state.spec.project.providers
        caller = Caller(key.provider, tape=tape, pacer=pacer, book=book, providers=providers)
        stack.push_async_callback(caller.close)
        servers = Servers(
            () if arrivals.is_replay else key.servers,
            inbox.state.spec.project.mcp,
            earlier=lambda: [one.opened for one in journal.transcripts.values()],
            recorded=arrivals.opened,
            logs=Path(key.log_path),
        )
        stack.push_async_callback(servers.close)
        rules, web = inbox.state.spec.team.decisions, inbox.state.spec.project.web
        role = inbox.state.roster.seats[key.name].role
        world = World(
            me=key.name,
            stream=stream,
            inbox=inbox,
            journal=journal,
            log=WholeLog(stream, arrivals),
            decisions=ContextDecisions(key.name, journal, rules.digest_tokens),
            snapshots=Snapshots(key.name, stream, library),
            library=library,
            web=Fetcher(web) if web.hosts else None,
            tape=tape,
            proposed=rules.proposed,
            reserved=inbox.state.spec.team.approve.areas,
            servers=servers,
            sees=caller.sees(inbox.state.spec.models_of(role)),
        )
        member = Member(key, connection, world, journal, caller)
        beating = asyncio.create_task(member.beat())
        stack.callback(beating.cancel)
        await stream.append(world.entry("member", key.name, body=_joined(key)))
        log.info("member.joined", incarnation=key.incarnation)
        yield member


async def _library(connection: Connection, key: SeatKey, state: RunState) -> Library | None:
    """Open the run's library, fetched once per machine."""
    ref = state.opened.sources if state.opened else None
    if ref is None:
        return None
    path = library_path(Path(key.cache_dir), ref)
    if not path.exists():
        data = await get_artifact(connection, key.run, ref)
        temporary = path.with_suffix(f".{os.getpid()}.tmp")
        path.parent.mkdir(parents=True, exist_ok=True)
        temporary.write_bytes(data)
        temporary.replace(path)
    return Library.open(path)


def _joined(key: SeatKey) -> MemberJoined:
    return MemberJoined(pid=os.getpid(), host=socket.gethostname(), incarnation=key.incarnation)


def _stop_on_signals(inbox: Inbox) -> None:
    loop = asyncio.get_running_loop()
    with suppress(NotImplementedError, RuntimeError, ValueError):
        loop.add_signal_handler(signal.SIGTERM, inbox.stopped.set)
