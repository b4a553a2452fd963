"""Builders for decision files: records as texts, as structs, and as they read."""

from __future__ import annotations

from pathlib import Path
from typing import Literal

import msgspec

from team.adr import Adr, AdrSet, NewAdr, Replaced, read_adrs
from team.adr.find import Found
from team.adr.read import read_bytes
from team.adr.supersede import Successor

SAMPLES = Path(__file__).parent / "adrs"
CHOICE = "# Choose a queue\n\n## Decision Outcome\n\nChosen option: "


def a_file(root: Path, name: str = "0001-x.md", text: str = "# X\n\n## Decision\n\nYes.\n") -> Path:
    path = root / name
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text)
    return path


def read(text: str | bytes, name: str = "0001-x.md", folders: tuple[str, ...] = ()) -> Adr:
    data = text.encode() if isinstance(text, str) else text
    found = read_bytes(data, Found(path=Path(name), shown=name, folders=folders))
    assert isinstance(found, Adr), found
    return found


def reason_for(found: AdrSet, path: str) -> str:
    (reason,) = [each.reason for each in found.left_out if each.path == path]
    return reason


NYGARD = "# 3. Use Postgres\n\nDate: 2024-01-02\n\n## Status\n\nAccepted\n\n## Decision\n\nYes.\n"
MADR = "---\nstatus: accepted\n---\n\n# Use Postgres\n\n## Decision Outcome\n\nYes.\n"
BULLET = "# Use Postgres\n\n* Status: accepted\n\n## Decision Outcome\n\nYes.\n"
LOOSE = "# 0003: Use Postgres\n\n## Decision\n\nYes.\n"
BY = Successor(number=12, label="ADR-0012", title="Use [x]", href="0012-x.md")
LINK = "superseded by [ADR-0012](0012-x.md)"

Style = Literal["madr", "nygard"]


def a_decision(**changes: object) -> NewAdr:
    new = NewAdr(
        area="api",
        key="paging",
        statement="Page lists by cursor, never by offset",
        rationale="Offsets skip rows.\n\nA cursor is opaque.",
        alternatives=("Offset and limit", "Link headers only"),
        author="ada",
        decided_on="2026-02-03",
        run="r0203-ab12",
        revision=41,
    )
    return msgspec.structs.replace(new, **changes)


def only(folder: Path) -> Adr:
    found = read_adrs([str(folder)], folder)
    (adr,) = found.adrs
    return adr


def a_record(**changes: str) -> Replaced:
    """What a run read from one of the texts above, as `db`."""
    old = Replaced(
        area="team", key="db", statement="Use Postgres: Yes.", path="docs/adr/0001-db.md"
    )
    return msgspec.structs.replace(old, **changes)


def as_read(adr: Adr) -> Replaced:
    return Replaced(area=adr.area, key=adr.key, statement=adr.statement, path=adr.path)


def names(folder: Path) -> list[str]:
    return sorted(path.name for path in folder.iterdir())
