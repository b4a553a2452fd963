"""What comes next for one lane: offer, check, verify, open again, settle."""

from __future__ import annotations

from collections import Counter
from typing import Final, Literal

import msgspec

from bus.ids import GATE
from bus.messages import TaskState
from team.rules.approvals import (
    reserved_areas,
)
from team.rules.gate import (
    as_reason,
    barred_from,
    is_void,
    unverified_claims,
    verification_problems,
)
from team.rules.grants import why_empty
from team.rules.premises import CHECK as PREMISES
from team.rules.premises import awaits_ruling, fallen_premises, is_news, unseen_premises
from team.rules.step_types import (
    AnyStep,
    CheckFinding,
    Offer,
    Recruit,
    Reopen,
    Settle,
    Verify,
)
from team.state import RunState, Task

VERIFICATION_ROUNDS_MAX: Final = 2
VOID: Final = "a claim known to be false was upheld: it is judged anew"
"""Why a verification comes back when its verifier has let a canary pass."""


def of_lane(state: RunState, task: Task, *, is_late: bool) -> AnyStep | None:
    """What comes next for a lane; nothing while somebody works on it or is waited for."""
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
        case TaskState.claimed if not is_present(state, task.holder):
            reason = f"{task.holder} was lost while it worked on this"
            return Reopen(task=task.id, round=task.round, reasons=(reason,), not_by=task.not_by)
        case TaskState.open:
            return of_open(state, task)
        case _:
            return None


def of_open(state: RunState, task: Task) -> AnyStep | None:
    """Offer a task as soon as all that it depends on is admitted and a member is free."""
    empty = why_empty(task.contract.budget)
    if empty is not None:
        return Settle(task=task.id, state="failed", reasons=(empty.reason,), code=empty.code)
    failed = _failed_need(state, task)
    if failed is not None:
        return failed
    if _has_open_need(state, task):
        return None
    if is_present(state, task.offered_to):
        return None
    free = free_members(state, task)
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


def free_members(state: RunState, task: Task) -> list[str]:
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
            return of_open(state, verification)
        if verification.state is TaskState.claimed:
            if is_present(state, verification.holder):
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


def is_present(state: RunState, member: str | None) -> bool:
    """Whether a member of that name has a seat that it neither left nor lost."""
    seat = state.roster.seats.get(member or "")
    return seat is not None and seat.is_in
