"""Bedrock and Vertex on loopback: the addresses, credentials and framing that their clients use.

The words are the rehearsal model's, as in `messages_api`; only what lies around them differs.
"""

from __future__ import annotations

import asyncio
import base64
import binascii
import json
import struct
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from typing import Any, Literal

import httpx2
import msgspec

from team.agent.models.rehearsal.brain import compose
from team.agent.models.rehearsal.transport import message_events, request_problem
from tests.support.messages_api import KEY, MessagesApi, Script, sent_in_pieces

FRAMED = "application/vnd.amazon.eventstream"
STREAMED = "text/event-stream"
_TEXT = 7
"""The type of a header's value in a frame."""


class CloudApi(MessagesApi):
    """The server's side: beside the bodies it keeps path and authorization of each request."""

    def __init__(self, kind: Literal["bedrock", "vertex"], script: Script) -> None:
        super().__init__(script)
        self.kind = kind
        self.paths: list[str] = []

    def _answer(self, path: str, headers: dict[str, str], body: dict[str, Any]) -> httpx2.Response:
        self.requests.append(body)
        self.paths.append(headers.get(":path", path))
        authorization = headers.get("authorization", "")
        self.keys.append(authorization)
        is_signed = self.kind == "bedrock" and authorization.startswith("AWS4-HMAC-SHA256 ")
        if authorization != f"Bearer {KEY}" and not is_signed:
            return httpx2.Response(403, json={"message": "The security token is invalid."})
        scripted = self._script(body, len(self.requests))
        return scripted or whole(self.kind, body)


@asynccontextmanager
async def cloud_api(
    kind: Literal["bedrock", "vertex"], script: Script = lambda body, number: None
) -> AsyncIterator[CloudApi]:
    """Serve a cloud's way to the Messages API on a free loopback port."""
    api = CloudApi(kind, script)
    server = await asyncio.start_server(api.accept, "127.0.0.1", 0)
    api.url = f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}"
    try:
        yield api
    finally:
        server.close()
        await api.close()


# --- answers -----------------------------------------------------------------------------


def whole(kind: Literal["bedrock", "vertex"], body: dict[str, Any]) -> httpx2.Response:
    """The rehearsal model's answer in a cloud's framing."""
    problem = request_problem({"model": "in the path", **body})
    if problem is not None:
        return httpx2.Response(400, json={"message": problem})
    return framed(kind, message_events(body, compose(body)))


def framed(kind: Literal["bedrock", "vertex"], events: Sequence[bytes]) -> httpx2.Response:
    """Server-sent events as a cloud sends them."""
    if kind == "vertex":
        return sent_in_pieces(STREAMED, events)
    return sent_in_pieces(FRAMED, [as_frame(_data_of(event)) for event in events])


def failed_frame(error: str, message: str) -> bytes:
    """The frame with which Bedrock says in mid-answer that it can't go on."""
    headers = {":message-type": "exception", ":exception-type": error}
    return frame(headers, json.dumps({"message": message}).encode())


def as_frame(data: bytes) -> bytes:
    """One event of a message as Bedrock sends it."""
    headers = {
        ":event-type": "chunk",
        ":content-type": "application/json",
        ":message-type": "event",
    }
    return frame(headers, msgspec.json.encode({"bytes": base64.b64encode(data).decode()}))


def frame(headers: dict[str, str], payload: bytes) -> bytes:
    """One message of AWS's event-stream encoding: lengths, headers, payload, check sums."""
    head = b"".join(
        struct.pack("!B", len(name))
        + name.encode()
        + struct.pack("!BH", _TEXT, len(value))
        + value.encode()
        for name, value in headers.items()
    )
    prelude = struct.pack("!II", len(head) + len(payload) + 16, len(head))
    prelude += struct.pack("!I", binascii.crc32(prelude))
    message = prelude + head + payload
    return message + struct.pack("!I", binascii.crc32(message))


def _data_of(event: bytes) -> bytes:
    return event.partition(b"data: ")[2].strip()
