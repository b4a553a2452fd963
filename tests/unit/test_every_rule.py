"""Every rule has a test where it says no, one where it says yes, and one where it fails itself.

The modes of MAST (`M…`) are detectors, each met by its fault: tests/unit/test_fault_matrix.py.
"""

from __future__ import annotations

import ast
from functools import cache

import pytest

from team.codes import RULES
from team.codes.audit import MODES
from team.rules import synthesis_gate
from team.rules.contracts import CONTRACT_RULES
from team.rules.gate import CHECKS
from team.rules.limits import LIMITS
from team.rules.plan import PLAN_RULES
from team.rules.triage import RULES as TRIAGE_RULES
from team.rules.triage import SHAPES
from tests.support import rule_tests as support
from tests.support.documents import ROOT
from tests.support.rule_tests import TESTS

WORDS = {"G190", "G303", "L190", "A114"}
"""Rules that are themselves what is said when another one fails."""
DETECTORS = {rule.code for rule in MODES}


FAIL_EACH: dict[str, set[str]] = {
    f"{support.LIMITS}a_limit_that_fails_to_run_is_a_no": {*LIMITS},
    f"{support.TRIAGE}a_rule_that_fails_speaks_against_a_team": {*TRIAGE_RULES},
    f"{support.TRIAGE}lanes_that_cannot_be_made_ready_are_no_teams": {*SHAPES},
    f"{support.PLAN}a_rule_that_fails_is_a_no": {*PLAN_RULES},
    f"{support.CONTRACTS}a_rule_that_fails_is_a_no": {*CONTRACT_RULES},
    f"{support.CHECKS}each_check_that_crashes_is_a_no": {one.code for one in CHECKS.values()},
    f"{support.ANSWERS}each_check_of_the_answer_that_crashes_is_a_no": {
        one.code for one in synthesis_gate.CHECKS
    },
}
"""Tests that let each rule of a table fail, with the codes in that table."""


@cache
def functions_of(module: str) -> dict[str, str]:
    """The tests of a file that can fail, by name, each with its text and its parameters."""
    text = (ROOT / module).read_text()
    return {
        node.name: "\n".join(
            ast.get_source_segment(text, part) or "" for part in (*node.decorator_list, node)
        )
        for node in ast.parse(text).body
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef)
        and node.name.startswith("test_")
        and any(isinstance(part, ast.Assert | ast.With) for part in ast.walk(node))
    }


def text_of(named: str) -> str:
    """The text of a test, empty if there is none of that name."""
    module, _, name = named.partition("::")
    return functions_of(module).get(name, "") if (ROOT / module).is_file() else ""


def test_every_rule_has_its_tests_and_no_other_has() -> None:
    assert set(TESTS) == set(RULES) - DETECTORS


@pytest.mark.parametrize("code", TESTS)
def test_the_tests_that_are_named_for_a_rule_are_there(code: str) -> None:
    shown = TESTS[code]

    missing = [named for named in shown if not text_of(named)]

    assert missing == ([shown.fails] if code in WORDS else [])


def test_only_what_is_said_of_a_failure_does_not_fail_itself() -> None:
    in_words = {code: shown.fails for code, shown in TESTS.items() if "::" not in shown.fails}

    assert set(in_words) == WORDS
    assert all(words.startswith("it is what is said of ") for words in in_words.values())


@pytest.mark.parametrize("code", TESTS)
def test_a_test_that_serves_many_rules_serves_this_one(code: str) -> None:
    shown = TESTS[code]

    assert code in FAIL_EACH.get(shown.fails, {code})
    if code.startswith("C"):
        assert f"{code}:" in text_of(shown.no), "the parameters have no case for it"
