"""MCP servers for tests: how they are defined, who of them lives."""

from __future__ import annotations

import socket
import subprocess
import sys
import time
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager, contextmanager, suppress
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


@contextmanager
def over_http(port: int, *command: str) -> Iterator[str]:
    """A stdio server behind somebody else's implementation of streamable HTTP; gives its address.

    Raises:
        TimeoutError: It does not listen within a while.
    """
    start = "import sys; from mcp_streamablehttp_proxy.cli import main; sys.argv[0] = 'p'; main()"
    arguments = [sys.executable, "-c", start, "--port", str(port), sys.executable, *command]
    nowhere = subprocess.DEVNULL
    with subprocess.Popen(arguments, stdout=nowhere, stderr=nowhere) as process:
        try:
            _until_open(port)
            yield f"http://127.0.0.1:{port}/mcp"
        finally:
            process.kill()


def free_port() -> int:
    """A port on which nobody listens."""
    with socket.socket() as one:
        one.bind(("127.0.0.1", 0))
        return int(one.getsockname()[1])


def _until_open(port: int) -> None:
    until = time.monotonic() + 60.0
    while time.monotonic() < until:
        with suppress(OSError), socket.create_connection(("127.0.0.1", port), 1.0):
            return
        time.sleep(0.05)
    raise TimeoutError(f"nobody listens on {port}")
