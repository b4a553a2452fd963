"""MCP servers for tests: how they are defined, who of them lives."""

from __future__ import annotations

import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import msgspec

from bus.messages import ToolDefined
from team.agent.mcp.link import Link
from team.mcp_files import McpServer
from team.policy import McpRules

ODD = Path(__file__).with_name("mcp_server.py")
TIME = ("-m", "mcp_server_time", "--local-timezone", "UTC")


def a_server(folder: Path, mood: str = "", **changes: Any) -> McpServer:
    """The misbehaving server."""
    arguments = ("-I", "-S", str(ODD), str(folder), *([mood] if mood else []))
    server = McpServer(
        name="odd",
        token="odd",
        kind="stdio",
        sha256="",
        roles=("researcher",),
        command=sys.executable,
        args=arguments,
        folder=str(folder),
    )
    return msgspec.structs.replace(server, **changes)


@asynccontextmanager
async def a_link(
    folder: Path, mood: str = "", *, call_seconds: float = 30.0, **changes: Any
) -> AsyncIterator[Link]:
    """A way to it, closed at the end."""
    rules = McpRules(servers=("odd",), call_seconds=call_seconds, restarts_max=1)
    link = Link(a_server(folder, mood, **changes), rules, folder / "stderr.log")
    try:
        yield link
    finally:
        await link.close()


async def the_tool(link: Link, original: str) -> ToolDefined:
    """A tool as the server lists it now."""
    return next(tool for tool in (await link.tools()).tools if tool.original == original)


def done(folder: Path) -> list[str]:
    """The calls that have reached the server."""
    file = folder / "done"
    return file.read_text().splitlines() if file.exists() else []


def started(folder: Path) -> list[int]:
    """The process ids of all servers that were started."""
    return sorted(int(file.name.removeprefix("pid-")) for file in folder.glob("pid-*"))
