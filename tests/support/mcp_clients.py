"""MCP clients of `team mcp`: the mcp package's own, over stdio and over HTTP."""

from __future__ import annotations

import re
import subprocess
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager, contextmanager
from typing import Any

import httpx2
from mcp import Client, StdioServerParameters
from mcp.client.streamable_http import streamable_http_client

from tests.support.cli import Cli


def stdio_server(cli: Cli, *arguments: str, **environment: str) -> StdioServerParameters:
    """How a client starts `team mcp` itself."""
    command, *rest = cli.command("mcp", *arguments)
    return StdioServerParameters(
        command=command, args=rest, env=cli.environment | environment, cwd=cli.cwd
    )


@contextmanager
def http_server(cli: Cli, *arguments: str, **environment: str) -> Iterator[str]:
    """A `team mcp --http` on a free port; gives its address."""
    with cli.start("mcp", "--http", "0", *arguments, **environment) as process:
        yield _address(process)


def _address(process: subprocess.Popen[str]) -> str:
    assert process.stderr is not None
    line = process.stderr.readline()
    found = re.search(r"http://127\.0\.0\.1:\d+/mcp", line)
    assert found is not None, line + process.stderr.read()
    return found[0]


@asynccontextmanager
async def over_http(url: str, headers: dict[str, str]) -> AsyncIterator[Client]:
    """A client that is connected to an address."""
    async with (
        httpx2.AsyncClient(headers=headers, timeout=90) as http_client,
        Client(streamable_http_client(url, http_client=http_client)) as client,
    ):
        yield client


async def ask(client: Client, tool: str, **arguments: Any) -> dict[str, Any]:
    """Call a tool that answers, and give its answer."""
    answer = await client.call_tool(tool, arguments)
    assert not answer.is_error, answer.content
    assert answer.structured_content is not None
    return answer.structured_content


async def ask_in_vain(client: Client, tool: str, **arguments: Any) -> str:
    """Call a tool that refuses, and give what it says."""
    answer = await client.call_tool(tool, arguments)
    assert answer.is_error
    [said] = answer.content
    assert said.type == "text"
    return said.text
