"""Which state a decision is in, from the words people write for it.

Not for where in a file these words stand: that is `team.adr.content`.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from typing import Final, Literal

from msgspec import Struct

from team.adr.inline import one_line, plain
from team.adr.words import cut

AdrStatus = Literal["proposed", "accepted", "superseded", "deprecated", "rejected"]

_MEANS: Final[dict[AdrStatus, str]] = {
    "accepted": "accepted approved adopted ratified decided agreed final done implemented active",
    "proposed": "proposed proposal draft pending open review wip discussion undecided tbd",
    "superseded": "superseded superceded replaced",
    "deprecated": "deprecated depreciated obsolete obsoleted retired outdated inactive archived",
    "rejected": "rejected declined withdrawn abandoned cancelled canceled denied",
}
_PHRASES: Final[dict[str, AdrStatus]] = {
    "in progress": "proposed",
    "in-progress": "proposed",
    "on hold": "proposed",
    "no longer": "deprecated",
}
_WORDS: Final[dict[str, AdrStatus]] = {
    word: status for status, words in _MEANS.items() for word in words.split()
} | _PHRASES
_OUTRIGHT = frozenset("accepted approved adopted ratified".split())
_WORK = frozenset("implemented done active".split())
# Words for work and talk, which often stand beside a state and leave it as it is.
_TALK = frozenset("proposal open review wip discussion".split())
_FAINT = _TALK | _WORK | frozenset("decided agreed final".split())
_ONCE = frozenset("was were originally initially first previously formerly".split())
_PARTLY = frozenset("partly partially".split())
_FILLERS = (
    _ONCE
    | _PARTLY
    | frozenset(
        """the a an it its this we and but then now later since on in under at as is are has have
        been be also finally eventually subsequently currently status state decision adr record
        january february march april may june july august september october november december
        jan feb mar apr jun jul aug sep sept oct nov dec st nd rd th t z utc""".split()
    )
)
_NAMES = "|".join(sorted(_WORDS, key=len, reverse=True))
_KNOWN = re.compile(
    r"(?:\b(?:(?P<no>no longer|not|never|non|un|\w+n['’]t)"
    r"|(?P<when>(?:to|will|should|can|could|may|might|must) be|if|once|when|until|unless))"
    r"(?P<soon>(?:[\s-]+(?:yet|been|be|being|fully|formally|officially))*)[\s-]+)?"
    rf"\b(?P<word>{_NAMES})\b(?P<yet>\s+yet\b)?(?P<by>\s+by\b)?",
    re.IGNORECASE,
)
# "Open to new ideas", "rejected options", "pending implementation": no states.
_ASIDE = re.compile(
    r"(?<=open)\s+to\b|(?<=pending)\s+(?:implementation|rollout|migration)\b"
    r"|\s+(?:alternative|option|solution|approach|idea)s?\b",
    re.IGNORECASE,
)
_BREAK = re.compile(r"[.:;,|!?/→–—]+|[-=]>|(?<=\s)-(?=\s)")
_BY = r"(?<!partially )(?<!partly )\b(?:{})[ \t]+by\b:?[ \t]*(.*)"
_REPLACED = re.compile(_BY.format("super[sc]eded|replaced"), re.IGNORECASE)
_DEPRECATED = re.compile(_BY.format("deprecated|obsoleted|retired|outdated"), re.IGNORECASE)
_STRUCK = re.compile(
    r"~~(?=\S).{1,500}?~~|<(del|s|strike)>.{0,500}?</\1>", re.DOTALL | re.IGNORECASE
)
_UNTICKED = re.compile(r"\[ \][^\[\n]*")
_TICKED = re.compile(r"\[[xX]\](?!\()")
_LINK = re.compile(r"!?\[(?:\\.|[^\[\]\\]|\[[^\[\]]*\])*\]\(\s*<?([^\s<>()]*)[^()]*\)", re.DOTALL)
_TARGET = re.compile(r"\]\((.+?)\)")
_HISTORY = re.compile(r"(?<![-\w])(?:19|20)\d\d\b|→|[-=]>")
_LOOKED_AT_CHARS = 120
_LINE_CHARS_MAX = 1_500
_REFERENCE_CHARS_MAX = 280
_CHOICES_MIN = 3


class Status(Struct, frozen=True, kw_only=True):
    """A state, and what came in its place if something did.

    Attributes:
        line: Which of the lines that were read tells it.
    """

    status: AdrStatus
    superseded_by: str | None = None
    line: int = 0


def read_status(markdown: str) -> Status | None:
    """Return the state that some lines of Markdown tell; None if no word of them is known.

    What is struck out does not count. Of several states the last counts, but "superseded
    by …" and "deprecated by …" count wherever they stand: it is what people and tools add
    to a decision that was accepted once. A word in the midst of a sentence counts only if
    no other does.
    """
    lines = [line[:_LINE_CHARS_MAX] for line in standing_text(markdown).split("\n")]
    linked = [_LINK.sub(r"[](\1)", line) for line in lines]
    for at, line in enumerate(linked):
        if found := _REPLACED.search(line):
            return Status(status="superseded", superseded_by=_reference(found[1]), line=at)
    for at, line in enumerate(linked):
        if _DEPRECATED.search(line):
            return Status(status="deprecated", line=at)
    # What a link says is mostly the title of another decision, but may be a badge.
    for texts in ([_without_links(line) for line in lines], lines):
        for marks in (_leading_marks, _inner_marks):
            found_marks = [mark for at, text in enumerate(texts) for mark in marks(text, at)]
            if last := _last(found_marks):
                return Status(status=last.status, line=last.line)
    return None


def standing_text(markdown: str) -> str:
    """Return Markdown without what is struck out or not ticked; no line is lost."""
    text = _STRUCK.sub(lambda struck: "\n" * struck[0].count("\n"), markdown)
    return _UNTICKED.sub("", text) if _TICKED.search(text) else text


def is_choice(markdown: str) -> bool:
    """Tell whether a template's states still stand there, to choose one from."""
    for line in map(_without_links, standing_text(markdown).split("\n")):
        words = {found["word"].lower() for found in _KNOWN.finditer(line)} - _TALK
        if len({_WORDS[word] for word in words}) >= _CHOICES_MIN and not _HISTORY.search(line):
            return True
    return False


# --- the words for one state ---------------------------------------------------------------


class _Mark(Struct, frozen=True, kw_only=True):
    """A place where a state is told.

    Attributes:
        is_faint: Whether it may speak of something beside the decision's state.
        is_outright: Whether it says "accepted" in so many words.
    """

    status: AdrStatus
    line: int
    is_faint: bool = False
    is_outright: bool = False


def _leading_marks(text: str, line: int) -> Iterator[_Mark]:
    """Give the states that a clause starts with, dates and the like before them aside."""
    for clause in _BREAK.split(text):
        end = 0
        for found in _KNOWN.finditer(clause):
            before = set(re.findall(r"[^\W\d_]+", clause[end : found.start()].lower()))
            if not before <= _FILLERS:
                break
            if mark := _mark(found, before, line):
                yield mark
            end = found.end()


def _inner_marks(text: str, line: int) -> Iterator[_Mark]:
    """Give the states that are told near the start of a line, wherever they stand."""
    for found in _KNOWN.finditer(text, 0, _LOOKED_AT_CHARS):
        before = text[: found.start()].lower().split()[-1:]
        if mark := _mark(found, set(before), line):
            yield mark


def _mark(found: re.Match[str], before: set[str], line: int) -> _Mark | None:
    """Return what a word tells, with what negates it; None if it tells nothing."""
    word = found["word"].lower()
    status = _WORDS[word]
    if found["no"] or found["when"]:
        return _negated(found, word, line)
    if _ASIDE.match(found.string, found.end("word")):
        return None
    if before & _PARTLY:
        is_past = status not in {"accepted", "proposed"}
        return _Mark(status="accepted" if is_past else status, line=line, is_faint=True)
    is_beside = word in _FAINT or bool(before & _ONCE) or bool(found["by"])
    is_faint = status in {"accepted", "proposed"} and is_beside
    return _Mark(status=status, line=line, is_faint=is_faint, is_outright=word in _OUTRIGHT)


def _negated(found: re.Match[str], word: str, line: int) -> _Mark | None:
    status = _WORDS[word]
    if status != "accepted":
        return _Mark(status=status, line=line) if found["when"] else None
    if (found["no"] or "").lower() == "no longer":
        return _Mark(status="deprecated", line=line)
    is_open = found["when"] or found["yet"] or "yet" in found["soon"].lower()
    is_rejected = not is_open and word in _OUTRIGHT
    return _Mark(
        status="rejected" if is_rejected else "proposed", line=line, is_faint=word in _WORK
    )


def _last(marks: Sequence[_Mark]) -> _Mark | None:
    """Return the last state, unless it is a faint one that leaves another as it is."""
    held: _Mark | None = None
    for mark in marks:
        if held is None or not mark.is_faint or _outdoes(mark, held):
            held = mark
    return held


def _outdoes(faint: _Mark, held: _Mark) -> bool:
    if faint.status != "accepted" or held.status != "proposed":
        return False
    return held.is_faint or faint.is_outright or faint.line > held.line


def _without_links(line: str) -> str:
    return _LINK.sub("", line)


def _reference(rest: str) -> str | None:
    """Return the target of a link, or else the words."""
    target = _TARGET.search(rest)
    text = one_line(rest).strip(" .,;:\"'|") if target is None else plain(target[1])
    return cut(text, _REFERENCE_CHARS_MAX) or None
