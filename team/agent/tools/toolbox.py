"""Which tools there are, and which of them a member gets for an assignment."""

from __future__ import annotations

from typing import Any

import structlog

from bus.messages import Contract
from roles import Role
from roles.tool_patterns import covers
from team.agent.mcp.tool import mcp_tools
from team.agent.tools.base import Tool
from team.agent.tools.conflict_tools import SubmitComparison, SubmitConflictRuling
from team.agent.tools.decision_tools import (
    ChallengeDecision,
    ReadDecision,
    RebutChallenge,
    RecordDecision,
    SearchDecisions,
    WithdrawDecision,
)
from team.agent.tools.peer_tools import NotePartial, SendMessage, WaitForMail
from team.agent.tools.return_tools import (
    SubmitFinding,
    SubmitPlan,
    SubmitSynthesis,
    SubmitVerdict,
)
from team.agent.tools.ruling_tools import SubmitRuling
from team.agent.tools.skill_tools import skill_tools
from team.agent.tools.source_tools import ListSources, ReadSource, SearchSources
from team.agent.tools.view_tools import ViewSource
from team.agent.tools.web_tools import Fetch
from team.agent.world import World, task_context
from team.policy import RoleRules
from team.rules.contracts import within_of
from team.rules.hosts import hosts_of
from team.rules.plan import PlanFacts
from team.rules.synthesis import AdmittedClaim
from team.rules.synthesis_gate import Asked
from team.sources.narrow import narrowed
from team.state import Task
from team.tool_names import READ, RETURNING_TOOLS, VIEW

log = structlog.get_logger()

AnyTool = Tool[Any]


def research_tools(world: World, role: Role, task: Task) -> tuple[AnyTool, ...]:
    """The tools for a lane: those of role, policy and contract, over the contract's sources."""
    areas = _policy(world, role).areas
    tools: list[AnyTool] = [
        *_source_tools(world, role, within_of(task.contract)),
        *_web_tools(world, task),
        NotePartial(world, task.id),
        SendMessage(world),
        WaitForMail(world, task_context(task)),
        RecordDecision(world, task_context(task), areas),
        SearchDecisions(world),
        ReadDecision(world),
        ChallengeDecision(world, areas),
        RebutChallenge(world, areas),
        WithdrawDecision(world, areas),
        *mcp_tools(world, task_context(task)),
        SubmitFinding(world, task),
    ]
    return _allowed(world, tools, role, task.contract)


def verify_tools(world: World, role: Role, task: Task) -> tuple[AnyTool, ...]:
    """The tools to judge a finding: the sources, nobody to talk to."""
    tools: list[AnyTool] = [
        *_source_tools(world, role, within_of(task.contract)),
        SubmitVerdict(world, task),
    ]
    return _allowed(world, tools, role, task.contract)


def compare_tools(world: World, role: Role, task: Task) -> tuple[AnyTool, ...]:
    """The tools to compare two claims: the sources, nobody to talk to."""
    tools: list[AnyTool] = [
        *_source_tools(world, role, within_of(task.contract)),
        SubmitComparison(world, task),
    ]
    return _allowed(world, tools, role, task.contract)


def mail_tools(world: World, role: Role, within: tuple[str, ...] | None) -> tuple[AnyTool, ...]:
    """The tools to answer mail after one's own task is done."""
    return _allowed(world, [*_source_tools(world, role, within), SendMessage(world)], role)


def dispute_tools(world: World, role: Role, within: tuple[str, ...] | None) -> tuple[AnyTool, ...]:
    """The tools to answer for a decision of one's own after one's task is done."""
    areas = _policy(world, role).areas
    answers: list[AnyTool] = [RebutChallenge(world, areas), WithdrawDecision(world, areas)]
    looks = [*_source_tools(world, role, within), SearchDecisions(world), ReadDecision(world)]
    return _allowed(world, [*looks, *answers], role)


def ruling_tools(world: World, role: Role, revision: int) -> tuple[AnyTool, ...]:
    """The lead's tools to rule on a decision."""
    looks = [*_source_tools(world, role, None), SearchDecisions(world), ReadDecision(world)]
    return _allowed(world, [*looks, SubmitRuling(world, revision)], role)


def conflict_tools(world: World, role: Role, conflict: str) -> tuple[AnyTool, ...]:
    """The lead's tools to rule on claims that contradict each other."""
    looks = _source_tools(world, role, None)
    return _allowed(world, [*looks, SubmitConflictRuling(world, conflict)], role)


def plan_tools(world: World, role: Role, facts: PlanFacts) -> tuple[AnyTool, ...]:
    """The lead's tools to plan."""
    return _allowed(world, [*_source_tools(world, role, None), SubmitPlan(facts)], role)


def synthesis_tools(admitted: tuple[AdmittedClaim, ...], asked: Asked) -> tuple[AnyTool, ...]:
    """The lead's tools to write the answer: none to look anything up."""
    return (SubmitSynthesis(admitted, asked),)


def _source_tools(world: World, role: Role, within: tuple[str, ...] | None) -> list[AnyTool]:
    """The source tools, over what both the contract and the role's policy allow."""
    if world.library is None:
        return []
    try:
        within = narrowed(world.library, within, _policy(world, role).sources)
    except Exception as error:
        log.warning("sources.closed", role=role.name, error=repr(error))
        within = ()  # what can't be told is a no: every source is outside (P202)
    tools: list[AnyTool] = [
        ListSources(world.library, within),
        SearchSources(world.library, within),
        ReadSource(world.library, within, world.snapshots),
    ]
    if world.sees and world.library.has_pictures:
        tools.append(ViewSource(world, world.library, within))
    return tools


def _web_tools(world: World, task: Task) -> list[AnyTool]:
    """What brings pages of the web, over the hosts that the contract names among its sources."""
    hosts = hosts_of(task.contract.sources)
    if world.web is None or not hosts:
        return []
    return [Fetch(world, world.web, task_context(task), hosts)]


def _policy(world: World, role: Role) -> RoleRules:
    """What the project lets members of a role do."""
    spec = world.state.spec
    assert spec is not None, "nobody is seated without a spec"
    return spec.project.of_role(role.name)


def _allowed(
    world: World, tools: list[AnyTool], role: Role, contract: Contract | None = None
) -> tuple[AnyTool, ...]:
    """The tools that the role has and that policy and contract leave it."""
    names = frozenset(tool.name for tool in tools)
    try:
        kept = _permitted(world, names, role, contract)
    except Exception as error:
        log.warning("tools.closed", role=role.name, error=repr(error))
        kept = set()  # what can't be told is a no: every other tool is refused (P201)
    kept |= RETURNING_TOOLS & names
    kept |= {VIEW} & names if READ in kept else set()
    given = (*(tool for tool in tools if tool.name in kept), *skill_tools(world, role))
    return _with_reading_on(world, given)


def _with_reading_on(world: World, tools: tuple[AnyTool, ...]) -> tuple[AnyTool, ...]:
    """With what brings texts from outside comes what reads on in these, and in nothing else."""
    brings = any(tool.reaches_out for tool in tools)
    if world.library is None or not brings or any(tool.name == READ for tool in tools):
        return tools
    return (*tools, ReadSource(world.library, (), world.snapshots))


def _permitted(
    world: World, names: frozenset[str], role: Role, contract: Contract | None
) -> set[str]:
    """Which of these tools role, policy and contract allow."""
    kept = set(role.allowed(names))
    by_policy = _policy(world, role).tools
    if by_policy is not None:
        kept = {name for name in kept if covers(by_policy, name)}
    if contract is not None:
        kept = {name for name in kept if covers(contract.tools, name)}
        kept = {name for name in kept if not covers(contract.tools_avoided, name)}
    return kept
