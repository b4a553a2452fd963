"""Clauses of a goal that bind: found, word for word, and none made up."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from team.rules.constraints import carried, constraints_of, stands_in

GOALS = {
    "How do alpha, beta and gamma cancel work?": (),
    "Why does it never stop, and what must a caller do?": (),
    "Compare the pools. Use only the docs.": ("Use only the docs",),
    "Compare the pools, using only the docs, and do not use Windows, macOS or BSD sources.": (
        "using only the docs",
        "do not use Windows, macOS or BSD sources",
    ),
    "Find the limits but never name a person. Answer in English.": (
        "never name a person",
        "in English",
    ),
    "In German, how do A and B differ?": ("In German",),
    "How does it end work, except in threads?": ("except in threads",),
    "What changed after the end of 2023 and before 2025?": ("after the end of 2023", "before 2025"),
    "What changed since March 2024?": ("since March 2024",),
    "What happens before a call?": (),
    "What does it do without a key?": ("without a key",),
    "List at most three examples. The answer must fit on one page; avoid tables.": (
        "at most three examples",
        "The answer must fit on one page",
        "avoid tables",
    ),
    "Compare them.\n- Only version 2\n- No more than 10 words a quote": (
        "Only version 2",
        "No more than 10 words a quote",
    ),
}


@pytest.mark.parametrize("goal", GOALS)
def test_what_binds_in_a_goal_is_found(goal: str) -> None:
    assert constraints_of(goal) == GOALS[goal]


PARTS = (
    "only the docs|do not use X|at most 3|How does it work?|must end|pools|,|.|;|\n|and|but|without"
    "|in English|before 2020|?|!|never|-"
)
parts = st.sampled_from(PARTS.split("|"))


@given(goal=st.lists(parts, max_size=12).map(" ".join) | st.text(max_size=80))
def test_every_constraint_stands_in_the_goal_and_is_found_again(goal: str) -> None:
    found = constraints_of(goal)

    assert found == constraints_of(goal)
    assert all(constraint in goal for constraint in found)
    assert all(stands_in(goal, constraint) for constraint in found if constraint.strip())


@given(goal=st.lists(parts, max_size=12).map(" ".join), named=st.lists(parts, max_size=3))
def test_no_constraint_of_the_goal_is_lost_whatever_the_lead_names(
    goal: str, named: list[str]
) -> None:
    kept = carried(named, goal)

    assert kept[: len(dict.fromkeys(named))] == tuple(dict.fromkeys(named))
    for constraint in constraints_of(goal):
        assert any(stands_in(other, constraint) for other in kept)


@pytest.mark.parametrize(
    ("text", "does"),
    [
        ("only the docs", True),
        ("Only  the\ndocs.", True),
        ("only the doc", False),
        ("the docs only", False),
        ("", False),
        (" . ", False),
    ],
)
def test_a_text_stands_in_a_goal_word_for_word(text: str, does: bool) -> None:
    assert stands_in("Use only the docs, please.", text) is does


def test_what_the_lead_names_in_longer_words_is_not_added_again() -> None:
    goal = "Compare them. Use only the docs."

    assert carried(("Compare them. Use only the docs",), goal) == (
        "Compare them. Use only the docs",
    )


@pytest.mark.parametrize(
    ("order", "found"),
    [
        ("Keep it under 20 words.", "Keep it under 20 words"),
        ("Within 20 words.", "Within 20 words"),
        ("20 words max.", "20 words max"),
        ("In 20 words or less.", "In 20 words or less"),
        ("Answer in one sentence.", "in one sentence"),
        ("Leave gamma out.", "Leave gamma out"),
        ("Stick to alpha.", "Stick to alpha"),
        ("Use no jargon.", "Use no jargon"),
        ("Please don’t mention cancel_futures.", "Please don’t mention cancel_futures"),
        ("Mention cancel_futures.", "Mention cancel_futures"),
    ],
)
def test_orders_as_people_write_them_bind(order: str, found: str) -> None:
    assert constraints_of(f"How do alpha and beta cancel work? {order}") == (found,)
