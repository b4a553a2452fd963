"""Whether a model call was not made for want of dollars, and a person was not asked since.

The contexts of the lead are named here: after each yes to money it begins a fresh one,
since one that has ended stays ended.
"""

from __future__ import annotations

from bus.ids import LEAD
from bus.messages import TaskState
from team.codes.limits import DOLLARS
from team.rules.approvals import of_what, refusals
from team.rules.limits import TOO_DEAR
from team.state import Approval, Refusal, RunState, Task


def plan_context(state: RunState) -> str:
    """In which context the lead makes its next plan."""
    number = 1 if state.plan is None else state.plan.round + 1
    yeses = len(_yeses(state))
    if yeses:
        return f"plan:{number}:{yeses + 1}"
    return "plan" if number == 1 else f"plan:{number}"


def synthesis_context(state: RunState) -> str:
    """In which context the lead writes the answer, from the claims that may be cited now."""
    heads = [task.head_seq for task in state.board.of_purpose("research")]
    heads += [conflict.head_seq for conflict in state.conflicts.all.values()]
    said_no, yeses = refusals(state, "result"), _yeses(state)
    context = f"synthesis:{max(heads)}"
    if said_no:
        context += f":{len(said_no) + 1}"
    return f"{context}:money-{len(yeses) + 1}" if yeses else context


def lead_stopped(state: RunState, context: str) -> str | None:
    """Why a call of the lead's was not made for want of dollars; nothing if it was not so."""
    found = _short_calls(state, LEAD, context)
    return found[-1].refused.reason if found else None


def no_plan(why: str) -> str:
    """What is missing from a run that has ended without a plan."""
    return f"the lead returned no usable plan: {why}"


def is_short(state: RunState, task: Task) -> bool:
    """Whether a task failed for want of dollars, and no person has granted more since."""
    if task.state is not TaskState.failed or task.holder is None:
        return False
    granted_at = max((one.head_seq for one in _yeses(state)), default=0)
    return any(one.seq > granted_at for one in _short_calls(state, task.holder, task.context))


def _short_calls(state: RunState, member: str, context: str) -> list[Refusal]:
    """Refusals that more money would have averted: not those of a price that is unknown."""
    return [
        one
        for one in state.refusals.all
        if one.member == member
        and one.refused.context == context
        and one.refused.code == DOLLARS
        and TOO_DEAR in one.refused.reason
    ]


def _yeses(state: RunState) -> list[Approval]:
    return [one for one in of_what(state, "spending") if one.is_approved]
