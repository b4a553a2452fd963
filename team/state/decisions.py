"""The decisions log as a fold: every decision by area and key, with its history.

A record that has no move, or whose author may not make it, changes nothing but the
head of its key, and is kept as an anomaly: with compare-and-set it can only come from
a faulty or hostile writer, or from a newer version.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Final, Literal

import msgspec

from bus.ids import GATE, PERSON, SUPERVISOR
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
    one_line,
    rank_of,
    statement_problem,
    why_no_objection,
    why_no_reply,
)

S: Final = DecisionState
_NO_DECIDERS: Final = frozenset({GATE, SUPERVISOR})


class Fall(msgspec.Struct, frozen=True, kw_only=True):
    """Why a premise stands no longer, and since when."""

    reason: str
    seq: int
    at: float = 0.0


class _Root(msgspec.Struct, frozen=True, kw_only=True):
    """What a decision rests on that stands no longer: the nearest found, and how far down."""

    premise: Premise
    depth: int
    what: str
    is_unknown: bool = False
    seq: int = 0
    at: float = 0.0


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
        self._disputed: set[int] = set()
        self._resting: set[int] = set()
        self._roots: dict[bool, dict[int, _Root | None]] = {True: {}, False: {}}
        self._roots_of = 0
        self._places: dict[int, tuple[tuple[str, str], int]] = {}
        self._revisions: dict[str, int] = {}

    def apply(self, record: Record) -> None:
        """Take one record of kind `decision` or `rationale` into account."""
        if record.subject.kind == "rationale":
            self._explain(record)
            return
        key = record.subject.names[0], record.subject.names[1]
        self.head_seqs[key] = record.seq
        if record.subject.author in _NO_DECIDERS or not self._move(key, record):
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
        return self._those(self._disputed)

    def fallen(self) -> list[tuple[Decision, Fall]]:
        """Decisions that hold although what they rest on has fallen, oldest first."""
        found = [(d, self.fall_of(d.as_premise())) for d in self._those(self._resting)]
        return [(decision, fall) for decision, fall in found if fall is not None]

    def _those(self, revisions: Iterable[int]) -> list[Decision]:
        found = (self.revision(revision) for revision in sorted(revisions))
        return [decision for decision in found if decision is not None]

    def why_closed(self, area: str, key: str, author: str) -> str | None:
        """Why nothing may be decided for a key by an author: it was ruled that nothing is to be."""
        if self.in_force(area, key) is not None:
            return None
        rulings = [r for d in self.history.get((area, key), []) for r in d.rulings]
        ended = [ruling for ruling in rulings if ruling.outcome == "withdrawn"]
        last = max(ended, key=lambda ruling: ruling.seq, default=None)
        if last is None or rank_of(author) >= rank_of(last.author):
            return None
        return f"{last.author} has ruled that nothing is to hold there: {one_line(last.reason)}"

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
        decision = self.named(premise)
        root = self._own_root(premise, 0, knows_all=knows_all)
        if root is None and decision is not None:
            root = self._root(decision, knows_all=knows_all)
        if root is None:
            return None
        return Fall(reason=_rested(premise, root) + root.what, seq=root.seq, at=root.at)

    def _own_root(self, premise: Premise, depth: int, *, knows_all: bool) -> _Root | None:
        """Why a premise does not stand by itself, whatever it rests on."""
        decision = self.named(premise)
        if decision is None:
            if not knows_all:
                return None
            what = self._unknown(premise)
            return _Root(premise=premise, depth=depth, what=what, is_unknown=True)
        if decision.holds:
            return None
        return _Root(
            premise=premise,
            depth=depth,
            what=f"which {self.end_of(decision)}",
            seq=decision.changed_seq,
            at=decision.changed_at,
        )

    def _root(self, decision: Decision, *, knows_all: bool) -> _Root | None:
        """What a decision rests on that stands no longer; each is looked at once a change."""
        roots = self._roots[knows_all]
        if self._roots_of != len(self.changes):
            for known in self._roots.values():
                known.clear()
            self._roots_of = len(self.changes)
        waiting = [decision]
        while waiting:
            current = waiting[-1]
            lower = [self.named(p) for p in current.relied_on if p.revision < current.seq]
            unknown = [d for d in lower if d is not None and d.holds and d.seq not in roots]
            if current.seq in roots or not unknown:
                roots.setdefault(current.seq, self._first_root(current, knows_all=knows_all))
                waiting.pop()
            else:
                waiting += unknown
        return roots[decision.seq]

    def _first_root(self, decision: Decision, *, knows_all: bool) -> _Root | None:
        for premise in decision.relied_on:
            if premise.revision >= decision.seq:
                return _Root(premise=premise, depth=1, what="which did not exist then")
            root = self._own_root(premise, 1, knows_all=knows_all)
            lower = self.named(premise)
            if root is None and lower is not None:
                root = self._roots[knows_all].get(lower.seq)
                if root is not None:
                    root = msgspec.structs.replace(root, depth=root.depth + 1)
            if root is not None:
                return root
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
        return f"was {decision.state} by {decision.changed_by}: {one_line(decision.end_reason)}"

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
        if self.why_closed(*key, record.subject.author) or statement_problem(body.statement):
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
        if self.why_closed(*key, record.subject.author) or statement_problem(body.statement):
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
        self._change(decision, record, state=state, objections=(*decision.objections, objection))
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
        if state is None or not _fits(body):
            return False
        if current is not None and current != decision and not may_rule(author, current):
            return False
        ruling = Ruling(
            seq=record.seq,
            author=author,
            outcome=body.outcome,
            reason=body.reason,
            at=record.at,
        )
        rulings = (*decision.rulings, ruling)
        if body.outcome == "withdrawn":
            self._end(decision, state, record, end_reason=body.reason, rulings=rulings)
            return True
        makes = decision.seq if body.outcome == "upheld" else record.seq
        for old in (current, decision):
            if old is not None and old.seq != makes:
                ended = (*old.rulings, ruling)
                self._end(old, S.superseded, record, replaced_by=makes, rulings=ended)
        relied_on = decision.relied_on if body.relied_on is None else body.relied_on
        if body.outcome == "upheld":
            settled = {"rulings": rulings, "rank": rank_of(author), "relied_on": relied_on}
            self._change(decision, record, state=state, **settled)
        else:
            choice = DecisionRecorded(
                statement=body.statement, supersedes=body.revision, relied_on=body.relied_on or ()
            )
            made = _made(key, choice, record, S.in_force)
            self._add(key, msgspec.structs.replace(made, rulings=(ruling,)))
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
        changed = {
            "changed_seq": record.seq,
            "changed_by": record.subject.author,
            "changed_at": record.at,
            **more,
        }
        self._put(msgspec.structs.replace(decision, **changed))
        self.changes.append((record.seq, decision.seq))

    def _put(self, decision: Decision) -> None:
        key, number = self._places[decision.seq]
        self.history[key][number] = decision
        self._classify(decision)

    def _classify(self, decision: Decision) -> None:
        """Keep in mind what somebody has to rule on, and what holds and rests on others."""
        for kept, belongs in (
            (self._disputed, decision.is_disputed),
            (self._resting, decision.holds and bool(decision.relied_on)),
        ):
            (kept.add if belongs else kept.discard)(decision.seq)

    def _add(self, key: tuple[str, str], decision: Decision) -> None:
        revisions = self.history.setdefault(key, [])
        self._places[decision.seq] = key, len(revisions)
        self._revisions.setdefault(decision.id, decision.seq)
        self.involving.setdefault(decision.author, []).append(decision.seq)
        revisions.append(decision)
        self._classify(decision)
        self.changes.append((decision.seq, decision.seq))


def _fits(body: DecisionRuled) -> bool:
    """Whether a ruling has a statement if, and only if, it supersedes."""
    if body.outcome != "superseded":
        return not body.statement
    return statement_problem(body.statement) is None


def _rested(premise: Premise, root: _Root) -> str:
    """The way from what was relied on to what has fallen; its middle is only counted."""
    if root.is_unknown and root.depth == 0:
        return ""
    text = f"it relied on {premise.area}/{premise.key} revision {premise.revision}, "
    if root.depth == 0:
        return text
    through = f" through {root.depth - 1} others" if root.depth > 1 else ""
    asked = root.premise
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
        changed_at=record.at,
        rank=rank_of(author),
        supersedes=body.supersedes,
        relied_on=body.relied_on,
        distinct_from=body.distinct_from,
        standing=standing,
    )
