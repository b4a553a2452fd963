"""A clock that jumps between two moments in which a process ran: it was asleep."""

from __future__ import annotations

from bus.ids import SUPERVISOR
from bus.messages import MemberJoined, TaskClaimed
from team.agent.asleep import ASLEEP_S, Sleep
from team.rules.clock import worked_s
from team.state import fold
from tests.support.builders import a_record


def test_a_jump_of_the_clock_is_told_once_with_its_beginning() -> None:
    sleep = Sleep()
    for now in (100.0, 100.3, 100.6):
        sleep.runs(now)
    assert sleep.take() is None

    sleep.runs(100.6 + ASLEEP_S + 1)
    sleep.runs(100.9 + ASLEEP_S + 1)

    assert sleep.take() == 100.6
    assert sleep.take() is None


def test_what_was_slept_is_no_work_even_if_somebody_stored_something_first() -> None:
    """On waking a member may be quicker than the supervisor."""
    woken = MemberJoined(pid=1, host="h", idle_since=1_010.0)
    state = fold(
        [
            a_record(1, "task", "t1", author="ada", body=TaskClaimed(), at=1_000.0),
            a_record(2, "task", "t1", author="ada", body=TaskClaimed(), at=5_000.0),
            a_record(3, "member", SUPERVISOR, author=SUPERVISOR, body=woken, at=5_001.0),
        ]
    )

    assert worked_s(state, 1_000.0, 5_011.0) == 20.0
