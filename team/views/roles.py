"""What became of role files, field by field, as text and as totals."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence

import msgspec

from roles.report import Fate, RoleReport
from team.views.columns import columns
from team.views.lines import one_line

SAYS_CHARACTERS = 200


class RoleTotals(msgspec.Struct, frozen=True, kw_only=True):
    """Many files together.

    Attributes:
        files: How many there are.
        load: How many of them load.
        fields: By field, how often it became what.
    """

    files: int
    load: int
    fields: dict[str, dict[Fate, int]]


class RolesReport(msgspec.Struct, frozen=True, kw_only=True):
    """Each file, and all of them together."""

    files: tuple[RoleReport, ...]
    totals: RoleTotals


def roles_report(reports: Sequence[RoleReport]) -> RolesReport:
    """Put reports together with their totals."""
    seen: dict[str, Counter[Fate]] = {}
    for report in reports:
        for field in report.fields:
            seen.setdefault(field.field, Counter())[field.became] += 1
    often = sorted(seen, key=lambda field: (-seen[field].total(), field))
    totals = RoleTotals(
        files=len(reports),
        load=sum(report.loads for report in reports),
        fields={field: dict(seen[field]) for field in often},
    )
    return RolesReport(files=tuple(reports), totals=totals)


def roles_report_text(report: RolesReport) -> str:
    """All of it for people: each file, then how often a field became what."""
    parts = [_file_text(one) for one in report.files]
    rows = [("FIELD", "HONOURED", "PARTLY", "NO EFFECT", "ERROR")]
    fates: tuple[Fate, ...] = ("honoured", "partly", "no effect", "error")
    for field, found in report.totals.fields.items():
        rows.append((field, *(str(found.get(fate, 0) or "") for fate in fates)))  # type: ignore[arg-type]
    count = f"{report.totals.files} files, {report.totals.load} of them load"
    return "\n\n".join([*parts, count + "\n\n" + "\n".join(columns(rows))])


def _file_text(report: RoleReport) -> str:
    head = f"{report.path}: " + (f"role {report.name}" if report.loads else "does not load")
    rows = [
        (field.field, field.became, one_line(field.says, SAYS_CHARACTERS))
        for field in report.fields
    ]
    return "\n".join([head, *(f"  {line}" for line in columns(rows))])
