"""What a person was asked, and answered, as a fold; only the first answer of a person counts."""

from __future__ import annotations

import msgspec

from bus.ids import LEAD, PERSON
from bus.messages import ApprovalAsked, ApprovalGiven
from bus.run_stream import Record


class Approval(msgspec.Struct, frozen=True, kw_only=True):
    """One question to a person.

    Attributes:
        id: Its name on the bus: `plan`, `spending-2`, `result-1` …
        asked: What is to be approved.
        asked_seq: Sequence of the question.
        asked_at: When it was asked, in seconds since 1970.
        answer: What the person said; absent while the run waits.
        answered_at: When, 0 while it waits.
        head_seq: Sequence that the next write to it must expect.
    """

    id: str
    asked: ApprovalAsked
    asked_seq: int
    asked_at: float
    head_seq: int
    answer: ApprovalGiven | None = None
    answered_at: float = 0.0

    @property
    def is_pending(self) -> bool:
        """Whether the run waits for it."""
        return self.answer is None

    @property
    def is_approved(self) -> bool:
        """Whether a person has said yes."""
        return self.answer is not None and self.answer.outcome == "approved"


class Approvals:
    """All that people were asked in a run."""

    def __init__(self) -> None:
        self.all: dict[str, Approval] = {}

    def apply(self, record: Record) -> None:
        """Take one record of kind `approval` into account."""
        name, author = record.subject.names[0], record.subject.author
        approval = self.all.get(name)
        match record.body:
            case ApprovalAsked() as asked if author == LEAD and approval is None:
                self.all[name] = Approval(
                    id=name,
                    asked=asked,
                    asked_seq=record.seq,
                    asked_at=record.at,
                    head_seq=record.seq,
                )
            case ApprovalGiven() as answer if approval and approval.is_pending and author == PERSON:
                self.all[name] = msgspec.structs.replace(
                    approval, head_seq=record.seq, answer=answer, answered_at=record.at
                )
            case _ if approval is not None:
                self.all[name] = msgspec.structs.replace(approval, head_seq=record.seq)
            case _:
                pass

    def pending(self) -> list[Approval]:
        """What the run waits for, in the order it was asked."""
        return [approval for approval in self.all.values() if approval.is_pending]
