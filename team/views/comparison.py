"""The report of a comparison as Markdown, for whoever wonders whether a team is worth it."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Final

from team.compare.analysis import ArmLine, Contrast, Report
from team.compare.arms import AGAIN, SINGLE
from team.compare.results import Row

WRONG_MAX: Final = 12
"""Answers that are not right and are named one by one."""


def report_text(report: Report, rows: Sequence[Row]) -> str:
    """All of it: what to do, what was right, what it cost, how sure that is, where to look."""
    lines = [
        "# Is a team worth it on these tasks?",
        "",
        f"**{report.advice}**",
        "",
        *_facts(report),
        "",
        "## What was right",
        "",
        *_right(report),
        "",
        "Withheld is an answer that the gate, a limit or the arm itself held back. It is not",
        "right, and shown apart from an answer that is wrong and was given.",
        "",
        "## What it cost",
        "",
        *_cost(report),
        "",
        f"`mean` and `× single` count {_column(report)}: planning, verification, refused rounds",
        "and calls in vain included. `seconds` is the mean wall time of an answer; the runs of a",
        "vote could go side by side, so the longest counts.",
        "",
        "## How sure that is",
        "",
        *_sure(report),
        "",
    ]
    lines += [*_bullets("What to mind", report.notes)]
    lines += [*_bullets("Departures from the plan", report.departures)]
    lines += [*_not_right(rows), f"Plan: `plan.json`, SHA-256 `{report.plan_sha256}`."]
    return "\n".join(lines) + "\n"


def row_text(row: Row, done: int, planned: int) -> str:
    """One answer as a line of progress."""
    figures = f"{row.spent.tokens:,} tokens, {row.spent.seconds:.1f} s"
    said = f"[{done}/{planned}] {row.arm} {row.task} #{row.trial}: {row.outcome}, {figures}"
    return f"{said} ({row.reason})" if row.reason else said


def _facts(report: Report) -> Iterator[str]:
    models = ", ".join(dict.fromkeys(report.models.values()))
    counted = _column(report)
    yield f"- {report.tasks} tasks, done by each arm {_times(report.trials)}; paired by task"
    yield f"- budget: {report.budget:,} {counted} for each arm, task and time"
    if report.unit_usd is not None:
        usd = report.budget * report.unit_usd
        yield f"  (what costs as much as so many input tokens of the worker's model: ${usd:.2f})"
    yield f"- model: {models}"
    if report.claim:
        yield f"- {report.claim}"


def _times(number: int) -> str:
    return "once" if number == 1 else f"{number} times"


def _column(report: Report) -> str:
    return "price-weighted tokens" if report.column == "weighted" else "tokens"


def _right(report: Report) -> Iterator[str]:
    head = ("arm", "answers", "right", "wrong", "withheld", "accuracy", "wrong rate", "coverage")
    yield from _table(head, [_right_row(one) for one in report.arms if one.answers])


def _right_row(one: ArmLine) -> tuple[str, ...]:
    shares = (one.accuracy, one.wrong_rate, one.coverage)
    counts = (one.answers, one.right, one.wrong, one.withheld)
    return (one.name, *(str(count) for count in counts), *(f"{share:.0%}" for share in shares))


def _cost(report: Report) -> Iterator[str]:
    head = (
        "arm",
        "input",
        "cache write",
        "cache read",
        "output",
        "dollars",
        "calls",
        "seconds",
        "peak context",
        "lanes",
        "mean",
        "× single",
    )
    yield from _table(head, [_cost_row(one) for one in report.arms if one.answers])
    if any(one.spent.is_estimated for one in report.arms):
        yield ""
        yield "Tokens are estimated, not counted."


def _cost_row(one: ArmLine) -> tuple[str, ...]:
    spent = one.spent
    usd = "unknown" if spent.usd is None else f"{spent.usd:.4f}"
    times = "" if one.times_single is None else f"{one.times_single:.2f}"
    mark = " ≠" if one.is_unequal else ""
    return (
        one.name,
        f"{spent.input:,}",
        f"{spent.cache_write:,}",
        f"{spent.cache_read:,}",
        f"{spent.output:,}",
        usd,
        str(spent.calls),
        f"{spent.seconds / one.answers:.1f}",
        f"{spent.peak_context:,}",
        f"{one.lanes:.1f}",
        f"{one.mean_spent:,.0f}",
        times + mark,
    )


def _sure(report: Report) -> Iterator[str]:
    noise = report.noise
    if not noise.n:
        yield f"{AGAIN} has not run: how far a single agent is from itself is not known."
    else:
        yield (
            f"A single agent beside itself ({AGAIN} less {SINGLE}, {noise.n} tasks): "
            f"{_points(noise.difference)} points, 95 % interval {_span(noise.low, noise.high)}. "
            f"An effect has to be larger than {100 * noise.envelope:.1f} points to count."
        )
    if not report.contrasts:
        return
    yield ""
    head = (
        "arm",
        "beside",
        "n",
        "points",
        "95 % interval",
        "won : lost",
        "p",
        "p adjusted",
        "n buys",
        "verdict",
    )
    yield from _table(head, [_contrast_row(one) for one in report.contrasts])
    yield ""
    reasons = dict.fromkeys(one.why for one in report.contrasts if one.why)
    if len(reasons) == 1:
        yield f"Why: {next(iter(reasons))}."
    else:
        yield from (f"- {one.arm} beside {one.against}: {one.why}" for one in report.contrasts)
    yield ""
    yield "`points`: by how many points of accuracy the arm is above the other. `p`: exact sign"
    yield "test over tasks that one of them did better. `n buys`: what is smaller can hide at n."
    yield from _needed(report)


def _needed(report: Report) -> Iterator[str]:
    first = report.contrasts[0]
    if report.claim or not first.n_fine:
        return
    yield f"To see five points between {first.arm} and {first.against}: about {first.n_fine} tasks."


def _contrast_row(one: Contrast) -> tuple[str, ...]:
    return (
        one.arm,
        one.against,
        str(one.n),
        _points(one.difference),
        _span(one.low, one.high),
        f"{one.wins} : {one.losses}",
        f"{one.p:.3f}",
        f"{one.p_adjusted:.3f}",
        f"± {100 * one.half_width:.1f}",
        _verdict(one),
    )


def _verdict(one: Contrast) -> str:
    if one.verdict == "not distinguishable":
        return f"not distinguishable at n={one.n}"
    return one.verdict or "no verdict"


def _points(share: float) -> str:
    return f"{100 * share:+.1f}"


def _span(low: float, high: float) -> str:
    return f"{_points(low)} to {_points(high)}"


def _bullets(title: str, lines: Sequence[str]) -> Iterator[str]:
    if lines:
        yield from (f"## {title}", "", *(f"- {line}" for line in lines), "")


def _not_right(rows: Sequence[Row]) -> Iterator[str]:
    """Where to look: a few answers that are not right, with the run that gave each."""
    bad = sorted(
        (row for row in rows if row.outcome != "right"),
        key=lambda row: (row.task, row.trial, row.arm),
    )
    if not bad:
        return
    yield from ("## Where to look", "", "`team show RUN` has each run.", "")
    for row in bad[:WRONG_MAX]:
        failed = [one for one in row.graded if not one.passed]
        why = row.reason or ", ".join(
            one.type + (f" {one.score:.2f}" if one.score is not None else "") for one in failed
        )
        said = f" ({' '.join(why.split())[:160]})" if why else ""
        yield f"- {row.outcome}: {row.task} #{row.trial}, {row.arm}{said}: {row.runs[0]}"
    more = len(bad) - WRONG_MAX
    if more > 0:
        yield f"- and {more} more, in `results.jsonl`"
    yield ""


def _table(head: Sequence[str], rows: Sequence[Sequence[str]]) -> Iterator[str]:
    """A table whose columns line up, so that it reads as text too."""
    widths = [max(len(row[at]) for row in (head, *rows)) for at in range(len(head))]
    yield _line(head, widths)
    yield "|" + "|".join("-" * (width + 2) for width in widths) + "|"
    yield from (_line(row, widths) for row in rows)


def _line(row: Sequence[str], widths: Sequence[int]) -> str:
    cells = (cell.ljust(width) for cell, width in zip(row, widths, strict=True))
    return f"| {' | '.join(cells)} |"
