"""Money that a person has to grant: how much is allowed, when it is asked for, what a no does."""

from __future__ import annotations

from typing import Any

import pytest

from bus.ids import LEAD, PERSON
from bus.messages import ActRefused, ApprovalAsked, ApprovalGiven, PlanMade, PlannedTask
from team.codes.limits import DOLLARS
from team.rules import steps
from team.rules.affording import sliced
from team.rules.approvals import dollars_allowed, next_amount, next_id, spending_ask
from team.rules.grants import lane_budgets, purse, why_empty
from team.rules.limits import NextCall, Used, rule
from team.rules.shortage import plan_context, synthesis_context
from tests.support.approving import NOW, a_waiting_story
from tests.support.builders import Story, a_budget, a_contract, opens
from tests.support.granting_team import GrantingTeam


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


def test_after_a_yes_all_slices_are_cut_anew_and_the_run_says_so() -> None:
    story = a_waiting_story(over_dollars=0.02)
    budgets = lane_budgets(story.state, 2)
    assert any(why_empty(budget) is not None for budget in budgets)
    tasks = tuple(
        PlannedTask(id=f"t{number}", opened=opens(contract=a_contract(budget=budget)))
        for number, budget in enumerate(budgets, start=1)
    )
    plan = PlanMade(mode="team", reasons=("two",), tasks=tasks)
    assert sliced(story.state, plan, None) == (tasks, ("two",))
    asked(story, 1.0, "approved")

    cut, reasons = sliced(story.state, plan, None)

    assert [one.opened.contract.budget for one in cut] == list(lane_budgets(story.state, 2))
    assert all(why_empty(one.opened.contract.budget) is None for one in cut)
    assert [one.opened.contract.objective for one in cut] == [
        one.opened.contract.objective for one in tasks
    ]
    assert reasons == ("two", "the lanes' slices were cut anew within the $1.00 allowed")


def test_slices_that_were_all_paid_for_stay_as_they_were_approved() -> None:
    story = a_waiting_story(over_dollars=2.0)
    planned = PlannedTask(id="t1", opened=opens(contract=a_contract(budget=a_budget(usd_max=0.1))))
    plan = PlanMade(mode="team", reasons=("one",), tasks=(planned,))
    asked(story, 4.0, "approved")

    assert sliced(story.state, plan, None) == (plan.tasks, ("one",))


def test_what_is_asked_names_the_amounts() -> None:
    state = a_waiting_story(over_dollars=2.0).state

    ask = spending_ask(state, 4.0)

    assert ask.usd == 4.0
    assert ask.text == (
        "$0.00 is spent, too little is left of $2.00 for what comes next; grant up to $4.00?"
    )


# --- calls that are too dear ---------------------------------------------------------


def a_stopped_call(story: Story, context: str, author: str = LEAD, usd: float | None = 0.4) -> None:
    """A call of a context was not made: what the limit says of it, as the loop tells it."""
    budget = a_budget(usd_max=0.1)
    ruling = rule(budget, Used(), NextCall(tokens=10, usd=usd, model="m1"))
    assert (ruling.verdict, ruling.code) == ("stop", DOLLARS)
    refused = ActRefused(
        code=ruling.code, what="model call", reason=f"budget: {ruling.reason}", context=context
    )
    story.tell("refusal", author=author, body=refused)


def test_a_plan_that_a_call_was_too_dear_for_is_asked_for_and_made_anew_after_a_yes() -> None:
    story = a_waiting_story(over_dollars=0.5)
    assert steps.next_step(story.state, NOW) == steps.MakePlan()
    contexts = [plan_context(story.state)]
    for usd in (1.0, 2.0):
        a_stopped_call(story, contexts[-1])
        assert steps.next_step(story.state, NOW) == steps.AskPerson(what="spending")
        asked(story, usd)
        assert isinstance(steps.next_step(story.state, NOW), steps.Wait)
        answer = ApprovalGiven(outcome="approved", reason="so it is")
        name = story.state.approvals.pending()[0].id
        story.tell("approval", name, author=PERSON, body=answer)
        assert steps.next_step(story.state, NOW) == steps.MakePlan()
        contexts.append(plan_context(story.state))

    assert contexts == ["plan", "plan:1:2", "plan:1:3"]


def test_after_a_no_a_plan_that_a_call_was_too_dear_for_ends_the_run_with_the_reason() -> None:
    story = a_waiting_story(over_dollars=0.5)
    a_stopped_call(story, "plan")
    asked(story, 1.0, "rejected")

    step = steps.next_step(story.state, NOW)

    assert isinstance(step, steps.Finish)
    assert step.status == "rejected"
    assert "the next call may cost $0.4000" in step.reasons[0]
    assert step.reasons[1] == "a person has refused the spending: so it is"


def test_a_second_plan_is_asked_for_in_the_same_way() -> None:
    story = a_waiting_story(over_dollars=0.5, plan=True)
    planned = PlannedTask(id="t1", opened=opens("pools"))
    story.tell("spec", body=PlanMade(mode="team", reasons=("one",), tasks=(planned,)))
    story.tell("approval", "plan", body=ApprovalAsked(what="plan", text="lanes"))
    answer = ApprovalGiven(outcome="rejected", reason="so it is")
    story.tell("approval", "plan", author=PERSON, body=answer)
    assert steps.next_step(story.state, NOW) == steps.MakePlan()

    a_stopped_call(story, plan_context(story.state))

    assert plan_context(story.state) == "plan:2"
    assert steps.next_step(story.state, NOW) == steps.AskPerson(what="spending")


@pytest.mark.parametrize(
    ("author", "context", "usd"),
    [(LEAD, "plan", None), (LEAD, "ruling:7", 0.4), ("ada", "plan", 0.4)],
    ids=["a price that is unknown", "another context", "another member"],
)
def test_money_that_would_not_help_the_plan_is_not_asked_for(
    author: str, context: str, usd: float | None
) -> None:
    story = a_waiting_story(over_dollars=0.5)
    a_stopped_call(story, context, author, usd)

    assert steps.next_step(story.state, NOW) == steps.MakePlan()


def test_without_anybody_to_ask_a_plan_that_is_too_dear_ends_the_run() -> None:
    story = a_waiting_story(policy={"run_dollars_max": 0.5})
    a_stopped_call(story, "plan")

    step = steps.next_step(story.state, NOW)

    assert isinstance(step, steps.Finish)
    assert step.status == "rejected"


def a_lane_that_was_too_dear(**policy: Any) -> GrantingTeam:
    """The holder of lane t1 gave it up since a call was too dear; t2 is worked on."""
    team = GrantingTeam([opens("pools"), opens("timeouts")])
    team.story = a_waiting_story(over_dollars=2.0, policy=policy)
    team.lead()
    for task in ("t1", "t2"):
        team.act("claim", team.task(task).offered_to or "", task)
    fails(team)
    return team


def fails(team: GrantingTeam) -> None:
    holder = team.task("t1").holder or ""
    a_stopped_call(team.story, team.task("t1").context, holder)
    team.act("fail", holder, "t1")


def test_a_lane_that_a_call_was_too_dear_for_waits_for_money_and_comes_back_with_more() -> None:
    team = a_lane_that_was_too_dear()
    before = team.task("t1").contract.budget.usd_max or 0.0
    assert team.next() == steps.AskPerson(what="spending")
    asked(team.story, 4.0)
    assert isinstance(team.next(), steps.Wait)
    answer = ApprovalGiven(outcome="approved", reason="so it is")
    team.story.tell("approval", "spending", author=PERSON, body=answer)

    step = team.next()
    team.lead()

    assert isinstance(step, steps.Reopen)
    assert (step.task, step.round) == ("t1", 2)
    assert (team.task("t1").contract.budget.usd_max or 0.0) > before


def test_a_lane_that_is_too_dear_again_is_asked_for_again() -> None:
    team = a_lane_that_was_too_dear()
    asked(team.story, 4.0, "approved")
    team.lead()
    team.act("claim", team.task("t1").offered_to or "", "t1")
    assert isinstance(team.next(), steps.Wait)

    fails(team)

    assert team.next() == steps.AskPerson(what="spending")


def test_after_a_no_a_lane_that_was_too_dear_comes_back_as_any_other() -> None:
    team = a_lane_that_was_too_dear()
    asked(team.story, 4.0, "rejected")

    step = team.next()

    assert isinstance(step, steps.Reopen)
    assert step.task == "t1"


def test_a_lane_that_failed_for_another_reason_asks_for_no_money() -> None:
    team = GrantingTeam([opens("pools"), opens("timeouts")])
    team.story = a_waiting_story(over_dollars=2.0)
    team.lead()
    holder = team.task("t1").offered_to or ""
    team.act("claim", holder, "t1")
    a_stopped_call(team.story, "mail:1", holder)
    team.act("fail", holder, "t1")

    assert isinstance(team.next(), steps.Reopen)


def a_lane_to_write_up(**approve: Any) -> GrantingTeam:
    """The only lane is admitted: the answer is to be written."""
    team = GrantingTeam([opens("pools")])
    team.story = a_waiting_story(**approve)
    team.lead()
    team.work("t1")
    team.lead()
    team.judge("t1")
    for _ in range(20):
        step = team.next()
        if isinstance(step, steps.Synthesize):
            return team
        team._do(step)
    raise AssertionError(team.done)


def test_an_answer_that_a_call_was_too_dear_for_is_asked_for_and_written_after_a_yes() -> None:
    team = a_lane_to_write_up(over_dollars=2.0)
    context = synthesis_context(team.state)
    a_stopped_call(team.story, context)
    assert team.next() == steps.AskPerson(what="spending")
    asked(team.story, 4.0)
    assert isinstance(team.next(), steps.Wait)
    answer = ApprovalGiven(outcome="approved", reason="so it is")
    team.story.tell("approval", "spending", author=PERSON, body=answer)

    assert team.next() == steps.Synthesize()
    assert synthesis_context(team.state) == f"{context}:money-2"


def test_after_a_no_the_answer_is_tried_as_it_stands() -> None:
    team = a_lane_to_write_up(over_dollars=2.0)
    a_stopped_call(team.story, synthesis_context(team.state))
    asked(team.story, 4.0, "rejected")

    assert team.next() == steps.Synthesize()
