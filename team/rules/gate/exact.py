"""Exact checks of what a finding is: its shape, its contract, its evidence, its cost."""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Final

from bus.messages import Claim, Judgement
from team.rules.gate.check import Check, GateInput, refuted
from team.rules.premises import CHECK as PREMISES
from team.rules.premises import fallen_premises, unseen_premises

CLAIMS_MAX: Final = 40
CLAIM_CHARACTERS_MAX: Final = 1_200
LINES_MAX: Final = 40
"""Open questions of a finding, and claims that it has given up."""
LINE_CHARACTERS_MAX: Final = 2_000


class Shape(Check):
    """A finding has a summary and claims; each claim has text and evidence."""

    code, name = "G101", "shape"

    def problems(self, given: GateInput) -> list[Judgement]:
        """Say what is missing, double or too much."""
        finding = given.submission.finding
        problems: list[Judgement] = []
        if not finding.summary.strip():
            problems.append(refuted("the summary is empty"))
        if not finding.claims:
            problems.append(refuted("there is no claim"))
        if len(finding.claims) > CLAIMS_MAX:
            problems.append(refuted(f"{len(finding.claims)} claims, at most {CLAIMS_MAX}"))
        problems += _too_much("open questions", finding.open_questions)
        problems += _too_much("claims given up", finding.dropped)
        ids = [claim.id for claim in finding.claims]
        for claim in finding.claims:
            if not claim.text.strip():
                problems.append(refuted("the claim says nothing", claim.id))
            if len(claim.text) > CLAIM_CHARACTERS_MAX:
                problems.append(refuted("the claim is too long to be one claim", claim.id))
            if not claim.evidence:
                problems.append(refuted("the claim has no evidence", claim.id))
            if ids.count(claim.id) > 1:
                problems.append(refuted(f"claim id {claim.id!r} is used twice", claim.id))
            problems += [refuted(problem, claim.id) for problem in _loose_facts(claim)]
        return problems


def _too_much(what: str, lines: tuple[str, ...]) -> Iterator[Judgement]:
    """Lines beside the claims, which every reader after this one reads too."""
    if len(lines) > LINES_MAX:
        yield refuted(f"{len(lines)} {what}, at most {LINES_MAX}")
    longest = max(map(len, lines), default=0)
    if longest > LINE_CHARACTERS_MAX:
        yield refuted(f"{what}: one has {longest} characters, at most {LINE_CHARACTERS_MAX}")


def _loose_facts(claim: Claim) -> list[str]:
    """Facts of which the value stands neither in the claim nor in its quotes."""
    said = _words(" ".join((claim.text, *(evidence.quote for evidence in claim.evidence))))
    return [
        f"{fact.value!r}, as the {fact.attribute} of {fact.subject}, stands neither in it nor in "
        "its quotes"
        for fact in claim.facts
        if not (value := _words(fact.value)) or not value <= said
    ]


def _words(text: str) -> set[str]:
    return set(re.findall(r"\w+", text.casefold()))


class Contract(Check):
    """A finding answers the round that was asked, by whoever holds the task."""

    code, name = "G102", "contract"

    def problems(self, given: GateInput) -> list[Judgement]:
        """Say what does not fit the task."""
        finding, task = given.submission.finding, given.task
        problems: list[Judgement] = []
        if finding.round != task.round:
            problems.append(refuted(f"it answers round {finding.round}, asked was {task.round}"))
        if given.submission.member != task.holder:
            problems.append(refuted(f"{given.submission.member!r} does not hold the task"))
        return problems


class Sources(Check):
    """A finding quotes only sources inside the contract, and none that it is to avoid."""

    code, name = "G103", "sources"

    def problems(self, given: GateInput) -> list[Judgement]:
        """Name each source that is out of bounds."""
        problems: list[Judgement] = []
        for claim in given.submission.finding.claims:
            for source in dict.fromkeys(evidence.source for evidence in claim.evidence):
                said = _why_outside(given, source)
                if said:
                    problems.append(refuted(said, claim.id))
        return problems


def _why_outside(given: GateInput, source: str) -> str:
    """Why a source may not be quoted under the contract; empty if it may."""
    contract, may_cite = given.task.contract, given.may_cite(source)
    if may_cite is not None:
        return "" if may_cite else f"nothing that the contract names has brought {source!r}"
    if not given.is_within(source, contract.sources):
        return f"source {source!r} is outside the contract's sources"
    if contract.sources_avoided and given.is_within(source, contract.sources_avoided):
        return f"source {source!r} is one that the contract avoids"
    return ""


class Quotes(Check):
    """Each quote stands word for word, whitespace aside, where its locator says."""

    code, name = "G104", "quotes"

    def problems(self, given: GateInput) -> list[Judgement]:
        """Name each quote that does not stand."""
        problems: list[Judgement] = []
        for claim in given.submission.finding.claims:
            for evidence in claim.evidence:
                problem = given.quote_problem(evidence)
                if problem is not None:
                    problems.append(refuted(problem, claim.id))
        return problems


class Premises(Check):
    """Each decision that the finding relied on was shown to its author and still stands."""

    code, name = "G105", PREMISES

    def problems(self, given: GateInput) -> list[Judgement]:
        """Name each decision that was never shown, or has fallen."""
        finding = given.submission.finding
        return [*unseen_premises(finding), *fallen_premises(given.decisions, finding)]


class Budget(Check):
    """The model calls for the finding stayed within what was granted for its round."""

    code, name = "G106", "budget"

    def problems(self, given: GateInput) -> list[Judgement]:
        """Say what was spent beyond what was granted."""
        return [refuted(problem) for problem in given.overspent]
