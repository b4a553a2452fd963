"""What comes last: claims that contradict each other, then the answer, and what it lacks."""

from __future__ import annotations

from bus.ids import GATE
from bus.messages import TaskState
from team.rules.approvals import (
    is_waiting,
    refusals,
)
from team.rules.conflicts import (
    compared_by,
    comparison_of,
    may_be_ruled,
    standing,
    to_settle,
    unraised,
)
from team.rules.gate import (
    as_reason,
)
from team.rules.grants import why_not
from team.rules.lane_steps import VERIFICATION_ROUNDS_MAX, is_present, of_open
from team.rules.step_types import (
    AnyStep,
    Compare,
    Finish,
    RaiseConflicts,
    Recruit,
    Reopen,
    RuleConflict,
    Settle,
    Synthesize,
)
from team.rules.synthesis import admitted_claims, upheld_claims
from team.state import Conflict, RunState, Submission, Task


def of_end(state: RunState, *, is_late: bool) -> AnyStep | None:
    """Every lane is settled: conflicts, then the answer; nothing while somebody is waited for."""
    step = _of_conflicts(state, is_late=is_late)
    if step is not None:
        return step
    if not all(task.is_settled for task in state.board.of_purpose("compare")):
        return None
    if not admitted_claims(state):
        return Finish(status="rejected", reasons=missing_lanes(state))
    if is_waiting(state):
        return None
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
            number = task.round + 1
            return Reopen(task=task.id, round=number, reasons=task.reasons, not_by=task.not_by)
        case TaskState.failed:
            return Settle(task=task.id, state="failed", reasons=task.reasons)
        case TaskState.claimed if not is_present(state, task.holder):
            return Reopen(task=task.id, round=task.round, reasons=(), not_by=task.not_by)
        case TaskState.open:
            return _recruit_for(state, task) or of_open(state, task)
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
