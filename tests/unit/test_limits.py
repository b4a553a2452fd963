"""May the next model call be made? Each limit says go, wrap up, then stop."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from team.rules.limits import Used, rule
from tests.support.builders import a_budget

BUDGET = a_budget(turns_max=20, tokens_max=1_000, seconds_max=100.0)


def used(turns: int = 0, tokens: int = 0, seconds: float = 0.0) -> Used:
    return Used(turns=turns, tokens=tokens, seconds=seconds)


@pytest.mark.parametrize(
    ("so_far", "verdict"),
    [
        (used(), "go"),
        (used(turns=16), "go"),
        (used(turns=17), "wrap up"),
        (used(turns=19), "wrap up"),
        (used(turns=20), "stop"),
        (used(turns=21), "stop"),
        (used(tokens=840), "go"),
        (used(tokens=850), "wrap up"),
        (used(tokens=990), "wrap up"),
        (used(tokens=991), "stop"),
        (used(seconds=85.0), "go"),
        (used(seconds=85.1), "wrap up"),
        (used(seconds=99.9), "wrap up"),
        (used(seconds=100.0), "stop"),
    ],
)
def test_each_limit_first_asks_to_wrap_up_and_then_stops(so_far: Used, verdict: str) -> None:
    ruling = rule(BUDGET, so_far, next_call_tokens=10)

    assert ruling.verdict == verdict
    assert bool(ruling.reason) == (verdict != "go")


def test_a_call_that_could_not_be_paid_is_not_made() -> None:
    ruling = rule(BUDGET, used(tokens=100), next_call_tokens=901)

    assert ruling.verdict == "stop"
    assert ruling.reason == "100 of 1000 tokens are used and the next call may take 901"


@pytest.mark.parametrize(("turns_max", "wraps_up_at"), [(1, None), (2, 1), (3, 2), (4, 2), (9, 6)])
def test_a_small_budget_is_not_all_reserve(turns_max: int, wraps_up_at: int | None) -> None:
    """At most half of the turns are kept for wrapping up."""
    budget = a_budget(turns_max=turns_max)
    said = [rule(budget, used(turns=n), 10).verdict for n in range(turns_max)]

    assert said[0] == "go"
    assert (said.index("wrap up") if "wrap up" in said else None) == wraps_up_at


amounts = st.integers(0, 2_000)


@given(turns=st.integers(0, 30), tokens=amounts, seconds=amounts, next_tokens=amounts)
def test_no_call_is_made_past_a_limit(
    turns: int, tokens: int, seconds: int, next_tokens: int
) -> None:
    ruling = rule(BUDGET, used(turns, tokens, seconds), next_tokens)

    may_call = turns < 20 and tokens + next_tokens <= 1_000 and seconds < 100
    assert (ruling.verdict != "stop") == may_call


@given(a=amounts, b=amounts)
def test_using_more_never_allows_more(a: int, b: int) -> None:
    order = ["go", "wrap up", "stop"]
    less, more = sorted((a, b))

    rulings = [rule(BUDGET, used(tokens=n), 10).verdict for n in (less, more)]

    assert order.index(rulings[0]) <= order.index(rulings[1])
