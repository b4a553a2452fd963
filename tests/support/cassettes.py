"""What tests of cassettes are made of: prepared responses, requests, and calls through the SDK."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import httpx2
import msgspec
import pytest

from team.agent.models.call import Caller, Reply, Request
from team.agent.models.cassette.format import Call, read_lane
from team.agent.models.cassette.lane import Lane, LaneFile
from team.agent.models.cassette.record import RecordingTransport
from team.agent.models.cassette.replay import ReplayTransport
from team.errors import ModelRefusedError
from tests.support.builders import says

SECRET = "sk-ant-api03-very-secret"
M1, M2, M3 = (digit * 32 for digit in "123")


# --- what stands below the client --------------------------------------------------------


class Scripted(httpx2.AsyncBaseTransport):
    """Gives prepared responses, one after another."""

    def __init__(self, *responses: httpx2.Response) -> None:
        self._responses = list(responses)

    async def handle_async_request(self, _: httpx2.Request) -> httpx2.Response:
        return self._responses.pop(0)


class Pieces(httpx2.AsyncByteStream):
    """A body in pieces; it breaks, or never ends, after the last."""

    def __init__(self, *pieces: bytes, then: Exception | asyncio.Event | None = None) -> None:
        self._pieces, self._then = pieces, then

    async def __aiter__(self) -> AsyncIterator[bytes]:
        for piece in self._pieces:
            yield piece
        if isinstance(self._then, asyncio.Event):
            self._then.set()
            await asyncio.Event().wait()
        elif self._then is not None:
            raise self._then


def events(blocks: Sequence[dict[str, Any]], size: int = 3) -> list[bytes]:
    """A reply as the API streams it, in deltas of a few characters."""
    usage = {"input_tokens": 1, "output_tokens": 1}
    message: dict[str, Any] = {"id": "msg_1", "type": "message", "role": "assistant"}
    message |= {"model": "m1", "content": [], "usage": usage}
    message |= {"stop_reason": None, "stop_sequence": None}
    found: list[dict[str, Any]] = [{"type": "message_start", "message": message}]
    for index, block in enumerate(blocks):
        found += _block_events(index, block, size)
    end = {"stop_reason": "end_turn", "stop_sequence": None}
    found += [{"type": "message_delta", "delta": end, "usage": usage}, {"type": "message_stop"}]
    return [
        f"event: {e['type']}\ndata: {json.dumps(e, ensure_ascii=False)}\n\n".encode() for e in found
    ]


def parsed(body: bytes) -> list[dict[str, Any]]:
    """The content blocks of a stream of events."""
    found: list[dict[str, Any]] = []
    pieces: list[str] = []
    for line in body.splitlines():
        if line.startswith(b"data:"):
            event = json.loads(line.removeprefix(b"data:"))
            if event["type"] == "content_block_start":
                found.append(event["content_block"])
                pieces = []
            elif event["type"] == "content_block_delta":
                delta = event["delta"]
                pieces.append(delta.get("text", delta.get("partial_json")))
            elif event["type"] == "content_block_stop":
                whole = "".join(pieces)
                is_text = found[-1]["type"] == "text"
                found[-1] |= {"text": whole} if is_text else {"input": json.loads(whole or "{}")}
    return found


def _block_events(index: int, block: dict[str, Any], size: int) -> list[dict[str, Any]]:
    if block["type"] == "text":
        whole, empty, delta, field = block["text"], block | {"text": ""}, "text_delta", "text"
    else:
        whole, empty = json.dumps(block["input"], ensure_ascii=False), block | {"input": {}}
        delta, field = "input_json_delta", "partial_json"
    cut = [whole[at : at + size] for at in range(0, len(whole), size)]
    return [
        {"type": "content_block_start", "index": index, "content_block": empty},
        *(
            {"type": "content_block_delta", "index": index, "delta": {"type": delta, field: piece}}
            for piece in cut
        ),
        {"type": "content_block_stop", "index": index},
    ]


def streamed(*pieces: bytes, then: Exception | asyncio.Event | None = None) -> httpx2.Response:
    headers = {"content-type": "text/event-stream", "request-id": "req_1"}
    return httpx2.Response(200, headers=headers, stream=Pieces(*pieces, then=then))


def replied(*blocks: dict[str, Any], size: int = 3) -> httpx2.Response:
    return streamed(*events(blocks, size))


def failed(status: int, kind: str, **headers: str) -> httpx2.Response:
    body = {"type": "error", "error": {"type": kind, "message": kind}}
    return httpx2.Response(status, json=body, headers=headers)


# --- requests and calls ------------------------------------------------------------------


def user(*texts: str) -> dict[str, Any]:
    return {"role": "user", "content": [says(text) for text in texts]}


def assistant(*blocks: dict[str, Any]) -> dict[str, Any]:
    return {"role": "assistant", "content": list(blocks)}


def asking(*messages: dict[str, Any] | str, **changes: Any) -> Request:
    """A request; a text stands for what the user says."""
    turns = [user(m) if isinstance(m, str) else m for m in messages]
    given = {"model": "m1", "system": "You are ada.", "messages": turns, "tools": []}
    return Request(**(given | {"max_tokens": 100} | changes))


def on_the_wire(request: Request) -> httpx2.Request:
    """A request as the SDK sends it."""
    asked = {name: getattr(request, name) for name in ("model", "system", "messages", "tools")}
    body = asked | {"max_tokens": request.max_tokens, "stream": True}
    return httpx2.Request("POST", "http://x/v1/messages", json=body)


async def body_of(transport: httpx2.AsyncBaseTransport, request: httpx2.Request) -> bytes:
    """The whole body of a response, without the SDK."""
    return await (await transport.handle_async_request(request)).aread()


def never_waits(reason: str, seconds: float) -> None:
    raise AssertionError(f"waits {seconds} s: {reason}")


@asynccontextmanager
async def calling(transport: httpx2.AsyncBaseTransport) -> AsyncIterator[Caller]:
    caller = Caller("rehearsal", transport)
    try:
        yield caller
    finally:
        await caller.close()


async def ask(transport: httpx2.AsyncBaseTransport, *requests: Request) -> list[Reply]:
    async with calling(transport) as caller:
        return [await caller.call(r, on_text=lambda _: None, on_wait=never_waits) for r in requests]


async def once(transport: httpx2.AsyncBaseTransport, request: Request) -> Reply:
    """Ask without trying again."""
    async with calling(transport) as caller:
        return await caller._once(request, lambda _: None)


def recorder(inner: httpx2.AsyncBaseTransport, path: Path) -> RecordingTransport:
    return RecordingTransport(inner, LaneFile(path))


def player(path: Path) -> ReplayTransport:
    return ReplayTransport(Lane.open(path))


def read_calls(path: Path) -> list[Call]:
    """The model calls of a lane."""
    return [line for line in read_lane(path) if isinstance(line, Call)]


async def record(path: Path, *exchanges: tuple[Request, httpx2.Response]) -> list[Reply]:
    inner = Scripted(*(response for _, response in exchanges))
    return await ask(recorder(inner, path), *(request for request, _ in exchanges))


async def replay(path: Path, *requests: Request) -> list[Reply]:
    return await ask(player(path), *requests)


async def refused(path: Path, *requests: Request) -> str:
    """Why the last of these calls is refused."""
    with pytest.raises(ModelRefusedError) as caught:
        await replay(path, *requests)
    assert caught.value.reason.startswith("400 invalid_request_error: cassette ")
    return caught.value.reason


def content(reply: Reply) -> Any:
    return msgspec.json.decode(reply.content)
