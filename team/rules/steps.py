"""What the lead does next, from how the run stands: a pure function of the fold.

The lead has no state of its own to lose. Killed at any instant and started again,
it folds the stream, asks this module, and carries on.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

from bus.ids import GATE, LEAD
from bus.messages import PlanMade, TaskState
from team.codes.limits import RUN_DOLLARS
from team.rules.affording import afforded
from team.rules.approvals import (
    dollars_allowed,
    next_amount,
    of_what,
    plan_answer,
    refusals,
)
from team.rules.clock import began_at
from team.rules.disputes import areas_needed, next_ruling_at, ripe_dispute
from team.rules.end_steps import missing_lanes, of_end, rejected_findings
from team.rules.gate import barred_from
from team.rules.grants import lane_budgets, why_empty
from team.rules.lane_steps import VOID, free_members, is_present, of_lane, verifications_of
from team.rules.shortage import lead_stopped, no_plan, plan_context
from team.rules.step_types import (
    AnyStep,
    AskPerson,
    AskToWrapUp,
    CheckFinding,
    Compare,
    Dismiss,
    Dispatch,
    Finish,
    MakePlan,
    Offer,
    RaiseConflicts,
    Recruit,
    Reopen,
    Replace,
    Rule,
    RuleConflict,
    Settle,
    Synthesize,
    TellStuck,
    Verify,
    Wait,
    WidenWorld,
)
from team.rules.stuck_steps import of_stuck
from team.state import RunState, Task

__all__ = [
    "VOID",
    "WAIT_S",
    "AnyStep",
    "AskPerson",
    "AskToWrapUp",
    "CheckFinding",
    "Compare",
    "Dismiss",
    "Dispatch",
    "Finish",
    "MakePlan",
    "Offer",
    "RaiseConflicts",
    "Recruit",
    "Reopen",
    "Replace",
    "Rule",
    "RuleConflict",
    "Settle",
    "Synthesize",
    "TellStuck",
    "Verify",
    "Wait",
    "WidenWorld",
    "missing_lanes",
    "next_step",
    "rejected_findings",
    "verifications_of",
]

WRAP_UP_SHARE: Final = 0.8
"""Share of the run's wall time after which members are told to wrap up."""
WAIT_S: Final = 30.0
"""How long the lead waits at most before it looks again, in seconds."""


def next_step(state: RunState, now: float) -> AnyStep:
    """Say what the lead does next.

    Args:
        state: The fold of the lead's world; the run has been opened.
        now: Seconds since 1970.
    """
    assert state.spec is not None
    policy = state.spec.team.policy
    if state.result is not None:
        return Dismiss()
    if state.cancel_reason is not None:
        return Finish(status="cancelled", reasons=(state.cancel_reason,))
    began = began_at(state, now)
    ends_at = began + policy.run_seconds_max
    if state.triage is None and now > ends_at:
        reason = "the run's wall time was over before its lanes were dispatched"
        return Finish(status="rejected", reasons=(reason,))
    if state.triage is None:
        return _of_plan(state, now)
    first = of_stuck(state) or _of_decisions(state, now)
    if first is not None:
        return first
    lanes = state.board.of_purpose("research")
    step = _of_lanes(state, lanes, is_late=now > ends_at)
    if step is not None:
        return step
    wrap_up_at = began + policy.run_seconds_max * WRAP_UP_SHARE
    step = _recruit(state) or (_wrap_up(state) if now > wrap_up_at else None)
    if step is not None:
        return step
    ruling_at = next_ruling_at(state)
    if all(task.is_settled for task in lanes) and ruling_at is None:
        last = of_end(state, is_late=now > ends_at)
        last = afforded(state, last) if last is not None else None
        if last is not None:
            return last
    times = (wrap_up_at, ends_at, ruling_at or 0.0, now + WAIT_S)
    return Wait(until=min(at for at in times if at > now))


def _of_plan(state: RunState, now: float) -> AnyStep:
    """Plan, have the plan approved where policy asks for it, put it on the board."""
    assert state.spec is not None
    if state.plan is None:
        return _make_plan(state, now)
    match plan_answer(state):
        case "ask":
            return AskPerson(what="plan")
        case "wait":
            return Wait(until=now + WAIT_S)
        case "refused" if state.plan.round < state.spec.team.policy.plans_max:
            return _make_plan(state, now)
        case "refused":
            return Finish(status="rejected", reasons=refusals(state, "plan"))
        case _:
            return _of_money(state, now, is_needed=_lacks_money(state, state.plan)) or Dispatch()


def _make_plan(state: RunState, now: float) -> AnyStep:
    """Plan; ask for money first where there is none, or where a call of the plan was too dear."""
    stopped = lead_stopped(state, plan_context(state))
    is_needed = stopped is not None or dollars_allowed(state) == 0
    asked = _of_money(state, now, is_needed=is_needed)
    if asked is not None or stopped is None:
        return asked or MakePlan()
    said = (*refusals(state, "plan"), *refusals(state, "spending"))
    return Finish(status="rejected", reasons=(no_plan(stopped), *said))


def _of_money(state: RunState, now: float, *, is_needed: bool) -> AnyStep | None:
    """Ask a person for money, wait for the answer; nothing if none is needed or to be had."""
    if any(one.is_pending for one in of_what(state, "spending")):
        return Wait(until=now + WAIT_S)
    can_ask = is_needed and next_amount(state) is not None
    return AskPerson(what="spending") if can_ask else None


def _lacks_money(state: RunState, plan: PlanMade) -> bool:
    """Whether nothing of the run's dollars was left for a lane, and nothing was granted since."""
    planned = [task.opened.contract.budget for task in plan.tasks]
    return all(
        any(denied is not None and denied.code == RUN_DOLLARS for denied in map(why_empty, budgets))
        for budgets in (planned, lane_budgets(state, len(planned)))
    )


def _of_decisions(state: RunState, now: float) -> AnyStep | None:
    """A dispute that is ripe, or a member that must hear of more areas than it does."""
    dispute = ripe_dispute(state, now)
    if dispute is not None:
        return Rule(revision=dispute.seq)
    for seat in state.roster.present():
        lacking = set(areas_needed(state, seat.name)) - set(seat.areas)
        if seat.takes_mail and seat.name != LEAD and lacking:
            return WidenWorld(member=seat.name)
    return None


def _recruit(state: RunState) -> Recruit | Settle | None:
    """Fill the seats that open tasks need, within policy; not for ever, if they die."""
    assert state.spec is not None
    roles, policy = state.spec.team.roles, state.spec.team.policy
    open_lanes = [t for t in state.board.of_purpose("research") if not t.is_settled]
    if not open_lanes:
        return None
    workers = len(state.roster.present(roles.worker))
    wanted = max(len(open_lanes), workers + any(_lacks_fresh(state, t) for t in open_lanes))
    lacking_workers = min(wanted, policy.teammates_max) - workers
    verifiers = len(state.roster.present(roles.verifier))
    lacking_verifiers = max(
        state.spec.team.gate.verifiers - verifiers, any(_is_stuck(state, t) for t in open_lanes)
    )
    for seat, role, lacking in (
        ("worker", roles.worker, lacking_workers),
        ("verifier", roles.verifier, lacking_verifiers),
    ):
        lost = [s for s in state.roster.seats.values() if s.role == role and s.lost]
        if lacking > 0 and len(lost) > policy.restarts_max:
            ended = next((task for task in open_lanes if _is_without(state, task, role)), None)
            if ended is None:
                continue  # who is there can do all that there is
            reason = f"{len(lost)} members of role {role!r} were lost, last: {lost[-1].lost}"
            names = tuple(v.id for v in verifications_of(state, ended) if not v.is_settled)
            return Settle(task=ended.id, state="failed", reasons=(reason,), verifications=names)
        if lacking > 0:
            return Recruit(seat="worker" if seat == "worker" else "verifier", count=lacking)
    return None


def _is_without(state: RunState, task: Task, role: str) -> bool:
    """Whether a lane lacks somebody of a role, which workers and verifiers may both play."""
    assert state.spec is not None
    roles = state.spec.team.roles
    return (role == roles.worker and _is_without_worker(state, task)) or (
        role == roles.verifier and _is_without_verifier(state, task)
    )


def _is_stuck(state: RunState, task: Task) -> bool:
    """Whether a verification of a lane waits, and all who are there have a part in it already."""
    if task.state is not TaskState.submitted:
        return False
    verifications = [v for v in verifications_of(state, task) if not v.is_settled]
    for one in verifications:
        if one.state is not TaskState.open or is_present(state, one.offered_to):
            continue
        others = {v.offered_to for v in verifications if v.id != one.id}
        away = {*one.not_by, *others, *barred_from(state, task.id)}
        if all(seat.name in away for seat in state.roster.present(one.role)):
            return True
    return False


def _is_without_worker(state: RunState, task: Task) -> bool:
    """Whether a lane has lost who was to work on it, or has nobody left who may."""
    if task.state is TaskState.claimed:
        return not is_present(state, task.holder)
    if task.state is not TaskState.open or is_present(state, task.offered_to):
        return False
    seats = state.roster.seats
    last = seats.get(task.offered_to or task.holder or "")
    able = {seat.name for seat in state.roster.present(task.role)} - {*task.not_by}
    return not able or (last is not None and last.lost is not None)


def _is_without_verifier(state: RunState, task: Task) -> bool:
    """Whether a lane that has passed the exact checks waits for a verifier who is not there."""
    submission = state.findings.latest(task.id)
    if task.state is not TaskState.submitted or submission is None:
        return False
    verifications = verifications_of(state, task)
    if not verifications:
        return bool(submission.judged_by(GATE))
    return any(
        one.state is TaskState.open and not is_present(state, one.offered_to)
        for one in verifications
        if not one.is_settled
    )


def _lacks_fresh(state: RunState, task: Task) -> bool:
    """Whether a task is to go to somebody fresh, and all who are that have something to do."""
    is_free = task.state is TaskState.open and not is_present(state, task.offered_to)
    return is_free and bool(task.not_by) and not free_members(state, task)


def _wrap_up(state: RunState) -> AskToWrapUp | None:
    """The next member that works on a lane and was not told to wrap up."""
    for task in state.board.of_purpose("research"):
        holder = task.holder
        if task.state is TaskState.claimed and holder and holder not in state.told_to_wrap_up:
            return AskToWrapUp(member=holder)
    return None


def _of_lanes(state: RunState, lanes: Sequence[Task], *, is_late: bool) -> AnyStep | None:
    """The first thing to do for a lane, in the order of the plan."""
    found = (of_lane(state, task, is_late=is_late) for task in lanes)
    steps = (afforded(state, step) for step in found if step is not None)
    return next((step for step in steps if step is not None), None)
