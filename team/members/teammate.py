"""A teammate: claim a task, work on it, submit; answer mail; leave when told.

The same for every role that takes tasks from the board, researchers and verifiers
alike; what differs is the briefing and the tools.
"""

from __future__ import annotations

import time
from collections.abc import Sequence
from contextlib import suppress
from typing import Final, Literal

import msgspec
import structlog

from bus.errors import ConflictError
from bus.messages import FindingSubmitted, MemberLeft, TaskClaimed, TaskFailed
from bus.run_stream import Entry
from team.agent.assignment import Assignment, Outcome
from team.agent.briefing import (
    Briefing,
    brief_groups,
    opening,
)
from team.agent.tools.return_tools import is_ours
from team.agent.tools.toolbox import compare_tools, research_tools, verify_tools
from team.agent.web.search import search_tools
from team.agent.world import task_context
from team.errors import StopRequestedError
from team.members.disputes import answer_challenge
from team.members.mail import answer_mail, open_mail, peers_of
from team.members.member import Member
from team.rules.contracts import within_of
from team.rules.digest import about
from team.state import Task

log = structlog.get_logger()

_TOOLS: Final = {
    "research": research_tools,
    "verify": verify_tools,
    "compare": compare_tools,
}
_ENDS_WITH: Final = {
    "research": "submit_finding",
    "verify": "submit_verdict",
    "compare": "submit_comparison",
}
"""What a task of each purpose is worked on with, and what returns its answer."""


async def run_teammate(member: Member) -> None:
    """Work until told to stop.

    Raises:
        FencedError: Another process acts as this member.
        ModelRefusedError: No model call can succeed.
    """
    try:
        while True:
            await member.inbox.look()
            if member.inbox.stopped.is_set() or member.inbox.cancelled.is_set():
                break
            if not await _do_next(member):
                member.show("idle", "waits for work")
                await member.inbox.wait_change(1.0)
    except StopRequestedError:
        pass
    if member.inbox.was_told:
        left = MemberLeft(reason="there is no more work")
        await member.world.stream.append(member.world.entry("member", member.key.name, body=left))
        log.info("member.left", reason=left.reason)


async def _do_next(member: Member) -> bool:
    """Do one thing if there is one; says whether there was."""
    state, me = member.state, member.key.name
    task = state.board.held_by(me)
    if task is not None:
        await _work(member, task)
        return True
    offered = state.board.offered(me)
    if offered:
        await _claim(member, offered[0])
        return True
    context = open_mail(member)
    if context is not None:
        await answer_mail(member, context)
        return True
    return await answer_challenge(member)


async def _claim(member: Member, task: Task) -> None:
    """Claim a task; if another was first, the board will show it."""
    entry = member.world.entry("task", task.id, body=TaskClaimed(), expect=task.head_seq)
    try:
        seq = await member.world.stream.append(entry)
    except ConflictError:
        log.info("claim.lost", task_id=task.id)
        await member.inbox.wait_change(1.0)
        return
    log.info("task.claimed", task_id=task.id, round=task.round)
    await member.inbox.reached(seq)


async def _work(member: Member, task: Task) -> None:
    began = time.monotonic()
    await _start_servers(member, task)
    outcome = await member.agent.work(
        _assignment(member, task), give_up=lambda reason: _failed(member, task, reason)
    )
    log.info(
        "task.finished",
        task_id=task.id,
        returned=outcome.returned,
        reason=outcome.reason,
        took_s=round(time.monotonic() - began, 3),
    )
    await _fail_if_still_held(member, task, outcome)
    head = await member.world.stream.head(task_key(member, task))
    if head is not None:
        await member.inbox.reached(head.seq)


async def _start_servers(member: Member, task: Task) -> None:
    """Have the MCP servers of a task at hand; those that can't be started have no tools."""
    servers, context = member.world.servers, task_context(task)
    if servers is None or task.purpose != "research":
        return
    role = member.state.roster.seats[member.key.name].role
    tokens = member.spec.servers_for(role, task.contract.tools)
    if tokens:
        member.show("working", f"starts MCP servers: {', '.join(tokens)} ({context})")
    await servers.ready(context, tokens)


async def _fail_if_still_held(member: Member, task: Task, outcome: Outcome) -> None:
    """A context that had ended before a new claim says nothing of its own: say it here."""
    head = await member.world.stream.head(task_key(member, task))
    if not outcome.returned and head is not None and head.seq == task.claim_seq:
        with suppress(ConflictError):
            await member.world.stream.commit(_failed(member, task, outcome.reason))


def task_key(member: Member, task: Task) -> str:
    """The filter that covers all writers of a task."""
    return member.world.entry("task", task.id, body=TaskClaimed()).subject.key


def _failed(member: Member, task: Task, reason: str) -> Sequence[Entry]:
    body = TaskFailed(reason=reason)
    return [member.world.entry("task", task.id, body=body, expect=task.claim_seq)]


def _assignment(member: Member, task: Task) -> Assignment:
    role_name = member.state.roster.seats[member.key.name].role
    role = member.role(role_name)
    is_research = task.purpose == "research"
    tools = _TOOLS[task.purpose](member.world, role, task)
    briefing = _research_briefing(member, task) if is_research else _judges_briefing(member, task)
    return Assignment(
        context=task_context(task),
        system=member.system(role),
        opening=opening(briefing),
        tools=tools,
        model=member.spec.model_of(role_name, model_number(task)),
        effort=role.effort,
        budget=task.contract.budget,
        output_tokens_max=member.spec.team.policy.output_tokens_max,
        servers=() if member.world.servers is None else member.world.servers.of(task_context(task)),
        ends_with=_ENDS_WITH[task.purpose],
        claim_seq=task.claim_seq,
        about=about(task.contract) if is_research else "",
        is_wanted=lambda: is_ours(member.world, task),
        searches=search_tools(
            member.spec.project.web, task.contract, {tool.name for tool in tools}
        ),
    )


def model_number(task: Task) -> int:
    """Which of its role's models works on a task: by attempt, or by the verifier's number."""
    if task.purpose == "verify":
        number = task.id.rpartition("-")[2]
        return int(number) if number.isdecimal() else 1
    return task.attempt


def _research_briefing(member: Member, task: Task) -> Briefing:
    contract = task.contract
    return Briefing(
        kind="research",
        me=member.key.name,
        contract=contract,
        task=task.id,
        round=task.round,
        reasons=task.reasons,
        previous=_previous(member, task),
        notes=task.notes,
        peers=peers_of(member),
        groups=brief_groups(member.spec.groups, within_of(contract)),
        material=task.material,
        unavailable=_unavailable(member, task),
    )


def _unavailable(member: Member, task: Task) -> tuple[str, ...]:
    """MCP servers of a task that could not be started, each with the reason."""
    servers = member.world.servers
    listed = () if servers is None else servers.of(task_context(task))
    return tuple(f"MCP server {one.server}: {one.problem}" for one in listed if one.problem)


def _judges_briefing(member: Member, task: Task) -> Briefing:
    """Claims and evidence only: no objective, no reasoning, no names."""
    material = tuple(
        msgspec.structs.replace(claim, confidence="medium", revised_after=None)
        for claim in task.material
    )
    kind: Literal["verify", "compare"] = "compare" if task.purpose == "compare" else "verify"
    return Briefing(kind=kind, me=member.key.name, task=task.id, material=material)


def _previous(member: Member, task: Task) -> FindingSubmitted | None:
    """This member's own finding of the round before."""
    before = member.journal.transcripts.get(f"task:{task.id}:{task.round - 1}")
    if before is None or before.answer is None:
        return None
    return msgspec.json.decode(before.answer, type=FindingSubmitted)
