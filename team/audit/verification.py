"""MAST's third family, how work is checked: ended too early, not verified, verified wrongly.

Definitions: Cemri et al., "Why do multi-agent LLM systems fail?", arXiv 2503.13657.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Final

from bus.ids import GATE
from team.audit.case import Case
from team.audit.looking import Seen, remark
from team.audit.report import Chain, Remark, Weight
from team.audit.trace import Event
from team.audit.verdicts import VERIFICATION
from team.codes import audit as codes

_CUT_SHORT: Final = ("the model stopped:", "not a clean answer")


def ends_too_early(seen: Seen) -> Iterator[Remark]:
    """3.1: a finding whose author looked at nothing; a transcript that was cut short."""
    for event in seen.trace:
        if event.kind == "closed" and event.is_error and event.text.startswith(_CUT_SHORT):
            what = f"{event.context}: it ended without an answer: {event.text}"
            yield remark("M3.1", [event.seq], event.agent, what)
    if seen.run is None:
        return
    for submission in seen.run.submissions.values():
        looked = [
            event
            for event in _looks(seen.run, submission.member, submission.task)
            if event.seq < submission.seq
        ]
        if submission.finding.claims and not looked:
            what = f"it submitted a finding for {submission.task} and had looked at no source"
            yield remark("M3.1", [submission.seq], submission.member, what)


def does_not_verify(seen: Seen) -> Iterator[Remark]:
    """3.2: something was changed and never tried; a verifier judged without looking."""
    changed = [event for event in seen.trace if event.effect == "writes"]
    checked = [event.seq for event in seen.trace if event.effect == "checks"]
    if changed and changed[-1].seq > max(checked, default=0):
        what = f"{changed[-1].tool} changed something, and nothing was tried after it"
        yield remark("M3.2", [changed[-1].seq], changed[-1].agent, what)
    if seen.run is None:
        return
    for judge in seen.run.judges:
        upheld = [
            verdict.seq
            for verdict in seen.run.verdicts.get(judge.finding_seq, ())
            if verdict.member == judge.member and verdict.said.outcome == "upheld"
        ]
        if upheld and not any(_looks(seen.run, judge.member, judge.task)):
            what = f"{judge.task}: it upheld {len(upheld)} claims and looked at no source"
            yield remark("M3.2", upheld, judge.member, what)


def verifies_wrongly(seen: Seen) -> Iterator[Remark]:
    """3.3: a planted claim was upheld, or one that is wrong for certain; verifiers disagree."""
    if seen.run is None:
        return
    yield from _passed(seen.run, seen.chains)
    for chain in seen.chains:
        upheld = [v for v in chain.verdicts if _is_vote(v.check, v.member)]
        upheld = [v for v in upheld if v.outcome == "upheld"]
        seqs = [v.seq for v in upheld]
        names = ", ".join(sorted({v.member for v in upheld}))
        if upheld and codes.QUOTE in chain.holes:
            what = f"claim {chain.ref} was upheld, and its quote does not stand"
            yield remark("M3.3", seqs, names, what, "breach")
        if upheld and any(not ruling.may_be_cited for ruling in chain.rulings):
            what = f"claim {chain.ref} was upheld, and lost a conflict"
            yield remark("M3.3", seqs, names, what)
    yield from _split(seen.run)


# --- parts ------------------------------------------------------------------------


def _looks(run: Case, member: str, task: str) -> Iterator[Event]:
    """Every look at a source that worked, in the transcripts of a task."""
    for event in run.trace:
        if event.agent != member or event.effect != "reads" or event.is_error:
            continue
        of = run.transcripts[event.agent, event.context].task
        if of is not None and of[0] == task:
            yield event


def _passed(run: Case, chains: tuple[Chain, ...]) -> Iterator[Remark]:
    """A breach where the finding was admitted and too few others had upheld it."""
    thin = {c.finding_seq for c in chains if codes.NOT_VERIFIED in c.holes}
    for passed in run.passed:
        weight: Weight = "breach" if passed.finding_seq in thin else "sign"
        what = (
            f"it upheld the planted claim {passed.claim!r}: its verdicts on that finding are void"
        )
        yield remark("M3.3", [passed.seq], passed.member, what, weight)


def _split(run: Case) -> Iterator[Remark]:
    """Verifiers that say different things of one claim."""
    for seq, submission in run.submissions.items():
        said = [v for v in run.verdicts.get(seq, ()) if _is_vote(v.said.check, v.member)]
        for claim in submission.finding.claims:
            words = [v for v in said if v.said.claim == claim.id]
            if {"upheld", "refuted"} <= {v.said.outcome for v in words}:
                what = f"verifiers disagree on claim {submission.task}.{claim.id}"
                yield remark("M3.3", [v.seq for v in words], "", what)


def _is_vote(check: str, member: str) -> bool:
    return check == VERIFICATION and member != GATE
