"""A lane whose producer has used up its rounds goes to somebody who has not seen it."""

from __future__ import annotations

from bus.messages import TaskClaimed, TaskState
from tests.support.paper_team import PaperTeam

S = TaskState


def refused_twice(**policy: int | float) -> PaperTeam:
    """Lane t1 has used up its producer's two rounds."""
    team = PaperTeam(**policy)
    team.lead()
    team.refuses = lambda task: task.id == "t1"
    for _ in range(2):
        team.work("t1")
        team.lead()
    return team


def test_after_its_producers_rounds_a_lane_goes_to_a_fresh_teammate() -> None:
    team = refused_twice()

    task = team.task("t1")
    assert (task.state, task.round, task.not_by) == (S.open, 3, ("ada",))
    assert task.offered_to not in (None, "ada")


def test_a_fresh_teammate_is_recruited_if_all_that_are_there_have_worked_on_the_lane() -> None:
    """Bea has a lane of her own; cleo comes in for the third round of ada's."""
    team = refused_twice()

    assert [seat.name for seat in team.state.roster.present("researcher")] == ["ada", "bea", "cleo"]
    assert team.task("t1").offered_to == "cleo"


def test_a_lane_waits_for_a_peer_to_be_free_when_there_is_no_room_for_a_fresh_one() -> None:
    team = refused_twice(teammates_max=2)
    assert team.task("t1").offered_to is None

    team.work("t2")
    team.lead()
    assert team.task("t1").offered_to == "bea"


def test_a_lane_is_rejected_when_nobody_fresh_can_be_had() -> None:
    team = refused_twice(teammates_max=1)

    assert team.task("t1").state is S.rejected


def test_a_lane_is_rejected_after_the_fresh_teammates_rounds_too() -> None:
    team = refused_twice(fresh_rounds_max=1)
    team.work("t1")
    team.lead()

    assert (team.task("t1").state, team.task("t1").round) == (S.rejected, 3)


def test_who_has_worked_on_a_lane_before_can_not_claim_its_fresh_round() -> None:
    team = refused_twice(teammates_max=2)

    team.story.tell("task", "t1", author="ada", body=TaskClaimed())
    assert team.task("t1").state is S.open
    assert team.state.board.anomalies


def test_when_the_fresh_teammate_is_lost_the_lane_stays_closed_to_its_former_producer() -> None:
    team = refused_twice()
    team.act("claim", "cleo", "t1")
    team.lose("cleo")
    team.lead()

    assert team.task("t1").not_by == ("ada",)
    assert team.task("t1").offered_to not in ("ada", "cleo")
