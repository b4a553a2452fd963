"""Planned kills: their grammar, their counting, and that nothing happens without a plan.

That processes die of them: `tests/chaos/test_kill_points.py`.
"""

from __future__ import annotations

from pathlib import Path

import pytest

from bus import kill_points
from bus.errors import KillPointError
from bus.kill_points import POINTS, VARIABLE, Plan, read_plan

DOCS = Path(__file__).parents[2] / "docs" / "reliability.md"


@pytest.mark.parametrize(
    ("value", "plan"),
    [
        ("write.sent", Plan(point="write.sent", member="", left=1)),
        ("batch.commit@ada", Plan(point="batch.commit", member="ada", left=1)),
        ("batch.between#3", Plan(point="batch.between", member="", left=3)),
        ("feed.fetched@lead#12", Plan(point="feed.fetched", member="lead", left=12)),
    ],
)
def test_a_plan_names_a_point_and_perhaps_a_member_and_a_number(value: str, plan: Plan) -> None:
    assert read_plan({VARIABLE: value}) == plan


def test_without_the_variable_there_is_no_plan() -> None:
    assert read_plan({}) is None
    assert read_plan({VARIABLE: ""}) is None


@pytest.mark.parametrize("value", ["write", "write.sent@", "write.sent#0", "@ada", "write.sent#x"])
def test_a_plan_that_cant_be_read_is_an_error_with_the_grammar(value: str) -> None:
    with pytest.raises(KillPointError, match=r"POINT\[@MEMBER\]\[#N\]"):
        read_plan({VARIABLE: value})


def test_a_plan_is_due_once_at_its_number_and_for_its_member_only() -> None:
    plan = read_plan({VARIABLE: "write.sent@ada#2"})
    assert plan is not None

    steps = ["r1/bob", "r1/ada", "r1/ada", "r1/ada"]
    assert [plan.is_due("write.sent", one) for one in steps] == [False, False, True, False]
    assert not plan.is_due("write.before", "r1/ada")


def test_without_a_plan_every_point_is_passed() -> None:
    for point in POINTS:
        kill_points.reach(point, "r1/ada")
        assert not kill_points.is_due(point, "r1/ada")


def test_every_point_is_documented() -> None:
    text = DOCS.read_text()

    assert [point for point in POINTS if f"| `{point}` |" not in text] == []
