"""`.mcp.json` and role files as their users have them: read, filled in, refused with a place."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from roles import load_role
from team.errors import SpecError, StateError
from team.mcp_files import defined_servers, find_mcp_file, read_mcp_file, resolved, wrong_with
from team.policy import McpRules, ProjectPolicy, RoleRules
from team.runtime.permitted import narrowed
from team.runtime.servers import choose_servers, servers_again, with_servers
from team.spec import ResolvedSpec, SeatServers, TeamSpec
from team.tool_names import TOOL_NAMES
from tests.support.builders import a_resolved_spec, a_role

ALLOWED = ProjectPolicy(mcp=McpRules(servers=("docs", "time", "own")))
TIME = {"command": "serve", "args": ["${ZONE:-UTC}"], "env": {"API_KEY": "${KEY}", "MODE": "quiet"}}
DOCS = {"type": "http", "url": "https://${HOST}/mcp", "headers": {"Authorization": "Bearer ${KEY}"}}


def written(folder: Path, **servers: Any) -> Path:
    path = folder / ".mcp.json"
    path.write_text(json.dumps({"mcpServers": servers}, indent=1))
    return path


def a_team(*servers: str) -> TeamSpec:
    return TeamSpec(name="mine", mcp=SeatServers(servers=servers))


def roles_of(spec: ResolvedSpec) -> dict[str, Any]:
    return dict(spec.roles)


def test_variables_are_put_in_and_what_was_put_in_is_secret(tmp_path: Path) -> None:
    found = read_mcp_file(written(tmp_path, time=TIME, docs=DOCS), ".mcp.json")
    environ = {"KEY": "sk-secret", "HOST": "docs.example"}

    time = resolved(found.servers["time"], environ, ("researcher",))
    docs = resolved(found.servers["docs"], environ, ("researcher",))

    assert (time.command, time.args, time.folder) == ("serve", ("UTC",), str(tmp_path.resolve()))
    assert time.env == {"API_KEY": "sk-secret", "MODE": "quiet"}
    assert (docs.kind, docs.url) == ("http", "https://docs.example/mcp")
    assert docs.headers == {"Authorization": "Bearer sk-secret"}
    assert time.secrets == ("sk-secret",)
    assert set(docs.secrets) == {"sk-secret", "Bearer sk-secret"}
    assert "secret" not in repr(time) + repr(docs) + repr(found)


def test_an_address_is_looked_at_with_its_variables_put_in(tmp_path: Path) -> None:
    definition = {"url": "${BASE}/mcp"}
    [one] = read_mcp_file(written(tmp_path, x=definition), "f").servers.values()

    assert not list(wrong_with(one))
    assert not list(wrong_with(one, {"BASE": "https://h"}))
    assert [p.field for p in wrong_with(one, {"BASE": "file:///h"})] == ["mcpServers.x.url"]
    with pytest.raises(SpecError, match="no address of http or https"):
        resolved(one, {"BASE": "file:///h"}, ())


def test_every_variable_in_headers_environment_and_query_is_secret(tmp_path: Path) -> None:
    docs = {
        "url": "https://${HOST}/${PLACE}?k=${MINE}&token=in-the-query",
        "headers": {"X-Who": "u:${WHO}", "Authorization": "Basic written-down"},
    }
    time = {"command": "serve", "args": ["${PLACE}"], "env": {"MODE": "${MINE}"}}
    found = read_mcp_file(written(tmp_path, docs=docs, time=time), "f").servers
    environ = {"HOST": "docs.example", "PLACE": "a-place", "MINE": "mine-alone", "WHO": "who-i-am"}

    hidden = {"mine-alone", "in-the-query", "who-i-am", "Basic written-down", "written-down"}
    assert set(resolved(found["docs"], environ, ()).secrets) == hidden
    assert resolved(found["time"], environ, ()).secrets == ("mine-alone",)


@pytest.mark.parametrize("command", ["./bin/serve", "bin/serve", "../x/bin/serve"])
def test_a_program_with_a_slash_is_looked_up_beside_the_file(tmp_path: Path, command: str) -> None:
    folder = tmp_path / "x"
    folder.mkdir()
    found = read_mcp_file(
        written(folder, one={"command": command}, all={"command": "/bin/cat"}), ""
    )

    assert resolved(found.servers["one"], {}, ()).command == str(folder.resolve() / "bin" / "serve")
    assert resolved(found.servers["all"], {}, ()).command == "/bin/cat"


def test_a_hash_tells_another_definition_but_no_secret(tmp_path: Path) -> None:
    one = read_mcp_file(written(tmp_path, s=TIME), "").servers["s"]
    other_key = read_mcp_file(
        written(tmp_path, s=TIME | {"env": {"API_KEY": "x", "MODE": "y"}}), ""
    )
    other_program = read_mcp_file(written(tmp_path, s=TIME | {"command": "evil"}), "")

    assert one.sha256 == other_key.servers["s"].sha256
    assert one.sha256 != other_program.servers["s"].sha256


def test_a_variable_without_a_value_is_named_with_its_place(tmp_path: Path) -> None:
    found = read_mcp_file(written(tmp_path, time=TIME), "shown.json")

    with pytest.raises(SpecError, match=r"shown.json:3: mcpServers.time.env: the variable KEY"):
        resolved(found.servers["time"], {}, ())


@pytest.mark.parametrize(
    ("definition", "field", "says"),
    [
        ({"type": "sse", "url": "http://h"}, "type", "given it up for streamable HTTP"),
        ({"type": "ws", "url": "ws://h"}, "type", "no transport of MCP"),
        ({"type": "carrier pigeon"}, "type", "there is no type 'carrier pigeon'"),
        ({"args": ["x"]}, "", "missing required field `command`"),
        ({"command": "x", "args": "y"}, "args", "Expected `array`"),
        ({"command": "x", "env": {"A": 1}}, "env", "Expected `str`"),
        ({"type": "http", "url": ""}, "url", "length >= 1"),
        ({"url": "ftp://h/mcp"}, "url", "no address of http or https"),
        ({"url": "https:///mcp"}, "url", "no address of http or https"),
        ({"url": "http://[::1/mcp"}, "url", "no address of http or https"),
        ({"url": "http://${HOST}:${PORT}x/mcp"}, "url", "no address of http or https"),
        ({"command": "a\0b"}, "command", "NUL"),
        ({"command": "a", "args": ["x", "\0"]}, "args", "NUL"),
        ({"command": "a", "env": {"A": "\0"}}, "env", "NUL"),
        ({"command": "a", "env": {"A=B": ""}}, "env", "'A=B' can't be the name"),
        ({"command": "a", "env": {"1A": ""}}, "env", "'1A' can't be the name"),
    ],
)
def test_a_definition_that_can_not_be_used_says_why(
    tmp_path: Path, definition: dict[str, Any], field: str, says: str
) -> None:
    [one] = read_mcp_file(written(tmp_path, x=definition), "f").servers.values()

    [problem] = wrong_with(one)

    assert says in problem.reason
    assert problem.field == "mcpServers.x" + (f".{field}" if field else "")
    assert problem.line
    assert problem.fix


@given(text=st.text(max_size=60) | st.sampled_from(["[]", "{}", '{"mcpServers": []}', "[" * 5_000]))
def test_whatever_stands_in_the_file_is_a_problem_and_no_traceback(
    tmp_path_factory: pytest.TempPathFactory, text: str
) -> None:
    path = tmp_path_factory.mktemp("mcp") / ".mcp.json"
    path.write_bytes(text.encode(errors="surrogatepass"))

    found = read_mcp_file(path, "f")

    assert found.problems
    assert not found.servers


def test_the_file_is_found_up_to_the_root_of_the_repository(tmp_path: Path) -> None:
    (tmp_path / ".git").mkdir()
    (tmp_path / "a" / "b").mkdir(parents=True)
    path = written(tmp_path)

    assert find_mcp_file(tmp_path / "a" / "b") == path.resolve()


def test_a_role_file_defines_a_server_of_its_own_and_the_role_has_only_its_name(
    tmp_path: Path,
) -> None:
    file = tmp_path / "scout.md"
    file.write_text(
        "---\nname: scout\ndescription: d\ntools: Read\nmcpServers:\n  - time\n"
        "  - own:\n      command: serve\n      env:\n        TOKEN: sk-inline\n---\nLook.\n"
    )
    role = load_role(file, TOOL_NAMES)
    written(tmp_path, time={"command": "t"}, own={"command": "other"})

    found = defined_servers(tmp_path, [role])

    assert role.mcp_servers == ("time", "own")
    assert "sk-inline" not in str(msgspec.json.encode(role))
    assert found.servers["own"].data["command"] == "serve"
    assert resolved(found.servers["own"], {}, ()).secrets == ("sk-inline",)
    assert found.servers["time"].data["command"] == "t"


# --- which of them a run uses ---------------------------------------------------------------


def test_a_run_uses_what_policy_allows_and_somebody_asks_for(tmp_path: Path) -> None:
    written(tmp_path, time=TIME, docs=DOCS, own={"command": "o"}, other={"command": "x"})
    roles = {"researcher": a_role("researcher"), "lead": a_role("lead", mcp_servers=("own",))}

    chosen = choose_servers(a_team("time", "other"), roles, ALLOWED, tmp_path, {"KEY": "k"})

    assert {one.name: one.roles for one in chosen.servers} == {
        "time": ("researcher",),
        "own": ("lead",),
    }
    assert len(chosen.left_out) == 1
    assert "'other'" in chosen.left_out[0]
    assert "KEY" not in str(msgspec.json.encode(chosen.docs))


def test_what_nobody_defines_ends_the_request(tmp_path: Path) -> None:
    roles = {"researcher": a_role("researcher")}

    with pytest.raises(SpecError, match="time: it is not defined"):
        choose_servers(a_team("time"), roles, ALLOWED, tmp_path, {})


def test_two_servers_whose_tools_would_be_called_the_same_end_the_request(tmp_path: Path) -> None:
    written(tmp_path, **{"a b": {"command": "x"}, "a.b": {"command": "y"}})
    policy = ProjectPolicy(mcp=McpRules(servers=("a b", "a.b")))
    roles = {"researcher": a_role("researcher")}

    with pytest.raises(SpecError, match="would be called as those of 'a b'"):
        choose_servers(a_team("a b", "a.b"), roles, policy, tmp_path, {})


@pytest.mark.parametrize(
    ("tools", "refused", "by_policy", "granted"),
    [
        (None, (), None, ("mcp__time",)),
        (("read_source",), (), None, ("mcp__time",)),
        (("read_source", "mcp__time__now"), (), None, ("mcp__time__now",)),
        (("read_source", "mcp__*"), (), None, ("mcp__time",)),
        (("read_source",), ("mcp__time",), None, ()),
        (("read_source",), (), ("read_source",), ()),
        (("read_source",), (), ("mcp__time__now", "note"), ("mcp__time__now",)),
        (None, (), ("mcp__time",), ("mcp__time",)),
        (None, ("mcp__*",), None, ()),
    ],
)
def test_a_contract_names_what_role_and_policy_leave_of_a_server(
    tmp_path: Path,
    tools: tuple[str, ...] | None,
    refused: tuple[str, ...],
    by_policy: tuple[str, ...] | None,
    granted: tuple[str, ...],
) -> None:
    written(tmp_path, time={"command": "t"})
    role = a_role("researcher", tools=tools, disallowed_tools=refused)
    policy = ProjectPolicy(mcp=ALLOWED.mcp, roles={"researcher": RoleRules(tools=by_policy)})
    chosen = choose_servers(a_team("time"), {"researcher": role}, policy, tmp_path, {})
    roles = narrowed(with_servers({"researcher": role}, chosen), policy)

    spec = msgspec.structs.replace(a_resolved_spec(), roles=roles, servers=chosen.docs)

    assert spec.server_grants("researcher") == granted
    tokens = ("time",) if granted else ()
    assert spec.servers_for("researcher", ("note", *granted)) == tokens
    assert spec.servers_for("researcher", ("note",)) == ()


def test_a_run_is_resumed_only_with_the_servers_that_it_began_with(tmp_path: Path) -> None:
    written(tmp_path, time=TIME)
    roles = {"researcher": a_role("researcher")}
    chosen = choose_servers(a_team("time"), roles, ALLOWED, tmp_path, {"KEY": "old"})
    spec = msgspec.structs.replace(a_resolved_spec(), roles=roles, servers=chosen.docs)

    [again] = servers_again(spec, "r1", tmp_path, {"KEY": "new"})
    assert again.env["API_KEY"] == "new"
    written(tmp_path, time=TIME | {"command": "other"})
    with pytest.raises(StateError, match="is defined otherwise than when it was started"):
        servers_again(spec, "r1", tmp_path, {"KEY": "new"})
    (tmp_path / ".mcp.json").unlink()
    with pytest.raises(SpecError, match=r"there is no \.mcp\.json here"):
        servers_again(spec, "r1", tmp_path, {"KEY": "new"})
