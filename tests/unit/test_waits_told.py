"""A run that waits for its provider says so, and does not say it again and again."""

from __future__ import annotations

from bus.live import Beat
from team.views.progress import Wait, new_waits


def waiting(reason: str = "429 rate_limit_error", *, turn: int = 1, seconds: int = 7) -> Beat:
    return Beat(pid=1, state="waiting", doing=f"waits {seconds} s: {reason}", turn=turn)


def test_a_wait_is_told_once_for_each_member_turn_and_reason() -> None:
    told = set[Wait]()

    assert new_waits({"ada": waiting(), "bea": Beat(pid=2, state="working")}, told) == [
        ("ada", 1, "429 rate_limit_error")
    ]
    assert new_waits({"ada": waiting(seconds=30)}, told) == []
    assert new_waits({"ada": waiting(turn=2)}, told) == [("ada", 2, "429 rate_limit_error")]
    assert new_waits({"ada": waiting("529", turn=2)}, told) == [("ada", 2, "529")]
    assert new_waits({"bea": waiting()}, told) == [("bea", 1, "429 rate_limit_error")]
