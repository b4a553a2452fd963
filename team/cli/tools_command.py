"""`team tools`: what the MCP servers of a team offer, before a run."""

from __future__ import annotations

import argparse
import asyncio
import os
from collections.abc import Mapping
from pathlib import Path
from typing import Final

import msgspec

from roles import Role
from team.agent.mcp.link import Link
from team.agent.mcp.tool import effect_of
from team.cli import exit_codes
from team.cli.common import print_json
from team.errors import McpError
from team.mcp_files import McpServer
from team.policy import McpRules
from team.runtime.permitted import narrowed, policy_of_project
from team.runtime.run import load_roles
from team.runtime.servers import Chosen, choose_servers, with_servers
from team.spec import find_spec, load_spec
from team.views.columns import columns
from team.views.output import write_data, write_note

NONE: Final = "there is no MCP server that the policy allows and a role or the team asks for"


class ToolShown(msgspec.Struct, frozen=True, kw_only=True):
    """A tool: its name, what it does to the world, the roles that have it, the server's words."""

    name: str
    effect: str
    roles: tuple[str, ...]
    description: str


class ServerShown(msgspec.Struct, frozen=True, kw_only=True):
    """A server: its tools, those that no model can have, and why it has none."""

    name: str
    kind: str
    tools: tuple[ToolShown, ...] = ()
    refused: dict[str, str] = {}
    problem: str = ""


class ToolsShown(msgspec.Struct, frozen=True, kw_only=True):
    """All servers, and what was asked for and is not allowed."""

    servers: tuple[ServerShown, ...]
    left_out: tuple[str, ...]


def tools(options: argparse.Namespace) -> int:
    """Start the servers of a team one after another, and list their tools."""
    cwd = Path.cwd()
    project, _ = policy_of_project(cwd, options.policy)
    team = load_spec(find_spec(options.spec, cwd))
    roles = load_roles(team, cwd)
    chosen = choose_servers(team, roles, project, cwd, os.environ)
    roles = narrowed(with_servers(roles, chosen), project)
    shown = asyncio.run(_shown(chosen, roles, project.mcp))
    if options.json:
        print_json(shown)
    else:
        _print(shown)
    return exit_codes.INTERNAL if any(one.problem for one in shown.servers) else exit_codes.OK


async def _shown(chosen: Chosen, roles: Mapping[str, Role], rules: McpRules) -> ToolsShown:
    servers = [await _server(server, roles, rules) for server in chosen.servers]
    return ToolsShown(servers=tuple(servers), left_out=chosen.left_out)


async def _server(server: McpServer, roles: Mapping[str, Role], rules: McpRules) -> ServerShown:
    link = Link(server, rules)
    try:
        taken = await link.tools()
    except McpError as error:
        return ServerShown(name=server.name, kind=server.kind, problem=error.reason)
    finally:
        await link.close()
    shown = tuple(
        ToolShown(
            name=tool.name,
            effect=effect_of(tool.name, rules),
            roles=tuple(role for role in server.roles if roles[role].allowed((tool.name,))),
            description=tool.description,
        )
        for tool in taken.tools
    )
    return ServerShown(name=server.name, kind=server.kind, tools=shown, refused=dict(taken.refused))


def _print(shown: ToolsShown) -> None:
    rows = [("TOOL", "EFFECT", "ROLES")]
    for server in shown.servers:
        rows += [(one.name, one.effect, ", ".join(one.roles) or "none") for one in server.tools]
    write_data("\n".join(columns(rows)) if len(rows) > 1 else NONE)
    for server in shown.servers:
        if server.problem:
            write_note(f"MCP server {server.name!r}: {server.problem}")
        for name, why in server.refused.items():
            write_note(f"MCP server {server.name!r}: no model can have {name!r}: {why}")
    for line in shown.left_out:
        write_note(f"left out: {line}")
