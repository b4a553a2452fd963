"""What code makes of a plan: what it sends back, and what contract it writes."""

from __future__ import annotations

import re
from typing import Any

import msgspec
import pytest

from bus.messages import Budget, Criterion
from roles.files import BUILT_IN_DIR
from team.agent.tools.return_tools import SubmitPlan
from team.codes import RULES
from team.rules.constraints import constraints_of
from team.rules.contracts import contract_problems
from team.rules.plan import (
    COMMON_AREA,
    PLAN_RULES,
    REQUIRED,
    Lane,
    Plan,
    PlanFacts,
    contract_of,
    likeness,
    plan_problems,
    words,
)
from team.rules.triage import triage
from tests.support.builders import ASPECT, a_criterion, a_lane, a_plan, some_facts

FACTS = some_facts()


def test_a_sound_plan_has_no_problems() -> None:
    lanes = (
        a_lane("pools", areas=("api", "data_1"), sources_avoided=("docs/b.md",)),
        a_lane("timeouts", sources=("code", "docs/*.md"), depends_on=("pools",)),
        a_lane("retries", tools_avoided=("search_sources",), writes=("notes/retries.md",)),
    )

    assert plan_problems(a_plan(*lanes), FACTS) == []


@pytest.mark.parametrize(
    ("lanes", "wanted"),
    [
        ((a_lane("pools"), a_lane("pools")), "C113: lane title 'pools' is used twice"),
        ((a_lane(title=" "),), "C113: the title of lane 1 is empty"),
        ((a_lane(depends_on=("retries",)),), "C113: lane 'pools' depends on 'retries', which"),
        ((a_lane(depends_on=("pools",)),), "depends on 'pools', which is no other lane"),
        ((a_lane(areas=("a.b",)),), "C113: lane 'pools': area 'a.b' is not a token"),
        ((a_lane(areas=("*",)),), "area '*' is not a token"),
        ((a_lane(areas=(">",)),), "area '>' is not a token"),
        ((a_lane(areas=("",)),), "area '' is not a token"),
        (
            (a_lane("a", depends_on=("b",)), a_lane("b", depends_on=("a",))),
            "C113: the lanes depend on each other in a circle",
        ),
        (
            (
                a_lane("free"),
                a_lane("a", depends_on=("c", "free")),
                a_lane("b", depends_on=("a",)),
                a_lane("c", depends_on=("b",)),
            ),
            "the lanes depend on each other in a circle",
        ),
        ((a_lane(objective=" "),), "C101: lane 'pools' has no objective"),
        ((a_lane(output=""),), "C102: lane 'pools' has no output"),
        ((a_lane(sources=()),), "C103: lane 'pools' has no sources"),
        (
            (a_lane(sources=("wiki",)),),
            "C103: lane 'pools': source 'wiki' is not one of code, docs",
        ),
        ((a_lane(sources=("src/*.py",)),), "source 'src/*.py' names nothing that is there"),
        ((a_lane(sources=("docs", "!docs/a.md")),), "write '!docs/a.md' without '!'"),
        (
            (a_lane(sources=("docs/a.md",), sources_avoided=("docs",)),),
            "nothing is left of its sources",
        ),
        ((a_lane(boundaries=()),), "C104: lane 'pools' has no boundaries"),
        ((a_lane(boundaries=("Not B.", "")),), "C104: lane 'pools' has no boundaries"),
        ((a_lane(acceptance=()),), "C105: lane 'pools' has no acceptance criterion"),
        ((a_lane(acceptance=(Criterion(text="Good."),)),), "C105: lane 'pools': code can't check"),
        ((a_lane(acceptance=(a_criterion(text=" "),)),), "C105: lane 'pools': a criterion has no"),
        (
            (a_lane(acceptance=(a_criterion(sources_min=3),)),),
            "'A claim at least.' asks for 3 sources, the lane has 2",
        ),
        (
            (a_lane(acceptance=(a_criterion(claims_min=41),)),),
            "asks for 41 claims, a finding has 40 at most",
        ),
        ((a_lane(covers=()),), "C106: lane 'pools' has no covers"),
        ((a_lane(covers=("pools",)),), "C106: lane 'pools' covers 'pools', which is none of the"),
        (
            (a_lane(tools_avoided=("shell",)),),
            "C110: lane 'pools' avoids 'shell', which is no tool",
        ),
        ((a_lane(tools_avoided=FACTS.worker.tools),), "C110: lane 'pools' has no tool left"),
        ((a_lane(writes=("../etc/passwd",)),), "C114: lane 'pools': '../etc/passwd' is no path"),
        ((a_lane(writes=("/etc/passwd",)),), "'/etc/passwd' is no path inside the project"),
    ],
)
def test_a_lane_that_cannot_be_used_is_told_why(lanes: tuple[Lane, ...], wanted: str) -> None:
    assert wanted in "\n".join(plan_problems(a_plan(*lanes), FACTS))


@pytest.mark.parametrize(
    ("changes", "wanted"),
    [
        ({"effort": None}, "C115: the plan has no effort: one of fact, comparison, broad"),
        ({"effort": "fact"}, "T108: 2 lanes, at most 1 for effort 'fact'"),
        ({"aspects": ()}, "C107: the plan names no aspects of the goal"),
        ({"aspects": (ASPECT, "the weather")}, "C107: the aspect 'the weather' does not stand"),
        ({"aspects": (ASPECT, "documents")}, "C106: no lane covers the aspect 'documents'"),
        ({"constraints": ("Only Linux.",)}, "C109: the constraint 'Only Linux.' does not stand"),
        ({"constraints": ("",)}, "C109: the constraint '' does not stand"),
    ],
)
def test_a_plan_that_cannot_be_used_is_told_why(changes: dict[str, Any], wanted: str) -> None:
    assert wanted in "\n".join(plan_problems(a_plan(**changes), FACTS))


def test_what_a_goal_lists_may_not_be_left_out() -> None:
    goal = "How do pools, timeouts and retries end, without threads?"
    covered = a_plan(a_lane(covers=("pools", "timeouts")), aspects=("pools", "timeouts"))
    facts = some_facts(goal=goal)

    assert plan_problems(covered, facts) == [
        "C107: the goal lists 'retries', and no aspect has it",
    ]
    whole = a_plan(a_lane(covers=(goal,)), aspects=(goal,))
    assert plan_problems(whole, facts) == []


def test_a_constraint_that_stands_in_the_goal_is_kept() -> None:
    facts = some_facts(goal=f"{ASPECT}. Use only the docs.")

    assert plan_problems(a_plan(constraints=("use only the docs",)), facts) == []


def test_a_plan_that_leaves_everything_out_is_told_everything_at_once() -> None:
    """One answer names each part that is missing; nothing is found out one by one."""
    plan = msgspec.convert({"title": "Pools", "lanes": [{}]}, Plan)

    codes = [problem.split(":")[0] for problem in plan_problems(plan, FACTS)]

    assert codes == ["C115", "C113", "C101", "C102", "C103", "C104", "C105", "C107", "C106"]


@pytest.mark.parametrize("code", PLAN_RULES)
def test_a_rule_that_fails_is_a_no(code: str) -> None:
    def fails(_: Plan, __: PlanFacts) -> list[str]:
        raise RuntimeError("disk full")

    problems = plan_problems(a_plan(), FACTS, {**PLAN_RULES, code: fails})

    assert problems == [f"{code}: the check failed: RuntimeError('disk full')"]
    assert code in RULES


@pytest.mark.parametrize(
    ("writable", "problem"),
    [
        (("notes/*",), None),
        (("src/*", "notes/a.md"), None),
        (
            ("src/*",),
            "P205: lane 'pools': policy does not let its role write 'notes/a.md', but src",
        ),
        ((), "P205: lane 'pools': policy does not let its role write 'notes/a.md', but nothing"),
    ],
)
def test_a_lane_may_write_only_what_policy_lets_its_role(
    writable: tuple[str, ...], problem: str | None
) -> None:
    facts = some_facts(writable=writable)

    said = "\n".join(plan_problems(a_plan(a_lane(writes=("notes/a.md",))), facts))

    assert said.startswith(problem) if problem else said == ""


async def test_submit_plan_refuses_with_every_problem_and_takes_what_is_mended() -> None:
    tool = SubmitPlan(FACTS)

    refused = await tool.call({"title": "Pools", "lanes": [{"title": "pools"}]})
    taken = await tool.call(msgspec.to_builtins(a_plan()))

    assert refused.is_error
    assert refused.answer is None
    assert all(code in refused.content for code in ("C101", "C103", "C105", "C107", "C115"))
    assert taken.answer is not None
    assert msgspec.json.decode(taken.answer, type=Plan) == a_plan()


def test_the_model_is_told_which_parts_are_required() -> None:
    schema = SubmitPlan(FACTS).definition["input_schema"]

    assert schema["required"] == list(REQUIRED["Plan"])
    assert schema["$defs"]["Lane"]["required"] == list(REQUIRED["Lane"])
    assert set(REQUIRED["Lane"]) <= set(Lane.__struct_fields__)
    assert set(REQUIRED["Plan"]) <= set(Plan.__struct_fields__)


def test_the_plan_that_the_lead_is_shown_as_an_example_is_complete() -> None:
    """roles/lead.md says it is; it also says for which goal."""
    text = (BUILT_IN_DIR / "lead.md").read_text()
    [goal] = re.findall(r'For the goal "(.+)" a complete plan is', text)
    [example] = re.findall(r"(?s)```json\n(.*?)```", text)
    documents = ("client/a", "client/legacy/b", "docs/client/c.md", "server/d", "server/e")
    facts = some_facts(dict.fromkeys(documents, 2_000), goal=goal)

    plan = msgspec.json.decode(example, type=Plan, strict=True)

    assert plan_problems(plan, facts) == []
    assert plan.constraints == constraints_of(goal)
    assert triage(plan, facts).lanes == plan.lanes


# --- words --------------------------------------------------------------------------


def test_telling_words_are_lower_case_and_without_the_common_ones() -> None:
    assert words("How does the HTTP pool work with an idle_timeout?") == {
        "http",
        "pool",
        "idle_timeout",
    }


@pytest.mark.parametrize(
    ("a", "b", "share"),
    [("pools and limits", "Limits of pools", 1.0), ("pools", "limits", 0.0), ("the", "of", 1.0)],
)
def test_likeness_is_the_share_of_common_telling_words(a: str, b: str, share: float) -> None:
    assert likeness(a, b) == share


# --- contracts ----------------------------------------------------------------------


def test_a_contract_says_what_the_lead_said_and_what_policy_limits() -> None:
    lane = a_lane(
        areas=("api",),
        sources_avoided=("docs/b.md",),
        tools_avoided=("search_sources",),
        writes=("notes/*.md",),
    )
    plan = a_plan(lane, constraints=("Version 2 only.",))
    budget = Budget(turns_max=9, tokens_max=1_000, seconds_max=60.0)

    contract = contract_of(lane, plan, ("read_source", "search_sources"), budget)

    assert (contract.objective, contract.sources, contract.boundaries) == (
        lane.objective,
        lane.sources,
        lane.boundaries,
    )
    assert contract.constraints == ("Version 2 only.",)
    assert (contract.areas, contract.tools) == (("api", COMMON_AREA), ("read_source",))
    assert lane.output in contract.output_format
    assert (contract.criteria, contract.acceptance) == (lane.acceptance, ("A claim at least.",))
    assert (contract.covers, contract.writes) == (lane.covers, lane.writes)
    assert contract.sources_avoided == ("docs/b.md",)
    assert contract.budget == budget
    assert contract_problems(contract, plan.constraints) == []
