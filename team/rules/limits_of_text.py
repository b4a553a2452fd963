"""Constraints of a goal that code can check on the answer: its length, and what it mentions.

Everything else a goal may bind is the lead's word. A form that is read here must be sure:
what is read wrongly would keep a good answer back for ever.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import Final, Literal

import msgspec

from team.rules.sentences_of_text import sentences_of

Unit = Literal["word", "sentence", ""]

_NUMBERS: Final = {
    word: number
    for number, word in enumerate(
        "one two three four five six seven eight nine ten eleven twelve".split(), start=1
    )
}
_COUNT: Final = rf"(\d[\d,]*|{'|'.join(_NUMBERS)})"
_UNIT: Final = r"(word|sentence)s?\b"
_MOST: Final = (
    r"(?:at most|no more than|not more than|up to|a maximum of|maximum|max\.?|no longer than"
    r"|not exceed(?:ing)?)"
)
_LEAST: Final = r"(?:at least|no fewer than|no less than|not fewer than|a minimum of|minimum)"
_MENTION: Final = (
    r"(?:do not|don't|never|must not|may not|without) (?:mention|name|mentioning|naming)"
)
_NAMED: Final = r"(?:[\"“'‘`]([^\"”'’`]{2,80})[\"”'’`]|([\w.+#-]+(?: [\w.+#-]+){0,2}))"

_FILLERS: Final = frozenset(
    "a all an and answer at be contain contains do does finding form give has have in is it its"
    " keep length limit limited long may must not of overall please report respond reply result"
    " say shall should stay summary text that the this to total use whole with within write you"
    " your".split()
)
"""Words that say no more than that a number of words or sentences is meant of the answer."""


_SEVERAL: Final = re.compile(r"\b(?:and|or|nor|any|other|the)\b", re.I)
"""What makes several things of a name, or none that can be looked for word for word."""


class Limit(msgspec.Struct, frozen=True, kw_only=True):
    """What a constraint comes to.

    Attributes:
        kind: At most or at least so many, or a thing that must not, or must, be mentioned.
        unit: What is counted: words or sentences.
        count: How many.
        term: What is mentioned or not.
        rest: What else the constraint says, that code can't check.
    """

    kind: Literal["most", "least", "never", "always"]
    unit: Unit = ""
    count: int = 0
    term: str = ""
    rest: str = ""


def limit_of(constraint: str) -> Limit | None:
    """Read a constraint; nothing if code can't check it."""
    told = " ".join(constraint.split()).strip(" .;")
    for kind, form in (("most", _MOST), ("least", _LEAST)):
        found = re.search(rf"\b{form} {_COUNT} {_UNIT}", told, re.I)
        # "each", "per": then it speaks of a part of the answer, not of all of it.
        if found and not re.search(r"\b(?:each|every|per|a piece)\b", told, re.I):
            unit: Unit = "word" if found.group(2).lower() == "word" else "sentence"
            return Limit(
                kind="most" if kind == "most" else "least",
                unit=unit,
                count=_number(found),
                rest=_rest(told[: found.start()], told[found.end() :]),
            )
    never = re.fullmatch(rf"{_MENTION} {_NAMED}", told, re.I)
    always = re.fullmatch(rf"(?:always |must )?(?:mention|name) {_NAMED}", told, re.I)
    found = never or always
    if found is None or (found.group(2) and _SEVERAL.search(found.group(2))):
        return None
    return Limit(kind="never" if never else "always", term=found.group(1) or found.group(2))


def problem_of(limit: Limit, texts: Sequence[str], around: Sequence[str] = ()) -> str | None:
    """Say how an answer breaks a limit; nothing if it keeps it.

    Args:
        limit: What is asked.
        texts: What it says.
        around: Title, headings and the like: not counted, but they mention nothing either.
    """
    text = " ".join(texts)
    if limit.unit == "word":
        return _miscounted(limit, len(text.split()))
    if limit.unit == "sentence":
        return _miscounted(limit, sum(len(sentences_of(one)) for one in texts))
    read = text if limit.kind == "always" else " \n ".join((text, *around))
    # One of a thing is the thing, too: "signals" is mentioned by "a signal".
    stem = re.escape(re.sub(r"(?<=[a-z]{3})s$", "", limit.term, flags=re.I))
    is_there = re.search(rf"(?<!\w){stem}(?:e?s)?(?!\w)", read, re.I) is not None
    if is_there == (limit.kind == "always"):
        return None
    return f"it mentions {limit.term!r}" if is_there else f"it does not mention {limit.term!r}"


def _miscounted(limit: Limit, count: int) -> str | None:
    is_kept = count <= limit.count if limit.kind == "most" else count >= limit.count
    return None if is_kept else f"it has {count} {limit.unit}s"


def _rest(*parts: str) -> str:
    """What stands around a number of words, if that says more than that the answer has them."""
    told = " ".join(part.strip(" ,.;:") for part in parts).strip()
    return told if set(re.findall(r"[\w+#-]+", told.lower())) - _FILLERS else ""


def _number(found: re.Match[str]) -> int:
    told = found.group(1).lower()
    return _NUMBERS.get(told) or int(told.replace(",", ""))
