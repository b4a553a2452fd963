"""Limits that do not fit together, in a team spec and in a policy alike."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, Final

from team.codes.entry import Severity
from team.codes.lint import CONTRADICTION, CORE_CHECK, UNKNOWN_CHECK, UPHELD
from team.policy import CORE_CHECKS, GateLimits, GateRules
from team.written import Document, Keys, Problem, dotted
from team.written.words import names, near, number

PART_OF_WHOLE: Final = (
    ("seconds_max", "run_seconds_max"),
    ("tokens_max", "run_tokens_max"),
    ("dollars_max", "run_dollars_max"),
    ("output_tokens_max", "tokens_max"),
)
"""Limits of which the first is a part of what the second limits."""


def contradictions(document: Document, table: str, limits: Any) -> Iterator[Problem]:
    """Parts above their whole.

    Args:
        document: Where they are written.
        table: `policy` in a team spec, `limits` in a policy.
        limits: The struct of that table; where a field is None nothing is said.
    """
    for part, whole in PART_OF_WHOLE:
        yield from _above(document, (table, part), (table, whole), limits, limits)


def triage_contradictions(document: Document, triage: Any) -> Iterator[Problem]:
    """A team that no comparison is large enough for."""
    keys = ("triage", "lanes_min"), ("triage", "comparison_max")
    yield from _above(document, *keys, triage, triage)


def never_asked(document: Document, table: str, approve: Any, limits: Any) -> Iterator[Problem]:
    """An approval above what may be spent at all."""
    keys = ("approve", "over_dollars"), (table, "run_dollars_max")
    yield from _above(document, *keys, approve, limits)


def _above(
    document: Document, part: Keys, whole: Keys, in_part: Any, in_whole: Any
) -> Iterator[Problem]:
    """An error if both are written, a warning if one of them is only a default."""
    ours, theirs = getattr(in_part, str(part[-1])), getattr(in_whole, str(whole[-1]))
    written = [keys for keys in (part, whole) if keys in document.spots]
    if not written or ours is None or theirs is None or ours <= theirs:
        return
    at_part = written[0] == part
    ours, theirs, other = (ours, theirs, whole) if at_part else (theirs, ours, part)
    both = len(written) > 1
    severity: Severity = "error" if both else "warning"
    yield document.problem(
        CONTRADICTION,
        written[0],
        f"{number(ours)} is {'above' if at_part else 'below'} `{dotted(other)}`, "
        f"which is {number(theirs)}{'' if both else ' by default'}",
        "lower the one or raise the other",
        severity=severity,
    )


def too_many_upheld(document: Document, gate: GateRules | GateLimits) -> Iterator[Problem]:
    """More verifiers that must agree than there are."""
    needed, verifiers = gate.upheld_min, gate.verifiers
    if needed is not None and verifiers is not None and needed > verifiers:
        yield document.problem(
            UPHELD,
            ("gate", "upheld_min"),
            f"{needed} of {verifiers} {'verifier' if verifiers == 1 else 'verifiers'} can't agree",
            f"write at most {verifiers}, or raise `gate.verifiers`",
        )


def left_out_checks(document: Document, gate: GateRules) -> Iterator[Problem]:
    """Core checks that a team does without."""
    missing = [name for name in CORE_CHECKS if name not in gate.checks]
    if missing and document.has("gate", "checks"):
        yield document.problem(
            CORE_CHECK,
            ("gate", "checks"),
            f"{names(missing)} can't be left out",
            "add what is missing, or delete the field to have all of them",
        )


def unknown_checks(document: Document, known: tuple[str, ...]) -> Iterator[Problem]:
    """Checks that nobody offers."""
    for keys, name in texts(document, "gate", "checks"):
        if name not in known:
            yield document.problem(
                UNKNOWN_CHECK, keys, f"there is no check {name!r}", near(name, known)
            )


def texts(document: Document, *keys: str) -> Iterator[tuple[Keys, str]]:
    """The elements of a list of texts as it is written, each with its place."""
    value: Any = document.data
    for key in keys:
        value = value.get(key) if isinstance(value, dict) else None
    for at, one in enumerate(value if isinstance(value, list) else ()):
        if isinstance(one, str):
            yield (*keys, at), one
