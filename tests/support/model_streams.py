"""Answers of the Messages API in all the shapes in which they come, event by event."""

from __future__ import annotations

from typing import Any

import httpx2
import msgspec

from team.agent.models.rehearsal.brain import Composed, compose
from team.agent.models.rehearsal.transport import message_events
from tests.support.cassettes import streamed
from tests.support.rehearsed import a_request

USAGE = {"input_tokens": 50, "output_tokens": 2}


def sent(kind: str, **fields: Any) -> bytes:
    """One event as the server sends it."""
    data = msgspec.json.encode({"type": kind, **fields})
    return f"event: {kind}\ndata: ".encode() + data + b"\n\n"


PING = sent("ping")


def begun(**usage: int) -> bytes:
    """The first event of a message."""
    message: dict[str, Any] = {"id": "msg_1", "type": "message", "role": "assistant"}
    message |= {"model": "m1", "content": [], "stop_reason": None, "stop_sequence": None}
    return sent("message_start", message=message | {"usage": USAGE | usage})


def block(index: int, empty: dict[str, Any], *deltas: dict[str, Any]) -> list[bytes]:
    """One content block."""
    return [
        sent("content_block_start", index=index, content_block=empty),
        *(sent("content_block_delta", index=index, delta=delta) for delta in deltas),
        sent("content_block_stop", index=index),
    ]


def text(index: int, *pieces: str) -> list[bytes]:
    """A block of text."""
    deltas = ({"type": "text_delta", "text": piece} for piece in pieces)
    return block(index, {"type": "text", "text": ""}, *deltas)


def tool(index: int, name: str, *pieces: str) -> list[bytes]:
    """A tool call whose input comes in pieces of JSON."""
    empty = {"type": "tool_use", "id": f"toolu_{index}", "name": name, "input": {}}
    deltas = ({"type": "input_json_delta", "partial_json": piece} for piece in pieces)
    return block(index, empty, *deltas)


def thinking(index: int) -> list[bytes]:
    """A block of thinking, with its signature."""
    return block(
        index,
        {"type": "thinking", "thinking": "", "signature": ""},
        {"type": "thinking_delta", "thinking": "Which "},
        {"type": "thinking_delta", "thinking": "one?"},
        {"type": "signature_delta", "signature": "c2ln"},
    )


def ended(stop_reason: str, details: dict[str, Any] | None = None) -> list[bytes]:
    """The last two events of a message."""
    delta = {"stop_reason": stop_reason, "stop_sequence": None, "stop_details": details}
    return [sent("message_delta", delta=delta, usage={"output_tokens": 40}), sent("message_stop")]


def failed_midway(kind: str) -> bytes:
    """The event that says that the provider can't go on."""
    return sent("error", error={"type": kind, "message": "Overloaded"})


SHAPES: dict[str, list[bytes]] = {
    "text": [begun(), PING, *text(0, "Two", " words"), *ended("end_turn")],
    "thinking": [begun(), *thinking(0), PING, *text(1, "So"), *ended("end_turn")],
    "parallel tools": [
        begun(),
        PING,
        *text(0, "I look."),
        *tool(1, "search", '{"que', 'ry": "a"}'),
        PING,
        *tool(2, "read", '{"source"', ': "b"}'),
        *ended("tool_use"),
    ],
    "a call without input": [begun(), *tool(0, "list"), *ended("tool_use")],
    "redacted": [
        begun(),
        *block(0, {"type": "redacted_thinking", "data": "eA=="}),
        *text(1, "Yes"),
        *ended("end_turn"),
    ],
    "the rehearsal model's calls": message_events(a_request(), compose(a_request())),
    "the rehearsal model's words": message_events(
        a_request(),
        Composed(blocks=[{"type": "text", "text": "ü" * 900}], stop_reason="end_turn"),
    ),
}
"""Whole answers, each a list of events."""


def answer(*events: bytes, then: Exception | None = None) -> httpx2.Response:
    """A response that sends events and ends, or breaks."""
    return streamed(*events, then=then)
