"""Markup that is escaped by construction: what is not `Html` can't get into a page raw.

Not a template language: elements, tables, sections, and the two ways a source is named.
"""

from __future__ import annotations

import html
import posixpath
import re
from collections.abc import Iterable, Sequence
from typing import Final

_VOID: Final = frozenset({"br", "hr", "meta"})
_ODD: Final = re.compile(
    r"[\x00-\x08\x0b\x0c\x0e-\x1f\x7f-\x9f\u202a-\u202e\u2066-\u2069\ud800-\udfff\ufffe\uffff]"
)
"""Controls that no page may hold, and those that would make text read in another order."""


class Html(str):
    """Markup that is ready for a page; any other text is data and gets escaped."""

    __slots__ = ()


def safe(text: str) -> Html:
    """A text as it may stand in a page, in an element or in a quoted attribute."""
    if isinstance(text, Html):
        return text
    return Html(html.escape(_ODD.sub("\N{REPLACEMENT CHARACTER}", text), quote=True))


def joined(parts: Iterable[str], separator: str = "") -> Html:
    """Parts one after the other, each made safe."""
    return Html(separator.join(safe(part) for part in parts))


def el(name: str, *parts: str, **attributes: str | float | None) -> Html:
    """An element with its attributes (`class_` for `class`); absent ones are None."""
    said = "".join(
        f' {key.rstrip("_").replace("_", "-")}="{safe(str(value))}"'
        for key, value in attributes.items()
        if value is not None
    )
    return Html(f"<{name}{said}>" + ("" if name in _VOID else f"{joined(parts)}</{name}>"))


def section(anchor: str, heading: str, *parts: str) -> Html:
    """A headed part of the page."""
    return Html(el("section", el("h2", heading), *parts, id=anchor) + "\n")


def muted(text: str) -> Html:
    """A paragraph that steps back."""
    return el("p", text, class_="muted")


def chip(text: str, tone: str = "") -> Html:
    """A word or two in a small frame; the tone is a class of report.css."""
    return el("span", text, class_=f"chip {tone}".strip())


def bullets(lines: Iterable[str]) -> Html:
    """A plain list."""
    return el("ul", *(el("li", line) for line in lines))


def table(
    heads: Sequence[str], rows: Sequence[Sequence[str]], ids: Sequence[str] = (), *, name: str
) -> Html:
    """A table that scrolls by itself where it is too wide.

    Args:
        heads: Column heads; one that starts with `#` holds numbers.
        rows: Cells, as many as there are heads.
        ids: Anchors of the rows, if they have any.
        name: What it is a table of, as a class.
    """
    tones = ["number" if head.startswith("#") else None for head in heads]
    head = el("tr", *(_head(text, tone) for text, tone in zip(heads, tones, strict=True)))
    body = [
        el(
            "tr",
            *(el("td", cell, class_=tone) for cell, tone in zip(row, tones, strict=True)),
            id=ids[at] if ids else None,
        )
        for at, row in enumerate(rows)
    ]
    whole = el("table", el("thead", head), el("tbody", *body), class_=name)
    return el("div", whole, class_="scroll")


def _head(text: str, tone: str | None) -> Html:
    return el("th", text.removeprefix("#") or "#", class_=tone, scope="col")


def base_of(sources: Iterable[str]) -> str:
    """The folder that all source files share, with its last slash; empty if there is none."""
    folders = {posixpath.dirname(source) for source in sources if source.startswith("/")}
    base = posixpath.commonpath(folders) if folders else ""
    return f"{base}/" if len(base) > 1 else ""


def place(source: str, locator: str, base: str) -> Html:
    """A source and where in it, without the folder that all share; the rest on hover."""
    return Html(
        el("code", source.removeprefix(base), title=source) + " " + el("span", locator, class_="at")
    )
