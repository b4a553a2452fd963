"""Slices of a run: whatever is granted, spent, lost and returned, the run's limits hold."""

from __future__ import annotations

import os
import subprocess
import sys
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from bus.ids import LEAD
from bus.messages import Budget, MemberSeated, TaskClaimed, TaskState
from team.codes.limits import RUN_DOLLARS, RUN_TOKENS
from team.rules import steps
from team.rules.grants import (
    FLOOR_TOKENS,
    POCKET,
    Amount,
    Denied,
    accounts,
    exposure,
    from_pocket,
    given_out,
    granted,
    lane_budgets,
    lead_budget,
    next_budget,
    overspent,
    pocket_of,
    purse,
    why_empty,
    why_not,
)
from team.state import RunState
from tests.support.builders import a_budget, a_contract, a_story, a_usage, opens
from tests.support.granting_team import LEAD_CAP, GrantingTeam

S = TaskState


def a_team(*, lanes: int = 2, **policy: Any) -> GrantingTeam:
    """Lanes that were planned and offered; nobody has claimed anything yet."""
    team = GrantingTeam([opens(f"lane {n}") for n in range(lanes)], **policy)
    team.lead()
    return team


def is_within(team: GrantingTeam, tokens_max: int, usd_max: float | None, share: float) -> None:
    """What was spent, what others could spend and the lead's reserve, counted by the test."""
    total, most, (tokens, usd) = team.state.ledger.total, exposure(team.state), team.could_spend()
    lead = team.state.ledger.of_member(LEAD)
    reserve = max(0, int(tokens_max * share) - lead.tokens)
    assert total.tokens + tokens + reserve <= tokens_max
    assert total.tokens + tokens + reserve <= most.tokens <= tokens_max
    if usd_max is not None:
        assert total.cost_usd is not None
        assert lead.cost_usd is not None
        spare = max(0.0, usd_max * share - lead.cost_usd)
        assert total.cost_usd + usd + spare <= most.usd + 1e-6
        assert most.usd <= usd_max + 1e-6


def a_deed(data: st.DataObject, team: GrantingTeam) -> None:
    """Somebody works, spends, or is lost; or the time is over."""
    possible = team.deeds()
    losses = [seat.name for seat in team.state.roster.present() if seat.name != LEAD]
    kind = data.draw(st.integers(0, 19))
    if kind < 9:
        place = data.draw(st.sampled_from(team.places()))
        tokens, usd = team.room(place)
        share = data.draw(st.floats(0, 1))
        team.spend(place, int(tokens * share), usd * share if usd < 1e9 else 0.0)
    elif kind == 17 and losses:
        team.lose(data.draw(st.sampled_from(losses)))
    elif kind == 18:
        gone = [seat.name for seat in team.state.roster.seats.values() if seat.lost]
        for name in gone[:1]:
            team.join_again(name)
    elif kind == 19 and data.draw(st.booleans()):
        team.now += 10_000.0
    elif possible:
        team.act(*data.draw(st.sampled_from(possible)))


@settings(max_examples=60, deadline=None)
@given(
    data=st.data(),
    lanes=st.integers(1, 5),
    verifiers=st.integers(1, 3),
    tokens_max=st.sampled_from([8_000_000, 3_000_000, 400_000, 150_000, 90_000, 1_000]),
    usd_max=st.one_of(st.none(), st.floats(0.01, 50)),
    reserve=st.floats(0.05, 0.9),
)
def test_whatever_is_granted_spent_and_lost_the_run_stays_within_its_limits(
    data: st.DataObject,
    lanes: int,
    verifiers: int,
    tokens_max: int,
    usd_max: float | None,
    reserve: float,
) -> None:
    """Each context keeps to its slice; at any time all could use theirs up together."""
    team = GrantingTeam(
        [opens(f"lane {n}") for n in range(lanes)],
        verifiers=verifiers,
        run_tokens_max=tokens_max,
        run_dollars_max=usd_max,
        reserve_share=reserve,
        rounds_max=3,
    )
    refused = data.draw(st.sets(st.integers(1, 3)))
    team.refuses = lambda task: task.round in refused
    for _ in range(40):
        if data.draw(st.integers(0, 3)):
            team.lead()
        is_within(team, tokens_max, usd_max, reserve)
        if team.state.result is not None:
            break
        a_deed(data, team)
        is_within(team, tokens_max, usd_max, reserve)

    team.spend_all()

    is_within(team, tokens_max, usd_max, reserve)


# --- how a run is divided ------------------------------------------------------------


def test_lanes_get_half_of_what_is_left_after_reserve_and_pockets() -> None:
    state = a_story(run_tokens_max=1_000_000, reserve_share=0.2).state

    budgets = lane_budgets(state, 4)

    assert purse(state).tokens == 800_000
    assert {budget.tokens_max for budget in budgets} == {90_000}
    assert len(budgets) == 4


def test_no_lane_gets_more_than_policy_lets_a_task_use() -> None:
    state = a_story(tokens_max=50_000, dollars_max=0.5, run_dollars_max=100.0).state

    [budget] = lane_budgets(state, 1, turns_max=3)

    assert budget == Budget(
        turns_max=3, tokens_max=50_000, seconds_max=1_200.0, tool_calls_max=120, usd_max=0.5
    )


def test_a_role_may_ask_for_fewer_turns_but_not_for_more() -> None:
    state = a_story(turns_max=10).state

    assert [lane_budgets(state, 1, turns)[0].turns_max for turns in (3, 30, None)] == [3, 10, 10]


def test_lanes_for_which_nothing_is_left_get_nothing_and_fail_with_the_reason() -> None:
    """Two of four can be paid; the others are closed, and the run goes on with the two."""
    team = a_team(lanes=4, run_tokens_max=60_000, reserve_share=0.2)

    assert [team.task(f"t{n}").state for n in (1, 2, 3, 4)] == [S.open, S.open, S.failed, S.failed]
    assert team.task("t1").contract.budget.tokens_max == FLOOR_TOKENS
    assert team.task("t3").reasons == (
        f"{RUN_TOKENS}: nothing was left of the run's tokens for it",
    )
    assert any(isinstance(s, steps.Settle) and s.code == RUN_TOKENS for s in team.done)


def test_lanes_for_which_no_dollar_is_left_fail_with_that_reason() -> None:
    team = a_team(run_dollars_max=0.001)

    assert team.state.result is not None
    assert team.task("t1").reasons == (
        f"{RUN_DOLLARS}: nothing was left of the run's dollars for it",
    )


def test_a_verification_and_a_further_round_are_grants_of_their_own() -> None:
    team = a_team(lanes=1, run_tokens_max=400_000, reserve_share=0.2)
    first = team.task("t1").contract.budget.tokens_max
    team.work("t1")
    team.spend(("ada", "task:t1:1"), first, 0.0)
    team.lead()
    verification = team.task("v-t1-1-1").contract.budget.tokens_max
    team.judge("t1", "refute")
    team.lead()
    second = team.task("t1").contract.budget.tokens_max

    assert team.task("t1").round == 2
    assert (first, verification, second) == (144_000, 88_000, 88_000)


def test_when_too_little_is_left_a_lane_ends_and_the_run_is_written_up() -> None:
    """t1 is admitted; t2's second round can't be paid."""
    team = a_team(run_tokens_max=300_000, reserve_share=0.2)
    team.work("t1")
    team.lead()
    team.judge("t1")
    team.lead()
    slice_of_t2 = team.task("t2").contract.budget.tokens_max
    assert team.task("t2").offered_to == "bea"
    team.act("claim", "bea", "t2")
    team.spend(("bea", "task:t2:1"), slice_of_t2, 0.0)
    team.spend(("ada", "task:t1:1"), 180_000, 0.0)
    team.act("fail", "bea", "t2")
    team.lead()

    assert team.task("t2").state is S.failed
    assert team.task("t2").reasons[0].startswith(f"{RUN_TOKENS}: of the run's 300,000 tokens")
    assert team.task("t1").state is S.admitted
    assert isinstance(team.done[-2], steps.Synthesize)


def test_a_lost_holders_successor_is_a_new_grant() -> None:
    """What the lost one has spent is gone; the rest of its slice came back."""
    team = a_team(lanes=1, run_tokens_max=400_000, reserve_share=0.2)
    team.act("claim", "ada", "t1")
    team.spend(("ada", "task:t1:1"), 44_000, 0.0)
    before = purse(team.state).tokens
    team.lose("ada")
    left = purse(team.state, "t1").tokens
    assert purse(team.state).tokens == before, "she may come back and go on"
    team.lead()

    assert team.task("t1").offered_to == "bea"
    assert left == before + 100_000
    assert team.task("t1").contract.budget.tokens_max < 144_000
    assert exposure(team.state).tokens <= 400_000


def test_a_slice_that_was_taken_from_a_member_counts_until_its_next_claim() -> None:
    """It may be in the middle of a call."""
    team = a_team()
    team.act("claim", "ada", "t1")
    team.now += 10_000.0
    team.lead()
    assert team.task("t1").state is S.failed
    slice_of_t1 = team.task("t1").contract.budget.tokens_max
    before = given_out(team.state).tokens

    team.spend(("ada", "task:t1:1"), 10, 0.0)

    assert given_out(team.state).tokens == before
    assert before >= slice_of_t1
    team.lose("ada")
    assert given_out(team.state).tokens < before


# --- rules that say no, yes, or fail -------------------------------------------------


@pytest.mark.parametrize(
    ("policy", "code"),
    [
        ({}, None),
        ({"run_tokens_max": 24_000}, RUN_TOKENS),
        ({"run_dollars_max": 5.0}, None),
        ({"run_dollars_max": 0.01}, RUN_DOLLARS),
    ],
)
def test_a_grant_is_denied_by_the_limit_that_has_too_little_left(
    policy: dict[str, Any], code: str | None
) -> None:
    denied = why_not(a_story(**policy).state, "research")

    assert (denied.code if denied else None) == code
    if denied is not None:
        assert denied.reason.startswith(f"{code}: of the run's ")


def test_what_is_left_and_cannot_be_told_is_a_no() -> None:
    """A fold without a spec has no limit that could be kept."""
    denied = why_not(RunState(), "research")

    assert denied is not None
    assert denied.code == RUN_TOKENS
    assert "can't be told" in denied.reason


def test_a_call_of_unknown_price_leaves_no_dollars_to_grant() -> None:
    story = a_story(run_dollars_max=5.0)
    story.tell("usage", author=LEAD, body=a_usage(context="plan", cost_usd=None, input=10))

    denied = next_budget(story.state, "research")

    assert isinstance(denied, Denied)
    assert denied.code == RUN_DOLLARS


def test_a_run_without_a_limit_in_dollars_does_not_ask_for_prices() -> None:
    story = a_story()
    story.tell("usage", author=LEAD, body=a_usage(context="plan", cost_usd=None, input=10))

    assert isinstance(next_budget(story.state, "research"), Budget)


@pytest.mark.parametrize(
    ("budget", "code"),
    [
        (a_budget(), None),
        (a_budget(tokens_max=0), RUN_TOKENS),
        (a_budget(usd_max=0.0), RUN_DOLLARS),
        (a_budget(usd_max=float("nan")), RUN_DOLLARS),
        (a_budget(usd_max=0.1), None),
    ],
)
def test_a_task_with_an_empty_slice_cannot_be_worked_on(budget: Budget, code: str | None) -> None:
    denied = why_empty(budget)

    assert (denied.code if denied else None) == code


# --- pockets and the reserve ---------------------------------------------------------


def test_pockets_are_granted_once_and_kept() -> None:
    story = a_story(run_tokens_max=1_000_000, reserve_share=0.2, teammates_max=4)
    pocket = pocket_of(story.state, "ada")
    assert pocket is not None
    story.tell("member", "ada", body=MemberSeated(role="researcher", filters=(), pocket=pocket))

    assert pocket.tokens_max == 20_000
    assert pocket_of(story.state, "ada") == pocket
    assert exposure(story.state).tokens == 200_000 + 20_000


def test_a_small_run_has_no_pockets() -> None:
    assert pocket_of(a_story(run_tokens_max=100_000).state, "ada") is None
    assert pocket_of(a_story(run_dollars_max=0.05).state, "ada") is None


def test_what_is_in_a_pocket_is_used_up_by_all_mail_together() -> None:
    pocket = a_budget(tokens_max=1_000, usd_max=0.5)

    left = from_pocket(pocket, Amount(tokens=300, usd=0.2))
    nothing = from_pocket(pocket, Amount(tokens=3_000, usd=float("inf")))

    assert (left.tokens_max, left.usd_max) == (700, pytest.approx(0.3))
    assert (nothing.tokens_max, nothing.usd_max) == (0, 0.0)
    assert from_pocket(None, Amount()).tokens_max == 0
    assert from_pocket(POCKET, Amount()) == POCKET


def test_the_lead_lives_on_its_reserve_and_keeps_half_for_the_synthesis() -> None:
    story = a_story(run_tokens_max=1_000_000, reserve_share=0.2, run_dollars_max=10.0)
    story.tell("usage", author=LEAD, body=a_usage(context="plan", cost_usd=0.5, input=20_000))

    ruling = lead_budget(story.state, "ruling:1:1", LEAD_CAP)
    synthesis = lead_budget(story.state, "synthesis:9", LEAD_CAP)
    again = lead_budget(story.state, "plan", LEAD_CAP)

    assert (ruling.tokens_max, ruling.usd_max) == (90_000, 0.75)
    assert (synthesis.tokens_max, synthesis.usd_max) == (180_000, 1.5)
    assert again.tokens_max == 100_000, "what the context itself has spent is in its transcript"


def test_a_large_reserve_is_capped_for_each_of_the_leads_contexts() -> None:
    assert lead_budget(a_story().state, "plan", LEAD_CAP) == LEAD_CAP


def test_what_the_team_spends_leaves_the_reserve_alone() -> None:
    story = a_story(run_tokens_max=100_000, reserve_share=0.2)
    story.tell("usage", author="ada", body=a_usage(context="mail:1", input=80_000))

    assert purse(story.state).tokens == 0
    assert lead_budget(story.state, "synthesis:9", LEAD_CAP).tokens_max == 20_000


# --- afterwards ----------------------------------------------------------------------


def test_each_round_is_measured_by_its_own_grant() -> None:
    """A second round with a smaller slice does not make the first too dear."""
    team = a_team(lanes=1, run_tokens_max=400_000)
    team.work("t1")
    team.spend(("ada", "task:t1:1"), 100_000, 0.25)
    team.refuses = lambda task: task.round == 1
    team.lead()
    team.act("claim", "ada", "t1")
    second = team.task("t1").contract.budget
    team.spend(("ada", "task:t1:2"), second.tokens_max, 0.0)
    team.act("submit", "ada", "t1")

    rounds = granted(team.state.ledger, "t1")
    assert [(one.member, one.round, one.spent.tokens) for one in rounds] == [
        ("ada", 1, 100_000),
        ("ada", 2, second.tokens_max),
    ]
    assert overspent(team.state.ledger, "t1") == ()
    team.spend(("ada", "task:t1:2"), 1, 0.0)
    assert overspent(team.state.ledger, "t1", "ada") == (
        f"round 2: {second.tokens_max + 1} tokens, granted were {second.tokens_max}",
    )
    assert overspent(team.state.ledger, "t1", "bea") == ()


@pytest.mark.parametrize(
    ("cost_usd", "said"),
    [(0.5, ()), (0.75, ("round 1: $0.7500, granted were $0.5000",)), (None, ("an unknown",))],
)
def test_dollars_are_measured_too_and_an_unknown_price_is_a_no(
    cost_usd: float | None, said: tuple[str, ...]
) -> None:
    story = a_story()
    contract = a_contract(budget=a_budget(usd_max=0.5))
    story.tell("task", "t1", body=opens(contract=contract, offered_to="ada"))
    story.tell("task", "t1", author="ada", body=TaskClaimed())
    story.tell("usage", author="ada", body=a_usage(cost_usd=cost_usd, input=5))

    found = overspent(story.state.ledger, "t1")

    assert len(found) == len(said)
    assert all(part in line for part, line in zip(said, found, strict=True))


def test_turns_are_measured_too() -> None:
    story = a_story()
    contract = a_contract(budget=a_budget(turns_max=1))
    story.tell("task", "t1", body=opens(contract=contract, offered_to="ada"))
    story.tell("task", "t1", author="ada", body=TaskClaimed())
    for _ in range(2):
        story.tell("usage", author="ada", body=a_usage(input=5))

    assert overspent(story.state.ledger, "t1") == ("round 1: 2 turns, granted were 1",)


def test_accounts_say_what_is_left_to_grant() -> None:
    team = a_team(run_tokens_max=1_000_000, run_dollars_max=10.0)
    team.spend((LEAD, "plan"), 1_000, 0.25)

    found = accounts(team.state)

    assert found is not None
    tokens, dollars = found
    assert (tokens.limit, tokens.spent) == (1_000_000, 1_000)
    assert tokens.granted is not None
    assert tokens.left == 1_000_000 - tokens.granted
    assert (dollars.limit, dollars.spent) == (10.0, 0.25)
    assert dollars.left is not None
    assert 0 < dollars.left < 9.75


def test_what_is_left_does_not_depend_on_how_names_hash() -> None:
    """Dollars are floats: their sum depends on the order in which they are added."""
    script = (
        "from tests.support.builders import a_story, a_usage\n"
        "from team.rules.grants import accounts\n"
        "story = a_story(run_dollars_max=3.0)\n"
        "for number in range(40):\n"
        "    usage = a_usage(context=f'task:t{number % 3}:1', cost_usd=0.01 * number / 3)\n"
        "    story.tell('usage', author=f'm{number % 7}', body=usage)\n"
        "print(accounts(story.state))"
    )

    said = {
        subprocess.run(
            [sys.executable, "-c", script],
            env={
                **os.environ,
                "PYTHONHASHSEED": str(seed),
                "PYTHONPATH": os.pathsep.join(sys.path),
            },
            capture_output=True,
            text=True,
            check=True,
        ).stdout
        for seed in range(4)
    }

    assert len(said) == 1


def test_accounts_of_a_run_without_a_limit_in_dollars_or_without_a_spec() -> None:
    found = accounts(a_story().state)

    assert found is not None
    assert (found[1].limit, found[1].granted, found[1].left) == (None, None, None)
    assert accounts(RunState()) is None


def test_a_member_that_comes_back_has_neither_its_old_slice_nor_its_pocket() -> None:
    """What it had may be another's by now."""
    team = a_team(lanes=1)
    assert team.state.roster.seats["ada"].pocket is not None
    team.act("claim", "ada", "t1")
    team.lose("ada")
    team.lead()
    before = given_out(team.state)
    team.join_again("ada")

    assert team.task("t1").offered_to == "bea"
    assert given_out(team.state) == before
    assert team.state.roster.seats["ada"].pocket is None
