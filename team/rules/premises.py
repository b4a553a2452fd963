"""What rests on which decisions, and whether these still stand."""

from __future__ import annotations

from collections.abc import Collection, Iterator

from bus.ids import LEAD
from bus.messages import FindingSubmitted, Judgement, Premise
from team.state import Decisions, Submission

CHECK = "premises"


def premises_of(finding: FindingSubmitted) -> Iterator[tuple[Premise, str | None]]:
    """Every premise of a finding, with the claim that rests on it; none: all of it does."""
    for premise in finding.relied_on:
        yield premise, None
    for claim in finding.claims:
        for premise in claim.relied_on:
            yield premise, claim.id


def fallen_premises(decisions: Decisions, finding: FindingSubmitted) -> list[Judgement]:
    """What of a finding stands no longer because a decision has fallen, and which."""
    falls = [(decisions.fall_of(p), claim) for p, claim in premises_of(finding)]
    return [
        Judgement(check=CHECK, outcome="refuted", reason=fall.reason, claim=claim)
        for fall, claim in falls
        if fall is not None
    ]


def unseen_premises(finding: FindingSubmitted) -> list[Judgement]:
    """What of a finding names a decision that its author was never shown."""
    seen = set(finding.in_context)
    return [
        Judgement(
            check=CHECK,
            outcome="refuted",
            reason=f"{p.area}/{p.key} revision {p.revision} never was in its author's context",
            claim=claim,
        )
        for p, claim in premises_of(finding)
        if p not in seen
    ]


def is_news(decisions: Decisions, submission: Submission, judge: str) -> bool:
    """Whether premises of a finding have fallen that its judge has not refused yet."""
    said = {(j.claim, j.reason) for j in submission.judged_by(judge) if j.check == CHECK}
    fallen = fallen_premises(decisions, submission.finding)
    return any((j.claim, j.reason) not in said for j in fallen)


def awaits_ruling(
    decisions: Decisions, finding: FindingSubmitted, reserved: Collection[str] = ()
) -> bool:
    """Whether a finding rests, however far down, on what is yet to be ruled on.

    Args:
        decisions: As they stand.
        finding: What rests on some of them.
        reserved: Areas in which a person rules, not the lead.
    """
    waiting = [premise for premise, _ in premises_of(finding)]
    seen: set[Premise] = set()
    while waiting:
        premise = waiting.pop()
        decision = decisions.named(premise)
        if decision is None or premise in seen:
            continue
        is_reserved = decision.area in reserved
        if decision.is_disputed and (is_reserved or decisions.ruler_of(decision) == LEAD):
            return True
        seen.add(premise)
        waiting += decision.relied_on
    return False
