"""What the lead does about claims that contradict each other, driven through runs on paper."""

from __future__ import annotations

from collections.abc import Callable

import msgspec
import pytest

from bus.messages import Claim, ConflictJudged, Fact, TaskState, TaskSubmitted
from team.rules import steps
from team.rules.conflicts import RULINGS_MAX, compared_by
from team.rules.synthesis import admitted_claims, struck_lines
from team.state import Conflict, Task, fold
from tests.support.builders import OPENED_AT, a_claim, opens
from tests.support.paper_team import PaperTeam

S = TaskState
LATE = OPENED_AT + 10_000.0


def with_fact(claim: Claim, value: str) -> Claim:
    fact = Fact(subject="The pool", attribute="size", value=value)
    return msgspec.structs.replace(claim, facts=(fact,))


def twins(task: Task) -> tuple[Claim, ...]:
    """Each lane gives the same thing another number; the second claim nobody contradicts."""
    number = {"t1": "ten", "t2": "twenty"}.get(task.id, "ten")
    return a_claim("c1", f"The pool keeps {number} 1{task.id[1:]} connections."), a_claim("c2")


def facts(task: Task) -> tuple[Claim, ...]:
    """Each lane says another value in so many words."""
    return (with_fact(a_claim("c1"), task.id),)


def a_team_with(claims: Callable[[Task], tuple[Claim, ...]], **policy: int | float) -> PaperTeam:
    """Two lanes whose findings have been admitted; the lead has done all that it can."""
    team = PaperTeam(**policy)
    team.claims = claims
    team.lead()
    for task in ("t1", "t2"):
        team.work(task)
        team.lead()
        team.judge(task)
    team.done.clear()
    team.lead()
    return team


def the_conflict(team: PaperTeam) -> Conflict:
    [conflict] = team.state.conflicts.all.values()
    return conflict


def the_comparison(team: PaperTeam) -> Task:
    [task] = team.state.board.of_purpose("compare")
    return task


def compare(team: PaperTeam, verb: str) -> None:
    """Whoever the comparison is offered to claims it and does something; the lead goes on."""
    task = the_comparison(team)
    assert task.offered_to is not None
    team.act("claim", task.offered_to, task.id)
    team.act(verb, task.offered_to, task.id)
    team.lead()


def kinds(team: PaperTeam) -> list[str]:
    return [type(step).__name__ for step in team.done]


def citable(team: PaperTeam) -> list[str]:
    return [one.ref for one in admitted_claims(team.state)]


def test_lanes_that_agree_are_written_up_at_once() -> None:
    team = a_team_with(lambda _: (a_claim(),))

    assert kinds(team)[-2:] == ["Synthesize", "Dismiss"]
    assert not team.state.conflicts.all


def test_twins_wait_for_a_verifier_before_anything_is_written() -> None:
    team = a_team_with(twins)

    assert kinds(team)[-4:] == ["RaiseConflicts", "Compare", "Offer", "Wait"]
    assert the_comparison(team).offered_to == "vera"
    assert team.state.result is None


def test_claims_that_a_verifier_calls_compatible_are_both_used() -> None:
    team = a_team_with(twins)

    compare(team, "compatible")

    assert "RuleConflict" not in kinds(team)
    assert citable(team) == ["t1.c1", "t1.c2", "t2.c1", "t2.c2"]
    assert isinstance(team.done[-2], steps.Synthesize)


@pytest.mark.parametrize("verb", ["contradict", "unsure"])
def test_claims_that_are_not_called_compatible_are_ruled_on(verb: str) -> None:
    team = a_team_with(twins)

    compare(team, verb)

    assert kinds(team)[-4:] == ["Settle", "RuleConflict", "Synthesize", "Dismiss"]
    assert citable(team) == ["t1.c1", "t1.c2", "t2.c2"]
    [line] = struck_lines(team.state)
    assert "t2.c1" in line
    assert "better sources" in line


def test_facts_that_differ_are_ruled_on_without_a_verifier() -> None:
    team = a_team_with(facts)

    assert kinds(team)[-4:] == ["RaiseConflicts", "RuleConflict", "Synthesize", "Dismiss"]
    assert citable(team) == ["t1.c1"]


def test_a_lane_that_lost_every_claim_is_missing() -> None:
    team = a_team_with(facts)

    [lane] = steps.missing_lanes(team.state)
    assert "each of its claims contradicts another lane's" in lane


def test_a_run_that_lost_every_claim_is_rejected() -> None:
    team = PaperTeam()
    team.stands = lambda _: "neither"
    team.claims = facts
    team.lead()
    for task in ("t1", "t2"):
        team.work(task)
        team.lead()
        team.judge(task)
    team.lead()

    [finish] = [step for step in team.done if isinstance(step, steps.Finish)]
    assert finish.status == "rejected"
    assert len(finish.reasons) == 2


def test_a_comparison_that_fails_is_made_once_more() -> None:
    team = a_team_with(twins)

    compare(team, "fail")

    assert the_comparison(team).round == 2
    assert the_comparison(team).state is S.open


def test_a_comparison_that_fails_twice_goes_to_the_lead() -> None:
    team = a_team_with(twins)

    compare(team, "fail")
    compare(team, "fail")

    assert the_comparison(team).state is S.failed
    assert "RuleConflict" in kinds(team)
    assert the_conflict(team).ruling is not None


def test_the_comparison_of_a_lost_verifier_goes_to_another() -> None:
    team = a_team_with(twins)
    team.act("claim", "vera", the_comparison(team).id)

    team.lose("vera")
    team.done.clear()
    team.lead()

    assert kinds(team) == ["Reopen", "Recruit", "Offer", "Wait"]
    assert the_comparison(team).offered_to == "walt"


def test_verifiers_are_not_recruited_for_ever_when_they_keep_dying() -> None:
    team = a_team_with(twins, restarts_max=1)

    for name in ("vera", "walt"):
        team.lose(name)
        team.lead()

    assert the_comparison(team).state is S.failed
    assert "were lost" in the_comparison(team).reasons[0]
    assert "RuleConflict" in kinds(team)


def test_nobody_but_the_verifier_that_was_asked_settles_a_conflict() -> None:
    """An author who finds its own claim compatible has no say."""
    team = a_team_with(twins)
    said = ConflictJudged(outcome="compatible", reason="mine is right")
    team.story.tell("conflict", the_conflict(team).id, author="ada", body=said)

    compare(team, "contradict")

    assert "RuleConflict" in kinds(team)


def test_a_comparison_without_a_word_is_no_comparison() -> None:
    """A task that was submitted without a judgement does not settle anything."""
    team = a_team_with(twins)
    task = the_comparison(team)
    team.act("claim", "vera", task.id)
    team.story.tell("task", task.id, author="vera", body=TaskSubmitted())

    team.lead()

    assert "RuleConflict" in kinds(team)


def test_a_late_run_strikes_out_what_was_not_ruled_on() -> None:
    team = a_team_with(twins)
    team.act("claim", "vera", the_comparison(team).id)

    team.now = LATE
    team.lead()

    assert the_comparison(team).state is S.failed
    assert the_conflict(team).ruling is None
    assert citable(team) == ["t1.c2", "t2.c2"]
    assert isinstance(team.done[-2], steps.Synthesize)
    assert all("nobody has ruled on it" in line for line in struck_lines(team.state))


def test_a_late_run_writes_down_conflicts_and_asks_nobody() -> None:
    """The same stream, read when its time is over: certain ones are not ruled on either."""
    records = a_team_with(facts).story.records
    at = next(n for n, record in enumerate(records) if record.subject.kind == "conflict")

    assert isinstance(steps.next_step(fold(records[:at]), LATE), steps.RaiseConflicts)
    after = fold(records[: at + 1])
    assert isinstance(steps.next_step(after, LATE), steps.Finish)
    assert isinstance(steps.next_step(after, OPENED_AT), steps.RuleConflict)
    assert admitted_claims(after) == []


def test_a_cancelled_run_ends_whatever_is_compared() -> None:
    team = a_team_with(twins)

    team.cancel()
    team.lead()

    assert team.state.result is not None
    assert team.state.result.status == "cancelled"


def test_a_search_that_fails_ends_the_run_as_rejected() -> None:
    """A crash in the search is a no: nothing is written from what was not compared."""
    broken = msgspec.structs.replace(a_claim(), facts=(None,))  # type: ignore[arg-type]

    team = a_team_with(lambda _: (broken,))

    [finish] = [step for step in team.done if isinstance(step, steps.Finish)]
    assert finish.status == "rejected"
    assert "the search for claims that contradict each other failed" in finish.reasons[0]
    assert "Synthesize" not in kinds(team)


def test_a_third_claim_may_stand_once_its_rival_is_ruled_out() -> None:
    """t2 loses against t1; against t3 nothing has to be ruled any more."""
    team = PaperTeam([opens("a"), opens("b"), opens("c")])
    team.claims = lambda task: (with_fact(a_claim(), {"t2": "12"}.get(task.id, "9")),)
    team.lead()
    for task in ("t1", "t2", "t3"):
        team.work(task)
        team.lead()
        team.judge(task)
        team.lead()

    assert len(team.state.conflicts.all) == 2
    assert kinds(team).count("RuleConflict") == 1
    assert citable(team) == ["t1.c1", "t3.c1"]


def test_past_the_limit_of_rulings_neither_claim_stands() -> None:
    """Many conflicts: so many rulings, then no more, and the run still ends."""
    count = 7
    team = PaperTeam()
    team.claims = lambda task: tuple(
        with_fact(a_claim(f"c{n}"), f"{task.id} {n}") for n in range(count)
    )
    team.stands = lambda _: "both"
    team.lead()
    for task in ("t1", "t2"):
        team.work(task)
        team.lead()
        team.judge(task)
    team.lead()

    assert len(team.state.conflicts.all) == count * count
    assert count * count > RULINGS_MAX
    assert kinds(team).count("RuleConflict") == RULINGS_MAX
    assert len(citable(team)) < 2 * count
    assert team.state.result is not None


def test_a_comparison_names_the_conflict_that_it_is_about() -> None:
    team = a_team_with(twins)

    assert compared_by(the_comparison(team).id) == the_conflict(team).id
