"""A person answers what a run waits for: the plan, money, the result, a decision."""

from __future__ import annotations

from typing import Final, Literal

import msgspec

from bus.errors import ConflictError
from bus.ids import PERSON
from bus.messages import ApprovalGiven
from bus.run_stream import Entry, RunStream
from bus.subjects import approval as approval_subject
from team.errors import StateError
from team.rules.approvals import Awaited, awaited
from team.runtime import person
from team.state import RunState

Answer = Literal["approved", "rejected"]
UPHELD_REASON: Final = "a person has approved it"


class Answered(msgspec.Struct, frozen=True, kw_only=True):
    """What was answered, and as which message it was stored."""

    id: str
    what: str
    outcome: Answer
    seq: int


async def answer(
    stream: RunStream, state: RunState, name: str | None, outcome: Answer, reason: str
) -> Answered:
    """Say yes or no to what a run waits for; the first answer is the only one.

    Args:
        stream: The run's.
        state: The fold of all of it.
        name: What is answered; none: the only thing that it waits for.
        outcome: Yes or no.
        reason: Why; the lead is told of it.

    Raises:
        StateError: It waits for nothing of that name, for several things, or somebody
            was first.
    """
    one = _chosen(stream.run, state, name)
    if one.what == "decision":
        ruling: Literal["upheld", "withdrawn"] = "upheld" if outcome == "approved" else "withdrawn"
        why = reason or UPHELD_REASON
        acted = await person.rule(stream, person.parse_name(one.id), ruling, why)
        return Answered(id=one.id, what=one.what, outcome=outcome, seq=acted.seq)
    body = ApprovalGiven(outcome=outcome, reason=reason)
    subject = approval_subject(stream.run, one.id, PERSON)
    expect = state.approvals.all[one.id].head_seq
    try:
        seq = await stream.append(Entry(subject=subject, body=body, expect=expect))
    except ConflictError as error:
        fix = f"look: team show {stream.run}"
        raise StateError(stream.run, f"{one.id} was answered meanwhile", fix) from error
    return Answered(id=one.id, what=one.what, outcome=outcome, seq=seq)


def _chosen(run: str, state: RunState, name: str | None) -> Awaited:
    """What is meant, of all that the run waits for."""
    there = awaited(state)
    names = ", ".join(one.id for one in there)
    if state.result is not None:
        raise StateError(run, f"it has ended: {state.result.status}", "nothing is left to answer")
    if not there and name not in state.approvals.all:
        raise StateError(run, "it waits for nobody", "nothing is left to answer")
    if name is None and len(there) > 1:
        raise StateError(run, "it waits for several answers", f"name one of: {names}")
    if name is None:
        return there[0]
    found = next((one for one in there if one.id == name), None)
    was = state.approvals.all.get(name or "")
    if found is None and was is not None and was.answer is not None:
        reason = f"{name} was {was.answer.outcome} already"
        raise StateError(run, reason, "the first answer counts")
    if found is None:
        raise StateError(run, f"it does not wait for {name!r}", f"it waits for: {names}")
    return found
