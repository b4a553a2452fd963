"""Leaps from a quote to a claim that words give away: denial, numbers, names, all, because.

Words only. A claim that means something else in words of the same kind passes; one that says
the same in quite other words does not.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from typing import Final

from team.agent.models.rehearsal.extract import stem, stems

SAME_SENTENCE: Final = 0.5
"""Share of a quote's telling words that the claim has, from which it speaks of that quote."""

_WORD: Final = re.compile(r"[^\W\d_]+(?:['’-][^\W\d_]+)*")
_NUMBER: Final = re.compile(r"(?<![\w.])\d+(?:[.,]\d+)*(?!\w)|(?<![\w.])\d+(?:[.,]\d+)*(?=[a-z%])")
_SENTENCE: Final = re.compile(r"(?<=[.!?;])\s+")
_CLAUSE: Final = re.compile(r"[,:;()]\s*|\s(?:and|but|or|while|whereas|although)\s")
_NUMERALS: Final = {
    word: str(number)
    for number, word in enumerate(
        "zero one two three four five six seven eight nine ten eleven twelve thirteen fourteen "
        "fifteen sixteen seventeen eighteen nineteen twenty".split()
    )
} | {"thirty": "30", "forty": "40", "fifty": "50", "sixty": "60", "ninety": "90", "hundred": "100"}
_VAGUE: Final = frozenset({"0", "1", "2"})
"""Numerals that stand in prose without counting anything: one of them, the two."""
_UNITS: Final = {
    unit: name
    for name, units in {
        "millisecond": "ms millisecond milliseconds",
        "second": "s sec second seconds",
        "minute": "min minute minutes",
        "hour": "h hour hours",
        "day": "day days",
        "week": "week weeks",
        "month": "month months",
        "year": "year years",
        "byte": "byte bytes",
        "kilobyte": "kb kib kilobyte kilobytes",
        "megabyte": "mb mib megabyte megabytes",
        "gigabyte": "gb gib gigabyte gigabytes",
        "percent": "% percent",
        "metre": "m metre metres meter meters",
        "kilometre": "km kilometre kilometres kilometer kilometers",
        "gram": "g gram grams",
        "kilogram": "kg kilogram kilograms",
        "degree": "degree degrees",
        "dollar": "dollar dollars usd",
    }.items()
    for unit in units.split()
}
_MEASURE: Final = re.compile(r"(\d+(?:[.,]\d+)*|[a-z]+)[ -]?(%|[a-z]+)\b|(\d+(?:[.,]\d+)*)%")
_DENIALS: Final = frozenset(
    "not no never none nothing nobody neither nor without cannot can't don't doesn't didn't won't "
    "isn't aren't wasn't weren't hasn't haven't hadn't shouldn't mustn't wouldn't couldn't "
    "hardly rarely seldom".split()
)
_STRONG: Final = {
    "all": "all every each any whole entire always",
    "every": "all every each any always whenever",
    "each": "all every each any",
    "always": "always all every each any whenever must never only",
    "never": "never not no none cannot nothing",
    "none": "none no not never nothing nobody",
    "nobody": "nobody none no not never",
    "only": "only alone solely nothing but except unless no just exclusively one single",
    "must": "must shall required requires need needs has have mandatory only",
    "guarantees": "guarantees guaranteed guarantee always ensures",
    "guaranteed": "guarantees guaranteed guarantee always ensures",
    "everybody": "everybody everyone all every each anybody",
    "everyone": "everybody everyone all every each anybody",
    "any": "any all every each whatever no",
    "proves": "proves proof proven proved",
    "best": "best",
    "worst": "worst",
}
"""Words that claim much, each with those by which a quote bears it out."""
_CAUSES: Final = frozenset(
    "because therefore thus hence causes caused cause causing consequently leads led owing due "
    "since results resulted so".split()
)
_CAUSAL: Final = re.compile(
    r"\b(?:because|therefore|thus|hence|consequently|causes|caused by|causing|leads to|led to"
    r"|owing to|due to|results in|resulted in|as a result|which is why|so that)\b",
    re.IGNORECASE,
)
_HEDGES: Final = frozenset("may might can could sometimes often usually some perhaps".split())


def leap(claim: str, quotes: Sequence[str]) -> str | None:
    """Name the first leap from quotes to a claim; nothing if words give none away."""
    return next(_leaps(claim, " ".join(quotes), _sentences(quotes)), None)


def _leaps(claim: str, quoted: str, sentences: Sequence[str]) -> Iterator[str]:
    yield from _numbers(claim, quoted)
    yield from _names(claim, quoted)
    yield from _strength(claim, quoted)
    if _CAUSAL.search(claim) and not _CAUSES & set(_words(quoted)):
        yield "it gives a cause, and its quotes give none"
    yield from _denial(claim, sentences)


def _numbers(claim: str, quoted: str) -> Iterator[str]:
    """Numbers and measures that the quotes do not have."""
    known = {*_counted(quoted), *(_NUMERALS.get(word, "") for word in _words(quoted))}
    for number in _counted(claim):
        if number not in known:
            yield f"the number {number} stands in none of its quotes"
    measured = dict(_measures(quoted))
    for number, unit in _measures(claim):
        if number in measured and measured[number] != unit:
            yield f"its quotes have {number} {measured[number]}s, not {unit}s"


def _counted(text: str) -> Iterator[str]:
    for number in _NUMBER.findall(text.lower()):
        yield number.rstrip(".,").replace(",", "")
    for word in re.findall(r"[a-z]+", text.lower()):
        if word in _NUMERALS and _NUMERALS[word] not in _VAGUE:
            yield _NUMERALS[word]


def _measures(text: str) -> Iterator[tuple[str, str]]:
    for number, unit, percent in _MEASURE.findall(text.lower()):
        value = _NUMERALS.get(number, number) or percent
        name = _UNITS.get("%" if percent else unit)
        if name is not None and value[:1].isdigit():
            yield value.replace(",", ""), name


def _names(claim: str, quoted: str) -> Iterator[str]:
    """Names in the midst of a sentence that the quotes do not have."""
    known = {stem(word.lower()) for word in _words(quoted)}
    for sentence in _SENTENCE.split(claim):
        for word in _WORD.findall(sentence)[1:]:
            is_name = word[:1].isupper() and len(word) > 1
            if is_name and stem(word.lower().removesuffix("'s").removesuffix("’s")) not in known:
                yield f"the name {word!r} stands in none of its quotes"


def _strength(claim: str, quoted: str) -> Iterator[str]:
    """Words that claim more than the quotes say."""
    told = set(_words(quoted))
    for word in _words(claim):
        if word in _STRONG and not told & set(_STRONG[word].split()):
            yield f"it says {word!r}, and its quotes say no such thing"
    is_sure = {"will", "does", "do"} & set(_words(claim)) and not _HEDGES & set(_words(claim))
    if _HEDGES & told and is_sure:
        yield "its quotes say that it may be, the claim that it is"


def _denial(claim: str, sentences: Sequence[str]) -> Iterator[str]:
    """Where a claim denies what its quote affirms, or the other way round.

    A sentence may deny in one clause only: then the clause that the claim takes up counts.
    """
    clauses = [clause for sentence in sentences for clause in _CLAUSE.split(sentence)]
    for part in _sentences([claim]):
        if not _is_turned(part, sentences):
            continue
        pieces = [piece for piece in _CLAUSE.split(part) if _nearest(piece, clauses)]
        if not pieces or any(_is_turned(piece, clauses) for piece in pieces):
            yield (
                "it denies what its quote says"
                if _denies(part)
                else "it leaves out that its quote denies this"
            )


def _is_turned(part: str, sentences: Sequence[str]) -> bool:
    nearest = _nearest(part, sentences)
    return nearest is not None and _denies(part) != _denies(nearest)


def _nearest(part: str, sentences: Sequence[str]) -> str | None:
    """The sentence that a part of a claim takes up; nothing if it takes up none."""
    nearest = max(sentences, key=lambda sentence: _shared(part, sentence), default="")
    return nearest if _shared(part, nearest) >= SAME_SENTENCE else None


def _denies(text: str) -> bool:
    """Whether a text denies: two denials cancel each other."""
    return sum(word in _DENIALS for word in _words(text)) % 2 == 1


def _shared(part: str, sentence: str) -> float:
    ours, theirs = stems(part), stems(sentence)
    return len(ours & theirs) / len(ours) if ours else 0.0


def _sentences(texts: Sequence[str]) -> list[str]:
    return [part for text in texts for part in _SENTENCE.split(text) if part.strip()]


def _words(text: str) -> list[str]:
    return [word.lower().replace("’", "'") for word in _WORD.findall(text)]
