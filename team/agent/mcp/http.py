"""A transport of the `mcp` package over streamable HTTP, with the user's headers, bounded."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING, Final

from team.mcp_files import McpServer

if TYPE_CHECKING:
    import httpx2
    from mcp.client._transport import TransportStreams

BODY_BYTES_MAX: Final = 8 * 1024 * 1024
"""The longest answer that is taken from a server; of a stream of events, all of it together."""
CONNECT_S: Final = 10.0


@asynccontextmanager
async def http_transport(server: McpServer, read_s: float) -> AsyncIterator[TransportStreams]:
    """Speak to a server for as long as the block lasts.

    Args:
        server: Whom to speak to.
        read_s: How long it may be silent within an answer, in seconds.
    """
    import httpx2
    from mcp.client.streamable_http import streamable_http_client

    timeout = httpx2.Timeout(read_s, connect=CONNECT_S)
    async with (
        httpx2.AsyncClient(
            headers={"accept-encoding": "identity"} | server.headers,
            timeout=timeout,
            event_hooks={"response": [bounded]},
        ) as client,
        streamable_http_client(server.url, http_client=client) as streams,
    ):
        yield streams


async def bounded(response: httpx2.Response) -> None:
    """Have a response end with an error once it is too long, or if it may unfold to be."""
    import httpx2

    packed = response.headers.get("content-encoding", "identity")
    if packed != "identity":
        raise httpx2.DecodingError(f"it came packed as {packed}, unasked", request=response.request)
    stream = response.stream
    if isinstance(stream, httpx2.AsyncByteStream):
        response.stream = _bounded_stream(stream)


def _bounded_stream(stream: httpx2.AsyncByteStream) -> httpx2.AsyncByteStream:
    import httpx2

    class Bounded(httpx2.AsyncByteStream):
        async def __aiter__(self) -> AsyncIterator[bytes]:
            left = BODY_BYTES_MAX
            async for chunk in stream:
                left -= len(chunk)
                if left < 0:
                    raise httpx2.ReadError(f"more than {BODY_BYTES_MAX:,} bytes came")
                yield chunk

        async def aclose(self) -> None:
            await stream.aclose()

    return Bounded()
