"""The task board as a fold: which tasks there are, who has them, how they stand.

    open ──claim──▶ claimed ──submit──▶ submitted ──settle──▶ admitted
     ▲                │  └──fail──▶ failed             └────▶ rejected
     └──────── the lead opens it again ─────┘            (or cancelled)

What was admitted may fall with a decision that it rested on: then it is opened again.

A record that the table below has no move for, or whose author may not give it,
changes nothing but the head, and is kept as an anomaly: with compare-and-set it can
only come from a faulty or hostile writer, or from a newer version.
"""

from __future__ import annotations

from typing import Final, Literal

import msgspec

from bus.ids import LEAD
from bus.messages import (
    AnyMessage,
    Claim,
    Contract,
    TaskClaimed,
    TaskFailed,
    TaskOpened,
    TaskSettled,
    TaskState,
    TaskSubmitted,
)
from bus.run_stream import Record

S = TaskState
MOVES: Final[dict[tuple[TaskState | None, str], TaskState]] = {
    (None, "open"): S.open,
    (S.open, "open"): S.open,
    (S.claimed, "open"): S.open,
    (S.submitted, "open"): S.open,
    (S.failed, "open"): S.open,
    (S.admitted, "open"): S.open,
    (S.admitted, "rejected"): S.rejected,
    (S.open, "claim"): S.claimed,
    (S.claimed, "submit"): S.submitted,
    (S.claimed, "fail"): S.failed,
    (S.submitted, "admitted"): S.admitted,
    (S.submitted, "rejected"): S.rejected,
    (S.failed, "failed"): S.failed,
    (S.open, "failed"): S.failed,
    (S.claimed, "failed"): S.failed,
    (S.submitted, "failed"): S.failed,
    (S.open, "cancelled"): S.cancelled,
    (S.claimed, "cancelled"): S.cancelled,
    (S.submitted, "cancelled"): S.cancelled,
    (S.failed, "cancelled"): S.cancelled,
}
"""Which input moves a task from which state to which."""


class Task(msgspec.Struct, frozen=True, kw_only=True):
    """One task as it stands.

    Attributes:
        id: Its name on the bus.
        state: Where it stands.
        head_seq: Sequence that the next write to it must expect.
        claim_seq: Sequence of the claim in force, 0 without one.
        holder: Who claimed it last.
        round: Which round of work this is, from 1.
        attempt: Which attempt, from 1: one more each time it goes to somebody fresh.
        reasons: Why it came back, or why it was settled so.
        not_by: Who may not claim it.
        producers: Everybody who has claimed it so far, in order.
        is_settled: Whether the lead has closed it for good.
    """

    id: str
    title: str
    contract: Contract
    role: str
    purpose: Literal["research", "verify", "compare"]
    state: TaskState
    head_seq: int
    claim_seq: int = 0
    claimed_at: float = 0.0
    holder: str | None = None
    round: int = 1
    attempt: int = 1
    reasons: tuple[str, ...] = ()
    depends_on: tuple[str, ...] = ()
    subject_task: str | None = None
    material: tuple[Claim, ...] = ()
    subject_seq: int | None = None
    notes: tuple[str, ...] = ()
    offered_to: str | None = None
    not_by: tuple[str, ...] = ()
    producers: tuple[str, ...] = ()
    is_settled: bool = False

    @property
    def context(self) -> str:
        """Name of the transcript in which its present round is worked on."""
        return f"task:{self.id}:{self.round}"


class Board:
    """All tasks of a run."""

    def __init__(self) -> None:
        self.tasks: dict[str, Task] = {}
        self.anomalies: list[str] = []

    def apply(self, record: Record) -> None:
        """Take one record of kind `task` into account."""
        task_id = record.subject.names[0]
        task = self.tasks.get(task_id)
        move = _move_of(record.body, record.subject.author, task)
        state = MOVES.get((task.state if task else None, move)) if move else None
        is_over = task is not None and task.is_settled and task.state is not S.admitted
        if state is None or is_over:
            self.anomalies.append(f"{record.seq}: {record.subject} does not fit the board")
            if task is not None:
                self.tasks[task_id] = msgspec.structs.replace(task, head_seq=record.seq)
            return
        self.tasks[task_id] = _after(task, state, record)

    def of_purpose(self, purpose: str) -> list[Task]:
        """Tasks of one purpose, in the order they were opened."""
        return [task for task in self.tasks.values() if task.purpose == purpose]

    def offered(self, member: str) -> list[Task]:
        """Tasks that a member may claim now."""
        return [
            task
            for task in self.tasks.values()
            if task.state is S.open and task.offered_to == member
        ]

    def held_by(self, member: str) -> Task | None:
        """The task that a member works on, if it does."""
        for task in self.tasks.values():
            if task.state is S.claimed and task.holder == member:
                return task
        return None


def _move_of(body: AnyMessage | None, author: str, task: Task | None) -> str | None:
    """Name the input that a message is; nothing if its author may not give it."""
    is_lead = author == LEAD
    is_holder = task is not None and task.holder == author
    is_offered = task is not None and author not in task.not_by and _is_open_to(task, author)
    match body:
        case TaskOpened() if is_lead:
            return "open"
        case TaskClaimed() if is_offered:
            return "claim"
        case TaskSubmitted() if is_holder:
            return "submit"
        case TaskFailed() if is_holder:
            return "fail"
        case TaskSettled(state=state) if is_lead:
            return state
        case _:
            return None


def _is_open_to(task: Task, author: str) -> bool:
    """Whether a task is offered to a member; who judges has to be asked by name."""
    return task.offered_to == author or (task.offered_to is None and task.purpose == "research")


def _after(task: Task | None, state: TaskState, record: Record) -> Task:
    body, seq = record.body, record.seq
    if isinstance(body, TaskOpened):
        return _opened(record.subject.names[0], body, seq, task)
    assert task is not None
    change = msgspec.structs.replace
    match body:
        case TaskClaimed():
            author = record.subject.author
            return change(
                task,
                state=state,
                head_seq=seq,
                claim_seq=seq,
                holder=author,
                producers=tuple(dict.fromkeys((*task.producers, author))),
                claimed_at=record.at,
            )
        case TaskFailed(reason=reason):
            return change(task, state=state, head_seq=seq, reasons=(reason,))
        case TaskSettled(reasons=reasons):
            return change(
                task, state=state, head_seq=seq, reasons=reasons or task.reasons, is_settled=True
            )
        case _:
            return change(task, state=state, head_seq=seq)


def _attempt(body: TaskOpened, before: Task | None) -> int:
    """Who may work on it no longer says that somebody fresh begins."""
    if before is None:
        return 1
    return before.attempt + (not {*body.not_by} <= {*before.not_by})


def _opened(task_id: str, body: TaskOpened, seq: int, before: Task | None) -> Task:
    return Task(
        id=task_id,
        title=body.title,
        contract=body.contract,
        role=body.role,
        purpose=body.purpose,
        state=S.open,
        head_seq=seq,
        holder=before.holder if before else None,
        round=body.round,
        attempt=_attempt(body, before),
        reasons=body.reasons,
        depends_on=body.depends_on,
        subject_task=body.subject_task,
        material=body.material,
        subject_seq=body.subject_seq,
        notes=body.notes,
        offered_to=body.offered_to,
        not_by=body.not_by,
        producers=before.producers if before else (),
    )
