"""What was spent: sums by member and assignment; an unknown price stays unknown."""

from __future__ import annotations

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from bus.ids import LEAD, SUPERVISOR
from bus.messages import (
    MemberLost,
    TaskClaimed,
    TaskFailed,
    TokenCounts,
    UsageReserved,
    UsageSpent,
)
from team.state import Ledger, Spent
from team.state.ledger import read_tokens
from tests.support.builders import a_budget, a_record, a_story, a_usage, opens


def test_a_ledger_begins_with_nothing_spent() -> None:
    ledger = Ledger()

    assert ledger.total == Spent()
    assert ledger.of_member("ada") == Spent()
    assert ledger.total.cost_usd == 0.0


def test_cached_tokens_count_as_read() -> None:
    tokens = TokenCounts(input=1, cache_read=20, cache_write=300, output=4_000)

    assert read_tokens(tokens) == 321
    assert Spent().plus(a_usage(input=1, cache_read=20, cache_write=300, output=4_000)) == Spent(
        calls=1,
        input_tokens=321,
        output_tokens=4_000,
        cost_usd=0.5,
        cache_read_tokens=20,
        cache_write_tokens=300,
    )


def test_spending_is_summed_by_member_and_by_assignment() -> None:
    ledger = Ledger()
    for seq, (author, context) in enumerate(
        [("ada", "task:t1:1"), ("ada", "task:t1:2"), ("bea", "task:t1:1")], start=1
    ):
        usage = a_usage(context=context, input=10, output=5)
        ledger.apply(a_record(seq, "usage", author=author, body=usage))

    assert (ledger.total.calls, ledger.total.tokens) == (3, 45)
    assert (ledger.of_member("ada").calls, ledger.of_member("bea").calls) == (2, 1)
    assert ledger.by_context["ada", "task:t1:2"].tokens == 15
    assert len(ledger.by_context) == 3


def test_models_are_named_once_in_the_order_they_came() -> None:
    ledger = Ledger()
    for seq, model in enumerate(["m2", "m1", "m2"], start=1):
        ledger.apply(a_record(seq, "usage", author="ada", body=a_usage(model=model)))

    assert ledger.models == ["m2", "m1"]


def test_a_call_that_gave_no_answer_is_paid_and_is_no_turn() -> None:
    """As a member counts its own: else its task would be refused for a turn it never had."""
    lost = TokenCounts(input=3_000, output=2)
    usage = msgspec.structs.replace(a_usage(cost_usd=0.25), lost=lost)

    total = Spent().plus(a_usage(input=10)).plus(usage)

    assert total == Spent(
        calls=1, input_tokens=3_010, output_tokens=2, cost_usd=0.75, lost_tokens=3_002
    )


def test_one_estimated_call_makes_the_sum_an_estimate() -> None:
    total = Spent().plus(a_usage(is_estimated=True)).plus(a_usage())

    assert total.is_estimated


@given(
    costs=st.lists(st.none() | st.floats(0, 100, allow_nan=False), max_size=12),
)
def test_a_sum_with_one_unknown_price_is_unknown_for_ever(costs: list[float | None]) -> None:
    ledger = Ledger()
    is_unknown = False
    for seq, cost in enumerate(costs, start=1):
        ledger.apply(a_record(seq, "usage", author="ada", body=a_usage(cost_usd=cost)))
        is_unknown = is_unknown or cost is None

        assert (ledger.total.cost_usd is None) == is_unknown
    if not is_unknown:
        assert ledger.total.cost_usd == pytest.approx(sum(cost or 0.0 for cost in costs))


def test_an_unknown_price_of_one_member_leaves_the_others_known() -> None:
    ledger = Ledger()
    ledger.apply(a_record(1, "usage", author="ada", body=a_usage(cost_usd=None)))
    ledger.apply(a_record(2, "usage", author="bea", body=a_usage(cost_usd=0.25)))

    assert ledger.of_member("ada").cost_usd is None
    assert ledger.of_member("bea").cost_usd == 0.25
    assert ledger.total.cost_usd is None


def test_a_record_that_cannot_be_read_spends_nothing() -> None:
    ledger = Ledger()

    ledger.apply(a_record(1, "usage", author="ada"))

    assert ledger.total == Spent()


def test_a_budget_waits_with_its_task_is_held_by_a_claim_and_ends_with_it() -> None:
    story = a_story()
    story.seat("ada")
    story.tell("task", "t1", body=opens(offered_to="ada"))
    waiting = dict(story.state.ledger.waiting)
    story.tell("task", "t1", author="ada", body=TaskClaimed())
    held = story.state.ledger
    story.tell("task", "t1", author="ada", body=TaskFailed(reason="out of turns"))
    ended = story.state.ledger

    place = ("ada", "task:t1:1")
    assert waiting == {"t1": a_budget()}
    assert (held.waiting, held.slices[place].state) == ({}, "held")
    assert (ended.waiting, ended.slices[place].state) == ({}, "ended")
    assert held.slices[place].budget == a_budget()


@pytest.mark.parametrize(
    ("lost_by", "state"),
    [(None, "taken"), (LEAD, "taken"), (SUPERVISOR, "ended"), ("ada", "ended")],
)
def test_what_is_taken_back_is_ended_once_its_holder_makes_no_more_calls(
    lost_by: str | None, state: str
) -> None:
    """Whom the lead gives up may be frozen in a call: that its process ended, others must say."""
    story = a_story()
    story.seat("ada")
    story.tell("task", "t1", body=opens(offered_to="ada"))
    story.tell("task", "t1", author="ada", body=TaskClaimed())
    if lost_by:
        story.tell("member", "ada", author=lost_by, body=MemberLost(reason="gone"))
    story.tell("task", "t1", body=opens(offered_to="bea"))

    assert story.state.ledger.slices["ada", "task:t1:1"].state == state
    assert story.state.ledger.waiting == {"t1": a_budget()}


def test_a_forged_grant_is_no_grant() -> None:
    story = a_story()
    story.tell("task", "t1", author="ada", body=opens(offered_to="ada"))
    story.tell("task", "t1", author="ada", body=TaskClaimed())

    assert story.state.ledger.slices == {}
    assert story.state.ledger.waiting == {}


def test_usage_that_claims_less_than_nothing_gives_nothing_back() -> None:
    forged = a_usage(input=-5, cache_read=-7, cache_write=-1, output=-9, cost_usd=-50.0)

    assert Spent().plus(forged) == Spent(calls=1)
    assert Spent().plus(a_usage(input=10, output=5)).plus(forged).tokens == 15


# --- what nobody has settled ----------------------------------------------------------


def reserves(turn: int, tokens: int, usd: float | None = 0.25) -> UsageReserved:
    return UsageReserved(context="task:t1:1", turn=turn, model="m1", tokens=tokens, usd=usd)


def takes(turn: int, tokens: int = 0, unsettled: int = 0, usd: float | None = 0.0) -> UsageSpent:
    return UsageSpent(
        context="task:t1:1",
        turn=turn,
        model="m1",
        tokens=TokenCounts(input=tokens),
        unsettled_tokens=unsettled,
        unsettled_usd=usd,
        request_id="req-1" if tokens else "",
        cost_usd=0.5 if tokens else 0.0,
    )


def at_most(*said: UsageReserved | UsageSpent) -> tuple[int, float | None]:
    ledger = Ledger()
    for seq, body in enumerate(said, start=1):
        ledger.apply(a_record(seq, "usage", author="ada", body=body))
    spent = ledger.by_context["ada", "task:t1:1"]
    assert spent.tokens == ledger.total.tokens
    assert ledger.unsettled.unsettled_tokens == spent.tokens_at_most - spent.tokens
    return spent.tokens_at_most, spent.usd_at_most


def test_a_call_that_was_reserved_counts_in_full_until_it_is_settled() -> None:
    assert at_most(reserves(1, 900)) == (900, 0.25)
    assert at_most(reserves(1, 900), takes(1, 300)) == (300, 0.5)
    assert at_most(reserves(1, 900), takes(1, 300), reserves(2, 50)) == (350, 0.75)


def test_a_later_reservation_of_a_turn_takes_the_place_of_the_one_before() -> None:
    assert at_most(reserves(1, 900), reserves(1, 1_000)) == (1_000, 0.25)
    assert at_most(reserves(1, 900), reserves(2, 1_000)) == (1_900, 0.5)


def test_what_nobody_can_say_of_tries_that_broke_off_stays() -> None:
    """In a turn that was answered after them, and in one that never was."""
    assert at_most(reserves(1, 900), takes(1, 300, 400, 0.125)) == (700, 0.625)
    assert at_most(reserves(1, 900), takes(1, 0, 400, 0.125)) == (400, 0.125)
    assert at_most(takes(1, 0, 400, 0.125), takes(1, 0, 400, 0.125)) == (800, 0.25)


def test_a_reservation_of_unknown_price_makes_what_was_spent_unknown() -> None:
    assert at_most(reserves(1, 900, None)) == (900, None)
    assert at_most(reserves(1, 900, None), takes(1, 300)) == (300, 0.5)
    assert at_most(takes(1, 0, 400, None)) == (400, None)


def test_a_call_that_was_given_up_is_no_turn() -> None:
    ledger = Ledger()
    ledger.apply(a_record(1, "usage", author="ada", body=takes(1, 0, 400)))
    ledger.apply(a_record(2, "usage", author="ada", body=takes(1, 300)))

    assert ledger.total.calls == 1
