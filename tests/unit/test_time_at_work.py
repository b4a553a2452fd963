"""What of an assignment's time a provider may take, and what never counts."""

from __future__ import annotations

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from bus.ids import LEAD, SUPERVISOR
from bus.messages import MemberJoined, MemberLost, TokenCounts
from team.agent.permits import patience_s
from team.audit.case import Case
from team.rules.clock import worked_s
from team.state import Spent
from tests.support.builders import Story, a_budget, a_story, a_usage

JOINED = MemberJoined(pid=1, host="h")


def a_stopped_story(*, gave_up_at: float | None = None) -> tuple[Story, float]:
    """A run that was worked on until some time, and taken up 1,000 s after that time."""
    story = a_story()
    began = story.state.last_at
    story.tell("member", LEAD, body=JOINED, at=began + 10)
    if gave_up_at is not None:
        story.tell("member", LEAD, body=MemberLost(reason="busy"), at=began + gave_up_at)
    story.tell("member", SUPERVISOR, author=SUPERVISOR, body=JOINED, at=began + 1_010)
    return story, began


def test_time_in_which_the_run_was_stopped_is_no_work() -> None:
    story, began = a_stopped_story()

    assert worked_s(story.state, began, began + 1_030) == pytest.approx(30)
    assert worked_s(story.state, began + 1_010, began + 1_030) == pytest.approx(20)


def test_time_that_a_lead_has_waited_before_it_gave_up_is_no_work() -> None:
    """So a run that is resumed after an outage has the time that it had before it."""
    story, began = a_stopped_story(gave_up_at=900.0)

    assert worked_s(story.state, began, began + 1_030) == pytest.approx(30)


def test_the_audit_takes_no_such_time_for_work_either() -> None:
    story, began = a_stopped_story(gave_up_at=900.0)
    case = Case(story.records)

    assert case.waited_s(began + 1_030) - case.waited_s(began) == pytest.approx(1_000)
    assert case.waited_s(began + 510) - case.waited_s(began) == pytest.approx(500)


@given(st.floats(1, 1e6), st.floats(0, 1))
def test_a_busy_provider_may_take_the_time_that_is_not_kept_for_wrapping_up(
    seconds_max: float, share: float
) -> None:
    used = seconds_max * share

    patience = patience_s(a_budget(seconds_max=seconds_max), used)

    assert 0 <= patience <= seconds_max - used
    if share < 0.7:
        assert used + patience == pytest.approx(0.85 * seconds_max)
    if share < 0.99:
        assert used + patience < seconds_max


def test_past_all_of_its_time_nothing_is_waited_for() -> None:
    assert patience_s(a_budget(seconds_max=60.0), 61.0) == 0.0


def test_tries_in_vain_are_spent() -> None:
    usage = a_usage(input=10, output=5)
    lost = TokenCounts(input=7, cache_read=2, cache_write=1, output=3)

    spent = Spent().plus(msgspec.structs.replace(usage, lost=lost))

    assert (spent.calls, spent.input_tokens, spent.output_tokens) == (1, 20, 8)
