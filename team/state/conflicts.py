"""Claims that may contradict each other, as a fold: raised, judged, ruled on.

Only the gate raises; the lead or a person rules. Who was asked to judge stands on the board,
so what all of this comes to is said by `team.rules.conflicts`.
"""

from __future__ import annotations

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
    def refs(self) -> tuple[str, str]:
        """Its two claims, as `<task>.<claim>`."""
        return self.raised.first, self.raised.second


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
            case ConflictRuled() as ruling if conflict is not None and _may_rule(author, conflict):
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


def _may_rule(author: str, conflict: Conflict) -> bool:
    """A person always; the lead once, and never over a ruling that is there."""
    return author == PERSON or (author == LEAD and conflict.ruling is None)
