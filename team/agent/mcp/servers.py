"""A member's MCP servers: what each context has of them, and the calls.

What a context was given stays what it is: it is in the journal, and a tool that its server
defines otherwise by now is not called any more, in this context or a later one.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Any, Final

import msgspec
import structlog

from bus.messages import ContextOpened, ServerListed, ToolDefined
from team.agent.mcp.link import Link
from team.agent.mcp.results import Answered
from team.errors import McpError
from team.mcp_files import McpServer
from team.policy import McpRules

LISTED_BYTES_MAX: Final = 384 * 1024
"""What the tools of all servers may take of a context's beginning."""
NOT_HERE: Final = "its definition is not on this machine"

log = structlog.get_logger()


class Servers:
    """The servers of one member. Whoever makes it closes it."""

    def __init__(
        self,
        servers: Iterable[McpServer],
        rules: McpRules,
        *,
        earlier: Callable[[], Iterable[ContextOpened]] = lambda: (),
        recorded: Callable[[str], ContextOpened | None] = lambda _: None,
        logs: Path | None = None,
    ) -> None:
        """Make it; nothing is started.

        Args:
            servers: What may be started.
            rules: How.
            earlier: The contexts that the member has begun, in order.
            recorded: In a replay, how a context began in the recorded run.
            logs: What the names of the servers' own logs begin with.
        """
        self.rules = rules
        self._links = {
            one.token: Link(one, rules, logs and logs.with_suffix(f".mcp-{one.token}.log"))
            for one in servers
        }
        self._earlier = earlier
        self._recorded = recorded
        self._listed: dict[str, tuple[ServerListed, ...]] = {}

    async def ready(self, context: str, tokens: Iterable[str]) -> tuple[ServerListed, ...]:
        """Have the servers of a context at hand, as the context was given them if it has begun.

        Args:
            context: The transcript.
            tokens: The servers that it may use.
        """
        if context not in self._listed:
            opened = self._begun(context) or self._recorded(context)
            if opened is not None:
                self._listed[context] = opened.servers
            else:
                self._listed[context] = await self._list(tuple(tokens))
        return self._listed[context]

    def of(self, context: str) -> tuple[ServerListed, ...]:
        """What a context that is ready has of its servers."""
        return self._listed.get(context, ())

    async def call(
        self, server: str, tool: ToolDefined, given: dict[str, Any], *, may_repeat: bool
    ) -> Answered:
        """Call a tool; see `Link.call`.

        Raises:
            McpError: It could not be called, or no answer came.
        """
        link = self._links.get(server)
        if link is None:
            raise McpError(server, NOT_HERE)
        return await link.call(tool, given, may_repeat=may_repeat)

    async def close(self) -> None:
        """End all servers."""
        await asyncio.gather(*(link.close() for link in self._links.values()))

    def _begun(self, context: str) -> ContextOpened | None:
        return next((one for one in self._earlier() if one.context == context), None)

    async def _list(self, tokens: tuple[str, ...]) -> tuple[ServerListed, ...]:
        listed = await asyncio.gather(*(self._list_one(token) for token in tokens))
        kept: list[ServerListed] = []
        left = LISTED_BYTES_MAX
        for one in listed:
            left -= len(msgspec.json.encode(one))
            problem = "its tools have no room beside those of the others"
            kept.append(one if left >= 0 else ServerListed(server=one.server, problem=problem))
        return tuple(kept)

    async def _list_one(self, token: str) -> ServerListed:
        link = self._links.get(token)
        if link is None:
            return ServerListed(server=token, problem=NOT_HERE)
        try:
            taken = await link.tools()
        except McpError as error:
            return ServerListed(server=token, problem=error.reason)
        pinned = {tool.name: tool for one in self._earlier() for tool in _tools(one, token)}
        return ServerListed(
            server=token, tools=tuple(pinned.get(tool.name, tool) for tool in taken.tools)
        )


def _tools(opened: ContextOpened, token: str) -> tuple[ToolDefined, ...]:
    return tuple(tool for one in opened.servers if one.server == token for tool in one.tools)
