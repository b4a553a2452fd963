"""May the next act be made? Each limit says go, wrap up, then stop, under its code."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from team.codes.limits import (
    DOLLARS,
    MODEL,
    OUTPUT_TOKENS,
    SECONDS,
    TOKENS,
    TOOL_CALLS,
    TURNS,
)
from team.rules.limits import LIMITS, NextCall, Ruling, Used, rule, rule_tool_call
from tests.support.builders import a_budget

BUDGET = a_budget(turns_max=20, tokens_max=1_000, seconds_max=100.0, tool_calls_max=20, usd_max=1.0)


def used(turns: int = 0, tokens: int = 0, seconds: float = 0.0, **more: float | None) -> Used:
    return Used(turns=turns, tokens=tokens, seconds=seconds, **more)  # type: ignore[arg-type]


def a_call(tokens: int = 10, usd: float | None = 0.01) -> NextCall:
    return NextCall(tokens=tokens, usd=usd, output_tokens=5, output_tokens_max=8, model="m1")


@pytest.mark.parametrize(
    ("so_far", "verdict", "code"),
    [
        (used(), "go", ""),
        (used(turns=16), "go", ""),
        (used(turns=17), "wrap up", TURNS),
        (used(turns=19), "wrap up", TURNS),
        (used(turns=20), "stop", TURNS),
        (used(turns=21), "stop", TURNS),
        (used(tokens=840), "go", ""),
        (used(tokens=850), "wrap up", TOKENS),
        (used(tokens=990), "wrap up", TOKENS),
        (used(tokens=991), "stop", TOKENS),
        (used(seconds=85.0), "go", ""),
        (used(seconds=85.1), "wrap up", SECONDS),
        (used(seconds=99.9), "wrap up", SECONDS),
        (used(seconds=100.0), "stop", SECONDS),
        (used(usd=0.83), "go", ""),
        (used(usd=0.85), "wrap up", DOLLARS),
        (used(usd=0.98), "wrap up", DOLLARS),
        (used(usd=0.995), "stop", DOLLARS),
        (used(tool_calls=17), "go", ""),
        (used(tool_calls=18), "wrap up", TOOL_CALLS),
        (used(tool_calls=30), "wrap up", TOOL_CALLS),
    ],
)
def test_each_limit_first_asks_to_wrap_up_and_then_stops(
    so_far: Used, verdict: str, code: str
) -> None:
    """Tool calls past their limit are refused one by one: a call that returns may be made."""
    ruling = rule(BUDGET, so_far, a_call())

    assert (ruling.verdict, ruling.code) == (verdict, code)
    assert bool(ruling.reason) == (verdict != "go")


def test_a_call_that_could_not_be_paid_is_not_made() -> None:
    tokens = rule(BUDGET, used(tokens=100), a_call(901))
    dollars = rule(BUDGET, used(usd=0.5), a_call(usd=0.75))

    assert tokens.reason == "100 of 1000 tokens are used and the next call may take 901"
    assert dollars.reason == "$0.5000 of $1.0000 are spent and the next call may cost $0.7500"


@pytest.mark.parametrize("so_far", [used(), used(usd=None)])
@pytest.mark.parametrize("usd", [None, float("nan"), 0.0])
def test_with_a_limit_in_dollars_what_is_unknown_is_a_no(so_far: Used, usd: float | None) -> None:
    ruling = rule(BUDGET, so_far, a_call(usd=usd))

    is_known = so_far.usd is not None and usd == 0.0
    assert (ruling.verdict, ruling.code) == (("go", "") if is_known else ("stop", DOLLARS))


def test_without_a_limit_in_dollars_the_price_does_not_matter() -> None:
    free = a_budget(usd_max=None)

    assert rule(free, used(usd=None), a_call(usd=None)).verdict == "go"


def test_a_rehearsal_costs_nothing_and_is_not_told_to_wrap_up() -> None:
    assert rule(a_budget(usd_max=0.0), used(), a_call(usd=0.0)).verdict == "go"


def test_a_call_that_may_write_more_than_policy_lets_it_is_not_made() -> None:
    call = NextCall(tokens=10, output_tokens=9, output_tokens_max=8)
    as_much = NextCall(tokens=10, output_tokens=8, output_tokens_max=8)
    no_word = NextCall(tokens=10, output_tokens=9)

    assert rule(BUDGET, used(), call).code == OUTPUT_TOKENS
    assert {rule(BUDGET, used(), c).verdict for c in (as_much, no_word)} == {"go"}


def test_a_model_that_policy_does_not_name_is_not_asked() -> None:
    call = NextCall(tokens=10, model="m9", is_model_allowed=False)

    ruling = rule(BUDGET, used(), call)

    assert (ruling.verdict, ruling.code) == ("stop", MODEL)
    assert "'m9'" in ruling.reason


@pytest.mark.parametrize("code", LIMITS)
def test_a_limit_that_fails_to_run_is_a_no(code: str) -> None:
    def fails(*_: object) -> Ruling:
        raise ZeroDivisionError("by zero")

    ruling = rule(BUDGET, used(), a_call(), {**LIMITS, code: fails})

    assert (ruling.verdict, ruling.code) == ("stop", code)
    assert "the rule failed: ZeroDivisionError('by zero')" in ruling.reason


@pytest.mark.parametrize(
    ("most", "called", "verdict"),
    [(0, 999, "go"), (3, 0, "go"), (3, 2, "go"), (3, 3, "stop"), (3, 4, "stop")],
)
def test_tool_calls_are_counted_to_their_limit(most: int, called: int, verdict: str) -> None:
    ruling = rule_tool_call(a_budget(tool_calls_max=most), called)

    assert ruling.verdict == verdict
    assert ruling.code == (TOOL_CALLS if verdict == "stop" else "")


def test_a_count_of_tool_calls_that_cannot_be_made_is_a_no() -> None:
    ruling = rule_tool_call(a_budget(tool_calls_max=3), None)  # type: ignore[arg-type]

    assert (ruling.verdict, ruling.code) == ("stop", TOOL_CALLS)
    assert "the rule failed" in ruling.reason


@pytest.mark.parametrize(("turns_max", "wraps_up_at"), [(1, None), (2, 1), (3, 2), (4, 2), (9, 6)])
def test_a_small_budget_is_not_all_reserve(turns_max: int, wraps_up_at: int | None) -> None:
    """At most half of the turns are kept for wrapping up."""
    budget = a_budget(turns_max=turns_max)
    said = [rule(budget, used(turns=n), a_call()).verdict for n in range(turns_max)]

    assert said[0] == "go"
    assert (said.index("wrap up") if "wrap up" in said else None) == wraps_up_at


amounts = st.integers(0, 2_000)
money = st.one_of(st.none(), st.floats(0, 2))


@given(
    turns=st.integers(0, 30),
    tokens=amounts,
    seconds=amounts,
    next_tokens=amounts,
    usd=money,
    next_usd=money,
)
def test_no_call_is_made_past_a_limit(
    turns: int,
    tokens: int,
    seconds: int,
    next_tokens: int,
    usd: float | None,
    next_usd: float | None,
) -> None:
    ruling = rule(BUDGET, used(turns, tokens, seconds, usd=usd), a_call(next_tokens, next_usd))

    is_paid = usd is not None and next_usd is not None and usd + next_usd <= 1.0
    may_call = turns < 20 and tokens + next_tokens <= 1_000 and seconds < 100 and is_paid
    assert (ruling.verdict != "stop") == may_call


@given(a=amounts, b=amounts, field=st.sampled_from(["turns", "tokens", "seconds", "tool_calls"]))
def test_using_more_never_allows_more(a: int, b: int, field: str) -> None:
    order = ["go", "wrap up", "stop"]
    less, more = sorted((a, b))

    rulings = [rule(BUDGET, Used(**{field: n}), a_call()).verdict for n in (less, more)]

    assert order.index(rulings[0]) <= order.index(rulings[1])
