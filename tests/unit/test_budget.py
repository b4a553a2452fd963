"""`--budget` and `--max-tokens`: they tighten policy and never widen it; bad values are said."""

from __future__ import annotations

import argparse
import shlex

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from team.agent.models.priced import price_table
from team.cli.parser import build_parser
from team.cli.spending import more_command, other_prices
from team.errors import SpecError
from team.policy import Policy
from team.runtime.budget import Ask, check_ask, parse_ask, said_of, within
from team.runtime.dry_run import least_budget, least_tokens
from team.runtime.enough import check_budget
from team.runtime.permitted import check_models
from team.spec import ResolvedSpec, TeamSpec
from team.views.usage import AllowanceRow, UsageRow, usage_row
from tests.support.builders import a_resolved_spec, a_story


def a_team(**policy: object) -> TeamSpec:
    return TeamSpec(name="t", policy=msgspec.structs.replace(Policy(), **policy))


@pytest.mark.parametrize(
    ("text", "usd"), [("2.50", 2.5), ("$3", 3.0), (" 1e2 ", 100.0), ("0.01", 0.01)]
)
def test_dollars_are_read_as_people_write_them(text: str, usd: float) -> None:
    assert parse_ask(text, None) == Ask(usd=usd)


@pytest.mark.parametrize(
    ("text", "tokens"),
    [
        ("500000", 500_000),
        ("500_000", 500_000),
        ("500k", 500_000),
        ("1.5M", 1_500_000),
        ("1,000", 1_000),
    ],
)
def test_tokens_are_read_as_people_write_them(text: str, tokens: int) -> None:
    assert parse_ask(None, text) == Ask(tokens=tokens)


@pytest.mark.parametrize("text", ["0", "-1", "nan", "inf", "", "two", "1000001", "2,50"])
def test_what_is_no_amount_of_dollars_is_refused_by_name(text: str) -> None:
    with pytest.raises(SpecError, match="--budget"):
        parse_ask(text, None)


@pytest.mark.parametrize("text", ["0", "-5", "1.5", "k", "", "2G", "1e6", "9999999999"])
def test_what_is_no_number_of_tokens_is_refused_by_name(text: str) -> None:
    with pytest.raises(SpecError, match="--max-tokens"):
        parse_ask(None, text)


@pytest.mark.parametrize(
    ("ask", "option"),
    [
        *((Ask(usd=usd), "--budget") for usd in (2e6, 0.0, float("nan"), float("inf"))),
        *((Ask(tokens=tokens), "--max-tokens") for tokens in (0, 10**20)),
    ],
)
def test_an_amount_that_no_spec_can_hold_is_refused_whoever_asks(ask: Ask, option: str) -> None:
    with pytest.raises(SpecError, match=option):
        check_ask(ask)


@given(st.text(max_size=12), st.text(max_size=12))
def test_any_text_gives_an_amount_or_an_error_that_names_the_option(a: str, b: str) -> None:
    try:
        ask = parse_ask(a, b)
    except SpecError as error:
        said = str(error)
    else:
        said = "--budget"
        assert ask.usd is not None
        assert ask.tokens is not None
        assert ask.usd > 0
        assert ask.tokens > 0
    assert said.startswith(("--budget", "--max-tokens"))


@given(
    st.none() | st.floats(0.01, 1e6),
    st.integers(1, 10**9),
    st.none() | st.floats(0.01, 1e6),
    st.none() | st.integers(1, 10**9),
)
def test_an_option_never_widens_a_limit(
    usd_max: float | None, tokens_max: int, usd: float | None, tokens: int | None
) -> None:
    before = a_team(run_dollars_max=usd_max, run_tokens_max=tokens_max).policy

    after = within(
        a_team(run_dollars_max=usd_max, run_tokens_max=tokens_max), Ask(usd=usd, tokens=tokens)
    ).policy

    given_ = [amount for amount in (usd_max, usd) if amount is not None]
    assert after.run_dollars_max == min(given_, default=None)
    assert after.run_tokens_max == min(before.run_tokens_max, tokens or before.run_tokens_max)
    assert after.tokens_max <= after.run_tokens_max


def test_whichever_is_stricter_holds_and_is_named() -> None:
    ask = Ask(usd=5.0, tokens=1_000)
    team = within(a_team(run_dollars_max=2.0, run_tokens_max=9_000), ask)

    assert said_of(ask, team.policy) == (
        "limit: policy's $2.00 holds, which is below --budget $5.00",
        "limit: this run may take 1,000 tokens (--max-tokens)",
    )


def test_nothing_is_said_where_nothing_was_asked() -> None:
    assert said_of(Ask(), Policy()) == ()


def a_spec(ask: Ask, *, provider: str = "anthropic", **policy: object) -> ResolvedSpec:
    spec = a_resolved_spec(**policy)
    team = within(spec.team, ask)
    return msgspec.structs.replace(spec, team=team, provider=provider, model="claude-opus-5-5")


@pytest.mark.parametrize(
    ("usd", "provider"),
    [(0.001, "anthropic"), (0.01, "anthropic"), (0.5, "anthropic"), (0.01, "rehearsal")],
)
def test_dollars_that_are_too_few_are_refused_with_the_least_that_do(
    usd: float, provider: str
) -> None:
    with pytest.raises(SpecError, match=r"--budget: \$[\d.]+ does not pay for ") as refused:
        check_budget(a_spec(Ask(usd=usd), provider=provider), Ask(usd=usd))

    least = float(str(refused.value).partition("give $")[2].split()[0])
    assert least > usd
    check_budget(a_spec(Ask(usd=least), provider=provider), Ask(usd=least))
    less = Ask(usd=least - 0.01)
    with pytest.raises(SpecError, match=f"give \\${least:.2f} at least"):
        check_budget(a_spec(less, provider=provider), less)


@pytest.mark.parametrize("tokens", [1, 10, 5_000, 70_000])
def test_tokens_that_are_too_few_are_refused_with_the_least_that_do(tokens: int) -> None:
    with pytest.raises(SpecError, match="--max-tokens") as refused:
        check_budget(a_spec(Ask(tokens=tokens)), Ask(tokens=tokens))

    least = int(str(refused.value).partition("give ")[2].split()[0].replace(",", ""))
    check_budget(a_spec(Ask(tokens=least)), Ask(tokens=least))
    with pytest.raises(SpecError, match=f"give {least:,} at least"):
        check_budget(a_spec(Ask(tokens=least - 1)), Ask(tokens=least - 1))


def test_an_amount_that_does_is_not_refused_nor_is_what_nobody_gave() -> None:
    ask = Ask(usd=5.0, tokens=500_000)
    check_budget(a_spec(ask), ask)
    check_budget(a_spec(Ask(), run_tokens_max=10), Ask())


def test_a_policy_that_is_stricter_than_the_option_is_what_is_named() -> None:
    with pytest.raises(
        SpecError, match=r"^policy: run_dollars_max: \$0.20 does not pay"
    ) as refused:
        check_budget(a_spec(Ask(usd=5.0), run_dollars_max=0.2), Ask(usd=5.0))

    assert "raise run_dollars_max of team and policy to $" in str(refused.value)


def test_an_unknown_price_is_told_of_the_option_where_that_sets_the_limit() -> None:
    def named(budget: float, **policy: float) -> str:
        spec = msgspec.structs.replace(a_spec(Ask(usd=budget), **policy), model="nobodys-1")
        with pytest.raises(SpecError, match="nobodys-1") as refused:
            check_models(spec, budget)
        return str(refused.value)

    assert "--budget is a limit in dollars" in named(1.0)
    assert "policy.dollars_max is a limit in dollars" in named(5.0, run_dollars_max=2.0)


def test_it_is_said_how_much_pays_for_the_leads_first_call() -> None:
    """Half of the reserve is the lead's to plan with; what is said to do does."""
    least = least_budget(a_spec(Ask(usd=0.5)))

    assert least is not None
    assert least > 0.5
    assert least_budget(a_spec(Ask(usd=least * 1.001))) is None


def test_without_a_limit_or_a_price_to_pay_any_budget_does() -> None:
    assert least_budget(a_spec(Ask())) is None
    assert least_budget(a_spec(Ask(usd=0.5), provider="rehearsal")) is None


def test_it_is_said_how_many_tokens_hold_the_leads_first_call() -> None:
    least = least_tokens(a_spec(Ask(tokens=70_000)))

    assert least is not None
    assert least > 70_000
    assert least_tokens(a_spec(Ask(tokens=least))) is None
    assert least_tokens(a_spec(Ask(tokens=least - 100))) is not None
    assert least_tokens(a_spec(Ask())) is None


# ------------------------------------------------------------------ after the run


def given(*arguments: str) -> argparse.Namespace:
    return build_parser().parse_args(["run", "research", "What's so?", "-s", "a b", *arguments])


def stopped(unit: str, limit: float) -> UsageRow:
    story = a_story()
    row = AllowanceRow(limit=limit, granted=None, spent=None, left=None)
    usage = usage_row(story.state)
    return msgspec.structs.replace(usage, stopped_for=unit, tokens=row, dollars=row)


def test_the_command_that_tries_again_has_twice_as_much_and_all_that_was_given() -> None:
    options = given("--budget", "1.5", "--mode", "team", "--run", "r1", "--max-tokens", "2M")

    again = more_command(options, stopped("dollars", 1.5))

    assert again is not None
    words = shlex.split(again)
    assert words[:6] == ["team", "run", "research", "What's so?", "--source", "a b"]
    assert words[-2:] == ["--budget", "3.00"]
    assert words[words.index("--max-tokens") :][:2] == ["--max-tokens", "2M"]
    assert "--run" not in words
    assert build_parser().parse_args(words[1:]).mode == "team"


def test_no_command_helps_where_policy_is_what_has_stopped_a_run() -> None:
    assert more_command(given(), stopped("dollars", 1.5)) is None
    assert more_command(given("--budget", "2"), stopped("tokens", 10_000)) is None
    nothing = msgspec.structs.replace(stopped("dollars", 1.0), stopped_for=None)
    assert more_command(given("--budget", "2"), nothing) is None


def test_a_run_that_goes_on_by_other_prices_says_so() -> None:
    spec = a_resolved_spec()
    assert other_prices(spec) == ()
    assert other_prices(msgspec.structs.replace(spec, price_table=price_table())) == ()

    [said] = other_prices(msgspec.structs.replace(spec, price_table="genai-prices 0.0.1"))

    assert said.startswith("prices: the run began with genai-prices 0.0.1; from here on ")
