"""What a person should do after a comparison, in a sentence or two, and what to mind.

Every sentence says no more than the verdicts do.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Final

from team.compare.arms import AGAIN, SHAM, SINGLE, TEAM
from team.compare.spending import Spending, in_column

OVER_MAX: Final = 3
"""Answers over their budget that are named."""

if TYPE_CHECKING:
    from team.compare.analysis import ArmLine, Contrast, Report
    from team.compare.results import Plan, Row


def advice(report: Report, plan: Plan) -> str:
    """What to do, or why that can't be said."""
    if report.claim:
        return (
            f"{report.claim}. The rehearsal model quotes sources and understands nothing: the "
            "figures below show that the comparison works, not which arm is better."
        )
    if report.is_rung:
        return _after_rung(report, plan)
    if not report.contrasts:
        return "Nothing was compared yet."
    judged = [one for one in report.contrasts if one.verdict is not None]
    if not judged:
        n = min(one.n for one in report.contrasts)
        return f"No verdict at n={n}: {plan.tasks_min} tasks are needed. Add tasks."
    return _by_verdicts(report, judged)


def _after_rung(report: Report, plan: Plan) -> str:
    single = _arm(report, SINGLE)
    return (
        f"One agent alone was right on {single.accuracy:.0%} of {single.answers} answers "
        f"({plan.enough:.0%} is where this stops): a team is unlikely to pay here. "
        "Use single; or go on with --resume and --all."
    )


def _by_verdicts(report: Report, judged: Sequence[Contrast]) -> str:
    """By the team if it ran, else by each arm."""
    about = [one for one in judged if one.against == SINGLE]
    team = next((one for one in about if one.arm == TEAM), None)
    if team is None:
        return " ".join(_beside_single(report, one) for one in about)
    said = [_beside_single(report, team)]
    if team.verdict == "better":
        others = [one for one in judged if one.arm == TEAM and one.against != SINGLE]
        said += [_beside_other(one) for one in others]
    said += [_beside_single(report, one) for one in about if one is not team and _is_better(one)]
    return " ".join(part for part in said if part)


def _is_better(one: Contrast) -> bool:
    return one.verdict == "better"


def _beside_single(report: Report, one: Contrast) -> str:
    cost = _cost(report, one.arm)
    match one.verdict:
        case "better":
            return f"{one.arm} is better than single by {_points(one)} points{cost}."
        case "worse":
            return f"{one.arm} is worse than single by {_points(one)} points{cost}: use single."
        case _:
            return (
                f"single is not distinguishable from {one.arm} at n={one.n}{_cheaper(report, one)} "
                f"A difference of up to {100 * one.half_width:.0f} points could hide."
            )


def _cheaper(report: Report, one: Contrast) -> str:
    """Which of two that can't be told apart costs less."""
    times = _arm(report, one.arm).times_single
    if times is None:
        return ": use single."
    if times < 1:
        return f", and {one.arm} costs {times:.2f} of single: use either."
    return f" and costs {1 / times:.2f} of {one.arm}: use single."


def _beside_other(one: Contrast) -> str:
    """What a team that is better than one agent owes to what it costs, or to its looks."""
    if one.verdict == "better":
        return ""
    if one.against == SHAM:
        return (
            f"But it is {one.verdict} {_than(one)} {SHAM}, whose peers have nothing to say: the "
            "gain may be that of doing more, not of working together."
        )
    return f"But it is {one.verdict} {_than(one)} {one.against}, which needs no team."


def _than(one: Contrast) -> str:
    return "than" if one.verdict == "worse" else "from"


def _cost(report: Report, arm: str) -> str:
    times = _arm(report, arm).times_single
    return "" if times is None else f", at {times:.1f} times its cost"


def _points(one: Contrast) -> str:
    return f"{100 * abs(one.difference):.1f}"


def _arm(report: Report, name: str) -> ArmLine:
    return next(one for one in report.arms if one.name == name)


# --- what to mind ----------------------------------------------------------------


def notes(report: Report, plan: Plan, rows: Sequence[Row]) -> tuple[str, ...]:
    """What has to be known to read the figures."""
    found = [*_of_progress(report), *_of_spending(report), *_of_budget(plan, rows)]
    found += [*_of_unsettled(report), *_of_team(rows), *_of_single(report)]
    return tuple(found)


def _of_progress(report: Report) -> list[str]:
    if report.is_complete or report.is_rung:
        return []
    done = sum(one.answers for one in report.arms)
    planned = sum(one.planned for one in report.arms)
    return [f"not finished: {done} of {planned} answers; only tasks that both arms did are paired"]


def _of_spending(report: Report) -> list[str]:
    unequal = [one for one in report.arms if one.is_unequal and one.name not in (SINGLE, AGAIN)]
    if not unequal:
        return []
    said = ", ".join(f"{one.name} {one.times_single:.2f}" for one in unequal)
    return [f"not equal in what was really spent, as a multiple of single: {said}"]


def _of_budget(plan: Plan, rows: Sequence[Row]) -> list[str]:
    over = [row for row in rows if in_column(row.spent, plan.column, plan.unit_usd) > row.reserved]
    if not over:
        return []
    names = ", ".join(row.runs[0] for row in over[:OVER_MAX])
    return [f"answers that took more than their budget: {len(over)} ({names})"]


def _of_unsettled(report: Report) -> list[str]:
    unsettled = [one for one in report.arms if one.spent.unsettled]
    if not unsettled:
        return []
    said = ", ".join(f"{one.name} {_at_most(one.spent)}" for one in unsettled)
    return [f"not settled, and not in the figures (calls that were cut short), at most: {said}"]


def _at_most(spent: Spending) -> str:
    usd = spent.unsettled_usd
    return f"{spent.unsettled:,} tokens" + (f" (${usd:,.4f})" if usd else "")


def _of_team(rows: Sequence[Row]) -> list[str]:
    own = [row for row in rows if row.arm == TEAM]
    alone = sum(row.lanes == 1 for row in own)
    if not alone:
        return []
    return [
        f"in {alone} of {len(own)} answers the team had one lane: its lead saw nothing to share"
    ]


def _of_single(report: Report) -> list[str]:
    single = _arm(report, SINGLE)
    if not single.spent.tokens:
        return []
    share = single.spent.around / single.spent.tokens
    return [
        f"{share:.0%} of single's tokens went to its plan, its verification and the writing of "
        "the answer: an agent without a gate costs less than single does here"
    ]
