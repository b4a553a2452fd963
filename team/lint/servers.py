"""MCP servers: what a policy and a team name, against the definitions that there are."""

from __future__ import annotations

import os
from collections.abc import Iterator

from roles.tool_patterns import EVERY, pattern_of, server_of, server_token
from team.codes.lint import NO_VARIABLE, SERVER_REFUSED, UNKNOWN_SERVER, UNKNOWN_TOOL
from team.lint.around import Around
from team.lint.limits import texts
from team.mcp_files import MCP_FILE, Defined, defined_servers, find_mcp_file, missing_variables
from team.mcp_files import wrong_with as wrong_with_definition
from team.policy import ProjectPolicy
from team.tool_names import TOOL_NAMES
from team.written import Document, Problem, severity_of
from team.written.words import near


def wrong_servers(document: Document, policy: ProjectPolicy, around: Around) -> Iterator[Problem]:
    """Servers that the policy allows and that can't be started; of others nothing is said."""
    if not policy.mcp.servers:
        return
    found = _defined(around)
    yield from found.problems
    tokens: dict[str, str] = {}
    for keys, name in texts(document, "mcp", "servers"):
        one = found.servers.get(name)
        if one is None:
            fix = near(name, sorted(found.servers)) or f"define it in {MCP_FILE}"
            yield document.problem(UNKNOWN_SERVER, keys, f"no server {name!r} is defined", fix)
            continue
        other = tokens.setdefault(one.token, name)
        if other != name:
            reason = f"the tools of {name!r} would be called as those of {other!r}"
            yield document.problem(UNKNOWN_SERVER, keys, reason, "call one of the two otherwise")
        yield from wrong_with_definition(one, os.environ)
        for field, variable in missing_variables(one, os.environ):
            reason = f"the variable {variable} is not set"
            fix = f"set it where the team is run, or write ${{{variable}:-a default}}"
            yield Problem(
                code=NO_VARIABLE,
                path=one.path,
                line=one.lines.get(field, one.line),
                field=f"mcpServers.{name}.{field}",
                reason=reason,
                fix=fix,
                severity=severity_of(NO_VARIABLE),
            )


def _defined(around: Around) -> Defined:
    path = find_mcp_file(around.cwd)
    roles = [one.role for one in around.found if one.wins and one.role is not None]
    shown = None if path is None else around.shown(path)
    return defined_servers(around.cwd, roles, shown)


def unknown_tools(document: Document, policy: ProjectPolicy) -> Iterator[Problem]:
    """Tools that the policy names for a role or as harmless, and that nobody can have."""
    for name in policy.roles:
        for keys, tool in texts(document, "roles", name, "tools"):
            if tool in TOOL_NAMES:
                continue
            if pattern_of(tool) is None:
                fix = near(tool, sorted(TOOL_NAMES))
                yield document.problem(UNKNOWN_TOOL, keys, f"there is no tool {tool!r}", fix)
            else:
                yield from _of_no_server(document, policy, keys, tool)
    for keys, tool in texts(document, "mcp", "read_only"):
        yield from _of_no_server(document, policy, keys, tool)


def _of_no_server(
    document: Document, policy: ProjectPolicy, keys: tuple[str | int, ...], tool: str
) -> Iterator[Problem]:
    tokens = sorted(map(server_token, policy.mcp.servers))
    server = server_of(tool)
    if server and tool != EVERY and server not in tokens:
        reason = f"{tool!r} is of no server that `[mcp] servers` names"
        yield document.problem(UNKNOWN_TOOL, keys, reason, near(server, tokens))


def refused_servers(document: Document, policy: ProjectPolicy) -> Iterator[Problem]:
    """Servers that a team names and the policy does not."""
    for keys, name in texts(document, "mcp", "servers"):
        if name not in policy.mcp.servers:
            yield document.problem(
                SERVER_REFUSED,
                keys,
                f"the policy does not allow the MCP server {name!r}",
                "name it in `[mcp] servers` of the policy, or delete it here",
            )
