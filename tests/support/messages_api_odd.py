"""A server of one's own on loopback that speaks the Messages API almost, as such servers do."""

from __future__ import annotations

import json
from typing import Any

import httpx2

from team.agent.models.rehearsal.brain import compose
from team.agent.models.rehearsal.transport import message_events
from tests.support.messages_api import sent_in_pieces

STREAMED = "text/event-stream; charset=utf-8"


def odd(body: dict[str, Any], _: int) -> httpx2.Response:
    """The rehearsal model's answer as an odd server tells it.

    No token counts, no request id, no pings; a tool's input as JSON in a text; lines that end
    as HTTP's do, in pieces that end anywhere.
    """
    events = [json.loads(e.partition(b"data: ")[2]) for e in message_events(body, compose(body))]
    inputs: dict[int, str] = {}
    for event in events:
        if event["type"] == "content_block_delta" and "partial_json" in event["delta"]:
            given = inputs.get(event["index"], "")
            inputs[event["index"]] = given + event["delta"]["partial_json"]
    told = [_oddly(event, inputs) for event in events if not _is_of_input(event)]
    whole = b"".join(_sent(event) for event in told)
    return sent_in_pieces(STREAMED, [whole[at : at + 333] for at in range(0, len(whole), 333)])


def _oddly(event: dict[str, Any], inputs: dict[int, str]) -> dict[str, Any]:
    event.pop("usage", None)
    event.get("message", {}).pop("usage", None)
    block = event.get("content_block", {})
    if block.get("type") == "tool_use":
        block["input"] = inputs.get(event["index"], "")
    return event


def _is_of_input(event: dict[str, Any]) -> bool:
    return event["type"] == "content_block_delta" and "partial_json" in event["delta"]


def _sent(event: dict[str, Any]) -> bytes:
    return f"event: {event['type']}\r\ndata: {json.dumps(event)}\r\n\r\n".encode()
