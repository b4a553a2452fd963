"""Claims that may contradict each other, as a fold: raised, judged, ruled on.

    raised ──certain──▶ open ──ruled──▶ ruled
       └──judged──▶ open, or compatible

Only the gate raises, only somebody who was asked judges (the reader of the board knows
who), only the lead rules. What is never ruled on stands for neither: unknown means no.
"""

from __future__ import annotations

from typing import Literal

import msgspec

from bus.ids import GATE, LEAD, PERSON
from bus.messages import ConflictJudged, ConflictRaised, ConflictRuled
from bus.run_stream import Record


class Conflict(msgspec.Struct, frozen=True, kw_only=True):
    """Two claims and what was said of them.

    Attributes:
        id: Its name on the bus.
        raised: What code has seen.
        judgements: What verifiers said, by author, in order.
        ruling: What the lead ruled; absent until it has.
        head_seq: Sequence that the next write to it must expect.
    """

    id: str
    raised: ConflictRaised
    head_seq: int
    judgements: tuple[tuple[str, ConflictJudged], ...] = ()
    ruling: ConflictRuled | None = None

    @property
    def state(self) -> Literal["raised", "open", "compatible", "ruled"]:
        """Where it stands: to be judged, to be ruled on, no conflict, ruled."""
        if self.ruling is not None:
            return "ruled"
        if self.raised.is_certain:
            return "open"
        if not self.judgements:
            return "raised"
        is_none = all(judged.outcome == "compatible" for _, judged in self.judgements)
        return "compatible" if is_none else "open"

    @property
    def struck(self) -> tuple[str, ...]:
        """Claims that may not be cited, as `<task>.<claim>`."""
        if self.state == "compatible":
            return ()
        stands = self.ruling.stands if self.ruling is not None else "neither"
        lost = {
            "first": (self.raised.second,),
            "second": (self.raised.first,),
            "both": (),
            "neither": (self.raised.first, self.raised.second),
        }
        return lost[stands]


class Conflicts:
    """All conflicts of a run."""

    def __init__(self) -> None:
        self.all: dict[str, Conflict] = {}

    def apply(self, record: Record) -> None:
        """Take one record of kind `conflict` into account."""
        name, author = record.subject.names[0], record.subject.author
        conflict = self.all.get(name)
        match record.body:
            case ConflictRaised() as raised if author == GATE and conflict is None:
                self.all[name] = Conflict(id=name, raised=raised, head_seq=record.seq)
            case ConflictJudged() as judged if conflict is not None and author != LEAD:
                judgements = (*conflict.judgements, (author, judged))
                self._change(conflict, record.seq, judgements=judgements)
            case ConflictRuled() as ruling if conflict is not None and author in (LEAD, PERSON):
                self._change(conflict, record.seq, ruling=ruling)
            case _ if conflict is not None:
                self._change(conflict, record.seq)
            case _:
                pass

    def _change(
        self,
        conflict: Conflict,
        seq: int,
        *,
        judgements: tuple[tuple[str, ConflictJudged], ...] | None = None,
        ruling: ConflictRuled | None = None,
    ) -> None:
        self.all[conflict.id] = msgspec.structs.replace(
            conflict,
            head_seq=seq,
            judgements=conflict.judgements if judgements is None else judgements,
            ruling=ruling or conflict.ruling,
        )

    def struck(self) -> frozenset[str]:
        """Every claim that may not be cited, as `<task>.<claim>`."""
        return frozenset(ref for conflict in self.all.values() for ref in conflict.struck)
