"""Names of tools as lists give them: one tool, all tools of an MCP server, or those of all.

A tool of an MCP server is `mcp__<server>__<tool>`. A list may name the server alone
(`mcp__github`, or `mcp__github__*`), or all servers (`mcp__*`).
"""

from __future__ import annotations

import hashlib
import re
from collections.abc import Iterable
from typing import Final

MCP: Final = "mcp__"
"""How the name of every tool of an MCP server begins."""
EVERY: Final = "mcp__*"
"""All tools of all MCP servers."""
NAME_CHARACTERS_MAX: Final = 64
SERVER_CHARACTERS_MAX: Final = 32

_ODD: Final = re.compile(r"[^A-Za-z0-9_-]")
_ODD_IN_SERVER: Final = re.compile(r"[^A-Za-z0-9-]+")
_PATTERN: Final = re.compile(r"mcp__([A-Za-z0-9-]+(?:_[A-Za-z0-9-]+)*)(?:__(\*|[A-Za-z0-9_-]+))?")
_DIGITS: Final = 8


def server_token(name: str) -> str:
    """A server's name as the names of its tools have it.

    Whatever is no letter, digit or dash becomes one `_`; what is too long is cut, and told
    apart by a hash. Empty if nothing is left.
    """
    token = _ODD_IN_SERVER.sub("_", name).strip("_")
    return _fitted(token, name, SERVER_CHARACTERS_MAX)


def tool_name(token: str, tool: str) -> str:
    """The name of a server's tool, as models and lists know it; at most 64 characters."""
    whole = f"{MCP}{token}__{_ODD.sub('_', tool)}"
    return _fitted(whole, tool, NAME_CHARACTERS_MAX)


def _fitted(text: str, original: str, characters_max: int) -> str:
    if len(text) <= characters_max:
        return text
    digest = hashlib.sha256(original.encode()).hexdigest()[:_DIGITS]
    return f"{text[: characters_max - _DIGITS - 1].rstrip('_')}_{digest}"


def pattern_of(written: str) -> str | None:
    """What an entry of a list means, in one way of writing it; nothing if it names no MCP tool."""
    if written == EVERY:
        return EVERY
    found = _PATTERN.fullmatch(written)
    if found is None:
        return None
    server, tool = found.groups()
    return f"{MCP}{server}" if tool in (None, "*") else written


def server_of(pattern: str) -> str:
    """The token of the server that a pattern or a tool's name is about; empty if of none."""
    found = _PATTERN.fullmatch(pattern)
    return found.group(1) if found else ""


def covers(granted: Iterable[str], tool: str) -> bool:
    """Whether a list names a tool, by itself or with all of its server.

    A server that is asked for as a whole is covered only by itself or by all servers.
    """
    server = server_of(tool)
    wide = {tool, f"{MCP}{server}", f"{MCP}{server}__*", EVERY} if server else {tool}
    return any(one in wide for one in granted)


def meet(ours: Iterable[str], theirs: Iterable[str]) -> tuple[str, ...]:
    """What both lists name, each in the narrower of the two ways; in the order of the first."""
    others = tuple(theirs)
    both: list[str] = []
    for one in ours:
        if covers(others, one):
            both.append(one)
        else:
            both += [other for other in others if covers((one,), other)]
    return tuple(dict.fromkeys(both))
