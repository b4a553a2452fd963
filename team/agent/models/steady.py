"""Notice a stream that has fallen silent: a transport around the one that reaches the model.

The API sends a ping about every 15 s while it writes, so that silence is not thinking.
The SDK hides pings, and HTTP's own time-out is one for the wait before an answer, which
may be long, and the wait within it: hence below the SDK, and by bytes.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator

import httpx2


class SteadyTransport(httpx2.AsyncBaseTransport):
    """Passes requests on; an answer that sends no byte for too long ends as a time-out."""

    def __init__(self, inner: httpx2.AsyncBaseTransport, silent_s: float) -> None:
        self._inner = inner
        self._silent_s = silent_s

    async def handle_async_request(self, request: httpx2.Request) -> httpx2.Response:
        """Pass a request on."""
        response = await self._inner.handle_async_request(request)
        return httpx2.Response(
            response.status_code,
            headers=response.headers,
            stream=_Steady(response, self._silent_s),
            extensions=response.extensions,
        )

    async def aclose(self) -> None:
        """Close the transport below."""
        await self._inner.aclose()


class _Steady(httpx2.AsyncByteStream):
    def __init__(self, response: httpx2.Response, silent_s: float) -> None:
        self._response = response
        self._silent_s = silent_s

    async def __aiter__(self) -> AsyncIterator[bytes]:
        assert isinstance(self._response.stream, httpx2.AsyncByteStream)
        pieces = self._response.stream.__aiter__()
        while True:
            try:
                async with asyncio.timeout(self._silent_s):
                    piece = await anext(pieces)
            except StopAsyncIteration:
                return
            except TimeoutError as error:
                raise httpx2.ReadTimeout(f"nothing came for {self._silent_s:g} s") from error
            yield piece

    async def aclose(self) -> None:
        await self._response.aclose()
