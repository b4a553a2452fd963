"""A member that gets nowhere is told, then replaced; one that moves is left alone."""

from __future__ import annotations

import pytest

from bus.ids import SUPERVISOR
from bus.messages import (
    FindingNoted,
    MemberJoined,
    MemberStuck,
    TaskState,
    UsageSpent,
    WrapUp,
)
from team.rules import steps
from tests.support.builders import a_usage
from tests.support.paper_team import PaperTeam

STUCK = MemberStuck(reason="nothing has moved for 300 s")


def a_stuck_team(member: str = "ada", times: int = 1) -> PaperTeam:
    """Ada holds t1, bea t2; one of them was seen to get nowhere."""
    team = PaperTeam()
    team.lead()
    for task in ("t1", "t2"):
        team.act("claim", team.task(task).offered_to or "", task)
    team.lead()
    team.done.clear()
    for _ in range(times):
        see(team, member)
    return team


def see(team: PaperTeam, member: str = "ada", body: MemberStuck = STUCK) -> None:
    team.story.tell("member", member, author=SUPERVISOR, body=body)


def done(team: PaperTeam) -> list[str]:
    team.lead()
    return [type(step).__name__ for step in team.done if not isinstance(step, steps.Wait)]


def test_a_member_that_gets_nowhere_is_told_once() -> None:
    team = a_stuck_team()
    seq = team.story.last_seq

    assert team.next() == steps.TellStuck(member="ada", reason=STUCK.reason, stuck_seq=seq)
    assert done(team) == ["TellStuck"]
    assert isinstance(team.next(), steps.Wait)


def test_one_that_was_told_and_does_not_move_is_replaced_and_its_task_goes_to_another() -> None:
    team = a_stuck_team()
    team.lead()
    see(team)

    assert team.next() == steps.Replace(
        member="ada", reason=f"it was told and did not move: {STUCK.reason}"
    )
    assert done(team) == ["TellStuck", "Replace", "Reopen", "Recruit", "Offer"]
    assert not team.state.roster.is_in("ada")
    task = team.task("t1")
    assert (task.state, task.round, task.offered_to) == (TaskState.open, 1, "cleo")
    assert task.reasons == ("ada was lost while it worked on this",)


def test_what_was_seen_twice_before_the_lead_looked_is_told_first() -> None:
    """A lead that was busy does not replace whom it never told."""
    team = a_stuck_team(times=2)

    assert done(team) == ["TellStuck"]


@pytest.mark.parametrize("moves", ["usage", "finding"])
def test_one_that_has_moved_since_is_told_anew(moves: str) -> None:
    team = a_stuck_team()
    team.lead()
    body: UsageSpent | FindingNoted = a_usage() if moves == "usage" else FindingNoted(text="x")
    names = () if moves == "usage" else ("t1",)
    team.story.tell(moves, *names, author="ada", body=body)

    assert team.state.roster.seats["ada"].stuck is None
    see(team)
    assert done(team) == ["TellStuck", "TellStuck"]


def test_a_new_process_begins_with_a_clean_slate() -> None:
    team = a_stuck_team()
    team.lead()
    team.story.tell("member", "ada", author="ada", body=MemberJoined(pid=2, host="h"))
    seat = team.state.roster.seats["ada"]

    assert (seat.stuck, seat.stuck_seq, seat.told_seq) == (None, 0, 0)
    assert isinstance(team.next(), steps.Wait)


def test_the_lead_neither_tells_nor_replaces_itself() -> None:
    assert isinstance(a_stuck_team("lead", times=2).next(), steps.Wait)


@pytest.mark.parametrize("author", ["ada", "bea", "lead", "person"])
def test_only_the_supervisor_says_who_is_stuck(author: str) -> None:
    team = a_stuck_team(times=0)
    team.story.tell("member", "ada", author=author, body=STUCK)

    assert team.state.roster.seats["ada"].stuck is None


def test_who_was_told_for_being_stuck_may_still_be_told_that_time_runs_out() -> None:
    team = a_stuck_team()
    team.lead()

    assert team.state.told_to_wrap_up == set()
    assert isinstance(team.story.records[-1].body, WrapUp)


def test_members_of_a_circle_are_told_one_after_the_other() -> None:
    team = a_stuck_team(times=0)
    see(team, "ada", MemberStuck(reason="a circle", waits_for=("bea",)))
    see(team, "bea", MemberStuck(reason="a circle", waits_for=("ada",)))

    assert done(team) == ["TellStuck", "TellStuck"]
    assert {s.told_seq > 0 for s in team.state.roster.present("researcher")} == {True}
