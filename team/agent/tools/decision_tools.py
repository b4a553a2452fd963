"""Tools of the decisions log: record, search, read, challenge, rebut, withdraw.

Each write names the head of its key, so of two members that decide one key at once the
second is told what the first has decided, as the answer to its own call.
"""

from __future__ import annotations

from typing import Annotated, ClassVar, Final

import msgspec

from bus.ids import PERSON
from bus.messages import (
    DecisionChallenged,
    DecisionExplained,
    DecisionProposed,
    DecisionRebutted,
    DecisionRecorded,
    DecisionTold,
    DecisionWithdrawn,
    Evidence,
    Premise,
)
from bus.run_stream import Entry
from team.agent.tools.base import Effect, Tool, ToolAnswer, refuse
from team.agent.world import World
from team.codes.limits import AREA
from team.rules.decision_lines import line_of
from team.rules.plan import words
from team.state import Decision, Decisions, DecisionState
from team.state.decision import (
    STATEMENT_CHARACTERS_MAX,
    may_replace,
    one_line,
    statement_problem,
    why_no_objection,
    why_no_reply,
)

RATIONALE_CHARACTERS_MAX: Final = 4_000
REASON_CHARACTERS_MAX: Final = 1_000
ALTERNATIVES_MAX: Final = 10
EVIDENCE_MAX: Final = 5
PREMISES_MAX: Final = 20
FOUND_MAX: Final = 10

_END: Final = r"$(?!\n)"
"""Python's `$` alone lets a line's end through."""

Areas = tuple[str, ...] | None
"""Where a member may decide; absent: everywhere."""

Token = Annotated[str, msgspec.Meta(pattern="^[A-Za-z0-9_-]{1,64}" + _END)]
Statement = Annotated[
    str,
    msgspec.Meta(
        min_length=1,
        max_length=STATEMENT_CHARACTERS_MAX,
        pattern=r"\S",
        description="The choice in one line.",
    ),
]
Instead = Annotated[
    str,
    msgspec.Meta(
        max_length=STATEMENT_CHARACTERS_MAX,
        description="What should hold in its place, in one line.",
    ),
]
Reason = Annotated[str, msgspec.Meta(min_length=1, max_length=REASON_CHARACTERS_MAX, pattern=r"\S")]
Alternative = Annotated[str, msgspec.Meta(min_length=1, max_length=STATEMENT_CHARACTERS_MAX)]
Proofs = Annotated[
    tuple[Evidence, ...],
    msgspec.Meta(max_length=EVIDENCE_MAX, description="Quotes from the sources that show it."),
]


class RecordDecisionInput(msgspec.Struct, frozen=True, kw_only=True):
    """A choice that others must share."""

    area: Token
    key: Token
    statement: Statement
    rationale: Annotated[str, msgspec.Meta(max_length=RATIONALE_CHARACTERS_MAX)] = ""
    alternatives: Annotated[
        tuple[Alternative, ...],
        msgspec.Meta(max_length=ALTERNATIVES_MAX, description="What else was considered."),
    ] = ()
    evidence: Proofs = ()
    relied_on: Annotated[
        tuple[Premise, ...],
        msgspec.Meta(max_length=PREMISES_MAX, description="Decisions that it rests on."),
    ] = ()
    supersedes: Annotated[
        int | None, msgspec.Meta(description="Revision of your decision that this replaces.")
    ] = None
    distinct_from: Annotated[
        tuple[str, ...],
        msgspec.Meta(
            max_length=PREMISES_MAX,
            description="Similar decisions, as area/key, that say something else.",
        ),
    ] = ()


class SearchDecisionsInput(msgspec.Struct, frozen=True, kw_only=True):
    """What to look for."""

    query: str
    area: Token | None = None


class ReadDecisionInput(msgspec.Struct, frozen=True, kw_only=True):
    """Which decision to read."""

    area: Token
    key: Token


class ChallengeDecisionInput(msgspec.Struct, frozen=True, kw_only=True):
    """An objection to a decision."""

    area: Token
    key: Token
    reason: Reason
    instead: Instead = ""
    evidence: Proofs = ()


class RebutChallengeInput(msgspec.Struct, frozen=True, kw_only=True):
    """An answer to the objections to a decision of yours."""

    area: Token
    key: Token
    reason: Reason
    evidence: Proofs = ()


class WithdrawDecisionInput(msgspec.Struct, frozen=True, kw_only=True):
    """A decision of yours that shall hold no longer."""

    area: Token
    key: Token
    reason: Reason


class RecordDecision(Tool[RecordDecisionInput]):
    """Record a decision that others must share.

    If the key is decided already, or a decision with similar words holds in the area, you
    get that one back: follow it, or challenge it. Replace a decision of your own with
    `supersedes`; name in `distinct_from` what only looks alike.
    """

    name: ClassVar[str] = "record_decision"
    input_type = RecordDecisionInput
    effect: ClassVar[Effect] = "idempotent"

    def __init__(self, world: World, context: str, areas: Areas = None) -> None:
        self._world, self._context, self._areas = world, context, areas

    async def run(self, given: RecordDecisionInput) -> ToolAnswer:
        forbidden = _outside(self._areas, given.area)
        if forbidden is not None:
            return forbidden
        log = await self._world.log.read()
        wrong = statement_problem(given.statement)
        if wrong is not None:
            return refuse(f"the statement can't be used: {wrong}; write it in one line")
        refused = _key_problem(log, given, self._world.me) or self._near(given)
        if refused is not None:
            return refused
        problem = await self._world.first_quote_problem(given.evidence)
        if problem is not None:
            return refuse(f"the evidence does not hold: {problem}")
        relied_on = self._world.premises(self._context, given.relied_on, log)
        if isinstance(relied_on, str):
            return refuse(relied_on)
        kind = DecisionProposed if self._world.only_proposes(given.area) else DecisionRecorded
        body = kind(
            statement=given.statement,
            supersedes=given.supersedes,
            relied_on=relied_on,
            distinct_from=given.distinct_from,
        )
        entry = _entry(self._world, log, given.area, given.key, body)
        said = "Recorded" if kind is DecisionRecorded else "Proposed (the lead rules on it)"
        return ToolAnswer(
            content=f"{said}: {given.area}/{given.key}.",
            entries=(entry, *_explained(self._world, given, entry)),
        )

    def _near(self, given: RecordDecisionInput) -> ToolAnswer | None:
        """Show what holds in the area and says nearly the same, unless it was named."""
        named = {*given.distinct_from, f"{given.area}/{given.key}"}
        found = self._world.log.index.near(given.area, given.statement)
        near = [decision for decision in found if decision.name not in named]
        if not near:
            return None
        lines = "\n".join(_line(self._world.log.decisions, decision) for decision in near)
        names = ", ".join(decision.name for decision in near)
        return refuse(
            f"Nearly the same holds already:\n{lines}\nFollow it, and list it in `relied_on`; or "
            f"challenge it; or, if yours says something else, add distinct_from: {names}",
            _told(near),
        )


class SearchDecisions(Tool[SearchDecisionsInput]):
    """Search the decisions in force by their words, in all areas or in one."""

    name: ClassVar[str] = "search_decisions"
    input_type = SearchDecisionsInput
    effect: ClassVar[Effect] = "read-only"

    def __init__(self, world: World) -> None:
        self._world = world

    async def run(self, given: SearchDecisionsInput) -> ToolAnswer:
        log = await self._world.log.read()
        areas = None if given.area is None else (given.area,)
        held = {decision.seq: decision for decision in reversed(log.all_in_force(areas))}
        ranked = self._world.log.index.rank(given.query, held) if words(given.query) else held
        found = [held[revision] for revision in ranked][:FOUND_MAX]
        if not found:
            return ToolAnswer(content=f"None of {len(held)} decisions in force has these words.")
        lines = [_line(log, decision) for decision in found]
        more = len(ranked) - len(found)
        lines += [f"and {more} more: narrow the words or the area"] if more else []
        return ToolAnswer(content="\n".join(lines), told=_told(found))


class ReadDecision(Tool[ReadDecisionInput]):
    """Read one decision: its reasons, alternatives, evidence, and its disputes."""

    name: ClassVar[str] = "read_decision"
    input_type = ReadDecisionInput
    effect: ClassVar[Effect] = "read-only"

    def __init__(self, world: World) -> None:
        self._world = world

    async def run(self, given: ReadDecisionInput) -> ToolAnswer:
        log = await self._world.log.read()
        history = log.history.get((given.area, given.key), [])
        if not history:
            return refuse(f"{given.area}/{given.key} is not decided")
        current = log.in_force(given.area, given.key) or history[-1]
        content = describe(log, current, await self._world.log.explain(current))
        earlier = [f"earlier: {line_of(d)}: {d.state}" for d in history if d.seq != current.seq]
        return ToolAnswer(content="\n".join([content, *earlier[-5:]]), told=_told([current]))


class ChallengeDecision(Tool[ChallengeDecisionInput]):
    """Object to a decision of another, with your reason and what you would have instead.

    It holds until the lead has ruled; the ruling stands before one of your next turns.
    """

    name: ClassVar[str] = "challenge_decision"
    input_type = ChallengeDecisionInput
    effect: ClassVar[Effect] = "idempotent"

    def __init__(self, world: World, areas: Areas = None) -> None:
        self._world, self._areas = world, areas

    async def run(self, given: ChallengeDecisionInput) -> ToolAnswer:
        forbidden = _outside(self._areas, given.area)
        if forbidden is not None:
            return forbidden
        log = await self._world.log.read()
        decision = _disputable(log, given.area, given.key)
        if decision is None:
            return refuse(f"{given.area}/{given.key} is not decided: record it")
        problem = why_no_objection(self._world.me, decision)
        if problem is not None:
            return refuse(f"{decision.name} can't be challenged: {problem}", _told([decision]))
        problem = statement_problem(given.instead) if given.instead else None
        if problem is not None:
            return refuse(f"`instead` can't be used: {problem}; write it in one line")
        problem = await self._world.first_quote_problem(given.evidence)
        if problem is not None:
            return refuse(f"the evidence does not hold: {problem}")
        body = DecisionChallenged(
            revision=decision.seq,
            reason=given.reason,
            instead=given.instead,
            evidence=given.evidence,
        )
        entry = _entry(self._world, log, given.area, given.key, body)
        who = "a person" if log.ruler_of(decision) == PERSON else "the lead"
        return ToolAnswer(
            content=f"Challenged: {decision.name} r{decision.seq}; it holds until {who} has ruled.",
            entries=(entry,),
        )


class RebutChallenge(Tool[RebutChallengeInput]):
    """Answer the objections to a decision of yours; then the lead rules."""

    name: ClassVar[str] = "rebut_challenge"
    input_type = RebutChallengeInput
    effect: ClassVar[Effect] = "idempotent"

    def __init__(self, world: World, areas: Areas = None) -> None:
        self._world, self._areas = world, areas

    async def run(self, given: RebutChallengeInput) -> ToolAnswer:
        forbidden = _outside(self._areas, given.area)
        if forbidden is not None:
            return forbidden
        log = await self._world.log.read()
        decision = _disputable(log, given.area, given.key)
        if decision is None:
            return refuse(f"{given.area}/{given.key} is not decided")
        problem = why_no_reply(self._world.me, decision)
        if problem is not None:
            return refuse(f"{decision.name}: {problem}")
        problem = await self._world.first_quote_problem(given.evidence)
        if problem is not None:
            return refuse(f"the evidence does not hold: {problem}")
        body = DecisionRebutted(revision=decision.seq, reason=given.reason, evidence=given.evidence)
        entry = _entry(self._world, log, given.area, given.key, body)
        return ToolAnswer(content="Answered; the lead rules.", entries=(entry,))


class WithdrawDecision(Tool[WithdrawDecisionInput]):
    """Take back a decision of yours: because it was challenged rightly, or fell with another."""

    name: ClassVar[str] = "withdraw_decision"
    input_type = WithdrawDecisionInput
    effect: ClassVar[Effect] = "idempotent"

    def __init__(self, world: World, areas: Areas = None) -> None:
        self._world, self._areas = world, areas

    async def run(self, given: WithdrawDecisionInput) -> ToolAnswer:
        forbidden = _outside(self._areas, given.area)
        if forbidden is not None:
            return forbidden
        log = await self._world.log.read()
        decision = _disputable(log, given.area, given.key)
        if decision is None:
            return refuse(f"{given.area}/{given.key} is not decided")
        if not may_replace(self._world.me, decision):
            return refuse(f"{decision.name} is not yours to withdraw: {_whose(decision)}")
        body = DecisionWithdrawn(revision=decision.seq, reason=given.reason)
        entry = _entry(self._world, log, given.area, given.key, body)
        return ToolAnswer(content=f"Withdrawn: {decision.name}.", entries=(entry,))


def _outside(areas: Areas, area: str) -> ToolAnswer | None:
    """Why a member may not decide in an area; nothing if it may."""
    try:
        if areas is None or area in areas:
            return None
    except Exception as error:
        return refuse(f"whether you may decide there can't be told: {error!r} ({AREA})", code=AREA)
    there = f"you may in: {', '.join(areas)}" if areas else "you may in none"
    return refuse(
        f"your role may not decide in area {area!r} ({AREA}); {there}. Follow what others have "
        "decided there, and list as open what you would need",
        code=AREA,
    )


def describe(log: Decisions, decision: Decision, why: DecisionExplained) -> str:
    """All there is to a decision, as text for a member."""
    lines = [_line(log, decision), f"State: {decision.state}."]
    lines.append(f"Why: {one_line(why.rationale or 'not said')}")
    lines += [f"Considered: {one_line(one)}" for one in why.alternatives]
    lines += [f"Shown by: {_evidence(one)}" for one in why.evidence]
    lines += [f"Rests on: {p.area}/{p.key} r{p.revision}" for p in decision.relied_on]
    for objection in decision.objections:
        instead = f" Instead: {one_line(objection.instead)}" if objection.instead else ""
        shown = "".join(f" ({_evidence(one)})" for one in objection.evidence)
        lines.append(
            f"Objection of {objection.author}: {one_line(objection.reason)}{instead}{shown}"
        )
    for reply in decision.replies:
        shown = "".join(f" ({_evidence(one)})" for one in reply.evidence)
        lines.append(f"Answer of {decision.author}: {one_line(reply.reason)}{shown}")
    lines += [f"Ruling of {r.author}: {r.outcome}: {one_line(r.reason)}" for r in decision.rulings]
    return "\n".join(lines)


def _line(log: Decisions, decision: Decision) -> str:
    """A decision in one line; and that it is not to be followed, if it has fallen."""
    fall = log.fall_of(decision.as_premise()) if decision.holds else None
    return line_of(decision) + (f" [has fallen: {fall.reason}]" if fall else "")


def _evidence(evidence: Evidence) -> str:
    return one_line(f"{evidence.source} {evidence.locator}: “{evidence.quote}”")


def _key_problem(log: Decisions, given: RecordDecisionInput, me: str) -> ToolAnswer | None:
    """Why a key can't be decided so, with what holds for it."""
    current, pending = log.in_force(given.area, given.key), log.proposal(given.area, given.key)
    name = f"{given.area}/{given.key}"
    if current is None and given.supersedes is not None:
        return refuse(f"{name} is not decided: leave `supersedes` out")
    if current is None and pending is not None and not may_replace(me, pending):
        return refuse(f"It is proposed already, and to be ruled on:\n{line_of(pending)}")
    if current is None:
        closed = log.why_closed(given.area, given.key, me)
        return None if closed is None else refuse(f"{name} can't be decided: {closed}")
    if given.supersedes == current.seq and may_replace(me, current):
        return None
    what_next = (
        f"record it with supersedes={current.seq}"
        if may_replace(me, current)
        else f"challenge it with challenge_decision ({_whose(current)})"
    )
    follow = "Follow it, and list it in `relied_on`; or "
    if log.fall_of(current.as_premise()) is not None:
        follow = "Nothing can rest on it as it stands: go without until that is mended; or "
    return refuse(
        f"It is decided already:\n{_line(log, current)}\n{follow}{what_next}.", _told([current])
    )


def _whose(decision: Decision) -> str:
    if decision.standing:
        return f"it stands in {decision.standing}: only a person may replace it"
    if decision.ruling is not None:
        return f"{decision.ruling.author} has ruled on it"
    return f"it is {decision.author}'s"


def _disputable(log: Decisions, area: str, key: str) -> Decision | None:
    """What can be disputed at a key: a proposal, else what holds."""
    return log.proposal(area, key) or log.in_force(area, key)


def _entry(
    world: World,
    log: Decisions,
    area: str,
    key: str,
    body: DecisionProposed
    | DecisionRecorded
    | DecisionChallenged
    | DecisionRebutted
    | DecisionWithdrawn,
) -> Entry:
    head = log.head_seqs.get((area, key), 0)
    return world.entry("decision", area, key, body=body, expect=head)


def _explained(world: World, given: RecordDecisionInput, entry: Entry) -> tuple[Entry, ...]:
    """The reasons, as a message of their own that no consumer is sent."""
    if not (given.rationale or given.alternatives or given.evidence):
        return ()
    body = DecisionExplained(
        rationale=given.rationale, alternatives=given.alternatives, evidence=given.evidence
    )
    return (world.entry("rationale", given.area, given.key, body=body, cause=entry.id),)


def _told(decisions: list[Decision]) -> tuple[DecisionTold, ...]:
    return tuple(
        DecisionTold(area=d.area, key=d.key, revision=d.seq, seq=d.changed_seq)
        for d in decisions
        if d.state is not DecisionState.proposed
    )
