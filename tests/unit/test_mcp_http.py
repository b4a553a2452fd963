"""What comes from an MCP server over HTTP is bounded, whatever it says of its length."""

from __future__ import annotations

from collections.abc import AsyncIterator

import httpx2
import pytest

from team.agent.mcp import http


class Endless(httpx2.AsyncByteStream):
    """A body that does not end, and how much of it was read."""

    def __init__(self) -> None:
        self.read = 0

    async def __aiter__(self) -> AsyncIterator[bytes]:
        while True:
            self.read += 1_000_000
            yield b"x" * 1_000_000


async def test_an_answer_without_an_end_is_cut_off() -> None:
    body = Endless()
    transport = httpx2.MockTransport(lambda _: httpx2.Response(200, stream=body))
    hooks = {"response": [http.bounded]}

    async with httpx2.AsyncClient(transport=transport, event_hooks=hooks) as client:
        with pytest.raises(httpx2.ReadError, match="more than 8,388,608 bytes came"):
            await client.post("http://server/mcp", json={})

    assert body.read <= http.BODY_BYTES_MAX + 1_000_000


async def test_an_answer_that_came_packed_is_not_unfolded() -> None:
    packed = {"content-encoding": "gzip"}
    transport = httpx2.MockTransport(
        lambda _: httpx2.Response(200, headers=packed, stream=Endless())
    )
    hooks = {"response": [http.bounded]}

    async with httpx2.AsyncClient(transport=transport, event_hooks=hooks) as client:
        with pytest.raises(httpx2.DecodingError, match="packed as gzip"):
            await client.post("http://server/mcp", json={})


async def test_an_answer_within_the_bound_is_whole() -> None:
    transport = httpx2.MockTransport(lambda _: httpx2.Response(200, json={"a": 1}))

    async with httpx2.AsyncClient(
        transport=transport, event_hooks={"response": [http.bounded]}
    ) as client:
        response = await client.post("http://server/mcp", json={})

    assert response.json() == {"a": 1}
