"""Values that the runtime makes anew in each run, and how one run's stand for another's.

Message ids, run ids and the folders that sources lie in. All else in a request must be the
same, word for word: sequences and times, too, which a replay takes from its recording. So
must what is quoted from sources, whatever it looks like.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from functools import lru_cache
from typing import Any, Final, NamedTuple

QUOTE_FIELD: Final = "quote"
"""A JSON field that holds a source's own words."""

Values = Mapping[tuple[str, str], str]

_WORD: Final = ""

_QUOTED: Final = (
    r"^L\d+\|.*$",  # a line of a source, as the tools number it
    rf'"{QUOTE_FIELD}": ?"(?:[^"\\]|\\.)*"',
    r">[^<>]*</evidence>",
)
_FOLDER: Final = (
    r'(?<=")/[^"\n]*/(?=[^"/\n]+")',
    r"(?<=')/[^'\n]*/(?=[^'/\n]+')",
    r"\A/[^\"'\n]*/(?=[^/\n]+\Z)",
    r"(?<![\w.~:/<\"'-])/(?:[\w.@+~-]+/)+(?=[\w.@+~-])",
)
_PATTERN: Final = re.compile(
    "|".join(
        (
            *_QUOTED,
            r"(?<!\w)(?P<id>[0-9a-f]{32})(?!\w)",
            r"(?<![\w-])(?P<run>r\d{4}-\d{6}-[0-9a-f]{4})(?![\w-])",
            rf"(?P<folder>{'|'.join(_FOLDER)})",
        )
    ),
    re.MULTILINE,
)


class Part(NamedTuple):
    """A stretch of a text: words (no kind), or one volatile value; and where it begins."""

    kind: str
    text: str
    at: int


@lru_cache(maxsize=4096)  # a conversation repeats its beginning with each call
def parts(text: str) -> tuple[Part, ...]:
    """Split a text: words and volatile values in turn, words first and last."""
    found: list[Part] = []
    end = 0
    for match in _PATTERN.finditer(text):
        group = match.lastgroup
        if group is None:
            continue
        at, next_at = match.span(group)
        found.append(Part(_WORD, text[end:at], end))
        found.append(Part(group, text[at:next_at], at))
        end = next_at
    return (*found, Part(_WORD, text[end:], end))


class Alignment:
    """Which value of a recording stands for which of this run: one to one."""

    def __init__(self, live: Values = {}, recorded: Values = {}) -> None:  # noqa: B006 - copied
        self._live = dict(live)
        self._recorded = dict(recorded)

    def copy(self) -> Alignment:
        """One that knows the same and can be extended apart."""
        return Alignment(self._live, self._recorded)

    @property
    def is_plain(self) -> bool:
        """Whether each value stands for itself."""
        return all(recorded == live for (_, recorded), live in self._live.items())

    def take(self, kind: str, recorded: str, live: str) -> bool:
        """Note that one stands for the other; says whether that agrees with all before."""
        if self._live.setdefault((kind, recorded), live) != live:
            return False
        return self._recorded.setdefault((kind, live), recorded) == recorded

    def take_text(self, recorded: str, live: str) -> tuple[int, int] | None:
        """Align two texts; gives the first place in each where they differ, if they do."""
        theirs, ours = parts(recorded), parts(live)
        for one, other in zip(theirs, ours, strict=False):
            if one.kind == other.kind == _WORD:
                same = _common(one.text, other.text)
                if same is not None:
                    return one.at + same, other.at + same
            elif one.kind != other.kind or not self.take(one.kind, one.text, other.text):
                return one.at, other.at
        if len(theirs) == len(ours):
            return None
        shorter = min(len(theirs), len(ours))
        return _start(theirs, shorter, recorded), _start(ours, shorter, live)

    def text(self, recorded: str) -> str:
        """A recorded text with this run's values in it."""
        return "".join(self._value(part) for part in parts(recorded))

    def json(self, recorded: Any, field: str = "") -> Any:
        """A recorded JSON value with this run's values in it; quotes of sources are left."""
        match recorded:
            case dict():
                return {key: self.json(value, key) for key, value in recorded.items()}
            case list():
                return [self.json(value, field) for value in recorded]
            case str() if field != QUOTE_FIELD:
                return self.text(recorded)
            case _:
                return recorded

    def _value(self, part: Part) -> str:
        return self._live.get((part.kind, part.text), part.text)


def _common(one: str, other: str) -> int | None:
    """How many characters two texts begin with alike; nothing if they are the same."""
    if one == other:
        return None
    apart = (n for n, (a, b) in enumerate(zip(one, other, strict=False)) if a != b)
    return next(apart, min(len(one), len(other)))


def _start(found: tuple[Part, ...], number: int, text: str) -> int:
    return found[number].at if number < len(found) else len(text)
