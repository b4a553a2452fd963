"""Disputes over decisions: when one is ripe for a ruling, and by whom.

A dispute is bounded: so many objections, one answer to each, a time to answer. Then
the lead rules, whatever was or was not said.
"""

from __future__ import annotations

from typing import Final

from bus.ids import LEAD
from team.rules.approvals import reserved_areas
from team.rules.premises import premises_of
from team.state import Decision, Fall, RunState
from team.state.decision import may_replace

RULINGS_ON_FALL_MAX: Final = 2
"""How often the lead rules on a decision that one and the same fall has shaken."""


def ripe_dispute(state: RunState, now: float) -> Decision | None:
    """The oldest decision that the lead can rule on now, if there is one.

    One that is disputed or proposed; or one that holds although what it rests on has
    fallen, if its author has not mended that.
    """
    for decision in _disputed(state):
        if rules_at(state, decision) <= now:
            return decision
    for decision, fall in _fallen(state):
        if _mends_until(state, decision, fall) <= now:
            return decision
    return None


def next_ruling_at(state: RunState) -> float | None:
    """When the next dispute becomes ripe, in seconds since 1970; absent if none is open.

    Fallen decisions that nobody disputes are not waited for: nothing may rest on them.
    """
    return min((rules_at(state, decision) for decision in _disputed(state)), default=None)


def _disputed(state: RunState) -> list[Decision]:
    decisions, reserved = state.decisions, reserved_areas(state)
    return [
        d for d in decisions.disputes() if decisions.ruler_of(d) == LEAD and d.area not in reserved
    ]


def _fallen(state: RunState) -> list[tuple[Decision, Fall]]:
    """Decisions that hold and have fallen, and that rulings since have not mended.

    A ruling may miss a fall by a moment, so there may be a second; then no more.
    """
    decisions = state.decisions
    return [
        (decision, fall)
        for decision, fall in decisions.fallen()
        if decisions.ruler_of(decision) == LEAD
        and decision.area not in reserved_areas(state)
        and sum(ruling.seq > fall.seq for ruling in decision.rulings) < RULINGS_ON_FALL_MAX
    ]


def rules_at(state: RunState, decision: Decision) -> float:
    """From when on the lead rules on a dispute: at once if nobody is left to answer.

    Args:
        state: How the run stands.
        decision: One that is disputed.
    """
    if decision.is_answered or not _is_in(state, decision.author):
        return decision.at
    return decision.objections[-1].at + _patience_s(state)


def _mends_until(state: RunState, decision: Decision, fall: Fall) -> float:
    """How long the author of a fallen decision has to renew or withdraw it, if it may."""
    if not may_replace(decision.author, decision) or not _is_in(state, decision.author):
        return fall.at
    return max(fall.at, decision.at) + _patience_s(state)


def _is_in(state: RunState, author: str) -> bool:
    """Whether a teammate is there to answer for its decision; the lead rules without."""
    seat = state.roster.seats.get(author)
    return author != LEAD and seat is not None and seat.is_in


def _patience_s(state: RunState) -> float:
    assert state.spec is not None
    return state.spec.team.decisions.rebuttal_seconds


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
