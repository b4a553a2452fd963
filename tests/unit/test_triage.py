"""Is a team worth it? Code rules, says why, and makes the lanes ready."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from team.codes import RULES as CATALOGUE
from team.policy import TriageRules
from team.rules.effort import EFFORTS, Mode
from team.rules.lanes import Shaped
from team.rules.plan import Ability, Lane, Plan, PlanFacts, plan_problems
from team.rules.triage import RULES, SHAPES, Triage, triage
from tests.support.builders import a_lane, a_plan, some_facts

POOLS, TIMEOUTS = a_lane("pools"), a_lane("timeouts", sources=("code",))


def ruled(*lanes: Lane, **facts: Any) -> Triage:
    return triage(a_plan(*lanes), some_facts(**facts))


def codes(ruling: Triage) -> list[str]:
    """The codes that the reasons name, without those of a sentence that has none."""
    heads = [reason.removeprefix("left aside, ").split(":")[0] for reason in ruling.reasons]
    return [head for head in heads if head in CATALOGUE]


def test_two_lanes_that_can_begin_apart_are_worth_a_team() -> None:
    ruling = ruled(POOLS, TIMEOUTS)

    assert ruling == Triage(
        mode="team",
        reasons=("2 lanes, 2 of which need no other's output",),
        lanes=(POOLS, TIMEOUTS),
    )


def test_a_third_lane_may_wait_for_the_others() -> None:
    later = a_lane("retries", depends_on=("pools", "timeouts"))

    assert ruled(POOLS, TIMEOUTS, later).mode == "team"


# --- modes --------------------------------------------------------------------------


@pytest.mark.parametrize("lanes", [[POOLS], [POOLS, TIMEOUTS]])
def test_who_asks_for_solo_gets_one_lane(lanes: list[Lane]) -> None:
    ruling = ruled(*lanes, mode="solo")

    assert (ruling.mode, ruling.reasons) == ("solo", ("you asked for --mode solo",))
    assert [lane.objective for lane in ruling.lanes] == [some_facts().goal]


def test_who_asks_for_a_team_gets_one_and_is_told_what_speaks_against_it() -> None:
    same = Ability(model="m", tools=("read_source",))
    rules = TriageRules(lane_tokens_min=9_000)

    ruling = ruled(POOLS, TIMEOUTS, mode="team", lead=same, worker=same, rules=rules)

    assert (ruling.mode, ruling.lanes) == ("team", (POOLS, TIMEOUTS))
    assert ruling.reasons[0] == "you asked for --mode team"
    assert codes(ruling) == ["T103", "T105"]
    assert all(reason.startswith("left aside, ") for reason in ruling.reasons[1:])


def test_not_even_who_asks_for_a_team_gets_two_that_write_the_same_file() -> None:
    lanes = [a_lane("a", writes=("x",)), a_lane("b", writes=("x",)), TIMEOUTS]

    ruling = ruled(*lanes, mode="team")

    assert [lane.title for lane in ruling.lanes] == ["a and b", "timeouts"]
    assert codes(ruling) == ["T104"]


# --- against a team -----------------------------------------------------------------


def test_a_single_lane_needs_no_team() -> None:
    ruling = ruled(POOLS)

    assert ruling.mode == "solo"
    assert ruling.reasons == ("T101: there is one lane only",)


def test_lanes_that_follow_each_other_need_no_team() -> None:
    ruling = ruled(POOLS, a_lane("timeouts", sources=("code",), depends_on=("pools",)))

    assert ruling.mode == "solo"
    assert ruling.reasons == ("T101: 1 of 2 lanes can begin without another's output, not 2",)


def test_more_lanes_may_be_asked_for_by_the_teams_own_rules() -> None:
    rules = TriageRules(lanes_min=3)

    assert codes(ruled(POOLS, TIMEOUTS, rules=rules)) == ["T101"]


def test_lanes_whose_outputs_need_each_other_need_no_team() -> None:
    ruling = ruled(POOLS, a_lane("timeouts", output="Where pools and these differ."))

    assert ruling.mode == "solo"
    assert codes(ruling) == ["T101", "T102"]


def test_one_entangled_lane_does_not_spoil_two_that_stand_alone() -> None:
    entangled = a_lane("summary", output="What pools do, shorter.")

    ruling = ruled(POOLS, TIMEOUTS, entangled)

    assert ruling.mode == "team"
    assert [lane.depends_on for lane in ruling.lanes] == [(), (), ("pools",)]


def test_lanes_too_short_to_pay_for_dispatch_need_no_team() -> None:
    ruling = triage(a_plan(POOLS, TIMEOUTS), some_facts({"docs/a": 90, "code/a": 80}))

    assert ruling.mode == "solo"
    assert codes(ruling) == ["T101", "T103"]


SAME = Ability(model="m", tools=("read_source", "note"))


@pytest.mark.parametrize(
    ("facts", "mode"),
    [
        ({"lead": SAME, "worker": SAME}, "solo"),
        ({"lead": SAME, "worker": Ability(model="m", tools=("read_source",))}, "solo"),
        ({"lead": SAME, "worker": Ability(model="n", tools=("read_source",))}, "team"),
        ({"lead": SAME, "worker": Ability(model="m", tools=("read_source", "shell"))}, "team"),
        ({"lead": SAME, "worker": SAME, "rules": TriageRules(window_tokens=10_000)}, "team"),
    ],
)
def test_a_team_that_is_no_better_than_its_lead_is_none(facts: dict[str, Any], mode: Mode) -> None:
    """The same model and tools, and sources that fit: tools to deal with peers do not count."""
    ruling = ruled(POOLS, TIMEOUTS, **facts)

    assert ruling.mode == mode
    assert ("T105" in codes(ruling)) is (mode == "solo")


def test_a_plan_above_its_cap_is_not_dispatched_even_if_nobody_sent_it_back() -> None:
    plan = a_plan(*(a_lane(f"l{n}", objective=f"o{n} p{n}") for n in range(6)))

    for mode in ("auto", "team"):
        ruling = triage(plan, some_facts(mode=mode))

        assert ruling.mode == "solo"
        assert ruling.reasons[0] == "T108: 6 lanes, at most 4 for effort 'comparison'"


def test_a_lane_for_everything_that_outgrows_a_context_is_said_to() -> None:
    rules = TriageRules(window_tokens=10_000)

    ruling = ruled(POOLS, TIMEOUTS, mode="solo", rules=rules)

    assert codes(ruling) == ["T107"]
    assert "stays whole" in ruling.reasons[-1]


def test_a_broad_lane_is_split_after_the_ruling() -> None:
    rules = TriageRules(window_tokens=10_000)

    ruling = ruled(POOLS, TIMEOUTS, rules=rules)

    assert len(ruling.lanes) == 4
    assert ruling.reasons[0] == "4 lanes, 4 of which need no other's output"
    assert codes(ruling) == ["T107", "T107"]


# --- rules that fail ----------------------------------------------------------------


@pytest.mark.parametrize("code", RULES)
def test_a_rule_that_fails_speaks_against_a_team(code: str) -> None:
    def fails(_: Sequence[Lane], __: PlanFacts) -> str | None:
        raise RuntimeError("disk full")

    ruling = triage(a_plan(POOLS, TIMEOUTS), some_facts(), SHAPES, {**RULES, code: fails})

    assert ruling.mode == "solo"
    assert ruling.reasons == (f"{code}: the check failed: RuntimeError('disk full')",)


@pytest.mark.parametrize("mode", ["auto", "team"])
@pytest.mark.parametrize("code", SHAPES)
def test_lanes_that_cannot_be_made_ready_are_no_teams(code: str, mode: Mode) -> None:
    """Not even if one was asked for: unmerged, they might undo each other's work."""

    def fails(_: Sequence[Lane], __: PlanFacts) -> Shaped:
        raise RuntimeError("disk full")

    ruling = triage(a_plan(POOLS, TIMEOUTS), some_facts(mode=mode), {**SHAPES, code: fails})

    assert ruling.mode == "solo"
    assert ruling.reasons == (f"{code}: the check failed: RuntimeError('disk full')",)


def test_sizes_that_cannot_be_read_speak_against_a_team() -> None:
    def covered(_: tuple[str, ...] | None) -> tuple[Any, ...]:
        raise OSError("no library")

    ruling = triage(a_plan(POOLS, TIMEOUTS), some_facts(covered=covered))

    assert ruling.mode == "solo"
    assert "T106: the check failed: OSError('no library')" in ruling.reasons


def test_lanes_whose_size_is_not_known_are_no_teams() -> None:
    """Neither too short nor too broad can be ruled out."""

    def covered(_: tuple[str, ...] | None) -> tuple[Any, ...]:
        raise OSError("no library")

    ruling = triage(a_plan(POOLS, TIMEOUTS), some_facts(covered=covered), {}, {})

    assert ruling.mode == "solo"
    assert ruling.reasons == (
        "T103: the check failed: OSError('no library')",
        "T107: the check failed: OSError('no library')",
    )


# --- whatever the plan --------------------------------------------------------------


@st.composite
def plans(draw: st.DrawFn) -> Plan:
    titles = [f"l{number}" for number in range(draw(st.integers(1, 8)))]
    lanes = [
        a_lane(
            title,
            objective=draw(st.sampled_from(["pools end", "calls wait", "who reads"])),
            sources=draw(st.sampled_from([("docs",), ("code",), ("docs/a.md", "code")])),
            writes=draw(st.sampled_from([(), (), ("x",)])),
            depends_on=tuple(draw(st.sets(st.sampled_from(titles[:n]), max_size=2)) if n else ()),
        )
        for n, title in enumerate(titles)
    ]
    return a_plan(*lanes, effort=draw(st.sampled_from(EFFORTS)))


@given(
    plan=plans(),
    mode=st.sampled_from(["auto", "team", "solo"]),
    least=st.integers(0, 9_000),
    window=st.integers(1_000, 20_000),
    teammates_max=st.integers(1, 8),
)
def test_there_are_never_more_lanes_than_the_cap_and_the_same_plan_is_ruled_the_same(
    plan: Plan, mode: Mode, least: int, window: int, teammates_max: int
) -> None:
    rules = TriageRules(lane_tokens_min=least, window_tokens=window)
    facts = some_facts(mode=mode, rules=rules, teammates_max=teammates_max)

    ruling = triage(plan, facts)

    assert ruling == triage(plan, facts)
    assert ruling.reasons
    assert plan.effort is not None
    assert 1 <= len(ruling.lanes) <= facts.cap(plan.effort)
    assert ruling.mode == "team" or len(ruling.lanes) == 1
    read = {s.source for lane in ruling.lanes for s in facts.covered(lane.within)}
    assert read == {s.source for lane in plan.lanes for s in facts.covered(lane.within)}
    if len(plan.lanes) <= facts.cap(plan.effort):
        made = a_plan(*ruling.lanes, effort=plan.effort)
        assert not plan_problems(made, facts)
