"""The figures of a comparison: against published values, and what must always hold."""

from __future__ import annotations

from statistics import fmean

import pytest
from hypothesis import given
from hypothesis import strategies as st

from team.compare.statistics import (
    disagreement,
    half_width,
    holm,
    interval,
    sign_test,
    tasks_needed,
)

P_VALUES = st.lists(st.floats(0, 1), min_size=1, max_size=8)
DIFFERENCES = st.lists(st.sampled_from([-1.0, -0.5, 0.0, 0.5, 1.0]), min_size=1, max_size=30)


@pytest.mark.parametrize(
    ("wins", "losses", "p"),
    [
        (0, 0, 1.0),
        (1, 0, 1.0),
        (0, 5, 0.0625),
        (6, 0, 0.03125),
        (9, 1, 0.021484375),
        (8, 2, 0.109375),
        (12, 3, 0.03515625),
        (5, 15, 0.0413894653),
        (18, 7, 0.0432850),
        (50, 50, 1.0),
    ],
)
def test_the_sign_test_is_that_of_the_tables_of_the_binomial(
    wins: int, losses: int, p: float
) -> None:
    """Two-sided, from cumulative tables of the binomial at one half."""
    assert sign_test(wins, losses) == pytest.approx(p, abs=1e-6)


@given(st.integers(0, 60), st.integers(0, 60))
def test_the_sign_test_is_even_handed_and_a_probability(wins: int, losses: int) -> None:
    p = sign_test(wins, losses)

    assert 0 < p <= 1
    assert p == sign_test(losses, wins)
    if wins >= losses:
        assert sign_test(wins + 1, losses) <= p or wins == losses


def test_holm_is_that_of_a_worked_example() -> None:
    """As R's `p.adjust(c(.01, .04, .03, .005), "holm")` has it."""
    assert holm([0.01, 0.04, 0.03, 0.005]) == pytest.approx([0.03, 0.06, 0.06, 0.02])


@given(P_VALUES)
def test_holm_never_helps_and_keeps_the_order(p_values: list[float]) -> None:
    adjusted = holm(p_values)

    assert all(p <= a <= 1 for p, a in zip(p_values, adjusted, strict=True))
    ranked = sorted(range(len(p_values)), key=lambda at: p_values[at])
    assert [adjusted[at] for at in ranked] == sorted(adjusted)
    assert min(adjusted) == pytest.approx(min(1.0, len(p_values) * min(p_values)))


@given(DIFFERENCES, st.integers(0, 99))
def test_an_interval_holds_nothing_that_was_not_seen_and_is_the_same_again(
    differences: list[float], seed: int
) -> None:
    low, high = interval(differences, seed, resamples=200)

    assert min(differences) <= low <= high <= max(differences)
    assert (low, high) == interval(differences, seed, resamples=200)


def test_an_interval_is_about_that_of_the_normal_distribution() -> None:
    differences = [1.0] * 60 + [0.0] * 100 + [-1.0] * 40

    low, high = interval(differences, 1)

    spread = 1.96 * (fmean(d * d for d in differences) - 0.1**2) ** 0.5 / 200**0.5
    assert low == pytest.approx(0.1 - spread, abs=0.02)
    assert high == pytest.approx(0.1 + spread, abs=0.02)


@pytest.mark.parametrize(
    ("disagree", "n", "points"),
    [(0.2, 50, 12.4), (0.2, 100, 8.8), (0.2, 200, 6.2), (0.2, 400, 4.4), (0.3, 50, 15.2)],
)
def test_what_n_buys(disagree: float, n: int, points: float) -> None:
    assert 100 * half_width(disagree, n) == pytest.approx(points, abs=0.05)


def test_three_tasks_without_a_difference_buy_next_to_nothing() -> None:
    """The share p for which (1 - p) ** n is 5 %: about 3 / n."""
    assert half_width(0.0, 3) == pytest.approx(0.6316, abs=1e-4)
    assert half_width(0.0, 100) == pytest.approx(0.0295, abs=1e-4)
    assert half_width(0.0, 0) == 1.0


def test_tasks_needed_is_the_other_way_round() -> None:
    n = tasks_needed(0.2, 0.05)

    assert n == 308
    assert half_width(0.2, n) <= 0.05 < half_width(0.2, n - 1)


def test_disagreement_is_the_share_of_tasks_that_differ() -> None:
    assert disagreement([1.0, 0.0, -1.0, 0.0]) == 0.5
    assert disagreement([]) == 0.0
