"""What `team check` found, for people, for programs, and as GitHub's annotations."""

from __future__ import annotations

import os

import msgspec

from team.codes import RULES
from team.codes.entry import Severity
from team.lint import Report
from team.written import Problem


class ShownProblem(msgspec.Struct, frozen=True, kw_only=True):
    """A problem as programs read it.

    Attributes:
        path: The file, from the folder of the check if it lies below.
        message: The line that people read.
        code: The rule.
        name: The rule's name.
        severity: `error` or `warning`.
        line: From 1; null if it is about the file as a whole.
        column: From 1; null if only the line is known.
        field: The field with its tables, or empty.
        reason: What is wrong.
        fix: What to do about it.
    """

    path: str
    message: str
    code: str
    name: str
    severity: Severity
    line: int | None
    column: int | None
    field: str
    reason: str
    fix: str


class ShownReport(msgspec.Struct, frozen=True, kw_only=True):
    """All of a check as programs read it."""

    checked: int
    problems: tuple[ShownProblem, ...]


def shown_report(report: Report) -> ShownReport:
    """Give a report to programs."""
    return ShownReport(checked=report.checked, problems=tuple(map(_shown, report.problems)))


def report_text(report: Report) -> str:
    """Give a report to people: a line for each problem, then their number."""
    lines = [f"{message(problem)} [{_tag(problem)}]" for problem in report.problems]
    warnings = len(report.problems) - report.errors
    counted = f"{report.checked} files checked, {_several(report.errors, 'error')}"
    return "\n".join((*lines, f"{counted}, {_several(warnings, 'warning')}"))


def message(problem: Problem) -> str:
    """Place, field, what is wrong and what to do."""
    named = f"{problem.place}: {problem.field}" if problem.field else problem.place
    return f"{named}: {problem.reason}; {problem.advice}"


def github_lines(report: Report) -> list[str]:
    """Give a report as workflow commands, which GitHub shows beside the lines they are about."""
    return [_annotation(problem, report) for problem in report.problems]


def from_root(path: str, report: Report) -> str:
    """A path from the root of the repository; whole if it lies outside."""
    whole = os.path.abspath(report.cwd / path)  # noqa: PTH100 - links stay as they are written
    relative = os.path.relpath(whole, report.root)
    return whole if relative.startswith("..") else relative.replace(os.sep, "/")


def _shown(problem: Problem) -> ShownProblem:
    return ShownProblem(
        path=problem.path,
        message=message(problem),
        code=problem.code,
        name=RULES[problem.code].name,
        severity=problem.severity,
        line=problem.line,
        column=problem.column,
        field=problem.field,
        reason=problem.reason,
        fix=problem.advice,
    )


def _tag(problem: Problem) -> str:
    name = f"{problem.code} {RULES[problem.code].name}"
    return name if problem.severity == "error" else f"{name}, {problem.severity}"


def _several(count: int, what: str) -> str:
    return f"{count} {what}" if count == 1 else f"{count} {what}s"


def _annotation(problem: Problem, report: Report) -> str:
    given = {
        "file": from_root(problem.path, report),
        "line": problem.line,
        "col": problem.column,
        "title": f"{problem.code} {RULES[problem.code].name}",
    }
    properties = ",".join(
        f"{name}={_escaped(str(value), ':,')}" for name, value in given.items() if value is not None
    )
    said = f"{problem.field}: " if problem.field else ""
    text = _escaped(f"{said}{problem.reason}; {problem.advice}", "")
    return f"::{problem.severity} {properties}::{text}"


def _escaped(text: str, more: str) -> str:
    """Write what would end a workflow command, or a part of it, as GitHub reads it back."""
    for character in ("%", "\r", "\n", *more):
        text = text.replace(character, f"%{ord(character):02X}")
    return text
