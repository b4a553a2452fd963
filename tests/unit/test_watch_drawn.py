"""What a live picture shows is anybody's words: they are no markup and do nothing to a terminal."""

from __future__ import annotations

import io
from types import SimpleNamespace
from typing import Any, cast

import msgspec
import pytest
from rich.console import Console
from rich.live import Live

from bus.live import Beat
from bus.messages import DecisionRecorded, Note, RunOpened
from team.views.follow import Follower
from team.views.progress import draw
from team.views.watch import picture
from tests.support.builders import Story, a_resolved_spec, opens

MARKUP = "is [/x] or [bold red]this[/] closed?"
ESCAPES = "one\x1b]0;pwned\x07two\x9b2J"
SHOWN_IN = ("goal", "doing", "title", "statement", "letter", "beat", "text")


def a_watched(said: str) -> Follower:
    """A run in which everybody who can say something says the same, each behind its place."""
    words = {place: f"{place}: {said}" for place in SHOWN_IN}
    story = Story()
    spec = msgspec.Raw(msgspec.json.encode(a_resolved_spec()))
    story.tell("spec", body=RunOpened(goal=words["goal"], spec=spec))
    story.seat("ada")
    story.seat("bob")
    story.tell("task", "t1", body=opens(words["title"]))
    choice = DecisionRecorded(statement=words["statement"])
    story.tell("decision", "api", "paging", author="ada", body=choice)
    story.tell("mail", "bob", author="ada", body=Note(text=words["letter"]))
    beats = {
        "ada": Beat(pid=1, state="waiting", doing=words["doing"]),
        "bob": Beat(pid=1, state="working", doing=words["beat"]),
    }
    follower = SimpleNamespace(
        run="r1", state=story.state, beats=beats, text_of=lambda _: words["text"]
    )
    return cast(Follower, follower)


def a_terminal() -> tuple[Console, io.StringIO]:
    printed = io.StringIO()
    return Console(file=printed, force_terminal=True, width=400, color_system=None), printed


def test_brackets_in_what_is_said_are_shown_as_they_stand() -> None:
    terminal, printed = a_terminal()

    terminal.print(picture(a_watched(MARKUP)))

    for place in SHOWN_IN:
        assert f"{place}: {MARKUP}" in printed.getvalue()


def test_nothing_that_is_said_acts_on_the_terminal() -> None:
    terminal, printed = a_terminal()

    terminal.print(picture(a_watched(ESCAPES)))

    for place in {*SHOWN_IN} - {"statement"}:  # a decision with such a statement is none
        assert f"{place}: one�]0;pwned�two�2J" in printed.getvalue()
    assert not {"\x1b", "\x07", "\x9b"} & set(printed.getvalue())


def test_a_run_that_cannot_be_drawn_goes_on_and_says_so(monkeypatch: pytest.MonkeyPatch) -> None:
    def fail(_: object) -> Any:
        raise ValueError("no [/x]\x1b picture")

    monkeypatch.setattr("team.views.watch.picture", fail)
    terminal, printed = a_terminal()

    with Live(console=terminal, auto_refresh=False) as live:
        draw(live, a_watched(MARKUP))

    assert "the run can't be drawn: ValueError('no [/x]" in printed.getvalue()
    assert "\x1b p" not in printed.getvalue()
