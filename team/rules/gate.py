"""The gate's exact checks on one finding: each says upheld, or why not.

Cheap and exact first; verifiers come after these. A check that can't be made is
not upheld: unknown means no.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Final

import msgspec

from bus.messages import Evidence, Judgement
from team.state import Decisions, Spent, Submission, Task

CLAIMS_MAX: Final = 40
CLAIM_CHARACTERS_MAX: Final = 1_200


class GateInput(msgspec.Struct, frozen=True, kw_only=True):
    """All that the checks look at.

    Attributes:
        task: The task that the finding answers.
        submission: The finding.
        decisions: Decisions as they stand now.
        spent: What the task's transcripts have cost.
        quote_problem: Says why a quote does not stand where it should, or nothing.
        is_within: Whether a source lies inside a contract's sources.
    """

    task: Task
    submission: Submission
    decisions: Decisions
    spent: Spent
    quote_problem: Callable[[Evidence], str | None]
    is_within: Callable[[str, tuple[str, ...]], bool]


Check = Callable[[GateInput], list[Judgement]]


def check_shape(given: GateInput) -> list[Judgement]:
    """A finding has a summary and claims; each claim has text and evidence."""
    finding = given.submission.finding
    problems: list[Judgement] = []
    if not finding.summary.strip():
        problems.append(_no("shape", "the summary is empty"))
    if not finding.claims:
        problems.append(_no("shape", "there is no claim"))
    if len(finding.claims) > CLAIMS_MAX:
        problems.append(_no("shape", f"{len(finding.claims)} claims, at most {CLAIMS_MAX}"))
    ids = [claim.id for claim in finding.claims]
    for claim in finding.claims:
        if not claim.text.strip():
            problems.append(_no("shape", "the claim says nothing", claim.id))
        if len(claim.text) > CLAIM_CHARACTERS_MAX:
            problems.append(_no("shape", "the claim is too long to be one claim", claim.id))
        if not claim.evidence:
            problems.append(_no("shape", "the claim has no evidence", claim.id))
        if ids.count(claim.id) > 1:
            problems.append(_no("shape", f"claim id {claim.id!r} is used twice", claim.id))
    return problems


def check_contract(given: GateInput) -> list[Judgement]:
    """A finding answers this round and uses only sources inside its bounds."""
    finding, contract = given.submission.finding, given.task.contract
    problems: list[Judgement] = []
    if finding.round != given.task.round:
        problems.append(
            _no("contract", f"it answers round {finding.round}, asked was {given.task.round}")
        )
    if given.submission.member != given.task.holder:
        problems.append(_no("contract", f"{given.submission.member!r} does not hold the task"))
    problems += [
        _no("contract", f"source {evidence.source!r} is outside the contract's sources", claim.id)
        for claim in finding.claims
        for evidence in claim.evidence
        if not given.is_within(evidence.source, contract.sources)
    ]
    return problems


def check_quotes(given: GateInput) -> list[Judgement]:
    """Each quote stands word for word, whitespace aside, where its locator says."""
    problems: list[Judgement] = []
    for claim in given.submission.finding.claims:
        for evidence in claim.evidence:
            problem = given.quote_problem(evidence)
            if problem is not None:
                problems.append(_no("quotes", problem, claim.id))
    return problems


def check_premises(given: GateInput) -> list[Judgement]:
    """Each decision that the finding relied on is still in force, at that revision."""
    problems: list[Judgement] = []
    for premise in given.submission.finding.relied_on:
        current = given.decisions.in_force(premise.area, premise.key)
        name = f"{premise.area}/{premise.key}"
        if current is None:
            problems.append(_no("premises", f"there is no decision {name}"))
        elif current.seq != premise.revision:
            problems.append(
                _no(
                    "premises",
                    f"it relied on {name} revision {premise.revision}, which was superseded by "
                    f"{current.seq} of {current.author}: {current.statement}",
                )
            )
    return problems


def check_budget(given: GateInput) -> list[Judgement]:
    """The task's model calls stayed within the contract's budget."""
    budget, spent = given.task.contract.budget, given.spent
    rounds = given.task.round
    problems: list[Judgement] = []
    if spent.tokens > budget.tokens_max * rounds:
        problems.append(
            _no("budget", f"{spent.tokens} tokens, granted were {budget.tokens_max * rounds}")
        )
    if spent.calls > budget.turns_max * rounds:
        problems.append(
            _no("budget", f"{spent.calls} turns, granted were {budget.turns_max * rounds}")
        )
    return problems


CHECKS: Final[dict[str, Check]] = {
    "shape": check_shape,
    "contract": check_contract,
    "quotes": check_quotes,
    "premises": check_premises,
    "budget": check_budget,
}


def judge(given: GateInput, checks: dict[str, Check] = CHECKS) -> tuple[Judgement, ...]:
    """Run all checks; a check that finds nothing wrong is said to be upheld."""
    judgements: list[Judgement] = []
    for name, check in checks.items():
        try:
            problems = check(given)
        except Exception as error:
            problems = [
                Judgement(check=name, outcome="unsure", reason=f"the check failed: {error!r}")
            ]
        judgements += problems or [Judgement(check=name, outcome="upheld", reason="kept")]
    return tuple(judgements)


def verification_problems(submission: Submission, verifiers: tuple[str, ...]) -> list[Judgement]:
    """Each claim must be upheld by each verifier; silence and doubt are a no."""
    problems: list[Judgement] = []
    for verifier in verifiers:
        said = {j.claim: j for j in submission.judged_by(verifier) if j.check == "verification"}
        for claim in submission.finding.claims:
            judgement = said.get(claim.id)
            if judgement is None:
                problems.append(_no("verification", f"{verifier} did not judge it", claim.id))
            elif judgement.outcome != "upheld":
                problems.append(judgement)
    return problems


def as_reason(judgement: Judgement) -> str:
    """One judgement as people and producers read it."""
    what = f"claim {judgement.claim}" if judgement.claim else "finding"
    return f"{what}: {judgement.check} {judgement.outcome}: {judgement.reason}"


def _no(check: str, reason: str, claim: str | None = None) -> Judgement:
    return Judgement(check=check, outcome="refuted", reason=reason, claim=claim)
