"""How sources and places in them are named, and whether a quote really stands there.

Pure: the caller brings the lines. Not for finding sources or reading them; that
is `library`. The gate and every member use these same functions, so a quote that
stands for one stands for all.
"""

from __future__ import annotations

import re
from bisect import bisect_right
from collections import Counter
from collections.abc import Sequence
from difflib import get_close_matches
from fnmatch import fnmatchcase
from itertools import count, zip_longest
from pathlib import Path, PurePath
from typing import Final

from msgspec import Struct

from team.errors import LocatorError

LOCATOR_LINES_MAX: Final = 80
"""The most lines that one locator may span and still prove a quote."""

GROUP_CHARS_MAX: Final = 64
"""The longest name of a group, as for anything that goes on the bus."""

QUOTE_CHARS_MIN: Final = 8
"""The fewest non-space characters that make a quote worth checking."""

_LOCATOR = re.compile(r"(?:p([0-9]{1,9}):)?L([0-9]{1,9})(?:-L([0-9]{1,9}))?", re.ASCII)
_SPANS = ("**", "**")
_SHOWN_CHARS_MAX = 60


class Locator(Struct, frozen=True, kw_only=True):
    """A span of lines in a source, both ends included, counted from 1.

    Attributes:
        page: Page of a paged source such as a PDF, from 1; None for plain text.
        first: First line, counted within the page.
        last: Last line, the same as `first` for a single line.
    """

    page: int | None
    first: int
    last: int

    def __post_init__(self) -> None:
        """Refuse what can't be a place.

        Raises:
            LocatorError: A number below 1, or lines in the wrong order.
        """
        if self.first < 1 or (self.page is not None and self.page < 1):
            raise LocatorError(str(self), "pages and lines count from 1")
        if self.last < self.first:
            raise LocatorError(str(self), "the last line comes before the first")

    def __str__(self) -> str:
        """Give the text that `parse_locator` reads back."""
        page = "" if self.page is None else f"p{self.page}:"
        end = "" if self.last == self.first else f"-L{self.last}"
        return f"{page}L{self.first}{end}"


def parse_locator(text: str) -> Locator:
    """Read `L12`, `L12-L19` or `p3:L1-L4`.

    Raises:
        LocatorError: The text is none of these; show it to whoever wrote it.
    """
    match = _LOCATOR.fullmatch(text.strip())
    if match is None:
        raise LocatorError(text[:_SHOWN_CHARS_MAX], "it has another form")
    page, first, last = match.groups()
    return Locator(page=int(page) if page else None, first=int(first), last=int(last or first))


def fold(text: str) -> str:
    """Make every run of white space one space, and none at the ends."""
    return " ".join(text.split())


def is_quotable(quote: str) -> bool:
    """Tell whether a quote is long enough to prove anything."""
    return len("".join(quote.split())) >= QUOTE_CHARS_MIN


def quote_stands(lines: Sequence[str], locator: Locator, quote: str) -> bool:
    """Tell whether a quote is, white space aside, verbatim in the located lines.

    Args:
        lines: All lines of the source, or of the locator's page.
        locator: Where the quote is said to stand; its page is not looked at.
        quote: What is said to stand there.

    Returns:
        False too for a quote of fewer than `QUOTE_CHARS_MIN` non-space characters,
        a span of more than `LOCATOR_LINES_MAX` lines, or one that leaves the text.
    """
    span = locator.last - locator.first + 1
    if span > LOCATOR_LINES_MAX or locator.last > len(lines) or not is_quotable(quote):
        return False
    return fold(quote) in fold("\n".join(lines[locator.first - 1 : locator.last]))


def find_quote(lines: Sequence[str], quote: str, *, page: int | None = None) -> Locator | None:
    """Find the fewest lines that hold a quote; the first of equals.

    Args:
        lines: All lines of the source, or of one page.
        quote: What to look for, white space aside.
        page: Goes into the answer as it is.

    Returns:
        A locator at which `quote_stands`, or None if there is none.
    """
    if not is_quotable(quote):
        return None
    wanted = fold(quote)
    numbers, starts, text = _folded_with_starts(lines)
    best: Locator | None = None
    at = text.find(wanted)
    while at != -1:
        begin = bisect_right(starts, at) - 1
        end = bisect_right(starts, at + len(wanted) - 1) - 1
        span = numbers[end] - numbers[begin]
        if span < (LOCATOR_LINES_MAX if best is None else best.last - best.first):
            best = Locator(page=page, first=numbers[begin], last=numbers[end])
        # A later match that begins on the same line can't end on an earlier one.
        at = text.find(wanted, starts[begin + 1]) if span and begin + 1 < len(starts) else -1
    return best


def _folded_with_starts(lines: Sequence[str]) -> tuple[list[int], list[int], str]:
    """Fold lines into one text; tell which line begins at which offset."""
    numbers: list[int] = []
    starts: list[int] = []
    folded: list[str] = []
    offset = 0
    for number, line in enumerate(lines, 1):
        if words := fold(line):
            numbers.append(number)
            starts.append(offset)
            folded.append(words)
            offset += len(words) + 1
    return numbers, starts, " ".join(folded)


def group_names(places: Sequence[Path]) -> list[str]:
    """Name each place by its last part; by more parts, or a number, where these clash."""
    depths = dict.fromkeys(places, 1)
    while True:
        named = Counter(_name(place, depth) for place, depth in depths.items())
        clashing = [
            place
            for place, depth in depths.items()
            if named[_name(place, depth)] > 1 and depth < len(place.parts)
        ]
        if not clashing:
            break
        for place in clashing:
            depths[place] += 1
    names: list[str] = []
    for place in places:
        name = _name(place, depths[place])
        numbered = (f"{name[: GROUP_CHARS_MAX - 5]}-{number}" for number in count(2))
        names.append(name if name not in names else next(n for n in numbered if n not in names))
    return names


def _name(place: Path, depth: int) -> str:
    parts = [part for part in place.parts[-depth:] if part != place.anchor]
    return re.sub(r"[^A-Za-z0-9_-]+", "_", "_".join(parts)).strip("_")[-GROUP_CHARS_MAX:] or "files"


def near_names(name: str, names: Sequence[str]) -> tuple[str, ...]:
    """Give up to three names that may have been meant: of the same last part, then alike."""
    last = name.rpartition("/")[2]
    same = [each for each in names if each.rpartition("/")[2] == last]
    return tuple(dict.fromkeys([*same[:3], *get_close_matches(name, names, 3)]))[:3]


def is_covered(views: Sequence[PurePath], pattern: str) -> bool:
    """Tell whether a path, in any of its views, is or lies below what a glob matches.

    Args:
        views: The same file seen from several places, say absolute and relative.
        pattern: `*` and `?` stay inside one part of a path, `**` spans parts.
            A pattern of one part also means the file's own name: `*.md`.
    """
    parts = PurePath(pattern).parts
    wanted = tuple(part for part, after in zip_longest(parts, parts[1:]) if (part, after) != _SPANS)
    return bool(wanted) and (
        any(_matches(wanted, view.parts) for view in views)
        or (len(wanted) == 1 and any(fnmatchcase(view.name, wanted[0]) for view in views))
    )


def _matches(wanted: tuple[str, ...], parts: tuple[str, ...]) -> bool:
    if not wanted:
        return True
    if wanted[0] == "**":
        return any(_matches(wanted[1:], parts[index:]) for index in range(len(parts) + 1))
    return bool(parts) and fnmatchcase(parts[0], wanted[0]) and _matches(wanted[1:], parts[1:])
