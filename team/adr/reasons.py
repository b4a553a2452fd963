"""Why: the text of a decision file that explains what was chosen.

Not for what was chosen: that is `team.adr.choices`.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from typing import Final

from team.adr.choices import CHOSEN
from team.adr.content import Kind, Part, parts, title_section
from team.adr.document import Document, Line, block_text, blocks
from team.adr.inline import LINE_CHARS_MAX, PUNCTUATION, clean, one_line
from team.adr.words import cut

RATIONALE_CHARS_MAX: Final = 4_000
_ORDER: Final[tuple[Kind, ...]] = ("outcome", "reasons", "consequences", "context", "drivers")
_BECAUSE = re.compile(r"\b(?:because|since)\b", re.IGNORECASE)
_ESCAPED = re.compile(rf"\\([{PUNCTUATION}])")


def rationale(document: Document, title: str) -> str:
    """Return the text that explains a decision: the reasons of the outcome first, then the rest.

    Markdown as written, without marks of headings, comments and escapes.
    """
    found = parts(document)
    texts = [_part_text(part, title) for kind in _ORDER for part in found if part.kind == kind]
    if not any(texts):
        title_lines = section.lines if (section := title_section(document)) else ()
        texts = ["\n".join(_prose(title_lines))]
        texts += [_part_text(part, title) for part in found if part.kind is None]
    joined = re.sub(r"\n{3,}", "\n\n", "\n\n".join(text for text in texts if text))
    return cut(clean(joined).strip(), RATIONALE_CHARS_MAX)


def _part_text(part: Part, title: str) -> str:
    lines, opening = part.section.lines, ""
    if part.kind == "outcome" and part.is_head and (first := next(iter(blocks(lines)), None)):
        opening, is_kept = _opening(block_text(first), title)
        lines = lines if is_kept else tuple(line for line in lines if line.at > first[-1].at)
    heading = "" if part.is_head or part.kind is None else f"{one_line(part.section.heading)}:"
    body = "\n".join(_prose(lines)).strip("\n")
    return "\n\n".join(filter(None, (opening, f"{heading}\n{body}".strip("\n") if body else "")))


def _opening(block: str, title: str) -> tuple[str, bool]:
    """Return what the first block of an outcome gives as reason, and whether to keep it whole."""
    if block == title:
        return "", False
    chosen = CHOSEN.match(block)
    if chosen is None or len(block) >= LINE_CHARS_MAX // 2:
        return "", True
    if title in chosen[1] and len(chosen[1]) - len(title) <= len('"", because:'):
        return "", False
    reason = _BECAUSE.search(block)
    return (block[reason.start() :], False) if reason else ("", True)


def _prose(lines: Sequence[Line]) -> Iterator[str]:
    for line in lines:
        text = line.text.rstrip()
        yield text if line.is_code else _ESCAPED.sub(r"\1", text)
