"""The lead plans: lanes become tasks, members get seats, tasks are offered to members.

A member's consumer is widened to a task before the task is offered to it.
"""

from __future__ import annotations

from collections.abc import Mapping
from functools import cache
from typing import Final, Literal

import msgspec
import structlog

from bus import subjects
from bus.errors import ConflictError, TooLargeError
from bus.feed import create_feed
from bus.ids import GATE, LEAD
from bus.messages import (
    Budget,
    Claim,
    MemberSeated,
    PlanMade,
    PlannedTask,
    ResultPublished,
    RunTriaged,
    TaskOpened,
)
from bus.run_stream import Entry
from roles import Role
from team.agent.briefing import Briefing, brief_areas, brief_groups, brief_triage
from team.agent.tools.toolbox import plan_tools
from team.members.lead_turns import lead_turns
from team.members.member import Member
from team.members.names import next_names
from team.members.synthesis import publish
from team.rules.affording import sliced
from team.rules.approvals import next_amount, next_id, plan_ask, refusals, spending_ask
from team.rules.constraints import carried, constraints_of
from team.rules.contracts import planned_problems
from team.rules.disputes import areas_needed
from team.rules.effort import Mode
from team.rules.grants import lane_budgets, pocket_of, why_empty
from team.rules.limits import tokens_of
from team.rules.plan import Ability, Plan, PlanFacts, Size, contract_of
from team.rules.shortage import lead_stopped, no_plan, plan_context
from team.rules.triage import triage
from team.rules.world import teammate_filters, verifier_filters
from team.sources import Library
from team.sources.narrow import narrowed
from team.spec import ResolvedSpec
from team.state import RunState, Task
from team.tool_names import FETCH, RESEARCH_TOOLS

NOTES_MAX: Final = 10
"""Partial results that a task takes along when it comes back, the newest."""

log = structlog.get_logger()


async def plan_run(member: Member) -> None:
    """Have lanes proposed, rule on team or solo, and say what will be on the board."""
    state = member.state
    number = 1 if state.plan is None else state.plan.round + 1
    context = plan_context(state)
    assert state.opened is not None
    facts = plan_facts(member.spec, member.goal, state.opened.mode, member.world.library)
    tools = plan_tools(member.world, member.spec.role_of_seat("lead"), facts)
    briefing = plan_briefing(facts, state, number)
    outcome = await lead_turns(member, context, briefing, tools, "submit_plan")
    if outcome.answer is None:
        if lead_stopped(state, context) is None:  # else a person is asked for money, if one can be
            await _refuse(member, no_plan(outcome.reason))
        return
    plan = msgspec.json.decode(outcome.answer, type=Plan)
    try:
        made = plan_made(member.spec, state, plan, facts, number)
    except Exception as error:
        log.warning("plan.refused", reason=repr(error))
        await _refuse(member, f"the plan could not be checked: {error!r}")
        return
    problems = planned_problems(made)
    if problems:
        await _refuse(member, *problems)
        return
    try:
        await member.commit([member.world.entry("spec", body=made, expect=state.spec_head_seq)])
    except TooLargeError as error:
        await _refuse(member, f"the plan can't be stored: {error}")
        return
    log.info("plan.made", mode=made.mode, lanes=len(made.tasks), round=number)


def plan_facts(spec: ResolvedSpec, goal: str, mode: Mode, library: Library | None) -> PlanFacts:
    """What the rules for a plan look at: sizes of sources, models, tools, limits."""
    lead, worker = spec.role_of_seat("lead"), spec.role_of_seat("worker")
    tools = worker.allowed(_tools(spec))
    sizes = {} if library is None else library.sizes()
    allowed = spec.project.of_role(worker.name).sources

    @cache
    def covered(within: tuple[str, ...] | None) -> tuple[Size, ...]:
        if library is None:
            return ()
        documents = library.documents(narrowed(library, within, allowed))
        return tuple(
            Size(source=document.source, tokens=tokens_of(sizes[document.source]))
            for document in documents
        )

    return PlanFacts(
        goal=goal,
        mode=mode,
        groups=tuple(group for group in spec.groups if covered((group.name,))),
        covered=covered,
        rules=spec.team.triage,
        teammates_max=spec.team.policy.teammates_max,
        lead=_ability(spec, lead),
        writable=spec.project.of_role(worker.name).writes,
        worker=_ability(spec, worker),
        hosts=spec.project.web.hosts if FETCH in tools else (),
    )


def _tools(spec: ResolvedSpec) -> tuple[str, ...]:
    """The tools that a lane may have in this run: `fetch` only where there are hosts for it."""
    return tuple(tool for tool in RESEARCH_TOOLS if tool != FETCH or spec.project.web.hosts)


def _ability(spec: ResolvedSpec, role: Role) -> Ability:
    models = ", ".join(spec.models_of(role.name))
    tools = (*role.allowed(_tools(spec)), *spec.server_grants(role.name))
    return Ability(model=models, tools=tools)


def plan_briefing(facts: PlanFacts, state: RunState, number: int) -> Briefing:
    """What the lead is told when it is to plan."""
    return Briefing(
        kind="plan",
        me=LEAD,
        goal=facts.goal,
        round=number,
        reasons=refusals(state, "plan"),
        groups=brief_groups(facts.groups, None),
        hosts=facts.hosts,
        areas=brief_areas(state.decisions),
        teammates_max=facts.teammates_max,
        triage=brief_triage(facts),
        constraints=constraints_of(facts.goal),
    )


def plan_made(
    spec: ResolvedSpec, state: RunState, plan: Plan, facts: PlanFacts, number: int
) -> PlanMade:
    """What a plan becomes: the ruling, and a contract for each lane."""
    plan = msgspec.structs.replace(plan, constraints=carried(plan.constraints, facts.goal))
    ruling = triage(plan, facts)
    turns_max = spec.role_of_seat("worker").max_turns
    budgets = lane_budgets(state, len(ruling.lanes), turns_max)
    ids = {lane.title: f"t{number}" for number, lane in enumerate(ruling.lanes, start=1)}
    tasks = tuple(
        PlannedTask(
            id=ids[lane.title],
            opened=TaskOpened(
                title=lane.title,
                contract=contract_of(lane, plan, facts.worker.tools, budget),
                role=spec.team.roles.worker,
                depends_on=tuple(ids[needed] for needed in lane.depends_on),
            ),
        )
        for lane, budget in zip(ruling.lanes, budgets, strict=True)
    )
    return PlanMade(
        mode=ruling.mode,
        reasons=ruling.reasons,
        tasks=tasks,
        title=plan.title,
        constraints=plan.constraints,
        aspects=plan.aspects,
        round=number,
    )


async def ask_person(member: Member, what: Literal["plan", "spending"]) -> None:
    """Ask a person to approve the plan, or to grant more money."""
    state = member.state
    usd = next_amount(state) or 0.0
    name = next_id(state, what)
    if what == "plan":
        assert state.plan is not None
        body = plan_ask(state.plan)
    else:
        body = spending_ask(state, usd)
    await member.commit([member.world.entry("approval", name, body=body, expect=0)])
    log.info("approval.asked", approval=name)


async def _refuse(member: Member, *reasons: str) -> None:
    await publish(member, ResultPublished(status="rejected", missing=reasons))


async def dispatch(member: Member) -> None:
    """Put each task of the plan on the board, with a seat for as many as may work at once."""
    spec, state = member.spec, member.state
    made = state.plan
    assert made is not None
    problems = planned_problems(made)
    if problems:  # It was sound when it was made; whoever changed it, nothing is dispatched.
        await _refuse(member, *problems)
        return
    tasks, reasons = sliced(state, made, spec.role_of_seat("worker").max_turns)
    paid = [task for task in tasks if why_empty(task.opened.contract.budget) is None]
    free = [task for task in paid if not task.opened.depends_on]
    free = free[: spec.team.policy.teammates_max]
    names = next_names("worker", state.roster.seats, len(free))
    seats = {task.id: name for task, name in zip(free, names, strict=True)}
    triaged = RunTriaged(mode=made.mode, reasons=reasons, title=made.title)
    entries = [member.world.entry("spec", body=triaged, expect=state.spec_head_seq)]
    for task in tasks:
        name = seats.get(task.id)
        opened = msgspec.structs.replace(task.opened, offered_to=name)
        if name is not None:
            entries.append(await lay_out_seat(member, name, opened.role, {task.id: opened}))
        entries.append(member.world.entry("task", task.id, body=opened, expect=0))
    await member.commit(entries)
    log.info("run.triaged", mode=made.mode, lanes=len(made.tasks))


async def recruit(member: Member, seat: Literal["worker", "verifier"], count: int) -> None:
    """Lay out seats; tasks are offered to them one by one."""
    role = getattr(member.spec.team.roles, seat)
    names = next_names(seat, member.state.roster.seats, count)
    await member.commit([await lay_out_seat(member, name, role, {}) for name in names])
    log.info("members.recruited", role=role, count=count)


async def offer(member: Member, task: Task, name: str) -> None:
    """Widen a member's world to a task, then let it claim the task."""
    seat = member.state.roster.seats[name]
    claims = [
        claim
        for needed in task.depends_on
        if (submission := member.state.findings.upheld_by(GATE, needed)) is not None
        for claim in submission.finding.claims
    ]
    body = msgspec.structs.replace(
        opened_again(member, task, task.round, task.reasons, offered_to=name, not_by=task.not_by),
        material=claims_only(tuple(claims)) or task.material,
    )
    held = {t.id: t for t in member.state.board.tasks.values() if t.offered_to == name}
    entries = [
        await lay_out_seat(member, name, seat.role, {**held, task.id: body}),
        member.world.entry("task", task.id, body=body, expect=task.head_seq),
    ]
    await member.commit(entries)


async def widen_world(member: Member, name: str) -> None:
    """Let a member hear of every decision area that it has a part in."""
    seat = member.state.roster.seats[name]
    held = {t.id: t for t in member.state.board.tasks.values() if t.offered_to == name}
    await member.commit([await lay_out_seat(member, name, seat.role, held)])


async def lay_out_seat(
    member: Member, name: str, role: str, tasks: Mapping[str, TaskOpened | Task]
) -> Entry:
    """Make or change a member's consumer, then say so: its filter list is its world.

    Raises:
        ConflictError: The member seemed new and has a seat; its consumer was not touched.
    """
    is_new = name not in member.state.roster.seats
    if is_new:
        await _check_free(member, name)
    contracts = [area for task in tasks.values() for area in task.contract.areas]
    areas = tuple(dict.fromkeys((*contracts, *areas_needed(member.state, name))))
    is_verifier = role == member.spec.team.roles.verifier
    filters = (
        verifier_filters(member.key.run, name, tasks)
        if is_verifier
        else teammate_filters(member.key.run, name, tasks, areas)
    )
    await create_feed(member.connection, member.key.run, name, filters)
    lanes = [task.title for task in tasks.values() if task.purpose == "research"]
    works_on = lanes[-1] if lanes else ""
    pocket = None if is_verifier else pocket_of(member.state, name)
    seated = MemberSeated(role=role, filters=filters, areas=areas, works_on=works_on, pocket=pocket)
    return member.world.entry("member", name, body=seated, expect=0 if is_new else None)


async def _check_free(member: Member, name: str) -> None:
    """Refuse to seat a member anew: what the stream has may not have reached this lead yet."""
    key = subjects.member(member.key.run, name, LEAD).key
    if await member.world.stream.head(key) is not None:
        raise ConflictError((key,))


def opened_again(
    member: Member,
    task: Task,
    number: int,
    reasons: tuple[str, ...],
    *,
    offered_to: str | None,
    not_by: tuple[str, ...] = (),
    budget: Budget | None = None,
) -> TaskOpened:
    """The same task once more: in which round, why, who may claim it, what was noted so far.

    A budget is a new grant; without one the task is open still, and keeps what it has.
    """
    return TaskOpened(
        title=task.title,
        contract=msgspec.structs.replace(task.contract, budget=budget or task.contract.budget),
        role=task.role,
        purpose=task.purpose,
        depends_on=task.depends_on,
        subject_task=task.subject_task,
        subject_seq=task.subject_seq,
        material=task.material,
        round=number,
        reasons=reasons,
        notes=tuple(member.state.findings.notes.get(task.id, ()))[-NOTES_MAX:],
        offered_to=offered_to,
        not_by=not_by,
    )


def claims_only(claims: tuple[Claim, ...]) -> tuple[Claim, ...]:
    """Claims and evidence without what their author thought of them."""
    return tuple(
        Claim(id=c.id, text=c.text, confidence="medium", evidence=c.evidence) for c in claims
    )
