"""One decision: its life as a table of moves, and who may make which of them.

    proposed ──ruling──▶ in force ──challenge──▶ contested ──ruling──▶ upheld
        │                   │                        │                   │
        └──────────┬────────┴───────────┬────────────┴─────────┬─────────┘
                   ▼                    ▼                      ▼
              withdrawn            superseded ──▶ the next revision, in force

What is in force, contested or upheld holds; of one key, at most one revision does.
Members are equals: none replaces another's decision, it challenges it and the lead
rules. The lead outranks members, a person outranks the lead.
"""

from __future__ import annotations

from enum import StrEnum
from typing import Final
from unicodedata import category

import msgspec

from bus.ids import LEAD, PERSON
from bus.messages import Evidence, Premise, RulingOutcome

OBJECTIONS_MAX: Final = 4
"""Objections to one revision, each by another author and each answered at most once."""
STATEMENT_CHARACTERS_MAX: Final = 280
MEMBER_RANK: Final = 0
LEAD_RANK: Final = 1
PERSON_RANK: Final = 2

_UNSEEN: Final = frozenset({"Cc", "Cf", "Cs", "Zl", "Zp"})
_JOINERS: Final = frozenset("\u200c\u200d")
"""Characters without a look of their own that scripts and emoji are written with."""

_RANKS: Final[dict[str, int]] = {LEAD: LEAD_RANK, PERSON: PERSON_RANK}


class DecisionState(StrEnum):
    """Where one revision of a decision stands in its life."""

    proposed = "proposed"
    in_force = "in force"
    contested = "contested"
    upheld = "upheld"
    superseded = "superseded"
    withdrawn = "withdrawn"


S = DecisionState
DECISION_MOVES: Final[dict[tuple[DecisionState, str], DecisionState]] = {
    (S.proposed, "challenge"): S.proposed,
    (S.proposed, "rebut"): S.proposed,
    (S.proposed, "uphold"): S.in_force,
    (S.proposed, "supersede"): S.superseded,
    (S.proposed, "withdraw"): S.withdrawn,
    (S.in_force, "challenge"): S.contested,
    (S.in_force, "uphold"): S.upheld,
    (S.in_force, "supersede"): S.superseded,
    (S.in_force, "withdraw"): S.withdrawn,
    (S.contested, "challenge"): S.contested,
    (S.contested, "rebut"): S.contested,
    (S.contested, "uphold"): S.upheld,
    (S.contested, "supersede"): S.superseded,
    (S.contested, "withdraw"): S.withdrawn,
    (S.upheld, "challenge"): S.contested,
    (S.upheld, "uphold"): S.upheld,
    (S.upheld, "supersede"): S.superseded,
    (S.upheld, "withdraw"): S.withdrawn,
}
"""Which input moves a revision from which state to which; a ruling is one of three inputs."""

INPUT_OF_OUTCOME: Final[dict[RulingOutcome, str]] = {
    "upheld": "uphold",
    "superseded": "supersede",
    "withdrawn": "withdraw",
}
"""Which input a ruling is, by its outcome."""
_HOLDING: Final = frozenset({S.in_force, S.contested, S.upheld})


class Objection(msgspec.Struct, frozen=True, kw_only=True):
    """What one member or person holds against a revision."""

    seq: int
    author: str
    at: float
    reason: str
    instead: str = ""
    evidence: tuple[Evidence, ...] = ()


class Reply(msgspec.Struct, frozen=True, kw_only=True):
    """What the author answered to an objection."""

    seq: int
    at: float
    reason: str
    evidence: tuple[Evidence, ...] = ()


class Ruling(msgspec.Struct, frozen=True, kw_only=True):
    """How the lead or a person has ruled on a revision."""

    seq: int
    author: str
    outcome: RulingOutcome
    reason: str
    at: float = 0.0


class Decision(msgspec.Struct, frozen=True, kw_only=True):
    """One revision of a choice.

    Attributes:
        area: What it concerns, for example `api`.
        key: What it settles there, for example `pagination`.
        seq: Its sequence: the revision that premises name.
        id: Id of the message that made it.
        author: Who made it.
        at: When, in seconds since 1970.
        statement: The choice, in one line.
        state: Where it stands.
        changed_seq: Sequence of the newest message about it.
        changed_by: Who wrote that.
        changed_at: When, in seconds since 1970.
        rank: Rank of whoever settled it last: who ranks below can't undo it.
        supersedes: The revision that it replaced.
        replaced_by: The revision that replaced it.
        relied_on: Decisions that it rests on.
        distinct_from: Similar decisions that its author says are something else.
        standing: The file that it comes from, if it is older than the run.
        objections: What was held against it, oldest first.
        replies: What its author answered.
        rulings: How it was ruled on, or the ruling that made it, oldest first.
        end_reason: Why it was withdrawn.
        rationale: Why; known only to who reads the whole stream.
        alternatives: What else was considered; known as the rationale is.
        evidence: What it rests on in the sources; known as the rationale is.
    """

    area: str
    key: str
    seq: int
    id: str
    author: str
    at: float
    statement: str
    state: DecisionState
    changed_seq: int
    changed_by: str
    changed_at: float
    rank: int
    supersedes: int | None = None
    replaced_by: int | None = None
    relied_on: tuple[Premise, ...] = ()
    distinct_from: tuple[str, ...] = ()
    standing: str = ""
    objections: tuple[Objection, ...] = ()
    replies: tuple[Reply, ...] = ()
    rulings: tuple[Ruling, ...] = ()
    end_reason: str = ""
    rationale: str = ""
    alternatives: tuple[str, ...] = ()
    evidence: tuple[Evidence, ...] = ()

    @property
    def name(self) -> str:
        """Area and key, as people write it."""
        return f"{self.area}/{self.key}"

    @property
    def holds(self) -> bool:
        """Whether it is to be followed now."""
        return self.state in _HOLDING

    @property
    def is_disputed(self) -> bool:
        """Whether somebody has to rule: it is contested, or only proposed."""
        return self.state in (S.contested, S.proposed)

    @property
    def ruling(self) -> Ruling | None:
        """The ruling in effect; none once somebody who may has objected to it."""
        last = self.rulings[-1] if self.rulings else None
        if last is not None and self.objections and self.objections[-1].seq > last.seq:
            return None
        return last

    @property
    def is_answered(self) -> bool:
        """Whether its author has spoken since the last objection, or there is none."""
        if not self.objections:
            return True
        return bool(self.replies) and self.replies[-1].seq > self.objections[-1].seq

    def as_premise(self) -> Premise:
        """The decision as a finding names it."""
        return Premise(area=self.area, key=self.key, revision=self.seq)


def one_line(text: str) -> str:
    """What somebody wrote, on one line: it can't pass for a line of somebody else's."""
    return " ".join(text.split())


def statement_problem(statement: str) -> str | None:
    """Why a text can't be a statement; nothing if it can."""
    if not statement.strip():
        return "it is empty"
    if len(statement) > STATEMENT_CHARACTERS_MAX:
        return f"{len(statement)} characters, at most {STATEMENT_CHARACTERS_MAX}"
    if len(statement.splitlines()) > 1 or statement != statement.rstrip("\r\n"):
        return "it has more than one line"
    if any(category(c) in _UNSEEN and c not in _JOINERS for c in statement):
        return "it has characters that can't be seen"
    return None if statement.strip("".join(_JOINERS) + " ") else "it is empty"


def rank_of(author: str) -> int:
    """The rank of an author: members below the lead, the lead below a person."""
    return _RANKS.get(author, MEMBER_RANK)


def may_replace(author: str, decision: Decision) -> bool:
    """Whether an author may supersede or withdraw a decision without a dispute."""
    rank = rank_of(author)
    if rank != decision.rank:
        return rank > decision.rank
    return author == decision.author or rank >= LEAD_RANK


def may_rule(author: str, decision: Decision) -> bool:
    """Whether an author may rule on a decision."""
    return rank_of(author) >= max(LEAD_RANK, decision.rank)


def why_no_objection(author: str, decision: Decision) -> str | None:
    """Why an author may not challenge a decision; nothing if it may."""
    is_person = rank_of(author) >= PERSON_RANK
    if author == decision.author:
        return "it is your own: withdraw it or record another in its place"
    if decision.ruling is not None and not is_person:
        return f"{decision.ruling.author} has ruled on it: {one_line(decision.ruling.reason)}"
    if (decision.state, "challenge") not in DECISION_MOVES:
        return f"it is {decision.state}"
    if not is_person and any(o.author == author for o in decision.objections):
        return "you have challenged it already: wait for the ruling"
    if not is_person and len(decision.objections) >= OBJECTIONS_MAX:
        return f"it has {OBJECTIONS_MAX} objections already: wait for the ruling"
    return None


def why_no_reply(author: str, decision: Decision) -> str | None:
    """Why an author may not rebut the objections to a decision; nothing if it may."""
    if author != decision.author:
        return f"only {decision.author} can answer for it"
    if (decision.state, "rebut") not in DECISION_MOVES or not decision.objections:
        return f"it is {decision.state}: nothing is to be answered"
    if decision.is_answered:
        return "you have answered: wait for the ruling"
    return None
