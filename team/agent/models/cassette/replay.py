"""Answer model calls from a member's lane, and from nowhere else.

A call that was not recorded is refused with the first difference to the nearest one
that was. There is no falling through to a live model.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Sequence
from typing import Final

import httpx2

from team.agent.models.cassette.format import CUTS, canonical
from team.agent.models.cassette.lane import Lane
from team.agent.models.cassette.rewrite import rewritten

_REFUSED: Final = 400
_RETRY_AFTER: Final = "retry-after"
_NO_WAIT: Final = {_RETRY_AFTER: "0"}
"""Who was asked to wait has waited, in the recording."""


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
        return httpx2.Response(
            call.status,
            headers=call.headers | _NO_WAIT if _RETRY_AFTER in call.headers else call.headers,
            stream=_Replayed(rewritten(call, alignment), str(path), is_cut=call.is_cut),
        )


class _Replayed(httpx2.AsyncByteStream):
    """A recorded body. Where the recording was cut, so is this."""

    def __init__(self, pieces: Sequence[bytes], path: str, *, is_cut: bool) -> None:
        self._pieces = tuple(pieces)
        self._path = path
        self._is_cut = is_cut

    async def __aiter__(self) -> AsyncIterator[bytes]:
        for piece in self._pieces:
            await asyncio.sleep(0)  # a cancel may come between two pieces, as it may on a network
            yield piece
        if self._is_cut:
            raise httpx2.RemoteProtocolError(f"cassette {self._path}: this call was cut here")


def _refusal(reason: str) -> httpx2.Response:
    error = {"type": "invalid_request_error", "message": reason}
    return httpx2.Response(_REFUSED, json={"type": "error", "error": error})
