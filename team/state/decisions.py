"""The decisions log as a fold: every decision by area and key, with its history.

A record that has no move, or whose author may not make it, changes nothing but the
head of its key, and is kept as an anomaly: with compare-and-set it can only come from
a faulty or hostile writer, or from a newer version.
"""

from __future__ import annotations

from typing import Final, Literal

import msgspec

from bus.ids import PERSON
from bus.messages import (
    Choice,
    DecisionChallenged,
    DecisionExplained,
    DecisionProposed,
    DecisionRebutted,
    DecisionRecorded,
    DecisionRuled,
    DecisionWithdrawn,
    Premise,
)
from bus.run_stream import Record
from team.state.decision import (
    DECISION_MOVES,
    INPUT_OF_OUTCOME,
    PERSON_RANK,
    Decision,
    DecisionState,
    Objection,
    Reply,
    Ruling,
    may_replace,
    may_rule,
    rank_of,
    why_no_objection,
    why_no_reply,
)

S: Final = DecisionState


class Fall(msgspec.Struct, frozen=True, kw_only=True):
    """Why a premise stands no longer, and since which sequence."""

    reason: str
    seq: int


class Decisions:
    """All decisions of a run, or those that a member was sent."""

    def __init__(self) -> None:
        self.history: dict[tuple[str, str], list[Decision]] = {}
        self.head_seqs: dict[tuple[str, str], int] = {}
        self.changes: list[tuple[int, int]] = []
        """Every change in order: its sequence, and the revision that it changed."""
        self.involving: dict[str, list[int]] = {}
        """By author, the revisions that it made or objected to."""
        self.anomalies: list[str] = []
        self._places: dict[int, tuple[tuple[str, str], int]] = {}
        self._revisions: dict[str, int] = {}

    def apply(self, record: Record) -> None:
        """Take one record of kind `decision` or `rationale` into account."""
        if record.subject.kind == "rationale":
            self._explain(record)
            return
        key = record.subject.names[0], record.subject.names[1]
        self.head_seqs[key] = record.seq
        if not self._move(key, record):
            self.anomalies.append(f"{record.seq}: {record.subject} has no move here")

    def in_force(self, area: str, key: str) -> Decision | None:
        """The decision that holds for a key, if there is one."""
        return next((d for d in reversed(self.history.get((area, key), [])) if d.holds), None)

    def proposal(self, area: str, key: str) -> Decision | None:
        """The proposal for a key that nobody has ruled on yet, if there is one."""
        revisions = reversed(self.history.get((area, key), []))
        return next((d for d in revisions if d.state is S.proposed), None)

    def all_in_force(self, areas: tuple[str, ...] | None = None) -> list[Decision]:
        """What holds now, oldest first; in some areas only, if named."""
        held = [self.in_force(*key) for key in self.history if areas is None or key[0] in areas]
        return sorted((d for d in held if d is not None), key=lambda decision: decision.seq)

    def disputes(self) -> list[Decision]:
        """Decisions that somebody has to rule on, oldest first."""
        open_ones = [d for revisions in self.history.values() for d in revisions if d.is_disputed]
        return sorted(open_ones, key=lambda decision: decision.seq)

    def ruler_of(self, decision: Decision) -> Literal["lead", "person"]:
        """Who has to rule on a decision that is disputed, or only proposed."""
        current = self.in_force(decision.area, decision.key)
        ranks = (decision.rank, current.rank if current is not None else 0)
        return "person" if max(ranks) >= PERSON_RANK else "lead"

    def revision(self, seq: int) -> Decision | None:
        """The revision with this sequence."""
        place = self._places.get(seq)
        return None if place is None else self.history[place[0]][place[1]]

    def named(self, premise: Premise) -> Decision | None:
        """The revision that a premise names, if there is one of that number and that name."""
        return self._named((premise.area, premise.key), premise.revision)

    def fall_of(self, premise: Premise, *, knows_all: bool = True) -> Fall | None:
        """Why what rests on a premise does not stand; nothing if it does.

        A decision that rests on a fallen one has fallen with it, however far down.

        Args:
            premise: Which decision, at which revision.
            knows_all: Whether every decision of the run was folded here; if not, one
                that is unknown is no problem.
        """
        waiting = [(premise, 0)]
        seen: set[int] = set()
        while waiting:
            asked, depth = waiting.pop()
            decision = self.named(asked)
            if decision is None:
                if knows_all:
                    way = _rested(premise, asked, depth) if depth else ""
                    return Fall(reason=way + self._unknown(asked), seq=0)
                continue
            if not decision.holds:
                reason = f"{_rested(premise, asked, depth)}which {self.end_of(decision)}"
                return Fall(reason=reason, seq=decision.changed_seq)
            if decision.seq not in seen:
                seen.add(decision.seq)
                lower = (p for p in decision.relied_on if p.revision < decision.seq)
                waiting += [(one, depth + 1) for one in lower]
        return None

    def _unknown(self, asked: Premise) -> str:
        if self.in_force(asked.area, asked.key) is None:
            return f"there is no decision {asked.area}/{asked.key}"
        return f"there is no revision {asked.revision} of {asked.area}/{asked.key}"

    def last_after(self, decision: Decision) -> Decision:
        """The last of the revisions that replaced a decision one after the other; or itself."""
        while (newer := self.revision(decision.replaced_by or 0)) is not None:
            decision = newer
        return decision

    def end_of(self, decision: Decision) -> str:
        """How a decision that holds no longer has ended, in words."""
        newer = self.revision(decision.replaced_by or 0)
        if newer is not None:
            return f"was superseded by {newer.seq} of {newer.author}: {newer.statement}"
        if decision.state is S.proposed:
            return "is only proposed"
        return f"was {decision.state} by {decision.changed_by}: {decision.end_reason}"

    # One method a message; each says whether it had a move.

    def _move(self, key: tuple[str, str], record: Record) -> bool:  # noqa: PLR0911 - one a message
        match record.body:
            case DecisionProposed() as body:
                return self._propose(key, body, record)
            case DecisionRecorded() as body:
                return self._record(key, body, record)
            case DecisionChallenged() as body:
                return self._challenge(key, body, record)
            case DecisionRebutted() as body:
                return self._rebut(key, body, record)
            case DecisionWithdrawn() as body:
                return self._withdraw(key, body, record)
            case DecisionRuled() as body:
                return self._rule(key, body, record)
            case _:
                return False

    def _record(self, key: tuple[str, str], body: DecisionRecorded, record: Record) -> bool:
        current, proposal = self.in_force(*key), self.proposal(*key)
        if body.supersedes != (current and current.seq):
            return False
        before = [old for old in (current, proposal) if old is not None]
        if not all(may_replace(record.subject.author, old) for old in before):
            return False
        for old in before:
            self._end(old, S.superseded, record, replaced_by=record.seq)
        standing = body.standing if record.subject.author == PERSON else ""
        self._add(key, _made(key, body, record, S.in_force, standing=standing))
        return True

    def _propose(self, key: tuple[str, str], body: DecisionProposed, record: Record) -> bool:
        current, pending = self.in_force(*key), self.proposal(*key)
        if body.supersedes != (current and current.seq):
            return False
        if pending is not None and not may_replace(record.subject.author, pending):
            return False
        if pending is not None:
            self._end(pending, S.superseded, record, replaced_by=record.seq)
        self._add(key, _made(key, body, record, S.proposed))
        return True

    def _challenge(self, key: tuple[str, str], body: DecisionChallenged, record: Record) -> bool:
        decision = self._named(key, body.revision)
        author = record.subject.author
        if decision is None or why_no_objection(author, decision) is not None:
            return False
        objection = Objection(
            seq=record.seq,
            author=author,
            at=record.at,
            reason=body.reason,
            instead=body.instead,
            evidence=body.evidence,
        )
        state = DECISION_MOVES[decision.state, "challenge"]
        self.involving.setdefault(author, []).append(decision.seq)
        self._change(
            decision, record, state=state, objections=(*decision.objections, objection), ruling=None
        )
        return True

    def _rebut(self, key: tuple[str, str], body: DecisionRebutted, record: Record) -> bool:
        decision = self._named(key, body.revision)
        if decision is None or why_no_reply(record.subject.author, decision) is not None:
            return False
        reply = Reply(seq=record.seq, at=record.at, reason=body.reason, evidence=body.evidence)
        self._change(decision, record, replies=(*decision.replies, reply))
        return True

    def _withdraw(self, key: tuple[str, str], body: DecisionWithdrawn, record: Record) -> bool:
        decision = self._named(key, body.revision)
        if decision is None or (decision.state, "withdraw") not in DECISION_MOVES:
            return False
        if not may_replace(record.subject.author, decision):
            return False
        self._end(decision, S.withdrawn, record, end_reason=body.reason)
        return True

    def _rule(self, key: tuple[str, str], body: DecisionRuled, record: Record) -> bool:
        decision, author = self._named(key, body.revision), record.subject.author
        if decision is None or not may_rule(author, decision):
            return False
        state = DECISION_MOVES.get((decision.state, INPUT_OF_OUTCOME[body.outcome]))
        current = self.in_force(*key)
        if state is None or (body.outcome == "superseded") != bool(body.statement):
            return False
        if current is not None and current != decision and not may_rule(author, current):
            return False
        ruling = Ruling(seq=record.seq, author=author, outcome=body.outcome, reason=body.reason)
        if body.outcome == "withdrawn":
            self._end(decision, state, record, end_reason=body.reason, ruling=ruling)
            return True
        makes = decision.seq if body.outcome == "upheld" else record.seq
        for old in (current, decision):
            if old is not None and old.seq != makes:
                self._end(old, S.superseded, record, replaced_by=makes, ruling=ruling)
        if body.outcome == "upheld":
            self._change(decision, record, state=state, ruling=ruling, rank=rank_of(author))
        else:
            choice = DecisionRecorded(statement=body.statement, supersedes=body.revision)
            made = _made(key, choice, record, S.in_force)
            self._add(key, msgspec.structs.replace(made, ruling=ruling))
        return True

    def _explain(self, record: Record) -> None:
        revision = self._revisions.get(record.envelope.cause or "" if record.envelope else "")
        decision = self.revision(revision or 0)
        body = record.body
        if decision is None or not isinstance(body, DecisionExplained):
            return
        is_explained = decision.rationale or decision.alternatives or decision.evidence
        if record.subject.author == decision.author and not is_explained:
            self._put(
                msgspec.structs.replace(
                    decision,
                    rationale=body.rationale,
                    alternatives=body.alternatives,
                    evidence=body.evidence,
                )
            )

    def _named(self, key: tuple[str, str], revision: int) -> Decision | None:
        """The revision that a message names, if it is one of this key."""
        decision = self.revision(revision)
        return decision if decision is not None and (decision.area, decision.key) == key else None

    def _end(
        self, decision: Decision, state: DecisionState, record: Record, **more: object
    ) -> None:
        current = self.revision(decision.seq)
        assert current is not None
        if current.state is not state:
            self._change(current, record, state=state, **more)

    def _change(self, decision: Decision, record: Record, **more: object) -> None:
        changed = {"changed_seq": record.seq, "changed_by": record.subject.author, **more}
        self._put(msgspec.structs.replace(decision, **changed))
        self.changes.append((record.seq, decision.seq))

    def _put(self, decision: Decision) -> None:
        key, number = self._places[decision.seq]
        self.history[key][number] = decision

    def _add(self, key: tuple[str, str], decision: Decision) -> None:
        revisions = self.history.setdefault(key, [])
        self._places[decision.seq] = key, len(revisions)
        self._revisions.setdefault(decision.id, decision.seq)
        self.involving.setdefault(decision.author, []).append(decision.seq)
        revisions.append(decision)
        self.changes.append((decision.seq, decision.seq))


def _rested(premise: Premise, asked: Premise, depth: int) -> str:
    """The way from what was relied on to what has fallen; its middle is only counted."""
    text = f"it relied on {premise.area}/{premise.key} revision {premise.revision}, "
    if depth == 0:
        return text
    through = f" through {depth - 1} others" if depth > 1 else ""
    return f"{text}which rests{through} on {asked.area}/{asked.key} revision {asked.revision}, "


def _made(
    key: tuple[str, str], body: Choice, record: Record, state: DecisionState, standing: str = ""
) -> Decision:
    author = record.subject.author
    return Decision(
        area=key[0],
        key=key[1],
        seq=record.seq,
        id=record.id,
        author=author,
        at=record.at,
        statement=body.statement,
        state=state,
        changed_seq=record.seq,
        changed_by=author,
        rank=rank_of(author),
        supersedes=body.supersedes,
        relied_on=body.relied_on,
        distinct_from=body.distinct_from,
        standing=standing,
    )
