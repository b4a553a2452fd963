"""Does the result say what was admitted, all of it with a number, and what is missing?"""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Final

from bus.messages import Citation, Claim, ResultPublished, TaskState
from team.audit.case import Case
from team.audit.chains import admitted_findings
from team.audit.report import Chain, Remark
from team.codes import RULES
from team.codes import audit as codes

EVIDENCE: Final = "Evidence"
BY_CODE: Final = (EVIDENCE, "What is missing", "What was rejected")
"""Sections that code writes; nothing in them is a statement of the answer."""
_MARK: Final = re.compile(r"(?<!\\)\[(\d+)\]")


def result_breaches(case: Case, chains: tuple[Chain, ...]) -> Iterator[Remark]:
    """Say what is wrong with the result, and with the chains below it."""
    for one in case.state.unread:
        number, _, problem = one.partition(": ")
        yield _remark(codes.UNREADABLE, int(number), f"it can't be read: {problem}")
    if case.state.opened is None:
        yield Remark(code=codes.UNREADABLE, seqs=(), member="", what="nobody opened the run")
    if case.library is None and any(chain.evidence for chain in chains):
        what = "the run's sources are not at hand: no quote was read again"
        yield Remark(code=codes.QUOTE, seqs=(), member="", what=what, weight="sign")
    for chain in chains:
        for code in chain.holes:
            yield _hole(case, chain, code)
    result, seq = case.state.result, case.result_seq
    if result is None:
        return
    yield from _unsettled(case, result, seq)
    yield from _unsaid(case, result, seq)
    if result.status in ("admitted", "partial"):
        yield from _uncited(result, seq)
        yield from _altered(case, result, seq)


def _hole(case: Case, chain: Chain, code: str) -> Remark:
    seqs = {
        codes.NOT_ADMITTED: (case.result_seq,),
        codes.STRUCK: (case.result_seq,),
        codes.FALLEN: (case.result_seq,),
        codes.OWN_JUDGE: tuple(v.seq for v in chain.verdicts if v.member == chain.producer),
    }
    where = seqs.get(code) or tuple(filter(None, (chain.finding_seq, chain.settled_seq)))
    return Remark(
        code=code,
        seqs=where,
        member=chain.producer,
        what=f"claim {chain.ref}: {RULES[code].name.replace('-', ' ')}{_detail(chain, code)}",
    )


def _detail(chain: Chain, code: str) -> str:
    if code == codes.QUOTE:
        return "; " + "; ".join(link.problem for link in chain.evidence if link.problem)
    if code == codes.OUTSIDE:
        return ": " + ", ".join(repr(link.source) for link in chain.evidence)
    return ""


# --- lanes ------------------------------------------------------------------------


def _unsettled(case: Case, result: ResultPublished, seq: int) -> Iterator[Remark]:
    """Lanes that were open, or not admitted, when the result was published as it was."""
    if result.status not in ("admitted", "partial"):
        return
    for task in case.at_result.board.of_purpose("research"):
        if not task.is_settled:
            what = f"{result.status} was published while {task.id} was {task.state.value}"
            yield _remark(codes.UNSETTLED, seq, what)
        elif result.status == "admitted" and task.state is not TaskState.admitted:
            what = f"the result is called whole, and {task.id} is {task.state.value}"
            yield _remark(codes.UNSETTLED, seq, what)


def _unsaid(case: Case, result: ResultPublished, seq: int) -> Iterator[Remark]:
    """Lanes that were not admitted and that the result does not name."""
    if result.status == "cancelled":
        return
    said = "\n".join(result.missing)
    for task in case.at_result.board.of_purpose("research"):
        is_lost = task.is_settled and task.state is not TaskState.admitted
        if is_lost and task.title not in said:
            yield _remark(codes.UNSAID, seq, f"lane {task.title!r} is {task.state.value}")


# --- the text ---------------------------------------------------------------------


def _uncited(result: ResultPublished, seq: int) -> Iterator[Remark]:
    """Statements without a number; what is said to be missing needs none."""
    if not result.citations:
        yield _remark(codes.UNCITED, seq, "the result cites nothing")
    section = ""
    for line in result.text.splitlines():
        if line.startswith("## "):
            section = line.removeprefix("## ").strip()
        is_statement = line.startswith("- ") and section not in BY_CODE
        if is_statement and not _MARK.search(line):
            yield _remark(codes.UNCITED, seq, f"nothing is cited for: {line[2:]!r}")


def _altered(case: Case, result: ResultPublished, seq: int) -> Iterator[Remark]:
    claims = {
        f"{task.id}.{claim.id}": (submission.member, claim)
        for task, submission, _ in admitted_findings(case)
        for claim in submission.finding.claims
    }
    for number, citation in enumerate(result.citations, start=1):
        found = claims.get(citation.ref)
        if found is not None and not _is_true_to(citation, *found):
            what = f"citation {number} says other than claim {citation.ref}"
            yield _remark(codes.ALTERED, seq, what)
    body = result.text.partition(f"\n## {EVIDENCE}\n")[0]
    numbers = {int(mark) for mark in _MARK.findall(body)}
    for number in sorted(numbers - set(range(1, len(result.citations) + 1))):
        yield _remark(codes.ALTERED, seq, f"number {number} names no citation")


def _is_true_to(citation: Citation, member: str, claim: Claim) -> bool:
    shown = (citation.source, citation.locator, citation.quote)
    return (
        citation.member == member
        and citation.claim == claim.text
        and shown in {(e.source, e.locator, e.quote) for e in claim.evidence}
    )


def _remark(code: str, seq: int, what: str) -> Remark:
    return Remark(code=code, seqs=(seq,), member="", what=what)
