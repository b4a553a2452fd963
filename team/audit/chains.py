"""The chain of every claim: task, author, evidence, verdicts, rulings, number in the result.

Worked out from the records alone, by other means than the gate's, so that an error there
does not hide itself here.
"""

from __future__ import annotations

from collections.abc import Iterator

import msgspec

from bus.ids import GATE, LEAD
from bus.messages import Citation, Claim, TaskSettled
from team.audit.case import Case
from team.audit.conflicts import rulings_on, standings
from team.audit.report import Chain, EvidenceLink, VerdictLink
from team.audit.verdicts import VERIFICATION, Verdict
from team.codes import audit as codes
from team.state import Submission, Task


def settled_seq(case: Case, task: Task) -> int:
    """Where a task was admitted by the lead; 0 if it is not admitted now."""
    if task.state != "admitted":
        return 0
    found = [
        record.seq
        for record in case.records
        if isinstance(record.body, TaskSettled)
        and record.subject.author == LEAD
        and record.subject.names[0] == task.id
        and record.body.state == "admitted"
    ]
    return found[-1] if found else 0


def admitted_findings(case: Case) -> Iterator[tuple[Task, Submission, int]]:
    """Each admitted lane with the finding that was admitted, and where that was."""
    for task in case.state.board.of_purpose("research"):
        at = settled_seq(case, task)
        before = [s for s in case.state.findings.submissions.get(task.id, []) if s.seq < at]
        if before:
            yield task, before[-1], at


def chains_of(case: Case) -> tuple[Chain, ...]:
    """The chain of every admitted or cited claim, by its ref."""
    result = case.state.result
    cited = result.citations if result is not None else ()
    numbers: dict[str, list[int]] = {}
    for number, citation in enumerate(cited, start=1):
        numbers.setdefault(citation.ref, []).append(number)
    admitted = [
        (f"{task.id}.{claim.id}", task, submission, at, claim)
        for task, submission, at in admitted_findings(case)
        for claim in submission.finding.claims
    ]
    conflicts = standings(case, {ref: claim for ref, *_, claim in admitted})
    chains = {
        ref: _chain(
            case,
            task,
            submission,
            claim,
            Chain(
                ref=ref,
                text=claim.text,
                settled_seq=at,
                rulings=rulings_on(conflicts, ref),
                citations=tuple(numbers.get(ref, ())),
            ),
        )
        for ref, task, submission, at, claim in admitted
    }
    for citation in cited:
        if citation.ref not in chains:
            chains[citation.ref] = _cited_only(citation, numbers)
    return tuple(chains[ref] for ref in sorted(chains))


def _cited_only(citation: Citation, numbers: dict[str, list[int]]) -> Chain:
    return Chain(
        ref=citation.ref,
        text=citation.claim,
        producer=citation.member,
        citations=tuple(numbers[citation.ref]),
        holes=(codes.NOT_ADMITTED,),
    )


def _chain(case: Case, task: Task, submission: Submission, claim: Claim, known: Chain) -> Chain:
    chain = msgspec.structs.replace(
        known,
        lane=task.title,
        producer=submission.member,
        round=submission.finding.round,
        finding_seq=submission.seq,
        evidence=_evidence(case, claim),
        verdicts=_verdicts(case, submission, claim),
    )
    return msgspec.structs.replace(chain, holes=tuple(sorted(_holes(case, task, claim, chain))))


def _evidence(case: Case, claim: Claim) -> tuple[EvidenceLink, ...]:
    return tuple(
        EvidenceLink(
            source=one.source,
            locator=one.locator,
            quote=one.quote,
            problem=case.quote_problem(one) or "",
            is_checked=case.library is not None,
        )
        for one in claim.evidence
    )


def _verdicts(case: Case, submission: Submission, claim: Claim) -> tuple[VerdictLink, ...]:
    """What was said of a claim, or of its finding as a whole; later words come later.

    What verifiers said of the same claim in an earlier round counts as long as it has not
    changed by a word.
    """
    found = [
        _link(case, submission, verdict)
        for verdict in case.verdicts.get(submission.seq, ())
        if verdict.said.claim in (None, claim.id)
    ]
    for earlier in case.state.findings.submissions[submission.task]:
        same = {c.id for c in earlier.finding.claims if _says_the_same(c, claim)}
        found += [
            _link(case, earlier, verdict)
            for verdict in case.verdicts.get(earlier.seq, ())
            if earlier.seq < submission.seq
            and verdict.said.check == VERIFICATION
            and verdict.member != GATE
            and verdict.said.claim in same
        ]
    return tuple(sorted(found, key=lambda link: link.seq))


def _says_the_same(one: Claim, other: Claim) -> bool:
    return (one.text, one.evidence) == (other.text, other.evidence)


def _link(case: Case, submission: Submission, verdict: Verdict) -> VerdictLink:
    member, seq = verdict.member, submission.seq
    asked = {judge.member for judge in case.judges if judge.finding_seq == seq}
    is_void = any((p.member, p.finding_seq) == (member, seq) for p in case.passed)
    wrote = {one.member for one in case.state.findings.submissions[submission.task]}
    is_heard = member in asked and member not in wrote and not is_void
    return VerdictLink(
        seq=verdict.seq,
        member=member,
        check=verdict.said.check,
        outcome=verdict.said.outcome,
        counts=member == GATE or is_heard,
    )


def _holes(case: Case, task: Task, claim: Claim, chain: Chain) -> Iterator[str]:
    if not claim.evidence:
        yield codes.NO_EVIDENCE
    if any(link.problem for link in chain.evidence):
        yield codes.QUOTE
    if any(case.is_outside(one.source, task.contract) for one in claim.evidence):
        yield codes.OUTSIDE
    exact = [v for v in chain.verdicts if v.member == GATE and v.check != VERIFICATION]
    if not exact or any(v.outcome != "upheld" for v in exact):
        yield codes.NOT_GATED
    if _upheld_by(chain) < _needed(case):
        yield codes.NOT_VERIFIED
    if any(v.member == chain.producer for v in chain.verdicts):
        yield codes.OWN_JUDGE
    if chain.citations and any(not link.may_be_cited for link in chain.rulings):
        yield codes.STRUCK
    if chain.citations and _has_fallen(case, task, claim, chain):
        yield codes.FALLEN


def _has_fallen(case: Case, task: Task, claim: Claim, chain: Chain) -> bool:
    """Whether a decision that a claim or its finding rests on holds no more."""
    findings = case.state.findings.submissions[task.id]
    of_all = [p for s in findings if s.seq == chain.finding_seq for p in s.finding.relied_on]
    premises = (*claim.relied_on, *of_all)
    return any(case.state.decisions.fall_of(premise) is not None for premise in premises)


def _needed(case: Case) -> int:
    return case.spec.team.gate.upheld_needed if case.spec is not None else 1


def _upheld_by(chain: Chain) -> int:
    """How many verifiers uphold a claim with their last word."""
    last = {v.member: v.outcome for v in chain.verdicts if _is_vote(v)}
    return sum(outcome == "upheld" for outcome in last.values())


def _is_vote(verdict: VerdictLink) -> bool:
    return verdict.check == VERIFICATION and verdict.counts and verdict.member != GATE
