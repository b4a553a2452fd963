"""A Markdown file as front matter, title and sections; blind to what these mean.

Knows fences, comments, both kinds of headings, lists and paragraphs. Keeps the index of
every line, so that one line of the file can be changed and no other. Not for what a
heading stands for (`team.adr.content`), or for syntax inside a line (`team.adr.inline`).
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from typing import Final

from msgspec import Struct
from msgspec.structs import replace

from team.adr.fields import Fields, read_fields
from team.adr.inline import LINE_CHARS_MAX, one_line

_HEADING = re.compile(r" {0,3}(#{1,6})(?:[ \t]|$)")
_UNDERLINE = re.compile(r" {0,3}(=+|-+)[ \t]*$")
_FENCE = re.compile(r"[ \t]*(`{3,}(?=[^`]*$)|~{3,})")
_ITEM: Final = re.compile(r"([ \t]*)(?:[-*+]|\d{1,3}[.)])[ \t]+(?:\[[ xX]\][ \t]+)?(?=\S)")
_NO_PARAGRAPH = re.compile(r"[ \t]*(?:[-*+>|]|\d{1,3}[.)][ \t]|$)")
_FIELD = re.compile(r"[\"']?[A-Za-z][\w -]{0,40}[\"']?[ \t]*:(?:[ \t]|$)")
_TOML = re.compile(r"[\"']?[A-Za-z][\w.-]{0,40}[\"']?[ \t]*=|\[|#")
_COMMENT = re.compile(r"(?<!\\)<!--")
_DEFINITION = re.compile(r" {0,3}\[([^\[\]\\]{1,80})\]:[ \t]*<?([^\s<>()]+)>?(?:[ \t].*)?$")
_REFERENCE = re.compile(r"(?<!\\)\[((?:\\.|[^\[\]\\]){1,200})\](?:\[([^\[\]]{0,80})\])?(?![(:\]])")


class Line(Struct, frozen=True, kw_only=True):
    """A line as a reader sees it: comments are gone.

    Attributes:
        at: Its index in the file.
        end: The same, or the line that underlines a heading.
        level: 1 to 6 for a heading, whose text is then without marks; 0 for the rest.
    """

    at: int
    end: int
    text: str
    level: int = 0
    is_code: bool = False


class Section(Struct, frozen=True, kw_only=True):
    """A heading and the lines up to the next one, whatever its level.

    Attributes:
        end: The heading's last line; not the one at `at` if it is underlined.
    """

    at: int
    end: int
    level: int
    heading: str
    lines: tuple[Line, ...]


class Document(Struct, frozen=True, kw_only=True):
    """What a file holds.

    Attributes:
        fields: Those of the front matter.
        is_yaml: Whether the front matter is YAML; true if there is none.
        front_end: The line that closes the front matter; None if there is none.
        sections: All of them, in order; what stands before the first heading is in none.
        comments: The text of every comment on a single line.
        flaw: What keeps its front matter from being read; "" if nothing does.
    """

    fields: Fields
    is_yaml: bool
    front_end: int | None
    sections: tuple[Section, ...]
    comments: tuple[str, ...]
    flaw: str = ""


def split_lines(text: str) -> tuple[list[str], list[str]]:
    """Return lines and what ends each, so that joined they are the text again."""
    pieces = re.split(r"(\r\n|\r|\n)", text)
    return pieces[::2], [*pieces[1::2], ""]


def read_document(text: str) -> Document:
    """Take a file's text apart; never fails."""
    lines, _ = split_lines(text.removeprefix("\ufeff"))
    front_end = _front_end(lines)
    front = "\n".join(lines[1:front_end]) if front_end is not None else ""
    fields, is_yaml = read_fields(front)
    visible = _Visible(lines, 0 if front_end is None else front_end + 1)
    seen = list(_with_links(list(visible.lines())))
    return Document(
        fields=fields,
        is_yaml=is_yaml,
        front_end=front_end,
        sections=tuple(_sections(_with_underlined(seen))),
        comments=tuple(visible.comments),
        flaw=_flaw(lines) if front_end is None else "",
    )


def _front_end(lines: Sequence[str]) -> int | None:
    """Return the line that closes the front matter; blank lines may stand before it."""
    start = _first(lines, 0)
    is_fields = start == 0 or _FIELD.match("".join(lines[start + 1 : start + 2]))
    if "".join(lines[start : start + 1]).rstrip() != "---" or not is_fields:
        return None
    after = range(start + 1, len(lines))
    return next((at for at in after if lines[at].rstrip() in {"---", "..."}), None)


def _flaw(lines: Sequence[str]) -> str:
    """Say what is wrong with front matter that was not found; "" if there is none at all."""
    start = _first(lines, 0)
    opening = "".join(lines[start : start + 1]).rstrip()
    following = "".join(lines[at] for at in [_first(lines, start + 1)] if at < len(lines))
    if opening == "---" and _FIELD.match(following):
        return "its front matter is not closed; end it with a line `---`"
    if opening == "+++" and (following.rstrip() == "+++" or _TOML.match(following)):
        return "its front matter is TOML (+++); write it as YAML, between lines `---`"
    return ""


def _first(lines: Sequence[str], start: int) -> int:
    """Return the first line from `start` on that is not blank; past the end if all are."""
    return next((at for at in range(start, len(lines)) if lines[at].strip()), len(lines))


class _Visible:
    """Goes through lines, following fences and comments."""

    def __init__(self, lines: Sequence[str], start: int) -> None:
        self.comments: list[str] = []
        self._lines, self._start = lines, start
        self._last_close = max((at for at, line in enumerate(lines) if "-->" in line), default=-1)

    def lines(self) -> Iterator[Line]:
        """Give what is left of each line, once."""
        fence, is_comment = "", False
        for at in range(self._start, len(self._lines)):
            text = self._lines[at]
            if fence:
                yield Line(at=at, end=at, text=text, is_code=True)
                stripped = text.strip()
                is_closing = stripped.startswith(fence) and not stripped.strip(fence[0])
                fence = "" if is_closing else fence
            elif not is_comment and (opening := _FENCE.match(text)):
                fence = opening[1]
                yield Line(at=at, end=at, text=text, is_code=True)
            else:
                text, is_comment = self._without_comments(text, at, is_comment=is_comment)
                yield _line(at, text)

    def _without_comments(self, text: str, at: int, *, is_comment: bool) -> tuple[str, bool]:
        """Return a line's text outside comments, and whether one is open behind it."""
        kept: list[str] = []
        start = ticks = 0
        while True:
            if is_comment:
                end = text.find("-->", start)
                if end < 0:
                    return "".join(kept), True
                start = end + len("-->")
            opening = _COMMENT.search(text, start)
            place = opening.start() if opening else len(text)
            ticks += text.count("`", start, place)
            close = text.find("-->", opening.end()) if opening else -1
            is_endless = close < 0 and at >= self._last_close
            # A comment that never ends is text, and so is one inside `code`.
            if not opening or is_endless or ticks % 2:
                return "".join((*kept, text[start:])), False
            if close >= 0:
                self.comments.append(text[opening.end() : close])
            kept.append(text[start:place])
            start, is_comment = opening.end(), True


def _line(at: int, text: str) -> Line:
    heading = _HEADING.match(text)
    if not heading:
        return Line(at=at, end=at, text=text)
    words = text[heading.end() :][:LINE_CHARS_MAX].strip()
    bare = words.rstrip("#")
    closed = bare if bare != words and (not bare or bare[-1] in " \t") else words
    return Line(at=at, end=at, text=closed.strip(), level=len(heading[1]))


def _with_links(lines: Sequence[Line]) -> Iterator[Line]:
    """Give lines with `[text][name]` as `[text](target)`, if the file says what the name means."""
    found = [None if line.is_code else _DEFINITION.match(line.text) for line in lines]
    targets = {match[1].casefold(): match[2] for match in found if match}

    def linked(match: re.Match[str]) -> str:
        target = targets.get((match[2] or match[1]).casefold())
        return f"[{match[1]}]({target})" if target else match[0]

    for line, definition in zip(lines, found, strict=True):
        if definition:
            yield replace(line, text="")
        elif targets and not line.is_code and "[" in line.text:
            yield replace(line, text=_REFERENCE.sub(linked, line.text))
        else:
            yield line


def _with_underlined(lines: Sequence[Line]) -> Iterator[Line]:
    """Give lines with the headings that are marked by a line of `=` or `-` below them."""
    waiting: Line | None = None
    for line in lines:
        underline = not line.is_code and not line.level and _UNDERLINE.match(line.text)
        if underline and waiting and _is_paragraph(waiting):
            level = 1 if underline[1][0] == "=" else 2
            text = waiting.text[:LINE_CHARS_MAX].strip()
            yield Line(at=waiting.at, end=line.at, text=text, level=level)
            waiting = None
            continue
        if waiting:
            yield waiting
        waiting = line
    if waiting:
        yield waiting


def _is_paragraph(line: Line) -> bool:
    return not line.is_code and not line.level and not _NO_PARAGRAPH.match(line.text)


def _sections(lines: Iterator[Line]) -> Iterator[Section]:
    """Give sections in order; what stands before the first heading is none."""
    heading: Line | None = None
    body: list[Line] = []
    for line in lines:
        if not line.level:
            body.append(line)
            continue
        if heading:
            yield _section(heading, body)
        heading, body = line, []
    if heading:
        yield _section(heading, body)


def _section(heading: Line, body: Sequence[Line]) -> Section:
    return Section(
        at=heading.at,
        end=heading.end,
        level=heading.level,
        heading=heading.text,
        lines=tuple(body),
    )


# --- inside a section ----------------------------------------------------------------------


def blocks(lines: Sequence[Line]) -> Iterator[tuple[Line, ...]]:
    """Give paragraphs and list items, each item on its own; code is left out."""
    block: list[Line] = []
    for line in lines:
        is_text = bool(line.text.strip()) and not line.is_code
        if block and (not is_text or _ITEM.match(line.text)):
            yield tuple(block)
            block = []
        if is_text:
            block.append(line)
    if block:
        yield tuple(block)


def items(lines: Sequence[Line]) -> Iterator[tuple[Line, ...]]:
    """Give the items of the first list, without what is nested in them or follows it."""
    outer: int | None = None
    for block in blocks(lines):
        found = _ITEM.match(block[0].text)
        indent = len(block[0].text) - len(block[0].text.lstrip())
        if outer is None and found:
            outer = len(found[1])
        if found and outer is not None and len(found[1]) <= outer + 1:
            yield block
        elif outer is not None and not found and indent <= outer:
            return


def is_item(block: Sequence[Line]) -> bool:
    """Tell whether a block is an item of a list."""
    return bool(_ITEM.match(block[0].text))


def block_text(block: Sequence[Line]) -> str:
    """Return a paragraph's or an item's words, on one line."""
    joined = "\n".join(line.text.strip() for line in block)
    item = _ITEM.match(joined)
    return one_line(joined[item.end() :] if item else joined)
