"""What an arm has answered, as it is graded: without titles, marks and lists of evidence."""

from __future__ import annotations

import re
import string
from collections import Counter
from collections.abc import Sequence
from typing import Final

import msgspec

from bus.messages import Citation, ResultPublished

NO_LINE: Final = "(there is no sentence that begins with Answer:)"
"""What is graded where a line was asked for and none was given: else every candidate that the
text mentions would count."""
ANSWER_CHARACTERS_MAX: Final = 20_000
"""What is kept and graded of an answer."""

_BODY_ENDS: Final = (
    "## What is missing",
    "## Constraints on the lead's word",
    "## What was rejected",
    "## Evidence",
)
_MARKS: Final = re.compile(r"(?:\s*\[\d{1,6}\])+\s*$")
_NUMBER: Final = re.compile(r"\d+")
_LINE: Final = re.compile(r"\W*answer\W*:\s*(.*)", re.IGNORECASE)
_ARTICLES: Final = re.compile(r"\b(?:a|an|the)\b")
_UNKNOWN: Final = frozenset({"unknown", "not known", "not found", "not stated", "no answer"})
_PUNCTUATION: Final = str.maketrans(dict.fromkeys(string.punctuation + "“”‘’–—…", " "))


class Quoted(msgspec.Struct, frozen=True, kw_only=True):
    """A citation, as far as it is graded."""

    source: str
    quote: str


class Answered(msgspec.Struct, frozen=True, kw_only=True):
    """What a run has answered; an empty text is no answer."""

    text: str = ""
    quotes: tuple[Quoted, ...] = ()


def answered(result: ResultPublished | None, wants: str, void: str = "") -> Answered:
    """What is graded of a run's result.

    Args:
        result: The result, if there is one.
        wants: `line`: the last sentence that begins with `Answer:`; `text`: every sentence
            that states something.
        void: A source that says nothing: what rests on it alone is no part of the answer.
    """
    if result is None or not result.text.strip():
        return Answered()
    voids = {
        number
        for number, one in enumerate(result.citations, start=1)
        if void and one.source == void
    }
    said = _statements(result.text, voids)
    if not said:
        return Answered()
    lines = [found.group(1).strip() for one in said if (found := _LINE.match(one))]
    text = "\n".join(said) if wants == "text" else (lines or [NO_LINE])[-1]
    if wants == "line" and normalized(text) in _UNKNOWN:
        return Answered()
    quotes = tuple(_quoted(one) for one in result.citations if not void or one.source != void)
    return Answered(text=text[:ANSWER_CHARACTERS_MAX], quotes=quotes)


def _quoted(citation: Citation) -> Quoted:
    return Quoted(source=citation.source, quote=citation.quote)


def _statements(text: str, voids: set[int]) -> list[str]:
    """The sentences of an answer's sections; its title may repeat the goal, and is left out.

    Args:
        text: The answer.
        voids: Numbers of citations that count for nothing.
    """
    said: list[str] = []
    for line in text.splitlines():
        if line.strip() in _BODY_ENDS:
            break
        if line.strip() and not line.startswith("#") and not _is_void(line, voids):
            said.append(_MARKS.sub("", line.strip().removeprefix("- ")))
    return said


def _is_void(line: str, voids: set[int]) -> bool:
    """Whether a sentence cites something, and nothing but what counts for nothing."""
    found = _MARKS.search(line)
    cited = {int(number) for number in _NUMBER.findall(found.group())} if found else set[int]()
    return bool(cited) and cited <= voids


def normalized(text: str) -> str:
    """A text as it is compared: lower case, no punctuation, no articles, single spaces."""
    plain = text.casefold().translate(_PUNCTUATION)
    return " ".join(_ARTICLES.sub(" ", plain).split())


def overlap(one: str, other: str) -> float:
    """The F1 of the words of two texts, 0 to 1; of two empty ones 1."""
    ours, theirs = normalized(one).split(), normalized(other).split()
    if not ours or not theirs:
        return float(ours == theirs)
    shared = sum((Counter(ours) & Counter(theirs)).values())
    return 2 * shared / (len(ours) + len(theirs))


def voted(answers: Sequence[Answered]) -> Answered:
    """The answer of several who did not know of each other.

    Whoever gave none has no vote; if that is more than half of all, there is no answer. What
    most of the others say, in normalized words, wins. If no two say the same, as with longer
    texts, the one wins that overlaps most with the others. Of equals, the first.
    """
    voting = [one for one in answers if one.text]
    if 2 * len(voting) < len(answers) or not voting:
        return Answered()
    counts = Counter(normalized(one.text) for one in voting)
    if max(counts.values()) > 1 or len(voting) == 1:
        return max(voting, key=lambda one: counts[normalized(one.text)])
    return max(voting, key=lambda one: sum(overlap(one.text, other.text) for other in voting))
