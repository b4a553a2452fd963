"""From a plan and its results to a report: figures, verdicts, and what to do.

A pure function. The default verdict is "not distinguishable"; anything else has to be shown.
"""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Sequence
from statistics import fmean
from typing import Final, Literal

import msgspec

from team.compare import advice
from team.compare.arms import AGAIN, SINGLE, Column, Unit
from team.compare.results import Plan, Row
from team.compare.spending import Spending, in_column
from team.compare.statistics import (
    disagreement,
    half_width,
    holm,
    interval,
    sign_test,
    tasks_needed,
)

Verdict = Literal["better", "worse", "not distinguishable"]
REHEARSAL: Final = "rehearsal"
MECHANICS_ONLY: Final = "mechanics only: no model, no claim"
UNEQUAL: Final = 0.1
"""By which share an arm's actual spending may differ from a single agent's and pass as equal."""
FINE: Final = 0.05
"""A difference that most people would want to see."""


class ArmLine(msgspec.Struct, frozen=True, kw_only=True):
    """One arm over all that it did.

    Attributes:
        name: Which.
        answers: How many there are of how many planned.
        planned: How many were planned.
        right: How many of the answers are right; so for the next two.
        wrong: Wrong, and given all the same.
        withheld: Not given; counts as not right.
        spent: What all of it took.
        mean_spent: Per answer, in the column of the budget.
        times_single: That, as a multiple of what a single agent spent on the same tasks.
        is_unequal: Whether it differs by more than a tenth from that.
        lanes: The mean number of lanes.
        accuracy: Share of the answers that is right.
        wrong_rate: Share that is wrong, and was given.
        coverage: Share that was given, right or wrong.
    """

    name: str
    answers: int
    planned: int
    right: int
    wrong: int
    withheld: int
    spent: Spending
    mean_spent: float
    times_single: float | None
    is_unequal: bool
    lanes: float
    accuracy: float
    wrong_rate: float
    coverage: float


class Noise(msgspec.Struct, frozen=True, kw_only=True):
    """How far a single agent is from itself: nothing that is not more than that is an effect.

    Attributes:
        n: Tasks that both have done as often as planned.
        difference: Mean difference of the share of right answers.
        low: Of its 95 % interval.
        high: Of its 95 % interval.
        envelope: The end of it that is farther from 0: an effect has to be larger.
    """

    n: int = 0
    difference: float = 0.0
    low: float = 0.0
    high: float = 0.0
    envelope: float = 0.0


class Contrast(msgspec.Struct, frozen=True, kw_only=True):
    """One arm beside another, paired by task.

    Attributes:
        arm: The one.
        against: The other.
        n: Tasks that both have done as often as planned.
        difference: Mean difference of the share of right answers, the one less the other.
        low: Of its 95 % interval.
        high: Of its 95 % interval.
        wins: Tasks on which the one was right more often.
        losses: Tasks on which the other was.
        p: Of the exact sign test over these.
        p_adjusted: The same, for all contrasts together (Holm).
        half_width: What n buys: a difference smaller than this can hide.
        n_fine: Tasks that would show a difference of five points.
        verdict: Absent: too few tasks, or no model.
        why: What the verdict rests on.
    """

    arm: str
    against: str
    n: int
    difference: float
    low: float
    high: float
    wins: int
    losses: int
    p: float
    p_adjusted: float
    half_width: float
    n_fine: int
    verdict: Verdict | None = None
    why: str = ""


class Report(msgspec.Struct, frozen=True, kw_only=True):
    """All that can be said after, or in the midst of, a comparison.

    Attributes:
        advice: What to do, or why that can't be said.
        claim: `mechanics only: no model, no claim`, or nothing.
        plan_sha256: Hash of the plan.
        is_complete: Whether all that was planned was done.
        is_rung: Whether it ended after the first rung.
        tasks: How many tasks there are.
        trials: How often each arm does each.
        budget: Of one arm for one task and trial.
        column: What it counts.
        unit_usd: US dollars of one price-weighted token.
        models: Who answered, by seat.
        arms: Each arm.
        noise: How far a single agent is from itself.
        contrasts: Each comparison.
        notes: What has to be known to read the figures.
        departures: Where what was done is not what was planned.
    """

    advice: str
    claim: str
    plan_sha256: str
    is_complete: bool
    is_rung: bool
    tasks: int
    trials: int
    budget: int
    column: Column
    unit_usd: float | None
    models: dict[str, str]
    arms: tuple[ArmLine, ...]
    noise: Noise
    contrasts: tuple[Contrast, ...]
    notes: tuple[str, ...]
    departures: tuple[str, ...]


def analysed(
    plan: Plan,
    digest: str,
    rows: Sequence[Row],
    departures: Sequence[str] = (),
    *,
    is_rung: bool = False,
) -> Report:
    """Make the report of what was done so far.

    Args:
        plan: What was planned.
        digest: The hash of the plan.
        rows: What came of it, each unit once.
        departures: Where it was not kept.
        is_rung: Whether nothing but a single agent was to run.
    """
    by_unit = {row.unit: row for row in rows}
    arms = tuple(_arm_line(plan, name, rows) for name in plan.arms)
    scores = {name: _scores(plan, name, by_unit) for name in plan.arms}
    noise = _noise(plan, scores)
    contrasts = _judged(plan, _contrasts(plan, scores), noise)
    is_complete = len(by_unit) == len(plan.arms) * len(plan.tasks) * plan.trials
    report = Report(
        advice="",
        claim=MECHANICS_ONLY if plan.provider == REHEARSAL else "",
        plan_sha256=digest,
        is_complete=is_complete,
        is_rung=is_rung and not is_complete,
        tasks=len(plan.tasks),
        trials=plan.trials,
        budget=plan.budget,
        column=plan.column,
        unit_usd=plan.unit_usd,
        models=plan.models,
        arms=arms,
        noise=noise,
        contrasts=contrasts,
        notes=(),
        departures=tuple(departures),
    )
    return msgspec.structs.replace(
        report, advice=advice.advice(report, plan), notes=advice.notes(report, plan, rows)
    )


def share_right(rows: Sequence[Row], arm: str = SINGLE) -> float:
    """The share of an arm's answers that are right."""
    own = [row for row in rows if row.arm == arm]
    return fmean(row.outcome == "right" for row in own) if own else 0.0


def _arm_line(plan: Plan, name: str, rows: Sequence[Row]) -> ArmLine:
    own = [row for row in rows if row.arm == name]
    spent = Spending()
    for row in own:
        spent = spent.plus(row.spent)
    ratio = _times_single(plan, own, rows)
    taken = [in_column(row.spent, plan.column, plan.unit_usd) for row in own]
    came = Counter(row.outcome for row in own)
    count = max(1, len(own))
    return ArmLine(
        name=name,
        answers=len(own),
        planned=len(plan.tasks) * plan.trials,
        right=came["right"],
        wrong=came["wrong"],
        withheld=came["withheld"],
        spent=spent,
        mean_spent=sum(taken) / count,
        times_single=ratio,
        is_unequal=ratio is not None and abs(ratio - 1) > UNEQUAL,
        lanes=sum(row.lanes for row in own) / count,
        accuracy=came["right"] / count,
        wrong_rate=came["wrong"] / count,
        coverage=(came["right"] + came["wrong"]) / count,
    )


def _times_single(plan: Plan, own: Sequence[Row], rows: Sequence[Row]) -> float | None:
    """What an arm spent on what both have done, as a multiple of a single agent's."""
    single = {(row.task, row.trial): row for row in rows if row.arm == SINGLE}
    pairs = [(row, single[key]) for row in own if (key := (row.task, row.trial)) in single]
    ours, theirs = (
        sum(in_column(pair[side].spent, plan.column, plan.unit_usd) for pair in pairs)
        for side in (0, 1)
    )
    return ours / theirs if theirs else None


def _scores(plan: Plan, arm: str, by_unit: dict[Unit, Row]) -> dict[str, float]:
    """By task the share of right answers, of tasks that were done as often as planned."""
    found: dict[str, list[bool]] = defaultdict(list)
    for unit, row in by_unit.items():
        if unit.arm == arm:
            found[unit.task].append(row.outcome == "right")
    return {task: fmean(right) for task, right in found.items() if len(right) == plan.trials}


def _differences(ours: dict[str, float], theirs: dict[str, float]) -> list[float]:
    """Paired by task, in the order of their names, so that the bootstrap draws the same."""
    return [ours[task] - theirs[task] for task in sorted(ours.keys() & theirs.keys())]


def _noise(plan: Plan, scores: dict[str, dict[str, float]]) -> Noise:
    differences = _differences(scores[AGAIN], scores[SINGLE])
    if not differences:
        return Noise()
    low, high = interval(differences, plan.seed)
    mean = fmean(differences)
    envelope = max(abs(low), abs(high), abs(mean))
    return Noise(n=len(differences), difference=mean, low=low, high=high, envelope=envelope)


def _contrasts(plan: Plan, scores: dict[str, dict[str, float]]) -> list[Contrast]:
    found: list[Contrast] = []
    for arm, against in plan.contrasts:
        differences = _differences(scores[arm], scores[against])
        if not differences:
            continue
        n, disagree = len(differences), disagreement(differences)
        low, high = interval(differences, plan.seed)
        wins = sum(one > 0 for one in differences)
        losses = sum(one < 0 for one in differences)
        one = Contrast(
            arm=arm,
            against=against,
            n=n,
            difference=fmean(differences),
            low=low,
            high=high,
            wins=wins,
            losses=losses,
            p=sign_test(wins, losses),
            p_adjusted=1.0,
            half_width=half_width(disagree, n),
            n_fine=tasks_needed(disagree, FINE),
        )
        found.append(one)
    adjusted = holm([one.p for one in found])
    return [
        msgspec.structs.replace(one, p_adjusted=p) for one, p in zip(found, adjusted, strict=True)
    ]


def _judged(plan: Plan, found: Sequence[Contrast], noise: Noise) -> tuple[Contrast, ...]:
    judged: list[Contrast] = []
    for one in found:
        verdict, why = verdict_of(one, noise, plan)
        judged.append(msgspec.structs.replace(one, verdict=verdict, why=why))
    return tuple(judged)


def verdict_of(one: Contrast, noise: Noise, plan: Plan) -> tuple[Verdict | None, str]:
    """The verdict on a contrast, and what it rests on; whatever is not shown is not claimed."""
    size = abs(one.difference)
    if plan.provider == REHEARSAL:
        return None, MECHANICS_ONLY
    if one.n < plan.tasks_min or noise.n < plan.tasks_min:
        return None, f"n={min(one.n, noise.n)}, and {plan.tasks_min} tasks are needed for a verdict"
    if not one.p_adjusted < plan.alpha:
        return "not distinguishable", f"p = {one.p_adjusted:.3f}, not below {plan.alpha}"
    if size <= noise.envelope:
        said = f"{_points(size)} points, and a single agent differs from itself by up to "
        return "not distinguishable", f"{said}{_points(noise.envelope)}"
    why = f"p = {one.p_adjusted:.3f}, and more than a single agent differs from itself"
    return ("better" if one.difference > 0 else "worse"), why


def _points(share: float) -> str:
    return f"{100 * share:.1f}"
