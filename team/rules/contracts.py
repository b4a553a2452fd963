"""Whether a contract has all its parts: asked before dispatch, by the gate, and by the audit.

One rule each, under its code (`team/codes/plan.py`). A rule that can't be asked counts
as broken: unknown means no.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping
from typing import Final

import msgspec

from bus.messages import Contract, Criterion, PlanMade
from roles.tool_patterns import pattern_of
from team.codes import plan as codes
from team.policy import AVOIDED
from team.rules.constraints import stands_in
from team.rules.grants import why_empty
from team.rules.hosts import WEB
from team.tool_names import TOOL_NAMES

OUTPUT_TYPE: Final = "finding.submitted"
"""The message that a lane returns; `team schema` prints its JSON Schema."""


class ContractInput(msgspec.Struct, frozen=True, kw_only=True):
    """What the rules look at.

    Attributes:
        contract: The contract.
        constraints: Constraints that it has to carry.
        tools: Tools there are.
    """

    contract: Contract
    constraints: tuple[str, ...]
    tools: Collection[str] = TOOL_NAMES


ContractRule = Callable[[ContractInput], list[str]]


def within_of(contract: Contract) -> tuple[str, ...]:
    """What a contract lets its holder read, as the library takes it."""
    sources = tuple(source for source in contract.sources if not source.startswith(WEB))
    return (*sources, *(AVOIDED + source for source in contract.sources_avoided))


def is_checkable(criterion: Criterion) -> bool:
    """Whether code can tell that a criterion is met."""
    counts = (criterion.claims_min, criterion.sources_min)
    words = criterion.mentions
    if any(count < 0 for count in counts) or not all(word.strip() for word in words):
        return False
    return any(counts) or bool(words)


def _objective(given: ContractInput) -> list[str]:
    return _if(not given.contract.objective.strip(), "it has no objective")


def _output(given: ContractInput) -> list[str]:
    named = OUTPUT_TYPE in given.contract.output_format
    return _if(not named, f"its output format does not name the type {OUTPUT_TYPE}")


def _sources(given: ContractInput) -> list[str]:
    sources, avoided = given.contract.sources, given.contract.sources_avoided
    both = sorted(set(sources) & set(avoided))
    return [
        *_if(not any(source.strip() for source in sources), "it names no source"),
        *(f"source {source!r} is to be used and to be avoided" for source in both),
    ]


def _boundaries(given: ContractInput) -> list[str]:
    return _if(not any(line.strip() for line in given.contract.boundaries), "it has no boundary")


def _criteria(given: ContractInput) -> list[str]:
    criteria = given.contract.criteria
    return [
        *_if(not criteria, "it has no acceptance criterion"),
        *(
            f"code can't check the criterion {one.text!r}"
            for one in criteria
            if not is_checkable(one)
        ),
    ]


def _covers(given: ContractInput) -> list[str]:
    return _if(not given.contract.covers, "it covers no aspect of the goal")


def _constraints(given: ContractInput) -> list[str]:
    carried = given.contract.constraints
    return [
        f"the constraint {constraint!r} was dropped"
        for constraint in given.constraints
        if not any(stands_in(other, constraint) for other in carried)
    ]


def _tools(given: ContractInput) -> list[str]:
    tools, avoided = given.contract.tools, set(given.contract.tools_avoided)
    return [
        *_if(not tools, "it grants no tool"),
        *(f"there is no tool {tool!r}" for tool in tools if not _is_tool(tool, given)),
        *(f"tool {tool!r} is granted and to be avoided" for tool in tools if tool in avoided),
    ]


def _is_tool(name: str, given: ContractInput) -> bool:
    """Whether a name is one of a tool, or of an MCP server: which tools that has, it says late."""
    return name in given.tools or pattern_of(name) == name


def _budget(given: ContractInput) -> list[str]:
    budget = given.contract.budget
    amounts: dict[str, float] = {
        "turns": budget.turns_max,
        "tokens": budget.tokens_max,
        "seconds": budget.seconds_max,
    }
    if budget.usd_max is not None:
        amounts["dollars"] = budget.usd_max
    return [f"it grants no {what}" for what, amount in amounts.items() if not amount > 0]


CONTRACT_RULES: Final[dict[str, ContractRule]] = {
    codes.OBJECTIVE: _objective,
    codes.OUTPUT_TYPE: _output,
    codes.SOURCES: _sources,
    codes.BOUNDARIES: _boundaries,
    codes.ACCEPTANCE: _criteria,
    codes.COVERS: _covers,
    codes.CONSTRAINT_DROPPED: _constraints,
    codes.TOOLS: _tools,
    codes.BUDGET: _budget,
}


def contract_problems(
    contract: Contract,
    constraints: tuple[str, ...] = (),
    rules: Mapping[str, ContractRule] = CONTRACT_RULES,
) -> list[str]:
    """Say what a lane's contract lacks, each with its code; empty if nothing.

    Args:
        contract: The contract of a lane; those of verifiers are not held to this.
        constraints: Constraints of the plan, each of which it has to carry.
        rules: What is asked.
    """
    given = ContractInput(contract=contract, constraints=constraints)
    problems: list[str] = []
    for code, rule in rules.items():
        try:
            found = rule(given)
        except Exception as error:
            found = [f"the check failed: {error!r}"]
        problems += [f"{code}: {problem}" for problem in found]
    return problems


def planned_problems(plan: PlanMade) -> list[str]:
    """What the contracts of a plan lack, each named with its task; empty if nothing.

    A lane for which nothing is left of the run's budget ends as soon as it is on the board.
    """
    whole = {code: rule for code, rule in CONTRACT_RULES.items() if code != codes.BUDGET}
    return [
        f"{task.id} ({task.opened.title}): {problem}"
        for task in plan.tasks
        for problem in contract_problems(
            task.opened.contract,
            plan.constraints,
            CONTRACT_RULES if why_empty(task.opened.contract.budget) is None else whole,
        )
    ]


def _if(is_so: bool, problem: str) -> list[str]:
    return [problem] if is_so else []
