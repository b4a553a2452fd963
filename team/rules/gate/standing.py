"""Exact checks of how a finding came about, and whether it does what was asked."""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Final

from bus.messages import Criterion, FindingSubmitted, Judgement
from team.codes.limits import DOLLARS, SECONDS, TOKENS, TURNS
from team.rules.gate.check import Check, GateInput, refuted
from team.rules.gate.wording import plain

OVER_BUDGET: Final = frozenset({TURNS, TOKENS, DOLLARS, SECONDS})
"""Refusals after which a transcript makes no further model call, so returns nothing."""


class Status(Check):
    """The producer's status is clean: it claimed, worked and returned, as one and in order.

    The lead has no journals. It sees what the stream shows it: the claim, the finding, who
    was lost, and what was refused.
    """

    code, name = "G107", "status"

    def problems(self, given: GateInput) -> Iterator[Judgement]:
        """Say what is not in order."""
        task, submission, seat = given.task, given.submission, given.seat
        if not task.claim_seq:
            yield refuted("nobody has claimed the task in this round")
        if submission.seq < task.claim_seq:
            yield refuted("it was submitted before the task was claimed in this round")
        if seat is None:
            yield refuted(f"{submission.member!r} never had a seat")
        elif task.claim_seq < seat.lost_seq < submission.seq:
            yield refuted(
                f"{submission.member!r} was given up as lost while it worked: {seat.lost}"
            )
        context = f"task:{task.id}:{task.round}"
        for refusal in given.refusals:
            is_while_it_worked = task.claim_seq < refusal.seq < submission.seq
            refused = refusal.refused
            if (
                refusal.member == submission.member
                and is_while_it_worked
                and refused.code in OVER_BUDGET
                and refused.context == context
            ):
                yield refuted(f"it was told that its budget is used up: {refused.reason}")


class Acceptance(Check):
    """Every criterion of the contract holds, and every constraint of the goal is in it."""

    code, name = "G108", "acceptance"

    def problems(self, given: GateInput) -> Iterator[Judgement]:
        """Say which criterion does not hold, and which constraint was dropped on the way."""
        contract, finding = given.task.contract, given.submission.finding
        for criterion in contract.criteria:
            lacking = "; ".join(_lacking(criterion, finding))
            if lacking:
                yield refuted(f"not done: {criterion.text} ({lacking})")
        for constraint in given.constraints:
            if constraint not in contract.constraints:
                yield refuted(f"the contract has lost a constraint of the goal: {constraint!r}")


def _lacking(criterion: Criterion, finding: FindingSubmitted) -> Iterator[str]:
    """What a finding lacks of one criterion."""
    if len(finding.claims) < criterion.claims_min:
        yield f"{len(finding.claims)} claims, asked were {criterion.claims_min}"
    sources = {evidence.source for claim in finding.claims for evidence in claim.evidence}
    if len(sources) < criterion.sources_min:
        yield f"{len(sources)} sources, asked were {criterion.sources_min}"
    said = plain(" ".join(_said(finding)))
    for mention in criterion.mentions:
        if not re.search(rf"(?<!\w){re.escape(plain(mention))}(?!\w)", said):
            yield f"{mention!r} is mentioned nowhere"


def _said(finding: FindingSubmitted) -> Iterator[str]:
    for claim in finding.claims:
        yield claim.text
        yield from (evidence.quote for evidence in claim.evidence)
    yield from finding.open_questions
