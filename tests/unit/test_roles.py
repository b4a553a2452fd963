"""Role files: what is read, what is refused and where, and which file wins a name.

Promises: docs/roles.md.
"""

from __future__ import annotations

import hashlib
import os
import re
import string
import tempfile
from pathlib import Path

import pytest
import yaml
from hypothesis import example, given
from hypothesis import strategies as st

import roles
from roles import FoundRole, Role, RoleError, find_roles, get_role, load_role, search_path
from roles.checks import CLAUDE_TOOLS_HERE
from roles.front_matter import FRONT_MATTER_CHARS_MAX, HONOURED, KEPT, SHORT_CHARS

TEAMMATE_TOOLS = frozenset(
    {
        "list_sources",
        "read_source",
        "search_sources",
        "fetch",
        "note",
        "send_message",
        "wait_for_mail",
        "record_decision",
        "search_decisions",
        "read_decision",
        "challenge_decision",
        "rebut_challenge",
        "withdraw_decision",
        "submit_finding",
    }
)
RETURNS = {
    "submit_plan",
    "submit_ruling",
    "submit_conflict_ruling",
    "submit_synthesis",
    "submit_verdict",
    "submit_comparison",
}
TOOLS = TEAMMATE_TOOLS | RETURNS
LEAD_TOOLS = {
    "list_sources",
    "search_sources",
    "read_source",
    "search_decisions",
    "read_decision",
    "send_message",
}
GOOD = "---\nname: scout\ndescription: Looks ahead.\n---\nLook ahead.\n"


def a_file(directory: Path, content: str | bytes, name: str = "scout.md") -> Path:
    """Write a role file, making its directory."""
    directory.mkdir(parents=True, exist_ok=True)
    path = directory / name
    path.write_bytes(content.encode() if isinstance(content, str) else content)
    return path


def front(*lines: str, body: str = "Look ahead.") -> str:
    """Return a role file with a sound name and description on lines 2 and 3."""
    fields = ("name: scout", "description: Looks ahead.", *lines)
    return "\n".join(("---", *fields, "---", body, ""))


def loaded(tmp_path: Path, content: str | bytes) -> Role:
    return load_role(a_file(tmp_path, content), TOOLS)


def refused(tmp_path: Path, content: str | bytes) -> RoleError:
    """Load a file that must be refused; check that the text says path, line, field, fix."""
    path = a_file(tmp_path, content)
    with pytest.raises(RoleError) as caught:
        load_role(path, TOOLS)
    error = caught.value
    assert error.path == str(path)
    where = f"{path}:{error.line}" if error.line else str(path)
    field = f"{error.field}: " if error.field else ""
    assert str(error) == f"{where}: {field}{error.reason}; {error.fix}"
    assert error.reason
    assert error.fix
    return error


def why(role: Role, field: str, value: str | None = None) -> str:
    """Return why a field is ignored; it must be exactly once."""
    (one,) = [i for i in role.ignored if i.field == field and value in (None, i.value)]
    return one.why


def found_in(cwd: Path) -> tuple[FoundRole, ...]:
    return find_roles(cwd, TOOLS, home=cwd / "home", environ={})


def got(name: str, cwd: Path) -> Role:
    return get_role(name, cwd, TOOLS, home=cwd / "home", environ={})


# --- what is read --------------------------------------------------------------------------


def test_every_honoured_field_reaches_the_role(tmp_path: Path) -> None:
    content = front(
        "tools: read_source, note",
        "disallowedTools: [send_message]",
        "model: opus",
        "maxTurns: 30",
        "effort: xhigh",
        "mcpServers: [github, {docs: {command: serve}}]",
        "skills: [charts, tables]",
    )

    role = loaded(tmp_path, content)

    assert role == Role(
        name="scout",
        description="Looks ahead.",
        instructions="Look ahead.",
        tools=("read_source", "note"),
        disallowed_tools=("send_message",),
        model="opus",
        effort="xhigh",
        max_turns=30,
        source=str(tmp_path / "scout.md"),
        sha256=hashlib.sha256(content.encode()).hexdigest(),
        honoured=HONOURED,
        ignored=(),
        mcp_servers=("github", "docs"),
        skills=("charts", "tables"),
    )


def test_a_role_with_only_name_and_description_leaves_the_rest_to_the_team(tmp_path: Path) -> None:
    role = loaded(tmp_path, GOOD)

    assert (role.tools, role.disallowed_tools) == (None, ())
    assert (role.model, role.effort, role.max_turns) == (None, None, None)
    assert role.honoured == ("name", "description")


@pytest.mark.parametrize("line", ["model: inherit", "model:", "model: null"])
def test_an_inherited_model_is_none(tmp_path: Path, line: str) -> None:
    assert loaded(tmp_path, front(line)).model is None


def test_byte_order_mark_and_windows_line_ends_change_nothing(tmp_path: Path) -> None:
    plain = loaded(tmp_path, front("tools: Read", "color: red", body="One.\n\nTwo."))
    windows = front("tools: Read", "color: red", body="One.\n\nTwo.").replace("\n", "\r\n")

    role = loaded(tmp_path, b"\xef\xbb\xbf" + windows.encode())

    assert role.instructions == plain.instructions == "One.\n\nTwo."
    assert (role.tools, role.ignored) == (plain.tools, plain.ignored)


def test_a_rule_in_the_body_does_not_end_the_body(tmp_path: Path) -> None:
    assert loaded(tmp_path, front(body="One.\n---\nTwo.")).instructions == "One.\n---\nTwo."


@pytest.mark.parametrize(
    "line",
    ["tools: Read, Grep,Glob", "tools: [Read, Grep, Glob]", "tools:\n  - Read\n  - Grep, Glob"],
)
def test_claude_codes_reading_tools_become_ours(tmp_path: Path, line: str) -> None:
    role = loaded(tmp_path, front(line))

    assert role.tools == ("read_source", "search_sources", "list_sources")
    assert role.ignored == ()


def test_claude_codes_other_tools_are_reported_and_not_given(tmp_path: Path) -> None:
    role = loaded(tmp_path, front("tools: Read, Bash(git log:*, x), Agent(a, b)"))

    assert role.tools == ("read_source",)
    for tool in ("Bash(git log:*, x)", "Agent(a, b)"):
        assert why(role, "tools", tool) == "no such tool here yet"


def test_a_list_of_tools_with_nothing_left_never_means_all_tools(tmp_path: Path) -> None:
    role = loaded(tmp_path, front("tools: Bash, WebSearch"))

    assert role.tools == ()
    assert "the role has none" in why(role, "tools", "Bash, WebSearch")


@pytest.mark.parametrize("line", ["tools: '*'", "tools: *", "tools: ['*']"])
def test_a_star_means_all_tools(tmp_path: Path, line: str) -> None:
    assert loaded(tmp_path, front(line)).tools is None


def test_an_empty_list_means_no_tools(tmp_path: Path) -> None:
    assert loaded(tmp_path, front("tools: []")).tools == ()


def test_a_limited_tool_is_not_given_whole_but_is_refused_whole(tmp_path: Path) -> None:
    role = loaded(tmp_path, front("tools: Grep, Read(src/**)", "disallowedTools: Glob(secret/**)"))

    assert role.tools == ("search_sources",)
    assert role.disallowed_tools == ("list_sources",)
    assert "so it is not given" in why(role, "tools")
    assert "all of it is refused" in why(role, "disallowedTools")


def test_a_claude_tool_whose_twin_is_unknown_here_is_reported(tmp_path: Path) -> None:
    role = load_role(a_file(tmp_path, front("tools: Read, note")), frozenset({"note"}))

    assert role.tools == ("note",)
    assert why(role, "tools") == "no such tool here yet"


def test_refused_tools_are_stronger_than_given_ones(tmp_path: Path) -> None:
    given_two = loaded(tmp_path, front("tools: Read, Grep", "disallowedTools: Grep"))
    given_all = loaded(tmp_path, front("disallowedTools: note"))

    assert given_two.allowed(sorted(TEAMMATE_TOOLS)) == ("read_source",)
    assert set(given_all.allowed(TEAMMATE_TOOLS)) == TEAMMATE_TOOLS - {"note"}


@pytest.mark.parametrize("field", sorted(KEPT))
def test_claude_codes_other_fields_are_kept_with_a_reason(tmp_path: Path, field: str) -> None:
    role = loaded(tmp_path, front(f"{field}: plan"))

    assert why(role, field, "plan") == KEPT[field]
    assert role.ignored[0].line == 4


@pytest.mark.parametrize(
    ("written", "meant"),
    [
        ("tool", "tools"),
        ("Tools", "tools"),
        ("max_turns", "maxTurns"),
        ("disallowed-tools", "disallowedTools"),
        ("permissionmode", "permissionMode"),
    ],
)
def test_a_misspelled_field_is_reported_with_what_was_meant(
    tmp_path: Path, written: str, meant: str
) -> None:
    assert f"did you mean {meant!r}" in why(loaded(tmp_path, front(f"{written}: x")), written)


def test_an_unknown_field_like_no_other_gets_no_guess(tmp_path: Path) -> None:
    assert why(loaded(tmp_path, front("zzz: 1")), "zzz", "1") == "no such field here"


def test_a_long_or_nested_value_is_reported_short_and_on_one_line(tmp_path: Path) -> None:
    role = loaded(tmp_path, front("hooks:", "  Stop:", *(f"    - cmd: {i}" for i in range(50))))

    (hooks,) = role.ignored
    assert hooks.value.startswith("Stop: - cmd: 0")
    assert len(hooks.value) <= SHORT_CHARS


def test_an_alias_bomb_in_an_ignored_field_costs_nothing(tmp_path: Path) -> None:
    bomb = ["a0: &a0 [x, x]"] + [f"a{i}: &a{i} [*a{i - 1}, *a{i - 1}]" for i in range(1, 200)]

    assert len(loaded(tmp_path, front(*bomb)).ignored) == 200


# --- front matter that is not YAML ---------------------------------------------------------

CLAUDE_STYLE = r"""---
name: reviewer
description: Use this agent when: the user is done. <example>\n\nuser: "hi"</example>
  More: indented.
user: please review
assistant: I'll use: the reviewer
tools:
  - Read
  - Grep
model: sonnet
color: blue
---
Review.
"""


def test_a_description_with_bare_colons_is_read_and_reported(tmp_path: Path) -> None:
    role = loaded(tmp_path, CLAUDE_STYLE)

    assert role.description == (
        r'Use this agent when: the user is done. <example>\n\nuser: "hi"</example> '
        "More: indented. user: please review assistant: I'll use: the reviewer"
    )
    assert (role.name, role.model) == ("reviewer", "sonnet")
    assert role.tools == ("read_source", "search_sources")
    assert why(role, "color") == KEPT["color"]
    assert "read line by line" in why(role, "(front matter)")
    assert role.ignored[0].line == 3


def test_loose_reading_keeps_line_numbers_for_errors(tmp_path: Path) -> None:
    error = refused(tmp_path, front("color: a: b", "model: opus", "tools: Raed"))

    assert (error.line, error.field) == (6, "tools")


def test_loose_reading_still_reports_a_misspelled_field(tmp_path: Path) -> None:
    role = loaded(tmp_path, "---\nname: a\ndescription: x: y\ntool: Read\n---\nBody.\n")

    assert role.description == "x: y"
    assert "did you mean 'tools'" in why(role, "tool")


def test_loose_reading_keeps_unknown_fields_apart_from_the_name(tmp_path: Path) -> None:
    role = loaded(tmp_path, "---\nname: a\nversion: 1.0\ndescription: 'x: y' z\n---\nBody.\n")

    assert (role.name, role.description) == ("a", "'x: y' z")
    assert why(role, "version", "1.0") == "no such field here"


def test_loose_reading_takes_off_quotes_around_the_whole_text(tmp_path: Path) -> None:
    role = loaded(tmp_path, '---\nname: a\ndescription: "say "hi" now"\n---\nBody.\n')

    assert role.description == 'say "hi" now'


def test_broken_yaml_without_a_name_is_refused_at_its_line(tmp_path: Path) -> None:
    error = refused(tmp_path, "---\ndescription: fine\nwhat: a: b\n---\nBody.\n")

    assert error.line == 3
    assert "mapping values are not allowed" in error.reason
    assert "quote values" in error.fix


# --- what is refused -----------------------------------------------------------------------


@pytest.mark.parametrize(
    ("content", "line", "field", "reason", "fix"),
    [
        ("", 1, None, "does not open with front matter", "open it with"),
        ("# Scout\n", 1, None, "does not open with front matter", "open it with"),
        ("\n" + GOOD, 1, None, "does not open with front matter", "open it with"),
        ("---\nname: a\n", 1, None, "never closed", "a line `---`"),
        ("---\n---\nBody.\n", 1, None, "empty", "one per line"),
        ("---\n- name\n---\nBody.\n", 2, None, "not a list of fields", "one per line"),
        ("---\njust words\n---\nBody.\n", 2, None, "not a list of fields", "one per line"),
        ("---\ndescription: x\n---\nBody.\n", 1, "name", "missing", "add a line `name: …`"),
        ("---\nname: a\n---\nBody.\n", 1, "description", "missing", "`description: …`"),
        ("---\nname:\ndescription: x\n---\nB\n", 2, "name", "is empty", "write a value"),
        ("---\nname: a\ndescription: ''\n---\nB\n", 3, "description", "is empty", "a value"),
        ("---\nname: a/b\ndescription: x\n---\nB\n", 2, "name", "'a/b' can't be", "1 to 64"),
        (f"---\nname: {'a' * 65}\ndescription: x\n---\nB\n", 2, "name", "can't be", "1 to 64"),
        ("---\nname: é\ndescription: x\n---\nB\n", 2, "name", "can't be", "ASCII"),
        ("---\nname: 12\ndescription: x\n---\nB\n", 2, "name", "must be text, and is 12", "quotes"),
        ("---\nname: [a]\ndescription: x\n---\nB\n", 2, "name", "must be text", "quotes"),
        (front(r'model: "a\eb"'), 4, "model", "U+001B", "delete it"),
        (front("description: again"), 4, "description", "twice, first on line 3", "keep one"),
        (front("maxTurns: many"), 4, "maxTurns", "is many", "a number such as 30"),
        (front("maxTurns: 0"), 4, "maxTurns", "from 1 to 999999, and is 0", "a number"),
        (front("maxTurns: [3]"), 4, "maxTurns", "is [3]", "a number"),
        (front("model: [opus]"), 4, "model", "must be text", "quotes"),
        (front("model: claude opus"), 4, "model", "no model's name", "an alias"),
        (front("model: ''"), 4, "model", "is empty", "delete the line"),
        (front("effort: hgih"), 4, "effort", "no level", "did you mean 'high'"),
        (front("effort: 3"), 4, "effort", "must be text", "quotes"),
        (front("tools: 3"), 4, "tools", "must be names of tools, and is 3", "commas"),
        (front("tools: {write: false}"), 4, "tools", "must be names of tools", "commas"),
        (front("tools: [[Read]]"), 4, "tools", "must be names of tools", "commas"),
        (front("tools:"), 4, "tools", "holds no name", "delete the line"),
        (front("tools: ','"), 4, "tools", "holds no name", "delete the line"),
        (front("color: red", "tools: Raed"), 5, "tools", "no tool 'Raed'", "did you mean 'Read'"),
        (front("tools: read_sources"), 4, "tools", "'read_sources'", "mean 'read_source'"),
        (front("tools: reed"), 4, "tools", "'reed'", ", ".join(sorted(TOOLS))),
        (front("disallowedTools: Raed"), 4, "disallowedTools", "'Raed'", "did you mean 'Read'"),
        (front(body=" \n\t\n"), 5, None, "no instructions", "after the second"),
        (GOOD.encode() + b"\n\xff", 7, None, "not UTF-8", "save the file as UTF-8"),
    ],
)
def test_what_is_wrong_is_refused_with_file_line_field_and_fix(
    tmp_path: Path, content: str | bytes, line: int, field: str | None, reason: str, fix: str
) -> None:
    error = refused(tmp_path, content)

    assert (error.line, error.field) == (line, field)
    assert reason in error.reason
    assert fix in error.fix


def test_a_file_over_the_limit_is_refused(tmp_path: Path) -> None:
    error = refused(tmp_path, GOOD + "x" * roles.ROLE_BYTES_MAX)

    assert f"{roles.ROLE_BYTES_MAX:,}" in error.reason


def test_front_matter_over_the_limit_is_refused(tmp_path: Path) -> None:
    error = refused(tmp_path, front(f"color: {'x' * FRONT_MATTER_CHARS_MAX}"))

    assert (error.line, error.fix) == (1, "move text into the instructions")
    assert f"{FRONT_MATTER_CHARS_MAX:,}" in error.reason


def test_a_missing_file_a_directory_and_a_pipe_are_refused(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "pipe.md")
    for path, reason in [
        (tmp_path / "none.md", "can't be read: No such file"),
        (tmp_path, "a directory"),
        (tmp_path / "pipe.md", "not a regular file"),
        (tmp_path / "a\0b.md", "no such path"),
    ]:
        with pytest.raises(RoleError, match=reason) as caught:
            load_role(path, TOOLS)
        assert caught.value.path == str(path)
        assert caught.value.fix


def test_deeply_nested_yaml_is_refused_like_any_broken_yaml(tmp_path: Path) -> None:
    error = refused(tmp_path, f"---\nx: {'[' * 10_000}\n---\nBody.\n")

    assert "not YAML" in error.reason


def test_role_error_says_what_comes_next() -> None:
    assert "Next:" in (RoleError.__doc__ or "")
    assert RoleError.retryable is False


# --- properties ----------------------------------------------------------------------------


def load_or_refuse(content: bytes) -> Role | RoleError:
    with tempfile.TemporaryDirectory() as directory:
        try:
            return load_role(a_file(Path(directory), content), TOOLS)
        except RoleError as error:
            return error


@given(st.binary(max_size=200))
@example(b"---\n? [a]\n: b\n---\nx")
def test_any_bytes_are_a_role_or_a_role_error(content: bytes) -> None:
    load_or_refuse(content)


YAML_PIECES = st.one_of(
    st.sampled_from([*HONOURED, *KEPT, "tool", "Read", "Bash(a, b)", "inherit", "high", "12"]),
    st.sampled_from(["\n", "\n  ", ": ", ":", "- ", "---\n", "...\n", "|", ">-", "#", "? ", "\t"]),
    st.sampled_from(["[", "]", "{", "}", ",", "&a ", "*a", "*", "<<: ", "'", '"', "\\", "=", "~"]),
    st.sampled_from(["!!int ", "!!timestamp ", "!x ", "%YAML 9.9\n", "2020-99-99", "null"]),
    st.sampled_from([r'"\UFFFFFFFF"', r'"\ud800"', "\ufeff", "\x00", "\x85", "\u2028", "\r", "é"]),
)


@given(st.lists(st.one_of(YAML_PIECES, st.text(max_size=5)), max_size=30).map("".join))
def test_any_front_matter_is_a_role_or_a_role_error(text: str) -> None:
    outcome = load_or_refuse(f"---\n{text}\n---\nBody.\n".encode(errors="replace"))

    if isinstance(outcome, Role):
        assert re.fullmatch(r"[A-Za-z0-9_-]{1,64}", outcome.name)
        assert outcome.description
        assert set(outcome.tools or ()) <= TOOLS
        assert set(outcome.disallowed_tools) <= TOOLS
        outcome.description.encode()
        assert all(len(one.value) <= SHORT_CHARS and one.why for one in outcome.ignored)


WORDS = st.text(st.characters(codec="utf-8", exclude_categories=("Cc", "Cs")), min_size=1).filter(
    lambda text: text == text.strip() != ""
)
NAMES = st.text(string.ascii_letters + string.digits + "_-", min_size=1, max_size=64)


@given(
    name=NAMES,
    description=WORDS,
    tools=st.none() | st.lists(st.sampled_from(sorted(TOOLS)), unique=True),
    refuse=st.lists(st.sampled_from(sorted(TOOLS)), unique=True),
    model=st.sampled_from(["inherit", "opus", "claude-sonnet-4-5", "sonnet[1m]"]),
    max_turns=st.integers(1, 999_999),
    effort=st.sampled_from(roles.EFFORTS),
    is_flow=st.booleans(),
)
def test_front_matter_written_by_yaml_is_read_back_as_it_was(
    name: str,
    description: str,
    tools: list[str] | None,
    refuse: list[str],
    model: str,
    max_turns: int,
    effort: str,
    is_flow: bool,
) -> None:
    data: dict[str, object] = {"name": name, "description": description, "model": model}
    data |= {"disallowedTools": refuse, "maxTurns": max_turns, "effort": effort}
    if tools is not None:
        data["tools"] = tools
    text = yaml.safe_dump(data, allow_unicode=True, sort_keys=False, default_flow_style=is_flow)

    role = load_or_refuse(f"---\n{text}---\nBody.\n".encode())

    assert isinstance(role, Role), role
    assert (role.name, role.description) == (name, description)
    assert role.tools == (None if tools is None else tuple(tools))
    assert role.disallowed_tools == tuple(refuse)
    assert role.model == (None if model == "inherit" else model)
    assert (role.max_turns, role.effort, role.ignored) == (max_turns, effort, ())


# --- where roles are found, and which wins -------------------------------------------------


def test_project_beats_claude_beats_user_beats_built_in(tmp_path: Path) -> None:
    content = GOOD.replace("scout", "skeptic")
    directories = ["roles", ".claude/agents/team", "home/.config/peerteam/roles"]
    paths = [str(a_file(tmp_path / d, content, "x.md")) for d in directories]

    found = [one for one in found_in(tmp_path) if one.name == "skeptic"]

    assert [one.origin for one in found] == ["project", "claude", "user", "built-in"]
    assert [one.path for one in found[:3]] == paths
    assert [one.wins for one in found] == [True, False, False, False]
    assert [one.shadowed_by for one in found] == [None, paths[0], paths[0], paths[0]]
    assert got("skeptic", tmp_path).source == paths[0]


def test_files_of_one_directory_are_sorted_and_the_first_wins(tmp_path: Path) -> None:
    for name in ("b.md", "a.md"):
        a_file(tmp_path / "roles", GOOD, name)

    first, second = found_in(tmp_path)[:2]

    assert [Path(one.path).name for one in (first, second)] == ["a.md", "b.md"]
    assert (first.wins, second.shadowed_by) == (True, first.path)


def test_user_roles_follow_xdg_config_home_unless_it_is_relative(tmp_path: Path) -> None:
    def user_dir(configured: str) -> Path:
        places = search_path(tmp_path, Path("/h"), {"XDG_CONFIG_HOME": configured})
        return next(place.path for place in places if place.origin == "user")

    assert user_dir("/x") == Path("/x/peerteam/roles")
    assert user_dir("x") == user_dir("") == Path("/h/.config/peerteam/roles")


def test_a_python_package_called_roles_holds_only_its_role_files(tmp_path: Path) -> None:
    directory = tmp_path / "roles"
    a_file(directory, "import os\n", "files.py")
    a_file(directory, GOOD, "README.md")
    a_file(directory, "# Notes\n", "notes.md")
    a_file(directory, GOOD)
    (directory / "folder.md").mkdir()

    found = [one for one in found_in(tmp_path) if one.origin == "project"]

    assert [Path(one.path).name for one in found] == ["scout.md"]


def test_in_our_own_repository_built_in_roles_are_listed_once() -> None:
    found = found_in(roles.BUILT_IN_DIR.parent)

    assert [one.origin for one in found if one.name == "lead"] == ["built-in"]


def test_a_broken_file_hides_no_other_role(tmp_path: Path) -> None:
    a_file(tmp_path / "roles", "---\nname: bad\n---\nBody.\n", "bad.md")
    a_file(tmp_path / "roles", GOOD)

    bad, scout = found_in(tmp_path)[:2]

    assert bad.role is None
    assert "description: missing" in (bad.error or "")
    assert (scout.name, scout.wins, scout.error) == ("scout", True, None)
    assert got("scout", tmp_path).description == "Looks ahead."


@pytest.mark.parametrize(
    ("stem", "content"),
    [
        ("skeptic", "---\nname: [\n---\nB\n"),
        ("mine", "---\nname: 'skeptic'\n---\nB\n"),
        ("skeptic", b"---\n\xff\n---\nB\n"),
    ],
)
def test_a_broken_file_holds_its_name_and_raises_its_own_error(
    tmp_path: Path, stem: str, content: str | bytes
) -> None:
    path = a_file(tmp_path / "roles", content, f"{stem}.md")

    broken, *others = [one for one in found_in(tmp_path) if one.name == "skeptic"]

    assert (broken.path, broken.wins, broken.role) == (str(path), True, None)
    assert broken.error
    assert [one.shadowed_by for one in others] == [str(path)]
    with pytest.raises(RoleError) as caught:
        got("skeptic", tmp_path)
    assert str(caught.value) == broken.error


def test_a_broken_file_under_a_good_one_does_no_harm(tmp_path: Path) -> None:
    good = a_file(tmp_path / "roles", GOOD)
    a_file(tmp_path / ".claude" / "agents", "---\nname: [\n---\nB\n")

    broken = next(one for one in found_in(tmp_path) if one.origin == "claude")

    assert (broken.wins, broken.shadowed_by) == (False, str(good))
    assert got("scout", tmp_path).source == str(good)


def test_a_dangling_link_is_listed_with_its_error(tmp_path: Path) -> None:
    (tmp_path / "roles").mkdir()
    (tmp_path / "roles" / "gone.md").symlink_to(tmp_path / "nowhere")

    gone = found_in(tmp_path)[0]

    assert (gone.name, gone.wins) == ("gone", True)
    assert "can't be read" in (gone.error or "")


def test_an_unknown_role_is_refused_with_near_names_and_all_names(tmp_path: Path) -> None:
    with pytest.raises(RoleError) as caught:
        got("reseacher", tmp_path)

    assert caught.value.path == str(tmp_path / "roles" / "reseacher.md")
    assert "there is no role 'reseacher'" in caught.value.reason
    assert "did you mean 'researcher'?" in caught.value.fix
    assert "lead, researcher, skeptic" in caught.value.fix


@pytest.mark.parametrize("name", ["", "../lead", "a\0b", "x" * 5000])
def test_a_name_that_no_role_can_have_is_unknown_like_any_other(tmp_path: Path, name: str) -> None:
    with pytest.raises(RoleError, match="there is no role"):
        got(name, tmp_path)


def test_asking_for_a_file_without_front_matter_says_so(tmp_path: Path) -> None:
    a_file(tmp_path / "roles", "# Scout\n")

    with pytest.raises(RoleError, match="does not open with front matter"):
        got("scout", tmp_path)


# --- the roles we ship ---------------------------------------------------------------------


@pytest.mark.parametrize(
    ("name", "tools"),
    [
        ("lead", LEAD_TOOLS),
        ("researcher", TEAMMATE_TOOLS),
        ("skeptic", {"read_source", "search_sources"}),
    ],
)
def test_built_in_roles_load_whole_and_have_their_tools(
    tmp_path: Path, name: str, tools: set[str]
) -> None:
    own = {
        "lead": {"submit_plan", "submit_ruling", "submit_conflict_ruling", "submit_synthesis"},
        "skeptic": {"submit_verdict", "submit_comparison"},
    }

    role = got(name, tmp_path)

    assert set(role.tools or ()) == tools | own.get(name, set())
    assert (role.source, role.model, role.ignored) == (f"built-in:{name}", None, ())
    assert role.effort in roles.EFFORTS


@pytest.mark.parametrize("name", ["lead", "researcher", "skeptic"])
def test_built_in_instructions_name_only_tools_the_role_has(tmp_path: Path, name: str) -> None:
    role = got(name, tmp_path)

    named = set(re.findall(r"`([a-z]+_[a-z_]+|note)`", role.instructions))
    assert named
    assert named <= set(role.tools or ())


def test_the_guide_lists_every_field_and_every_mapped_tool() -> None:
    """docs/roles.md and the code agree on what is honoured, kept and mapped."""
    guide = (roles.BUILT_IN_DIR.parent / "docs" / "roles.md").read_text(encoding="utf-8")
    cells = re.findall(r"^\| `([^`]+)` \|", guide, re.MULTILINE)

    assert set(HONOURED) | set(KEPT) | set(CLAUDE_TOOLS_HERE) == set(cells)


def test_a_file_with_a_built_in_name_and_no_front_matter_is_reported(tmp_path: Path) -> None:
    """Whoever writes `roles/researcher.md` means the role; garbage there is no silent no."""
    (tmp_path / "roles").mkdir()
    (tmp_path / "roles" / "researcher.md").write_bytes(b"\x00\xff garbage")

    found = {(one.name, one.origin): one for one in find_roles(tmp_path, TOOLS, home=tmp_path)}

    assert found["researcher", "project"].error
    with pytest.raises(RoleError, match=r"researcher\.md"):
        get_role("researcher", tmp_path, TOOLS, home=tmp_path)
