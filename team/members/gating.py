"""The lead gates: exact checks, fresh-context verifiers, back to the board or settled."""

from __future__ import annotations

import structlog

from bus.ids import GATE
from bus.messages import (
    Budget,
    Claim,
    Contract,
    Judgement,
    TaskOpened,
    TaskSettled,
    TaskState,
    VerdictGiven,
)
from bus.run_stream import Entry
from bus.subjects import build
from team.agent.permits import refusal_entry
from team.errors import SourceError
from team.members.checks import load_checks, names_of, run_checks
from team.members.member import Member
from team.members.planning import claims_only, lay_out_seat, opened_again
from team.rules import steps
from team.rules.gate import (
    GateInput,
    barred_from,
    carried_verdicts,
    is_void,
    unverified_claims,
    with_canary,
)
from team.rules.grants import next_budget, overspent
from team.rules.outside import may_cite
from team.rules.premises import fallen_premises
from team.sources import Library, is_snapshot, quote_problem, snapshot_id
from team.sources.narrow import narrowed
from team.state import RunState, Submission, Task

log = structlog.get_logger()


async def check_finding(member: Member, task: Task) -> None:
    """Run the exact checks on the newest finding of a task and publish what they say."""
    state = member.state
    submission = state.findings.latest(task.id)
    assert submission is not None
    await _have_quoted(member, submission)
    judgements = await judgements_on(state, member.world.library, task, submission)
    verdict = VerdictGiven(finding_seq=submission.seq, judgements=judgements)
    subject = build(member.key.run, "verdict", task.id, author=GATE)
    await member.commit([Entry(subject=subject, body=verdict)])
    refused = [j for j in judgements if j.outcome != "upheld"]
    log.info("finding.checked", task_id=task.id, refused=len(refused))


async def _have_quoted(member: Member, submission: Submission) -> None:
    """Have at hand what a finding quotes from outside the sources."""
    claims = submission.finding.claims
    await member.world.snapshots.load(e.source for claim in claims for e in claim.evidence)


async def judgements_on(
    state: RunState, library: Library | None, task: Task, submission: Submission
) -> tuple[Judgement, ...]:
    """All exact checks; on a finding that has passed them, only whether decisions have fallen."""
    assert state.spec is not None
    rules = state.spec.team.gate
    if submission.judged_by(GATE):
        return tuple(fallen_premises(state.decisions, submission.finding))
    earlier = state.findings.submissions[task.id][:-1]
    asked = [t for t in state.board.of_purpose("verify") if t.subject_task == task.id]
    verifiers = {one.holder for one in asked if one.holder} - barred_from(state, task.id)
    carried = carried_verdicts(earlier, submission.finding, verifiers, rules.upheld_needed)
    given = _given(state, library, task, submission)
    exact = await run_checks(load_checks(names_of(rules.checks)), given, rules.check_seconds)
    return (*exact, *carried)


def _given(
    state: RunState, library: Library | None, task: Task, submission: Submission
) -> GateInput:
    assert state.spec is not None
    allowed = state.spec.project.of_role(task.role).sources
    return GateInput(
        task=task,
        submission=submission,
        decisions=state.decisions,
        overspent=overspent(state.ledger, task.id, submission.member, submission.finding.round),
        quote_problem=lambda evidence: quote_problem(library, evidence),
        is_within=lambda source, within: _is_within(library, source, within, allowed),
        may_cite=lambda source: _may_cite(state, source, task),
        seat=state.roster.seats.get(submission.member),
        refusals=tuple(one for one in state.refusals.all if one.member == submission.member),
        constraints=state.plan.constraints if state.plan is not None else (),
    )


def _may_cite(state: RunState, source: str, task: Task) -> bool | None:
    """Whether a text from outside may be quoted; nothing if a source is no such text."""
    if not is_snapshot(source):
        return None
    return may_cite(state.snapshots, snapshot_id(source), task.contract)


def _is_within(
    library: Library | None,
    source: str,
    within: tuple[str, ...],
    allowed: tuple[str, ...] | None,
) -> bool:
    """Whether a source lies inside some limit, and inside what the role's policy allows."""
    if library is None:
        return False
    try:
        library.find(source, narrowed(library, within, allowed))
    except SourceError:
        return False
    return True


async def put_to_verifiers(member: Member, task: Task) -> None:
    """Put claims and evidence, nothing else, before each verifier who had no part in them."""
    state, roles = member.state, member.spec.team.roles
    submission = state.findings.latest(task.id)
    assert submission is not None
    await _have_quoted(member, submission)
    entries: list[Entry] = []
    barred = barred_from(state, task.id)
    free = [seat for seat in state.roster.present(roles.verifier) if seat.name not in barred]
    verifiers = free[: member.spec.team.gate.verifiers]
    budget = next_budget(state, "verify", now=len(verifiers))
    assert isinstance(budget, Budget), budget
    for number, seat in enumerate(verifiers, start=1):
        task_id = f"v-{task.id}-{task.round}-{number}"
        opened = TaskOpened(
            title=f"verify {task.title}"[:80],
            contract=_verify_contract(task, budget),
            role=roles.verifier,
            purpose="verify",
            subject_task=task.id,
            subject_seq=submission.seq,
            material=material_for(state, member.world.library, task_id, submission),
            offered_to=seat.name,
        )
        held = {t.id: t for t in state.board.tasks.values() if t.offered_to == seat.name}
        entries.append(await lay_out_seat(member, seat.name, seat.role, {**held, task_id: opened}))
        entries.append(member.world.entry("task", task_id, body=opened, expect=0))
    if entries:
        await member.commit(entries)


def material_for(
    state: RunState, library: Library | None, task_id: str, submission: Submission
) -> tuple[Claim, ...]:
    """The claims that a verification is about, one among them known to be false."""
    assert state.spec is not None
    claims = claims_only(unverified_claims(submission))
    if not state.spec.team.gate.canaries or library is None:
        return claims
    taken = frozenset(claim.id for claim in submission.finding.claims)
    return with_canary(task_id, claims, taken, lambda one: quote_problem(library, one))


def _verify_contract(task: Task, budget: Budget) -> Contract:
    return Contract(
        objective="Try to refute each claim; uphold only what its evidence bears out.",
        output_format="One verdict for each claim, submitted with submit_verdict.",
        sources=task.contract.sources,
        sources_avoided=task.contract.sources_avoided,
        tools=("list_sources", "read_source", "search_sources", "submit_verdict"),
        boundaries=("Claims and evidence only; who wrote them does not matter.",),
        budget=budget,
    )


async def reopen(member: Member, step: steps.Reopen) -> None:
    """Put a task back on the board, for its last holder if it is still there.

    A verification whose verifier has let a canary pass goes to whoever else is free first.
    """
    task = member.state.board.tasks[step.task]
    last = member.state.roster.seats.get(task.holder or task.offered_to or "")
    may = last is not None and last.is_in and last.name not in step.not_by
    to = last.name if last is not None and may else None
    if task.purpose == "verify" and is_void(member.state, task):
        to = None
    budget = next_budget(member.state, task.purpose, again=task)
    assert isinstance(budget, Budget), budget
    body = opened_again(
        member,
        task,
        step.round,
        step.reasons,
        offered_to=to,
        not_by=step.not_by,
        budget=budget,
    )
    entries = _close_verifications(member, step.verifications)
    entries.append(member.world.entry("task", task.id, body=body, expect=task.head_seq))
    await member.commit(entries)
    log.info("task.reopened", task_id=task.id, round=step.round, reasons=list(step.reasons))


async def settle(member: Member, step: steps.Settle) -> None:
    """Close a task for good, and the verifications that belong to it."""
    task = member.state.board.tasks[step.task]
    body = TaskSettled(state=step.state, reasons=step.reasons)
    entries = _close_verifications(member, step.verifications)
    entries.append(member.world.entry("task", task.id, body=body, expect=task.head_seq))
    if step.code:
        what = f"a grant for {task.id}"
        entries.append(
            refusal_entry(member.world, code=step.code, what=what, reason=step.reasons[0])
        )
    await member.commit(entries)
    log.info("task.settled", task_id=task.id, state=step.state, reasons=list(step.reasons))


def _close_verifications(member: Member, names: tuple[str, ...]) -> list[Entry]:
    """What judged a round is done with it: its verdict was given, or never came."""
    tasks = [member.state.board.tasks[name] for name in names]
    return [
        member.world.entry(
            "task",
            task.id,
            body=TaskSettled(
                state="admitted" if task.state is TaskState.submitted else "failed",
                reasons=task.reasons,
            ),
            expect=task.head_seq,
        )
        for task in tasks
    ]
