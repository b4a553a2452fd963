"""Whether a contract has all its parts; what it lets its holder read."""

from __future__ import annotations

from typing import Any

import msgspec
import pytest

from bus.messages import Contract, Criterion, PlanMade, PlannedTask
from team.codes import RULES
from team.rules.contracts import (
    CONTRACT_RULES,
    ContractInput,
    contract_problems,
    is_checkable,
    planned_problems,
    within_of,
)
from team.rules.plan import contract_of
from tests.support.builders import a_budget, a_contract, a_lane, a_plan, opens

SOUND = contract_of(
    a_lane(), a_plan(constraints=("Only version 2",)), ("read_source", "note"), a_budget()
)


def test_a_contract_with_all_its_parts_has_no_problems() -> None:
    assert contract_problems(SOUND, ("only version 2",)) == []


@pytest.mark.parametrize(
    ("changes", "wanted"),
    [
        ({"objective": "\n"}, "C101: it has no objective"),
        ({"output_format": "A report."}, "C112: its output format does not name the type finding"),
        ({"sources": ()}, "C103: it names no source"),
        ({"sources": (" ",)}, "C103: it names no source"),
        ({"sources_avoided": ("docs",)}, "C103: source 'docs' is to be used and to be avoided"),
        ({"boundaries": ()}, "C104: it has no boundary"),
        ({"criteria": ()}, "C105: it has no acceptance criterion"),
        ({"criteria": (Criterion(text="Nice."),)}, "C105: code can't check the criterion 'Nice.'"),
        ({"covers": ()}, "C106: it covers no aspect of the goal"),
        ({"constraints": ()}, "C108: the constraint 'only version 2' was dropped"),
        ({"constraints": ("version 2",)}, "C108: the constraint 'only version 2' was dropped"),
        ({"tools": ()}, "C110: it grants no tool"),
        ({"tools": ("shell",)}, "C110: there is no tool 'shell'"),
        ({"tools_avoided": ("note",)}, "C110: tool 'note' is granted and to be avoided"),
        ({"budget": a_budget(turns_max=0)}, "C111: it grants no turns"),
        ({"budget": a_budget(tokens_max=-1)}, "C111: it grants no tokens"),
        ({"budget": a_budget(seconds_max=float("nan"))}, "C111: it grants no seconds"),
        ({"budget": a_budget(usd_max=0.0)}, "C111: it grants no dollars"),
    ],
)
def test_a_contract_that_lacks_a_part_is_told_which(changes: dict[str, Any], wanted: str) -> None:
    contract = msgspec.structs.replace(SOUND, **changes)

    [problem] = contract_problems(contract, ("only version 2",))

    assert problem.startswith(wanted)


def test_an_empty_contract_breaks_every_rule() -> None:
    empty = Contract(
        objective="",
        output_format="",
        sources=(),
        tools=(),
        boundaries=(),
        budget=a_budget(turns_max=0),
    )

    codes = [problem.split(":")[0] for problem in contract_problems(empty, ("without X",))]

    assert codes == list(CONTRACT_RULES)


@pytest.mark.parametrize("code", CONTRACT_RULES)
def test_a_rule_that_fails_is_a_no(code: str) -> None:
    def fails(_: ContractInput) -> list[str]:
        raise RuntimeError("disk full")

    problems = contract_problems(SOUND, (), {**CONTRACT_RULES, code: fails})

    assert problems == [f"{code}: the check failed: RuntimeError('disk full')"]
    assert code in RULES


@pytest.mark.parametrize(
    ("criterion", "is_so"),
    [
        (Criterion(text="x", claims_min=1), True),
        (Criterion(text="x", sources_min=2), True),
        (Criterion(text="x", mentions=("pool",)), True),
        (Criterion(text="x"), False),
        (Criterion(text="x", claims_min=-1, sources_min=1), False),
        (Criterion(text="x", mentions=("pool", " ")), False),
    ],
)
def test_a_criterion_is_checkable_if_code_can_count_or_find(
    criterion: Criterion, is_so: bool
) -> None:
    assert is_checkable(criterion) is is_so


def test_a_contract_that_changed_on_its_way_is_found_in_the_plan() -> None:
    """Before dispatch, what the stream says is held to the rules once more."""
    good = PlannedTask(id="t1", opened=opens("pools", contract=SOUND))
    bad = PlannedTask(
        id="t2", opened=opens("timeouts", contract=msgspec.structs.replace(SOUND, constraints=()))
    )
    made = PlanMade(mode="team", reasons=(), tasks=(good, bad), constraints=("Only version 2",))

    assert planned_problems(made) == [
        "t2 (timeouts): C108: the constraint 'Only version 2' was dropped"
    ]


def test_what_is_avoided_is_taken_away_from_what_may_be_read() -> None:
    contract = a_contract(sources=("docs", "code"), sources_avoided=("docs/old/*",))

    assert within_of(contract) == ("docs", "code", "!docs/old/*")
