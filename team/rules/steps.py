"""What the lead does next, from how the run stands: a pure function of the fold.

The lead has no state of its own to lose. Killed at any instant and started again,
it folds the stream, asks this module, and carries on.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from typing import Final, Literal

import msgspec

from bus.ids import GATE, LEAD
from bus.messages import PlanMade, TaskState
from team.codes.limits import RUN_DOLLARS
from team.rules.approvals import (
    dollars_allowed,
    is_waiting,
    next_amount,
    of_what,
    plan_answer,
    refusals,
    reserved_areas,
)
from team.rules.clock import began_at
from team.rules.conflicts import (
    compared_by,
    comparison_of,
    may_be_ruled,
    standing,
    to_settle,
    unraised,
)
from team.rules.disputes import areas_needed, next_ruling_at, ripe_dispute
from team.rules.gate import (
    as_reason,
    barred_from,
    is_void,
    unverified_claims,
    verification_problems,
)
from team.rules.grants import lane_budgets, why_empty, why_not
from team.rules.premises import CHECK as PREMISES
from team.rules.premises import awaits_ruling, fallen_premises, is_news, unseen_premises
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
    Rule,
    RuleConflict,
    Settle,
    Synthesize,
    Verify,
    Wait,
    WidenWorld,
)
from team.rules.synthesis import admitted_claims, upheld_claims
from team.state import Conflict, RunState, Submission, Task

__all__ = [
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
    "Rule",
    "RuleConflict",
    "Settle",
    "Synthesize",
    "Verify",
    "Wait",
    "WidenWorld",
    "missing_lanes",
    "next_step",
    "rejected_findings",
    "verifications_of",
]

VERIFICATION_ROUNDS_MAX: Final = 2
VOID: Final = "a claim known to be false was upheld: it is judged anew"
"""Why a verification comes back when its verifier has let a canary pass."""
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
    if state.triage is None:
        return _of_plan(state, now)
    began = began_at(state, now)
    ends_at = began + policy.run_seconds_max
    dispute = _of_decisions(state, now)
    if dispute is not None:
        return dispute
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
        last = _of_end(state, now, is_late=now > ends_at)
        last = _afforded(state, last) if last is not None else None
        if last is not None:
            return last
    times = (wrap_up_at, ends_at, ruling_at or 0.0, now + WAIT_S)
    return Wait(until=min(at for at in times if at > now))


def _of_plan(state: RunState, now: float) -> AnyStep:
    """Plan, have the plan approved where policy asks for it, put it on the board."""
    assert state.spec is not None
    if state.plan is None:
        return _of_money(state, now, is_needed=dollars_allowed(state) == 0) or MakePlan()
    match plan_answer(state):
        case "ask":
            return AskPerson(what="plan")
        case "wait":
            return Wait(until=now + WAIT_S)
        case "refused" if state.plan.round < state.spec.team.policy.plans_max:
            return MakePlan()
        case "refused":
            return Finish(status="rejected", reasons=refusals(state, "plan"))
        case _:
            return _of_money(state, now, is_needed=_lacks_money(state, state.plan)) or Dispatch()


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


def missing_lanes(state: RunState) -> tuple[str, ...]:
    """What the result lacks: each lane of which nothing may be cited, with the reasons."""
    struck = {claim.task for claim in upheld_claims(state)}
    struck -= {claim.task for claim in admitted_claims(state)}
    found: list[str] = []
    for task in state.board.of_purpose("research"):
        if task.is_settled and task.state is not TaskState.admitted:
            why = "; ".join(task.reasons) or "no reason was given"
            found.append(f"{task.title}: {task.state.value}: {why}")
        elif task.id in struck:
            found.append(f"{task.title}: struck out: each of its claims contradicts another lane's")
    return tuple(found)


def rejected_findings(state: RunState) -> tuple[str, ...]:
    """Findings that the gate refused, with the reasons; not what enough verifiers upheld."""
    return tuple(
        f"{submission.member} on {task}, round {submission.finding.round}: "
        + "; ".join(as_reason(judgement) for judgement in submission.objections)
        for task, submissions in state.findings.submissions.items()
        for submission in submissions
        if submission.objections and not _is_admitted(state, submission)
    )


def _is_admitted(state: RunState, submission: Submission) -> bool:
    task = state.board.tasks.get(submission.task)
    is_task_admitted = task is not None and task.state is TaskState.admitted
    return is_task_admitted and submission == state.findings.upheld_by(GATE, submission.task)


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


def _of_end(state: RunState, now: float, *, is_late: bool) -> AnyStep | None:
    """Every lane is settled: conflicts, then the answer; nothing while claims are compared."""
    step = _of_conflicts(state, is_late=is_late)
    if step is not None:
        return step
    if not all(task.is_settled for task in state.board.of_purpose("compare")):
        return None
    if not admitted_claims(state):
        return Finish(status="rejected", reasons=missing_lanes(state))
    if is_waiting(state):
        return Wait(until=now + WAIT_S)
    assert state.spec is not None
    said = refusals(state, "result")
    if len(said) >= state.spec.team.policy.rounds_max:
        return Finish(status="rejected", reasons=(*missing_lanes(state), *said))
    return Synthesize()


def _of_conflicts(state: RunState, *, is_late: bool) -> AnyStep | None:
    """Find claims that contradict each other, have them compared, rule; nothing left: nothing.

    A search that fails ends the run: what was not compared is not written into an answer.
    """
    claims = {one.ref: one.claim for one in upheld_claims(state)}
    try:
        found = unraised(state, claims)
    except Exception as error:
        reason = f"G303: the search for claims that contradict each other failed: {error!r}"
        return Finish(status="rejected", reasons=(reason,))
    if found:
        return RaiseConflicts(pairs=found)
    open_ones = [] if is_late else to_settle(state, claims)
    step = _unasked(state, {one.id for one in open_ones}, is_late=is_late)
    if step is not None:
        return step
    steps = (_of_conflict(state, conflict) for conflict in open_ones)
    return next((one for one in steps if one is not None), None)


def _unasked(state: RunState, asked: set[str], *, is_late: bool) -> Settle | None:
    """Close the comparison of a conflict that has nothing left to be settled."""
    for task in state.board.of_purpose("compare"):
        if task.is_settled or compared_by(task.id) in asked:
            continue
        if task.state is TaskState.submitted:
            return Settle(task=task.id, state="admitted")
        reason = "the run's wall time is over" if is_late else "nothing is left to compare"
        return Settle(task=task.id, state="failed", reasons=(reason,))
    return None


def _of_conflict(state: RunState, conflict: Conflict) -> AnyStep | None:
    """What comes next for a conflict: a comparison, a ruling, or nothing while one is made."""
    task = comparison_of(state, conflict)
    if task is not None and not task.is_settled:
        return _of_comparison(state, task)
    if standing(state, conflict) == "raised" and why_not(state, "compare") is None:
        return Compare(conflict=conflict.id)
    return RuleConflict(conflict=conflict.id) if may_be_ruled(state) else None


def _of_comparison(state: RunState, task: Task) -> AnyStep | None:
    """The next step of a comparison; one that fails too often is settled, and counts as unsure."""
    match task.state:
        case TaskState.submitted:
            return Settle(task=task.id, state="admitted")
        case TaskState.failed if task.round < VERIFICATION_ROUNDS_MAX:
            return Reopen(task=task.id, round=task.round + 1, reasons=task.reasons)
        case TaskState.failed:
            return Settle(task=task.id, state="failed", reasons=task.reasons)
        case TaskState.claimed if not _is_present(state, task.holder):
            return Reopen(task=task.id, round=task.round, reasons=())
        case TaskState.open:
            return _recruit_for(state, task) or _of_open(state, task)
        case _:
            return None


def _recruit_for(state: RunState, task: Task) -> Recruit | Settle | None:
    """A verifier for a comparison if none is left; not for ever, if they die."""
    assert state.spec is not None
    role = state.spec.team.roles.verifier
    if state.roster.present(role):
        return None
    lost = [seat for seat in state.roster.seats.values() if seat.role == role and seat.lost]
    if len(lost) > state.spec.team.policy.restarts_max:
        reason = f"{len(lost)} members of role {role!r} were lost, last: {lost[-1].lost}"
        return Settle(task=task.id, state="failed", reasons=(reason,))
    return Recruit(seat="verifier", count=1)


def _afforded(state: RunState, step: AnyStep) -> AnyStep | None:
    """A step that grants something, or the end of its task if nothing is left to grant.

    Where a person may grant more, the person is asked first; nothing while it is waited for.
    """
    match step:
        case Reopen(task=name):
            again = state.board.tasks[name]
            denied = why_not(state, again.purpose, again=again)
        case Verify(task=name):
            assert state.spec is not None
            denied = why_not(state, "verify", now=state.spec.team.gate.verifiers)
        case _:
            return step
    if denied is None:
        return step
    if denied.code == RUN_DOLLARS:
        if any(one.is_pending for one in of_what(state, "spending")):
            return None
        if next_amount(state) is not None:
            return AskPerson(what="spending")
    task = state.board.tasks[name]
    return Settle(
        task=name,
        state="rejected" if task.state is TaskState.admitted else "failed",
        reasons=(denied.reason, *getattr(step, "reasons", ())),
        verifications=getattr(step, "verifications", ()),
        code=denied.code,
    )


def _of_lanes(state: RunState, lanes: Sequence[Task], *, is_late: bool) -> AnyStep | None:
    """The first thing to do for a lane, in the order of the plan."""
    found = (_of_lane(state, task, is_late=is_late) for task in lanes)
    afforded = (_afforded(state, step) for step in found if step is not None)
    return next((step for step in afforded if step is not None), None)


def _of_lane(state: RunState, task: Task, *, is_late: bool) -> AnyStep | None:
    if task.is_settled:
        return _of_admitted(state, task, is_late=is_late)
    if is_late:
        open_ones = tuple(v.id for v in verifications_of(state, task) if not v.is_settled)
        reasons = ("the run's wall time is over",)
        return Settle(task=task.id, state="failed", reasons=reasons, verifications=open_ones)
    match task.state:
        case TaskState.submitted:
            return _of_submitted(state, task)
        case TaskState.failed:
            return _again_or(state, task, "failed", task.reasons)
        case TaskState.claimed if not _is_present(state, task.holder):
            reason = f"{task.holder} was lost while it worked on this"
            return Reopen(task=task.id, round=task.round, reasons=(reason,), not_by=task.not_by)
        case TaskState.open:
            return _of_open(state, task)
        case _:
            return None


def _of_open(state: RunState, task: Task) -> AnyStep | None:
    """Offer a task as soon as all that it depends on is admitted and a member is free."""
    empty = why_empty(task.contract.budget)
    if empty is not None:
        return Settle(task=task.id, state="failed", reasons=(empty.reason,), code=empty.code)
    failed = _failed_need(state, task)
    if failed is not None:
        return failed
    if _has_open_need(state, task):
        return None
    if _is_present(state, task.offered_to):
        return None
    free = _free_members(state, task)
    return Offer(task=task.id, member=free[0]) if free else None


def _failed_need(state: RunState, task: Task) -> Settle | None:
    """The end of a task that depends on one which was not admitted."""
    for needed in task.depends_on:
        other = state.board.tasks.get(needed)
        if other is None or (other.is_settled and other.state is not TaskState.admitted):
            reason = f"it depends on {needed}, which was not admitted"
            open_ones = tuple(v.id for v in verifications_of(state, task) if not v.is_settled)
            return Settle(task=task.id, state="failed", reasons=(reason,), verifications=open_ones)
    return None


def _has_open_need(state: RunState, task: Task) -> bool:
    """Whether something that a task depends on is still, or again, worked on."""
    needs = [state.board.tasks[needed] for needed in task.depends_on]
    return any(not other.is_settled for other in needs)


def _free_members(state: RunState, task: Task) -> list[str]:
    """Members of the task's role that have nothing to do and have not judged its finding.

    Who has had the fewest tasks comes first: another pair of eyes for what depends on
    another's finding. So does, for a verification that is made anew, anybody but who made it.
    """
    busy = {
        other.offered_to
        for other in state.board.tasks.values()
        if not other.is_settled
        and (other.state in (TaskState.open, TaskState.claimed) or _is_sibling(other, task))
    }
    had = Counter(other.holder for other in state.board.tasks.values())
    away = busy | {*task.not_by}
    if task.purpose == "verify":
        away |= barred_from(state, task.subject_task or "")
    free = [seat.name for seat in state.roster.present(task.role) if seat.name not in away]
    return sorted(free, key=lambda name: (name == task.holder, had[name]))


def _is_sibling(other: Task, task: Task) -> bool:
    """Whether both judge the same finding."""
    return task.subject_seq is not None and other.subject_seq == task.subject_seq


def _of_submitted(state: RunState, task: Task) -> AnyStep | None:
    submission = state.findings.latest(task.id)
    if submission is None:
        return _again_or(state, task, "failed", ("it was submitted without a finding",))
    failed = _failed_need(state, task)
    if failed is not None:
        return failed
    reserved = reserved_areas(state)
    if _has_open_need(state, task) or awaits_ruling(state.decisions, submission.finding, reserved):
        return None
    exact = submission.judged_by(GATE)
    if not exact or is_news(state.decisions, submission, GATE):
        return CheckFinding(task=task.id)
    refused = tuple(as_reason(judgement) for judgement in exact if judgement.outcome != "upheld")
    verifications = verifications_of(state, task)
    if refused:
        open_ones = tuple(v.id for v in verifications if not v.is_settled)
        step = _again_or(state, task, "rejected", refused)
        return msgspec.structs.replace(step, verifications=open_ones)
    if not verifications and not unverified_claims(submission):
        return Settle(task=task.id, state="admitted")
    if not verifications:
        return _of_checked(state, task)
    return _of_verified(state, task, verifications)


def _of_checked(state: RunState, task: Task) -> Verify | Recruit | Settle | None:
    """Verify once there are enough verifiers who had no part in the finding."""
    assert state.spec is not None
    role, needed = state.spec.team.roles.verifier, state.spec.team.gate.verifiers
    present = {seat.name for seat in state.roster.present(role)}
    free = present - barred_from(state, task.id)
    if len(free) >= needed:
        return Verify(task=task.id)
    if len(present) < needed:
        return None
    # Where workers and verifiers play one role, those who are there may all be barred.
    lost = [seat for seat in state.roster.seats.values() if seat.role == role and seat.lost]
    if len(lost) > state.spec.team.policy.restarts_max:
        reason = f"{len(lost)} members of role {role!r} were lost, and nobody else may judge it"
        return Settle(task=task.id, state="failed", reasons=(reason,))
    return Recruit(seat="verifier", count=needed - len(free))


def _of_admitted(state: RunState, task: Task, *, is_late: bool) -> AnyStep | None:
    """An admitted finding is admitted no longer when a decision that it rests on has fallen."""
    submission = state.findings.latest(task.id)
    if task.state is not TaskState.admitted or submission is None:
        return None
    if is_news(state.decisions, submission, GATE):
        return CheckFinding(task=task.id)
    reasons = tuple(as_reason(j) for j in fallen_premises(state.decisions, submission.finding))
    if reasons and is_late:
        return Settle(task=task.id, state="rejected", reasons=reasons)
    return _again_or(state, task, "rejected", reasons) if reasons else None


def verifications_of(state: RunState, task: Task) -> list[Task]:
    """The verification tasks of a task's present round."""
    prefix = f"v-{task.id}-{task.round}-"
    return [t for t in state.board.of_purpose("verify") if t.id.startswith(prefix)]


def _of_verified(state: RunState, task: Task, verifications: list[Task]) -> AnyStep | None:
    for verification in verifications:
        if verification.is_settled:
            continue
        if verification.state is TaskState.failed and verification.round < VERIFICATION_ROUNDS_MAX:
            return Reopen(
                task=verification.id, round=verification.round + 1, reasons=verification.reasons
            )
        if verification.state is TaskState.open:
            return _of_open(state, verification)
        if verification.state is TaskState.claimed:
            if _is_present(state, verification.holder):
                return None
            return Reopen(task=verification.id, round=verification.round, reasons=())
        if is_void(state, verification) and verification.round < VERIFICATION_ROUNDS_MAX:
            again = verification.round + 1
            return Reopen(task=verification.id, round=again, reasons=(VOID,))
    submission = state.findings.latest(task.id)
    assert submission is not None
    names = tuple(v.id for v in verifications if not v.is_settled)
    verifiers = tuple(
        v.holder if v.state is TaskState.submitted and v.holder else f"the verifier of {v.id}"
        for v in verifications
    )
    assert state.spec is not None
    needed, barred = state.spec.team.gate.upheld_needed, barred_from(state, task.id)
    problems = verification_problems(submission, verifiers, needed, barred)
    if not problems:
        return Settle(task=task.id, state="admitted", verifications=names)
    step = _again_or(state, task, "rejected", tuple(as_reason(p) for p in problems))
    return msgspec.structs.replace(step, verifications=names)


def _again_or(
    state: RunState, task: Task, end: Literal["rejected", "failed"], reasons: tuple[str, ...]
) -> Reopen | Settle:
    """One more round if policy has one left, for somebody fresh in the end, else the end.

    Rounds that were lost to a fallen decision alone are not the producer's fault.
    """
    assert state.spec is not None
    policy, decisions = state.spec.team.policy, state.spec.team.decisions
    excused = min(_rounds_lost_to_decisions(state, task), decisions.revisions_max)
    own_rounds = policy.rounds_max + excused
    if task.round < own_rounds:
        return Reopen(task=task.id, round=task.round + 1, reasons=reasons, not_by=task.not_by)
    fresh = _fresh_for(state, task)
    if fresh and task.round < own_rounds + policy.fresh_rounds_max:
        number = task.round + 1
        return Reopen(task=task.id, round=number, reasons=reasons, not_by=task.producers)
    return Settle(task=task.id, state=end, reasons=reasons)


def _fresh_for(state: RunState, task: Task) -> bool:
    """Whether somebody who has not worked on a task is there, or can be recruited."""
    assert state.spec is not None
    present = {seat.name for seat in state.roster.present(task.role)}
    has_room = len(present) < state.spec.team.policy.teammates_max
    return has_room or bool(present - {*task.producers})


def _rounds_lost_to_decisions(state: RunState, task: Task) -> int:
    """How many findings of a task were refused for nothing but fallen decisions."""
    return sum(
        {j.check for j in submission.objections} == {PREMISES}
        and not unseen_premises(submission.finding)
        for submission in state.findings.submissions.get(task.id, [])
    )


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
    lacking_verifiers = state.spec.team.gate.verifiers - len(state.roster.present(roles.verifier))
    for seat, role, lacking in (
        ("worker", roles.worker, lacking_workers),
        ("verifier", roles.verifier, lacking_verifiers),
    ):
        lost = [s for s in state.roster.seats.values() if s.role == role and s.lost]
        if lacking > 0 and len(lost) > policy.restarts_max:
            reason = f"{len(lost)} members of role {role!r} were lost, last: {lost[-1].lost}"
            return Settle(task=open_lanes[0].id, state="failed", reasons=(reason,))
        if lacking > 0:
            return Recruit(seat="worker" if seat == "worker" else "verifier", count=lacking)
    return None


def _lacks_fresh(state: RunState, task: Task) -> bool:
    """Whether a task is to go to somebody fresh, and all who are that have something to do."""
    is_free = task.state is TaskState.open and not _is_present(state, task.offered_to)
    return is_free and bool(task.not_by) and not _free_members(state, task)


def _wrap_up(state: RunState) -> AskToWrapUp | None:
    """The next member that works on a lane and was not told to wrap up."""
    for task in state.board.of_purpose("research"):
        holder = task.holder
        if task.state is TaskState.claimed and holder and holder not in state.told_to_wrap_up:
            return AskToWrapUp(member=holder)
    return None


def _is_present(state: RunState, member: str | None) -> bool:
    seat = state.roster.seats.get(member or "")
    return seat is not None and seat.is_in
