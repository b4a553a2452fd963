"""A proxy that stands between a member and NATS, and fails on command.

For tests only, on the loopback. Not a fake server: a real one is behind it. With `faults`
it doubles, swaps and delays single messages; see `bus.testing_frames`.

    open ──cut──▶ cut        connections end, new ones end at once
    open ──freeze──▶ frozen  connections stay, no byte passes (a black hole)
    cut, frozen ──heal──▶ open
"""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Callable
from types import TracebackType
from typing import Self

from bus.testing_frames import Fate, Faults, Framer

CHUNK_BYTES = 64 * 1024
HELD_S = 0.05
"""After how long a message that is to be swapped goes on when no other follows it."""
DELAYED_S = 0.2
CLOSE_TIMEOUT_S = 5.0


class Proxy:
    """Forward TCP to one target, until told otherwise.

    What was held back while frozen arrives late after `heal()`, as TCP would
    deliver it after a partition; after `cut()` it is lost.

    Attributes:
        delay_s: Wait before each forwarded chunk, in both directions; may be
            changed at any time.
        faults: What happens to each message, if anything; may be changed at any time,
            in a proxy that was made to see `frames`.
        done: What was done to messages so far: fate and subject.
    """

    def __init__(self, target_host: str, target_port: int, *, frames: bool = False) -> None:
        """Prepare a proxy; `async with` starts it. Without `frames` any TCP passes."""
        self.delay_s = 0.0
        self.faults: Faults | None = None
        self.done: list[tuple[Fate, str]] = []
        self._has_frames = frames
        self._target = (target_host, target_port)
        self._server: asyncio.Server | None = None
        self._links: set[asyncio.Task[None]] = set()
        self._is_cut = False
        self._thawed = asyncio.Event()
        self._thawed.set()

    @property
    def port(self) -> int:
        """The port it listens on; the same until it is closed."""
        assert self._server is not None, "the proxy is used inside its 'async with'"
        port: int = self._server.sockets[0].getsockname()[1]
        return port

    @property
    def url(self) -> str:
        """The URL to give to a member instead of the server's."""
        return f"nats://127.0.0.1:{self.port}"

    async def __aenter__(self) -> Self:
        """Listen on a free port of the loopback."""
        self._server = await asyncio.start_server(self._accept, "127.0.0.1", 0)
        return self

    async def __aexit__(
        self,
        exc_type: type[BaseException] | None,
        exc: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        """End all connections and stop listening."""
        assert self._server is not None
        self._server.close()
        self.cut()
        async with asyncio.timeout(CLOSE_TIMEOUT_S):
            await asyncio.gather(*self._links)
            await self._server.wait_closed()

    def cut(self) -> None:
        """End all connections, and each new one as soon as it is accepted."""
        self._is_cut = True
        for link in self._links:
            link.cancel()

    def freeze(self) -> None:
        """Keep and accept connections, but let no byte pass."""
        self._is_cut = False
        self._thawed.clear()

    def heal(self) -> None:
        """Accept and forward again."""
        self._is_cut = False
        self._thawed.set()

    async def _accept(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        link = asyncio.current_task()
        assert link is not None
        self._links.add(link)
        try:
            if not self._is_cut:
                await self._forward(reader, writer)
        except asyncio.CancelledError:
            pass  # only `cut` cancels a link, and this is the link's end
        finally:
            self._links.discard(link)
            writer.transport.abort()

    async def _forward(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await self._thawed.wait()
        try:
            target_reader, target_writer = await asyncio.open_connection(*self._target)
        except OSError:
            return
        try:
            async with asyncio.TaskGroup() as pumps:
                there, back = self._sender(True, target_writer), self._sender(False, writer)
                pumps.create_task(self._pump(reader, target_writer, there))
                pumps.create_task(self._pump(target_reader, writer, back))
        finally:
            target_writer.transport.abort()

    def _sender(self, to_server: bool, sink: asyncio.StreamWriter) -> Callable[[bytes], None]:
        """What sends bytes on in one direction: as they come, or message by message."""
        if not self._has_frames:
            return sink.write
        return _Messages(self, Framer(to_server=to_server), sink).send

    async def _pump(
        self,
        source: asyncio.StreamReader,
        sink: asyncio.StreamWriter,
        send: Callable[[bytes], None],
    ) -> None:
        with contextlib.suppress(OSError):
            while chunk := await source.read(CHUNK_BYTES):
                await asyncio.sleep(self.delay_s)
                await self._thawed.wait()
                send(chunk)
                await sink.drain()
        sink.close()


class _Messages:
    """One direction of a connection, sent on message by message, with the proxy's faults."""

    def __init__(self, proxy: Proxy, framer: Framer, sink: asyncio.StreamWriter) -> None:
        self._proxy, self._framer, self._sink = proxy, framer, sink
        self._held: bytes = b""

    def send(self, chunk: bytes) -> None:
        """Send what is whole; what is held back goes after the next message, or soon."""
        for frame in self._framer.feed(chunk):
            faults = self._proxy.faults
            fate: Fate = faults(frame) if faults and frame.is_message else "pass"
            if fate != "pass":
                self._proxy.done.append((fate, frame.subject))
            if fate == "swap" and not self._held:
                self._held = frame.data
                self._later(HELD_S, self._let_go)
            elif fate == "delay":
                self._later(DELAYED_S, self._sink.write, frame.data)
            else:
                self._sink.write(frame.data * (2 if fate == "double" else 1))
                if frame.is_message:
                    self._let_go()

    def _let_go(self) -> None:
        held, self._held = self._held, b""
        if held:
            self._sink.write(held)

    def _later(self, after_s: float, act: Callable[..., None], *given: bytes) -> None:
        asyncio.get_running_loop().call_later(after_s, act, *given)
