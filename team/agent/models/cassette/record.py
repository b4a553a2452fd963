"""Pass model calls on and write each finished one to the member's lane.

An exchange that is cancelled before the first byte is not stored: there is nothing to replay.
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable
from typing import Final

import httpx2

from team.agent.models.cassette.format import CallEnd, canonical, new_call
from team.agent.models.cassette.lane import LaneFile

SECRET_CHARACTERS_MIN: Final = 8
"""A shorter value is a placeholder, such as `none`."""

NOT_SENT: Final = (httpx2.ConnectError, httpx2.ConnectTimeout, httpx2.PoolTimeout)
"""Errors of a request of which nothing has left; any other may have been answered and paid."""

_SECRET_HEADERS: Final = ("x-api-key", "authorization", "cookie", "proxy-authorization")
_DECODED: Final = ("content-encoding", "content-length")
"""Headers of a body that do not hold once it is decompressed."""


class RecordingTransport(httpx2.AsyncBaseTransport):
    """Records what goes through another transport, one line for each finished exchange."""

    def __init__(self, inner: httpx2.AsyncBaseTransport, lane: LaneFile) -> None:
        self._inner = inner
        self._lane = lane

    async def handle_async_request(self, request: httpx2.Request) -> httpx2.Response:
        """Pass a request on; its exchange is stored when the response ends or is closed.

        Cancelling: safe. What came of the response until then is stored as cut.
        """
        asked = canonical(await request.aread())
        secrets = _secrets(request.headers)
        if asked is None:
            return await self._inner.handle_async_request(request)
        try:
            response = await self._inner.handle_async_request(request)
        except Exception as error:
            said = str(error) or type(error).__name__
            end: CallEnd = "unconnected" if isinstance(error, NOT_SENT) else "unanswered"
            lost = new_call(asked, 0, {}, (), end=end, error=said)
            self._lane.append(lost, secrets)
            raise

        def on_end(pieces: list[bytes], how: CallEnd, error: str) -> None:
            status, headers = response.status_code, response.headers
            call = new_call(asked, status, headers, pieces, end=how, error=error)
            self._lane.append(call, secrets)

        headers = [(k, v) for k, v in response.headers.multi_items() if k.lower() not in _DECODED]
        return httpx2.Response(
            response.status_code,
            headers=headers,
            stream=_Recorded(response, on_end),
            extensions=response.extensions,
        )

    async def aclose(self) -> None:
        """Close the transport below."""
        await self._inner.aclose()


class _Recorded(httpx2.AsyncByteStream):
    """A response's body, decompressed, on its way through; tells how it ended, once."""

    def __init__(
        self, response: httpx2.Response, on_end: Callable[[list[bytes], CallEnd, str], None]
    ) -> None:
        self._response = response
        self._on_end = on_end
        self._pieces: list[bytes] = []
        self._has_ended = False

    async def __aiter__(self) -> AsyncIterator[bytes]:
        try:
            async for piece in self._response.aiter_bytes():
                self._pieces.append(piece)
                yield piece
        except Exception as error:
            self._end(_end_of(error), str(error))
            raise
        self._end("whole")

    async def aclose(self) -> None:
        try:
            self._end("left")
        finally:
            await self._response.aclose()

    def _end(self, end: CallEnd, error: str = "") -> None:
        if not self._has_ended:
            self._has_ended = True
            self._on_end(self._pieces, end, error)


def _end_of(error: Exception) -> CallEnd:
    """Those that a member tells from one another."""
    if isinstance(error, httpx2.TimeoutException):
        return "silent"
    return "cut" if isinstance(error, httpx2.TransportError) else "garbled"


def _secrets(headers: httpx2.Headers) -> tuple[str, ...]:
    """What a request proves itself with: never stored, not even where a body quotes it."""
    given = [headers[name].removeprefix("Bearer ") for name in _SECRET_HEADERS if name in headers]
    return tuple(value for value in given if len(value) >= SECRET_CHARACTERS_MIN)
