"""How tests read a document: its tables, sections and code blocks."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
DOCS = ROOT / "docs"


def rows(path: Path, *heads: str) -> list[tuple[str, ...]]:
    """Give the rows of the one table of a document that has these heads."""
    tables = [table for table in _tables(path.read_text()) if table[0] == heads]
    assert len(tables) == 1, f"{path.name} has {len(tables)} tables {heads}"
    return tables[0][1:]


def _tables(text: str) -> Iterator[list[tuple[str, ...]]]:
    for block in re.findall(r"(?m)(?:^\|.*\|\n)+", text):
        lines = [line[1:-1].split("|") for line in block.splitlines()]
        cells = [tuple(cell.strip() for cell in line) for line in lines]
        yield [line for line in cells if not set("".join(line)) <= set("- |")]


def section(path: Path, heading: str) -> str:
    """Give what stands below a heading, up to the next of any level."""
    found = re.search(rf"(?ms)^#+ {re.escape(heading)}$(.*?)(?=^#+ |\Z)", path.read_text())
    assert found, f"{path.name} has no heading {heading!r}"
    return found.group(1)


def blocks(path: Path, language: str) -> list[str]:
    """Give the code blocks of a document in one language."""
    return re.findall(rf"(?ms)^```{language}\n(.*?)^```", path.read_text())


def plain(cell: str) -> str:
    return cell.strip("`")
