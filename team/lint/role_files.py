"""Role files: what `roles` says of them, under our codes."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from pathlib import Path

from roles import IgnoredField, RoleError, review_role_file
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
from team.tool_names import TOOL_NAMES
from team.written import Problem, severity_of


def problems_of_role(path: Path | str, around: Around) -> Iterator[Problem]:
    """Find all that is wrong with one role file, and what has no effect there."""
    review, shown = review_role_file(Path(path), TOOL_NAMES), around.shown(path)
    for error in review.errors:
        yield Problem(
            code=_code_of(error),
            path=shown,
            line=error.line,
            field=error.field or "",
            reason=error.reason,
            fix=error.fix,
        )
    yield from _without_effect(review.ignored, shown)


def _without_effect(ignored: Iterable[IgnoredField], shown: str) -> Iterator[Problem]:
    """Fields that nobody knows, here or in Claude Code; mostly typos."""
    for one in ignored:
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
