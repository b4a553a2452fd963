"""Answer model calls from a member's file, and from nowhere else.

A call that was not recorded is refused with the first difference to the nearest one
that was. There is no falling through to a live model.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Sequence
from pathlib import Path
from typing import Any, Final

import httpx2

from team.agent.models.cassette.format import Call, canonical, read_calls
from team.agent.models.cassette.match import Difference, aligned, difference
from team.agent.models.cassette.rewrite import rewritten
from team.agent.models.cassette.volatile import Alignment
from team.errors import SpecError

_REFUSED: Final = 400


class Lane:
    """The recorded calls of one member; each answers once, in any order."""

    def __init__(self, calls: Sequence[Call]) -> None:
        self._calls = tuple(calls)
        self._unused = list(range(len(calls)))
        self._alignment = Alignment()

    def take(self, asked: dict[str, Any]) -> tuple[Call, Alignment] | None:
        """Use up the earliest recording of a request, if one is left.

        Returns:
            The recording, and which of its values stand for which of this run.
        """
        for number in self._unused:
            alignment = aligned(self._calls[number].request, asked, self._alignment)
            if alignment is not None:
                self._unused.remove(number)
                self._alignment = alignment
                return self._calls[number], alignment
        return None

    def why_not(self, asked: dict[str, Any]) -> str:
        """Why no recording answers a request, in words."""
        reasons = [f"call {n} is the same and was used already" for n in self._used_by(asked)[:1]]
        apart = [(n, d) for n in self._unused if (d := self._apart(n, asked)) is not None]
        if apart:
            number, found = max(apart, key=lambda pair: pair[1].after)
            reasons.append(
                f"nearest is call {number + 1}, which differs first at {found.path}: "
                f"recorded {found.recorded}, asked {found.asked}"
            )
        elif self._calls:
            reasons.append(f"all {len(self._calls)} recorded calls are used")
        else:
            reasons.append("it holds no calls")
        return "; ".join(reasons)

    def _used_by(self, asked: dict[str, Any]) -> list[int]:
        used = set(range(len(self._calls))) - set(self._unused)
        return [n + 1 for n in sorted(used) if self._apart(n, asked) is None]

    def _apart(self, number: int, asked: dict[str, Any]) -> Difference | None:
        return difference(self._calls[number].request, asked, self._alignment.copy())


class ReplayTransport(httpx2.AsyncBaseTransport):
    """Answers from one member's file; read at the first call, never written."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._lane: Lane | None = None

    async def handle_async_request(self, request: httpx2.Request) -> httpx2.Response:
        """Answer one request as it was answered when it was recorded, or refuse it."""
        asked = canonical(await request.aread())
        if asked is None:
            return _refusal(f"cassette {self._path} answers model calls only")
        if not self._path.exists():
            return _refusal(
                f"cassette {self._path} does not exist: the recorded run had no call of "
                f"{self._path.stem!r}"
            )
        try:
            lane = self._lane = self._lane or Lane(read_calls(self._path))
        except SpecError as error:
            return _refusal(f"cassette {error}")
        found = lane.take(asked)
        if found is None:
            reason = lane.why_not(asked)
            return _refusal(f"cassette {self._path} has no recording of this call; {reason}")
        call, alignment = found
        return httpx2.Response(
            call.status,
            headers=call.headers,
            stream=_Replayed(rewritten(call, alignment), str(self._path), is_cut=call.is_cut),
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
