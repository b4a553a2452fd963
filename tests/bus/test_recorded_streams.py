"""Recorded streams that return an answer, through a whole assignment: cut anywhere, none returns.

The recordings' own tool calls stand for the tool that returns.
"""

from __future__ import annotations

import asyncio
from typing import Any, ClassVar

import msgspec
import pytest

from bus.run_stream import RunStream
from team.agent.assignment import Outcome
from team.agent.loop import Agent
from team.agent.models.call import REPLY_TRIES, Caller
from team.agent.tools.base import Effect, Tool, ToolAnswer
from tests.support.cassettes import Scripted, streamed
from tests.support.decisions import a_world, an_assignment
from tests.support.recorded_wire import needs_recordings, read_events, streams, whole

pytestmark = [needs_recordings, pytest.mark.slow]


class Anything(msgspec.Struct):
    """Whatever the recorded model wrote."""


class Return(Tool[Anything]):
    """Return the answer."""

    name: ClassVar[str] = "give_back"
    input_type = Anything
    effect: ClassVar[Effect] = "idempotent"

    async def run(self, given: Anything) -> ToolAnswer:  # noqa: ARG002 - whatever it is
        return ToolAnswer(content="Accepted.", answer=b'"done"')


def returning(name: str) -> Return:
    """The returning tool under a recorded name."""
    return type("Named", (Return,), {"name": name, "__doc__": "Return."})()


def with_tools() -> list[tuple[str, list[bytes]]]:
    """The tool that each recorded stream calls last, and its events."""
    found = list[tuple[str, list[bytes]]]()
    for events in streams().values():
        message: dict[str, Any] = {}
        if b'"max_tokens"' not in b"".join(events):
            message = whole(read_events(b"".join(events).decode()))
        calls = [b for b in message.get("content", ()) if b["type"] == "tool_use"]
        if calls and message["stop_reason"] == "tool_use":
            found.append((calls[-1]["name"], events))
    return found


async def works(stream: RunStream, me: str, name: str, answers: list[list[bytes]]) -> Outcome:
    """What becomes of an assignment whose model answers so."""
    world = await a_world(stream, me)
    caller = Caller("rehearsal", Scripted(*(streamed(*events) for events in answers)))
    agent = Agent(world, world.journal, caller, on_text=lambda _: None, on_state=lambda *_: None)
    try:
        return await agent.work(an_assignment(returning(name), ends_with=name))
    finally:
        await caller.close()


async def test_a_recorded_call_of_the_returning_tool_returns(stream: RunStream) -> None:
    """What the cuts below are cut from."""
    given = with_tools()
    outcomes = await asyncio.gather(
        *(works(stream, f"m{n}", name, [events]) for n, (name, events) in enumerate(given))
    )

    assert len(given) >= 8
    assert all(outcome.returned for outcome in outcomes)


async def test_a_recorded_call_that_is_cut_after_any_event_has_not_returned(
    stream: RunStream,
) -> None:
    """Every try is cut at the same place: the assignment ends, and not as returned."""
    cuts = [
        (name, [events[:after]] * REPLY_TRIES)
        for name, events in with_tools()
        for after in range(len(events) - 1, 0, -1)
        if b"content_block_delta" not in events[after] or after % 5 == 0
    ]
    outcomes = await asyncio.gather(
        *(works(stream, f"m{n}", name, answers) for n, (name, answers) in enumerate(cuts))
    )

    assert len(cuts) > 60
    assert not [cut for cut, outcome in zip(cuts, outcomes, strict=True) if outcome.returned]
    assert all("the stream ended" in outcome.reason for outcome in outcomes)
