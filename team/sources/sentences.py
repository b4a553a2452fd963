"""How text is cut: passages to find, words to find them by, sentences to quote.

Pure. Passages are whole lines. Every sentence is a verbatim slice, white space
folded, of the lines it names, so `quote_stands` holds for it. Not a linguist: a
full stop, then a word that may begin a sentence, ends one.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Sequence
from typing import Final

from msgspec import Struct

from team.sources.extract import HEADING, heading_at
from team.sources.locators import Locator, is_quotable, quote_stands

PASSAGE_LINES_MIN: Final = 6
"""From this length on, a passage ends at a blank line, a definition or a heading."""
PASSAGE_LINES_MAX: Final = 20
"""Where a passage ends in any case."""
PASSAGE_CHARS_MAX: Final = 4_000
"""Where a passage of several long lines ends in any case."""
QUERY_WORDS_MAX: Final = 64
"""The most words of a query that count; later ones are ignored."""
SENTENCE_WORDS_MIN: Final = 3
"""Fewer words with a letter in them are a label, not a sentence."""

_Pieces = list[tuple[int, str]]
"""A paragraph: line numbers and the part of each line that belongs to it."""

_PYTHON_HEADING = re.compile(r"(\s*)(?:async\s+def|def|class)\s+(\w+)")
_PYTHON_BOUNDARY = re.compile(r"\s*(?:@\w|(?:async\s+def|def|class)\s)")
_CAMEL = re.compile(r"(?<=[a-z0-9])(?=[A-Z])")

_STOP_WORDS = frozenset(
    """a about all also an and any are as at be been but by can could did do does for from had has
    have how i if in into is it its may me more most my no not of on one or our should so some
    such than that the their them then there these they this those to was we were what when
    where which while who why will with would you your""".split()
)

# Strings and comments in the order Python reads them; what lies between is code.
_PYTHON = re.compile(
    r"""(?P<comment>\#[^\n]*)
    |(?P<quote>\"{3}|'{3})(?P<doc>(?:\\.|[^\\])*?)(?:(?P=quote)|\Z)
    |"(?:\\.|[^"\\\n])*"|'(?:\\.|[^'\\\n])*'""",
    re.DOTALL | re.VERBOSE,
)
_ONLY_PREFIX = re.compile(r"\s*[rRuU]?")
_MARKER = re.compile(r"\s*(?:[-*+•]|\d{1,3}[.)]|#{1,6}|>|:\w[\w ]*:)\s+")
_ALONE = re.compile(r"\s*(?:#{1,6}\s|>|\|)")
_NOT_PROSE = re.compile(r"\s*(?:\.\. |\||>>>|\.\.\. |[-=~^*+#_]{3,}\s*$)")
_FENCE = re.compile(r"\s*(?:```|~~~)")
_STOP = re.compile(r"[.!?][\"'\u201d\u2019)\]*_`]*\Z")
_OPENING = re.compile(r"[\"'\u201c\u2018(\[*_`:]*[A-Z0-9]")
_ABBREVIATION = re.compile(
    r"\(?(?:e\.g|i\.e|etc|vs|cf|al|approx|resp|fig|no|mr|mrs|ms|dr|prof|st|[a-z])\.", re.IGNORECASE
)


class Passage(Struct, frozen=True, kw_only=True):
    """A few lines that belong together.

    Attributes:
        first: First line, from 1; it is not blank.
        last: Last line, included; it is not blank.
        section: Names of what the passage is part of, as words, or "".
    """

    first: int
    last: int
    section: str


def passages(lines: Sequence[str], *, is_python: bool) -> list[Passage]:
    """Cut a page into passages, in order and without overlap; only blank lines are lost."""
    sections = _sections(lines, is_python=is_python)
    found: list[Passage] = []
    for start, stop in _spans(lines, _PYTHON_BOUNDARY if is_python else HEADING):
        full = [number for number in range(start, stop) if lines[number].strip()]
        if full:
            found.append(Passage(first=full[0] + 1, last=full[-1] + 1, section=sections[full[0]]))
    return found


def _spans(lines: Sequence[str], boundary: re.Pattern[str]) -> Iterator[tuple[int, int]]:
    start, chars = 0, 0
    for index, line in enumerate(lines):
        size = index - start
        is_opening = bool(boundary.match(line)) or (
            index > 0 and bool(line.strip()) and not lines[index - 1].strip()
        )
        is_full = size >= PASSAGE_LINES_MAX or chars + len(line) > PASSAGE_CHARS_MAX
        if size and (is_full or (is_opening and size >= PASSAGE_LINES_MIN)):
            yield start, index
            start, chars = index, 0
        chars += len(line)
    if start < len(lines):
        yield start, len(lines)


def _sections(lines: Sequence[str], *, is_python: bool) -> list[str]:
    """For each line, what it is part of: the last definition or heading so far."""
    sections: list[str] = []
    outer = section = ""
    for index, line in enumerate(lines):
        if is_python:
            if match := _PYTHON_HEADING.match(line):
                words = _CAMEL.sub(" ", match[2])
                name = match[2] if words == match[2] else f"{match[2]} {words}"
                outer = outer if match[1] else name
                section = f"{outer} {name}" if match[1] else name
        elif heading := heading_at(lines, index):
            section = heading
        sections.append(section)
    return sections


def query_words(query: str) -> tuple[str, ...]:
    """Give the words of a question that count, in lower case, each once, in order."""
    words = (word.strip("_") for word in re.findall(r"\w+", query.lower()))
    counting = dict.fromkeys(word for word in words if word and word not in _STOP_WORDS)
    return tuple(counting)[:QUERY_WORDS_MAX]


def sentences(
    lines: Sequence[str], first: int = 1, *, is_python: bool = False, page: int | None = None
) -> list[tuple[str, Locator]]:
    """Split text into sentences, in order.

    Args:
        lines: Consecutive lines of one page. For Python best the whole file: a
            window that begins inside a docstring looks like code.
        first: Number of the first of these lines.
        is_python: Take docstrings and comments only. A comment's sentence must
            stand on one line, because of the marks between its lines.
        page: Goes into the locators as it is.

    Returns:
        Sentences and their places. With `first` at 1, `quote_stands` holds for
        `lines` and each of them.
    """
    numbered = list(enumerate(lines))
    paragraphs = _python_prose(lines) if is_python else _paragraphs(numbered)
    found: list[tuple[str, Locator]] = []
    for pieces in paragraphs:
        for text, begin, end in _split(pieces):
            local = Locator(page=page, first=begin + 1, last=end + 1)
            words = sum(any(map(str.isalpha, word)) for word in text.split())
            if words >= SENTENCE_WORDS_MIN and quote_stands(lines, local, text):
                place = Locator(page=page, first=begin + first, last=end + first)
                found.append((text, place))
    return found


def _paragraphs(numbered: Iterable[tuple[int, str]]) -> Iterator[_Pieces]:
    """Cut prose into paragraphs and list items; leave out code and tables."""
    is_example = False
    for block in _blocks(numbered):
        if not is_example:
            yield from _items(block)
        # A paragraph that ends in "::" announces an example.
        is_example = not is_example and block[-1][1].rstrip().endswith("::")


def _blocks(numbered: Iterable[tuple[int, str]]) -> Iterator[_Pieces]:
    block: _Pieces = []
    is_fenced = False
    for number, line in numbered:
        is_fence = bool(_FENCE.match(line))
        if not (is_fence or is_fenced or not line.strip() or _NOT_PROSE.match(line)):
            block.append((number, line))
        elif block:
            yield block
            block = []
        is_fenced ^= is_fence
    if block:
        yield block


def _items(block: _Pieces) -> Iterator[_Pieces]:
    pieces: _Pieces = []
    for number, line in block:
        marker = _MARKER.match(line)
        if pieces and marker:
            yield pieces
            pieces = []
        pieces.append((number, line[marker.end() :] if marker else line))
        if _ALONE.match(line):
            yield pieces
            pieces = []
    if pieces:
        yield pieces


def _python_prose(lines: Sequence[str]) -> Iterator[_Pieces]:
    text = "\n".join(lines)
    number, counted = 0, 0
    for match in _PYTHON.finditer(text):
        number, counted = number + text.count("\n", counted, match.start()), match.start()
        before = text[text.rfind("\n", 0, match.start()) + 1 : match.start()]
        if match["comment"]:
            yield from _comment(lines, number, match["comment"])
        elif match["doc"] and _ONLY_PREFIX.fullmatch(before):
            yield from _paragraphs(enumerate(match["doc"].split("\n"), number))


def _comment(lines: Sequence[str], number: int, comment: str) -> Iterator[_Pieces]:
    """Give a comment that stands alone, or the whole sentences on one line of a run."""
    pieces: _Pieces = [(number, comment.lstrip("#!: "))]
    around = (*lines[max(0, number - 1) : number], *lines[number + 1 : number + 2])
    is_in_run = any(line.lstrip().startswith("#") for line in around)
    if not is_in_run or not lines[number].lstrip().startswith("#"):
        yield pieces
        return
    for sentence, _, _ in _split(pieces):
        if sentence[0].isupper() and _STOP.search(sentence):
            yield [(number, sentence)]


def _split(pieces: _Pieces) -> Iterator[tuple[str, int, int]]:
    words = [(number, word) for number, text in pieces for word in text.split()]
    start = 0
    for index, (number, word) in enumerate(words):
        is_last = index + 1 == len(words)
        if is_last or (_ends(word) and _OPENING.match(words[index + 1][1])):
            text = " ".join(each for _, each in words[start : index + 1])
            if is_quotable(text):
                yield text, words[start][0], number
            start = index + 1


def _ends(word: str) -> bool:
    return bool(_STOP.search(word)) and not _ABBREVIATION.fullmatch(word)
