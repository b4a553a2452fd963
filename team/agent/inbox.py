"""What reaches a member while it works: sorted by class, taken in between tool calls.

One task reads the feed and folds it into the member's own picture of the run.
Control acts at once, even during a model call; mail waits for the next call, within a
token budget. What enters of decisions is made from the fold: see `decision_log`.
"""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Iterable, Sequence
from typing import Final

import msgspec

from bus.errors import BusError, BusUnavailableError
from bus.feed import Feed
from bus.ids import LEAD, PERSON
from bus.messages import CancelRun, Intake, Mail, MemberSeated, StopMember, WrapUp
from bus.run_stream import Record, RunStream
from team.agent.briefing import mail_block
from team.rules.limits import CHARACTERS_PER_TOKEN
from team.state import Letter, RunState

MAIL_TOKENS_MAX: Final = 4_000
"""Tokens of mail that may enter one turn; the rest waits for the next."""

_CONTROL_AUTHORS: Final = frozenset({LEAD, PERSON})
_MAIL_ORDER: Final[dict[str, int]] = {PERSON: 0, LEAD: 1}


class Taken(msgspec.Struct, frozen=True, kw_only=True):
    """What enters the next turn.

    Attributes:
        blocks: Text blocks, as the model will read them.
        intake: The messages among these, for the journal.
        seqs: Their sequences, to be acked once the turn is committed.
    """

    blocks: tuple[str, ...] = ()
    intake: tuple[Intake, ...] = ()
    seqs: tuple[int, ...] = ()


class Inbox:
    """A member's feed, folded and sorted. `start` and `stop` may be called twice."""

    def __init__(self, feed: Feed, state: RunState, me: str) -> None:
        self.state = state
        self.cancelled = asyncio.Event()
        self.stopped = asyncio.Event()
        self.was_told = False
        self.failed: Exception | None = None
        self._wrap_up: str | None = None
        self._feed = feed
        self._me = me
        self._taken_in: set[str] = set()
        self._seen: set[int] = set()
        self._stream: RunStream | None = None
        self._filters: tuple[str, ...] = ()
        self._letters: list[Letter] = []
        self._changed = asyncio.Event()
        self._task: asyncio.Task[None] | None = None

    async def load(
        self, stream: RunStream, filters: Sequence[str], taken_in: Iterable[str]
    ) -> None:
        """Read again, from the stream, all that this member was ever sent.

        Args:
            stream: The run's stream.
            filters: The member's filter list.
            taken_in: Ids of messages that are in its journal already.
        """
        self._stream, self._filters = stream, tuple(filters)
        self._taken_in = set(taken_in)
        await self._fold_again()

    async def start(self) -> None:
        """Begin to listen."""
        if self._task is None:
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
    def has_mail(self) -> bool:
        """Whether mail waits to be taken in."""
        return bool(self._letters)

    @property
    def waiting(self) -> list[Letter]:
        """Mail that waits to be taken in, in the order it came."""
        return list(self._letters)

    def take_wrap_up(self) -> str | None:
        """Why the lead wants this member to wrap up; once."""
        reason, self._wrap_up = self._wrap_up, None
        return reason

    def take(self) -> Taken:
        """Choose what the next turn has room for: mail of a person, the lead, then peers.

        It stays here until `confirm` says that the turn was committed.
        """
        letters = self._next_letters()
        return Taken(
            blocks=tuple(mail_block(letter) for letter in letters),
            intake=tuple(Intake(seq=x.seq, message_id=x.id, author=x.author) for x in letters),
            seqs=tuple(letter.seq for letter in letters),
        )

    async def confirm(self, taken: Taken) -> None:
        """Say that what was taken is in the journal."""
        self._letters = [letter for letter in self._letters if letter.seq not in taken.seqs]
        await self._ack(taken.seqs)

    async def _ack(self, seqs: Iterable[int]) -> None:
        with contextlib.suppress(BusError):
            await self._feed.ack(seqs)

    async def wait_change(self, timeout_s: float) -> bool:
        """Wait until something comes; returns whether it did.

        Cancelling: safe.
        """
        try:
            async with asyncio.timeout(timeout_s):
                await self._changed.wait()
        except TimeoutError:
            return False
        self._changed.clear()
        return True

    def fail(self, error: Exception) -> None:
        """Have this member stop with an error as soon as it can."""
        self.failed = error
        self.stopped.set()
        self._changed.set()

    async def reached(self, seq: int) -> None:
        """Wait until the fold includes a sequence that this member will be sent.

        Raises:
            BusUnavailableError: It did not come while the connection has patience.
        """
        assert self._stream is not None
        connection = self._stream.connection
        try:
            async with asyncio.timeout(connection.patience_s):
                while self.state.last_seq < seq:
                    if self.failed is not None:
                        raise self.failed
                    await self._changed.wait()
                    self._changed.clear()
        except TimeoutError as error:
            reason = f"message {seq} of the run was stored and has not come back"
            raise BusUnavailableError(connection.url, reason) from error

    async def _listen(self) -> None:
        while True:
            record = await self._feed.next()
            assert record is not None
            try:
                await self._take_up(record)
            except Exception as error:
                self.fail(error)
            if not isinstance(record.body, Mail) or record.id in self._taken_in:
                await self._ack([record.seq])
            self._changed.set()

    async def _take_up(self, record: Record) -> None:
        """Fold a record; one that was lost on its way and comes late needs a new fold."""
        if record.seq in self._seen:
            return
        if record.seq > self.state.last_seq:
            self.state.apply(record)
            self._notice(record)
        if record.seq < self.state.last_seq or self._is_widened(record):
            await self._fold_again()

    def _is_widened(self, record: Record) -> bool:
        """Whether the member is sent more from now on; what was before that is read then."""
        body = record.body
        is_seat = isinstance(body, MemberSeated) and record.subject.names[0] == self._me
        return is_seat and not set(self._world()) <= set(self._filters)

    def _world(self) -> tuple[str, ...]:
        """All filters that the member has had."""
        seat = self.state.roster.seats.get(self._me)
        return tuple(dict.fromkeys((*self._filters, *(seat.filters if seat is not None else ()))))

    async def _fold_again(self) -> None:
        """Read this member's whole world in order, and notice what is new in it."""
        assert self._stream is not None
        self._filters = patterns = self._world()
        found = [record for pattern in patterns async for record in self._stream.read(pattern)]
        records = {record.seq: record for record in found}
        state = RunState()
        for seq in sorted(records):
            state.apply(records[seq])
        self.state = state
        for seq in sorted(records.keys() - self._seen):
            self._notice(records[seq])

    def _notice(self, record: Record) -> None:
        """Sort what has come: control acts at once, mail waits for a turn."""
        self._seen.add(record.seq)
        match record.body:
            case Mail() if self._is_new_mail(record):
                self._letters.append(self.state.mail.letters[record.id])
            case CancelRun() if self._is_for_me(record):
                self.was_told = True
                self.cancelled.set()
            case StopMember() if self._is_for_me(record):
                self.was_told = True
                self.stopped.set()
            case WrapUp(reason=reason) if self._is_for_me(record):
                self._wrap_up = reason
            case _:
                pass

    def _is_new_mail(self, record: Record) -> bool:
        return record.subject.names[0] == self._me and record.id not in self._taken_in

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
