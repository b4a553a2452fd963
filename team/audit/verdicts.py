"""What was said of findings, and by whom; who upheld a claim that was planted."""

from __future__ import annotations

from typing import Final

import msgspec

from bus.messages import Judgement, VerdictGiven
from team.audit.case import Case
from team.state import Submission

VERIFICATION: Final = "verification"


class Verdict(msgspec.Struct, frozen=True, kw_only=True):
    """One judgement, who gave it and where."""

    seq: int
    member: str
    said: Judgement


class Passed(msgspec.Struct, frozen=True, kw_only=True):
    """A verifier that upheld a planted claim.

    Attributes:
        member: The verifier.
        finding_seq: The finding whose claims it was given with the planted one.
        seq: Its verdict.
        claim: Id of the planted claim.
    """

    member: str
    finding_seq: int
    seq: int
    claim: str


def submissions_of(case: Case) -> dict[int, Submission]:
    """Every finding by its sequence."""
    return {s.seq: s for found in case.state.findings.submissions.values() for s in found}


def verdicts_on(case: Case, finding_seq: int) -> list[Verdict]:
    """All that was said of a finding, its author's own word too."""
    return [
        Verdict(seq=record.seq, member=record.subject.author, said=judgement)
        for record in case.records
        if isinstance(record.body, VerdictGiven) and record.body.finding_seq == finding_seq
        for judgement in record.body.judgements
    ]


def passed_canaries(case: Case) -> list[Passed]:
    """Who upheld a claim that it was given to judge and that no finding holds."""
    found: list[Passed] = []
    submissions = submissions_of(case)
    for task in case.state.board.of_purpose("verify"):
        submission = submissions.get(task.subject_seq or 0)
        if submission is None or task.holder is None:
            continue
        real = {(c.id, c.text, c.evidence) for c in submission.finding.claims}
        planted = {c.id for c in task.material if (c.id, c.text, c.evidence) not in real}
        found += [
            Passed(
                member=task.holder,
                finding_seq=submission.seq,
                seq=verdict.seq,
                claim=verdict.said.claim or "",
            )
            for verdict in verdicts_on(case, submission.seq)
            if verdict.member == task.holder
            and verdict.said.claim in planted
            and verdict.said.outcome == "upheld"
        ]
    return found
