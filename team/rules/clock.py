"""How long a run has been at work: pauses, and waiting for a person, do not count."""

from __future__ import annotations

from bus.ids import PERSON
from team.rules.approvals import reserved_areas
from team.state import RunState


def began_at(state: RunState, now: float) -> float:
    """When the run would have begun, had it never paused or waited; seconds since 1970.

    Args:
        state: How the run stands.
        now: Seconds since 1970.
    """
    return state.opened_at + idle_s(state, now)


def worked_s(state: RunState, since: float, now: float) -> float:
    """For how long the run was not stopped, in seconds.

    Args:
        state: How the run stands.
        since: From when on, in seconds since 1970.
        now: Until when.
    """
    stopped = (max(0.0, end - max(begin, since)) for begin, end in state.pauses)
    return now - since - sum(stopped)


def idle_s(state: RunState, now: float) -> float:
    """How long nobody worked on the run, or it waited for a person, in seconds."""
    spans = [*state.pauses, *_asked(state, now), *_reserved(state, now)]
    total = reached = 0.0
    for begin, end in sorted(spans):
        total += max(0.0, end - max(begin, reached))
        reached = max(reached, end)
    return total


def _asked(state: RunState, now: float) -> list[tuple[float, float]]:
    return [(one.asked_at, one.answered_at or now) for one in state.approvals.all.values()]


def _reserved(state: RunState, now: float) -> list[tuple[float, float]]:
    """Since when decisions wait for a person; of those that were answered, until when."""
    areas = reserved_areas(state)
    found: list[tuple[float, float]] = []
    for (area, _), revisions in state.decisions.history.items():
        for one in revisions if area in areas else ():
            since = one.objections[-1].at if one.objections else one.at
            if one.is_disputed:
                found.append((since, now))
            elif one.rulings and one.rulings[-1].author == PERSON:
                found.append((since, one.rulings[-1].at))
    return found
