"""What a run took, by whom and for what, as people and programs see it; unknown stays unknown."""

from __future__ import annotations

import math

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from bus.ids import GATE, LEAD
from bus.messages import (
    ActRefused,
    FindingSubmitted,
    Judgement,
    ResultPublished,
    TaskClaimed,
    TaskOpened,
    TaskSettled,
    TaskSubmitted,
    TokenCounts,
    UsageReserved,
    VerdictGiven,
)
from team.rules.spending import PURPOSES, by_lane, by_purpose, cache_share, stopped_for, sum_of
from team.state import RunState, Spent
from team.views.report import report_page
from team.views.run_object import RunObject, run_object
from team.views.text import show_text, summary_text
from team.views.usage import spent_line
from tests.support.builders import Story, a_claim, a_story, a_usage, opens

CACHED = {"input": 100, "cache_read": 700, "cache_write": 200, "output": 50}


def a_spending_story(cost_usd: float | None = 0.5, **policy: float) -> Story:
    """A lane with two admitted claims, its verifier, and what the lead does around them."""
    story = a_story(**policy)
    for name in ("ada", "vera"):
        story.seat(name)
    story.tell("usage", author=LEAD, body=a_usage(context="plan", input=1_000, output=10))
    story.tell("task", "t1", body=opens(offered_to="ada"))
    story.tell("task", "t1", author="ada", body=TaskClaimed())
    story.tell("usage", author="ada", body=a_usage(cost_usd=cost_usd, **CACHED))
    broken = a_usage(cost_usd=cost_usd, **CACHED)
    broken = msgspec.structs.replace(broken, turn=2, lost=TokenCounts(input=30, output=3))
    story.tell("usage", author="ada", body=broken)
    finding = FindingSubmitted(summary="s", claims=(a_claim("c1"), a_claim("c2")))
    seq = story.tell("finding", "t1", author="ada", body=finding)
    story.tell("task", "t1", author="ada", body=TaskSubmitted())
    _judged(story, seq)
    story.tell("usage", author=LEAD, body=a_usage(context="synthesis:9", input=2_000))
    story.tell("usage", author="ada", body=a_usage(context="mail:7", input=20))
    return story


def _judged(story: Story, seq: int) -> None:
    checks = opens("verify", offered_to="vera").contract
    asked = TaskOpened(
        title="verify pools",
        contract=checks,
        role="skeptic",
        purpose="verify",
        subject_task="t1",
        subject_seq=seq,
        offered_to="vera",
    )
    story.tell("task", "v1", body=asked)
    story.tell("task", "v1", author="vera", body=TaskClaimed())
    story.tell("usage", author="vera", body=a_usage(context="task:v1:1", cost_usd=0.25, input=300))
    upheld = tuple(
        Judgement(check="quotes", outcome="upheld", reason="so", claim=name)
        for name in ("c1", "c2")
    )
    story.tell("verdict", "t1", author=GATE, body=VerdictGiven(finding_seq=seq, judgements=upheld))
    story.tell("task", "t1", body=TaskSettled(state="admitted"))


def shown_of(story: Story) -> RunObject:
    return run_object("r1", story.state, is_live=False)


def test_every_call_is_counted_under_one_purpose() -> None:
    state = a_spending_story().state

    found = by_purpose(state)

    assert list(found) == ["plan", "research", "verification", "synthesis", "mail"]
    assert sum_of(found.values()) == state.ledger.total
    assert found["research"].calls == 2


def test_a_lane_has_its_work_and_its_checks_and_what_a_claim_cost() -> None:
    [lane] = by_lane(a_spending_story().state)

    assert (lane.work.cost_usd, lane.checks.cost_usd, lane.claims) == (1.0, 0.25, 2)
    [row] = shown_of(a_spending_story()).usage.by_lane
    assert (row.task, row.claims, row.usd_per_claim) == ("t1", 2, 0.625)
    assert row.checks_usd == 0.25


def test_tokens_are_told_apart_by_where_they_came_from() -> None:
    usage = shown_of(a_spending_story()).usage

    assert usage.input_tokens == 5_350
    assert (usage.fresh_tokens, usage.cache_read_tokens, usage.cache_write_tokens) == (
        3_550,
        1_400,
        400,
    )
    assert usage.fresh_tokens + usage.cache_read_tokens + usage.cache_write_tokens == (
        usage.input_tokens
    )
    assert usage.cache_share == 1_400 / 5_350
    assert usage.lost_tokens == 33
    ada = next(row for row in shown_of(a_spending_story()).members if row.name == "ada")
    assert (ada.cache_read_tokens, ada.cache_write_tokens, ada.lost_tokens) == (1_400, 400, 33)


def test_one_unknown_price_makes_every_sum_that_holds_it_unknown_and_no_other() -> None:
    usage = shown_of(a_spending_story(cost_usd=None)).usage

    assert usage.cost_usd is None
    assert usage.usd_per_claim is None
    costs = {row.purpose: row.cost_usd for row in usage.by_purpose}
    assert costs["research"] is None
    assert costs["verification"] == 0.25
    [lane] = usage.by_lane
    assert (lane.cost_usd, lane.usd_per_claim) == (None, None)
    said = show_text(shown_of(a_spending_story(cost_usd=None)))
    assert "cost: unknown" in said


def test_a_person_reads_cache_share_tries_in_vain_and_each_lane() -> None:
    story = a_spending_story(run_dollars_max=5.0)
    said = show_text(shown_of(story))

    assert "cache: 26% of what was read came from it (3,550 tokens fresh, 1,400 from" in said
    assert "in vain: 33 tokens, in tries whose answer broke off" in said
    assert "dollars of the run: spent $2.7500" in said
    assert "research" in said
    assert "2 claims admitted, $0.6250 each" in said


def test_while_a_run_goes_on_it_is_said_what_remains() -> None:
    state = a_spending_story(run_tokens_max=10_000, run_dollars_max=5.0).state

    said = spent_line(state)

    assert said == (
        "6 calls · 5,463 tokens, 26% of input from the cache · $2.7500 · "
        "4,537 tokens and $2.2500 remain"
    )


def an_unsettled_story(usd: float | None) -> Story:
    """A call that was killed, and one that has broken off in part."""
    story = a_spending_story(run_tokens_max=10_000, run_dollars_max=5.0)
    killed = UsageReserved(context="task:t1:1", turn=9, model="m1", tokens=400, usd=usd)
    story.tell("usage", author="ada", body=killed)
    broken = a_usage(context="task:v1:1", cost_usd=0.0)
    broken = msgspec.structs.replace(broken, turn=3, unsettled_tokens=100, unsettled_usd=0.25)
    story.tell("usage", author="vera", body=broken)
    return story


def test_what_killed_and_broken_calls_may_have_taken_is_shown_and_does_not_remain() -> None:
    story = an_unsettled_story(0.5)
    shown = shown_of(story)

    usage = shown.usage
    assert (usage.unsettled_tokens, usage.unsettled_usd) == (500, 0.75)
    assert usage.tokens is not None
    assert usage.dollars is not None
    assert (usage.tokens.unsettled, usage.dollars.unsettled) == (500, 0.75)
    together = sum_of(by_purpose(story.state).values())
    assert (together.unsettled_tokens, together.unsettled_usd) == (500, 0.75)
    for said in (show_text(shown), summary_text(shown), report_page(shown, story.state)):
        assert "not settled: up to 500 tokens, $0.7500" in said
    assert "spent $2.7500, not settled $0.7500" in show_text(shown)
    left = 10_000 - story.state.ledger.total.tokens - 500
    assert spent_line(story.state).endswith(f"{left:,} tokens and $1.5000 remain")


def test_an_unknown_price_of_a_killed_call_leaves_unknown_what_remains() -> None:
    story = an_unsettled_story(None)

    assert "not settled: up to 500 tokens, unknown" in show_text(shown_of(story))
    assert sum_of(by_purpose(story.state).values()).unsettled_usd is None
    assert spent_line(story.state).endswith(" tokens remain")


def test_where_all_is_settled_nothing_is_said_of_it() -> None:
    assert "not settled" not in show_text(shown_of(a_spending_story(run_dollars_max=5.0)))


def test_a_run_without_a_limit_in_dollars_has_no_dollars_that_remain() -> None:
    said = spent_line(a_spending_story(run_tokens_max=10_000).state)

    assert said.endswith("4,537 tokens remain")


def test_the_prices_are_named_where_something_is_paid() -> None:
    story = a_spending_story()
    assert "prices: " not in summary_text(shown_of(story))

    state = story.state
    assert state.spec is not None
    state.spec = msgspec.structs.replace(state.spec, price_table="genai-prices 9.9")
    shown = run_object("r1", state, is_live=False)

    assert "prices: genai-prices 9.9" in summary_text(shown)
    assert "for a claim: $1.3750 (2 admitted)" in summary_text(shown)
    page = report_page(shown, state)
    assert "prices: genai-prices 9.9" in page
    assert "from cache" in page


def test_a_run_that_has_spent_nothing_has_no_shares() -> None:
    assert cache_share(Spent()) is None
    assert by_purpose(RunState()) == {}
    assert sum_of(()) == Spent()


USAGES = st.builds(
    a_usage,
    context=st.sampled_from(["plan", "task:t1:1", "task:zz:1", "mail:3", "odd", "ruling:1:2"]),
    cost_usd=st.none() | st.floats(0, 10),
    input=st.integers(0, 1000),
    cache_read=st.integers(0, 1000),
    output=st.integers(0, 1000),
)


@given(st.lists(USAGES, max_size=12))
def test_purposes_always_add_up_to_the_whole(usages: list[msgspec.Struct]) -> None:
    story = a_story()
    for usage in usages:
        story.tell("usage", author="ada", body=usage)
    total = story.state.ledger.total

    found = by_purpose(story.state)

    assert set(found) <= set(PURPOSES)
    together = sum_of(found.values())
    assert (together.cost_usd is None) == (total.cost_usd is None)
    assert math.isclose(together.cost_usd or 0.0, total.cost_usd or 0.0, abs_tol=1e-9)
    assert (together.calls, together.tokens) == (total.calls, total.tokens)


# ------------------------------------------------------------------ what a limit has stopped


def a_stopped_story(code: str, status: str = "partial", **policy: float) -> Story:
    story = a_spending_story(**policy)
    missing = (f"t2 pools: nothing was left of it ({code})",)
    story.tell("result", body=ResultPublished(status=status, text="x", missing=missing))
    return story


@pytest.mark.parametrize(
    ("code", "unit"),
    [("P107", "dollars"), ("P110", "dollars"), ("P106", "tokens"), ("P109", "tokens")],
)
def test_of_what_a_run_had_too_little_is_said_with_what_was_left(code: str, unit: str) -> None:
    story = a_stopped_story(code, run_dollars_max=3.0, run_tokens_max=10_000)

    assert stopped_for(story.state) == unit
    said = summary_text(shown_of(story))
    left = {"dollars": "$0.2500 of $3.0000", "tokens": "4,537 of 10,000"}[unit]
    assert f"stopped for want of {unit}: {left} were not spent" in said
    assert f"run_{unit}_max" in said


@pytest.mark.parametrize(("code", "status"), [("P104", "partial"), ("P107", "admitted")])
def test_nothing_is_said_of_money_where_it_has_stopped_nothing(code: str, status: str) -> None:
    story = a_stopped_story(code, status)

    assert stopped_for(story.state) is None
    assert "stopped for want" not in summary_text(shown_of(story))


def test_a_call_that_was_refused_for_money_is_told_of_a_run_that_lacks_something() -> None:
    story = a_spending_story(run_dollars_max=3.0)
    refused = ActRefused(code="P107", what="model call", reason="too dear", context="task:t1:1")
    story.tell("refusal", author="ada", body=refused)
    assert stopped_for(story.state) is None

    story.tell("result", body=ResultPublished(status="rejected", missing=("all of it",)))

    assert stopped_for(story.state) == "dollars"
