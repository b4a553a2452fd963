"""Two runs side by side, or a run beside a baseline: for people and for programs."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

import msgspec

from team.rules.shape_diff import Difference, Seen
from team.rules.shape_fields import Value

Row = tuple[str, ...]
_SMALL: Final = 0.01


class DiffRow(msgspec.Struct, frozen=True, kw_only=True):
    """One field: every value before, or the least and the greatest, then the value now."""

    field: str
    before: tuple[Value, ...]
    after: Value
    change: int | float | None
    share: float | None
    bound: str | None
    is_equal: bool
    is_beyond: bool


class DiffObject(msgspec.Struct, frozen=True, kw_only=True):
    """What `team diff --json` prints.

    Attributes:
        before: The first run, or the baseline's file.
        after: The run that is looked at.
        is_beyond: Whether any field is beyond its bound.
        rows: The fields that differ; all with `--all`.
    """

    before: str
    after: str
    is_beyond: bool
    rows: tuple[DiffRow, ...]


def diff_object(
    before: str, after: str, found: Sequence[Difference], *, shows_all: bool
) -> DiffObject:
    """A comparison as one object."""
    return DiffObject(
        before=before,
        after=after,
        is_beyond=any(difference.is_beyond for difference in found),
        rows=tuple(_row(difference) for difference in _shown(found, shows_all)),
    )


def diff_text(before: str, after: str, found: Sequence[Difference], *, shows_all: bool) -> str:
    """A comparison as a table and a sentence; what is beyond its bound stands first, marked."""
    rows: list[Row] = [("", "FIELD", before, after, "CHANGE", "BOUND")]
    for difference in sorted(_shown(found, shows_all), key=lambda d: not d.is_beyond):
        mark = "!" if difference.is_beyond else ""
        bound = difference.bound.text if difference.bound else "-"
        after_text, change = _said(difference.after), _change(difference)
        rows.append((mark, difference.field, _seen(difference.before), after_text, change, bound))
    table = _aligned(rows, right=(2, 3)) if len(rows) > 1 else []
    return "\n".join([*table, _sentence(found)])


def shape_text(run: str, fields: dict[str, Value]) -> str:
    """The shape of one run as a table."""
    rows: list[Row] = [("FIELD", run), *((name, _said(value)) for name, value in fields.items())]
    return "\n".join(_aligned(rows, right=(1,)))


def _shown(found: Sequence[Difference], shows_all: bool) -> list[Difference]:
    return [difference for difference in found if shows_all or not difference.is_equal]


def _row(difference: Difference) -> DiffRow:
    return DiffRow(
        field=difference.field,
        before=difference.before.values,
        after=difference.after,
        change=difference.change,
        share=None if difference.share is None else round(difference.share, 6),
        bound=difference.bound.text if difference.bound else None,
        is_equal=difference.is_equal,
        is_beyond=difference.is_beyond,
    )


def _sentence(found: Sequence[Difference]) -> str:
    differing = sum(not difference.is_equal for difference in found)
    beyond = sum(difference.is_beyond for difference in found)
    if not differing:
        return f"none of {len(found)} fields differs"
    marked = f"{beyond} beyond their bound (!)" if beyond else "all within their bounds"
    return f"{differing} of {len(found)} fields differ, {marked}"


def _seen(seen: Seen) -> str:
    numbers = "–".join(_said(v) for v in seen.values if not isinstance(v, str))
    return " | ".join([*filter(None, [numbers]), *seen.texts])


def _said(value: Value) -> str:
    return value if isinstance(value, str) else f"{value:,}"


def _change(difference: Difference) -> str:
    if difference.change is None:
        return "=" if difference.is_equal else "other"
    if not difference.change:
        return "="
    return f"{difference.change:+,}{_share(difference.share)}"


def _share(share: float | None) -> str:
    if share is None:
        return ""
    return f" ({share:+.0%})" if abs(share) >= _SMALL else " (<1%)"


def _aligned(rows: Sequence[Row], *, right: tuple[int, ...]) -> list[str]:
    """Rows as lines; some columns end, not begin, where their neighbours do."""
    widths = [max(len(row[at]) for row in rows) for at in range(len(rows[0]))]
    return [
        "  ".join(
            cell.rjust(width) if at in right else cell.ljust(width)
            for at, (cell, width) in enumerate(zip(row, widths, strict=True))
        ).rstrip()
        for row in rows
    ]
