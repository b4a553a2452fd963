"""Money that a person has to grant: how much is allowed, when it is asked for, what a no does."""

from __future__ import annotations

from typing import Any

import pytest

from bus.ids import PERSON
from bus.messages import ApprovalAsked, ApprovalGiven, PlanMade, PlannedTask
from team.rules import steps
from team.rules.approvals import dollars_allowed, next_amount, next_id, spending_ask
from team.rules.grants import lane_budgets, purse, why_empty
from tests.support.approving import NOW, a_waiting_story
from tests.support.builders import Story, a_contract, opens


def asked(story: Story, usd: float, outcome: Any = None) -> None:
    name = next_id(story.state, "spending")
    story.tell("approval", name, body=ApprovalAsked(what="spending", text="more?", usd=usd))
    if outcome is not None:
        answer = ApprovalGiven(outcome=outcome, reason="so it is")
        story.tell("approval", name, author=PERSON, body=answer)


@pytest.mark.parametrize(
    ("over", "limit", "allowed", "more"),
    [
        (None, None, None, None),
        (None, 9.0, 9.0, None),
        (2.0, None, 2.0, 4.0),
        (2.0, 3.0, 2.0, 3.0),
        (5.0, 3.0, 3.0, None),
        (0.0, None, 0.0, 1.0),
    ],
)
def test_what_is_allowed_is_the_lower_of_policy_and_person(
    over: float | None, limit: float | None, allowed: float | None, more: float | None
) -> None:
    state = a_waiting_story(over_dollars=over, policy={"run_dollars_max": limit}).state

    assert dollars_allowed(state) == allowed
    assert next_amount(state) == more


def test_a_yes_raises_what_may_be_granted_and_a_pending_ask_does_not() -> None:
    story = a_waiting_story(over_dollars=2.0, policy={"run_dollars_max": 10.0})
    before = purse(story.state).usd
    asked(story, 4.0)
    assert purse(story.state).usd == before
    story = a_waiting_story(over_dollars=2.0, policy={"run_dollars_max": 10.0})
    asked(story, 4.0, "approved")

    assert dollars_allowed(story.state) == 4.0
    after = purse(story.state).usd
    assert before is not None
    assert after is not None
    assert after > before
    assert next_amount(story.state) == 8.0


def test_who_has_said_no_is_not_asked_again() -> None:
    story = a_waiting_story(over_dollars=2.0, policy={"run_dollars_max": 10.0})
    asked(story, 4.0, "rejected")

    assert (dollars_allowed(story.state), next_amount(story.state)) == (2.0, None)


def test_without_a_cent_a_person_is_asked_before_the_lead_plans() -> None:
    story = a_waiting_story(over_dollars=0.0)
    assert steps.next_step(story.state, NOW) == steps.AskPerson(what="spending")
    asked(story, 1.0)
    assert isinstance(steps.next_step(story.state, NOW), steps.Wait)

    story = a_waiting_story(over_dollars=0.0)
    asked(story, 1.0, "approved")
    assert isinstance(steps.next_step(story.state, NOW), steps.MakePlan)

    story = a_waiting_story(over_dollars=0.0)
    asked(story, 1.0, "rejected")
    assert isinstance(steps.next_step(story.state, NOW), steps.MakePlan)


def test_a_plan_with_lanes_that_nothing_is_left_for_waits_for_money() -> None:
    story = a_waiting_story(over_dollars=0.02)
    budgets = lane_budgets(story.state, 8)
    assert any(why_empty(budget) is not None for budget in budgets)
    tasks = tuple(
        PlannedTask(id=f"t{number}", opened=opens(contract=a_contract(budget=budget)))
        for number, budget in enumerate(budgets, start=1)
    )
    story.tell("spec", body=PlanMade(mode="team", reasons=("eight",), tasks=tasks))
    assert steps.next_step(story.state, NOW) == steps.AskPerson(what="spending")
    asked(story, 1.0, "approved")

    assert isinstance(steps.next_step(story.state, NOW), steps.Dispatch)
    assert all(why_empty(budget) is None for budget in lane_budgets(story.state, 8))


def test_what_is_asked_names_the_amounts() -> None:
    state = a_waiting_story(over_dollars=2.0).state

    ask = spending_ask(state, 4.0)

    assert ask.usd == 4.0
    assert ask.text == "$0.00 is spent, all of $2.00 is granted; grant up to $4.00?"
