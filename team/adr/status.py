"""Which state a decision is in, from the words people write for it.

Not for where in a file these words stand: that is `team.adr.content`.
"""

from __future__ import annotations

import re
from typing import Final, Literal

from msgspec import Struct

from team.adr.inline import one_line
from team.adr.words import cut

AdrStatus = Literal["proposed", "accepted", "superseded", "deprecated", "rejected"]

_MEANS: Final[dict[AdrStatus, str]] = {
    "accepted": "accepted approved adopted agreed decided implemented active final ratified done",
    "proposed": "proposed proposal draft pending open review wip discussion",
    "superseded": "superseded superceded replaced",
    "deprecated": "deprecated depreciated obsolete retired outdated inactive archived",
    "rejected": "rejected declined withdrawn abandoned cancelled canceled denied",
}
_PHRASES: Final[dict[str, AdrStatus]] = {
    "in progress": "proposed",
    "in-progress": "proposed",
    "on hold": "proposed",
    "not accepted": "rejected",
    "not approved": "rejected",
    "no longer": "deprecated",
}
_WORDS: Final[dict[str, AdrStatus]] = {
    word: status for status, words in _MEANS.items() for word in words.split()
} | _PHRASES
_KNOWN = re.compile(rf"\b(?:{'|'.join(sorted(_WORDS, key=len, reverse=True))})\b", re.IGNORECASE)
_REPLACED = re.compile(
    r"(?<!partially )(?<!partly )\b(?:super[sc]eded|replaced)[ \t]+by\b:?[ \t]*(.*)", re.IGNORECASE
)
_PARTLY = re.compile(r"\b(?:partially|partly)\s+(?:super[sc]eded|replaced)\b", re.IGNORECASE)
_LINK = re.compile(r"!?\[(?:\\.|[^\[\]\\]|\[[^\[\]]*\])*\]\(\s*<?([^\s<>()]*)[^()]*\)", re.DOTALL)
_TARGET = re.compile(r"\]\((.+?)\)")
_LOOKED_AT_CHARS = 120
_LINE_CHARS_MAX = 1_500
_REFERENCE_CHARS_MAX = 280
_CHOICES_MIN = 3


class Status(Struct, frozen=True, kw_only=True):
    """A state, and what came in its place if something did."""

    status: AdrStatus
    superseded_by: str | None = None


def read_status(markdown: str) -> Status | None:
    """Return the state that some lines of Markdown tell; None if no word of them is known.

    The first known word counts, but "superseded by …" counts wherever it stands: it is what
    people and tools add to a decision that was accepted once.
    """
    lines = _lines(markdown)
    for line in lines:
        if found := _REPLACED.search(_LINK.sub(r"[](\1)", line)):
            return Status(status="superseded", superseded_by=_reference(found[1]))
    # What a link says is mostly the title of another decision, but may be a badge.
    for line in (*map(_without_links, lines), *lines):
        if found := known_word(line):
            is_part = bool(_PARTLY.search(line))
            return Status(status="accepted" if is_part else _WORDS[found[0].lower()])
    return None


def known_word(line: str) -> re.Match[str] | None:
    """Find the first word for a state near the start of a line."""
    return _KNOWN.search(line, 0, _LOOKED_AT_CHARS)


def tells_state(line: str) -> bool:
    """Tell whether a line has a word for a state, other than in links."""
    return known_word(_without_links(line)) is not None


def _lines(markdown: str) -> list[str]:
    return [line[:_LINE_CHARS_MAX] for line in markdown.split("\n") if line.strip()]


def _without_links(line: str) -> str:
    return _LINK.sub("", line)


def is_choice(markdown: str) -> bool:
    """Tell whether a template's states still stand there, to choose one from."""
    return any(
        len({_WORDS[word.lower()] for word in _KNOWN.findall(_without_links(line))}) >= _CHOICES_MIN
        for line in _lines(markdown)
    )


def _reference(rest: str) -> str | None:
    """Return the target of a link, or else the words."""
    target = _TARGET.search(rest)
    text = target[1] if target else one_line(rest).strip(" .,;:\"'")
    return cut(text, _REFERENCE_CHARS_MAX) or None
