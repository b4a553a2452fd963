"""Where a person must say yes: what is asked, what waits, what counts as an answer."""

from __future__ import annotations

from typing import Any

import pytest

from bus.ids import LEAD, PERSON, SUPERVISOR
from bus.messages import (
    ApprovalAsked,
    ApprovalGiven,
    DecisionProposed,
    MemberJoined,
    PlanMade,
    PlannedTask,
    RunTriaged,
)
from team.rules import steps
from team.rules.approvals import (
    awaited,
    is_waiting,
    next_id,
    plan_ask,
    result_answer,
    waits_only,
)
from team.rules.clock import idle_s
from tests.support.approving import NOW, a_waiting_story
from tests.support.builders import OPENED_AT, Story, a_story, opens

TRIAGED = RunTriaged(mode="team", reasons=("two lanes",))


def planned(story: Story, number: int = 1) -> None:
    tasks = (PlannedTask(id="t1", opened=opens("pools")),)
    story.tell("spec", body=PlanMade(mode="team", reasons=("two",), tasks=tasks, round=number))


def asked(story: Story, name: str = "plan", what: Any = "plan", text: str = "lanes") -> None:
    story.tell("approval", name, body=ApprovalAsked(what=what, text=text))


def answered(story: Story, name: str, outcome: Any, author: str = PERSON) -> None:
    body = ApprovalGiven(outcome=outcome, reason="so it is")
    story.tell("approval", name, author=author, body=body)


def next_kind(story: Story) -> str:
    return type(steps.next_step(story.state, NOW)).__name__


# --- the plan ------------------------------------------------------------------------


def test_without_such_a_policy_a_plan_goes_on_the_board_at_once() -> None:
    story = a_story()
    assert next_kind(story) == "MakePlan"
    planned(story)
    assert next_kind(story) == "Dispatch"


def test_a_plan_is_asked_for_waited_for_and_dispatched_once_approved() -> None:
    story = a_waiting_story(plan=True)
    planned(story)
    assert next_kind(story) == "AskPerson"
    asked(story)
    assert next_kind(story) == "Wait"
    assert [one.id for one in awaited(story.state)] == ["plan"]
    answered(story, "plan", "approved")
    assert next_kind(story) == "Dispatch"
    assert not awaited(story.state)


def test_a_refused_plan_is_made_again_until_its_rounds_are_used_up() -> None:
    story = a_waiting_story(plan=True)
    for number, name in enumerate(("plan", "plan-2", "plan-3"), start=1):
        assert next_kind(story) == "MakePlan"
        planned(story, number)
        assert next_id(story.state, "plan") == name
        asked(story, name)
        answered(story, name, "rejected")

    step = steps.next_step(story.state, NOW)
    assert isinstance(step, steps.Finish)
    assert step.status == "rejected"
    assert step.reasons == ("a person has refused the plan: so it is",) * 3


@pytest.mark.parametrize("author", [LEAD, "ada", "gate", SUPERVISOR])
def test_only_a_persons_answer_counts(author: str) -> None:
    story = a_waiting_story(plan=True)
    planned(story)
    asked(story)
    answered(story, "plan", "approved", author=author)

    assert next_kind(story) == "Wait"


def test_the_first_answer_counts() -> None:
    story = a_waiting_story(plan=True)
    planned(story)
    asked(story)
    answered(story, "plan", "rejected")
    answered(story, "plan", "approved")

    assert next_kind(story) == "MakePlan"


def test_nobody_but_the_lead_asks() -> None:
    story = a_waiting_story(plan=True)
    planned(story)
    story.tell("approval", "plan", author="ada", body=ApprovalAsked(what="plan", text="mine"))
    answered(story, "plan", "approved")

    assert next_kind(story) == "AskPerson"


def test_what_is_asked_of_a_plan_names_every_lane_with_its_limits() -> None:
    tasks = (
        PlannedTask(id="t1", opened=opens("pools")),
        PlannedTask(id="t2", opened=opens("timeouts", depends_on=("t1",))),
    )
    plan = PlanMade(mode="team", reasons=("two lanes",), tasks=tasks, constraints=("In English.",))

    text = plan_ask(plan).text

    assert "t1 pools" in text
    assert "t2 timeouts" in text
    assert "constraint: In English." in text
    assert "after: t1" in text
    assert "tokens" in text


# --- the result ----------------------------------------------------------------------


def test_an_approval_is_for_one_text_only() -> None:
    story = a_waiting_story(result=True)
    asked(story, "result", "result", "the answer")
    assert is_waiting(story.state)
    answered(story, "result", "approved")

    assert result_answer(story.state, "the answer") == "approved"
    assert result_answer(story.state, "another answer") == "ask"


def test_a_refused_text_is_not_approved() -> None:
    story = a_waiting_story(result=True)
    asked(story, "result", "result", "the answer")
    answered(story, "result", "rejected")

    assert result_answer(story.state, "the answer") == "ask"


# --- decisions -----------------------------------------------------------------------


def proposed(story: Story, area: str) -> None:
    body = DecisionProposed(statement="Use cursors.")
    story.tell("decision", area, "paging", author="ada", body=body)


def test_the_lead_does_not_rule_where_a_person_has_to() -> None:
    story = a_waiting_story(areas=("api",))
    story.seat("ada")
    planned(story)
    story.tell("spec", body=TRIAGED)
    proposed(story, "api")
    later = NOW + 10_000.0
    assert not isinstance(steps.next_step(story.state, later), steps.Rule)
    assert [one.id for one in awaited(story.state)] == ["api/paging"]

    proposed(story, "data")
    assert isinstance(steps.next_step(story.state, later), steps.Rule)


def test_a_run_waits_only_when_nobody_has_anything_to_do_meanwhile() -> None:
    story = a_waiting_story(areas=("api",))
    assert not waits_only(story.state)
    story.seat("ada")
    proposed(story, "api")
    assert waits_only(story.state)
    story.tell("task", "t1", body=opens("pools", offered_to="ada"))
    assert not waits_only(story.state)


# --- time ----------------------------------------------------------------------------


def test_waiting_and_pauses_take_nothing_from_the_runs_time() -> None:
    """Asked at 100, answered at 900; meanwhile the machine was off from 500 to 1200."""
    story = a_waiting_story(plan=True)
    planned(story)
    body = ApprovalAsked(what="plan", text="lanes")
    story.tell("approval", "plan", body=body, at=OPENED_AT + 100)
    yes = ApprovalGiven(outcome="approved")
    story.tell("approval", "plan", author=PERSON, body=yes, at=OPENED_AT + 900)
    again = MemberJoined(pid=1, host="h")
    story.tell("member", SUPERVISOR, author=SUPERVISOR, body=again, at=OPENED_AT + 1_200)

    assert idle_s(story.state, OPENED_AT + 2_000) == pytest.approx(1_100, abs=10)


def test_time_waited_so_far_counts_while_the_answer_is_out() -> None:
    story = a_waiting_story(plan=True)
    planned(story)
    body = ApprovalAsked(what="plan", text="lanes")
    story.tell("approval", "plan", body=body, at=OPENED_AT + 100)

    assert idle_s(story.state, OPENED_AT + 400) == 300


def test_a_late_answer_does_not_end_the_run() -> None:
    story = a_waiting_story(plan=True)
    planned(story)
    story.tell("approval", "plan", body=ApprovalAsked(what="plan", text="x"), at=OPENED_AT + 10)
    week = 7 * 24 * 3600.0
    yes = ApprovalGiven(outcome="approved")
    story.tell("approval", "plan", author=PERSON, body=yes, at=OPENED_AT + week)
    story.tell("spec", body=TRIAGED, at=OPENED_AT + week)
    opened = opens("pools", offered_to="ada")
    story.seat("ada")
    story.tell("task", "t1", body=opened, at=OPENED_AT + week + 1)

    step = steps.next_step(story.state, OPENED_AT + week + 2)
    assert not isinstance(step, steps.Settle | steps.Finish)
