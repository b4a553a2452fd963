"""One thing that is wrong with a file that a person wrote."""

from __future__ import annotations

import msgspec

from team.codes import RULES
from team.codes.entry import Severity
from team.errors import SpecError


class Problem(msgspec.Struct, frozen=True, kw_only=True):
    """Something wrong, with its place and what to do.

    Attributes:
        code: The rule that it breaks, one of `team.codes.RULES`.
        path: The file, as its reader named it.
        line: From 1, or nothing if it is about the file as a whole.
        column: From 1, in characters, or nothing if only the line is known.
        field: The field with a dot between its parts, or empty.
        reason: What is wrong.
        fix: What to do about it.
        allowed: What may stand there, such as `1 to 64`, or empty.
        severity: Whether a run is refused for it, or somebody should know.
    """

    code: str
    path: str
    line: int | None = None
    column: int | None = None
    field: str = ""
    reason: str
    fix: str
    allowed: str = ""
    severity: Severity = "error"

    @property
    def place(self) -> str:
        """File and line."""
        return self.path if self.line is None else f"{self.path}:{self.line}"

    @property
    def advice(self) -> str:
        """The fix, with what may stand there."""
        return f"{self.fix}, {self.allowed}" if self.allowed else self.fix

    @property
    def order(self) -> tuple[str, int, int, str, str, str]:
        """By file and place."""
        return (self.path, self.line or 0, self.column or 0, self.code, self.field, self.reason)

    def error(self) -> SpecError:
        """The same as an error."""
        return SpecError(self.place, self.field, self.reason, self.fix)


def severity_of(code: str) -> Severity:
    """How much a rule matters unless it is said otherwise."""
    return RULES[code].severity
