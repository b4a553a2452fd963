"""The state of a file's decision changed to "superseded", in the file's own form.

Pure: text in, text out. One line changes, or one is added where there was no state; every
other byte stays. Not for reading or writing the file: that is `team.adr.write`.
"""

from __future__ import annotations

import re

from msgspec import Struct

from team.adr import content
from team.adr.document import Document, read_document, split_lines
from team.adr.inline import as_escaped
from team.adr.status import read_status, tells_state

_FRONT = re.compile(r"([ \t]*[\"']?status[\"']?[ \t]*:)[ \t]*(.*)$", re.IGNORECASE)
_QUOTED_VALUE = re.compile(r"([\"']).*?\1")
_COMMENT = re.compile(r"(?:^|[ \t])#")
_BULLET = re.compile(r".*?status(?:\*\*|__)?[ \t]*:(?:\*\*|__)?[ \t]*", re.IGNORECASE)
_MARKER = re.compile(r"[ \t]*(?:[-*+][ \t]+)?")


class Successor(Struct, frozen=True, kw_only=True):
    """The decision that holds from now on.

    Attributes:
        number: That of its file.
        label: As MADR names it: `ADR-0012`.
        title: Its title, not as Markdown.
        href: The link from the old file to it.
    """

    number: int
    label: str
    title: str
    href: str


def is_superseded(text: str) -> bool:
    """Tell whether a file says so already."""
    status = read_status(content.status_text(read_document(text)) or "")
    return status is not None and status.status == "superseded"


def marked(text: str, by: Successor) -> str | None:
    """Return the text with its state changed; None if that takes more than one line."""
    document = read_document(text)
    lines, ends = split_lines(text)
    references = [
        *_in_front_matter(lines, document, by),
        *_in_bullet(lines, document, by),
        *_in_section(lines, document, by),
    ]
    if not references:
        references = [_added(lines, ends[0] or "\n", document, by)]
    changed = "".join(line + end for line, end in zip(lines, ends, strict=True))
    return changed if _holds(changed, document, references[0]) else None


def _holds(changed: str, before: Document, reference: str) -> bool:
    """Tell whether the new text says what it should, and is as sound as it was."""
    after = read_document(changed)
    status = read_status(content.status_text(after) or "")
    is_same = (after.is_yaml, len(after.sections)) == (before.is_yaml, len(before.sections))
    return is_same and status is not None and status.superseded_by == reference


def _in_front_matter(lines: list[str], document: Document, by: Successor) -> list[str]:
    if "status" not in document.fields:
        return []
    for at in range(1, document.front_end or 0):
        if field := _FRONT.match(lines[at]):
            quoted = _QUOTED_VALUE.match(field[2])
            rest = field[2][quoted.end() :] if quoted else field[2]
            comment = _COMMENT.search(rest)
            value = rest[: comment.start() if comment else None].rstrip(" \t")
            lines[at] = f"{field[1]} superseded by {by.label}{rest[len(value) :]}"
            return [by.label]
    return []


def _in_bullet(lines: list[str], document: Document, by: Successor) -> list[str]:
    for name, _, at in content.bullets(document):
        if name == "status" and (found := _BULLET.match(lines[at])):
            space = lines[at][len(lines[at].rstrip(" \t")) :]
            lines[at] = f"{found[0]}superseded by [{by.label}]({by.href}){space}"
            return [by.href]
    return []


def _in_section(lines: list[str], document: Document, by: Successor) -> list[str]:
    """Change the line that tells the state; others, such as "Supersedes …", stay."""
    seen = [line for line in content.status_lines(document) or () if line.text.strip()]
    told = next((line for line in seen if tells_state(line.text)), seen[0] if seen else None)
    if told is None:
        return []
    marker = _MARKER.match(lines[told.at])
    link = f"Superseded by [{by.number}. {as_escaped(by.title)}]({by.href})"
    lines[told.at] = f"{marker[0] if marker else ''}{link}"
    return [by.href]


def _added(lines: list[str], newline: str, document: Document, by: Successor) -> str:
    """Add a state to a file that tells none: to its front matter, or below its title."""
    if document.front_end is not None:
        at = document.front_end
        lines[at] = f"status: superseded by {by.label}{newline}{lines[at]}"
        return by.label
    title = content.title_section(document)
    at = title.end if title else 0
    link = f"Status: superseded by [{by.label}]({by.href})"
    lines[at] = f"{lines[at]}{newline}{newline}{link}"
    return by.href
