"""Whether a step that grants something can be paid, or has to be asked for, or ends its task."""

from __future__ import annotations

from bus.messages import TaskState
from team.codes.limits import RUN_DOLLARS
from team.rules.approvals import (
    next_amount,
    of_what,
)
from team.rules.grants import why_not
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
