"""A whole run as a fold: goal, mode, team, board, decisions, findings, mail, money.

`fold` is the one way to know how a run stands; `team show` at any time, a member
after a restart and the audit all use it.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable
from typing import Final

import msgspec

from bus.ids import GATE, LEAD, PERSON, SUPERVISOR
from bus.messages import (
    CancelRun,
    ContextCompacted,
    FindingSubmitted,
    MemberJoined,
    MemberLost,
    PlanMade,
    ResultPublished,
    RunForked,
    RunOpened,
    RunTriaged,
    TaskClaimed,
    TaskState,
    VerdictGiven,
    WrapUp,
)
from bus.run_stream import Record
from team.spec import ResolvedSpec
from team.state.approvals import Approvals
from team.state.board import Board
from team.state.conflicts import Conflicts
from team.state.decisions import Decisions
from team.state.findings import Findings
from team.state.ledger import Ledger
from team.state.mailroom import Mailroom
from team.state.refusals import Refusals
from team.state.roster import Roster
from team.state.snapshots import Snapshots


class RunState:
    """How a run stands after the records that were applied."""

    def __init__(self) -> None:
        self.opened: RunOpened | None = None
        self.spec: ResolvedSpec | None = None
        self.plan: PlanMade | None = None
        self.triage: RunTriaged | None = None
        self.result: ResultPublished | None = None
        self.forked: RunForked | None = None
        self.cancel_reason: str | None = None
        self.told_to_wrap_up: set[str] = set()
        self.pauses: list[tuple[float, float]] = []
        self._worked_at = 0.0
        self.spec_head_seq = 0
        self.result_head_seq = 0
        self.opened_at = 0.0
        self.ended_at = 0.0
        self.last_at = 0.0
        self.last_seq = 0
        self.unread: list[str] = []
        self.board = Board()
        self.decisions = Decisions()
        self.findings = Findings()
        self.ledger = Ledger()
        self.mail = Mailroom()
        self.roster = Roster()
        self.compactions: Counter[str] = Counter()
        self.conflicts = Conflicts()
        self.approvals = Approvals()
        self.refusals = Refusals()
        self.snapshots = Snapshots()

    def apply(self, record: Record) -> None:
        """Take one record into account; records come in stream order, each once."""
        assert record.seq > self.last_seq, (record.seq, self.last_seq)
        self._note_pause(record)
        self.last_seq, self.last_at = record.seq, record.at
        if record.problem is not None:
            self.unread.append(f"{record.seq}: {record.problem}")
        # A record that can't be read says nothing, but the next write must follow it.
        is_late = self.result is not None and record.subject.kind in _ENDED_WITH_RESULT
        for part in () if is_late else _PARTS.get(record.subject.kind, ()):
            if part != "findings" or self._is_heard(record):
                getattr(self, part).apply(record)
        self.roster.follow(record)
        self._follow_grants(record)
        self._move_heads(record)
        self._apply_run(record)

    def _is_heard(self, record: Record) -> bool:
        """Whether a finding, a verdict or a claim comes from who holds the task now."""
        author = record.subject.author
        task = self.board.tasks.get(record.subject.names[0])
        match record.body:
            case FindingSubmitted() if task is not None:
                is_heard = task.state is TaskState.claimed and task.holder == author
            case TaskClaimed():
                return task is not None and task.claim_seq == record.seq
            case VerdictGiven(finding_seq=seq) if author not in (GATE, PERSON):
                held = self.board.held_by(author)
                is_heard = held is not None and held.subject_seq == seq
            case _:
                return True
        if not is_heard:
            self.board.anomalies.append(
                f"{record.seq}: {record.subject} is by nobody who was asked"
            )
        return is_heard

    def _note_pause(self, record: Record) -> None:
        """Nobody worked on the run from its last message until it has a supervisor again.

        The supervisor says since when: a member is not sent every message, its own neither, and
        one that wakes may store something before the supervisor says that all were asleep. A
        copy of a run was stored later than what it says.
        """
        author = record.subject.author
        if isinstance(record.body, MemberJoined) and author == SUPERVISOR:
            told = record.body.idle_since
            since = told if told > self.opened_at else self._worked_at
            self.pauses.append((since or record.at, record.at))
        if is_work(record):
            self._worked_at = record.at

    def _follow_grants(self, record: Record) -> None:
        """Tell the ledger what the board and the roster have made of a record."""
        name = record.subject.names[0] if record.subject.names else ""
        if record.subject.kind == "task" and name in self.board.tasks:
            self.ledger.follow(self.board.tasks[name], self.roster)
        if record.subject.kind == "member" and self.roster.is_gone(name):
            self.ledger.give_back(name)

    def _move_heads(self, record: Record) -> None:
        match record.subject.kind:
            case "spec":
                self.spec_head_seq = record.seq
            case "result":
                self.result_head_seq = record.seq
            case _:
                pass

    def _apply_run(self, record: Record) -> None:
        is_lead = record.subject.author == LEAD
        match record.body:
            case RunOpened() as opened if is_lead and self.opened is None:
                self.opened, self.opened_at = opened, record.at
                self.spec = self._spec(opened, record.seq)
            case PlanMade() as plan if is_lead and self.triage is None:
                self.plan = plan
            case RunForked() as forked if is_lead:
                self.forked = forked  # of a fork's fork: the nearest
            case RunTriaged() as triage if is_lead:
                self.triage = triage
            case ResultPublished() as result if is_lead and self.result is None:
                self.result, self.ended_at = result, record.at
            case CancelRun(reason=reason) if record.subject.author in (LEAD, PERSON):
                if record.subject.names[0] == LEAD:
                    self.cancel_reason = reason
            case ContextCompacted():
                self.compactions[record.subject.author] += 1
            case WrapUp(stuck_seq=0) if record.subject.author == LEAD:
                self.told_to_wrap_up.add(record.subject.names[0])
            case _:
                pass

    def _spec(self, opened: RunOpened, seq: int) -> ResolvedSpec | None:
        """The run's spec; absent where another version wrote what this one can't read."""
        try:
            return msgspec.json.decode(opened.spec, type=ResolvedSpec)
        except msgspec.DecodeError as error:
            self.unread.append(f"{seq}: the spec can't be read: {error}")
            return None


_PARTS: Final[dict[str, tuple[str, ...]]] = {
    "member": ("roster",),
    "task": ("board", "findings"),
    "mail": ("mail",),
    "journal": ("mail",),
    "decision": ("decisions",),
    "rationale": ("decisions",),
    "finding": ("findings",),
    "verdict": ("findings",),
    "usage": ("ledger",),
    "conflict": ("conflicts",),
    "approval": ("approvals",),
    "refusal": ("refusals",),
    "snapshot": ("snapshots",),
}


_ENDED_WITH_RESULT: Final = frozenset({"decision", "rationale"})
"""Kinds that say nothing more once the result is there: it rests on what held then."""


def is_work(record: Record) -> bool:
    """Whether a record shows work: a lead that gave up had waited since the one before."""
    return not (isinstance(record.body, MemberLost) and record.subject.author == LEAD)


def fold(records: Iterable[Record]) -> RunState:
    """Fold records, in stream order, into the state they lead to."""
    state = RunState()
    for record in records:
        state.apply(record)
    return state
