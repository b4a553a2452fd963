"""Markdown inside a line: read it as the words it shows, write any words so that they show.

Covers what stands in titles, options and status lines: escapes, code, links, emphasis,
entities. Not for blocks (headings, lists, fences): that is `team.adr.document`.
"""

from __future__ import annotations

import html
import re
import unicodedata
from typing import Final

LINE_CHARS_MAX: Final = 2_000
"""As much of a line or paragraph as is looked at; the patterns below are quadratic at worst."""

PUNCTUATION: Final = r"!-/:-@\[-`{-~"
"""What a backslash may stand before in Markdown, for use inside `[…]`."""

_TOKEN = re.compile(
    rf"""
      \\(?P<escaped>[{PUNCTUATION}])
    | (?P<ticks>(?<!`)`+(?!`))(?P<code>.+?)(?<!`)(?P=ticks)(?!`)
    | !?\[(?P<text>(?:\\.|[^\[\]\\]|\[[^\[\]]*\])*)\]\((?:\\.|[^()\\]|\([^()]*\))*\)
    | <(?P<address>https?://[^<>\s]+)>
    | <!--.*?-->
    | (?P<break></?(?:br|a|b|i|em|strong|code|sub|sup|span)(?:\s[^<>]*)?/?>)
    | (?P<entity>&(?:\#[0-9]{{1,7}}|\#[xX][0-9a-fA-F]{{1,6}}|[A-Za-z][A-Za-z0-9]{{1,31}});)
    | (?P<mark>\*{{1,3}}|_{{1,3}}|~~)
    """,
    re.VERBOSE | re.DOTALL,
)
_ACTIVE = re.compile(r"[\\`*_\[\]<>&#~{}|]")
_LABEL = re.compile(
    r"""
    (?: \[? (?: (?:ADR|Architectur(?:e|al)\ Decision(?:\ Record)?|Decision(?:\ Record)?)
                [-_ \#]*\d* | \d+ ) \]? \s*
        (?: [:.)](?=\s) | [-–—](?=\s) )
      | \[? ADR-\d+ \]? (?=\s) )
    \s*
    """,
    re.VERBOSE | re.IGNORECASE,
)
_OPENS_BLOCK = re.compile(r"(?:#{1,6}(?=\s|$)|[-+*](?=\s|$)|>|\||`{3}|~{3}|=+\s*$|-+\s*$|_{3})")
_BACKSLASH = re.compile(rf"\\(?=[{PUNCTUATION}])")
_TAG = re.compile(r"<(?=[A-Za-z/!?])")
_STRUCTURE = re.compile(
    r"([ \t]*)(?=#{1,6}(?:\s|$)|`{3}|~{3}|[=-]+\s*$|\[[^\]]*\]:|([-*_])\s*(?:\2\s*){2,}$)"
)
_BIDI = re.compile("[\u061c\u200e\u200f\u202a-\u202e\u2066-\u2069]")
_OPENS_NUMBERED = re.compile(r"(\d{1,9})([.)])(?=\s|$)")


class _Mark:
    """A run of `*`, `_` or `~~` that may turn out to be emphasis."""

    def __init__(self, run: str, before: str, after: str) -> None:
        self.shown = self.run = run
        is_inside_word = run[0] == "_" and _is_word(before) and _is_word(after)
        self.opens = bool(after) and not after.isspace() and not is_inside_word
        self.closes = bool(before) and not before.isspace() and not is_inside_word


def one_line(markdown: str) -> str:
    """Return the words that Markdown shows, on one line, white space and controls as one space."""
    source = markdown[:LINE_CHARS_MAX]
    parts: list[str | _Mark] = []
    end = 0
    for match in _TOKEN.finditer(source):
        parts.append(source[end : match.start()])
        parts.append(_shown(match, source))
        end = match.end()
    parts.append(source[end:])
    _pair(parts)
    return plain("".join(part if isinstance(part, str) else part.shown for part in parts))


def _shown(match: re.Match[str], source: str) -> str | _Mark:
    """Return what one piece of syntax shows."""
    if match["mark"]:
        start, end = match.span()
        return _Mark(match["mark"], source[max(start - 1, 0) : start], source[end : end + 1])
    if match["text"] is not None:
        return one_line(match["text"])
    if match["entity"]:
        return html.unescape(match["entity"])
    if match["break"]:
        return " "
    return match["escaped"] or match["code"] or match["address"] or ""


def _pair(parts: list[str | _Mark]) -> None:
    """Take away the runs that open and close emphasis; the others are text."""
    waiting: list[_Mark] = []
    for part in parts:
        if not isinstance(part, _Mark):
            continue
        openers = [mark for mark in waiting if mark.run == part.run] if part.closes else []
        if openers:
            openers[-1].shown = part.shown = ""
            del waiting[waiting.index(openers[-1]) :]
        elif part.opens:
            waiting.append(part)


def _is_word(character: str) -> bool:
    return character.isalnum() or character == "_"


def plain(text: str) -> str:
    """Return text on one line, without control characters and marks of direction; not Markdown."""
    return " ".join(clean(text).split())


def clean(text: str) -> str:
    """Return lines of text with what could steer a terminal gone; a space for each control."""
    kept = _BIDI.sub("", text)
    return "".join(" " if _is_control(c) and c not in "\n\t" else c for c in kept)


def _is_control(character: str) -> bool:
    return unicodedata.category(character) in {"Cc", "Cs"}


def unlabelled(title: str) -> str:
    """Return a title, as written, without `3.`, `0003:`, `ADR-3:` or `Decision Record:`."""
    rest = title[:LINE_CHARS_MAX].strip()
    match = _LABEL.match(rest)
    return rest[match.end() :] if match and match.end() < len(rest) else rest


# --- the way back ----------------------------------------------------------------------


def as_written(text: str) -> str:
    """Return words as Markdown with no more escapes than the start of a line needs."""
    line = plain(text)
    if "\\" in line or _TAG.search(line) or one_line(line) != line:
        return as_escaped(line)
    if _OPENS_BLOCK.match(line):
        return f"\\{line}"
    return _OPENS_NUMBERED.sub(r"\1\\\2", line, count=1) if _OPENS_NUMBERED.match(line) else line


def as_escaped(text: str) -> str:
    """Return words as Markdown in which nothing can be taken for syntax or for a label."""
    line = _ACTIVE.sub(r"\\\g<0>", plain(text))
    if line[:1] in {"-", "+", "="}:
        line = f"\\{line}"
    line = _OPENS_NUMBERED.sub(r"\1\\\2", line, count=1) if _OPENS_NUMBERED.match(line) else line
    return f"&#{ord(line[0])};{line[1:]}" if unlabelled(line) != line else line


def as_prose(text: str) -> str:
    """Return lines of words as Markdown that opens no heading, fence, rule, tag or comment."""
    lines = re.split(r"\r\n|\r|\n", text)
    return "\n".join(_prose_line(line.rstrip()) for line in lines).strip("\n")


def _prose_line(line: str) -> str:
    escaped = _BACKSLASH.sub(r"\\\\", clean(line))
    escaped = _TAG.sub(r"\\<", escaped)
    return _STRUCTURE.sub(r"\1\\", escaped, count=1)
