"""Choose quotes from passages: sentences of prose that share words with a question."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence

import msgspec

from team.agent.models.rehearsal.conversation import Passage
from team.rules.plan import words
from team.sources import Locator, quote_stands

QUOTE_CHARACTERS = (30, 300)
QUOTE_WORDS_MIN = 5
LETTERS_SHARE = 0.85
PREFIX = 4

_CODE = re.compile(
    r"[=\[\]{}<>|]|\w\((?!\))\S|\w\.\w+\.\w|:\s*$|"
    r"^\s*(@|def |class |if |for |while |with |try\b|raise |return |import |from \S+ import|"
    r"self\b|async |await |pass\b|else\b|except\b|>>>|\.\. )"
)
_MARKS = re.compile(r"^\s*(?:[rRbBuU]?(?:\"\"\"|''')|#+ ?|\* |- )?|(?:\"\"\"|''')\s*$")
_DOCSTRING_END = ('"""', "'''")
_END = re.compile(r"(?<=[.!?])\s+(?=[A-Z\"'(`])")


class Quote(msgspec.Struct, frozen=True, kw_only=True):
    """A sentence that may be quoted, and how well it fits."""

    source: str
    group: str
    locator: str
    text: str
    score: float
    terms: frozenset[str]


def stem(word: str) -> str:
    """A word without its usual endings, so that `cancelled` meets `cancel`."""
    for ending in ("lations", "lation", "ation", "ling", "led", "ing", "ies", "ed", "es", "s"):
        if word.endswith(ending) and len(word) - len(ending) >= PREFIX:
            return word[: -len(ending)]
    return word


def stems(text: str) -> frozenset[str]:
    """The stems of a text's telling words."""
    return frozenset(stem(word) for word in words(text))


def met(wanted: frozenset[str], text: str) -> frozenset[str]:
    """Which of the wanted stems a text has, in whatever form (`shut` meets `shutdown`)."""
    found = stems(text)
    return frozenset(
        term
        for term in wanted
        if any(word == term or (len(term) >= PREFIX and word.startswith(term)) for word in found)
    )


def quotes_for(question: str, passages: Sequence[Passage], count: int) -> list[Quote]:
    """Choose the sentences that share most with a question, each from another place.

    Args:
        question: Free text.
        passages: Where to choose from, the best first.
        count: At most how many.
    """
    wanted = stems(question)
    found: dict[str, Quote] = {}
    for rank, passage in enumerate(passages):
        for quote in _candidates(passage, wanted, rank):
            found.setdefault(quote.text, quote)
    if not found:
        found = {quote.text: quote for passage in passages for quote in _lines(passage, wanted)}
    ranked = sorted(found.values(), key=lambda q: (-q.score, q.source, q.locator))
    chosen: list[Quote] = []
    for _ in range(count):
        best = _best_new(ranked, chosen)
        if best is None:
            break
        chosen.append(best)
    return chosen


def _best_new(ranked: Sequence[Quote], chosen: Sequence[Quote]) -> Quote | None:
    """The best sentence that adds a word or a file to those chosen."""
    uses = {term: sum(term in quote.terms for quote in chosen) for q in ranked for term in q.terms}
    files = [quote.source for quote in chosen]

    def worth(quote: Quote) -> float:
        fresh = sum(1 / (1 + uses[term]) for term in quote.terms)
        return quote.score + 2 * fresh - files.count(quote.source)

    left = [quote for quote in ranked if quote not in chosen]
    return max(left, key=worth, default=None)


def _candidates(passage: Passage, wanted: frozenset[str], rank: int) -> Iterator[Quote]:
    for text, first, last in _prose(passage.lines):
        terms = met(wanted, text)
        page, offset = passage.locator.page, passage.locator.first
        local = Locator(page=None, first=first + 1, last=last + 1)
        if terms and _is_sentence(text) and quote_stands(passage.lines, local, text):
            place = Locator(page=page, first=offset + first, last=offset + last)
            yield Quote(
                source=passage.source,
                group=passage.group,
                locator=str(place),
                text=text,
                score=len(terms) + min(len(text), 160) / 400 - rank / 50,
                terms=terms,
            )


def _lines(passage: Passage, wanted: frozenset[str]) -> Iterator[Quote]:
    """Where there is no prose at all: single lines, as they stand."""
    for number, line in enumerate(passage.lines, start=passage.locator.first):
        text, terms = line.strip(), met(wanted, line)
        if terms and QUOTE_CHARACTERS[0] <= len(text) <= QUOTE_CHARACTERS[1]:
            place = Locator(page=passage.locator.page, first=number, last=number)
            yield Quote(
                source=passage.source,
                group=passage.group,
                locator=str(place),
                text=text,
                score=len(terms),
                terms=terms,
            )


def _prose(lines: Sequence[str]) -> Iterator[tuple[str, int, int]]:
    """Sentences with the first and last line that they stand on."""
    block: list[tuple[int, str]] = []
    for number, line in enumerate([*lines, ""]):
        text = _MARKS.sub("", line).strip()
        is_comment = line.lstrip().startswith("#")
        if is_comment and (_is_comment(lines, number - 1) or _is_comment(lines, number + 1)):
            continue  # a run of comments can't be quoted across its marks
        if text and not _CODE.search(line):
            block.append((number, text))
        if not text or is_comment or _CODE.search(line) or line.rstrip().endswith(_DOCSTRING_END):
            yield from _sentences(block)
            block = []


def _is_comment(lines: Sequence[str], number: int) -> bool:
    return 0 <= number < len(lines) and lines[number].lstrip().startswith("#")


def _sentences(block: Sequence[tuple[int, str]]) -> Iterator[tuple[str, int, int]]:
    text, starts = "", []
    for number, piece in block:
        starts.append((len(text), number))
        text += piece + " "
    at = 0
    for sentence in filter(None, _END.split(text.strip())):
        begin = text.index(sentence, at)
        at = begin + len(sentence)
        on = [number for start, number in starts if start < at]
        first = [number for start, number in starts if start <= begin]
        yield sentence, first[-1], on[-1]


def _is_sentence(text: str) -> bool:
    low, high = QUOTE_CHARACTERS
    return (
        low <= len(text) <= high
        and text[0].isupper()
        and len(text.split()) >= QUOTE_WORDS_MIN
        and not text.startswith(("XXX", "TODO", "Copyright", "Licensed"))
        and sum(c.isalpha() or c == " " for c in text) / len(text) > LETTERS_SHARE
    )
