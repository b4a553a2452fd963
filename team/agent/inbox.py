"""What reaches a member while it works: sorted by class, taken in between tool calls.

One task reads the feed. The member's own picture of the run changes only where it looks
(`look`, `wait_change`, `reached`), so between two looks it decides on one and the same.
Control acts at once, even during a model call; mail waits for the next call, within a
token budget. What enters of decisions is made from the fold: see `decision_log`.
"""

from __future__ import annotations

import asyncio
import contextlib
import time
from collections.abc import Iterable, Sequence
from typing import Final

import msgspec

from bus import subjects
from bus.errors import BusError, BusUnavailableError
from bus.feed import Feed
from bus.ids import LEAD, PERSON, SUPERVISOR
from bus.messages import CancelRun, Intake, Mail, MemberJoined, StopMember, WrapUp
from bus.run_stream import Record, RunStream
from team.agent.arrivals import Arrivals
from team.agent.asleep import WORD_S, Sleep
from team.agent.briefing import mail_block
from team.rules.limits import CHARACTERS_PER_TOKEN
from team.state import Letter, RunState

MAIL_TOKENS_MAX: Final = 4_000
"""Tokens of mail that may enter one turn; the rest waits for the next."""

CATCH_UP_S: Final = 3.0
"""After so long without a word the stream is read for what should have come, in seconds."""

_CONTROL_AUTHORS: Final = frozenset({LEAD, PERSON})
_MAIL_ORDER: Final[dict[str, int]] = {PERSON: 0, LEAD: 1}


class Taken(msgspec.Struct, frozen=True, kw_only=True):
    """What enters the next turn.

    Attributes:
        blocks: Text blocks, as the model will read them.
        intake: The messages among these, for the journal.
        seqs: Their sequences, to be acked once the turn is committed.
        wrap_up: Why the lead wants this member to wrap up, if it does.
    """

    blocks: tuple[str, ...] = ()
    intake: tuple[Intake, ...] = ()
    seqs: tuple[int, ...] = ()
    wrap_up: str | None = None


class Inbox:
    """A member's feed, folded and sorted. `start` and `stop` may be called twice."""

    def __init__(
        self, feed: Feed, state: RunState, me: str, arrivals: Arrivals | None = None
    ) -> None:
        """Make one.

        Args:
            feed: Where records come from.
            state: What they are folded into.
            me: Whose inbox it is.
            arrivals: Up to where each look goes; absent: as far as there is something.
        """
        self.state = state
        self.cancelled = asyncio.Event()
        self.stopped = asyncio.Event()
        self.was_told = False
        self.failed: Exception | None = None
        self._was_cut = False
        self._arrivals = arrivals or Arrivals()
        self._sleep = Sleep()
        self._gaps = 0
        self._caught_up_at = 0.0
        self._caught_up_seq = 0
        self._seen_seq = 0
        self._wrap_up: tuple[int, WrapUp] | None = None
        self._feed = feed
        self._me = me
        self._taken_in: set[str] = set()
        self._folded: set[int] = set()
        self._stream: RunStream | None = None
        self._filters: tuple[str, ...] = ()
        self._letters: list[Letter] = []
        self._arrived: list[Record] = []
        self._changed = asyncio.Event()
        self._task: asyncio.Task[None] | None = None

    async def load(
        self, stream: RunStream, filters: Sequence[str], taken_in: Iterable[str]
    ) -> None:
        """Read again, from the stream, all that this member was ever sent.

        Args:
            stream: The run's stream.
            filters: What the member is sent at least; its seat widens that.
            taken_in: Ids of messages that are in its journal already.
        """
        self._stream, self._filters = stream, tuple(filters)
        self._taken_in = set(taken_in)
        upto = await self._arrivals.upto("inbox")
        await self._fold_again(await stream.last_seq() if upto is None else upto)
        self._arrivals.note("inbox", self._seen_seq)

    async def start(self) -> None:
        """Begin to listen."""
        if self._task is None and not self._arrivals.is_replay:
            await self._feed.start()
            self._task = asyncio.create_task(self._listen())

    async def stop(self) -> None:
        """Stop listening."""
        if self._task is not None:
            self._task.cancel()
            with contextlib.suppress(asyncio.CancelledError):
                await self._task
            self._task = None
        await self._feed.stop()

    @property
    def now(self) -> float:
        """When the member looked last, in seconds since 1970; its rules know no other time."""
        return self._arrivals.now

    @property
    def has_mail(self) -> bool:
        """Whether mail waits to be taken in."""
        return bool(self._letters)

    @property
    def waiting(self) -> list[Letter]:
        """Mail that waits to be taken in, in the order it came."""
        return list(self._letters)

    @property
    def is_wrapping_up(self) -> bool:
        """Whether the lead wants this member to wrap up, and its model has not heard so."""
        return self._wrap_up_reason() is not None

    def take(self) -> Taken:
        """Choose what the next turn has room for: mail of a person, the lead, then peers.

        It stays here until `confirm` says that the turn was committed.
        """
        letters = self._next_letters()
        return Taken(
            blocks=tuple(mail_block(letter) for letter in letters),
            intake=tuple(Intake(seq=x.seq, message_id=x.id, author=x.author) for x in letters),
            seqs=tuple(letter.seq for letter in letters),
            wrap_up=self._wrap_up_reason(),
        )

    async def confirm(self, taken: Taken) -> None:
        """Say that what was taken is in the journal."""
        self._letters = [letter for letter in self._letters if letter.seq not in taken.seqs]
        if self._wrap_up_reason() == taken.wrap_up:
            self._wrap_up = None
        await self._ack(taken.seqs)

    async def _ack(self, seqs: Iterable[int]) -> None:
        with contextlib.suppress(BusError):
            await self._feed.ack(seqs)

    async def look(self) -> None:
        """Fold all that has come.

        Raises:
            BusUnavailableError: The stream can't be read, or the bus was away for too long.
        """
        if self.failed is not None:
            raise self.failed
        await self._hear_of_sleep()
        upto = await self._arrivals.upto("inbox")
        await (self._fold_arrived() if upto is None else self._fold_stored(upto))
        self._arrivals.note("inbox", self._seen_seq)

    def runs(self) -> None:
        """Note that this process runs; called several times a second."""
        self._sleep.runs(time.time())

    async def _hear_of_sleep(self) -> None:
        """Who was asleep waits a moment for the supervisor to say that the run was."""
        self.runs()
        if self._sleep.take() is None or self._arrivals.is_replay:
            return
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(WORD_S):
                while not any(map(_takes_charge, self._arrived)):
                    self._changed.clear()
                    await self._changed.wait()

    async def wait_change(self, timeout_s: float) -> bool:
        """Wait until something comes, then look; returns whether it did.

        Cancelling: safe.
        """
        has_come = await self._wait(timeout_s)
        await self.look()
        return has_come

    def fail(self, error: Exception) -> None:
        """Have this member stop with an error as soon as it can."""
        self.failed = error
        self.stopped.set()
        self._changed.set()

    async def reached(self, seq: int) -> None:
        """Look once what this member will be sent has come up to a sequence.

        Raises:
            BusUnavailableError: It did not come while the connection has patience.
        """
        if not self._arrivals.is_replay:
            await self._wait_for(seq)
        await self.look()

    async def _wait_for(self, seq: int) -> None:
        assert self._stream is not None
        connection = self._stream.connection
        try:
            async with asyncio.timeout(connection.patience_s):
                while self._newest < seq:
                    if self.failed is not None:
                        raise self.failed
                    await self._wait(connection.patience_s)
        except TimeoutError as error:
            reason = f"message {seq} of the run was stored and has not come back"
            raise BusUnavailableError(connection.url, reason) from error

    async def interrupted(self) -> None:
        """Wait until a cancel or a stop is to end what this member is at."""
        if self._arrivals.is_replay:
            is_cancel = await self._arrivals.interruption() == "cancelled"
            (self.cancelled if is_cancel else self.stopped).set()
            self.was_told = True
            return
        waits = [asyncio.create_task(e.wait()) for e in (self.cancelled, self.stopped)]
        try:
            await asyncio.wait(waits, return_when=asyncio.FIRST_COMPLETED)
        finally:
            for wait in waits:
                wait.cancel()

    def note_interruption(self) -> None:
        """Say that a cancel or a stop has ended what this member was at; tools may be several."""
        if self._was_cut:
            return
        self._was_cut = True
        self._arrivals.note("cancelled" if self.cancelled.is_set() else "stopped", 0)

    @property
    def _newest(self) -> int:
        """Up to where everything that this member is sent is here."""
        return max([self._seen_seq, *(record.seq for record in self._arrived)])

    async def _wait(self, timeout_s: float) -> bool:
        if self._arrivals.is_replay:
            return True
        loop = asyncio.get_running_loop()
        ends_at = loop.time() + timeout_s
        while not (has_come := await self._is_told(min(ends_at - loop.time(), CATCH_UP_S))):
            if loop.time() - self._caught_up_at > CATCH_UP_S and await self._catch_up():
                return True
            if loop.time() >= ends_at:
                break
        return has_come

    async def _is_told(self, timeout_s: float) -> bool:
        try:
            async with asyncio.timeout(timeout_s):
                await self._changed.wait()
        except TimeoutError:
            return False
        self._changed.clear()
        return True

    async def _catch_up(self) -> bool:
        """Read what should have come and did not; says whether there was any.

        A twin of this member, thought dead and not yet fenced, takes from the same consumer,
        and what it acknowledges comes to nobody again.
        """
        self._caught_up_at = asyncio.get_running_loop().time()
        if self._stream is None or not self._stream.connection.is_connected:
            return False
        upto = await self._stream.last_seq()
        here = self._folded | {record.seq for record in self._arrived}
        found: dict[int, Record] = {}
        for pattern in self._filters:
            async for record in self._stream.read(pattern, first_seq=self._caught_up_seq + 1):
                if record.seq <= upto and record.seq not in here:
                    found[record.seq] = record
        self._caught_up_seq = upto
        self._arrived += found.values()
        for record in found.values():
            self._heed(record)
        return bool(found)

    async def _listen(self) -> None:
        while True:
            record = await self._feed.next()
            assert record is not None
            self._arrived.append(record)
            self._heed(record)
            if not isinstance(record.body, Mail) or record.id in self._taken_in:
                await self._ack([record.seq])
            self._changed.set()

    async def _fold_arrived(self) -> None:
        if self._arrived and self._feed.gaps != self._gaps:
            self._gaps = self._feed.gaps
            await self._catch_up()  # else the fold could have a hole in the midst of a batch
        arrived, self._arrived = self._arrived, []
        await self._fold(arrived)
        self._seen_seq = max([self._seen_seq, *(record.seq for record in arrived)])

    async def _fold_stored(self, upto: int) -> None:
        """Fold what the stream holds for this member from its last look up to a sequence."""
        assert self._stream is not None
        found: list[Record] = []
        if upto <= self._seen_seq:
            return
        async for record in self._stream.read(first_seq=self._seen_seq + 1):
            if record.seq > upto:
                break
            found.append(record)
        await self._fold(found)
        self._seen_seq = upto

    async def _fold(self, records: Iterable[Record]) -> None:
        """Fold records; one that was lost on its way and comes late needs a new fold."""
        for record in sorted(records, key=lambda record: record.seq):
            if record.seq in self._folded or not self._is_sent(record):
                continue
            if record.seq < self.state.last_seq:
                await self._fold_again(self._seen_seq)
                continue
            self.state.apply(self._arrivals.dated(record))
            self._notice(record)
            if not set(self._world()) <= set(self._filters):
                await self._fold_again(record.seq)

    def _is_sent(self, record: Record) -> bool:
        """Whether it is in this member's world; a consumer may be ahead of the word of it."""
        return any(subjects.matches(str(record.subject), one) for one in self._filters)

    def _world(self) -> tuple[str, ...]:
        """All filters that the member has had."""
        seat = self.state.roster.seats.get(self._me)
        return tuple(dict.fromkeys((*self._filters, *(seat.filters if seat is not None else ()))))

    async def _fold_again(self, upto: int) -> None:
        """Read this member's whole world in order, and notice what is new in it.

        A seat that is met on the way may widen it; what was before that is read then.
        """
        records = await self._read_world(upto)
        while not set(self._world()) <= set(self._filters):
            records = await self._read_world(upto)
        self._seen_seq = max(self._seen_seq, upto)
        for record in records:
            if record.seq not in self._folded:
                self._notice(record)

    async def _read_world(self, upto: int) -> list[Record]:
        assert self._stream is not None
        self._filters = self._world()
        found: dict[int, Record] = {}
        for pattern in self._filters:
            async for record in self._stream.read(pattern):
                if record.seq <= upto:
                    found[record.seq] = record
        records = [found[seq] for seq in sorted(found)]
        self.state = RunState()
        for record in records:
            self.state.apply(self._arrivals.dated(record))
        return records

    def _notice(self, record: Record) -> None:
        """Sort what was folded: control acts at once, mail waits for a turn."""
        self._folded.add(record.seq)
        self._heed(record)
        match record.body:
            case Mail() if self._is_new_mail(record):
                self._letters.append(self.state.mail.letters[record.id])
            case WrapUp() as told if self._is_for_me(record):
                self._wrap_up = record.seq, told
            case _:
                pass

    def _heed(self, record: Record) -> None:
        """Act on a cancel or a stop; even before it is folded."""
        if isinstance(record.body, CancelRun | StopMember) and self._is_for_me(record):
            self.was_told = True
            event = self.cancelled if isinstance(record.body, CancelRun) else self.stopped
            event.set()

    def _is_new_mail(self, record: Record) -> bool:
        return record.subject.names[0] == self._me and record.id not in self._taken_in

    def _wrap_up_reason(self) -> str | None:
        """Why to wrap up; a word on getting nowhere holds for what the member then did alone."""
        if self._wrap_up is None:
            return None
        seq, told = self._wrap_up
        still_holds = not told.stuck_seq or self.state.roster.seats[self._me].told_seq == seq
        return told.reason if still_holds else None

    def _is_for_me(self, record: Record) -> bool:
        return record.subject.names[0] == self._me and record.subject.author in _CONTROL_AUTHORS

    def _next_letters(self) -> list[Letter]:
        ranked = sorted(self._letters, key=lambda x: (_MAIL_ORDER.get(x.author, 2), x.seq))
        room = MAIL_TOKENS_MAX * CHARACTERS_PER_TOKEN
        chosen: list[Letter] = []
        for letter in ranked:
            room -= len(mail_block(letter))
            if chosen and room < 0:
                break
            chosen.append(letter)
        return chosen


def _takes_charge(record: Record) -> bool:
    return isinstance(record.body, MemberJoined) and record.subject.author == SUPERVISOR
