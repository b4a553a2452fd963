"""The decisions log as one member's mind sees it.

Two views. The digest is made from what the member's consumer was sent: its areas and
no more. The whole log is looked up in the stream when a tool asks for it; that enters
no context by itself.
"""

from __future__ import annotations

import asyncio

import msgspec

from bus import subjects
from bus.messages import ConflictJudged, DecisionExplained, FindingSubmitted, Premise, VerdictGiven
from bus.run_stream import RunStream
from team.agent.arrivals import Arrivals
from team.agent.journal import Journal, Transcript
from team.rules.decision_index import DecisionIndex
from team.rules.digest import Digest, digest
from team.rules.premises import premises_of
from team.rules.stakes import Change, Stake, changes_of_stake
from team.state import Decision, Decisions, DecisionState


class WholeLog:
    """Every decision of a run, read on from where the last reading ended."""

    def __init__(self, stream: RunStream, arrivals: Arrivals | None = None) -> None:
        self.decisions = Decisions()
        self._index = DecisionIndex()
        self._stream = stream
        self._arrivals = arrivals or Arrivals()
        self._last_seq = 0
        self._reading = asyncio.Lock()

    async def read(self) -> Decisions:
        """Fold what has been decided up to this moment.

        Raises:
            BusUnavailableError: The stream can't be read.
        """
        async with self._reading:  # tools of one turn read one after the other
            upto = await self._arrivals.upto("log")
            await self._read(upto)
            self._arrivals.note("log", self._last_seq)
        return self.decisions

    async def _read(self, upto: int | None) -> None:
        pattern = subjects.pattern(self._stream.run, "decision")
        async for record in self._stream.read(pattern, first_seq=self._last_seq + 1):
            if upto is not None and record.seq > upto:
                return
            self._last_seq = record.seq
            self.decisions.apply(self._arrivals.dated(record))

    @property
    def index(self) -> DecisionIndex:
        """The full-text index of what was read."""
        return self._index.sync(self.decisions)

    async def explain(self, decision: Decision) -> DecisionExplained:
        """Read why a decision was taken; empty if nobody said."""
        pattern = subjects.pattern(self._stream.run, "rationale", decision.area, decision.key)
        async for record in self._stream.read(pattern, first_seq=decision.seq):
            cause = record.envelope.cause if record.envelope else None
            is_its_own = cause == decision.id and record.subject.author == decision.author
            if is_its_own and isinstance(record.body, DecisionExplained):
                return record.body
        return DecisionExplained()


class ContextDecisions:
    """What the contexts of one member are told of the decisions log, and when."""

    def __init__(self, me: str, journal: Journal, tokens_max: int) -> None:
        self._me = me
        self._journal = journal
        self._tokens_max = tokens_max
        self._index = DecisionIndex()

    def digest(self, transcript: Transcript, decisions: Decisions, about: str) -> Digest:
        """Write what a context is to be told before its next turn.

        Args:
            transcript: The context.
            decisions: All that the member was sent, folded.
            about: What the context is for, in words: its contract, say.
        """
        index = self._index.sync(decisions)
        return digest(
            decisions,
            transcript.known,
            self._stake(decisions),
            lambda among: index.rank(about, among),
            self._tokens_max,
        )

    def changes(self, transcript: Transcript, decisions: Decisions) -> list[Change]:
        """What has befallen decisions that the member built on, and the context was not told."""
        return changes_of_stake(decisions, transcript.known, self._stake(decisions))

    def open_challenges(self, decisions: Decisions) -> list[Decision]:
        """Decisions of the member's own that wait for its answer, oldest first."""
        own = [decisions.revision(r) for r in decisions.involving.get(self._me, ())]
        return [
            decision
            for decision in own
            if decision is not None
            and decision.author == self._me
            and decision.is_disputed
            and not decision.is_answered
        ]

    def _stake(self, decisions: Decisions) -> Stake:
        own = [decisions.revision(r) for r in decisions.involving.get(self._me, ())]
        relied_on = {p for d in own if d is not None and d.author == self._me for p in d.relied_on}
        for transcript in self._journal.transcripts.values():
            finding = _finding_in(transcript)
            if finding is not None:
                relied_on |= {premise for premise, _ in premises_of(finding)}
        return Stake(me=self._me, relied_on=frozenset(relied_on))


def in_context(transcript: Transcript, me: str, decisions: Decisions) -> frozenset[Premise]:
    """Every decision that was in a context, and those that its member made itself."""
    shown = {Premise(area=t.area, key=t.key, revision=t.revision) for t in transcript.told}
    own = [decisions.revision(r) for r in decisions.involving.get(me, ())]
    made = {
        d.as_premise()
        for d in own
        if d is not None and d.author == me and d.state is not DecisionState.proposed
    }
    return frozenset(shown | made)


def _finding_in(transcript: Transcript) -> FindingSubmitted | None:
    if transcript.answer is None or not transcript.opened.context.startswith("task:"):
        return None
    answer = msgspec.json.decode(
        transcript.answer, type=FindingSubmitted | VerdictGiven | ConflictJudged
    )
    return answer if isinstance(answer, FindingSubmitted) else None
