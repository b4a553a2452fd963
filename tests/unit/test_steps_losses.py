"""Which lane ends when members keep dying: one that lacks a member, and no other."""

from __future__ import annotations

from collections.abc import Sequence

import msgspec

from bus.ids import LEAD
from bus.messages import RunOpened, TaskOpened, TaskState
from tests.support.builders import OPENED_AT, Story, a_resolved_spec, opens
from tests.support.paper_team import PaperTeam

S = TaskState


class OneRole(PaperTeam):
    """A team whose workers and verifiers are all skeptics."""

    def __init__(self, lanes: Sequence[TaskOpened], **policy: int | float) -> None:
        super().__init__(lanes, **policy)
        spec = a_resolved_spec(**policy)
        roles = msgspec.structs.replace(spec.team.roles, worker="skeptic")
        spec = msgspec.structs.replace(spec, team=msgspec.structs.replace(spec.team, roles=roles))
        opened = RunOpened(goal="Compare pools.", spec=msgspec.Raw(msgspec.json.encode(spec)))
        self.story = Story()
        self.story.tell("spec", body=opened, at=OPENED_AT)
        self.story.seat(LEAD, role="lead")

    def _recruit(self, role: str, count: int) -> None:  # noqa: ARG002 - there is one
        super()._recruit("skeptic", count)


def loses(team: PaperTeam, task: str, times: int) -> None:
    """Whoever is offered a task is lost, one after the other."""
    for _ in range(times):
        team.lose(team.task(task).offered_to or "")
        team.lead()


def test_a_lane_whose_members_keep_dying_does_not_end_those_of_others() -> None:
    team = PaperTeam([opens("a"), opens("b"), opens("c")], restarts_max=1, teammates_max=3)
    team.lead()
    for task in ("t1", "t2"):
        team.act("claim", team.task(task).offered_to or "", task)
    for _ in range(2):
        member = team.task("t3").offered_to or ""
        team.act("claim", member, "t3")
        team.lose(member)
        team.lead()

    assert [team.task(task).state for task in ("t1", "t2", "t3")] == [
        S.claimed,
        S.claimed,
        S.failed,
    ]
    assert "2 members of role 'researcher' were lost" in team.task("t3").reasons[0]


def test_a_lane_that_waits_for_its_turn_is_not_ended_while_somebody_is_left_for_it() -> None:
    team = PaperTeam([opens("a"), opens("b"), opens("c")], restarts_max=1, teammates_max=2)
    team.lead()
    team.act("claim", "bea", "t2")
    loses(team, "t1", 2)
    assert (team.task("t1").state, team.task("t3").state) == (S.failed, S.open)

    team.act("submit", "bea", "t2")
    team.lead()

    assert team.task("t3").offered_to == "bea"


def test_lanes_that_nobody_is_left_for_all_end() -> None:
    team = PaperTeam([opens("a"), opens("b"), opens("c")], restarts_max=1, teammates_max=1)
    team.lead()

    loses(team, "t1", 2)

    assert {team.task(task).state for task in ("t1", "t2", "t3")} == {S.failed}
    assert team.state.result is not None


def a_team_that_loses_verifiers(*, verifiers: int) -> PaperTeam:
    """One lane is submitted and offered to verifiers, the other is worked on."""
    team = PaperTeam(verifiers=verifiers, restarts_max=1)
    team.lead()
    team.work("t1")
    team.act("claim", "bea", "t2")
    team.lead()
    loses(team, "v-t1-1-1", 2)
    return team


def test_only_a_lane_that_waits_for_a_verifier_ends_for_want_of_one() -> None:
    team = a_team_that_loses_verifiers(verifiers=1)
    assert (team.task("t1").state, team.task("t2").state) == (S.failed, S.claimed)

    team.act("submit", "bea", "t2")
    team.lead()

    assert team.task("t2").state is S.failed
    assert "2 members of role 'skeptic' were lost" in team.task("t2").reasons[0]


def test_a_lane_that_ends_for_want_of_a_verifier_ends_with_its_verifications() -> None:
    """Else what these were granted would never come back."""
    team = a_team_that_loses_verifiers(verifiers=2)

    names = {"v-t1-1-1", "v-t1-1-2"}
    assert team.task("t1").state is S.failed
    assert all(team.task(name).is_settled for name in names)
    assert not names & set(team.state.ledger.waiting)


def test_a_verification_that_only_those_may_take_who_have_a_part_in_it_gets_somebody_else() -> None:
    """Workers and verifiers play one role: enough are there, and none of them may judge it."""
    team = OneRole([opens("pools", role="skeptic")], teammates_max=1, restarts_max=2)
    team.lead()
    team.work("t1")
    team.lead()
    verifier = team.task("v-t1-1-1").offered_to or ""
    team.lose(verifier)

    team.lead()

    assert team.task("v-t1-1-1").offered_to not in (None, verifier, team.task("t1").holder)
