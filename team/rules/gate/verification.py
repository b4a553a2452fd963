"""What becomes of verifiers' words: k of n uphold a claim, whose word counts, what is carried."""

from __future__ import annotations

from collections import Counter
from collections.abc import Collection, Iterator, Sequence
from typing import Final

from bus.ids import GATE
from bus.messages import Claim, FindingSubmitted, Judgement
from team.state import RunState, Submission, Task

VERIFICATION: Final = "verification"


def barred_from(state: RunState, task: str) -> frozenset[str]:
    """Who may not judge a task's finding: whoever produced one for it, or for what it rests on."""
    waiting, seen = [task], set[str]()
    while waiting:
        name = waiting.pop()
        if name not in seen:
            seen.add(name)
            known = state.board.tasks.get(name)
            waiting += known.depends_on if known is not None else ()
    held = {state.board.tasks[name].holder for name in seen if name in state.board.tasks}
    wrote = {one.member for name in seen for one in state.findings.submissions.get(name, ())}
    return frozenset(wrote | {holder for holder in held if holder is not None})


def is_void(state: RunState, verification: Task) -> bool:
    """Whether who was asked to judge has upheld what is known to be false."""
    submissions = state.findings.submissions.get(verification.subject_task or "", ())
    return any(
        verification.holder in submission.void_by
        for submission in submissions
        if submission.seq == verification.subject_seq
    )


def unverified_claims(submission: Submission) -> tuple[Claim, ...]:
    """The claims of a finding that its verifiers have to judge."""
    carried = {j.claim for j in submission.judged_by(GATE) if j.check == VERIFICATION}
    return tuple(claim for claim in submission.finding.claims if claim.id not in carried)


def verification_problems(
    submission: Submission,
    verifiers: Sequence[str],
    needed: int | None = None,
    barred: Collection[str] = (),
) -> list[Judgement]:
    """What keeps claims from being upheld; silence and doubt uphold nothing.

    Args:
        submission: The finding.
        verifiers: Who was asked to judge it.
        needed: How many of them must uphold each claim; absent: all.
        barred: Whose word counts for nothing, whoever asked for it.
    """
    needed = len(verifiers) if needed is None else needed
    problems: list[Judgement] = []
    for claim in unverified_claims(submission):
        upheld_by: set[str] = set()
        against: list[Judgement] = []
        for verifier in verifiers:
            judgement = _word_of(verifier, submission, claim.id, barred)
            if judgement.outcome == "upheld":
                upheld_by.add(verifier)
            else:
                against.append(judgement)
        if len(upheld_by) < needed:
            few = f"{len(upheld_by)} of {len(verifiers)} uphold it, needed are {needed}"
            problems += against or [_no(few, claim.id)]
    return problems


def _word_of(
    verifier: str, submission: Submission, claim: str, barred: Collection[str]
) -> Judgement:
    """A verifier's last word on a claim, if it counts."""
    if verifier in barred:
        return _no(f"{verifier} had a part in it and can't judge it", claim)
    if verifier in submission.void_by:
        return _no(f"{verifier} upheld a claim known to be false, its word is void", claim)
    said = {j.claim: j for j in submission.judged_by(verifier) if j.check == VERIFICATION}
    return said.get(claim) or _no(f"{verifier} did not judge it", claim)


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


def _verdicts_on(submission: Submission, claim: Claim) -> Iterator[tuple[str, Judgement]]:
    """What verifiers have said of the claim of a finding that says the same as this one."""
    same = {c.id for c in submission.finding.claims if _says_the_same(c, claim)}
    for by, judgement in submission.judgements:
        is_void = by in submission.void_by
        if judgement.check == VERIFICATION and judgement.claim in same and not is_void:
            yield by, judgement


def _says_the_same(one: Claim, other: Claim) -> bool:
    return (one.text, one.evidence) == (other.text, other.evidence)


def _yes(claim: str, reason: str) -> Judgement:
    return Judgement(check=VERIFICATION, outcome="upheld", reason=reason, claim=claim)


def _no(reason: str, claim: str) -> Judgement:
    return Judgement(check=VERIFICATION, outcome="refuted", reason=reason, claim=claim)
