"""What an exact check is, what it is given, and how its word becomes judgements.

A check of one's own is a class like ours:

    class NoDrafts(Check):
        code, name = "X101", "no-drafts"

        def problems(self, given):
            return [
                refuted(f"{e.source} is a draft", claim.id)
                for claim in given.submission.finding.claims
                for e in claim.evidence
                if "draft" in e.source
            ]

It looks at nothing but what it is given, so that the same finding is always judged the same.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable, Iterable, Mapping
from typing import ClassVar, Final

import msgspec

from bus.messages import Evidence, Judgement
from team.state import Decisions, Refusal, Seat, Submission, Task

JUDGEMENTS_MAX: Final = 200
"""Judgements that one check may give on a finding."""
REASON_CHARACTERS_MAX: Final = 600


class GateInput(msgspec.Struct, frozen=True, kw_only=True):
    """All that the checks look at.

    Attributes:
        task: The task that the finding answers.
        submission: The finding.
        decisions: Decisions as they stand now.
        overspent: Where its producer has passed what was granted for this round.
        quote_problem: Says why a quote does not stand where it should, or nothing.
        is_within: Whether a source is covered by source groups or path patterns.
        may_cite: Whether a text that a tool brought from outside may be quoted here; nothing
            if a source is no such text.
        seat: The producer's seat; absent if it never had one.
        refusals: What code has refused the producer in this run.
        constraints: Constraints of the goal, as the plan has them.
    """

    task: Task
    submission: Submission
    decisions: Decisions
    overspent: tuple[str, ...]
    quote_problem: Callable[[Evidence], str | None]
    is_within: Callable[[str, tuple[str, ...]], bool]
    may_cite: Callable[[str], bool | None] = lambda _: None
    seat: Seat | None = None
    refusals: tuple[Refusal, ...] = ()
    constraints: tuple[str, ...] = ()


class Check(ABC):
    """One exact check of a finding.

    Attributes:
        code: Its code; ours begin with `G`.
        name: What `gate.checks` and every judgement call it.
    """

    code: ClassVar[str]
    name: ClassVar[str]

    @abstractmethod
    def problems(self, given: GateInput) -> Iterable[Judgement]:
        """Say what is wrong, each with its reason; nothing if nothing is."""


class CheckFailed(Check):
    """What stands in for a check that can't be loaded: a no to every finding."""

    code = "G190"

    def __init__(self, name: str, reason: str) -> None:
        """Keep the name under which it was asked for, and why it can't be had."""
        self.name = name  # type: ignore[misc]  # one class stands in for any check
        self._reason = reason

    def problems(self, given: GateInput) -> list[Judgement]:  # noqa: ARG002 - whatever is given
        """Refuse."""
        return [unsure(self.name, self._reason)]


def judge(given: GateInput, checks: Mapping[str, Check | type[Check]]) -> tuple[Judgement, ...]:
    """Run checks in their order; one that finds nothing wrong is said to be upheld."""
    return tuple(
        judgement
        for check in checks.values()
        for judgement in judgements_of(check() if isinstance(check, type) else check, given)
    )


def judgements_of(check: Check, given: GateInput) -> list[Judgement]:
    """What one check says, under its own name; a check that crashes says that it is unsure."""
    try:
        problems = list(check.problems(given))
        assert all(isinstance(problem, Judgement) for problem in problems), problems
    except Exception as error:
        return [unsure(check.name, f"the check failed: {error!r}")]
    if not problems:
        return [Judgement(check=check.name, outcome="upheld", reason="kept")]
    kept = problems[:JUDGEMENTS_MAX]
    if len(problems) > len(kept):
        kept.append(refuted(f"and {len(problems) - len(kept)} more"))
    return [_signed(check, problem) for problem in kept]


def _signed(check: Check, problem: Judgement) -> Judgement:
    """A check speaks for itself only, whatever name it writes down, and in few words."""
    reason = problem.reason[:REASON_CHARACTERS_MAX]
    return msgspec.structs.replace(problem, check=check.name, reason=reason)


def refuted(reason: str, claim: str | None = None) -> Judgement:
    """A no, with its reason; on one claim if it is named. Who runs the check signs it."""
    return Judgement(check="", outcome="refuted", reason=reason, claim=claim)


def unsure(check: str, reason: str) -> Judgement:
    """Nothing is known: a no."""
    return Judgement(check=check, outcome="unsure", reason=reason[:REASON_CHARACTERS_MAX])


def as_reason(judgement: Judgement) -> str:
    """One judgement as people and producers read it."""
    what = f"claim {judgement.claim}" if judgement.claim else "finding"
    return f"{what}: {judgement.check} {judgement.outcome}: {judgement.reason}"
