"""Whether an answer is right: by code, the same way each time; no model judges."""

from __future__ import annotations

import re
from collections.abc import Sequence
from fnmatch import fnmatchcase
from typing import Final, Literal

import msgspec

from team.compare.answers import Answered, normalized, overlap
from team.compare.tasks import (
    Command,
    Contains,
    Exact,
    Forbidden,
    Grader,
    Overlap,
    Pattern,
    Quotes,
)
from team.sources import fold

Outcome = Literal["right", "wrong", "withheld"]
HALF: Final = 0.5
"""Share of a gold sentence that a shorter quote from it must have to count for it."""


class Graded(msgspec.Struct, frozen=True, kw_only=True):
    """What one grader says.

    Attributes:
        type: Which one.
        passed: Whether it is content.
        score: The number that was compared, where there is one.
        note: Why not, where that is not plain.
    """

    type: str
    passed: bool
    score: float | None = None
    note: str = ""


def type_of(grader: Grader) -> str:
    """The name that a grader has in a file of tasks."""
    return str(grader.__struct_config__.tag)


def grade(grader: Grader, answer: Answered) -> Graded | None:
    """Grade an answer; nothing for a command, which has to be run."""
    passed, score, note = False, None, ""
    match grader:
        case Exact(answers=answers):
            passed = normalized(answer.text) in {normalized(one) for one in answers}
        case Contains():
            passed = _contains(grader, answer.text)
        case Pattern(pattern=pattern):
            passed = re.search(pattern, answer.text) is not None
        case Overlap(answers=answers, min=least):
            score = max(overlap(answer.text, one) for one in answers)
            passed = score >= least
        case Quotes(gold=gold, min=least):
            score = recall(gold, [one.quote for one in answer.quotes])
            passed = score >= least
        case Forbidden(sources=patterns):
            passed, note = _forbidden(patterns, answer)
        case Command():
            return None
    return Graded(type=type_of(grader), passed=passed, score=score, note=note)


def outcome_of(answer: Answered, graded: Sequence[Graded]) -> Outcome:
    """Right if every grader passed; without an answer it was withheld, which is not right."""
    if not answer.text:
        return "withheld"
    return "right" if graded and all(one.passed for one in graded) else "wrong"


def _contains(grader: Contains, text: str) -> bool:
    held = f" {normalized(text)} "
    has_all = all(f" {normalized(one)} " in held for one in grader.all)
    has_any = not grader.any or any(f" {normalized(one)} " in held for one in grader.any)
    return has_all and has_any


def recall(gold: Sequence[str], quotes: Sequence[str]) -> float:
    """The share of gold sentences that stand in a quote, or of which a quote has half."""
    held = [fold(quote).casefold() for quote in quotes]
    found = sum(any(_holds(fold(one).casefold(), quote) for quote in held) for one in gold)
    return found / len(gold)


def _holds(sentence: str, quote: str) -> bool:
    return sentence in quote or (len(quote) >= HALF * len(sentence) and quote in sentence)


def _forbidden(patterns: Sequence[str], answer: Answered) -> tuple[bool, str]:
    cited = sorted({one.source for one in answer.quotes})
    bad = [one for one in cited if any(fnmatchcase(one, pattern) for pattern in patterns)]
    return not bad, f"it cites {bad[0]}" if bad else ""
