"""What code makes of a plan: what it sends back, what it merges, what contract it writes."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from team.policy import Policy
from team.rules.plan import (
    COMMON_AREA,
    Lane,
    contract_of,
    likeness,
    merge_same,
    one_lane,
    plan_problems,
    words,
)
from tests.support.builders import a_group, a_lane, a_plan

GROUPS = (a_group("docs"), a_group("code"))


def test_a_sound_plan_has_no_problems() -> None:
    lanes = (
        a_lane("pools", areas=("api", "data_1")),
        a_lane("timeouts", sources=("code", "src/*.py", "/abs/path"), depends_on=("pools",)),
    )

    assert plan_problems(a_plan(*lanes), GROUPS) == []


@pytest.mark.parametrize(
    ("lanes", "wanted"),
    [
        ((a_lane("pools"), a_lane("pools")), "lane title 'pools' is used twice"),
        ((a_lane(sources=("wiki",)),), "source 'wiki' is not one of code, docs"),
        ((a_lane(depends_on=("retries",)),), "depends on 'retries', which is no other lane"),
        ((a_lane(depends_on=("pools",)),), "depends on 'pools', which is no other lane"),
        ((a_lane(areas=("a.b",)),), "area 'a.b' is not a token"),
        ((a_lane(areas=("*",)),), "area '*' is not a token"),
        ((a_lane(areas=(">",)),), "area '>' is not a token"),
        ((a_lane(areas=("",)),), "area '' is not a token"),
        (
            (a_lane("a", depends_on=("b",)), a_lane("b", depends_on=("a",))),
            "the lanes depend on each other in a circle",
        ),
        (
            (
                a_lane("free"),
                a_lane("a", depends_on=("c", "free")),
                a_lane("b", depends_on=("a",)),
                a_lane("c", depends_on=("b",)),
            ),
            "the lanes depend on each other in a circle",
        ),
    ],
)
def test_a_plan_that_cannot_be_used_is_told_why(lanes: tuple[Lane, ...], wanted: str) -> None:
    assert wanted in "\n".join(plan_problems(a_plan(*lanes), GROUPS))


def test_all_problems_are_named_at_once() -> None:
    lane = a_lane(sources=("wiki",), areas=("a b",), depends_on=("x",))

    assert len(plan_problems(a_plan(lane), GROUPS)) == 3


# --- merging ------------------------------------------------------------------------


def test_telling_words_are_lower_case_and_without_the_common_ones() -> None:
    assert words("How does the HTTP pool work with an idle_timeout?") == {
        "http",
        "pool",
        "idle_timeout",
    }


@pytest.mark.parametrize(
    ("a", "b", "share"),
    [("pools and limits", "Limits of pools", 1.0), ("pools", "limits", 0.0), ("the", "of", 1.0)],
)
def test_likeness_is_the_share_of_common_telling_words(a: str, b: str, share: float) -> None:
    assert likeness(a, b) == share


def test_two_lanes_that_say_the_same_over_the_same_sources_are_merged() -> None:
    first = a_lane("pools", objective="How are connection pools limited?")
    twin = a_lane("pooling", objective="Limited connection pools: how?")
    other = a_lane("timeouts", objective="Which timeouts are there?")

    lanes, reasons = merge_same([first, twin, other])

    assert lanes == [first, other]
    assert reasons == ["lane 'pooling' says the same as 'pools' and was merged"]


def test_the_same_question_over_other_sources_is_another_lane() -> None:
    lanes = [a_lane("docs", objective="Which limits?"), a_lane("code", objective="Which limits?")]
    lanes[1] = a_lane("code", objective="Which limits?", sources=("code",))

    assert merge_same(lanes) == (lanes, [])


def test_who_depends_on_a_merged_lane_waits_for_its_twin() -> None:
    first, twin = a_lane("a", objective="pool limits"), a_lane("b", objective="limits pool")
    third = a_lane("c", objective="timeouts", depends_on=("b",))
    fourth = a_lane("d", objective="retries", depends_on=("b", "a", "c"))

    lanes, _ = merge_same([first, twin, third, fourth])

    assert [lane.depends_on for lane in lanes] == [(), ("a",), ("a", "c")]


def test_a_lane_never_waits_for_itself_after_merging() -> None:
    first = a_lane("a", objective="pool limits", depends_on=("b",))
    twin = a_lane("b", objective="limits pool")

    lanes, _ = merge_same([first, twin])

    assert lanes == [a_lane("a", objective="pool limits")]


def test_merging_closes_no_circle() -> None:
    """`a` waits for `c`, `c` for `b`, and `b` is `a`'s twin."""
    lanes = [
        a_lane("a", objective="pool limits", depends_on=("c",)),
        a_lane("b", objective="limits pool"),
        a_lane("c", objective="timeouts", depends_on=("b",)),
    ]

    merged, _ = merge_same(lanes)

    assert not plan_problems(a_plan(*merged), GROUPS)
    assert [lane.depends_on for lane in merged] == [("c",), ()]


objectives = st.lists(st.sampled_from(["pool", "limit", "timeout"]), min_size=1, max_size=3)


@given(data=st.data(), said=st.lists(objectives, min_size=1, max_size=6))
def test_a_plan_that_was_sound_is_sound_after_merging(
    data: st.DataObject, said: list[list[str]]
) -> None:
    titles = [f"l{number}" for number in range(len(said))]
    order = data.draw(st.permutations(titles))
    lanes = [
        a_lane(
            title,
            objective=" ".join(objective),
            depends_on=tuple(
                data.draw(st.sets(st.sampled_from(before), max_size=2)) if before else ()
            ),
        )
        for title, objective in zip(titles, said, strict=True)
        for before in [order[: order.index(title)]]
    ]
    assert not plan_problems(a_plan(*lanes), GROUPS)

    merged, reasons = merge_same(lanes)

    assert not plan_problems(a_plan(*merged), GROUPS)
    assert len(merged) + len(reasons) == len(lanes)
    assert merge_same(merged) == (merged, [])


# --- contracts ----------------------------------------------------------------------


def test_a_contract_says_what_the_lead_said_and_what_policy_limits() -> None:
    lane = a_lane(acceptance=("Each claim is quoted.",), areas=("api",))
    plan = a_plan(lane, constraints=("Version 2 only.",))
    policy = Policy(turns_max=9, tokens_max=1_000, seconds_max=60.0)

    contract = contract_of(lane, plan, ("read_source",), policy)

    assert (contract.objective, contract.sources, contract.boundaries) == (
        lane.objective,
        lane.sources,
        lane.boundaries,
    )
    assert contract.constraints == ("Version 2 only.",)
    assert (contract.areas, contract.tools) == (("api", COMMON_AREA), ("read_source",))
    assert lane.output in contract.output_format
    budget = contract.budget
    assert (budget.turns_max, budget.tokens_max, budget.seconds_max) == (9, 1_000, 60.0)


@pytest.mark.parametrize(("of_role", "wanted"), [(None, 9), (5, 5), (90, 9)])
def test_a_role_may_ask_for_fewer_turns_but_not_for_more(of_role: int | None, wanted: int) -> None:
    contract = contract_of(a_lane(), a_plan(), (), Policy(turns_max=9), of_role)

    assert contract.budget.turns_max == wanted


def test_a_run_without_a_team_is_one_lane_over_all_sources() -> None:
    lanes = (
        a_lane("a", sources=("docs", "code"), areas=("x",), boundaries=("Not B.",)),
        a_lane("b", sources=("code",), areas=("y", "x"), depends_on=("a",)),
    )

    lane = one_lane(a_plan(*lanes, title="T" * 200), "The goal.")

    assert (lane.sources, lane.areas, lane.depends_on) == (("docs", "code"), ("x", "y"), ())
    assert (lane.objective, len(lane.title)) == ("The goal.", 80)
    assert lane.boundaries == ("Not B.", "Nothing else.")
