"""Servers that a real nats-server can't play: too old, half-way, no NATS at all.

They stand below everything of ours: a TCP port that says what such a server would.
"""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager


@asynccontextmanager
async def a_server(
    version: str | None = "2.15.1",
    *,
    pong: bytes = b"PONG\r\n",
    greeting: bytes | None = None,
    second: bytes | None = None,
    goodbye: bytes | None = None,
) -> AsyncIterator[str]:
    """Serve NATS as far as the handshake; gives the URL.

    Args:
        version: What it says that it is; nothing at all without one.
        pong: How it answers each PING.
        greeting: What it opens with instead of its INFO line.
        second: What it opens with instead, the second time that somebody comes.
        goodbye: What it says to whoever publishes, before it hangs up.
    """
    info = {"server_id": "odd", "max_payload": 1048576, "proto": 1, "headers": True}
    if version is not None:
        info["version"] = version
    opening = b"INFO " + json.dumps(info).encode() + b"\r\n" if greeting is None else greeting

    visits = 0

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        nonlocal visits
        visits += 1
        try:
            writer.write(second if second is not None and visits == 2 else opening)
            while line := await reader.readline():
                if line.startswith(b"PUB") and goodbye is not None:
                    writer.write(goodbye)
                    break
                if line == b"PING\r\n":
                    writer.write(pong)
        except ConnectionError:
            pass
        finally:
            writer.close()

    server = await asyncio.start_server(serve, "127.0.0.1", 0)
    async with server:
        yield f"nats://127.0.0.1:{server.sockets[0].getsockname()[1]}"
