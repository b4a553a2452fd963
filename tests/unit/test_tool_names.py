"""The names of tools: one list for whoever must not load the tools themselves."""

from __future__ import annotations

import importlib
import pkgutil
from typing import Any

import pytest

import team.agent.tools
from team.agent.tools.base import Tool
from team.tool_names import RETURNING_TOOLS, TOOL_NAMES

for module in pkgutil.iter_modules(team.agent.tools.__path__):
    importlib.import_module(f"team.agent.tools.{module.name}")
TOOLS: list[type[Tool[Any]]] = [
    tool for tool in Tool.__subclasses__() if tool.__module__.startswith("team.agent.tools.")
]


def test_the_list_names_every_tool_and_no_other() -> None:
    assert {tool.name for tool in TOOLS} == TOOL_NAMES
    assert len(TOOLS) == len(TOOL_NAMES)


def test_what_ends_an_assignment_is_what_returns() -> None:
    assert {name for name in TOOL_NAMES if name.startswith("submit_")} == RETURNING_TOOLS


@pytest.mark.parametrize("tool", TOOLS, ids=lambda tool: tool.name)
def test_a_tool_describes_itself_and_its_input_to_a_model(tool: type[Tool[Any]]) -> None:
    definition = object.__new__(tool).definition

    assert definition["name"] == tool.name
    assert len(definition["description"]) > 20
    assert definition["input_schema"]["type"] == "object"


@pytest.mark.parametrize("tool", TOOLS, ids=lambda tool: tool.name)
def test_a_tool_of_ours_says_itself_what_it_does_and_changes_nothing_but_the_stream(
    tool: type[Tool[Any]],
) -> None:
    """Who says nothing is taken to change the world, and is never run twice."""
    assert vars(tool)["effect"] in ("read-only", "idempotent")
    assert Tool.effect == "effectful"
