"""Puts one client of a NATS server behind a proxy, and all others through to the server.

Everybody gets the switchboard's address. A client says its name when it connects (members are
called `run/member`), so one member can be cut off while the rest of the run goes on.
"""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from urllib.parse import urlsplit

import msgspec

from bus.testing import Proxy

LINE_BYTES_MAX = 64 * 1024
CHUNK_BYTES = 64 * 1024


class _Connect(msgspec.Struct):
    name: str = ""


class Switchboard:
    """Serves clients; those that `is_apart` names go through `proxy`.

    Attributes:
        proxy: Stands between the server and whoever is apart; cut, freeze and heal it.
        url: The address for everybody, with the server's token in it.
        names: The clients that have connected, in order.
    """

    def __init__(self, server: str, token: str, proxy: Proxy, apart: Callable[[str], bool]) -> None:
        self.proxy = proxy
        self.url = ""
        self.names: list[str] = []
        self._token = token
        self._is_apart = apart
        self._port = urlsplit(server).port or 4222
        self._links: set[asyncio.Task[None]] = set()

    @asynccontextmanager
    async def serving(self) -> AsyncIterator[Switchboard]:
        """Listen on a free port of the loopback."""
        listening = await asyncio.start_server(self._serve, "127.0.0.1", 0, limit=LINE_BYTES_MAX)
        port = listening.sockets[0].getsockname()[1]
        self.url = f"nats://{self._token}@127.0.0.1:{port}"
        try:
            yield self
        finally:
            listening.close()
            for link in self._links:
                link.cancel()
            await asyncio.gather(*self._links, return_exceptions=True)

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        link = asyncio.current_task()
        assert link is not None
        self._links.add(link)
        try:
            # An end of either side, or a server that is away: the client tries again.
            with contextlib.suppress(OSError, asyncio.IncompleteReadError, ValueError):
                await self._connect(reader, writer)
        except asyncio.CancelledError:
            pass  # the switchboard closes, and this is the link's end
        finally:
            self._links.discard(link)
            writer.transport.abort()

    async def _connect(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        """Greet the client in the server's words, hear its name, put it through."""
        asking, asked = await asyncio.open_connection("127.0.0.1", self._port)
        greeting = await asking.readuntil(b"\n")
        asked.transport.abort()
        writer.write(greeting)
        said = await reader.readuntil(b"\n")
        name = msgspec.json.decode(said.removeprefix(b"CONNECT "), type=_Connect).name
        self.names.append(name)
        port = self.proxy.port if self._is_apart(name) else self._port
        up_reader, up_writer = await asyncio.open_connection(
            "127.0.0.1", port, limit=LINE_BYTES_MAX
        )
        try:
            await up_reader.readuntil(b"\n")
            up_writer.write(said)
            async with asyncio.TaskGroup() as pumps:
                pumps.create_task(_pump(reader, up_writer))
                pumps.create_task(_pump(up_reader, writer))
        finally:
            up_writer.transport.abort()


async def _pump(source: asyncio.StreamReader, sink: asyncio.StreamWriter) -> None:
    with contextlib.suppress(OSError):
        while chunk := await source.read(CHUNK_BYTES):
            sink.write(chunk)
            await sink.drain()
    sink.close()
