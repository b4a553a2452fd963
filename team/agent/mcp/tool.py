"""A tool of an MCP server, as the loop runs it."""

from __future__ import annotations

import asyncio
from fnmatch import fnmatchcase
from html import unescape
from typing import Any, ClassVar, Final

import msgspec

from bus.messages import ToolDefined
from team.agent.effects import OUTCOME_CHARACTERS_MAX
from team.agent.mcp.definitions import first_misfit, for_model
from team.agent.mcp.link import ChangedToolError, UnknownOutcomeError
from team.agent.mcp.words import escaped
from team.agent.tools.base import Tool, ToolAnswer, refuse
from team.agent.tools.outside import SHOWN_CHARACTERS_MAX, brought
from team.agent.world import World
from team.codes.limits import TOOL
from team.errors import McpError
from team.policy import McpRules

ORIGIN_CHARACTERS_MAX: Final = 300
"""What is shown of where an answer is from, escaped."""
_ROOM_FOR_LABELS: Final = 1_000

AnyMcpTool = Tool[Any]


class McpInput(msgspec.Struct, frozen=True, kw_only=True):
    """What a call was given; its server's schema says what may stand there."""

    given: dict[str, Any]


class McpTool(Tool[McpInput]):
    """A tool of an MCP server."""

    input_type = McpInput
    reaches_out: ClassVar[bool] = True

    def __init__(self, world: World, context: str, server: str, defined: ToolDefined) -> None:
        self._world, self._context = world, context
        self._server, self._defined = server, defined

    @property
    def definition(self) -> dict[str, Any]:
        """The tool as the Messages API wants it described, in the server's words."""
        return for_model(self._defined)

    async def call(self, raw: dict[str, Any]) -> ToolAnswer:
        """Check the input and run."""
        try:
            schema = msgspec.json.decode(self._defined.input_schema)
            misfit = await asyncio.to_thread(first_misfit, schema, raw)
        except Exception as error:
            misfit = f"it can't be checked: {type(error).__name__}"
        if misfit:
            return refuse(f"{self.name}: the input does not fit: {misfit}")
        return await self.run(McpInput(given=raw))

    async def run(self, given: McpInput) -> ToolAnswer:
        """Have the server do it, and show what it says as text from outside."""
        servers = self._world.servers
        assert servers is not None, "who has tools of servers has servers"
        is_safe = self.effect == "read-only"
        try:
            answer = await servers.call(
                self._server, self._defined, given.given, may_repeat=is_safe
            )
        except ChangedToolError as error:
            what_next = "it is not the tool that you were given, so it was not called"
            return refuse(f"{self.name}: {error.reason}; {what_next} ({TOOL})", code=TOOL)
        except UnknownOutcomeError as error:
            return refuse(f"{self.name}: {error.reason}. {_RETRY if is_safe else _UNKNOWN}")
        except McpError as error:
            return refuse(
                f"{self.name} was not called: the server {error.server!r}: {error.reason}"
            )
        said = msgspec.json.encode(given.given, order="sorted").decode()
        room = SHOWN_CHARACTERS_MAX if is_safe else OUTCOME_CHARACTERS_MAX - _ROOM_FOR_LABELS
        origin = f"MCP server {self._server}: {self._defined.original} {said}"
        shown = await brought(
            self._world,
            answer.text,
            tool=self.name,
            origin=unescape(escaped(origin, ORIGIN_CHARACTERS_MAX)),
            context=self._context,
            shown_max=room,
        )
        return msgspec.structs.replace(shown, is_error=answer.is_error)


_RETRY: Final = "Try again, or go on without it."
_UNKNOWN: Final = (
    "Whether it took effect is unknown. It was not run again. "
    "Find out what it has changed before you repeat it."
)


def mcp_tools(world: World, context: str) -> list[AnyMcpTool]:
    """The tools that a context which is ready has of its servers."""
    if world.servers is None:
        return []
    rules = world.servers.rules
    return [
        _class_of(tool, rules)(world, context, listed.server, tool)
        for listed in world.servers.of(context)
        for tool in listed.tools
    ]


def effect_of(name: str, rules: McpRules) -> str:
    """What a tool does to the world: as the user says, never as its server does."""
    is_safe = any(fnmatchcase(name, pattern) for pattern in rules.read_only)
    return "read-only" if is_safe else "effectful"


def _class_of(tool: ToolDefined, rules: McpRules) -> type[McpTool]:
    """A class for one tool: its name and effect belong to the class, as any tool's do."""
    said = {"name": tool.name, "effect": effect_of(tool.name, rules), "__doc__": McpTool.__doc__}
    return type("McpTool", (McpTool,), said)
