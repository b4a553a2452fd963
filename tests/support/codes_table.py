"""The table of all codes in docs/policy.md: `make codes` writes it anew, a test compares it."""

from __future__ import annotations

import re

from team.codes import RULES
from tests.support.documents import DOCS

POLICY = DOCS / "policy.md"
HEADS = ("code", "name", "holds", "if not")


def wanted_rows() -> list[tuple[str, ...]]:
    """The rows as the catalogue has them."""
    return [
        tuple(cell.replace("|", "/") for cell in (f"`{r.code}`", f"`{r.name}`", r.says, r.fix))
        for r in RULES.values()
    ]


def table() -> str:
    """The table, with its heads."""
    lines = [HEADS, ("---",) * len(HEADS), *wanted_rows()]
    return "".join(f"| {' | '.join(line)} |\n" for line in lines)


def main() -> None:
    """Write the table in place of the one that is there."""
    text = POLICY.read_text()
    head = re.escape(f"| {' | '.join(HEADS)} |\n")
    found = re.search(rf"{head}(?:\|.*\|\n)*", text)
    assert found, f"{POLICY.name} has no table {HEADS}"
    POLICY.write_text(text[: found.start()] + table() + text[found.end() :])


if __name__ == "__main__":
    main()
