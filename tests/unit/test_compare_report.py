"""From results to a report: figures, verdicts that claim no more than was shown, advice."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from team.compare.analysis import Contrast, Noise, Report, analysed, share_right, verdict_of
from team.compare.graders import Graded
from team.compare.results import Row
from team.compare.spending import Spending
from team.views.comparison import report_text, row_text
from tests.support.compared import ARMS, a_comparison, rows_of

OUTCOMES = st.lists(st.sampled_from("rw-"), min_size=1, max_size=40).map("".join)


def a_report(n: int = 40, **outcomes: str) -> tuple[Report, list[Row]]:
    """A report of what arms did, with dashes for underscores; `team` costs five times as much."""
    arms = {name.replace("_", "-"): marks for name, marks in outcomes.items()}
    arms = {"single": arms.pop("single"), "single-again": arms.pop("single-again"), **arms}
    plan = a_comparison(n, arms=tuple(arms), contrasts=_contrasts(tuple(arms)))
    rows = [
        row
        for name, marks in arms.items()
        for row in rows_of(name, marks, tokens=5_000 if name == "team" else 1_000)
    ]
    return analysed(plan, "f" * 64, rows), rows


def _contrasts(arms: Sequence[str]) -> tuple[tuple[str, str], ...]:
    return a_comparison(1, arms=tuple(arms)).contrasts


def a_contrast(**changes: Any) -> Contrast:
    contrast = Contrast(
        arm="team",
        against="single",
        n=40,
        difference=0.3,
        low=0.1,
        high=0.5,
        wins=12,
        losses=0,
        p=0.001,
        p_adjusted=0.002,
        half_width=0.1,
        n_fine=400,
    )
    return msgspec.structs.replace(contrast, **changes)


QUIET = Noise(n=40, difference=0.0, low=-0.05, high=0.05, envelope=0.05)


# ------------------------------------------------------------------ verdicts


def test_an_effect_that_chance_and_noise_do_not_explain_is_named() -> None:
    plan = a_comparison()

    better, _ = verdict_of(a_contrast(), QUIET, plan)
    worse, _ = verdict_of(a_contrast(difference=-0.3), QUIET, plan)

    assert (better, worse) == ("better", "worse")


def test_the_default_is_not_distinguishable() -> None:
    verdict, why = verdict_of(a_contrast(p_adjusted=0.05), QUIET, a_comparison())

    assert verdict == "not distinguishable"
    assert "p = 0.050, not below 0.05" in why


def test_an_effect_within_what_a_single_agent_differs_from_itself_is_none_whatever_p_says() -> None:
    loud = Noise(n=40, difference=0.1, low=-0.1, high=0.3, envelope=0.3)

    verdict, why = verdict_of(a_contrast(p_adjusted=1e-9), loud, a_comparison())

    assert verdict == "not distinguishable"
    assert "30.0 points, and a single agent differs from itself by up to 30.0" in why


@pytest.mark.parametrize(
    ("contrast", "noise"), [(a_contrast(n=29), QUIET), (a_contrast(), Noise(n=29))]
)
def test_under_thirty_tasks_there_is_no_verdict(contrast: Contrast, noise: Noise) -> None:
    assert verdict_of(contrast, noise, a_comparison()) == (
        None,
        "n=29, and 30 tasks are needed for a verdict",
    )


def test_without_a_model_there_is_no_verdict() -> None:
    verdict, why = verdict_of(a_contrast(), QUIET, a_comparison(provider="rehearsal"))

    assert (verdict, why) == (None, "mechanics only: no model, no claim")


@given(OUTCOMES)
def test_the_same_results_are_never_distinguishable(marks: str) -> None:
    """A/A by construction: the difference is 0, whatever the outcomes are."""
    report, _ = a_report(len(marks), single=marks, single_again=marks, team=marks, sham=marks)

    assert (report.noise.difference, report.noise.low, report.noise.high) == (0.0, 0.0, 0.0)
    assert all(one.difference == 0.0 and one.p_adjusted == 1.0 for one in report.contrasts)
    assert all(one.verdict in (None, "not distinguishable") for one in report.contrasts)


@given(OUTCOMES, st.randoms(use_true_random=False))
def test_every_answer_is_right_wrong_or_withheld(marks: str, chance: Any) -> None:
    mixed = "".join(chance.choice("rw-") for _ in marks)
    report, _ = a_report(len(marks), single=marks, single_again=mixed, team=mixed)

    noise = report.noise
    assert noise.envelope >= max(abs(noise.difference), abs(noise.low), abs(noise.high))
    for arm in report.arms:
        assert arm.right + arm.wrong + arm.withheld == arm.answers == len(marks)
        assert arm.accuracy + arm.wrong_rate == pytest.approx(arm.coverage)


def test_a_team_that_withholds_what_it_does_not_know_looks_no_better_in_accuracy() -> None:
    report, _ = a_report(
        single="r" * 20 + "w" * 20, single_again="r" * 20 + "w" * 20, team="r" * 20 + "-" * 20
    )
    single, _, team = report.arms

    assert (single.accuracy, team.accuracy) == (0.5, 0.5)
    assert (single.wrong_rate, team.wrong_rate) == (0.5, 0.0)
    assert (single.coverage, team.coverage) == (1.0, 0.5)
    assert report.contrasts[0].verdict == "not distinguishable"


# ------------------------------------------------------------------ pairs


def test_pairs_are_tasks_and_a_task_counts_when_both_did_it_as_often_as_planned() -> None:
    plan = a_comparison(3, trials=2)
    rows = [
        *rows_of("single", "rwr", trial=1),
        *rows_of("single", "rwr", trial=2),
        *rows_of("team", "rrr", trial=1),
        *rows_of("team", "rw", trial=2),
    ]

    report = analysed(plan, "f" * 64, rows)

    [contrast] = report.contrasts
    assert (contrast.n, contrast.wins, contrast.losses) == (2, 1, 0)
    assert contrast.difference == pytest.approx(0.25)
    assert not report.is_complete
    assert any("not finished: 11 of 24 answers" in line for line in report.notes)
    assert "single-again has not run" in report_text(report, rows)


# ------------------------------------------------------------------ advice


def test_a_single_agent_that_does_as_well_for_less_is_what_to_use() -> None:
    marks = "r" * 30 + "w" * 10
    report, rows = a_report(single=marks, single_again=marks, team=marks[1:] + "r")

    assert (
        "single is not distinguishable from team at n=40 and costs 0.20 of team: use single."
        in (report.advice)
    )
    assert "could hide" in report.advice
    assert any("not equal in what was really spent" in one for one in report.notes)
    assert "| not distinguishable at n=40 |" in report_text(report, rows)


def test_a_team_that_is_worse_is_said_to_be_worse() -> None:
    report, _ = a_report(single="r" * 40, single_again="r" * 40, team="r" * 20 + "w" * 20)

    assert "team is worse than single by 50.0 points, at 5.0 times its cost: use single." in (
        report.advice
    )


def test_a_team_that_is_better_than_one_and_not_than_a_placebo_owes_it_to_doing_more() -> None:
    half = "r" * 20 + "w" * 20
    report, _ = a_report(
        single=half, single_again=half, team="r" * 38 + "ww", sham="r" * 37 + "www"
    )

    assert report.advice.startswith("team is better than single by 45.0 points")
    assert "not distinguishable from sham, whose peers have nothing to say" in report.advice
    assert "sham is better than single" in report.advice


def test_a_team_that_a_vote_equals_is_said_to_need_no_team() -> None:
    half = "r" * 20 + "w" * 20
    report, _ = a_report(single=half, single_again=half, team="r" * 40, vote3="r" * 40)

    assert "not distinguishable from vote3, which needs no team" in report.advice


def test_a_team_that_beats_all_is_just_better() -> None:
    half = "r" * 20 + "w" * 20
    report, _ = a_report(single=half, single_again=half, team="r" * 40, sham=half)

    assert report.advice == ("team is better than single by 50.0 points, at 5.0 times its cost.")


def test_few_tasks_get_no_advice_but_more_tasks() -> None:
    report, rows = a_report(3, single="rrr", single_again="rrr", team="www")

    assert report.advice == "No verdict at n=3: 30 tasks are needed. Add tasks."
    assert "| no verdict |" in report_text(report, rows)


def test_the_first_rung_says_that_a_team_is_unlikely_to_pay() -> None:
    plan, rows = a_comparison(10), rows_of("single", "r" * 9 + "w")

    report = analysed(plan, "f" * 64, rows, is_rung=True)

    assert share_right(rows) == 0.9
    assert "right on 90% of 10 answers" in report.advice
    assert "unlikely to pay" in report.advice
    assert not report.contrasts


# ------------------------------------------------------------------ what is shown


def test_the_rehearsal_makes_no_claim() -> None:
    plan = a_comparison(provider="rehearsal")
    rows = [row for arm in ARMS for row in rows_of(arm, "r" * 40)]

    report = analysed(plan, "f" * 64, rows)

    assert report.claim == "mechanics only: no model, no claim"
    assert report.advice.startswith("mechanics only: no model, no claim")
    assert all(one.verdict is None for one in report.contrasts)


def test_departures_and_answers_that_passed_their_budget_are_in_the_report() -> None:
    plan = a_comparison(1)
    [row] = rows_of("team", "r", tokens=100_001)
    rows = [*rows_of("single", "r"), row]

    report = analysed(plan, "f" * 64, rows, ["the policy was changed"])
    text = report_text(report, rows)

    assert "- the policy was changed" in text
    assert "answers that took more than their budget: 1 (c0-team-t000-1)" in text


def test_what_was_not_right_is_named_with_its_run_and_why() -> None:
    plan = a_comparison(1)
    [wrong] = rows_of("single", "w")
    [withheld] = rows_of("team", "-")
    wrong = msgspec.structs.replace(wrong, graded=(Graded(type="f1", passed=False, score=0.25),))
    withheld = msgspec.structs.replace(withheld, reason="no budget")

    text = report_text(analysed(plan, "f" * 64, [wrong, withheld]), [wrong, withheld])

    assert "- wrong: t000 #1, single (f1 0.25): c0-single-t000-1" in text
    assert "- withheld: t000 #1, team (no budget): c0-team-t000-1" in text


def test_an_unknown_price_is_unknown_and_not_nothing() -> None:
    plan = a_comparison(1)
    [row] = rows_of("single", "r")
    row = msgspec.structs.replace(row, spent=Spending(input=5, usd=None))

    assert "| unknown |" in report_text(analysed(plan, "f" * 64, [row]), [row])


def test_progress_says_what_came_of_a_unit_and_what_it_took() -> None:
    [row] = rows_of("vote3", "r")

    assert row_text(row, 3, 9) == "[3/9] vote3 t000 #1: right, 1,000 tokens, 2.0 s"


def test_what_nobody_has_settled_is_named_for_each_arm() -> None:
    plan = a_comparison(1)
    rows = [rows_of(name, "r")[0] for name in ARMS]
    spent = msgspec.structs.replace(rows[2].spent, unsettled=12_000, unsettled_usd=0.5)
    unknown = msgspec.structs.replace(rows[3].spent, unsettled=900, unsettled_usd=None)

    cut = [
        *rows[:2],
        msgspec.structs.replace(rows[2], spent=spent),
        msgspec.structs.replace(rows[3], spent=unknown),
    ]
    said = report_text(analysed(plan, "f" * 64, cut), cut)

    assert "at most: team 12,000 tokens ($0.5000), sham 900 tokens" in said
    assert "not settled" not in report_text(analysed(plan, "f" * 64, rows), rows)
