"""The lead plans: lanes become tasks, members get seats, tasks are offered to members.

A member's consumer is widened to a task before the task is offered to it.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Final, Literal

import msgspec
import structlog

from bus.feed import create_feed
from bus.ids import GATE, LEAD
from bus.messages import Budget, Claim, MemberSeated, ResultPublished, RunTriaged, TaskOpened
from bus.run_stream import Entry
from team.agent.briefing import Briefing, brief_areas, brief_groups
from team.agent.tools.toolbox import RESEARCH_TOOLS, plan_tools
from team.members.lead_turns import lead_turns
from team.members.member import Member
from team.members.names import next_names
from team.members.synthesis import publish
from team.rules.disputes import areas_needed
from team.rules.grants import lane_budgets, pocket_of
from team.rules.plan import Lane, Plan, contract_of, merge_same, one_lane
from team.rules.triage import triage
from team.rules.world import teammate_filters, verifier_filters
from team.state import Task

NOTES_MAX: Final = 10
"""Partial results that a task takes along when it comes back, the newest."""

log = structlog.get_logger()


async def plan_run(member: Member) -> None:
    """Have lanes proposed, rule on team or solo, put tasks on the board, lay out seats."""
    spec, state = member.spec, member.state
    briefing = Briefing(
        kind="plan",
        me=LEAD,
        goal=member.goal,
        groups=brief_groups(member.spec.groups, None),
        areas=brief_areas(state.decisions),
        teammates_max=spec.team.policy.teammates_max,
    )
    tools = plan_tools(member.world, spec.role_of_seat("lead"), spec.groups)
    outcome = await lead_turns(member, "plan", briefing, tools, "submit_plan")
    if outcome.answer is None:
        reason = f"the lead returned no usable plan: {outcome.reason}"
        await publish(member, ResultPublished(status="rejected", missing=(reason,)))
        return
    plan = msgspec.json.decode(outcome.answer, type=Plan)
    lanes, merged = merge_same(plan.lanes)
    assert state.opened is not None
    ruling = triage(lanes, state.opened.mode)
    if ruling.mode == "solo":
        lanes = [one_lane(msgspec.structs.replace(plan, lanes=tuple(lanes)), member.goal)]
    triaged = RunTriaged(mode=ruling.mode, reasons=(*ruling.reasons, *merged), title=plan.title)
    entries = [member.world.entry("spec", body=triaged, expect=state.spec_head_seq)]
    entries += await _open_lanes(member, plan, lanes)
    await member.commit(entries)
    log.info("run.triaged", mode=ruling.mode, lanes=len(lanes))


async def _open_lanes(member: Member, plan: Plan, lanes: Sequence[Lane]) -> list[Entry]:
    """Put each lane on the board, with a seat for as many as may work at once."""
    spec, state = member.spec, member.state
    role = spec.role_of_seat("worker")
    tools = role.allowed(RESEARCH_TOOLS)
    ids = {lane.title: f"t{number}" for number, lane in enumerate(lanes, start=1)}
    budgets = lane_budgets(state, len(lanes), role.max_turns)
    paid = {
        lane.title: budget for lane, budget in zip(lanes, budgets, strict=True) if budget.tokens_max
    }
    free = [lane.title for lane in lanes if not lane.depends_on and lane.title in paid]
    free = free[: spec.team.policy.teammates_max]
    seats = dict(zip(free, next_names("worker", state.roster.seats, len(free)), strict=True))
    entries: list[Entry] = []
    for lane, budget in zip(lanes, budgets, strict=True):
        opened = TaskOpened(
            title=lane.title,
            contract=contract_of(lane, plan, tools, spec.team.policy, budget=budget),
            role=spec.team.roles.worker,
            depends_on=tuple(ids[needed] for needed in lane.depends_on),
            offered_to=seats.get(lane.title),
        )
        task_id = ids[lane.title]
        if opened.offered_to is not None:
            entries.append(
                await lay_out_seat(member, opened.offered_to, opened.role, {task_id: opened})
            )
        entries.append(member.world.entry("task", task_id, body=opened, expect=0))
    return entries


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
        opened_again(member, task, task.round, task.reasons, offered_to=name),
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
    """Make or change a member's consumer, then say so: its filter list is its world."""
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
    return member.world.entry("member", name, body=seated)


def opened_again(
    member: Member,
    task: Task,
    number: int,
    reasons: tuple[str, ...],
    *,
    offered_to: str | None,
    budget: Budget | None = None,
) -> TaskOpened:
    """The same task once more: in which round, why, who may claim it, what was noted so far.

    A budget is a new grant; without one the task is open still, and keeps what it has.
    """
    return TaskOpened(
        title=task.title,
        contract=msgspec.structs.replace(task.contract, budget=budget or task.contract.budget),
        role=task.role,
        purpose="verify" if task.purpose == "verify" else "research",
        depends_on=task.depends_on,
        subject_task=task.subject_task,
        subject_seq=task.subject_seq,
        material=task.material,
        round=number,
        reasons=reasons,
        notes=tuple(member.state.findings.notes.get(task.id, ()))[-NOTES_MAX:],
        offered_to=offered_to,
    )


def claims_only(claims: tuple[Claim, ...]) -> tuple[Claim, ...]:
    """Claims and evidence without what their author thought of them."""
    return tuple(
        Claim(id=c.id, text=c.text, confidence="medium", evidence=c.evidence) for c in claims
    )
