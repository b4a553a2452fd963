"""What a picture is: its kind and its size, from the first bytes of its file.

Not for looking at it: models that see do that.
"""

from __future__ import annotations

import math
import struct
from pathlib import PurePath
from typing import Final

from msgspec import Struct

from team.errors import SourceError

MEDIA_TYPES: Final = {
    ".png": "image/png",
    ".jpg": "image/jpeg",
    ".jpeg": "image/jpeg",
    ".gif": "image/gif",
    ".webp": "image/webp",
}
"""What a picture is by the suffix of its name."""
PICTURE_BYTES_MAX: Final = 3_750_000
"""The largest picture that is read; written as text it has the 5 MB that providers take."""
SIDE_MAX: Final = 8_000
"""The most pixels that a picture may have along a side."""
PIXELS_PER_TOKEN: Final = 750

_JPEG_HAS_NO_SIZE: Final = frozenset({0xC4, 0xC8, 0xCC})
_JPEG_SIZES: Final = range(0xC0, 0xD0)


class Looks(Struct, frozen=True, kw_only=True):
    """A picture's kind, and its size in pixels."""

    media_type: str
    width: int
    height: int

    @property
    def tokens(self) -> int:
        """The most tokens that it takes; a provider that makes it smaller takes fewer."""
        return tokens_of_image(self.width, self.height)


def tokens_of_image(width: int, height: int) -> int:
    """Tokens of a picture by the provider's own formula, rounded up."""
    return max(1, math.ceil(width * height / PIXELS_PER_TOKEN))


def is_picture(path: PurePath) -> bool:
    """Whether a file is a picture, by its suffix alone."""
    return path.suffix.lower() in MEDIA_TYPES


def looks_of(path: PurePath, data: bytes) -> Looks:
    """Find out what a picture is.

    Raises:
        SourceError: It is none, or not the one that its suffix says, or too large; skip it.
    """
    media_type = MEDIA_TYPES[path.suffix.lower()]
    if len(data) > PICTURE_BYTES_MAX:
        reason = f"the picture has {len(data)} bytes, the limit is {PICTURE_BYTES_MAX}"
        raise SourceError(str(path), reason, "make it smaller")
    try:
        width, height = _SIZES[media_type](data)
    except (struct.error, IndexError, ValueError) as error:
        reason = f"it is no whole {media_type} picture"
        raise SourceError(str(path), reason, "leave it out, or repair it") from error
    if not (0 < width <= SIDE_MAX and 0 < height <= SIDE_MAX):
        reason = f"the picture has {width}×{height} pixels, the limit is {SIDE_MAX} a side"
        raise SourceError(str(path), reason, "make it smaller")
    return Looks(media_type=media_type, width=width, height=height)


def _expect(data: bytes, at: int, *marks: bytes) -> None:
    if not data[at:].startswith(marks):
        raise ValueError(f"not {marks[0]!r}")


def _png(data: bytes) -> tuple[int, int]:
    _expect(data, 0, b"\x89PNG\r\n\x1a\n")
    _expect(data, 12, b"IHDR")
    width, height = struct.unpack_from(">II", data, 16)
    return width, height


def _gif(data: bytes) -> tuple[int, int]:
    _expect(data, 0, b"GIF87a", b"GIF89a")
    width, height = struct.unpack_from("<HH", data, 6)
    return width, height


def _jpeg(data: bytes) -> tuple[int, int]:
    _expect(data, 0, b"\xff\xd8")
    at = 2
    while True:
        _expect(data, at, b"\xff")
        kind = data[at + 1]
        if kind in _JPEG_SIZES and kind not in _JPEG_HAS_NO_SIZE:
            height, width = struct.unpack_from(">HH", data, at + 5)
            return width, height
        (length,) = struct.unpack_from(">H", data, at + 2)
        at += 2 + length


def _webp(data: bytes) -> tuple[int, int]:
    _expect(data, 0, b"RIFF")
    _expect(data, 8, b"WEBP")
    if data[12:16] == b"VP8 ":
        _expect(data, 23, b"\x9d\x01\x2a")
        width, height = struct.unpack_from("<HH", data, 26)
        return width & 0x3FFF, height & 0x3FFF
    if data[12:16] == b"VP8L":
        _expect(data, 20, b"\x2f")
        (bits,) = struct.unpack_from("<I", data, 21)
        return (bits & 0x3FFF) + 1, (bits >> 14 & 0x3FFF) + 1
    _expect(data, 12, b"VP8X")
    struct.unpack_from("<6s", data, 24)
    return _three(data, 24) + 1, _three(data, 27) + 1


def _three(data: bytes, at: int) -> int:
    return int.from_bytes(data[at : at + 3], "little")


_SIZES: Final = {"image/png": _png, "image/jpeg": _jpeg, "image/gif": _gif, "image/webp": _webp}
