"""Constraints of a goal that code can check on the answer: its length, and what it mentions.

Everything else a goal may bind is the lead's word. A form that is read here must be sure:
what is read wrongly would keep a good answer back for ever.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import Final, Literal

import msgspec

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


class Limit(msgspec.Struct, frozen=True, kw_only=True):
    """What a constraint comes to.

    Attributes:
        kind: At most or at least so many, or a thing that must not, or must, be mentioned.
        unit: What is counted: words or sentences.
        count: How many.
        term: What is mentioned or not.
    """

    kind: Literal["most", "least", "never", "always"]
    unit: Unit = ""
    count: int = 0
    term: str = ""


def limit_of(constraint: str) -> Limit | None:
    """Read a constraint; nothing if code can't check it."""
    told = " ".join(constraint.split()).strip(" .;")
    for kind, form in (("most", _MOST), ("least", _LEAST)):
        found = re.search(rf"\b{form} {_COUNT} {_UNIT}", told, re.I)
        # "each", "per": then it speaks of a part of the answer, not of all of it.
        if found and not re.search(r"\b(?:each|every|per|a piece)\b", told, re.I):
            unit: Unit = "word" if found.group(2).lower() == "word" else "sentence"
            return Limit(
                kind="most" if kind == "most" else "least", unit=unit, count=_number(found)
            )
    never = re.fullmatch(rf"{_MENTION} {_NAMED}", told, re.I)
    if never:
        return Limit(kind="never", term=never.group(1) or never.group(2))
    always = re.fullmatch(rf"(?:always |must )?(?:mention|name) {_NAMED}", told, re.I)
    if always:
        return Limit(kind="always", term=always.group(1) or always.group(2))
    return None


def problem_of(limit: Limit, sentences: Sequence[str]) -> str | None:
    """Say how the sentences of an answer break a limit; nothing if they keep it."""
    text = " ".join(sentences)
    if limit.unit:
        count = len(text.split()) if limit.unit == "word" else len(sentences)
        is_kept = count <= limit.count if limit.kind == "most" else count >= limit.count
        return None if is_kept else f"it has {count} {limit.unit}s"
    is_there = re.search(rf"(?<!\w){re.escape(limit.term)}(?!\w)", text, re.I) is not None
    if is_there == (limit.kind == "always"):
        return None
    return f"it mentions {limit.term!r}" if is_there else f"it does not mention {limit.term!r}"


def _number(found: re.Match[str]) -> int:
    told = found.group(1).lower()
    return _NUMBERS.get(told) or int(told.replace(",", ""))
