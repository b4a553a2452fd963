"""What the lead does next, from how the run stands: a pure function of the fold.

The lead has no state of its own to lose. Killed at any instant and started again,
it folds the stream, asks this module, and carries on.
"""

from __future__ import annotations

from collections import Counter
from typing import Final, Literal

import msgspec

from bus.ids import GATE, LEAD
from bus.messages import TaskState
from team.rules.disputes import areas_needed, next_ruling_at, ripe_dispute
from team.rules.gate import as_reason, unverified_claims, verification_problems
from team.rules.grants import why_empty, why_not
from team.rules.premises import CHECK as PREMISES
from team.rules.premises import awaits_ruling, fallen_premises, is_news, unseen_premises
from team.state import RunState, Task

VERIFICATION_ROUNDS_MAX: Final = 2
WRAP_UP_SHARE: Final = 0.8
"""Share of the run's wall time after which members are told to wrap up."""
WAIT_S: Final = 30.0
"""How long the lead waits at most before it looks again, in seconds."""


class Step(msgspec.Struct, frozen=True, kw_only=True, tag=True):
    """One thing for the lead to do."""


class MakePlan(Step, frozen=True, kw_only=True):
    """Propose lanes, have them triaged, put tasks on the board, recruit."""


class Recruit(Step, frozen=True, kw_only=True):
    """Fill seats of one kind."""

    seat: Literal["worker", "verifier"]
    count: int


class CheckFinding(Step, frozen=True, kw_only=True):
    """Run the exact checks on the newest finding of a task."""

    task: str


class Verify(Step, frozen=True, kw_only=True):
    """Put the finding of a task before fresh-context verifiers."""

    task: str


class Reopen(Step, frozen=True, kw_only=True):
    """Put a task back on the board; a higher round if it was answered already."""

    task: str
    round: int
    reasons: tuple[str, ...]
    verifications: tuple[str, ...] = ()


class Rule(Step, frozen=True, kw_only=True):
    """Rule on a decision that is disputed, or only proposed."""

    revision: int


class WidenWorld(Step, frozen=True, kw_only=True):
    """Let a member hear of decision areas beyond its contract that it has a part in."""

    member: str


class Offer(Step, frozen=True, kw_only=True):
    """Let a member that is free claim an open task: widen its world to it first."""

    task: str
    member: str


class AskToWrapUp(Step, frozen=True, kw_only=True):
    """Tell a member to return what it has, while there is time to judge it."""

    member: str


class Settle(Step, frozen=True, kw_only=True):
    """Close a task for good, with the verifications that belong to it.

    The code is that of the limit which ends it, if one does.
    """

    task: str
    state: Literal["admitted", "rejected", "failed", "cancelled"]
    reasons: tuple[str, ...] = ()
    verifications: tuple[str, ...] = ()
    code: str = ""


class Synthesize(Step, frozen=True, kw_only=True):
    """Write the answer from the admitted findings."""


class Finish(Step, frozen=True, kw_only=True):
    """End the run without a synthesis."""

    status: Literal["rejected", "cancelled"]
    reasons: tuple[str, ...]


class Dismiss(Step, frozen=True, kw_only=True):
    """The result is published: tell everyone to leave."""


class Wait(Step, frozen=True, kw_only=True):
    """Nothing to do until something comes, or until a time (seconds since 1970)."""

    until: float


AnyStep = (
    MakePlan
    | Recruit
    | CheckFinding
    | Verify
    | Reopen
    | Rule
    | WidenWorld
    | Offer
    | AskToWrapUp
    | Settle
    | Synthesize
    | Finish
    | Dismiss
    | Wait
)


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
        return MakePlan()
    ends_at = state.opened_at + policy.run_seconds_max
    dispute = _of_decisions(state, now)
    if dispute is not None:
        return dispute
    lanes = state.board.of_purpose("research")
    for task in lanes:
        step = _of_lane(state, task, is_late=now > ends_at)
        if step is not None:
            return _afforded(state, step)
    wrap_up_at = state.opened_at + policy.run_seconds_max * WRAP_UP_SHARE
    step = _recruit(state) or (_wrap_up(state) if now > wrap_up_at else None)
    if step is not None:
        return step
    ruling_at = next_ruling_at(state)
    if all(task.is_settled for task in lanes) and ruling_at is None:
        if any(task.state is TaskState.admitted for task in lanes):
            return Synthesize()
        return Finish(status="rejected", reasons=missing_lanes(state))
    times = (wrap_up_at, ends_at, ruling_at or 0.0, now + WAIT_S)
    return Wait(until=min(at for at in times if at > now))


def missing_lanes(state: RunState) -> tuple[str, ...]:
    """What the result lacks: each lane that was not admitted, with the reasons."""
    return tuple(
        f"{task.title}: {task.state.value}: {'; '.join(task.reasons) or 'no reason was given'}"
        for task in state.board.of_purpose("research")
        if task.is_settled and task.state is not TaskState.admitted
    )


def rejected_findings(state: RunState) -> tuple[str, ...]:
    """Findings that the gate refused before a later one was admitted, with the reasons."""
    return tuple(
        f"{submission.member} on {task}, round {submission.finding.round}: "
        + "; ".join(as_reason(judgement) for judgement in submission.objections)
        for task, submissions in state.findings.submissions.items()
        for submission in submissions
        if submission.objections
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


def _afforded(state: RunState, step: AnyStep) -> AnyStep:
    """A step that grants something, or the end of its task if nothing is left to grant."""
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
    task = state.board.tasks[name]
    return Settle(
        task=name,
        state="rejected" if task.state is TaskState.admitted else "failed",
        reasons=(denied.reason, *getattr(step, "reasons", ())),
        verifications=getattr(step, "verifications", ()),
        code=denied.code,
    )


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
            return Reopen(task=task.id, round=task.round, reasons=(reason,))
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
    another's finding.
    """
    busy = {
        other.offered_to
        for other in state.board.tasks.values()
        if not other.is_settled
        and (other.state in (TaskState.open, TaskState.claimed) or _is_sibling(other, task))
    }
    had = Counter(other.holder for other in state.board.tasks.values())
    free = [seat.name for seat in state.roster.present(task.role) if seat.name not in busy]
    return sorted(free, key=lambda name: had[name])


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
    if _has_open_need(state, task) or awaits_ruling(state.decisions, submission.finding):
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
        assert state.spec is not None
        verifiers = state.roster.present(state.spec.team.roles.verifier)
        return Verify(task=task.id) if len(verifiers) >= state.spec.team.gate.verifiers else None
    return _of_verified(state, task, verifications)


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
    submission = state.findings.latest(task.id)
    assert submission is not None
    names = tuple(v.id for v in verifications if not v.is_settled)
    verifiers = tuple(
        v.holder if v.state is TaskState.submitted and v.holder else f"the verifier of {v.id}"
        for v in verifications
    )
    problems = verification_problems(submission, verifiers)
    if not problems:
        return Settle(task=task.id, state="admitted", verifications=names)
    step = _again_or(state, task, "rejected", tuple(as_reason(p) for p in problems))
    return msgspec.structs.replace(step, verifications=names)


def _again_or(
    state: RunState, task: Task, end: Literal["rejected", "failed"], reasons: tuple[str, ...]
) -> Reopen | Settle:
    """One more round if policy has one left, else the end.

    Rounds that were lost to a fallen decision alone are not the producer's fault.
    """
    assert state.spec is not None
    team = state.spec.team
    excused = min(_rounds_lost_to_decisions(state, task), team.decisions.revisions_max)
    if task.round < team.policy.rounds_max + excused:
        return Reopen(task=task.id, round=task.round + 1, reasons=reasons)
    return Settle(task=task.id, state=end, reasons=reasons)


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
    lacking_workers = min(len(open_lanes), policy.teammates_max) - len(
        state.roster.present(roles.worker)
    )
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
