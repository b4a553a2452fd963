"""A response's body under a limit that holds while it comes, also for what unpacks to more."""

from __future__ import annotations

import zlib
from collections.abc import AsyncIterator, Iterator
from typing import Final

from team.errors import FetchError

_GZIP: Final = 16 + zlib.MAX_WBITS
_STEP: Final = 64 * 1024
ACCEPTED: Final = "gzip, identity"
"""What is asked for: an encoding that can be unpacked piece by piece, under a limit."""


async def read_body(
    url: str, pieces: AsyncIterator[bytes], encoding: str, bytes_max: int, *, cut: bool = False
) -> bytes:
    """Read a body.

    Args:
        url: Whose body.
        pieces: The bytes as they come.
        encoding: How they are packed, as the server says.
        bytes_max: What they may be, unpacked.
        cut: Whether a longer one is cut there, in place of being refused.

    Raises:
        FetchError: It is larger, or packed otherwise, or broken.
    """
    body, unpacker = bytearray(), _Unpacker(url, encoding)
    async for piece in pieces:
        for part in unpacker.parts(piece):
            body += part
            if len(body) <= bytes_max:
                continue
            if cut:
                return bytes(body[:bytes_max])
            raise FetchError(url, f"it is larger than the {bytes_max} bytes that policy allows")
    unpacker.end()
    return bytes(body)


class _Unpacker:
    """Unpacks in parts that are small, whatever a piece unpacks to."""

    def __init__(self, url: str, encoding: str) -> None:
        self._url = url
        self._zlib = None
        match encoding.strip().lower():
            case "" | "identity":
                pass
            case "gzip" | "x-gzip":
                self._zlib = zlib.decompressobj(_GZIP)
            case other:
                raise FetchError(url, f"it is packed as {other!r}, which was not asked for")

    def parts(self, piece: bytes) -> Iterator[bytes]:
        """What a piece unpacks to."""
        if self._zlib is None:
            yield piece
            return
        left, part = piece, b""
        while left or len(part) == _STEP:
            try:
                part = self._zlib.decompress(left, _STEP)
            except zlib.error as error:
                raise FetchError(self._url, f"it can't be unpacked: {error}") from error
            left = self._zlib.unconsumed_tail
            yield part

    def end(self) -> None:
        """Check that all of it has come."""
        if self._zlib is not None and not self._zlib.eof:
            raise FetchError(self._url, "it ended before it was whole")
