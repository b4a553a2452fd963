"""The rehearsal model as an HTTP transport below the SDK: real framing, no network.

It refuses what the API refuses, streams as the API streams, and counts tokens by a
stated estimate (four bytes of JSON a token).
"""

from __future__ import annotations

import asyncio
import hashlib
import os
from collections.abc import AsyncIterator, Iterator, Sequence
from itertools import groupby
from typing import Any, Final

import httpx2
import msgspec

from team.agent.models.rehearsal.brain import MODEL, Composed, compose
from team.agent.models.rehearsal.faults import (
    FAULTS_VARIABLE,
    LATENCY_VARIABLE,
    ONCE,
    Fault,
    parse_faults,
    parse_latency,
)

BYTES_PER_TOKEN: Final = 4
COUNTING: Final = "/count_tokens"
"""How the address ends under which a request is counted, not answered."""
_PIECE: Final = 400


class RehearsalTransport(httpx2.AsyncBaseTransport):
    """Answers requests to the Messages API by itself."""

    def __init__(self, faults: Sequence[Fault] = (), latency_s: float = 0.0) -> None:
        self._faults = tuple(faults)
        self._latency_s = latency_s
        self._seen: set[str] = set()

    @classmethod
    def from_environment(cls) -> RehearsalTransport:
        """Make one with the faults and the latency that the environment asks for."""
        faults = parse_faults(os.environ.get(FAULTS_VARIABLE, ""))
        return cls(faults, parse_latency(os.environ.get(LATENCY_VARIABLE, "")))

    async def handle_async_request(self, request: httpx2.Request) -> httpx2.Response:
        """Answer one request."""
        body = msgspec.json.decode(await request.aread())
        await asyncio.sleep(self._latency_s)
        if request.url.path.endswith(COUNTING):
            return counted(body)
        try:
            problem = request_problem(body)
            if problem is not None:
                return _error(400, "invalid_request_error", problem)
            return respond(body, self._faults_of(body))
        except Exception as error:
            return _error(400, "invalid_request_error", f"the rehearsal model failed: {error!r}")

    def _faults_of(self, body: dict[str, Any]) -> tuple[Fault, ...]:
        """The faults that may meet this try of a call."""
        call = _id("call", body)
        if call not in self._seen:
            self._seen.add(call)
            return self._faults
        return tuple(fault for fault in self._faults if fault.name not in ONCE)


def counted(body: dict[str, Any]) -> httpx2.Response:
    """Answer how many tokens a request has."""
    return httpx2.Response(200, json={"input_tokens": tokens_read(body)})


def tokens_read(body: dict[str, Any]) -> int:
    """How many tokens a request has, by the stated estimate."""
    sent = (body.get("system"), body["messages"], body.get("tools"))
    return len(msgspec.json.encode(sent)) // BYTES_PER_TOKEN


def respond(body: dict[str, Any], faults: Sequence[Fault] = ()) -> httpx2.Response:
    """Answer a request's body, with faults as planned."""
    composed = compose(body, faults)
    answered = _instead(composed.fault)
    if answered is not None:
        return answered
    events, is_silent = _broken(message_events(body, composed), composed.fault)
    return httpx2.Response(
        200,
        headers={"content-type": "text/event-stream", "request-id": _id("req", body)},
        stream=_Stream(events, is_silent=is_silent),
    )


def _instead(fault: str | None) -> httpx2.Response | None:
    """What a fault answers in place of a message."""
    match fault:
        case "refuse-key":
            return _error(401, "authentication_error", "invalid x-api-key")
        case "overloaded":
            return _error(529, "overloaded_error", "Overloaded")
        case "rate-limit":
            return _error(429, "rate_limit_error", "too many requests", {"retry-after": "1"})
        case "html":
            kind = {"content-type": "text/html"}
            return httpx2.Response(200, headers=kind, text="<html>gateway</html>")
        case "empty":
            return httpx2.Response(200, headers={"content-type": "text/event-stream"}, text="")
        case _:
            return None


def _broken(events: list[bytes], fault: str | None) -> tuple[list[bytes], bool]:
    """The events that a fault lets through, and whether silence follows them."""
    half = events[: len(events) // 2]
    match fault:
        case "cut-stream" | "cut-once":
            return half, False
        case "stall":
            return half, True
        case "hang":
            return [], True
        case "error-once":
            overloaded = {"type": "overloaded_error", "message": "Overloaded"}
            return [*half, _event("error", error=overloaded)], False
        case _:
            return events, False


def request_problem(body: dict[str, Any]) -> str | None:
    """Say why the API would refuse a request; nothing if it would take it."""
    if not isinstance(body.get("max_tokens"), int) or not body.get("model"):
        return "model and max_tokens are required"
    if not body.get("messages"):
        return "messages: at least one message is required"
    empty = [n for n, message in enumerate(body["messages"]) if not message["content"]]
    if empty:
        return f"messages.{empty[0]}: text content blocks must be non-empty"
    open_calls: list[str] = []
    for number, role, blocks in _turns(body["messages"]):
        problem = _blocks_problem(role, blocks, open_calls)
        if problem is not None:
            return f"messages.{number}: {problem}"
        open_calls = [b["id"] for b in blocks if b["type"] == "tool_use"]
    return "messages: the last tool_use has no tool_result" if open_calls else None


def _turns(messages: list[dict[str, Any]]) -> Iterator[tuple[int, str, list[dict[str, Any]]]]:
    """Messages as the API takes them: those of one role in a row are one."""
    for role, group in groupby(enumerate(messages), key=lambda one: str(one[1]["role"])):
        numbered = list(group)
        blocks: list[dict[str, Any]] = []
        for _, message in numbered:
            content = message["content"]
            is_list = isinstance(content, list)
            blocks += content if is_list else [{"type": "text", "text": content}]
        yield numbered[0][0], role, blocks


def _blocks_problem(role: str, blocks: list[dict[str, Any]], open_calls: list[str]) -> str | None:
    # Blank words of the model beside something else are taken back.
    is_said = role == "assistant" and len(blocks) > 1
    texts = (b["text"] if is_said else b["text"].strip() for b in blocks if b["type"] == "text")
    if not blocks or not all(texts):
        return "text content blocks must be non-empty"
    results = [b["tool_use_id"] for b in blocks if b["type"] == "tool_result"]
    if sorted(results) != sorted(set(open_calls)) or (results and role != "user"):
        return "tool_use and tool_result blocks do not pair"
    if any(b["type"] != "tool_result" for b in blocks[: len(results)]):
        return "tool_result blocks must come first"
    return None


def message_events(body: dict[str, Any], composed: Composed) -> list[bytes]:
    """Write a reply as the API's server-sent events."""
    written = len(msgspec.json.encode(composed.blocks))
    start: dict[str, Any] = {
        "id": _id("msg", body),
        "type": "message",
        "role": "assistant",
        "model": MODEL,
        "content": [],
        "stop_reason": None,
        "stop_sequence": None,
        "usage": {"input_tokens": tokens_read(body), "output_tokens": 1},
    }
    events = [_event("message_start", message=start)]
    for index, block in enumerate(composed.blocks):
        events += _block_events(index, block)
    events.append(
        _event(
            "message_delta",
            delta={"stop_reason": composed.stop_reason, "stop_sequence": None},
            usage={"output_tokens": max(1, written // BYTES_PER_TOKEN)},
        )
    )
    events.append(_event("message_stop"))
    return events


def _block_events(index: int, block: dict[str, Any]) -> list[bytes]:
    if block["type"] == "text":
        empty: dict[str, Any] = {"type": "text", "text": ""}
        whole, kind, field = block["text"], "text_delta", "text"
    else:
        empty = block | {"input": {}}
        whole, kind = msgspec.json.encode(block["input"]).decode(), "input_json_delta"
        field = "partial_json"
    pieces = [whole[at : at + _PIECE] for at in range(0, len(whole), _PIECE)]
    return [
        _event("content_block_start", index=index, content_block=empty),
        *(
            _event("content_block_delta", index=index, delta={"type": kind, field: p})
            for p in pieces
        ),
        _event("content_block_stop", index=index),
    ]


def _event(kind: str, **fields: Any) -> bytes:
    data = msgspec.json.encode({"type": kind, **fields})
    return b"event: " + kind.encode() + b"\ndata: " + data + b"\n\n"


class _Stream(httpx2.AsyncByteStream):
    def __init__(self, events: Sequence[bytes], *, is_silent: bool = False) -> None:
        self._events = events
        self._is_silent = is_silent

    async def __aiter__(self) -> AsyncIterator[bytes]:
        for event in self._events:
            yield event
        if self._is_silent:
            await asyncio.Event().wait()


def _error(
    status: int, kind: str, message: str, headers: dict[str, str] | None = None
) -> httpx2.Response:
    body = {"type": "error", "error": {"type": kind, "message": message}}
    return httpx2.Response(status, headers=headers, json=body)


def _id(prefix: str, body: dict[str, Any]) -> str:
    digest = hashlib.sha256(msgspec.json.encode(body["messages"], order="sorted")).hexdigest()
    return f"{prefix}_{digest[:24]}"
