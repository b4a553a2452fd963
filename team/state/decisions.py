"""The decisions in force as a fold: by area and key, with their history.

A record counts only if it follows the head that it names: the first on a key
supersedes nothing, each later one names the sequence it replaces.
"""

from __future__ import annotations

from typing import Literal

import msgspec

from bus.messages import DecisionContested, DecisionRecorded
from bus.run_stream import Record


class Decision(msgspec.Struct, frozen=True, kw_only=True):
    """One revision of a choice.

    Attributes:
        area: What it concerns, for example `api`.
        key: What it settles there, for example `pagination`.
        seq: Its sequence: the revision that premises name.
        author: Who recorded it.
        statement: The choice, in one line.
        rationale: Why; not pushed into contexts.
        state: In force, contested (still in force), or superseded.
        contests: Objections, as `author: reason`.
    """

    area: str
    key: str
    seq: int
    author: str
    at: float
    statement: str
    rationale: str = ""
    state: Literal["in force", "contested", "superseded"] = "in force"
    contests: tuple[str, ...] = ()
    supersedes: int | None = None

    @property
    def name(self) -> str:
        """Area and key, as people write it."""
        return f"{self.area}/{self.key}"


class Decisions:
    """All decisions of a run."""

    def __init__(self) -> None:
        self.history: dict[tuple[str, str], list[Decision]] = {}
        self.head_seqs: dict[tuple[str, str], int] = {}
        self.anomalies: list[str] = []

    def apply(self, record: Record) -> None:
        """Take one record of kind `decision` into account."""
        area, key = record.subject.names
        revisions = self.history.setdefault((area, key), [])
        self.head_seqs[area, key] = record.seq
        current = revisions[-1] if revisions else None
        match record.body:
            case DecisionRecorded() as body if body.supersedes == (current and current.seq):
                if current is not None:
                    revisions[-1] = msgspec.structs.replace(current, state="superseded")
                revisions.append(_decision(area, key, body, record))
            case DecisionContested(reason=reason, revision=revision) if (
                current is not None and revision == current.seq
            ):
                objection = f"{record.subject.author}: {reason}"
                revisions[-1] = msgspec.structs.replace(
                    current, state="contested", contests=(*current.contests, objection)
                )
            case _:
                self.anomalies.append(f"{record.seq}: {record.subject} follows no head")

    def in_force(self, area: str, key: str) -> Decision | None:
        """The decision that holds for a key, if there is one."""
        revisions = self.history.get((area, key))
        return revisions[-1] if revisions else None

    def all_in_force(self, areas: tuple[str, ...] | None = None) -> list[Decision]:
        """What holds now, oldest first; in some areas only, if named."""
        current = [revisions[-1] for revisions in self.history.values() if revisions]
        chosen = [decision for decision in current if areas is None or decision.area in areas]
        return sorted(chosen, key=lambda decision: decision.seq)

    def revision(self, seq: int) -> Decision | None:
        """The revision with this sequence."""
        for revisions in self.history.values():
            for decision in revisions:
                if decision.seq == seq:
                    return decision
        return None


def _decision(area: str, key: str, body: DecisionRecorded, record: Record) -> Decision:
    return Decision(
        area=area,
        key=key,
        seq=record.seq,
        author=record.subject.author,
        at=record.at,
        statement=body.statement,
        rationale=body.rationale,
        supersedes=body.supersedes,
    )
