"""Disputes over decisions: when one is ripe for a ruling, and by whom.

A dispute is bounded: so many objections, one answer to each, a time to answer. Then
the lead rules, whatever was or was not said.
"""

from __future__ import annotations

from bus.ids import LEAD
from team.rules.premises import premises_of
from team.state import Decision, RunState


def ripe_dispute(state: RunState, now: float) -> Decision | None:
    """The oldest dispute that the lead can rule on now, if there is one."""
    for decision in _for_lead(state):
        if rules_at(state, decision) <= now:
            return decision
    return None


def next_ruling_at(state: RunState) -> float | None:
    """When the next dispute becomes ripe, in seconds since 1970; absent if none is open."""
    return min((rules_at(state, decision) for decision in _for_lead(state)), default=None)


def _for_lead(state: RunState) -> list[Decision]:
    decisions = state.decisions
    return [d for d in decisions.disputes() if decisions.ruler_of(d) == LEAD]


def rules_at(state: RunState, decision: Decision) -> float:
    """From when on the lead rules: at once if nobody is left to answer.

    Args:
        state: How the run stands.
        decision: One that is disputed.
    """
    assert state.spec is not None
    if len(decision.replies) >= len(decision.objections):
        return decision.at  # a proposal without objections, or each is answered
    seat = state.roster.seats.get(decision.author)
    if decision.author == LEAD or seat is None or not seat.is_in:
        return decision.at
    return decision.objections[-1].at + state.spec.team.decisions.rebuttal_seconds


def areas_needed(state: RunState, member: str) -> tuple[str, ...]:
    """Areas that a member must be told of beyond its contract: it has a part in them."""
    decisions = state.decisions
    involved = [decisions.revision(r) for r in decisions.involving.get(member, ())]
    named = [p for d in involved if d is not None and d.author == member for p in d.relied_on]
    for submissions in state.findings.submissions.values():
        for submission in submissions:
            if submission.member == member:
                named += [premise for premise, _ in premises_of(submission.finding)]
    involved += [decisions.named(premise) for premise in named]
    return tuple(dict.fromkeys(d.area for d in involved if d is not None))
