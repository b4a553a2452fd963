"""What a process needs to become a member: which one, of which run, and how to get in."""

from __future__ import annotations

import msgspec

from bus.access import Access
from bus.connection import RETRY_S
from team.mcp_files import McpServer


class SeatKey(msgspec.Struct, frozen=True, kw_only=True):
    """Handed to a member's process over a pipe; never in its arguments or environment.

    Attributes:
        run: The run.
        name: The member.
        access: How it reaches the bus.
        provider: `anthropic` or `rehearsal`.
        cache_dir: Where large artifacts may be kept on this machine.
        log_path: Where its output goes.
        incarnation: 1 for its first process.
        patience_s: How long it waits for a bus that is away, in seconds.
        servers: The MCP servers that it may start, with what is secret about them.
    """

    run: str
    name: str
    access: Access
    provider: str
    cache_dir: str
    log_path: str
    incarnation: int = 1
    patience_s: float = RETRY_S
    servers: tuple[McpServer, ...] = ()
