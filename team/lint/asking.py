"""Asking rules one by one: a rule that fails is a problem too, and the next one is asked."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping
from typing import TypeVar

from team.codes.lint import RULE_FAILED
from team.written import Problem

T = TypeVar("T")

Codes = tuple[str, ...]
"""The codes under which one rule tells what it finds."""


def ask(
    rules: Mapping[Codes, Callable[[T], Iterable[Problem]]], given: T, shown: str
) -> Iterator[Problem]:
    """Ask every rule; what a rule has found before it fails counts.

    Args:
        rules: What to ask, by its codes.
        given: What is under check.
        shown: How problems name its file.
    """
    for codes, rule in rules.items():
        try:
            yield from rule(given)
        except Exception as error:
            yield failed(codes, shown, error)


def failed(codes: Codes, shown: str, error: Exception) -> Problem:
    """The problem that a rule could not be asked of a file."""
    return Problem(
        code=RULE_FAILED,
        path=shown,
        reason=f"the rule {', '.join(codes)} failed: {error!r}",
        fix="look at what it names in this file; if that is sound, report the error",
    )
