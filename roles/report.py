"""What became of each field of a role file: honoured, partly, without effect, or an error.

For whoever brings files written for something else and wants to know what they will do
here. It says nothing that `review_role_file` does not say; it says it field by field.
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Literal

import msgspec

from roles.checks import GivenField, Review, Role
from roles.files import opens_as_role, review_role_file

Fate = Literal["honoured", "partly", "no effect", "error"]
NO_ROLES = frozenset({"readme.md", "skill.md"})
SEEN_MAX = 20_000


class FieldReport(msgspec.Struct, frozen=True, kw_only=True):
    """One field, and what became of it."""

    field: str
    """Its name as written; `(front matter)` and `(instructions)` for what is no field."""
    line: int | None
    """Its line in the file, from 1."""
    value: str
    """What was written, short."""
    became: Fate
    says: str
    """As what it is honoured, why it has no effect, or what is wrong and how to mend it."""


class RoleReport(msgspec.Struct, frozen=True, kw_only=True):
    """One role file, field by field."""

    path: str
    name: str | None
    """What the role is called; None if the file does not load."""
    loads: bool
    fields: tuple[FieldReport, ...]


def report_role_file(path: Path, known_tools: frozenset[str]) -> RoleReport:
    """Say what became of each field of a file; no content raises."""
    review = review_role_file(path, known_tools)
    fields = [_field_report(field, review) for field in review.given]
    fields += _remarks(review)
    if review.role is not None:
        said = f"the system prompt, {len(review.role.instructions):,} characters"
        fields.append(_row("(instructions)", None, "", "honoured", said))
    role = review.role
    return RoleReport(
        path=str(path),
        name=role.name if role is not None else None,
        loads=role is not None,
        fields=tuple(fields),
    )


def role_files_below(folder: Path) -> Iterator[Path]:
    """Markdown files of a folder that open with front matter, and are no skills; sorted.

    Raises:
        OSError: The folder can't be read.
    """
    for number, path in enumerate(sorted(folder.rglob("*.md"))):
        if number >= SEEN_MAX:
            return
        if path.name.lower() not in NO_ROLES and path.is_file() and opens_as_role(path):
            yield path


def _field_report(given: GivenField, review: Review) -> FieldReport:
    errors = [error for error in review.errors if error.field == given.field]
    left = [one for one in review.ignored if one.field == given.field]
    if errors:
        said = "; ".join(f"{error.reason}; {error.fix}" for error in errors)
        return _row(given.field, given.line, given.value, "error", said)
    without = "; ".join(dict.fromkeys(f"{one.value}: {one.why}" for one in left))
    role = review.role
    if role is None:
        became: Fate = "no effect" if left else "honoured"
        return _row(given.field, given.line, given.value, became, without or "if the file loads")
    if given.field not in role.honoured:
        why = "; ".join(dict.fromkeys(one.why for one in left))
        return _row(given.field, given.line, given.value, "no effect", why)
    said = _as_honoured(given.field, role)
    if not left:
        return _row(given.field, given.line, given.value, "honoured", said)
    return _row(given.field, given.line, given.value, "partly", f"{said}; not {without}")


def _as_honoured(field: str, role: Role) -> str:
    match field:
        case "description":
            return f"{len(role.description):,} characters"
        case "tools":
            return "all" if role.tools is None else ", ".join(role.tools) or "none"
        case "disallowedTools":
            return ", ".join(role.disallowed_tools) or "none"
        case "skills":
            return f"of those that the policy allows: {', '.join(role.skills or ()) or 'all'}"
        case "maxTurns":
            return "the team's limit" if role.max_turns is None else str(role.max_turns)
        case _:
            value = getattr(role, field, None)
            return "the team's own" if value is None else str(value)


def _remarks(review: Review) -> Iterator[FieldReport]:
    """What is said of the file, and of no field that it has."""
    given = {field.field for field in review.given}
    for one in review.ignored:
        if one.field not in given:
            yield _row(one.field, one.line, one.value, "no effect", one.why)
    for error in review.errors:
        if error.field not in given:
            said = f"{error.reason}; {error.fix}"
            yield _row(error.field or "(file)", error.line, "", "error", said)


def _row(field: str, line: int | None, value: str, became: Fate, says: str) -> FieldReport:
    return FieldReport(field=field, line=line, value=value, became=became, says=says)
