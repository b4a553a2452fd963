"""What of an assignment's time a provider may take, and what never counts."""

from __future__ import annotations

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from bus.ids import LEAD, SUPERVISOR
from bus.messages import MemberJoined, MemberLost, TokenCounts
from bus.subjects import matches
from team.agent.permits import patience_s
from team.audit.case import Case
from team.rules.clock import began_at, worked_s
from team.rules.world import teammate_filters
from team.state import Spent, fold
from tests.support.builders import RUN, Story, a_budget, a_story, a_usage

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


def test_a_member_that_is_not_sent_its_own_words_knows_how_long_it_has_worked() -> None:
    """What it was sent ends long before the run was stopped."""
    story = a_story()
    story.seat("ada")
    began = story.state.last_at
    spent_at = began + 600
    story.tell("usage", author="ada", body=a_usage(input=1, output=1), at=spent_at)
    again = msgspec.structs.replace(JOINED, idle_since=spent_at)
    story.tell("member", SUPERVISOR, author=SUPERVISOR, body=again, at=began + 1_600)

    filters = teammate_filters(RUN, "ada", (), ())
    sent = [one for one in story.records if any(matches(str(one.subject), f) for f in filters)]
    whole, hers = fold(story.records), fold(sent)

    assert len(sent) == len(story.records) - 1
    assert worked_s(whole, began, began + 1_601) == pytest.approx(601)
    assert worked_s(hers, began, began + 1_601) == pytest.approx(601)
    case = Case(story.records)
    assert case.waited_s(began + 1_601) - case.waited_s(began) == pytest.approx(1_000)


def test_in_a_copy_of_a_run_no_time_is_taken_twice() -> None:
    """A fork's messages are stored anew, after all that its supervisors have said of times."""
    story = a_story()
    began = story.state.last_at
    for number in (1, 2):
        said = msgspec.structs.replace(JOINED, idle_since=began - 10_000 + number)
        story.tell("member", SUPERVISOR, author=SUPERVISOR, body=said, at=began + number)

    assert worked_s(story.state, began, began + 30) == pytest.approx(28)
    assert began_at(story.state, began + 30) <= began + 30


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
