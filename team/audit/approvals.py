"""Where policy asks for a person's word, and it was not there before the act."""

from __future__ import annotations

from collections.abc import Iterator

from bus.ids import LEAD, PERSON
from bus.messages import (
    ApprovalAsked,
    ApprovalGiven,
    DecisionRecorded,
    DecisionRuled,
    ResultPublished,
    TaskOpened,
)
from team.audit.case import Case
from team.audit.limits import granted
from team.audit.report import Remark
from team.codes import limits as codes
from team.policy import Approvals
from team.rules.approvals import cut


def approval_breaches(case: Case) -> Iterator[Remark]:
    """Say what was done without the approval that policy demands."""
    if case.spec is None:
        return
    wanted = case.spec.team.approve
    if wanted.plan:
        yield from _plan(case)
    if wanted.result:
        yield from _result(case)
    yield from _areas(case, wanted)
    yield from _spending(case, wanted)


def _approved(case: Case, what: str, before: int) -> Iterator[ApprovalAsked]:
    """What a person was asked and has said yes to, before a record of the stream."""
    asked: dict[str, ApprovalAsked] = {}
    answered: set[str] = set()
    for record in case.records:
        if record.seq >= before or record.subject.kind != "approval":
            continue
        name, author = record.subject.names[0], record.subject.author
        match record.body:
            case ApprovalAsked() as question if author == LEAD:
                asked.setdefault(name, question)
            case ApprovalGiven(outcome=outcome) if author == PERSON and name not in answered:
                answered.add(name)  # only the first answer counts
                if name in asked and asked[name].what == what and outcome == "approved":
                    yield asked[name]
            case _:
                pass


def _plan(case: Case) -> Iterator[Remark]:
    for record in case.records:
        body = record.body
        is_lane = isinstance(body, TaskOpened) and body.purpose == "research"
        if is_lane and not any(_approved(case, "plan", record.seq)):
            what = f"{record.subject.names[0]} was put on the board, and nobody approved the plan"
            yield _remark(codes.APPROVE_PLAN, record.seq, record.subject.author, what)
            return


def _result(case: Case) -> Iterator[Remark]:
    for record in case.records:
        body = record.body
        if not isinstance(body, ResultPublished) or body.status not in ("admitted", "partial"):
            continue
        approved = [asked.text for asked in _approved(case, "result", record.seq)]
        if cut(body.text) not in approved:
            what = "the result was published, and nobody approved that text"
            yield _remark(codes.APPROVE_RESULT, record.seq, record.subject.author, what)


def _areas(case: Case, wanted: Approvals) -> Iterator[Remark]:
    for record in case.records:
        body, author = record.body, record.subject.author
        is_in_force = isinstance(body, DecisionRecorded) or (
            isinstance(body, DecisionRuled) and body.outcome != "withdrawn"
        )
        if is_in_force and record.subject.names[0] in wanted.areas and author != PERSON:
            name = "/".join(record.subject.names)
            what = f"it put {name} in force, where only a person rules"
            yield _remark(codes.APPROVE_AREA, record.seq, author, what)


def _spending(case: Case, wanted: Approvals) -> Iterator[Remark]:
    if wanted.over_dollars is None:
        return
    for one in granted(case):
        amounts = [a.usd or 0.0 for a in _approved(case, "spending", one.seq)]
        most = max([wanted.over_dollars, *amounts])
        if one.usd > most:
            what = f"${one.usd:.6f} were granted and spent together, approved were ${most:g}"
            yield _remark(codes.APPROVE_SPENDING, one.seq, "", what)
            return


def _remark(code: str, seq: int, member: str, what: str) -> Remark:
    return Remark(code=code, seqs=(seq,), member=member, what=what)
