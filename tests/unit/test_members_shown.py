"""How a member stands, in one word, and what is told of one that gets nowhere."""

from __future__ import annotations

import pytest

from bus.ids import SUPERVISOR
from bus.live import Beat
from bus.messages import MemberLeft, MemberLost, MemberStuck, WrapUp
from team.views.lines import story_line
from team.views.members import state_of
from team.views.run_object import run_object
from tests.support.builders import Story, a_record, a_story

STUCK = MemberStuck(reason="nothing has moved for 300 s")


def a_seated_story() -> Story:
    story = a_story()
    story.seat("ada")
    return story


@pytest.mark.parametrize(
    ("author", "body", "state"),
    [("ada", MemberLeft(reason="done"), "left"), (SUPERVISOR, MemberLost(reason="x"), "lost")],
)
def test_who_is_gone_is_shown_so_whatever_is_still_heard(
    author: str, body: MemberLeft | MemberLost, state: str
) -> None:
    story = a_seated_story()
    story.tell("member", "ada", author=author, body=body)

    assert state_of(story.state.roster.seats["ada"], Beat(pid=1, state="working")) == state


@pytest.mark.parametrize("said", ["working", "idle", "waiting", "listening"])
def test_who_is_heard_stands_as_its_heartbeat_says(said: str) -> None:
    seat = a_seated_story().state.roster.seats["ada"]

    assert state_of(seat, Beat(pid=1, state=said)) == said
    assert state_of(seat, None) == "silent"
    assert state_of(seat, None, is_live=False) == "stopped"


def test_a_member_that_gets_nowhere_is_shown_with_the_reason() -> None:
    story = a_seated_story()
    story.tell("member", "ada", author=SUPERVISOR, body=STUCK)
    heard = {"ada": Beat(pid=1, state="working")}

    shown = run_object("r1", story.state, is_live=True, heard=heard)

    rows = {row.name: (row.state, row.stuck) for row in shown.members}
    assert rows == {"lead": ("silent", None), "ada": ("stuck", STUCK.reason)}


def test_the_story_says_who_is_stuck_and_what_it_is_told() -> None:
    seen = story_line(a_record(1, "member", "ada", author=SUPERVISOR, body=STUCK))
    told = story_line(a_record(2, "control", "ada", body=WrapUp(reason=STUCK.reason, stuck_seq=1)))

    assert (seen or "").endswith("supervisor ada is stuck: nothing has moved for 300 s")
    assert (told or "").endswith("tells ada to wrap up: nothing has moved for 300 s")
