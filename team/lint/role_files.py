"""Role files: what `roles` says of them, under our codes."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Final

import msgspec

from roles import RoleError, review_role_file
from roles.checks import UNKNOWN_TOOL_WHY
from team.codes.lint import (
    BROKEN_ROLE,
    GIVEN_TWICE,
    MISSING_FIELD,
    NO_EFFECT,
    UNKNOWN_TOOL,
    UNREADABLE,
    WRONG_VALUE,
)
from team.lint.around import Around
from team.lint.asking import Codes, ask
from team.tool_names import TOOL_NAMES
from team.written import Problem, severity_of


class RoleFile(msgspec.Struct, frozen=True, kw_only=True):
    """A role file under check.

    Attributes:
        path: Where it is.
        around: Roles, checks and files.
    """

    path: Path
    around: Around


def mistakes(given: RoleFile) -> Iterator[Problem]:
    """Find all that is wrong with one role file."""
    review, shown = review_role_file(given.path, TOOL_NAMES), given.around.shown(given.path)
    for error in review.errors:
        yield Problem(
            code=_code_of(error),
            path=shown,
            line=error.line,
            field=error.field or "",
            reason=error.reason,
            fix=error.fix,
        )


def without_effect(given: RoleFile) -> Iterator[Problem]:
    """Fields and tools that nobody knows, here or in Claude Code; mostly typos."""
    review, shown = review_role_file(given.path, TOOL_NAMES), given.around.shown(given.path)
    for one in review.ignored:
        if one.why == UNKNOWN_TOOL_WHY:
            yield Problem(
                code=NO_EFFECT,
                path=shown,
                line=one.line,
                field=one.field,
                reason=f"{one.value!r}: {one.why}, so it has no effect",
                fix="name a tool there is, or delete it",
                severity=severity_of(NO_EFFECT),
            )
            continue
        meant, _, rest = one.why.rpartition("no such field here")
        if not rest:
            yield Problem(
                code=NO_EFFECT,
                path=shown,
                line=one.line,
                field=one.field,
                reason="no such field here, so it has no effect",
                fix=meant.strip() or "delete the line",
                severity=severity_of(NO_EFFECT),
            )


def stands_for_missing(error: RoleError) -> bool:
    """Whether there is no file at all, rather than a broken one."""
    return error.reason.startswith("there is no role ")


def _code_of(error: RoleError) -> str:
    if error.field is None:
        is_text = error.line is not None and not error.reason.endswith("is not UTF-8")
        return BROKEN_ROLE if is_text else UNREADABLE
    if error.reason == "missing":
        return MISSING_FIELD
    if error.reason.startswith("given twice"):
        return GIVEN_TWICE
    return UNKNOWN_TOOL if error.reason.startswith("there is no tool ") else WRONG_VALUE


RoleRule = Callable[[RoleFile], Iterator[Problem]]

ROLE_RULES: Final[dict[Codes, RoleRule]] = {
    (UNREADABLE, MISSING_FIELD, GIVEN_TWICE, BROKEN_ROLE, WRONG_VALUE, UNKNOWN_TOOL): mistakes,
    (NO_EFFECT,): without_effect,
}
"""What is wrong with a role file, by the codes under which it is told."""


def problems_of_role(path: Path | str, around: Around) -> Iterator[Problem]:
    """Ask every rule for role files."""
    yield from ask(ROLE_RULES, RoleFile(path=Path(path), around=around), around.shown(path))
