"""What is too large for a message is never tried again and again: it ends as not returned.

Promises: docs/reliability.md, "When the bus fails".
"""

from __future__ import annotations

from typing import ClassVar

import msgspec
import pytest

from bus import subjects
from bus.codec import MESSAGE_BYTES_MAX, body_size
from bus.messages import (
    ContextClosed,
    ContextOpened,
    Note,
    ResultPublished,
    TaskFailed,
    TurnActed,
    TurnReplied,
    UsageReserved,
    UsageSpent,
)
from bus.run_stream import BATCH_MESSAGES_MAX, Entry, RunStream
from team.agent.loop import SENT_BYTES_MAX
from team.agent.tools.base import Effect, Tool, ToolAnswer
from team.members.synthesis import fitting
from tests.support.decisions import Scripted, a_world, an_agent, an_assignment
from tests.support.wire import all_of

HUGE = "x" * (MESSAGE_BYTES_MAX + 1)


class Given(msgspec.Struct):
    """What the tools here are given."""

    text: str = ""


class Say(Tool[Given]):
    """Send a text to a peer, so many times."""

    name: ClassVar[str] = "say"
    input_type = Given
    effect: ClassVar[Effect] = "idempotent"

    def __init__(self, run: str, text: str, times: int = 1) -> None:
        self._run, self._text, self._times = run, text, times

    async def run(self, _: Given) -> ToolAnswer:
        subject = subjects.mail(self._run, "bea", "ada")
        notes = [Entry(subject=subject, body=Note(text=self._text)) for _ in range(self._times)]
        return ToolAnswer(content="said", entries=tuple(notes))


class Look(Tool[Given]):
    """Give a text that takes six times its size on the wire."""

    name: ClassVar[str] = "look"
    input_type = Given
    effect: ClassVar[Effect] = "read-only"

    async def run(self, _: Given) -> ToolAnswer:
        return ToolAnswer(content="\x00" * 100_000)


async def test_briefing_too_large_ends_the_assignment_and_fails_the_task(stream: RunStream) -> None:
    world = await a_world(stream)
    model = Scripted()
    subject = subjects.task(stream.run, "t1", "ada")

    outcome = await an_agent(world, model).work(
        an_assignment(opening=HUGE),
        give_up=lambda reason: [Entry(subject=subject, body=TaskFailed(reason=reason))],
    )

    assert not outcome.returned
    assert str(MESSAGE_BYTES_MAX) in outcome.reason
    assert model.asked == 0
    bodies = [record.body for record in await all_of(stream.read())]
    assert [type(body) for body in bodies] == [ContextOpened, ContextClosed, TaskFailed]
    again = await a_world(stream)
    assert not (await an_agent(again, model).work(an_assignment(opening=HUGE))).returned


async def test_reply_too_large_is_paid_for_and_not_returned(stream: RunStream) -> None:
    """It is not asked for again: it would be as large, and as dear."""
    world = await a_world(stream)
    model = Scripted([("say", {"text": HUGE})])

    outcome = await an_agent(world, model).work(an_assignment(Say(stream.run, "hello")))

    assert not outcome.returned
    assert "too large" in outcome.reason
    assert model.asked == 1
    bodies = [record.body for record in await all_of(stream.read())]
    assert [type(b) for b in bodies] == [
        ContextOpened,
        UsageReserved,
        TurnReplied,
        UsageSpent,
        ContextClosed,
    ]


async def test_turn_whose_tools_give_too_much_is_told_so(stream: RunStream) -> None:
    """A text within its limit may be larger as it is stored."""
    world = await a_world(stream)
    model = Scripted([("look", {}), ("say", {})])

    outcome = await an_agent(world, model).work(an_assignment(Look(), Say(stream.run, "hello")))

    assert outcome.returned
    records = await all_of(stream.read())
    (acted,) = [record.body for record in records if isinstance(record.body, TurnActed)]
    assert all(one.is_error and "too large" in one.content for one in acted.outcomes)
    assert not [record for record in records if isinstance(record.body, Note)]


@pytest.mark.parametrize(
    ("text", "times"),
    [("x" * SENT_BYTES_MAX, 1), ("hello", BATCH_MESSAGES_MAX)],
    ids=["text", "count"],
)
async def test_turn_that_sends_too_much_sends_nothing_and_is_told_so(
    stream: RunStream, text: str, times: int
) -> None:
    world = await a_world(stream)
    model = Scripted([("say", {})])

    outcome = await an_agent(world, model).work(an_assignment(Say(stream.run, text, times)))

    assert outcome.returned
    records = await all_of(stream.read())
    (acted,) = [record.body for record in records if isinstance(record.body, TurnActed)]
    assert [one.is_error for one in acted.outcomes] == [True]
    assert "too large" in acted.outcomes[0].content
    assert not [record for record in records if isinstance(record.body, Note)]


def test_result_too_large_is_published_without_what_makes_it_so() -> None:
    whole = ResultPublished(status="admitted", text="Yes.", rejected=("no",))
    long_tail = ResultPublished(status="admitted", text="Yes.", rejected=("no " * 100,) * 5_000)

    assert fitting(whole) == whole
    assert fitting(long_tail).text == "Yes."
    assert "5000 rejected claims" in fitting(long_tail).missing[-1]
    assert body_size(fitting(long_tail)) < MESSAGE_BYTES_MAX
    assert fitting(ResultPublished(status="admitted", text=HUGE)).status == "rejected"
