"""The lead: asks the rules what comes next, does it, asks again, until the run ends.

It keeps nothing to itself. Every step is committed with what it expects to follow,
so a lead that dies at any instant is started again and goes on.
"""

from __future__ import annotations

import time
from collections.abc import Mapping, Sequence
from typing import Final, Literal

import msgspec
import structlog

from bus.errors import ConflictError
from bus.feed import create_feed
from bus.ids import GATE, LEAD
from bus.messages import (
    AnyMessage,
    Budget,
    CancelRun,
    Claim,
    Contract,
    Evidence,
    MemberLeft,
    MemberSeated,
    ResultPublished,
    RunTriaged,
    StopMember,
    TaskOpened,
    TaskSettled,
    VerdictGiven,
    WrapUp,
)
from bus.run_stream import Entry
from bus.subjects import build
from team.agent.briefing import Briefing, CitableClaim, GroupBrief, opening
from team.agent.loop import Assignment, Outcome
from team.agent.tools.toolbox import RESEARCH_TOOLS, AnyTool, plan_tools, synthesis_tools
from team.errors import SourceError, StopRequestedError
from team.members.member import Member
from team.members.names import next_names
from team.rules import steps
from team.rules.gate import GateInput, judge
from team.rules.plan import Lane, Plan, contract_of, merge_same, one_lane
from team.rules.synthesis import AdmittedClaim, Synthesis, admitted_claims, render
from team.rules.triage import triage
from team.rules.world import teammate_filters
from team.sources import parse_locator, quote_stands
from team.state import Spent, Task

log = structlog.get_logger()

LEAD_BUDGET: Final = Budget(turns_max=12, tokens_max=400_000, seconds_max=1_800.0)
"""What one of the lead's own assignments (plan, synthesis) may take."""
DISMISS_S: Final = 3.0
SYNTHESIS_BYTES_MAX: Final = 200_000
"""Size of the claims from which the synthesis is written without their evidence."""


async def run_lead(member: Member) -> None:
    """Lead the run to its end.

    Raises:
        FencedError: Another process acts as the lead.
        ModelRefusedError: No model call can succeed; the run can be resumed.
    """
    while not member.inbox.stopped.is_set():
        step = steps.next_step(member.state, time.time())
        try:
            if await _do(member, step):
                return
        except StopRequestedError:
            if member.inbox.stopped.is_set():
                return
        except ConflictError as error:
            # Somebody else moved first: fold what they did and ask the rules again.
            log.info("step.overtaken", step=type(step).__name__, keys=error.keys)
            await member.inbox.wait_change(1.0)
    if member.inbox.failed is not None:
        raise member.inbox.failed


async def _do(member: Member, step: steps.AnyStep) -> bool:  # noqa: C901 - one case a step
    """Do one step; says whether it was the last."""
    match step:
        case steps.MakePlan():
            await _plan(member)
        case steps.Recruit(seat=seat, count=count):
            await _recruit(member, seat, count)
        case steps.CheckFinding(task=task):
            await _check(member, member.state.board.tasks[task])
        case steps.Verify(task=task):
            await _verify(member, member.state.board.tasks[task])
        case steps.Reopen(task=task, round=number, reasons=reasons):
            await _reopen(member, member.state.board.tasks[task], number, reasons)
        case steps.Offer(task=task, member=name):
            await _offer(member, member.state.board.tasks[task], name)
        case steps.AskToWrapUp(member=name):
            wrap_up = WrapUp(reason="the run's time is nearly over")
            await _commit(member, [_entry(member, "control", name, body=wrap_up)])
        case steps.Settle():
            await _settle(member, step)
        case steps.Synthesize():
            await _synthesize(member)
        case steps.Finish(status=status, reasons=reasons):
            await _publish(member, ResultPublished(status=status, missing=reasons))
        case steps.Dismiss():
            await _dismiss(member)
            return True
        case steps.Wait(until=until):
            member.show("idle", "waits for findings")
            await member.inbox.wait_change(max(0.05, until - time.time()))
    return False


async def _commit(member: Member, entries: Sequence[Entry]) -> None:
    """Commit, then wait until our own picture of the run includes it."""
    await member.inbox.reached(await member.world.stream.commit(entries))


def _entry(
    member: Member, kind: str, *names: str, body: AnyMessage, expect: int | None = None
) -> Entry:
    return member.world.entry(kind, *names, body=body, expect=expect)


# --- plan and recruit ------------------------------------------------------------


async def _plan(member: Member) -> None:
    spec, state = member.spec, member.state
    briefing = Briefing(
        kind="plan",
        me=LEAD,
        goal=_goal(member),
        groups=tuple(GroupBrief(name=g.name, title=g.title, files=g.files) for g in spec.groups),
        teammates_max=spec.team.policy.teammates_max,
    )
    tools = plan_tools(member.world, spec.role_of_seat("lead"), spec.groups)
    outcome = await _lead_turns(member, "plan", briefing, tools, "submit_plan")
    if outcome.answer is None:
        reason = f"the lead returned no usable plan: {outcome.reason}"
        await _publish(member, ResultPublished(status="rejected", missing=(reason,)))
        return
    plan = msgspec.json.decode(outcome.answer, type=Plan)
    lanes, merged = merge_same(plan.lanes)
    assert state.opened is not None
    ruling = triage(lanes, state.opened.mode)
    if ruling.mode == "solo":
        lanes = [one_lane(msgspec.structs.replace(plan, lanes=tuple(lanes)), _goal(member))]
    triaged = RunTriaged(mode=ruling.mode, reasons=(*ruling.reasons, *merged), title=plan.title)
    entries = [_entry(member, "spec", body=triaged, expect=state.spec_head_seq)]
    entries += await _open_lanes(member, plan, lanes)
    await _commit(member, entries)
    log.info("run.triaged", mode=ruling.mode, lanes=len(lanes))


async def _open_lanes(member: Member, plan: Plan, lanes: Sequence[Lane]) -> list[Entry]:
    """Put each lane on the board, with a seat for as many as may work at once."""
    spec, state = member.spec, member.state
    role = spec.role_of_seat("worker")
    tools = role.allowed(RESEARCH_TOOLS)
    ids = {lane.title: f"t{number}" for number, lane in enumerate(lanes, start=1)}
    free = [lane.title for lane in lanes if not lane.depends_on][: spec.team.policy.teammates_max]
    seats = dict(zip(free, next_names("worker", state.roster.seats, len(free)), strict=True))
    entries: list[Entry] = []
    for lane in lanes:
        opened = TaskOpened(
            title=lane.title,
            contract=contract_of(lane, plan, tools, spec.team.policy, role.max_turns),
            role=spec.team.roles.worker,
            depends_on=tuple(ids[needed] for needed in lane.depends_on),
            offered_to=seats.get(lane.title),
        )
        task_id = ids[lane.title]
        if opened.offered_to is not None:
            entries.append(await _seat(member, opened.offered_to, opened.role, {task_id: opened}))
        entries.append(_entry(member, "task", task_id, body=opened, expect=0))
    return entries


async def _recruit(member: Member, seat: Literal["worker", "verifier"], count: int) -> None:
    """Lay out seats; tasks are offered to them one by one."""
    role = getattr(member.spec.team.roles, seat)
    names = next_names(seat, member.state.roster.seats, count)
    await _commit(member, [await _seat(member, name, role, {}) for name in names])
    log.info("members.recruited", role=role, count=count)


async def _offer(member: Member, task: Task, name: str) -> None:
    """Widen a member's world to a task, then let it claim the task."""
    seat = member.state.roster.seats[name]
    claims = [
        claim
        for needed in task.depends_on
        if (submission := member.state.findings.latest(needed)) is not None
        for claim in submission.finding.claims
    ]
    body = msgspec.structs.replace(
        _opened_again(task, task.round, task.reasons, offered_to=name),
        material=_material(tuple(claims)) or task.material,
    )
    held = {t.id: t for t in member.state.board.tasks.values() if t.offered_to == name}
    entries = [
        await _seat(member, name, seat.role, {**held, task.id: body}),
        _entry(member, "task", task.id, body=body, expect=task.head_seq),
    ]
    await _commit(member, entries)


async def _seat(
    member: Member, name: str, role: str, tasks: Mapping[str, TaskOpened | Task]
) -> Entry:
    """Make or change a member's consumer, then say so: its filter list is its world."""
    areas = tuple(dict.fromkeys(a for task in tasks.values() for a in task.contract.areas))
    filters = teammate_filters(member.key.run, name, tasks, areas)
    await create_feed(member.connection, member.key.run, name, filters)
    lanes = [task.title for task in tasks.values() if task.purpose == "research"]
    works_on = lanes[-1] if lanes else ""
    seated = MemberSeated(role=role, filters=filters, areas=areas, works_on=works_on)
    return _entry(member, "member", name, body=seated)


# --- the gate --------------------------------------------------------------------


async def _check(member: Member, task: Task) -> None:
    """Run the exact checks on the newest finding of a task and publish what they say."""
    state = member.state
    submission = state.findings.latest(task.id)
    assert submission is not None
    judgements = judge(
        GateInput(
            task=task,
            submission=submission,
            decisions=state.decisions,
            spent=_spent_on(member, task),
            quote_problem=lambda evidence: _quote_problem(member, evidence),
            is_within=lambda source, within: _is_within(member, source, within),
        )
    )
    verdict = VerdictGiven(finding_seq=submission.seq, judgements=judgements)
    subject = build(member.key.run, "verdict", task.id, author=GATE)
    await _commit(member, [Entry(subject=subject, body=verdict)])
    refused = [j for j in judgements if j.outcome != "upheld"]
    log.info("finding.checked", task_id=task.id, refused=len(refused))


def _quote_problem(member: Member, evidence: Evidence) -> str | None:
    """Why a quote does not stand at its locator in its source, if it does not."""
    library = member.world.library
    if library is None:
        return "the run has no sources"
    try:
        place = parse_locator(evidence.locator)
        lines = library.lines(evidence.source, place.page)
    except (SourceError, ValueError) as error:
        return str(error)
    if quote_stands(lines, place, evidence.quote):
        return None
    return f"the quote does not stand at {evidence.locator} of {evidence.source!r}"


def _is_within(member: Member, source: str, within: tuple[str, ...]) -> bool:
    library = member.world.library
    if library is None:
        return False
    try:
        library.find(source, within)
    except SourceError:
        return False
    return True


def _spent_on(member: Member, task: Task) -> Spent:
    """What the transcripts of a task have cost, over all its rounds."""
    spent = Spent()
    for (_, context), part in member.state.ledger.by_context.items():
        if context.startswith(f"task:{task.id}:"):
            spent = Spent(
                calls=spent.calls + part.calls,
                input_tokens=spent.input_tokens + part.input_tokens,
                output_tokens=spent.output_tokens + part.output_tokens,
            )
    return spent


async def _verify(member: Member, task: Task) -> None:
    """Put claims and evidence, nothing else, before each verifier."""
    state, roles = member.state, member.spec.team.roles
    submission = state.findings.latest(task.id)
    assert submission is not None
    entries: list[Entry] = []
    verifiers = state.roster.present(roles.verifier)[: member.spec.team.gate.verifiers]
    for number, seat in enumerate(verifiers, start=1):
        task_id = f"v-{task.id}-{task.round}-{number}"
        opened = TaskOpened(
            title=f"verify {task.title}"[:80],
            contract=_verify_contract(member, task),
            role=roles.verifier,
            purpose="verify",
            subject_task=task.id,
            subject_seq=submission.seq,
            material=_material(submission.finding.claims),
            offered_to=seat.name,
        )
        held = {t.id: t for t in state.board.tasks.values() if t.offered_to == seat.name}
        entries.append(await _seat(member, seat.name, seat.role, {**held, task_id: opened}))
        entries.append(_entry(member, "task", task_id, body=opened, expect=0))
    if entries:
        await _commit(member, entries)


def _material(claims: tuple[Claim, ...]) -> tuple[Claim, ...]:
    return tuple(
        Claim(id=c.id, text=c.text, confidence="medium", evidence=c.evidence) for c in claims
    )


def _verify_contract(member: Member, task: Task) -> Contract:
    policy = member.spec.team.policy
    return Contract(
        objective="Try to refute each claim; uphold only what its evidence bears out.",
        output_format="One verdict for each claim, submitted with submit_verdict.",
        sources=task.contract.sources,
        tools=("read_source", "search_sources", "submit_verdict"),
        boundaries=("Claims and evidence only; who wrote them does not matter.",),
        budget=Budget(
            turns_max=policy.turns_max,
            tokens_max=policy.tokens_max,
            seconds_max=policy.seconds_max,
        ),
    )


async def _reopen(member: Member, task: Task, number: int, reasons: tuple[str, ...]) -> None:
    """Put a task back on the board, for its last holder if it is still there."""
    roster = member.state.roster
    last = roster.seats.get(task.holder or task.offered_to or "")
    to = last.name if last is not None and last.is_in else None
    body = _opened_again(task, number, reasons, offered_to=to)
    entries = [_entry(member, "task", task.id, body=body, expect=task.head_seq)]
    await _commit(member, entries)
    log.info("task.reopened", task_id=task.id, round=number, reasons=list(reasons))


def _opened_again(
    task: Task, number: int, reasons: tuple[str, ...], *, offered_to: str | None
) -> TaskOpened:
    return TaskOpened(
        title=task.title,
        contract=task.contract,
        role=task.role,
        purpose="verify" if task.purpose == "verify" else "research",
        depends_on=task.depends_on,
        subject_task=task.subject_task,
        subject_seq=task.subject_seq,
        material=task.material,
        round=number,
        reasons=reasons,
        offered_to=offered_to,
    )


async def _settle(member: Member, step: steps.Settle) -> None:
    """Close a task for good, and the verifications that belong to it."""
    board = member.state.board
    entries = [
        _entry(
            member,
            "task",
            task_id,
            body=TaskSettled(state="admitted"),
            expect=board.tasks[task_id].head_seq,
        )
        for task_id in step.verifications
    ]
    body = TaskSettled(state=step.state, reasons=step.reasons)
    head = board.tasks[step.task].head_seq
    entries.append(_entry(member, "task", step.task, body=body, expect=head))
    await _commit(member, entries)
    log.info("task.settled", task_id=step.task, state=step.state, reasons=list(step.reasons))


# --- the synthesis ---------------------------------------------------------------


async def _synthesize(member: Member) -> None:
    """Write the answer from admitted claims; the gate is inside the returning tool."""
    state = member.state
    admitted = admitted_claims(state)
    missing = steps.missing_lanes(state)
    briefing = Briefing(
        kind="synthesis",
        me=LEAD,
        goal=_goal(member),
        claims=tuple(
            CitableClaim(ref=a.ref, lane=a.lane, member=a.member, claim=a.claim) for a in admitted
        ),
        missing=missing,
    )
    tools = synthesis_tools(member.spec.role_of_seat("lead"), tuple(admitted))
    outcome = await _lead_turns(member, "synthesis", briefing, tools, "submit_synthesis")
    if outcome.answer is None:
        reason = f"the synthesis did not pass the gate: {outcome.reason}"
        result = ResultPublished(status="rejected", missing=(*missing, reason))
    else:
        synthesis = msgspec.json.decode(outcome.answer, type=Synthesis)
        said = tuple(dict.fromkeys((*missing, *synthesis.missing)))
        text, citations = render(synthesis, admitted, said)
        result = ResultPublished(
            status="partial" if missing else "admitted",
            text=text,
            citations=citations,
            missing=said,
        )
    await _publish(member, result)


def _citable(admitted: Sequence[AdmittedClaim]) -> tuple[CitableClaim, ...]:
    """The claims as the synthesis needs them; without their evidence if there is too much."""
    whole = tuple(
        CitableClaim(ref=a.ref, lane=a.lane, member=a.member, claim=a.claim) for a in admitted
    )
    if len(msgspec.json.encode(whole)) <= SYNTHESIS_BYTES_MAX:
        return whole
    bare = msgspec.structs.replace
    return tuple(bare(one, claim=bare(one.claim, evidence=())) for one in whole)


async def _publish(member: Member, result: ResultPublished) -> None:
    await _commit(member, [_entry(member, "result", body=result, expect=0)])
    log.info("result.published", status=result.status, missing=len(result.missing))


async def _dismiss(member: Member) -> None:
    """Tell everyone to leave, wait a little for them, then leave."""
    state = member.state
    others = [seat for seat in state.roster.present() if seat.name != LEAD]
    is_cancelled = state.result is not None and state.result.status == "cancelled"
    for seat in others:
        body: AnyMessage = (
            CancelRun(reason="the run was cancelled")
            if is_cancelled
            else StopMember(reason="the result is published")
        )
        await member.world.stream.append(_entry(member, "control", seat.name, body=body))
    deadline = time.monotonic() + DISMISS_S
    while time.monotonic() < deadline and len(state.roster.present()) > 1:
        await member.inbox.wait_change(0.2)
    left = MemberLeft(reason="the run has ended")
    await member.world.stream.append(_entry(member, "member", LEAD, body=left))


# --- the lead's own turns --------------------------------------------------------


async def _lead_turns(
    member: Member, context: str, briefing: Briefing, tools: tuple[AnyTool, ...], ends_with: str
) -> Outcome:
    role = member.spec.role_of_seat("lead")
    return await member.agent.work(
        Assignment(
            context=context,
            system=member.system(role),
            opening=opening(briefing),
            tools=tools,
            model=member.spec.model_of(role.name),
            effort=role.effort,
            budget=LEAD_BUDGET,
            output_tokens_max=member.spec.team.policy.output_tokens_max,
            ends_with=ends_with,
        )
    )


def _goal(member: Member) -> str:
    assert member.state.opened is not None
    return member.state.opened.goal
