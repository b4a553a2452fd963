"""A rule that fails is a no: the lead takes no step by it, and what can't be read says nothing."""

from __future__ import annotations

from typing import Any

import msgspec
import pytest

from bus.ids import LEAD, PERSON
from bus.messages import ApprovalAsked, DecisionProposed, PlanMade, PlannedTask
from team.rules import steps
from team.rules.approvals import awaited, dollars_allowed, result_answer
from team.rules.grants import why_not
from team.state import RunState
from tests.support.approving import NOW, a_waiting_story
from tests.support.builders import Story, a_story, opens
from tests.support.paper_team import PaperTeam

# --- the lead's steps ----------------------------------------------------------------------


def with_broken(state: RunState, limit: str) -> RunState:
    """The same run, one of whose limits is no number: whatever looks at it fails."""
    assert state.spec is not None
    team = state.spec.team
    policy = msgspec.structs.replace(team.policy, **{limit: "many"})
    broken = msgspec.structs.replace(team, policy=policy)
    state.spec = msgspec.structs.replace(state.spec, team=broken)
    return state


def is_stuck(team: PaperTeam, limit: str) -> bool:
    """Whether the lead finds no step by this limit, and nothing is done to the run."""
    before = len(team.story.records)
    with_broken(team.state, limit)
    with pytest.raises(TypeError):
        team.lead()
    return len(team.story.records) == before


def planned() -> PaperTeam:
    """The plan is on the board; nobody has been recruited."""
    team = PaperTeam()
    while not isinstance(team.next(), steps.Recruit):
        team.done.append(team.next())
        team._do(team.done[-1])
    return team


def refused_once() -> PaperTeam:
    """The first round of t1 is submitted, and will be refused."""
    team = PaperTeam()
    team.refuses = lambda _: True
    team.lead()
    team.work("t1")
    while not isinstance(team.next(), steps.Reopen):
        team._do(team.next())
    return team


def test_without_a_limit_on_teammates_that_can_be_told_nobody_is_recruited() -> None:
    team = planned()

    assert is_stuck(team, "teammates_max")
    assert team.state.roster.present("researcher") == []


def test_without_a_limit_on_rounds_that_can_be_told_no_lane_has_another() -> None:
    team = refused_once()

    assert is_stuck(team, "rounds_max")
    assert team.task("t1").round == 1


def test_without_a_time_limit_that_can_be_told_nothing_is_begun_or_admitted() -> None:
    team = planned()

    assert is_stuck(team, "run_seconds_max")


@pytest.mark.parametrize("limit", ["run_tokens_max", "run_dollars_max"])
def test_without_a_limit_on_spending_that_can_be_told_nothing_is_granted(limit: str) -> None:
    state = with_broken(a_story(run_dollars_max=5.0).state, limit)

    denied = why_not(state, "research")

    assert denied is not None
    assert "what is left can't be told: TypeError(" in denied.why


# --- what can't be read --------------------------------------------------------------------


def asked(story: Story, name: str, what: Any, text: str, usd: float | None = None) -> None:
    story.tell("approval", name, body=ApprovalAsked(what=what, text=text, usd=usd))


def test_a_seat_that_nobody_can_read_seats_nobody() -> None:
    story = a_story()
    story.tell("member", "bea", author=LEAD)

    assert "bea" not in story.state.roster.seats


@pytest.mark.parametrize("kind", ["finding", "verdict", "result", "decision"])
def test_a_message_that_nobody_can_read_counts_for_nothing(kind: str) -> None:
    """Of whoever it is: what it says can't be told."""
    story = a_story()
    story.seat("ada")
    names = {"finding": ("t1",), "verdict": ("t1",), "decision": ("api", "paging")}.get(kind, ())
    author = LEAD if kind == "result" else "ada"
    story.tell(kind, *names, author=author)

    state = story.state
    assert state.findings.submissions.get("t1", []) == []
    assert state.decisions.all_in_force() == []
    assert state.result is None


def test_a_plan_is_not_approved_by_an_answer_that_nobody_can_read() -> None:
    story = a_waiting_story(plan=True)
    tasks = (PlannedTask(id="t1", opened=opens("pools")),)
    story.tell("spec", body=PlanMade(mode="team", reasons=("two",), tasks=tasks, round=1))
    asked(story, "plan", "plan", "lanes")
    story.tell("approval", "plan", author=PERSON)

    assert isinstance(steps.next_step(story.state, NOW), steps.Wait)
    assert [one.id for one in awaited(story.state)] == ["plan"]


def test_a_decision_is_not_ruled_on_by_an_answer_that_nobody_can_read() -> None:
    story = a_waiting_story(areas=("api",))
    story.seat("ada")
    body = DecisionProposed(statement="Use cursors.")
    story.tell("decision", "api", "paging", author="ada", body=body)
    story.tell("decision", "api", "paging", author=PERSON)

    assert story.state.decisions.in_force("api", "paging") is None
    assert [one.id for one in awaited(story.state)] == ["api/paging"]


def test_money_is_not_granted_by_an_answer_that_nobody_can_read() -> None:
    story = a_waiting_story(over_dollars=2.0, policy={"run_dollars_max": 10.0})
    asked(story, "spending", "spending", "more?", usd=4.0)
    story.tell("approval", "spending", author=PERSON)

    assert dollars_allowed(story.state) == 2.0


def test_a_result_is_not_approved_by_an_answer_that_nobody_can_read() -> None:
    story = a_waiting_story(result=True)
    asked(story, "result", "result", "the answer")
    story.tell("approval", "result", author=PERSON)

    assert result_answer(story.state, "the answer") == "ask"
