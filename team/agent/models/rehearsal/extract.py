"""Choose quotes from passages: sentences of prose that share words with a question."""

from __future__ import annotations

import re
from collections.abc import Sequence

import msgspec

from bus.messages import Evidence
from team.agent.models.rehearsal.conversation import Passage
from team.rules.plan import words
from team.sources import Locator, sentences

QUOTE_CHARACTERS = (40, 320)

_CODE = re.compile(
    r"[=\[\]{}]|\w\(\w|^\s*(def|class|if|for|raise|return|import|self)\b|\w\.\w+\.\w"
)


class Quote(msgspec.Struct, frozen=True, kw_only=True):
    """A sentence that may be quoted, and how well it fits."""

    source: str
    group: str
    locator: str
    text: str
    score: float
    terms: frozenset[str]

    def as_evidence(self) -> Evidence:
        """This quote as evidence."""
        return Evidence(source=self.source, locator=self.locator, quote=self.text)


def stem(word: str) -> str:
    """A word without its usual endings, so that `cancelled` meets `cancel`."""
    for ending in ("lation", "ations", "ation", "ling", "led", "ing", "ies", "ed", "es", "s"):
        if word.endswith(ending) and len(word) - len(ending) >= 4:
            return word[: -len(ending)]
    return word


def stems(text: str) -> frozenset[str]:
    """The stems of a text's telling words."""
    return frozenset(stem(word) for word in words(text))


def quotes_for(question: str, passages: Sequence[Passage], count: int) -> list[Quote]:
    """Choose the sentences that share most with a question, each adding something new.

    Args:
        question: Free text.
        passages: Where to choose from.
        count: At most how many.
    """
    wanted = stems(question)
    found = {q.text: q for p in passages for q in _candidates(p, wanted)}
    ranked = sorted(found.values(), key=lambda q: (-q.score, q.source, q.locator))
    chosen: list[Quote] = []
    covered: set[str] = set()
    places: set[tuple[str, str]] = set()
    for is_new_only in (True, False):
        for quote in ranked:
            place = (quote.source, quote.locator)
            adds = bool(quote.terms - covered) or not is_new_only
            if len(chosen) < count and quote not in chosen and adds and place not in places:
                chosen.append(quote)
                covered |= quote.terms
                places.add(place)
    return chosen


def _candidates(passage: Passage, wanted: frozenset[str]) -> list[Quote]:
    found: list[Quote] = []
    for text, place in sentences(passage.lines, passage.locator.first):
        terms = stems(text) & wanted
        if terms and _is_prose(text):
            locator = Locator(page=passage.locator.page, first=place.first, last=place.last)
            score = len(terms) + min(len(text), 200) / 1_000
            found.append(
                Quote(
                    source=passage.source,
                    group=passage.group,
                    locator=str(locator),
                    text=text,
                    score=score,
                    terms=terms,
                )
            )
    return found


def _is_prose(text: str) -> bool:
    low, high = QUOTE_CHARACTERS
    letters = sum(character.isalpha() or character == " " for character in text)
    return (
        low <= len(text) <= high
        and letters / len(text) > 0.85
        and not _CODE.search(text)
        and not text.startswith(("#", '"', ">"))
        and text[0].isupper()
        and text.rstrip().endswith((".", ":", "!"))
    )
