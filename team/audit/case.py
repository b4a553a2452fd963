"""All that the audit looks at: the records, what they fold to, and each transcript."""

from __future__ import annotations

import re
from collections.abc import Sequence
from functools import cached_property
from typing import Final

import msgspec

from bus.ids import LEAD
from bus.messages import (
    AnyMessage,
    ContextClosed,
    ContextOpened,
    Contract,
    Evidence,
    TaskClaimed,
    TaskOpened,
    TurnActed,
    TurnReplied,
    UsageReserved,
    UsageSpent,
)
from bus.run_stream import Record
from team.audit.reading import trace_of
from team.audit.trace import Trace
from team.audit.verdicts import (
    Judge,
    Passed,
    Verdict,
    judges_of,
    passed_canaries,
    verdicts_by_finding,
)
from team.errors import SourceError
from team.rules.outside import may_cite
from team.sources import Library, is_snapshot, quote_problem, snapshot_id
from team.spec import ResolvedSpec
from team.state import RunState, Submission, fold
from team.state.unsettled import Unsettled

_TASK_CONTEXT: Final = re.compile(r"task:([^:]+):(\d+)")


class At(msgspec.Struct, frozen=True, kw_only=True):
    """A message of a transcript, and where and when it was stored."""

    seq: int
    at: float
    body: AnyMessage


class Transcript(msgspec.Struct, kw_only=True):
    """One transcript of one member, as its journal has it.

    Attributes:
        member: Whose it is.
        context: Its name.
        entries: All journal records of it, in order.
        usage: What its model calls took, in order.
        unsettled: What they may have taken beyond that.
    """

    member: str
    context: str
    entries: list[At] = []
    usage: list[tuple[int, UsageSpent]] = []
    unsettled: Unsettled = Unsettled()

    @property
    def opened(self) -> ContextOpened | None:
        """How it began; absent if it never was opened."""
        found = (e.body for e in self.entries if isinstance(e.body, ContextOpened))
        return next(found, None)

    @property
    def turns(self) -> list[tuple[int, TurnReplied]]:
        """Its model calls with their sequences."""
        return [(e.seq, e.body) for e in self.entries if isinstance(e.body, TurnReplied)]

    @property
    def acts(self) -> list[tuple[int, TurnActed]]:
        """What its tools gave, with sequences."""
        return [(e.seq, e.body) for e in self.entries if isinstance(e.body, TurnActed)]

    @property
    def closed(self) -> list[tuple[int, ContextClosed]]:
        """How it ended without an answer, with sequences."""
        return [(e.seq, e.body) for e in self.entries if isinstance(e.body, ContextClosed)]

    @property
    def task(self) -> tuple[str, int] | None:
        """Which task it is for, and in which round; absent if it is for none."""
        found = _TASK_CONTEXT.fullmatch(self.context)
        return (found.group(1), int(found.group(2))) if found else None

    @property
    def tokens(self) -> int:
        """Tokens of all its calls, with those of tries whose answer broke off."""
        return sum(usage.tokens.total + usage.lost.total for _, usage in self.usage)


class Case:
    """A run under audit; everything is worked out once and never changed."""

    def __init__(self, records: Sequence[Record], library: Library | None = None) -> None:
        """Take up a run.

        Args:
            records: Its whole stream, in order.
            library: The sources that it was made from, if they are at hand.
        """
        self.records = tuple(records)
        self.library = library

    @cached_property
    def state(self) -> RunState:
        """What the stream folds to."""
        return fold(self.records)

    @property
    def spec(self) -> ResolvedSpec | None:
        """What the run was made of; absent if that can't be read."""
        return self.state.spec

    @cached_property
    def trace(self) -> Trace:
        """The run as events."""
        return trace_of(self.records)

    @cached_property
    def transcripts(self) -> dict[tuple[str, str], Transcript]:
        """Every transcript by member and context, in the order they began."""
        found: dict[tuple[str, str], Transcript] = {}
        for record in self.records:
            body, member = record.body, record.subject.author
            match body:
                case ContextOpened() | TurnReplied() | TurnActed() | ContextClosed():
                    one = _transcript(found, member, body.context)
                    one.entries.append(At(seq=record.seq, at=record.at, body=body))
                case UsageReserved():
                    one = _transcript(found, member, body.context)
                    one.unsettled = one.unsettled.reserve(body)
                case UsageSpent():
                    one = _transcript(found, member, body.context)
                    one.usage.append((record.seq, body))
                    one.unsettled = one.unsettled.settle(body)
                case _:
                    pass
        return found

    @cached_property
    def openings(self) -> list[tuple[int, str, TaskOpened]]:
        """Every time the lead put a task on the board: sequence, task, how."""
        return [
            (record.seq, record.subject.names[0], record.body)
            for record in self.records
            if isinstance(record.body, TaskOpened) and record.subject.author == LEAD
        ]

    @cached_property
    def claims(self) -> dict[tuple[str, str], list[int]]:
        """Where each member claimed each task, by task and member."""
        found: dict[tuple[str, str], list[int]] = {}
        for record in self.records:
            if isinstance(record.body, TaskClaimed):
                key = record.subject.names[0], record.subject.author
                found.setdefault(key, []).append(record.seq)
        return found

    @cached_property
    def submissions(self) -> dict[int, Submission]:
        """Every finding by its sequence."""
        return {s.seq: s for found in self.state.findings.submissions.values() for s in found}

    @cached_property
    def verdicts(self) -> dict[int, list[Verdict]]:
        """All that was said of each finding, by its sequence."""
        return verdicts_by_finding(self.records)

    @cached_property
    def judges(self) -> list[Judge]:
        """Everybody who took on a verification."""
        return judges_of(self.records)

    @cached_property
    def passed(self) -> list[Passed]:
        """Who upheld a claim that was planted."""
        return passed_canaries(self.judges, self.submissions, self.verdicts)

    @cached_property
    def result_seq(self) -> int:
        """Where the result stands; 0 if there is none."""
        result = self.state.result
        return next((r.seq for r in self.records if result and r.body is result), 0)

    @cached_property
    def at_result(self) -> RunState:
        """What the stream folded to just before the result; before its end, if there is none."""
        end = self.result_seq
        return fold(record for record in self.records if not end or record.seq < end)

    def contract_at(self, task: str, number: int, seq: int) -> Contract | None:
        """The contract of a task's round as it stood at a record."""
        found = [o for s, t, o in self.openings if t == task and o.round == number and s <= seq]
        return found[-1].contract if found else None

    def contract_of(self, transcript: Transcript) -> Contract | None:
        """The contract that a transcript works under; absent outside of tasks.

        It is that of the last claim before its last record: a task may be given back, and
        taken on again in the same round.
        """
        if transcript.task is None or not transcript.entries:
            return None
        task, number = transcript.task
        last = transcript.entries[-1].seq
        claims = [seq for seq in self.claims.get((task, transcript.member), ()) if seq < last]
        return self.contract_at(task, number, claims[-1] if claims else transcript.entries[0].seq)

    def role_of(self, member: str) -> str:
        """The role that a member plays; the empty name for one without a seat."""
        seat = self.state.roster.seats.get(member)
        return seat.role if seat is not None else ""

    def waited_s(self, until: float) -> float:
        """How long the run had stopped or waited for people by then, in seconds.

        Overlaps count once.
        """
        asked = [(a.asked_at, a.answered_at or until) for a in self.state.approvals.all.values()]
        total = reached = 0.0
        for begin, end in sorted([*asked, *self.state.pauses]):
            total += max(0.0, min(end, until) - max(begin, reached))
            reached = max(reached, min(end, until))
        return total

    def quote_problem(self, evidence: Evidence) -> str | None:
        """Why a quote does not stand, as far as the run's sources are at hand."""
        return quote_problem(self.library, evidence) if self.library is not None else None

    def is_outside(self, source: str, contract: Contract) -> bool:
        """Whether a source is known to lie outside a contract."""
        if is_snapshot(source):
            return not may_cite(self.state.snapshots, snapshot_id(source), contract)
        if self.library is None:
            return False
        return not _finds(self.library, source, contract.sources) or (
            bool(contract.sources_avoided)
            and _finds(self.library, source, contract.sources_avoided)
        )


def _finds(library: Library, source: str, within: tuple[str, ...]) -> bool:
    try:
        library.find(source, within)
    except SourceError:
        return False
    return True


def _transcript(found: dict[tuple[str, str], Transcript], member: str, context: str) -> Transcript:
    return found.setdefault((member, context), Transcript(member=member, context=context))
