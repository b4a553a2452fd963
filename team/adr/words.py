"""Small questions about words: cut a text, make a token, find a sentence, compare a title.

Pure, and blind to Markdown: what comes in is text already.
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Sequence
from typing import Final

TOKEN_CHARS_MAX: Final = 64
"""The longest area or key, as for anything that goes on a bus."""

_TOKEN = re.compile(rf"[A-Za-z0-9_-]{{1,{TOKEN_CHARS_MAX}}}")
_SENTENCE_END = re.compile(r"(?<=[.!?])[\"'”’)]*\s+(?=[\"'“‘(]?[A-Z0-9]|\w+[/_.]\w)")
_ABBREVIATION = re.compile(r"(?:\b(?:e\.g|i\.e|etc|vs|cf|approx|No|resp|incl|[A-Z])\.)$")
_SMALL = frozenset(
    """a an and are as at be by for from in into is it of on or our that the this to use used using
    we will with chose chosen choose decide decided adopt option""".split()
)
_SAID_SHARE = 0.8
_MATCH_SHARE = 0.6


def is_token(text: str) -> bool:
    """Tell whether a text may be an area or a key as it is."""
    return bool(_TOKEN.fullmatch(text))


def token(text: str, default: str) -> str:
    """Make an area or a key: lower case, ASCII, everything else to single dashes."""
    folded = unicodedata.normalize("NFKD", text[:1_000]).encode("ascii", "ignore").decode()
    found = re.sub(r"[^a-z0-9_]+", "-", folded.lower()).strip("-_")
    return found[:TOKEN_CHARS_MAX].rstrip("-_") or default


def cut(text: str, chars_max: int) -> str:
    """Cut a text at a word, with `…` where something is missing."""
    if len(text) <= chars_max:
        return text
    head = text[: chars_max - 1]
    space = max(head.rfind(" "), head.rfind("\n"))
    return f"{head[: space if space > chars_max // 2 else None].rstrip()}…"


def first_sentence(text: str) -> str:
    """Return a text's first sentence; an abbreviation does not end one."""
    for match in _SENTENCE_END.finditer(text):
        head = text[: match.start()]
        if not _ABBREVIATION.search(head):
            return text[: match.end()].strip()
    return text.strip()


def says(title: str, choice: str) -> bool:
    """Tell whether a title (nearly) says a choice already."""
    told, chosen = _content(title), _content(choice)
    return len(told & chosen) >= _SAID_SHARE * len(chosen)


def best_match(wanted: str, options: Sequence[str], *, is_sure: bool) -> int | None:
    """Return which option a text means: the one with most of its words; None if unclear.

    Args:
        wanted: The text.
        options: What it may mean.
        is_sure: Whether all words of one must be in the other; else more than half.
    """
    words = _content(wanted)
    shares = [_shares(words, _content(option)) for option in options]
    best = max(shares, default=(0.0, 0.0))
    is_enough = best[0] >= (1 if is_sure else _MATCH_SHARE)
    return shares.index(best) if is_enough and shares.count(best) == 1 else None


def _shares(one: set[str], other: set[str]) -> tuple[float, float]:
    """Return the common words as share of the smaller set, and of both together."""
    common = len(one & other)
    return common / (min(len(one), len(other)) or 1), common / (len(one | other) or 1)


def _content(text: str) -> set[str]:
    return {word.rstrip("s") for word in _folded(text) if word not in _SMALL}


def _folded(text: str) -> list[str]:
    return re.findall(r"\w+", text.casefold())
