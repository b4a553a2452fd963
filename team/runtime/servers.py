"""Which MCP servers a run may use: those that policy allows and a role or the team asks for.

Found and resolved where the run is started or resumed, before a token is spent. The stream
keeps their names; what is secret about them goes to the members that use them, over a pipe.
"""

from __future__ import annotations

import os
from collections.abc import Iterable, Mapping
from importlib.util import find_spec
from pathlib import Path

import msgspec

from roles import Role
from roles.tool_patterns import MCP, server_of, server_token
from team.codes.lint import SERVER_REFUSED, UNKNOWN_SERVER
from team.errors import SpecError, StateError
from team.mcp_files import Definition, McpServer, defined_servers, find_mcp_file, resolved
from team.policy import ProjectPolicy
from team.spec import ResolvedSpec, ServerDoc, TeamSpec


class Chosen(msgspec.Struct, frozen=True, kw_only=True):
    """The servers of a run, and what was asked for and left out, as lines for people."""

    servers: tuple[McpServer, ...] = ()
    left_out: tuple[str, ...] = ()

    @property
    def docs(self) -> tuple[ServerDoc, ...]:
        """What the stream keeps of them."""
        return tuple(
            ServerDoc(
                name=one.name, token=one.token, kind=one.kind, sha256=one.sha256, roles=one.roles
            )
            for one in self.servers
        )


def choose_servers(
    team: TeamSpec,
    roles: Mapping[str, Role],
    project: ProjectPolicy,
    cwd: Path,
    environ: Mapping[str, str] | None,
) -> Chosen:
    """Choose the servers of a run and put their variables in; nothing is started.

    Args:
        team: The team.
        roles: Its roles.
        project: The policy that holds.
        cwd: Where definitions are looked for.
        environ: Where variables are; nothing if no server will be started.

    Raises:
        SpecError: A server that would be started has no sound definition, a variable of it is
            missing, or its tools could not be told from another's.
    """
    asked = asked_servers(team, roles)
    allowed = [name for name in asked if name in project.mcp.servers]
    left_out = tuple(
        f"MCP server {name!r}: `[mcp] servers` of the policy does not name it ({SERVER_REFUSED})"
        for name in asked
        if name not in allowed
    )
    if not allowed:
        return Chosen(left_out=left_out)
    if find_spec("mcp") is None:
        fix = "install peerteam[mcp], or leave the servers out"
        raise SpecError("MCP servers", "", "the package 'mcp' is not installed", fix)
    found = defined_servers(cwd, roles.values())
    for problem in found.problems:
        raise problem.error()
    servers = [
        resolved(definition_of(name, found.servers, cwd, asked[name]), environ, asked[name])
        for name in allowed
    ]
    _check_apart(servers)
    return Chosen(servers=tuple(servers), left_out=left_out)


def asked_servers(team: TeamSpec, roles: Mapping[str, Role]) -> dict[str, tuple[str, ...]]:
    """Each server that is asked for, with the roles whose members are to have it."""
    asked: dict[str, list[str]] = {}
    for name in team.mcp.servers:
        asked.setdefault(name, []).append(team.roles.worker)
    for role in roles.values():
        for name in role.mcp_servers:
            asked.setdefault(name, []).append(role.name)
    return {name: tuple(dict.fromkeys(given)) for name, given in asked.items()}


def with_servers(roles: Mapping[str, Role], chosen: Chosen) -> dict[str, Role]:
    """The roles, with all tools of each server that they have and of which they name none."""
    return {name: _with_servers(role, chosen.servers) for name, role in roles.items()}


def _with_servers(role: Role, servers: Iterable[McpServer]) -> Role:
    if role.tools is None:
        return role
    named = {server_of(tool) for tool in role.tools}
    more = [f"{MCP}{s.token}" for s in servers if role.name in s.roles and s.token not in named]
    return msgspec.structs.replace(role, tools=(*role.tools, *more))


def definition_of(
    name: str, servers: Mapping[str, Definition], cwd: Path, roles: tuple[str, ...]
) -> Definition:
    """A server's definition.

    Raises:
        SpecError: There is none.
    """
    if name in servers:
        return servers[name]
    path = find_mcp_file(cwd)
    where = "there is no .mcp.json here" if path is None else f"{path} has none of that name"
    fix = f"define it there, or in the file of the role {roles[0]!r}"
    raise SpecError("MCP server", name, f"it is not defined: {where} ({UNKNOWN_SERVER})", fix)


def servers_again(
    spec: ResolvedSpec, run: str, cwd: Path, environ: Mapping[str, str] = os.environ
) -> tuple[McpServer, ...]:
    """Find the servers of a run again, where it is resumed.

    Raises:
        SpecError: One is not defined here, or a variable of it is missing.
        StateError: One is defined otherwise than when the run was started.
    """
    if not spec.servers:
        return ()
    found = defined_servers(cwd, spec.roles.values())
    servers: list[McpServer] = []
    for one in spec.servers:
        server = resolved(
            definition_of(one.name, found.servers, cwd, one.roles), environ, one.roles
        )
        if server.sha256 != one.sha256:
            reason = f"the MCP server {one.name!r} is defined otherwise than when it was started"
            fix = "resume it in the folder of its project, with the definition that it had"
            raise StateError(run, reason, fix)
        servers.append(server)
    return tuple(servers)


def _check_apart(servers: Iterable[McpServer]) -> None:
    names: dict[str, str] = {}
    for one in servers:
        other = names.setdefault(server_token(one.name), one.name)
        if other != one.name:
            reason = f"its tools would be called as those of {other!r} ({UNKNOWN_SERVER})"
            raise SpecError("MCP server", one.name, reason, "call one of the two otherwise")
