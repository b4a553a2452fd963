"""The gate's exact checks on one finding: each says upheld, or why not.

Cheap and exact first; verifiers come after these. A check that can't be made is
not upheld: unknown means no.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Collection, Sequence
from typing import Final

import msgspec

from bus.ids import GATE
from bus.messages import Claim, Evidence, FindingSubmitted, Judgement
from team.rules.contracts import within_of
from team.rules.premises import fallen_premises, unseen_premises
from team.state import Decisions, Spent, Submission, Task

VERIFICATION: Final = "verification"
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
        if not given.is_within(evidence.source, within_of(contract))
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
    """Each decision that the finding relied on was shown to its author and still stands."""
    finding = given.submission.finding
    return [*unseen_premises(finding), *fallen_premises(given.decisions, finding)]


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


def carried_verdicts(
    earlier: Sequence[Submission],
    finding: FindingSubmitted,
    verifiers: Collection[str],
    needed: int,
) -> list[Judgement]:
    """Claims that verifiers have upheld in an earlier round, word for word, as judgements.

    Only what was changed is verified again.

    Args:
        earlier: Findings of earlier rounds of the same task.
        finding: The present one.
        verifiers: Who was asked to judge these; nobody else's word counts.
        needed: How many must have upheld a claim.
    """
    found: list[Judgement] = []
    for claim in finding.claims:
        said = [(s, by, j) for s in earlier for by, j in _verdicts_on(s, claim) if by in verifiers]
        if any(j.outcome != "upheld" for _, _, j in said):
            continue
        upheld_by = Counter(number for number, _ in {(s.finding.round, by) for s, by, _ in said})
        rounds = [number for number, count in upheld_by.items() if count >= needed]
        if rounds:
            reason = f"unchanged since round {min(rounds)}, when it was upheld"
            found.append(_yes(claim.id, reason))
    return found


def _verdicts_on(submission: Submission, claim: Claim) -> list[tuple[str, Judgement]]:
    """What verifiers have said of the claim of a finding that says the same as this one."""
    same = {c.id for c in submission.finding.claims if _says_the_same(c, claim)}
    return [
        (by, judgement)
        for by, judgement in submission.judgements
        if judgement.check == VERIFICATION and judgement.claim in same
    ]


def unverified_claims(submission: Submission) -> tuple[Claim, ...]:
    """The claims of a finding that its verifiers have to judge."""
    carried = {j.claim for j in submission.judged_by(GATE) if j.check == VERIFICATION}
    return tuple(claim for claim in submission.finding.claims if claim.id not in carried)


def verification_problems(submission: Submission, verifiers: tuple[str, ...]) -> list[Judgement]:
    """Each claim must be upheld by each verifier; silence and doubt are a no."""
    problems: list[Judgement] = []
    for verifier in verifiers:
        said = {j.claim: j for j in submission.judged_by(verifier) if j.check == VERIFICATION}
        for claim in unverified_claims(submission):
            judgement = said.get(claim.id)
            if judgement is None:
                problems.append(_no(VERIFICATION, f"{verifier} did not judge it", claim.id))
            elif judgement.outcome != "upheld":
                problems.append(judgement)
    return problems


def as_reason(judgement: Judgement) -> str:
    """One judgement as people and producers read it."""
    what = f"claim {judgement.claim}" if judgement.claim else "finding"
    return f"{what}: {judgement.check} {judgement.outcome}: {judgement.reason}"


def _says_the_same(one: Claim, other: Claim) -> bool:
    return (one.text, one.evidence) == (other.text, other.evidence)


def _yes(claim: str, reason: str) -> Judgement:
    return Judgement(check=VERIFICATION, outcome="upheld", reason=reason, claim=claim)


def _no(check: str, reason: str, claim: str | None = None) -> Judgement:
    return Judgement(check=check, outcome="refuted", reason=reason, claim=claim)
