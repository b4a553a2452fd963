"""What a member meets that another run would not give it again: noted, and met again in a replay.

A member is a function of what it takes in: how far it had read when it looked, when that
was, whether a write of its own was stored, what the model replied. Everything else follows.
`Arrivals` takes all this as it comes; `RecordingArrivals` notes it in the member's lane as well;
`ReplayingArrivals` waits until the stream has what was noted, and gives no more than that. So
each write of a replayed run is the same and takes the place that it had.

Source: docs/record-and-replay.md.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Sequence
from contextlib import suppress
from typing import Final

import msgspec

from bus import subjects
from bus.connection import Connection, Listening
from bus.errors import ConflictError
from bus.messages import ContextOpened, type_name
from bus.run_stream import Entry, Record, RunStream, encode_all
from team.agent.models.cassette.environment import Tape
from team.agent.models.cassette.format import CUTS, Met, MetKind
from team.agent.models.cassette.lane import Lane, LaneFile
from team.agent.models.cassette.recording import Kept, read_kept
from team.errors import ReplayError, StopRequestedError

TURN_WAIT_S: Final = 60.0
"""For how long a replayed run may stand still before it is given up, in seconds."""
POLL_S: Final = 0.05
"""How soon a member looks again whether it is its turn if nothing wakes it, in seconds."""


class Arrivals:
    """What comes is taken as it comes."""

    is_replay = False

    def __init__(self) -> None:
        self.now = time.time()

    async def upto(self, kind: MetKind) -> int | None:
        """Up to which sequence to read now; nothing: as far as there is something."""
        del kind
        return None

    async def cut_before_turn(self) -> None:
        """Wait for the cancel or stop that came before a write had its turn; for replays only."""

    async def turn(self, entries: Sequence[Entry]) -> None:
        """Wait until it is the turn of a write."""

    def note(self, kind: MetKind, seq: int, count: int = 0) -> None:
        """Say what was met: up to where was read, where so many messages were stored."""
        del kind, seq, count
        self.now = time.time()

    def dated(self, record: Record) -> Record:
        """A record with the time that this member's rules are to see."""
        return record

    def opened(self, context: str) -> ContextOpened | None:
        """In a replay, how a context of this member began in the recorded run."""
        del context
        return None

    async def interruption(self) -> MetKind:
        """Wait for the cancel or stop that cuts short what is done; for replays only."""
        raise NotImplementedError


class RecordingArrivals(Arrivals):
    """Notes what was met."""

    def __init__(self, lane: LaneFile) -> None:
        super().__init__()
        self._lane = lane

    def note(self, kind: MetKind, seq: int, count: int = 0) -> None:
        """Write down what was met, and when."""
        super().note(kind, seq)
        self._lane.append(Met(kind=kind, seq=seq, at=self.now, count=count))


class ReplayingArrivals(Arrivals):
    """Gives what was met, in its order; the recorded run's time is this member's."""

    is_replay = True

    def __init__(self, lane: Lane, kept: Sequence[Kept], stream: RunStream) -> None:
        """Make one.

        Args:
            lane: What the member met.
            kept: The stream of the recorded run.
            stream: The stream of this one.
        """
        super().__init__()
        self._lane = lane
        self._kept = kept
        self._stream = stream
        self._due: Met | None = None
        self._head = 0
        self._stored = asyncio.Event()
        self._listening: Listening | None = None

    def opened(self, context: str) -> ContextOpened | None:
        """How a context of this member began in the recorded run."""
        mine = f"journal.{self._lane.member}"
        for kept in self._kept:
            if kept.subject == mine and kept.type == "context.opened":
                body = kept.envelope.body
                if isinstance(body, ContextOpened) and body.context == context:
                    return body
        return None

    async def upto(self, kind: MetKind) -> int:
        """Wait until the stream has what was read, and give that sequence."""
        met = await self._next(kind)
        await self._reaches(met.seq)
        return met.seq

    async def cut_before_turn(self) -> None:
        """Wait for what cut short the write that would come now, if something did."""
        if self._lane.next_kind in CUTS:
            await asyncio.sleep(TURN_WAIT_S)  # what is done here is cut short before that is over

    async def turn(self, entries: Sequence[Entry]) -> None:
        """Wait until everything that was stored before a write is, and nothing more.

        Raises:
            ReplayError: The write is another than the recorded one, or others were.
        """
        met = self._due = await self._next("stored", "refused")
        if met.kind == "refused":
            await self._reaches(met.seq)
            return
        first_seq = met.seq - len(entries) + 1
        self._compare(entries, first_seq)
        await self._reaches(first_seq - 1)
        head = await self._stream.last_seq()
        if head >= first_seq:
            raise self._diverged(f"sequence {first_seq} is taken, the stream is at {head}")

    def note(self, kind: MetKind, seq: int, count: int = 0) -> None:
        """Check that a write met what it met before; use up what cut something short.

        Raises:
            ReplayError: It did not.
        """
        del count
        if kind in CUTS:
            self._lane.take(*CUTS)
            return
        due = self._due
        if kind not in ("stored", "refused") or due is None:
            return
        if (kind, seq) != (due.kind, due.seq) and not kind == due.kind == "refused":
            raise self._diverged(f"recorded was {due.kind} {due.seq}, this one was {kind} {seq}")

    def dated(self, record: Record) -> Record:
        """A record with the time that it had in the recorded run."""
        if record.seq > len(self._kept):
            return record
        return msgspec.structs.replace(record, at=self._kept[record.seq - 1].at)

    async def interruption(self) -> MetKind:
        """Wait until what was met next is a cancel or a stop, and say which."""
        while (kind := self._lane.next_kind) not in CUTS:
            await self._lane.moved()
        return kind

    async def _next(self, *kinds: MetKind) -> Met:
        if self._lane.is_over:
            # The recorded member was ended here, once all was done.
            await self._reaches(len(self._kept))
            raise StopRequestedError(self._lane.member)
        await self.cut_before_turn()
        met = self._lane.take(*kinds)
        self.now = met.at
        return met

    async def _reaches(self, seq: int) -> int:
        """Wait until the stream has a sequence; gives the newest that is known."""
        loop = asyncio.get_running_loop()
        since = loop.time()
        while self._head < seq:
            self._stored.clear()
            head = await self._stream.last_seq()
            if head != self._head:
                self._head, since = head, loop.time()
            elif loop.time() - since > TURN_WAIT_S:
                raise self._diverged(self._missing(head, seq))
            else:
                await self._woken()
        return self._head

    async def _woken(self) -> None:
        """Wait for whatever is published in the run; a message lost on its way costs a moment."""
        if self._listening is None:
            connection, everything = self._stream.connection, subjects.everything(self._stream.run)
            self._listening = await connection.subscribe(everything, self._wake)
        with suppress(TimeoutError):
            async with asyncio.timeout(POLL_S):
                await self._stored.wait()

    async def _wake(self, _: object) -> None:
        self._stored.set()

    def _missing(self, head: int, seq: int) -> str:
        due = self._kept[head] if head < len(self._kept) else None
        named = f"{due.type} on {due.subject}" if due is not None else "nothing"
        return (
            f"waits for sequence {seq}; since {TURN_WAIT_S:g} s the stream is at {head}, "
            f"and next there was {named}"
        )

    def _compare(self, entries: Sequence[Entry], first_seq: int) -> None:
        for number, entry in enumerate(entries):
            kept = self._kept[first_seq - 1 + number : first_seq + number]
            now = f"{type_name(entry.body)} on {_within_run(entry)}"
            before = f"{kept[0].type} on {kept[0].subject}" if kept else "nothing"
            if now != before:
                raise self._diverged(
                    f"at sequence {first_seq + number} there was {before}, now comes {now}"
                )

    def _diverged(self, reason: str) -> ReplayError:
        return ReplayError(str(self._lane.path), self._lane.member, reason)


def _within_run(entry: Entry) -> str:
    return str(entry.subject).removeprefix(f"run.{entry.subject.run}.")


class OrderedStream(RunStream):
    """A run's stream for a member whose run is recorded or replayed."""

    def __init__(self, connection: Connection, run: str, arrivals: Arrivals) -> None:
        super().__init__(connection, run)
        self._arrivals = arrivals
        self._plain = RunStream(connection, run)

    async def commit(self, entries: Sequence[Entry], *, retry_s: float | None = None) -> int:
        """Store all messages, or none, when it is their turn; see `RunStream.commit`.

        Raises:
            ReplayError: They are not what was recorded, or meet something else.

        Cancelling: safe; what has begun is stored and noted first.
        """
        encode_all(entries)  # what is too large has no turn: nothing of it was noted
        await self._arrivals.cut_before_turn()
        storing = asyncio.ensure_future(self._commit_in_turn(entries, retry_s))
        try:
            return await asyncio.shield(storing)
        except asyncio.CancelledError:
            await storing
            raise

    async def _commit_in_turn(self, entries: Sequence[Entry], retry_s: float | None) -> int:
        await self._arrivals.turn(entries)
        try:
            seq = await super().commit(entries, retry_s=retry_s)
        except ConflictError:
            self._arrivals.note("refused", await self.last_seq())
            raise
        self._arrivals.note("stored", seq, len(entries))
        return seq

    async def head(self, key: str) -> Record | None:
        """Return the newest message that matches a filter, or matched it then."""
        seq = await self._arrivals.upto("head")
        if seq is None:
            record = await super().head(key)
            self._arrivals.note("head", 0 if record is None else record.seq)
            return record
        async for record in self._plain.read(key, first_seq=max(seq, 1)):
            return record if record.seq == seq else None
        return None

    async def last_seq(self) -> int:
        """Return the sequence of the run's newest message; not noted."""
        return await self._plain.last_seq()


def arrivals_of(tape: Tape, stream: RunStream) -> Arrivals:
    """How a member goes that has this lane, if it has one.

    Raises:
        SpecError: The recording that the lane is of can't be read.
    """
    match tape:
        case Lane():
            return ReplayingArrivals(tape, read_kept(tape.path.parent.parent), stream)
        case LaneFile():
            return RecordingArrivals(tape)
        case None:
            return Arrivals()


def ordered(connection: Connection, run: str, arrivals: Arrivals) -> RunStream:
    """The run's stream in the order of arrivals; the plain one where nothing is recorded."""
    is_live = type(arrivals) is Arrivals
    return RunStream(connection, run) if is_live else OrderedStream(connection, run, arrivals)
