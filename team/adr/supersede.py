"""The state of a file's decision changed to superseded or deprecated, in the file's own form.

Pure: text in, text out. One line changes, or one is added where there was no state; every
other byte stays. Not for reading or writing the file: that is `team.adr.write`.
"""

from __future__ import annotations

import re

from msgspec import Struct

from team.adr import content
from team.adr.document import Document, read_document, split_lines
from team.adr.inline import as_escaped
from team.adr.read import told_status
from team.adr.status import Status, read_status

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


def is_past(text: str) -> bool:
    """Tell whether a file says already that its decision is superseded or deprecated."""
    status = told_status(read_document(text))
    return isinstance(status, Status) and status.status in {"superseded", "deprecated"}


def marked(text: str, by: Successor | None) -> str | None:
    """Return the text with its state changed; None if that takes more than one line.

    Args:
        text: That of a file with a decision.
        by: What supersedes it; None marks it deprecated.
    """
    document = read_document(text)
    lines, ends = split_lines(text)
    references = [
        *_in_front_matter(lines, document, by),
        *_in_bullet(lines, document, by),
        *_in_section(lines, document, by),
    ]
    if not references and not content.status_texts(document):
        references = [_added(lines, ends[0] or "\n", document, by)]
    changed = "".join(line + end for line, end in zip(lines, ends, strict=True))
    is_sound = bool(references) and _holds(changed, document, by, references[0])
    return changed if is_sound else None


def _holds(changed: str, before: Document, by: Successor | None, reference: str) -> bool:
    """Tell whether the new text says what it should, and is as sound as it was."""
    after = read_document(changed)
    status = told_status(after)
    is_same = (after.is_yaml, len(after.sections)) == (before.is_yaml, len(before.sections))
    if not is_same or not isinstance(status, Status):
        return False
    wanted = ("superseded", reference) if by else ("deprecated", None)
    return (status.status, status.superseded_by) == wanted


def _in_front_matter(lines: list[str], document: Document, by: Successor | None) -> list[str]:
    if "status" not in document.fields:
        return []
    for at in range(1, document.front_end or 0):
        if field := _FRONT.match(lines[at]):
            quoted = _QUOTED_VALUE.match(field[2])
            rest = field[2][quoted.end() :] if quoted else field[2]
            comment = _COMMENT.search(rest)
            value = rest[: comment.start() if comment else None].rstrip(" \t")
            state = f"superseded by {by.label}" if by else "deprecated"
            lines[at] = f"{field[1]} {state}{rest[len(value) :]}"
            return [by.label if by else ""]
    return []


def _in_bullet(lines: list[str], document: Document, by: Successor | None) -> list[str]:
    for name, _, at in content.bullets(document):
        if name == "status" and (found := _BULLET.match(lines[at])):
            space = lines[at][len(lines[at].rstrip(" \t")) :]
            state = f"superseded by [{by.label}]({by.href})" if by else "deprecated"
            lines[at] = f"{found[0]}{state}{space}"
            return [by.href if by else ""]
    return []


def _in_section(lines: list[str], document: Document, by: Successor | None) -> list[str]:
    """Change the line that tells the state; others, such as "Supersedes …", stay."""
    seen = [line for line in content.status_lines(document) or () if line.text.strip()]
    told = read_status("\n".join(line.text for line in seen))
    if not seen or seen[at := told.line if told else 0].text.lstrip()[:1] == "|":
        return []
    line = seen[at].at
    marker = _MARKER.match(lines[line])
    state = (
        f"Superseded by [{by.number}. {as_escaped(by.title)}]({by.href})" if by else "Deprecated"
    )
    lines[line] = f"{marker[0] if marker else ''}{state}"
    return [by.href if by else ""]


def _added(lines: list[str], newline: str, document: Document, by: Successor | None) -> str:
    """Add a state to a file that tells none: to its front matter, or below its title."""
    if document.front_end is not None:
        at = document.front_end
        state = f"superseded by {by.label}" if by else "deprecated"
        lines[at] = f"status: {state}{newline}{lines[at]}"
        return by.label if by else ""
    title = content.title_section(document)
    at = title.end if title else 0
    state = f"superseded by [{by.label}]({by.href})" if by else "deprecated"
    lines[at] = f"{lines[at]}{newline}{newline}Status: {state}"
    return by.href if by else ""
