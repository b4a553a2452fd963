"""Answer model calls from a member's lane, and from nowhere else.

A call that was not recorded is refused with the first difference to the nearest one
that was. There is no falling through to a live model.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Sequence
from typing import Final

import httpx2

from team.agent.models.cassette.format import CUTS, Call, canonical
from team.agent.models.cassette.lane import Lane
from team.agent.models.cassette.rewrite import rewritten

_REFUSED: Final = 400


class ReplayTransport(httpx2.AsyncBaseTransport):
    """Answers from one member's lane."""

    def __init__(self, lane: Lane) -> None:
        self._lane = lane

    async def handle_async_request(self, request: httpx2.Request) -> httpx2.Response:
        """Answer one request as it was answered when it was recorded, or refuse it."""
        path = self._lane.path
        asked = canonical(await request.aread())
        if asked is None:
            return _refusal(f"cassette {path} answers model calls only")
        if self._lane.next_kind in CUTS:
            await asyncio.Event().wait()  # it was cut before a byte came
        found = self._lane.take_call(asked)
        if found is None:
            reason = self._lane.why_not(asked)
            return _refusal(f"cassette {path} has no recording of this call; {reason}")
        call, alignment = found
        if call.end == "unconnected":
            raise httpx2.ConnectError(call.error)
        if call.end == "unanswered":
            raise httpx2.ReadError(call.error)
        body = _Replayed(call, rewritten(call, alignment), self._lane)
        return httpx2.Response(call.status, headers=call.headers, stream=body)


class _Replayed(httpx2.AsyncByteStream):
    """A recorded body. It ends as the recorded one did."""

    def __init__(self, call: Call, pieces: Sequence[bytes], lane: Lane) -> None:
        self._call = call
        self._pieces = tuple(pieces)
        self._lane = lane

    async def __aiter__(self) -> AsyncIterator[bytes]:
        for piece in self._pieces:
            await asyncio.sleep(0)  # a cancel may come between two pieces, as it may on a network
            yield piece
        match self._call.end:
            case "silent":
                raise httpx2.ReadTimeout(self._call.error)
            case "cut":
                raise httpx2.RemoteProtocolError(self._call.error)
            case "garbled":
                raise httpx2.DecodingError(self._call.error)
            case "left":
                await self._until_cut()

    async def _until_cut(self) -> None:
        if self._lane.next_kind in CUTS:
            await asyncio.Event().wait()
        raise httpx2.RemoteProtocolError(f"cassette {self._lane.path}: this call was cut here")


def _refusal(reason: str) -> httpx2.Response:
    error = {"type": "invalid_request_error", "message": reason}
    return httpx2.Response(_REFUSED, json={"type": "error", "error": error})
