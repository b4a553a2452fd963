"""What the lead does next, driven through whole runs on paper (tests/support/paper_team.py)."""

from __future__ import annotations

from collections import Counter

import pytest

from bus.ids import GATE
from bus.messages import ResultPublished, TaskSettled, TaskState, TaskSubmitted
from team.rules import steps
from team.rules.synthesis import admitted_claims
from tests.support.builders import (
    OPENED_AT,
    a_claim,
    a_finding,
    a_judgement,
    a_story,
    a_verdict,
    opens,
)
from tests.support.paper_team import PaperTeam

S = TaskState


def kinds(done: list[steps.AnyStep]) -> list[str]:
    return [type(step).__name__ for step in done]


def a_working_team(**policy: int | float) -> PaperTeam:
    """Two lanes, on which ada and bea were put; nobody has claimed anything yet."""
    team = PaperTeam(**policy)
    team.lead()
    team.done.clear()
    return team


def a_submitted_lane(**policy: int | float) -> PaperTeam:
    """Lane t1 is submitted, checked, and offered to verifiers."""
    team = a_working_team(**policy)
    team.work("t1")
    team.lead()
    team.done.clear()
    return team


# --- the way of a run ----------------------------------------------------------------


def test_a_run_goes_from_plan_to_synthesis() -> None:
    team = PaperTeam()
    team.lead()
    for task in ("t1", "t2"):
        team.work(task)
        team.lead()
        team.judge(task)
        team.lead()

    assert Counter(kinds(team.done)) == {
        "MakePlan": 1,
        "Dispatch": 1,
        "Recruit": 2,
        "Offer": 2,
        "CheckFinding": 2,
        "Verify": 2,
        "Settle": 2,
        "Wait": 4,
        "Synthesize": 1,
        "Dismiss": 1,
    }
    assert {task.state for task in team.state.board.tasks.values()} == {S.admitted}
    assert isinstance(team.next(), steps.Dismiss)


def test_a_run_begins_with_a_plan() -> None:
    assert steps.next_step(a_story().state, OPENED_AT) == steps.MakePlan()


def test_a_plan_that_was_made_is_dispatched_once() -> None:
    team = PaperTeam()
    team._plan()

    assert team.next() == steps.Dispatch()
    team.lead()
    assert [task.id for task in team.state.board.of_purpose("research")] == ["t1", "t2"]
    assert steps.Dispatch() not in team.done[1:]


def test_the_same_state_always_gets_the_same_step() -> None:
    team = a_submitted_lane()

    assert team.next() == team.next()


def test_seats_are_filled_for_the_lanes_there_are_within_policy() -> None:
    team = PaperTeam([opens(f"lane {n}") for n in range(5)], teammates_max=3)

    team.lead()

    recruited = [step for step in team.done if isinstance(step, steps.Recruit)]
    assert [(step.seat, step.count) for step in recruited] == [("worker", 3), ("verifier", 1)]
    assert team.task("t4").offered_to is None


def test_a_waiting_lane_is_offered_to_whoever_is_free_again() -> None:
    team = PaperTeam([opens("a"), opens("b")], teammates_max=1)
    team.lead()
    assert team.task("t2").offered_to is None

    team.work("t1")
    team.lead()

    assert team.task("t2").offered_to == "ada"


def test_the_lead_waits_until_the_end_of_the_run_at_most() -> None:
    team = a_working_team(run_seconds_max=100)

    assert team.next() == steps.Wait(until=team.now + steps.WAIT_S)
    team.now = OPENED_AT + 95.0
    assert team.next() == steps.Wait(until=OPENED_AT + 100.0)


# --- the gate --------------------------------------------------------------------------


def test_a_finding_is_checked_before_anybody_verifies_it() -> None:
    team = a_working_team()
    team.work("t1")

    assert team.next() == steps.CheckFinding(task="t1")


def test_a_finding_that_the_exact_checks_refuse_comes_back_with_the_reasons() -> None:
    team = a_working_team()
    team.refuses = lambda task: task.round == 1
    team.work("t1")

    team.lead()

    assert kinds(team.done)[:2] == ["CheckFinding", "Reopen"]
    task = team.task("t1")
    assert (task.state, task.round, task.offered_to) == (S.open, 2, "ada")
    assert task.reasons == ("finding: quotes refuted: so it is",)


def test_a_lane_that_is_refused_and_mended_is_admitted() -> None:
    team = a_working_team()
    team.refuses = lambda task: task.round == 1
    team.work("t1")
    team.lead()

    team.work("t1")
    team.lead()
    team.judge("t1")
    team.lead()

    task = team.task("t1")
    assert (task.state, task.round, task.is_settled) == (S.admitted, 2, True)
    assert steps.missing_lanes(team.state) == ()
    assert steps.rejected_findings(team.state) == (
        "ada on t1, round 1: finding: quotes refuted: so it is",
    )


def test_a_lane_is_rejected_when_its_rounds_are_used_up() -> None:
    team = a_working_team(rounds_max=2, fresh_rounds_max=0)
    team.refuses = lambda _: True
    for _ in range(2):
        team.work("t1")
        team.lead()

    task = team.task("t1")
    assert (task.state, task.is_settled, task.round) == (S.rejected, True, 2)
    assert steps.missing_lanes(team.state) == (
        "pools: rejected: finding: quotes refuted: so it is",
    )


def test_a_finding_that_a_verifier_refutes_comes_back() -> None:
    team = a_submitted_lane()
    team.judge("t1", "refute")

    team.lead()

    assert team.task("t1").round == 2
    assert team.task("t1").reasons == ("claim c1: verification refuted: so it is",)


def test_a_mended_finding_is_verified_anew() -> None:
    team = a_submitted_lane()
    team.judge("t1", "refute")
    team.lead()

    team.work("t1")
    team.lead()

    assert [v.id for v in steps.verifications_of(team.state, team.task("t1"))] == ["v-t1-2-1"]


def test_a_task_that_is_submitted_without_a_finding_is_not_returned() -> None:
    team = a_working_team(rounds_max=1, fresh_rounds_max=0)
    team.act("claim", "ada", "t1")
    team.story.tell("task", "t1", author="ada", body=TaskSubmitted())

    assert team.next() == steps.Settle(
        task="t1", state="failed", reasons=("it was submitted without a finding",)
    )


def test_a_lane_whose_holder_gives_up_is_tried_again_and_then_failed() -> None:
    team = a_working_team(rounds_max=2, fresh_rounds_max=0)
    for _ in range(2):
        team.act("claim", "ada", "t1")
        team.act("fail", "ada", "t1")
        team.lead()

    task = team.task("t1")
    assert (task.state, task.is_settled, task.round) == (S.failed, True, 2)
    assert task.reasons == ("out of turns",)


def test_nothing_is_admitted_with_fewer_verifiers_than_the_spec_asks_for() -> None:
    """Two are asked for and one is lost: another is recruited first."""
    team = PaperTeam(verifiers=2)
    team.lead()
    team.lose("walt")
    team.done.clear()

    team.work("t1")
    team.lead()
    verifications = steps.verifications_of(team.state, team.task("t1"))
    team.judge("t1")
    team.lead()

    assert kinds(team.done)[:3] == ["CheckFinding", "Recruit", "Verify"]
    assert [v.offered_to for v in verifications] == ["vera", "xena"]
    assert team.task("t1").state is S.admitted


def test_all_verifiers_must_have_judged_before_a_lane_is_settled() -> None:
    team = PaperTeam(verifiers=2)
    team.lead()
    team.work("t1")
    team.lead()

    team.act("claim", "vera", "v-t1-1-1")
    team.act("uphold", "vera", "v-t1-1-1")

    assert isinstance(team.lead(), steps.Wait)
    assert team.task("t1").state is S.submitted


def test_the_verifications_of_a_lane_are_settled_with_it() -> None:
    team = a_submitted_lane()
    team.judge("t1")

    assert team.next() == steps.Settle(task="t1", state="admitted", verifications=("v-t1-1-1",))


def test_the_verifications_of_a_round_are_settled_when_the_lane_comes_back() -> None:
    team = a_submitted_lane()
    team.judge("t1", "refute")

    step = team.next()
    team.lead()

    assert isinstance(step, steps.Reopen)
    assert step.verifications == ("v-t1-1-1",)
    assert team.task("v-t1-1-1").is_settled


def test_a_verifier_that_gives_up_may_try_once_more() -> None:
    team = a_submitted_lane()
    for _ in range(2):
        team.act("claim", "vera", "v-t1-1-1")
        team.act("fail", "vera", "v-t1-1-1")
        team.lead()

    assert team.task("v-t1-1-1").round == 2
    assert team.task("t1").round == 2
    assert "the verifier of v-t1-1-1 did not judge it" in team.task("t1").reasons[0]


def test_a_verification_that_was_called_off_upholds_nothing() -> None:
    team = a_submitted_lane()

    team.story.tell("task", "v-t1-1-1", body=TaskSettled(state="cancelled"))
    team.lead()

    assert team.task("t1").round == 2
    assert "the verifier of v-t1-1-1 did not judge it" in team.task("t1").reasons[0]


@pytest.mark.parametrize("author", ["ada", "bea"])
def test_a_finding_that_comes_in_during_verification_is_not_heard(author: str) -> None:
    """Only the holder submits, and only while it holds the task."""
    team = a_submitted_lane()
    team.judge("t1")
    team.story.tell("finding", "t1", author=author, body=a_finding(a_claim(text="Penguins.")))

    team.lead()

    assert team.task("t1").state is S.admitted
    assert [one.claim.text for one in admitted_claims(team.state)] != ["Penguins."]
    assert team.state.board.anomalies


# --- time ---


def test_when_time_is_nearly_over_each_member_at_work_is_told_once_to_wrap_up() -> None:
    team = a_working_team(run_seconds_max=100)
    team.act("claim", "ada", "t1")
    team.now = OPENED_AT + 79.0
    assert team.next() == steps.Wait(until=OPENED_AT + 80.0)

    team.now = OPENED_AT + 81.0
    team.lead()
    team.act("claim", "bea", "t2")
    team.lead()

    asked = [step.member for step in team.done if isinstance(step, steps.AskToWrapUp)]
    assert asked == ["ada", "bea"]
    assert team.next() == steps.Wait(until=OPENED_AT + 100.0)


def test_what_is_submitted_in_the_last_minutes_is_still_judged() -> None:
    team = a_working_team(run_seconds_max=100)
    team.now = OPENED_AT + 81.0

    team.work("t1")
    team.lead()
    team.judge("t1")
    team.lead()

    assert team.task("t1").state is S.admitted


# --- losses ------------------------------------------------------------------------------


def test_the_lane_of_a_lost_member_goes_to_another_in_the_same_round() -> None:
    team = a_working_team()
    team.act("claim", "ada", "t1")
    team.lose("ada")

    team.lead()

    assert kinds(team.done) == ["Reopen", "Recruit", "Offer", "Wait"]
    task = team.task("t1")
    assert (task.state, task.offered_to, task.round) == (S.open, "cleo", 1)
    assert task.reasons == ("ada was lost while it worked on this",)


def test_a_lane_that_was_offered_to_a_lost_member_is_offered_to_another() -> None:
    team = a_working_team()
    team.lose("ada")

    team.lead()

    assert kinds(team.done) == ["Recruit", "Offer", "Wait"]
    assert team.task("t1").offered_to == "cleo"


def test_a_finding_of_a_member_that_was_lost_afterwards_is_still_judged() -> None:
    team = a_working_team()
    team.work("t1")
    team.lose("ada")
    team.lead()

    team.judge("t1")
    team.lead()

    assert team.task("t1").state is S.admitted


@pytest.mark.parametrize("has_claimed", [True, False])
def test_the_verification_of_a_lost_verifier_goes_to_another(has_claimed: bool) -> None:
    team = a_submitted_lane()
    if has_claimed:
        team.act("claim", "vera", "v-t1-1-1")
    team.lose("vera")

    team.lead()
    offered_to = team.task("v-t1-1-1").offered_to
    team.judge("t1")
    team.lead()

    assert offered_to == "walt"
    assert team.task("t1").state is S.admitted


def test_a_lost_verifiers_part_does_not_go_to_one_who_judges_the_same_finding() -> None:
    """Two verdicts of one verifier are one verdict."""
    team = PaperTeam(verifiers=2)
    team.lead()
    team.work("t1")
    team.lead()
    team.act("claim", "vera", "v-t1-1-1")
    team.act("uphold", "vera", "v-t1-1-1")

    team.lose("walt")
    team.lead()

    assert team.task("v-t1-1-2").offered_to == "xena"


@pytest.mark.parametrize("role", ["worker", "verifier"])
def test_seats_are_not_filled_for_ever_when_members_keep_dying(role: str) -> None:
    team = PaperTeam([opens("pools")], restarts_max=2)
    wanted = "researcher" if role == "worker" else "skeptic"
    for _ in range(20):
        if isinstance(team.lead(), steps.Dismiss):
            break
        if role == "verifier" and team.task("t1").state is S.open:
            team.work("t1")
        for seat in team.state.roster.present(wanted):
            team.lose(seat.name)

    lost = [seat for seat in team.state.roster.seats.values() if seat.lost]
    assert len(lost) == 3
    assert team.state.result is not None
    assert team.state.result.status == "rejected"
    assert f"3 members of role {wanted!r} were lost" in team.task("t1").reasons[0]


# --- dependencies ------------------------------------------------------------------------


def test_a_lane_waits_until_all_that_it_depends_on_is_admitted() -> None:
    team = PaperTeam([opens("a"), opens("b"), opens("c", depends_on=("t1", "t2"))])
    team.lead()
    offered = []
    for task in ("t1", "t2"):
        offered.append(team.task("t3").offered_to)
        team.work(task)
        team.lead()
        offered.append(team.task("t3").offered_to)
        team.judge(task)
        team.lead()

    assert offered == [None] * 4
    assert team.task("t3").offered_to is not None


@pytest.mark.parametrize("needed", ["t1", "t9"])
def test_a_lane_fails_if_what_it_depends_on_was_not_admitted(needed: str) -> None:
    team = PaperTeam(
        [opens("a"), opens("b", depends_on=(needed,))], rounds_max=1, fresh_rounds_max=0
    )
    team.lead()
    if needed == "t1":
        team.act("claim", "ada", "t1")
        team.act("fail", "ada", "t1")
        team.lead()

    task = team.task("t2")
    assert (task.state, task.is_settled) == (S.failed, True)
    assert task.reasons == (f"it depends on {needed}, which was not admitted",)


# --- ends --------------------------------------------------------------------------------


def test_a_run_with_one_admitted_lane_has_an_answer_that_says_what_is_missing() -> None:
    team = a_submitted_lane(rounds_max=1, fresh_rounds_max=0)
    team.judge("t1")
    team.act("claim", "bea", "t2")
    team.act("fail", "bea", "t2")

    team.lead()

    assert "Synthesize" in kinds(team.done)
    assert steps.missing_lanes(team.state) == ("timeouts: failed: out of turns",)


def test_a_run_without_an_admitted_lane_has_no_answer() -> None:
    team = a_working_team(rounds_max=1, fresh_rounds_max=0)
    for member, task in (("ada", "t1"), ("bea", "t2")):
        team.act("claim", member, task)
        team.act("fail", member, task)

    team.lead()

    finished = next(step for step in team.done if isinstance(step, steps.Finish))
    assert finished.status == "rejected"
    assert finished.reasons == ("pools: failed: out of turns", "timeouts: failed: out of turns")


def test_a_late_run_gives_up_what_is_open_and_uses_what_was_admitted() -> None:
    team = a_submitted_lane(run_seconds_max=100)
    team.judge("t1")
    team.lead()
    team.now = OPENED_AT + 101.0

    assert isinstance(team.lead(), steps.Dismiss)

    assert team.task("t1").state is S.admitted
    assert team.task("t2").state is S.failed
    assert "Synthesize" in kinds(team.done)
    assert steps.missing_lanes(team.state) == ("timeouts: failed: the run's wall time is over",)


@pytest.mark.parametrize("stage", ["planned", "claimed", "submitted", "upheld"])
def test_a_late_run_admits_nothing_more(stage: str) -> None:
    team = a_working_team(run_seconds_max=100)
    if stage == "claimed":
        team.act("claim", "ada", "t1")
    if stage in ("submitted", "upheld"):
        team.work("t1")
        team.lead()
    if stage == "upheld":
        team.judge("t1")
    team.now = OPENED_AT + 101.0

    team.lead()

    assert {team.task(t).state for t in ("t1", "t2")} == {S.failed}
    assert team.state.result is not None
    assert team.state.result.status == "rejected"


@pytest.mark.parametrize("stage", ["opened", "planned", "submitted"])
def test_a_cancelled_run_ends_at_once_with_the_reason(stage: str) -> None:
    team = PaperTeam()
    if stage != "opened":
        team.lead()
    if stage == "submitted":
        team.work("t1")

    team.cancel("wrong question")

    assert team.next() == steps.Finish(status="cancelled", reasons=("wrong question",))
    assert isinstance(team.lead(), steps.Dismiss)


def test_a_run_that_has_a_result_is_not_cancelled_any_more() -> None:
    team = PaperTeam()
    team.story.tell("result", body=ResultPublished(status="admitted"))

    team.cancel()

    assert team.next() == steps.Dismiss()


def test_a_lane_that_was_settled_without_reasons_says_so() -> None:
    team = a_working_team()
    team.story.tell("task", "t1", body=TaskSettled(state="cancelled"))

    assert steps.missing_lanes(team.state) == ("pools: cancelled: no reason was given",)


def test_objections_are_named_with_who_was_refused() -> None:
    story = a_story()
    seq = story.tell("finding", "t1", author="bea", body=a_finding(round=2))
    story.tell("verdict", "t1", author=GATE, body=a_verdict(seq, a_judgement("unsure", "c1")))

    assert steps.rejected_findings(story.state) == (
        "bea on t1, round 2: claim c1: verification unsure: so it is",
    )
