"""What the parts of a decision file mean: status, provenance, choice, reasons, options.

Knows MADR 2 to 4, adr-tools and looser forms by their headings. Each function answers one
question about a `Document`; `team.adr.read` puts the answers together.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Final, Literal

from msgspec import Struct

from team.adr.document import Document, Line, Section
from team.adr.inline import LINE_CHARS_MAX, one_line
from team.adr.status import read_status
from team.adr.words import is_token

Kind = Literal[
    "status",
    "outcome",
    "reasons",
    "consequences",
    "context",
    "drivers",
    "options",
    "others",
    "pros",
]
_HEADINGS: Final[tuple[tuple[Kind, str], ...]] = (
    ("status", r"(?:decision )?status"),
    ("others", r"(?:considered |rejected |other )?alternatives?(?: options?| solutions?)?"),
    ("others", r"alternatives?(?: options?)? (?:that (?:were|are) )?(?:considered|rejected).*"),
    ("options", r"(?:considered |possible |available )?options?(?: considered| overview)?"),
    ("pros", r"(?:pros and cons|comparison|evaluation|analysis)(?: of (?:the )?options)?"),
    ("consequences", r"(?:positive |negative |neutral )?(?:consequences?|implications?).*"),
    ("drivers", r"(?:decision )?(?:drivers|criteria|forces)|requirements|constraints|assumptions"),
    ("context", r"context|problem|background|motivation|issue|introduction|goals?"),
    ("context", r"(?:context|problem|motivation|the) (?:and )?(?:problem|statement|context).*"),
    ("reasons", r"(?:decision )?(?:rationale|justification|reasoning|reasons?|arguments?)"),
    ("outcome", r"(?:decision )?(?:outcome|resolution|conclusion)|decisions?(?: made| taken)?"),
    ("outcome", r"(?:decision (?:and|&) .*|(?:chosen|selected) (?:option|solution)|solution)"),
)
_HEADING_CHARS_MAX = 200
_STRONG: Final[frozenset[Kind]] = frozenset({"status", "options", "others", "pros"})
_BULLET_FIELD = re.compile(
    r"[ \t]*(?:[-*+][ \t]+)?(?:\*\*|__)?([A-Za-z][A-Za-z -]{0,30}?)(?:\*\*|__)?[ \t]*:"
    r"(?:\*\*|__)?[ \t]*(.*)$"
)
PLACEHOLDER: Final = re.compile(r"\[[^\[\]]*\]|\{[^{}]*\}|<[^<>]*>|NUMBER\. TITLE")
"""A title or an option of a template, not yet filled in."""
_PROVENANCE = re.compile(r"\s*([^\s/@]+)/([^\s/@]+)/([^\s/@]+)@(\d{1,19})\s*")


class Provenance(Struct, frozen=True, kw_only=True):
    """Which decision of which run a file keeps."""

    run: str
    area: str
    key: str
    revision: int

    def __str__(self) -> str:
        """As it stands in a file."""
        return f"{self.run}/{self.area}/{self.key}@{self.revision}"


class Part(Struct, frozen=True, kw_only=True):
    """A section and what it is for, its own heading or one above it says."""

    kind: Kind | None
    is_head: bool
    section: Section


# --- where it comes from, what state it is in ----------------------------------------------


def provenance(document: Document) -> Provenance | None:
    """Return where a file says its decision was taken, if a run of ours took it."""
    texts = [*document.fields.get("peerteam", ())]
    marked = (comment.strip().partition("peerteam:") for comment in document.comments)
    texts += [text for before, mark, text in marked if mark and not before]
    for text in texts:
        found = _PROVENANCE.fullmatch(text)
        if found and all(is_token(name) for name in found.groups()[:3]):
            return Provenance(run=found[1], area=found[2], key=found[3], revision=int(found[4]))
    return None


def title_section(document: Document) -> Section | None:
    """Return the first heading, unless a file without a title starts with "Context" or the like."""
    first = next(iter(document.sections), None)
    return None if first is None or (first.level > 1 and _kind(first.heading)) else first


def bullets(document: Document) -> Iterator[tuple[str, str, int]]:
    """Give `* Status: accepted` and the like below the title: lower-case name, text, line."""
    title = title_section(document)
    for line in title.lines if title else ():
        found = None if line.is_code else _BULLET_FIELD.match(line.text[:LINE_CHARS_MAX])
        if found:
            yield found[1].lower().strip(), found[2].strip(), line.at


def field(document: Document, name: str) -> str | None:
    """Return a field of the front matter, or else a bullet below the title; the first of a list."""
    if name in document.fields:
        return next(iter(document.fields[name]), "")
    return next((text for key, text, _ in bullets(document) if key == name), None)


def status_lines(document: Document) -> tuple[Line, ...] | None:
    """Return the lines under the heading "Status"; None if there is none."""
    return next((part.section.lines for part in parts(document) if part.kind == "status"), None)


def status_texts(document: Document) -> tuple[str, ...]:
    """Return the words for the state from each place that has some, the weightiest first."""
    fields = document.fields.get("status")
    below = [text for name, text, _ in bullets(document) if name == "status"]
    lines = status_lines(document)
    found = (
        None if fields is None else ", ".join(fields),
        "\n".join(below) if below else None,
        _table_status(document),
        None if lines is None else "\n".join(line.text for line in lines),
    )
    return tuple(text for text in found if text is not None)


def _table_status(document: Document) -> str | None:
    """Return the words beside, or else below, the cell "Status" of a table below the title."""
    title = title_section(document)
    lines = [line for line in (title.lines if title else ()) if not line.is_code]
    rows = [_cells(line.text) for line in lines if line.text.lstrip()[:1] == "|"]
    for at, row in enumerate(rows):
        names = [one_line(cell).lower().rstrip(": ") for cell in row]
        if "status" not in names:
            continue
        column = names.index("status")
        if column == 0 and len(row) > 1 and read_status(row[1]):
            return row[1]
        under = [other[column] for other in rows[at + 1 :] if len(other) > column]
        return "\n".join(text for text in under if text.strip(":-"))
    return None


def _cells(row: str) -> list[str]:
    return [cell.strip() for cell in row[:LINE_CHARS_MAX].strip().strip("|").split("|")]


# --- sections and what they are for --------------------------------------------------------


def parts(document: Document) -> tuple[Part, ...]:
    """Give every section its kind: its own, or that of the nearest heading above with one."""
    found: list[Part] = []
    above: list[tuple[int, Kind | None]] = []
    title = title_section(document)
    for section in document.sections[1 if title else 0 :]:
        while above and above[-1][0] >= section.level:
            above.pop()
        own, inherited = _kind(section.heading), above[-1][1] if above else None
        is_head = own is not None and (inherited is None or own in _STRONG)
        kind = own if is_head else inherited
        above.append((section.level, kind))
        found.append(Part(kind=kind, is_head=is_head, section=section))
    return tuple(found)


def _kind(heading: str) -> Kind | None:
    name = _words(heading)
    return next((kind for kind, pattern in _HEADINGS if re.fullmatch(pattern, name)), None)


def _words(heading: str) -> str:
    text = re.sub(
        r"^\s*\d+[.)]?\s+|\(.*?\)", " ", one_line(heading[:_HEADING_CHARS_MAX]).casefold()
    )
    return " ".join(re.findall(r"[\w&]+", text))


def form(document: Document) -> Literal["madr", "nygard"] | None:
    """Tell which of the two forms a file has that are written here; None for another one."""
    if field(document, "status") is not None:
        return "madr"
    if status_lines(document) is not None:
        return "nygard"
    names = {_words(section.heading) for section in document.sections}
    return "madr" if "decision outcome" in names else None


def is_decision(document: Document) -> bool:
    """Tell whether a file looks like a decision: it has a state, or says what was decided."""
    has_outcome = any(part.kind == "outcome" for part in parts(document))
    return has_outcome or bool(status_texts(document))
