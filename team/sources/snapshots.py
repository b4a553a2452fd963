"""Texts that tools brought from outside, under names that a source of a run can't have.

A snapshot goes by `snapshot:<id>`; its id is the beginning of its text's hash, so it is the
text or nothing. What it says can be read and quoted like a source, line by line.
"""

from __future__ import annotations

from typing import Final

from msgspec import Struct

PREFIX: Final = "snapshot:"
"""What the name of every snapshot begins with; no name of a source holds a colon."""
ID_DIGITS: Final = 20
"""Hex digits of the hash of its text that make the id of a snapshot."""


class KeptText(Struct, frozen=True, kw_only=True):
    """A snapshot that is at hand.

    Attributes:
        name: Its name as a source.
        origin: Where it is from, for people.
        title: What it calls itself.
        sha256: Hash of its text, in hex.
        lines: The text.
    """

    name: str
    origin: str
    title: str
    sha256: str
    lines: tuple[str, ...]


def is_snapshot(source: str) -> bool:
    """Whether a source's name is that of a snapshot."""
    return source.startswith(PREFIX)


def snapshot_id(source: str) -> str:
    """The id in the name of a snapshot."""
    return source.removeprefix(PREFIX)


def snapshot_name(sha256: str) -> str:
    """The name of the snapshot whose text has this hash."""
    return f"{PREFIX}{sha256[:ID_DIGITS]}"
