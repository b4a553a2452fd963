"""How many lanes a goal may have: code reads it, and the lead can only ask for less."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from team.rules.effort import EFFORTS, Effort, Mode, is_simple, lanes_cap, listed
from team.rules.plan import plan_problems
from tests.support.builders import a_lane, a_plan, some_facts

SIMPLE = "What is the default timeout?"
WIDE = "Compare how each client handles timeouts."


@pytest.mark.parametrize(
    ("goal", "simple"),
    [
        (SIMPLE, True),
        ("How is a session invalidated?", True),
        ("Is it thread-safe", True),
        (WIDE, False),
        ("How do alpha, beta and gamma cancel work?", False),
        ("Redis versus Memcached", False),
        ("What is it? And who wrote it?", False),
        ("Say what it does. Say why.", False),
        ("Topics:\n- one\n- two", False),
        (" ".join(["word"] * 31), False),
    ],
)
def test_a_short_single_question_is_simple(goal: str, simple: bool) -> None:
    assert is_simple(goal) is simple


@pytest.mark.parametrize(
    ("goal", "items"),
    [
        ("How do a.b, c/d and e-f end?", ("a.b", "c/d", "e-f")),
        ("Use a, b, c, or d.", ("a", "b", "c", "d")),
        ("Cats and dogs", ()),
        ("Today, cats and dogs", ("Today", "cats", "dogs")),
        ("Only the docs, and do it.", ()),
    ],
)
def test_what_a_goal_lists_is_found(goal: str, items: tuple[str, ...]) -> None:
    assert listed(goal) == items


@pytest.mark.parametrize(
    ("effort", "goal", "mode", "cap"),
    [
        ("fact", WIDE, "auto", 1),
        ("comparison", WIDE, "auto", 4),
        ("broad", WIDE, "auto", 12),
        ("broad", SIMPLE, "auto", 4),
        ("fact", SIMPLE, "team", 4),
        ("broad", SIMPLE, "team", 4),
        ("broad", WIDE, "solo", 12),
    ],
)
def test_effort_and_goal_give_the_cap(effort: Effort, goal: str, mode: Mode, cap: int) -> None:
    assert lanes_cap(effort, goal, comparison_max=4, teammates_max=12, mode=mode) == cap


@given(
    effort=st.sampled_from(EFFORTS),
    goal=st.text(max_size=60),
    comparison_max=st.integers(2, 64),
    teammates_max=st.integers(1, 64),
    mode=st.sampled_from(["auto", "team", "solo"]),
)
def test_no_cap_is_above_policy_and_none_is_raised_by_the_leads_word(
    effort: Effort, goal: str, comparison_max: int, teammates_max: int, mode: Mode
) -> None:
    caps = [
        lanes_cap(each, goal, comparison_max=comparison_max, teammates_max=teammates_max, mode=mode)
        for each in EFFORTS
    ]

    assert all(1 <= cap <= teammates_max for cap in caps)
    if is_simple(goal):
        assert max(caps) <= comparison_max


def test_fifty_teammates_for_a_simple_question_are_sent_back() -> None:
    """Whatever policy allows, and whatever the lead calls it."""
    lanes = [a_lane(f"l{n}", covers=(SIMPLE,)) for n in range(50)]
    plan = a_plan(*lanes, effort="broad", aspects=(SIMPLE,))

    problems = plan_problems(plan, some_facts(goal=SIMPLE, teammates_max=64))

    assert problems == [
        "T108: 50 lanes, at most 4 for effort 'broad'; the goal is one short question, no more"
        " than a comparison"
    ]


def test_as_many_lanes_as_the_cap_are_not_sent_back() -> None:
    lanes = [a_lane(f"l{n}") for n in range(4)]

    assert plan_problems(a_plan(*lanes), some_facts()) == []
