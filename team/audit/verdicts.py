"""What was said of findings, and by whom; who upheld a claim that was planted."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Final

import msgspec

from bus.ids import LEAD
from bus.messages import Claim, Judgement, TaskClaimed, TaskOpened, VerdictGiven
from bus.run_stream import Record
from team.state import Submission

VERIFICATION: Final = "verification"


class Verdict(msgspec.Struct, frozen=True, kw_only=True):
    """One judgement, who gave it and where."""

    seq: int
    member: str
    said: Judgement


class Judge(msgspec.Struct, frozen=True, kw_only=True):
    """Somebody who was asked to judge a finding, and took it on.

    Attributes:
        member: Who.
        task: The verification.
        finding_seq: The finding.
        material: The claims that were put before it.
    """

    member: str
    task: str
    finding_seq: int
    material: tuple[Claim, ...]


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


def verdicts_by_finding(records: Sequence[Record]) -> dict[int, list[Verdict]]:
    """All that was said of each finding, its author's own word too."""
    found: dict[int, list[Verdict]] = {}
    for record in records:
        if isinstance(record.body, VerdictGiven):
            found.setdefault(record.body.finding_seq, []).extend(
                Verdict(seq=record.seq, member=record.subject.author, said=judgement)
                for judgement in record.body.judgements
            )
    return found


def judges_of(records: Sequence[Record]) -> list[Judge]:
    """Everybody who took on a verification, those whose place another took later too."""
    open_ones: dict[str, TaskOpened] = {}
    found: list[Judge] = []
    for record in records:
        body, author = record.body, record.subject.author
        name = (*record.subject.names, "")[0]
        if isinstance(body, TaskOpened) and author == LEAD:
            open_ones[name] = body
        opened = open_ones.get(name)
        if not isinstance(body, TaskClaimed) or opened is None or not opened.subject_seq:
            continue
        if opened.purpose == "verify" and opened.offered_to in (None, author):
            found.append(
                Judge(
                    member=author,
                    task=name,
                    finding_seq=opened.subject_seq,
                    material=opened.material,
                )
            )
    return found


def passed_canaries(
    judges: Sequence[Judge],
    submissions: Mapping[int, Submission],
    verdicts: Mapping[int, Sequence[Verdict]],
) -> list[Passed]:
    """Who upheld a claim that it was given to judge and that no finding holds.

    To say nothing of it, and something of the others, is to let it pass.
    """
    found: dict[tuple[str, int, str], Passed] = {}
    for judge in judges:
        submission = submissions.get(judge.finding_seq)
        if submission is None:
            continue
        said = [v for v in verdicts.get(submission.seq, ()) if v.member == judge.member]
        last = {verdict.said.claim: verdict.said.outcome for verdict in said}
        real = {(c.id, c.text, c.evidence) for c in submission.finding.claims}
        for claim in judge.material:
            is_planted = (claim.id, claim.text, claim.evidence) not in real
            if said and is_planted and last.get(claim.id, "upheld") == "upheld":
                found[judge.member, submission.seq, claim.id] = Passed(
                    member=judge.member,
                    finding_seq=submission.seq,
                    seq=said[-1].seq,
                    claim=claim.id,
                )
    return list(found.values())
