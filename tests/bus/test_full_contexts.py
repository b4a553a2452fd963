"""A context that nears its window, or outgrows it, on a real server: it goes on."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any, ClassVar

import httpx2
import msgspec

from bus.messages import (
    Budget,
    ContextClosed,
    ContextCompacted,
    FindingNoted,
    TurnReplied,
    UsageSpent,
    WrapUp,
)
from bus.run_stream import Entry, Record, RunStream
from bus.subjects import build
from team.agent.assignment import Assignment
from team.agent.loop import Agent
from team.agent.tools.base import Effect, Tool, ToolAnswer
from team.agent.tools.peer_tools import NotePartial
from team.agent.world import World
from tests.support.decisions import CONTEXT, an_assignment
from tests.support.minds import Asked, a_mind, a_seat, too_long

WINDOW = 4_000


class LookInput(msgspec.Struct, frozen=True, kw_only=True):
    """How much to show."""

    lines: int


class Look(Tool[LookInput]):
    """Show lines of something, each of them with about ten tokens."""

    name: ClassVar[str] = "look"
    input_type = LookInput
    effect: ClassVar[Effect] = "read-only"

    async def run(self, given: LookInput) -> ToolAnswer:
        lines = (f"line {n:04}: thirty-five characters" for n in range(given.lines))
        return ToolAnswer(content="\n".join(lines))


LONG = Budget(turns_max=40, tokens_max=1_000_000, seconds_max=60.0)
LOOK = [("look", {"lines": 80})]
"""About 800 tokens."""


def note(text: str) -> list[tuple[str, dict[str, Any]]]:
    return [("note", {"text": text})]


def an_errand(world: World, **changes: Any) -> Assignment:
    return an_assignment(Look(), NotePartial(world, "t1"), **changes)


@asynccontextmanager
async def ada(
    stream: RunStream, transport: httpx2.AsyncBaseTransport
) -> AsyncIterator[tuple[Agent, World]]:
    agent, world = await a_mind(stream, transport)
    try:
        yield agent, world
    finally:
        await world.inbox.stop()


async def of_type(stream: RunStream, kind: type[Any]) -> list[Any]:
    return [r.body async for r in stream.read() if isinstance(r.body, kind)]


def first_texts(body: dict[str, Any]) -> list[str]:
    """What the first message of a request says."""
    return [block["text"] for block in body["messages"][0]["content"]]


async def test_the_oldest_turns_leave_and_the_assignment_goes_on(stream: RunStream) -> None:
    """The opening stays, notes stand word for word, and what left can be read again."""
    await a_seat(stream, WINDOW)
    recall = [("recall", {"turn": 2, "call": 1}), ("recall", {"turn": 9})]
    model = Asked(note("Pools keep ten."), LOOK, LOOK, LOOK, LOOK, recall, "Done.")

    async with ada(stream, model) as (agent, world):
        outcome = await agent.work(an_errand(world))

    assert outcome.returned
    compacted = await of_type(stream, ContextCompacted)
    assert [one.upto for one in compacted] == sorted({one.upto for one in compacted})
    last = model.requests[-2]
    opening, earlier = first_texts(last)[:2]
    assert opening == "Begin."
    assert earlier == compacted[-1].text
    assert '"Pools keep ten."' in earlier
    names = [[tool["name"] for tool in body["tools"]] for body in model.requests]
    assert all(one == ["look", "note", "recall"] for one in names)
    shown, refused = world.journal.transcripts[CONTEXT].turns[5].acted.outcomes  # type: ignore[union-attr]
    assert shown.content.startswith('turn 2, call 1: look {"lines":80}\nline 0000')
    assert shown.content.endswith("line 0079: thirty-five characters")
    assert refused.is_error
    assert "turns 1 to" in refused.content
    assert len(await of_type(stream, TurnReplied)) == len(await of_type(stream, UsageSpent)) == 7


async def test_a_prompt_that_is_too_long_is_shortened_and_sent_again(stream: RunStream) -> None:
    """The provider's window is smaller than the spec says: no turn is lost by that."""
    await a_seat(stream, 200_000)
    model = Asked(LOOK, LOOK, LOOK, too_long(), too_long(), "Done.")

    async with ada(stream, model) as (agent, world):
        outcome = await agent.work(an_errand(world))

    assert outcome.returned
    first, second = await of_type(stream, ContextCompacted)
    assert 1 <= first.upto < second.upto <= 3
    assert "prompt is too long" in first.reason
    sizes = [len(body) for body in model.bodies]
    assert sizes[3] > sizes[4] > sizes[5]
    assert [turn.turn for turn in await of_type(stream, TurnReplied)] == [1, 2, 3, 4]


async def test_what_never_fits_ends_not_returned_and_keeps_what_was_noted(
    stream: RunStream,
) -> None:
    """It is asked a bounded number of times: each time more has left, until nothing is left."""
    await a_seat(stream, 200_000)
    model = Asked(note("Kept."), *[too_long()] * 5)

    async with ada(stream, model) as (agent, world):
        outcome = await agent.work(an_errand(world, opening="x" * 20_000))

    assert not outcome.returned
    assert "does not fit into the model's window" in outcome.reason
    assert len(model.bodies) == 3
    assert "Kept." in first_texts(model.requests[2])[1]
    assert [one.text for one in await of_type(stream, FindingNoted)] == ["Kept."]
    assert not (await of_type(stream, ContextClosed))[0].returned


async def test_an_opening_over_the_window_is_not_sent(stream: RunStream) -> None:
    await a_seat(stream, WINDOW)
    model = Asked()

    async with ada(stream, model) as (agent, world):
        outcome = await agent.work(an_errand(world, opening="x" * 20_000))

    assert not outcome.returned
    assert "tokens of 4000" in outcome.reason
    assert not model.bodies


async def test_an_opening_over_the_limit_of_a_message_ends_the_assignment_and_no_process(
    stream: RunStream,
) -> None:
    await a_seat(stream, 1_000_000)

    async with ada(stream, Asked()) as (agent, world):
        outcome = await agent.work(an_errand(world, opening="x" * 600_000))
    async with ada(stream, Asked()) as (agent, world):
        again = await agent.work(an_errand(world, opening="x" * 600_000))

    assert not outcome.returned
    assert "over 524288 bytes" in outcome.reason
    assert again == outcome


async def test_who_begins_in_a_crowded_context_is_told_to_wrap_up(stream: RunStream) -> None:
    await a_seat(stream, WINDOW)
    model = Asked("Done.")

    async with ada(stream, model) as (agent, world):
        await agent.work(an_errand(world, opening="x" * 11_000))

    assert first_texts(model.requests[0])[-1].startswith("Wrap up: what your context began with")


async def test_a_reply_that_had_no_room_leads_to_room_and_its_calls_are_not_run(
    stream: RunStream,
) -> None:
    """What it wrote is paid and kept; a call that may be half written is not made."""
    await a_seat(stream, 200_000)
    cut = "model_context_window_exceeded"
    model = Asked(LOOK, note("Half of"), "So far", "Done.", stops={1: cut, 2: cut})

    async with ada(stream, model) as (agent, world):
        outcome = await agent.work(an_errand(world))

    assert outcome.returned
    assert len(await of_type(stream, ContextCompacted)) == 2
    assert not await of_type(stream, FindingNoted)
    assert "you were cut off" in str(world.journal.transcripts[CONTEXT].turns[1].acted)


async def test_an_order_to_wrap_up_outlives_a_call_that_was_too_long(stream: RunStream) -> None:
    await a_seat(stream, 200_000)
    model = Asked(LOOK, too_long(), "Done.")

    async with ada(stream, model) as (agent, world):
        wrap_up = build(stream.run, "control", "ada", author="lead")
        assignment = an_errand(world)
        await agent._next_turn(assignment, await agent._open(assignment))
        order = Entry(subject=wrap_up, body=WrapUp(reason="time is nearly over"))
        await world.inbox.reached(await stream.append(order))
        await agent.work(assignment)

    wrapped = [b"Wrap up: time is nearly over" in body for body in model.bodies]
    assert wrapped == [False, True, True]


async def _interrupted(stream: RunStream, *answers: Any) -> list[bytes]:
    """Work in steps, each by a process of its own that knows nothing but the stream.

    All but the first are of a version with another prompt, and its tools in another order.
    """
    bodies: list[bytes] = []
    for _ in range(40):
        model = Asked(*answers[len(bodies) :])
        model_ids = len(bodies)
        async with ada(stream, _Renumbered(model, model_ids)) as (agent, world):
            assignment = an_errand(world, budget=LONG)
            if CONTEXT in world.journal.transcripts:
                assignment = msgspec.structs.replace(
                    assignment,
                    system="You are another.",
                    opening="Begin otherwise.",
                    model="m2",
                    tools=assignment.tools[::-1],
                )
            transcript = await agent._open(assignment)
            if transcript.closed is not None:
                return bodies
            if transcript.unfinished is not None:
                await agent._act(assignment, transcript, transcript.unfinished)
            else:
                end = await agent._next_turn(assignment, transcript)
                if end is not None:
                    await agent._close(assignment, end, lambda _: ())
        bodies += model.bodies
    raise AssertionError("it never ended")


class _Renumbered(httpx2.AsyncBaseTransport):
    """A model whose ids of calls go on where those of the process before ended."""

    def __init__(self, model: Asked, first: int) -> None:
        self._model, self._first = model, first

    async def handle_async_request(self, request: httpx2.Request) -> httpx2.Response:
        response = await self._model.handle_async_request(request)
        content = response.content.replace(b"toolu_0_", f"toolu_{self._first}_".encode())
        return httpx2.Response(
            response.status_code, headers={"content-type": "text/event-stream"}, content=content
        )


async def test_a_process_that_dies_after_each_commit_sends_the_bytes_that_one_would(
    stream: RunStream, other_stream: RunStream
) -> None:
    """Reply, tools, compaction: whatever was committed last, the next request is the same."""
    recall = [("recall", {"turn": 2})]
    answers = (note("One."), LOOK, LOOK, LOOK, LOOK, recall, recall, LOOK, recall, "Done.")
    await a_seat(stream, WINDOW)
    await a_seat(other_stream, WINDOW)
    whole = Asked(*answers)

    async with ada(stream, whole) as (agent, world):
        await agent.work(an_errand(world, budget=LONG))
    bodies = await _interrupted(other_stream, *answers)

    assert len(await of_type(other_stream, ContextCompacted)) >= 2
    assert bodies == whole.bodies


async def test_a_record_of_a_turn_that_left_is_still_in_the_stream(stream: RunStream) -> None:
    await a_seat(stream, WINDOW)
    model = Asked(LOOK, LOOK, LOOK, LOOK, "Done.")

    async with ada(stream, model) as (agent, world):
        await agent.work(an_errand(world))

    records: list[Record] = [record async for record in stream.read()]
    compacted = next(r for r in records if isinstance(r.body, ContextCompacted))
    turns = [r.body.turn for r in records if isinstance(r.body, TurnReplied)]
    assert turns == [1, 2, 3, 4, 5]
    assert any(r.seq < compacted.seq and isinstance(r.body, TurnReplied) for r in records)
