"""Is a team worth it? Two lanes that can begin apart, or one context."""

from __future__ import annotations

import pytest

from team.rules.plan import Lane
from team.rules.triage import Mode, triage
from tests.support.builders import a_lane

POOLS, TIMEOUTS, RETRIES = a_lane("pools"), a_lane("timeouts"), a_lane("retries")


@pytest.mark.parametrize("asked", ["team", "solo"])
@pytest.mark.parametrize("lanes", [[POOLS], [POOLS, TIMEOUTS]])
def test_what_the_user_asks_for_is_done(asked: Mode, lanes: list[Lane]) -> None:
    ruling = triage(lanes, asked)

    assert ruling.mode == asked
    assert ruling.reasons == (f"you asked for --mode {asked}",)


def test_two_lanes_that_can_begin_apart_are_worth_a_team() -> None:
    ruling = triage([POOLS, TIMEOUTS], "auto")

    assert ruling.mode == "team"
    assert ruling.reasons == ("2 lanes, 2 of which need no other's output",)


def test_a_third_lane_may_wait_for_the_others() -> None:
    later = a_lane("retries", depends_on=("pools", "timeouts"))

    assert triage([POOLS, TIMEOUTS, later], "auto").mode == "team"


@pytest.mark.parametrize("lanes", [[], [POOLS]])
def test_a_single_lane_needs_no_team(lanes: list[Lane]) -> None:
    ruling = triage(lanes, "auto")

    assert ruling.mode == "solo"
    assert ruling.reasons == ("there is one lane only",)


def test_lanes_that_follow_each_other_need_no_team() -> None:
    chain = [POOLS, a_lane("timeouts", depends_on=("pools",))]

    ruling = triage(chain, "auto")

    assert ruling.mode == "solo"
    assert "fewer than two lanes can begin" in ruling.reasons[0]


def test_lanes_whose_outputs_name_each_other_need_no_team() -> None:
    lanes = [POOLS, a_lane("timeouts", output="Where lane Pools and this one differ.")]

    ruling = triage(lanes, "auto")

    assert ruling.mode == "solo"
    assert ruling.reasons == ("the output of 'timeouts' can't be said without 'pools'",)


def test_one_entangled_lane_does_not_spoil_two_that_stand_alone() -> None:
    entangled = a_lane("summary", output="What lane pools found, shorter.")

    assert triage([POOLS, TIMEOUTS, entangled], "auto").mode == "team"


def test_a_lane_may_name_itself() -> None:
    lanes = [a_lane("pools", output="What lane pools is about."), TIMEOUTS]

    assert triage(lanes, "auto").mode == "team"
