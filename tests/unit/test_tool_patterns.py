"""Names of tools in lists: one tool, all of a server, or all of all servers."""

from __future__ import annotations

import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from roles.tool_patterns import covers, meet, pattern_of, server_of, server_token, tool_name

NAMES = st.text(st.characters(codec="utf-8"), min_size=1, max_size=90)


@given(server=NAMES, tool=NAMES)
def test_every_name_becomes_one_that_models_take_and_that_tells_its_server(
    server: str, tool: str
) -> None:
    token = server_token(server)
    if not token:
        assert not re.search(r"[A-Za-z0-9]", server)
        return

    name = tool_name(token, tool)

    assert re.fullmatch(r"[A-Za-z0-9_-]{1,64}", name)
    assert server_of(name) == token
    assert covers((f"mcp__{token}",), name)
    assert covers(("mcp__*",), name)
    assert covers((name,), name)


@pytest.mark.parametrize(
    ("name", "token"),
    [("github", "github"), ("my server.v2", "my_server_v2"), ("__a__b__", "a_b"), ("é", "")],
)
def test_the_name_of_a_server_is_made_fit(name: str, token: str) -> None:
    assert server_token(name) == token


def test_long_names_that_begin_the_same_stay_apart() -> None:
    first, second = (tool_name("s", "x" * 80 + end) for end in "ab")

    assert first != second
    assert len(first) == 64
    assert len(server_token("y" * 99)) == 32


@pytest.mark.parametrize(
    ("written", "meant"),
    [
        ("mcp__github", "mcp__github"),
        ("mcp__github__*", "mcp__github"),
        ("mcp__github__search", "mcp__github__search"),
        ("mcp__*", "mcp__*"),
        ("mcp__", None),
        ("mcp__a b", None),
        ("read_source", None),
    ],
)
def test_an_entry_of_a_list_is_written_in_one_way(written: str, meant: str | None) -> None:
    assert pattern_of(written) == meant


@pytest.mark.parametrize(
    ("granted", "tool", "is_covered"),
    [
        (["note"], "note", True),
        (["note"], "notes", False),
        (["mcp__time"], "mcp__time__now", True),
        (["mcp__time__now"], "mcp__time", False),
        (["mcp__time__now"], "mcp__time__later", False),
        (["mcp__ti"], "mcp__time__now", False),
        (["mcp__time__*"], "mcp__time__now", True),
        (["mcp__*"], "note", False),
        ([], "mcp__time__now", False),
    ],
)
def test_a_server_covers_its_tools_and_no_other(
    granted: list[str], tool: str, is_covered: bool
) -> None:
    assert covers(granted, tool) is is_covered


TOOLS = st.sampled_from(
    ["note", "mcp__*", "mcp__a", "mcp__b", "mcp__a__x", "mcp__a__y", "mcp__b__x", "mcp__ab__x"]
)
LISTS = st.lists(TOOLS, unique=True)


@given(ours=LISTS, theirs=LISTS, tool=TOOLS)
def test_what_both_lists_name_is_what_each_of_them_covers(
    ours: list[str], theirs: list[str], tool: str
) -> None:
    both = meet(ours, theirs)

    if tool != "mcp__*":
        assert covers(both, tool) == (covers(ours, tool) and covers(theirs, tool))
