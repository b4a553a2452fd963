"""A member's journal: every turn committed, enough to rebuild its context exactly.

A turn is two commits. After the model's reply, so that a paid call is never made
again; after the tools, with everything they send in the same batch. A tool that changes
the world has two more of its own, before it begins and once it has ended. Each names the
sequence that it follows, so a twin of a member thought dead is refused.

Turns that left a context stay here: what is sent to a model is the opening, the text that
that stands for them, and the turns since.

A call that never gave an answer is no turn. What it took is in the member's own `usage`, which
is read with the journal: it counts against the same limits. So is what a call may take, stored
before it is made; that names what it follows, too, so that of twins only one pays.

Source: docs/protocol.md, "Turns".
"""

from __future__ import annotations

import time
from collections.abc import Sequence
from typing import Any

import msgspec

from bus import subjects
from bus.codec import as_stored
from bus.errors import ConflictError, FencedError
from bus.messages import (
    AnyMessage,
    CallBegun,
    CallEnded,
    ContextClosed,
    ContextCompacted,
    ContextOpened,
    DecisionTold,
    TokenCounts,
    ToolOutcome,
    TurnActed,
    TurnReplied,
    UsageReserved,
    UsageSpent,
)
from bus.run_stream import Entry, Record, RunStream
from team.agent.models.call import ToolCall, tool_calls
from team.agent.models.pictures import reference
from team.agent.room import shown
from team.agent.thinking import sent_back
from team.rules.stakes import Known
from team.state.unsettled import Unsettled

JournalBody = (
    ContextOpened
    | TurnReplied
    | CallBegun
    | CallEnded
    | TurnActed
    | ContextCompacted
    | ContextClosed
)


class Turn(msgspec.Struct, kw_only=True):
    """One model call of a transcript, and its tools once they have run.

    Attributes:
        replied: What the model said.
        acted: What its tools gave back.
        begun: When each call that changes the world began, in seconds since 1970.
        ended: What those that have ended gave back.
    """

    replied: TurnReplied
    acted: TurnActed | None = None
    begun: dict[str, float] = {}
    ended: dict[str, ToolOutcome] = {}

    @property
    def blocks(self) -> list[dict[str, Any]]:
        """The model's content blocks, as received."""
        blocks: list[dict[str, Any]] = msgspec.json.decode(self.replied.content)
        return blocks

    @property
    def calls(self) -> tuple[ToolCall, ...]:
        """Tools that the model asked for."""
        return tool_calls(self.blocks)

    @property
    def results(self) -> list[dict[str, Any]]:
        """What its tools gave back, as content blocks; empty before they have run."""
        outcomes = self.acted.outcomes if self.acted is not None else ()
        number = self.replied.turn
        return [_result(one, shown(one, number, n)) for n, one in enumerate(outcomes, start=1)]


class Transcript(msgspec.Struct, kw_only=True):
    """One assignment as the journal has it.

    Attributes:
        opened: How it began.
        at: When, in seconds since 1970.
        turns: Its model calls, in order; those that left the context too.
        closed: How it ended without an answer, if it did.
        compacted: What stands for the turns that left the context, if any did.
        compacted_at: How many turns there were when they left.
        compacted_before: What stood for such turns when the last call was made.
        lost: What calls have taken that never gave an answer.
        unsettled: What calls may have taken beyond what is known.
    """

    opened: ContextOpened
    at: float
    turns: list[Turn] = []
    closed: ContextClosed | None = None
    compacted: ContextCompacted | None = None
    compacted_at: int = 0
    compacted_before: ContextCompacted | None = None
    lost: TokenCounts = TokenCounts()
    unsettled: Unsettled = Unsettled()

    @property
    def upto(self) -> int:
        """The last turn that left the context, 0 if none did."""
        return self.compacted.upto if self.compacted is not None else 0

    @property
    def kept(self) -> list[Turn]:
        """The turns that are in the context, in order."""
        return self.turns[self.upto :]

    @property
    def is_just_compacted(self) -> bool:
        """Whether no call was made since turns left the context."""
        return self.compacted is not None and self.compacted_at == len(self.turns)

    @property
    def answer(self) -> bytes | None:
        """The typed answer as JSON, once a turn has returned it."""
        acted = self.turns[-1].acted if self.turns else None
        return bytes(acted.answer) if acted is not None and acted.ends else None

    @property
    def unfinished(self) -> Turn | None:
        """The last turn, if its tools have not run."""
        last = self.turns[-1] if self.turns else None
        return last if last is not None and last.calls and last.acted is None else None

    @property
    def tokens(self) -> int:
        """Tokens of all its calls, with those of tries whose answer broke off."""
        return self.lost.total + sum(
            turn.replied.tokens.total + turn.replied.lost.total for turn in self.turns
        )

    @property
    def tokens_at_most(self) -> int:
        """Tokens of all its calls, with what they may have taken that nobody has settled."""
        return self.tokens + self.unsettled.tokens

    @property
    def told(self) -> list[DecisionTold]:
        """Decisions that ever entered this context, between turns or as what a tool gave."""
        return _told_in(self.turns)

    @property
    def known(self) -> Known:
        """What this context knows of the decisions log; what has left it is told anew."""
        told: dict[int, int] = {}
        for one in _told_in(self.kept):
            told[one.revision] = max(one.seq, told.get(one.revision, 0))
        if not self.turns or self.is_just_compacted:
            return Known(told=told)
        last = self.turns[-1].replied
        return Known(told=told, upto=last.decisions_seq, heard=last.decisions_heard)

    def messages(self, added: Sequence[str]) -> list[dict[str, Any]]:
        """The messages of the next call: the same bytes for the same journal.

        Args:
            added: Text blocks that enter before this call.
        """
        messages: list[dict[str, Any]] = []
        pending: list[dict[str, Any]] = [_text(self.opened.opening)]
        if self.compacted is not None:
            pending.append(_text(self.compacted.text))
        for number, turn in enumerate(self.kept, start=self.upto + 1):
            pending += [_text(text) for text in turn.replied.added]
            is_same_context = number > self.compacted_at
            said = sent_back(turn.blocks, follows_what_it_followed=is_same_context)
            if not said:
                continue  # the API takes no empty message back: nothing was said
            if pending:
                messages.append({"role": "user", "content": pending})
            messages.append({"role": "assistant", "content": said})
            pending = turn.results
        pending += [_text(text) for text in added]
        if pending:
            messages.append({"role": "user", "content": pending})
        return messages


class Journal:
    """The journal of one member.

    Attributes:
        last_seq: Sequence of the last message that was stored with an entry, 0 before one was.
        usage_seq: Sequence of the last thing that was said of what calls take, 0 before any was.
    """

    def __init__(self, stream: RunStream, me: str) -> None:
        self.transcripts: dict[str, Transcript] = {}
        self.last_seq = self.usage_seq = 0
        self._stream = stream
        self._me = me
        self._subject = subjects.journal(stream.run, me)
        self._usage = subjects.usage(stream.run, me)
        self._head_seq = 0

    async def load(self) -> None:
        """Read the journal from the stream, and what was paid beside it.

        That first: what a twin has paid since then will refuse this one's next call.
        """
        paid = [record async for record in self._stream.read(str(self._usage))]
        async for record in self._stream.read(str(self._subject)):
            self._head_seq = record.seq
            self._take(record)
        for record in paid:
            self.usage_seq = record.seq
            self._take(record)

    @property
    def taken_in(self) -> set[str]:
        """Ids of all messages that ever entered a context."""
        return {
            intake.message_id
            for transcript in self.transcripts.values()
            for turn in transcript.turns
            for intake in turn.replied.intake
        }

    async def commit(self, body: JournalBody, others: Sequence[Entry] = ()) -> int:
        """Store a journal entry and what belongs to it, or nothing of it.

        Returns:
            The sequence of the last message stored.

        Raises:
            FencedError: Another process acts as this member. Exit; do not retry.
            ConflictError: Another key has moved on; the journal has not.
            BusUnavailableError: No answer in time. Retry with the same entries.
        """
        entry = Entry(subject=self._subject, body=body, expect=self._head_seq)
        paid = [other for other in others if other.subject == self._usage]
        fenced = [msgspec.structs.replace(one, expect=self.usage_seq) for one in paid]
        rest = [other for other in others if other.subject != self._usage]
        try:
            last_seq = await self._stream.commit([entry, *fenced, *rest])
        except ConflictError:
            await self._look_for_twin(self._subject, self._head_seq)
            if paid:
                await self._look_for_twin(self._usage, self.usage_seq)
            raise
        self.last_seq, self._head_seq = last_seq, last_seq - len(others)
        # What a fresh process would read, not what this one wrote: the same to the byte.
        self._apply(as_stored(self._subject, body), at=time.time())
        for number, one in enumerate(paid, start=1):
            self.usage_seq = self._head_seq + number
            self._count(as_stored(self._usage, one.body))
        return last_seq

    async def pay(self, usage: UsageReserved | UsageSpent) -> None:
        """Store what a call may take before it is made, or what one took without an answer.

        Raises:
            FencedError: Another process acts as this member, and pays. Exit; make no call.
            BusUnavailableError: No answer in time. Make no call.
        """
        entry = Entry(subject=self._usage, body=usage, expect=self.usage_seq)
        try:
            self.usage_seq = self.last_seq = await self._stream.append(entry)
        except ConflictError:
            await self._look_for_twin(self._usage, self.usage_seq)
            raise
        self._count(as_stored(self._usage, usage))

    async def _look_for_twin(self, subject: subjects.Subject, expected: int) -> None:
        head = await self._stream.head(str(subject))
        seen = 0 if head is None else head.seq
        if seen != expected:
            raise FencedError(self._me, expected, seen) from None

    def _count(self, usage: AnyMessage) -> None:
        """Count what a call may take, or took in vain; what a turn took is in the turn."""
        assert isinstance(usage, UsageReserved | UsageSpent)
        transcript = self.transcripts.get(usage.context)
        if transcript is None:
            return
        if isinstance(usage, UsageReserved):
            transcript.unsettled = transcript.unsettled.reserve(usage)
            return
        transcript.unsettled = transcript.unsettled.settle(usage)
        if usage.is_in_vain:
            transcript.lost = transcript.lost.plus(usage.lost)

    def _take(self, record: Record) -> None:
        body = record.body
        if isinstance(body, UsageReserved | UsageSpent):
            self._count(body)
        elif isinstance(body, JournalBody):
            self._apply(body, at=record.at)

    def _apply(self, body: JournalBody, *, at: float) -> None:
        if isinstance(body, ContextOpened):
            self.transcripts[body.context] = Transcript(opened=body, at=at)
            return
        transcript = self.transcripts[body.context]
        match body:
            case TurnReplied():
                transcript.turns.append(Turn(replied=body))
            case CallBegun():
                transcript.turns[-1].begun[body.call_id] = at
            case CallEnded():
                transcript.turns[-1].ended[body.outcome.call_id] = body.outcome
            case TurnActed():
                transcript.turns[-1].acted = body
            case ContextCompacted():
                if not transcript.is_just_compacted:
                    transcript.compacted_before = transcript.compacted
                transcript.compacted, transcript.compacted_at = body, len(transcript.turns)
            case ContextClosed():
                transcript.closed = body


def _told_in(turns: Sequence[Turn]) -> list[DecisionTold]:
    found: list[DecisionTold] = []
    for turn in turns:
        found += turn.replied.told
        for outcome in turn.acted.outcomes if turn.acted is not None else ():
            found += outcome.told
    return found


def _text(text: str) -> dict[str, Any]:
    return {"type": "text", "text": text}


def _result(outcome: ToolOutcome, content: str) -> dict[str, Any]:
    result: dict[str, Any] = {
        "type": "tool_result",
        "tool_use_id": outcome.call_id,
        "content": [_text(content), *map(reference, outcome.pictures)]
        if outcome.pictures
        else content,
    }
    return result | {"is_error": True} if outcome.is_error else result
