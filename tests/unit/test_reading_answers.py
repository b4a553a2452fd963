"""What of an answer is believed: whole tool inputs, names for calls, counts above nothing."""

from __future__ import annotations

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bus.messages import TokenCounts
from team.agent.models.filling import filled
from team.agent.models.reading import counted
from team.errors import ModelReplyError
from tests.support.cassettes import Scripted, asking, once
from tests.support.model_streams import SHAPES, answer, begun, ended, sent, tool

ASKED = asking("Hello")


# --- tool calls --------------------------------------------------------------------------


@pytest.mark.parametrize(
    "pieces",
    [('{"query": "con',), ('{"query": "a"',), ('["a"]',), ('"a"',), ("12",), ('{"a": 1}}',)],
)
async def test_a_tool_input_that_broke_off_in_a_finished_answer_is_no_answer(
    pieces: tuple[str, ...],
) -> None:
    """The SDK would give the part that it can read, as if it were whole."""
    broken = answer(begun(), *tool(0, "search", *pieces), *ended("tool_use"))

    with pytest.raises(ModelReplyError, match=r"input of a tool call|not a message"):
        await once(Scripted(broken), ASKED)


async def test_a_tool_input_that_broke_off_with_its_answer_is_left_to_the_loop() -> None:
    """Which never runs it, and tells the model that it was cut off."""
    cut = answer(begun(), *tool(0, "search", '{"query": "con'), *ended("max_tokens"))

    reply = await once(Scripted(cut), ASKED)

    assert reply.stop_reason == "max_tokens"


@pytest.mark.parametrize("ids", [("toolu_0", "toolu_0"), ("toolu_0", ""), ("toolu_0", None)])
async def test_calls_that_can_not_be_told_apart_are_no_answer(ids: tuple[str, Any]) -> None:
    events = [*tool(0, "search", "{}"), *tool(1, "search", "{}")]
    wanted = [
        event.replace(b'"toolu_1"', json.dumps(ids[1]).encode()) if n >= 3 else event
        for n, event in enumerate(events)
    ]

    with pytest.raises(ModelReplyError, match="no ids of their own"):
        await once(Scripted(answer(begun(), *wanted, *ended("tool_use"))), ASKED)


# --- counts ------------------------------------------------------------------------------


@given(st.integers(0, 5), st.integers(0, 5), st.integers(0, 5), st.integers(0, 5))
def test_no_answer_counts_as_nothing_and_what_was_counted_stays(
    read: int, cached: int, kept: int, wrote: int
) -> None:
    said = TokenCounts(input=read, cache_read=cached, cache_write=kept, output=wrote)

    tokens, is_estimated = counted(said, read=lambda: 70, written=b'[{"type": "text"}]')

    assert tokens.input + tokens.cache_read + tokens.cache_write > 0
    assert tokens.output > 0
    assert is_estimated is (tokens != said)
    assert is_estimated is (not (read + cached + kept) or not wrote)
    assert (tokens.cache_read, tokens.cache_write) == (cached, kept)


def test_an_answer_without_content_may_have_written_nothing() -> None:
    """A refusal does."""
    said = TokenCounts(input=9)

    assert counted(said, read=lambda: 70, written=b"[]") == (said, False)


# --- mending -----------------------------------------------------------------------------


@given(st.binary(max_size=200))
def test_bytes_that_are_no_event_are_passed_on_as_they_came(frame: bytes) -> None:
    assert filled(frame) == frame
    assert filled(b"event: message_start\ndata: " + frame) == (
        b"event: message_start\ndata: " + frame
    )


@pytest.mark.parametrize("shape", SHAPES)
def test_an_event_that_lacks_nothing_keeps_its_bytes(shape: str) -> None:
    for event in SHAPES[shape]:
        assert filled(event) == event


@pytest.mark.parametrize("usage", [{}, {"usage": None}, {"usage": {}}, {"usage": 7}])
def test_an_event_without_counts_is_given_none(usage: dict[str, Any]) -> None:
    data = filled(sent("message_delta", delta={"stop_reason": "end_turn"}, **usage))

    event = json.loads(data.partition(b"data: ")[2])
    assert event["usage"] == {"output_tokens": 0}
    assert event["delta"] == {"stop_reason": "end_turn"}


def test_a_tool_input_that_is_no_json_is_not_made_up() -> None:
    block = {"type": "tool_use", "id": "a", "name": "b", "input": "not json"}
    event = sent("content_block_start", index=0, content_block=block)

    assert filled(event) == event
