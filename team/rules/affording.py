"""Whether a step that grants something can be paid, or has to be asked for, or ends its task."""

from __future__ import annotations

import msgspec

from bus.messages import PlanMade, PlannedTask, TaskState
from team.codes.limits import RUN_DOLLARS
from team.rules.approvals import (
    dollars_allowed,
    next_amount,
    of_what,
)
from team.rules.grants import lane_budgets, why_empty, why_not
from team.rules.shortage import is_short, lead_stopped, synthesis_context
from team.rules.step_types import (
    AnyStep,
    AskPerson,
    Reopen,
    Settle,
    Synthesize,
    Verify,
)
from team.state import RunState


def afforded(state: RunState, step: AnyStep) -> AnyStep | None:
    """A step that grants something, or the end of its task if nothing is left to grant.

    Where a person may grant more, the person is asked first; nothing while it is waited for.
    So it is before a task is opened again, or an answer written, that a call was too dear for.
    """
    match step:
        case Synthesize():
            stopped = lead_stopped(state, synthesis_context(state))
            return _asked(state, step) if stopped is not None else step
        case Reopen(task=name):
            again = state.board.tasks[name]
            if is_short(state, again) and (asked := _asked(state, step)) is not step:
                return asked
            denied = why_not(state, again.purpose, again=again)
        case Verify(task=name):
            assert state.spec is not None
            denied = why_not(state, "verify", now=state.spec.team.gate.verifiers)
        case _:
            return step
    if denied is None:
        return step
    if denied.code == RUN_DOLLARS and (asked := _asked(state, step)) is not step:
        return asked
    task = state.board.tasks[name]
    return Settle(
        task=name,
        state="rejected" if task.state is TaskState.admitted else "failed",
        reasons=(denied.reason, *getattr(step, "reasons", ())),
        verifications=getattr(step, "verifications", ()),
        code=denied.code,
    )


def _asked(state: RunState, step: AnyStep) -> AnyStep | None:
    """An ask for money, nothing while one is waited for; the step itself if none is to be had."""
    if any(one.is_pending for one in of_what(state, "spending")):
        return None
    return AskPerson(what="spending") if next_amount(state) is not None else step


def sliced(
    state: RunState, plan: PlanMade, turns_max: int | None
) -> tuple[tuple[PlannedTask, ...], tuple[str, ...]]:
    """A plan's tasks as they are dispatched, and the reasons of its ruling.

    Where nothing was left for a lane, all are sliced anew within what a person has approved
    since, and that is one more reason: the person may have seen the plan with other slices.
    """
    planned = [task.opened.contract.budget for task in plan.tasks]
    if all(why_empty(budget) is None for budget in planned):
        return plan.tasks, plan.reasons
    budgets = lane_budgets(state, len(planned), turns_max)
    if list(budgets) == planned:
        return plan.tasks, plan.reasons
    change = msgspec.structs.replace
    tasks = tuple(
        change(
            task,
            opened=change(task.opened, contract=change(task.opened.contract, budget=budget)),
        )
        for task, budget in zip(plan.tasks, budgets, strict=True)
    )
    allowed = dollars_allowed(state)
    within = "what is left of the run" if allowed is None else f"the ${allowed:.2f} allowed"
    return tasks, (*plan.reasons, f"the lanes' slices were cut anew within {within}")
