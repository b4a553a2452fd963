"""Mend the answers of servers that speak the Messages API almost.

Only what the SDK can't read without, and what says nothing of whether an answer is whole:
token counts that are missing become 0, a tool's input in a text becomes the object that it
spells. What is missing of an answer itself stays missing, and makes it no answer.
"""

from __future__ import annotations

import json
import re
from collections.abc import AsyncIterator
from typing import Any, Final

import httpx2
import msgspec

_END: Final = re.compile(rb"\r?\n\r?\n")
_MENDED: Final = (b"message_start", b"message_delta", b"tool_use")
FRAME_BYTES_MAX: Final = 1024 * 1024
"""What is held back for the end of an event; a longer one is passed on as it comes."""


class FillingTransport(httpx2.AsyncBaseTransport):
    """Passes requests on; streams of events come back mended."""

    def __init__(self, inner: httpx2.AsyncBaseTransport) -> None:
        self._inner = inner

    async def handle_async_request(self, request: httpx2.Request) -> httpx2.Response:
        """Pass a request on."""
        response = await self._inner.handle_async_request(request)
        if not response.headers.get("content-type", "").startswith("text/event-stream"):
            return response
        if response.headers.get("content-encoding"):
            return response
        headers = [(k, v) for k, v in response.headers.multi_items() if k != "content-length"]
        return httpx2.Response(
            response.status_code,
            headers=headers,
            stream=_Filled(response),
            extensions=response.extensions,
        )

    async def aclose(self) -> None:
        """Close the transport below."""
        await self._inner.aclose()


class _Filled(httpx2.AsyncByteStream):
    def __init__(self, response: httpx2.Response) -> None:
        self._response = response

    async def __aiter__(self) -> AsyncIterator[bytes]:
        assert isinstance(self._response.stream, httpx2.AsyncByteStream)
        held = b""
        async for piece in self._response.stream:
            held += piece
            while (end := _END.search(held)) is not None:
                frame, held = held[: end.end()], held[end.end() :]
                yield filled(frame)
            if len(held) > FRAME_BYTES_MAX:
                yield held
                held = b""
        if held:
            yield held

    async def aclose(self) -> None:
        await self._response.aclose()


def filled(frame: bytes) -> bytes:
    """An event as the SDK can read it; as it came, if it can."""
    if not any(word in frame for word in _MENDED):
        return frame
    lines = frame.splitlines()
    data = b"\n".join(line[5:] for line in lines if line.startswith(b"data:"))
    try:
        event = msgspec.json.decode(data)
    except (msgspec.DecodeError, UnicodeDecodeError):
        return frame
    if not isinstance(event, dict) or not _fill(event):
        return frame
    kept = [line for line in lines if line and not line.startswith(b"data:")]
    return b"\n".join([*kept, b"data: " + msgspec.json.encode(event), b"", b""])


def _fill(event: dict[str, Any]) -> bool:
    """Mend an event; says whether there was something to mend."""
    match event:
        case {"type": "message_start", "message": dict(message)}:
            wanted: dict[str, Any] = {"input_tokens": 0, "output_tokens": 0}
            return _fill_usage(message, wanted)
        case {"type": "message_delta"}:
            return _fill_usage(event, {"output_tokens": 0})
        case {"type": "content_block_start", "content_block": {"type": "tool_use"} as block}:
            return _fill_input(block)
        case _:
            return False


def _fill_usage(holder: dict[str, Any], wanted: dict[str, Any]) -> bool:
    usage = holder.get("usage")
    if isinstance(usage, dict) and all(usage.get(name) is not None for name in wanted):
        return False
    had = {k: v for k, v in usage.items() if v is not None} if isinstance(usage, dict) else {}
    holder["usage"] = wanted | had
    return True


def _fill_input(block: dict[str, Any]) -> bool:
    given = block.get("input")
    if isinstance(given, dict):
        return False
    try:
        block["input"] = json.loads(given) if given else {}
    except (TypeError, ValueError):
        return False
    return True
