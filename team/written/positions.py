"""Where each key and each element of a TOML text stands.

Only for texts that `tomllib` has read: it judges what TOML is, this finds its places again,
whichever way they are written (headers, dotted keys, inline tables, lists over many lines).
"""

from __future__ import annotations

import re
import tomllib
from bisect import bisect_right
from typing import Final

import msgspec

Keys = tuple[str | int, ...]
"""The way to a value: keys of tables, and numbers in lists, from 0."""

_BLANK: Final = re.compile(r"(?:[ \t\r\n]|#[^\n]*)*")
_SPACE: Final = re.compile(r"[ \t]*")
_QUOTED: Final = re.compile(r'"(?:[^"\\\n]|\\.)*"|\'[^\'\n]*\'')
_BARE: Final = re.compile(r"[A-Za-z0-9_-]+")
_LONG: Final = re.compile(r'"""(?:[^\\]|\\.)*?"""(?:"{0,2})|\'\'\'.*?\'\'\'(?:\'{0,2})', re.DOTALL)
_PLAIN: Final = re.compile(r"[^,\]}#\n]+")


class Spot(msgspec.Struct, frozen=True, kw_only=True, order=True):
    """A place in a text; line and column count from 1, columns in characters."""

    line: int
    column: int


def positions(text: str) -> dict[Keys, Spot]:
    """Find the first mention of each key, and each element of a list.

    Args:
        text: TOML, with bare newlines as its line ends.
    """
    scanner = _Scanner(text)
    scanner.document()
    return scanner.spots


class _Scanner:
    """A way through the text; `at` is the offset of what comes next."""

    def __init__(self, text: str) -> None:
        self.text, self.at = text, 0
        self.spots: dict[Keys, Spot] = {}
        self._lengths: dict[Keys, int] = {}
        self._lines = [0, *(found.end() for found in re.finditer("\n", text))]

    def document(self) -> None:
        """Go through all of it."""
        table: Keys = ()
        self._skip(_BLANK)
        while self.at < len(self.text):
            if self.text[self.at] == "[":
                table = self._header()
            else:
                self._pair(table)
            self._skip(_BLANK)

    def _header(self) -> Keys:
        """Read `[a.b]` or `[[a.b]]`; what follows belongs to the table it returns."""
        is_array = self.text.startswith("[[", self.at)
        self.at += 2 if is_array else 1
        *ways, (last, offset) = self._key()
        self.at += 2 if is_array else 1
        here: Keys = ()
        for name, begins in ways:
            here = self._inside((*here, name), begins)
        here = (*here, last)
        self._mark(here, offset)
        if is_array:
            number = self._lengths.get(here, 0)
            self._lengths[here] = number + 1
            here = (*here, number)
            self._mark(here, offset)
        return here

    def _inside(self, table: Keys, offset: int) -> Keys:
        """A table that a header goes through; of a list of tables it is the last one."""
        self._mark(table, offset)
        length = self._lengths.get(table)
        return table if length is None else (*table, length - 1)

    def _pair(self, table: Keys) -> None:
        """Read `key = value`."""
        here = table
        for name, offset in self._key():
            here = (*here, name)
            self._mark(here, offset)
        self.at += 1
        self._skip(_SPACE)
        self._value(here)

    def _key(self) -> list[tuple[str, int]]:
        """Read a key, dotted or not; returns its parts with their offsets."""
        parts: list[tuple[str, int]] = []
        while True:
            self._skip(_SPACE)
            offset = self.at
            raw = self._take(_QUOTED if self.text[offset] in "\"'" else _BARE)
            parts.append((_unquoted(raw), offset))
            self._skip(_SPACE)
            if self.text[self.at] != ".":
                return parts
            self.at += 1

    def _value(self, here: Keys) -> None:
        """Read a value, with all that is in it."""
        if self.text.startswith(('"""', "'''"), self.at):
            self._take(_LONG)
        elif self.text[self.at] in "\"'":
            self._take(_QUOTED)
        elif self.text[self.at] in "[{":
            self._several(here)
        else:
            self._take(_PLAIN)

    def _several(self, here: Keys) -> None:
        """Read a list or an inline table."""
        closing = "]" if self.text[self.at] == "[" else "}"
        self.at += 1
        number = 0
        while True:
            self._skip(_BLANK)
            if self.text[self.at] == closing:
                self.at += 1
                return
            if self.text[self.at] == ",":
                self.at += 1
            elif closing == "}":
                self._pair(here)
            else:
                self._mark((*here, number), self.at)
                self._value((*here, number))
                number += 1

    def _mark(self, keys: Keys, offset: int) -> None:
        line = bisect_right(self._lines, offset)
        spot = Spot(line=line, column=offset - self._lines[line - 1] + 1)
        self.spots.setdefault(keys, spot)

    def _skip(self, pattern: re.Pattern[str]) -> None:
        found = pattern.match(self.text, self.at)
        self.at = found.end() if found else self.at

    def _take(self, pattern: re.Pattern[str]) -> str:
        found = pattern.match(self.text, self.at)
        assert found, f"this is not TOML, or read wrongly: {self.text[self.at : self.at + 20]!r}"
        self.at = found.end()
        return found.group()


def _unquoted(raw: str) -> str:
    """The name that a key stands for."""
    if raw[0] not in "\"'":
        return raw
    return str(tomllib.loads(f"key = {raw}")["key"])
