"""Which claims lost a conflict, worked out from what was raised, judged and ruled.

A conflict is about the words that its claims had; one whose claim was changed since says
nothing. What nobody ruled on stands for neither, unless a ruling has struck one of the two.
"""

from __future__ import annotations

from collections.abc import Mapping

import msgspec

from bus.messages import Claim, ConflictRaised, FindingSubmitted
from team.audit.case import Case
from team.audit.report import RulingLink
from team.state.conflicts import Conflict

Claims = Mapping[str, Claim]
"""Claims of admitted findings, by `<task>.<claim>`."""


class Standing(msgspec.Struct, frozen=True, kw_only=True):
    """How one conflict stands, and which claims it strikes out."""

    conflict: Conflict
    state: str
    struck: frozenset[str]


def standings(case: Case, claims: Claims) -> tuple[Standing, ...]:
    """Every conflict between admitted claims that still say what they said."""
    here = [one for one in case.state.conflicts.all.values() if _is_current(case, one, claims)]
    ruled = [_standing(case, one) for one in here if one.ruling is not None]
    lost = frozenset(ref for one in ruled for ref in one.struck)
    others = [_standing(case, one) for one in here if one.ruling is None]
    moot = frozenset[str]()
    return (
        *ruled,
        *(
            msgspec.structs.replace(one, struck=moot) if lost & set(one.conflict.refs) else one
            for one in others
        ),
    )


def rulings_on(found: tuple[Standing, ...], ref: str) -> tuple[RulingLink, ...]:
    """The conflicts that one claim is part of."""
    return tuple(
        RulingLink(
            conflict=one.conflict.id,
            other=next(other for other in one.conflict.refs if other != ref),
            state=one.state,
            may_be_cited=ref not in one.struck,
        )
        for one in found
        if ref in one.conflict.refs and len(set(one.conflict.refs)) > 1
    )


def _standing(case: Case, conflict: Conflict) -> Standing:
    first, second = conflict.refs
    if conflict.ruling is not None:
        lost = {"first": (second,), "second": (first,), "both": (), "neither": (first, second)}
        struck = frozenset(lost[conflict.ruling.stands])
        return Standing(conflict=conflict, state="ruled", struck=struck)
    asked = {task.holder for task in case.state.board.of_purpose("compare")}
    said = [judged.outcome for author, judged in conflict.judgements if author in asked]
    if not conflict.raised.is_certain and said and said[-1] == "compatible":
        return Standing(conflict=conflict, state="compatible", struck=frozenset())
    is_open = conflict.raised.is_certain or bool(said)
    state = "open" if is_open else "raised"
    return Standing(conflict=conflict, state=state, struck=frozenset((first, second)))


def _is_current(case: Case, conflict: Conflict, claims: Claims) -> bool:
    raised = next((r.seq for r in case.records if _raises(r.body, conflict)), 0)
    return all(
        ref in claims and _said_then(case, ref, raised) in (None, _said(claims[ref]))
        for ref in conflict.refs
    )


def _raises(body: object, conflict: Conflict) -> bool:
    return isinstance(body, ConflictRaised) and body is conflict.raised


def _said_then(case: Case, ref: str, seq: int) -> tuple[object, ...] | None:
    """What a claim said when a conflict was raised; nothing if there was no such claim."""
    task, _, name = ref.partition(".")
    said = [
        claim
        for record in case.records
        if record.seq < seq
        and isinstance(record.body, FindingSubmitted)
        and record.subject.names[0] == task
        for claim in record.body.claims
        if claim.id == name
    ]
    return _said(said[-1]) if said else None


def _said(claim: Claim) -> tuple[object, ...]:
    return claim.text, claim.facts
