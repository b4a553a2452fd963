"""The answer of a run as markup: its Markdown with live citation marks, and the evidence."""

from __future__ import annotations

import re
from collections.abc import Iterator
from itertools import groupby
from typing import Final

from team.views.markup import Html, bullets, chip, el, joined, muted, place, safe
from team.views.run_object import CitationRow, ResultRow, RunObject

_MARKS: Final = re.compile(r"(?:\s*\[\d{1,6}\])+\s*$")
_NUMBER: Final = re.compile(r"\d+")
_CODE: Final = re.compile(r"`([^`]+)`")
_EVIDENCE_HEAD: Final = "\n## Evidence\n"
_NO_ANSWER: Final = {
    "rejected": "There is no answer: the gate admitted no finding.",
    "cancelled": "There is no answer: the run was cancelled before there was one.",
    "running": "There is no answer yet: the run goes on.",
    "stopped": "There is no answer: the run stopped before its end and can be resumed.",
    "stalled": "There is no answer: the run came to a halt and can be resumed.",
}


def answer(shown: RunObject) -> Html:
    """The answer, or why there is none."""
    if shown.result is None:
        return muted(_NO_ANSWER.get(shown.status, "There is no answer."))
    blocks = _blocks(_body(shown.result, shown.missing))
    if blocks[:1] == [("h1", " ".join(shown.goal.split()))]:
        del blocks[0]
    count = len(shown.result.citations)
    return joined(_markup(blocks, count), "\n")


def evidence(shown: RunObject, base: str, anchors: dict[str, str]) -> Html:
    """What the answer cites, in the order of its marks.

    Args:
        shown: The run.
        base: The folder that the sources share.
        anchors: Where on the page a claim stands, by its name in the citations.
    """
    if shown.result is None or not shown.result.citations:
        return muted("The answer cites nothing.")
    items = [_citation(row, base, anchors.get(row.ref)) for row in shown.result.citations]
    return el("ol", *items, class_="evidence")


def _citation(row: CitationRow, base: str, anchor: str | None) -> Html:
    ref = el("a", row.ref, href=f"#{anchor}") if anchor else safe(row.ref)
    says_more = _plain(row.claim) != _plain(row.quote)
    return el(
        "li",
        el("p", place(row.source, row.locator, base), class_="place"),
        el("p", row.origin, class_="muted") if row.origin else "",
        el("blockquote", row.quote),
        el("p", row.claim, class_="says") if says_more else "",
        el("p", chip(row.member), " claim ", ref, class_="muted"),
        id=f"e{row.number}",
        value=row.number,
    )


def _plain(text: str) -> str:
    return " ".join(text.split())


def _body(result: ResultRow, missing: tuple[str, ...]) -> str:
    """The text without the two parts that the page shows in a form of its own."""
    body, found, _ = result.text.rpartition(_EVIDENCE_HEAD)
    body = (body if found else result.text).rstrip()
    tail = "\n".join(["## What is missing", "", *(f"- {line}" for line in missing)])
    return body.removesuffix(tail.rstrip())


def _blocks(text: str) -> list[tuple[str, str]]:
    """Headings, list items and paragraphs: the element each becomes, and its text."""
    blocks: list[tuple[str, str]] = []
    goes_on = False
    for line in text.splitlines():
        name, content = _block(line.strip())
        if name == "p" and goes_on and content:
            before, said = blocks[-1]
            blocks[-1] = (before, f"{said} {content}")
        elif content:
            blocks.append((name, content))
        goes_on = bool(content) and name in ("p", "li")
    return blocks


def _block(line: str) -> tuple[str, str]:
    for start, name in (("# ", "h1"), ("## ", "h3"), ("- ", "li")):
        if line.startswith(start):
            return name, line.removeprefix(start).strip()
    return "p", line


def _markup(blocks: list[tuple[str, str]], citations: int) -> Iterator[Html]:
    for name, group in groupby(blocks, key=lambda block: block[0]):
        contents = [_inline(text, citations) for _, text in group]
        if name == "li":
            yield bullets(contents)
        else:
            element = "h3" if name == "h1" else name
            yield from (el(element, text) for text in contents)


def _inline(text: str, citations: int) -> Html:
    found = _MARKS.search(text)
    said, marks = (text[: found.start()], found.group()) if found else (text, "")
    pieces = _CODE.split(said)
    words = [el("code", piece) if at % 2 else safe(piece) for at, piece in enumerate(pieces)]
    links = [_mark(int(number), citations) for number in _NUMBER.findall(marks)]
    return joined([*words, *([Html("&nbsp;")] if links else []), *links])


def _mark(number: int, citations: int) -> Html:
    """A citation mark; a link only where there is something to lead to."""
    if not 1 <= number <= citations:
        return safe(f"[{number}]")
    return el("a", f"[{number}]", href=f"#e{number}", class_="cite")
