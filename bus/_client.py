"""nats-py 2.16 with its known faults mended, in one place.

Each override names the fault; drop it when the release notes say it is gone.
Nothing but `bus.connection` imports this.
"""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Awaitable, Callable, Sequence
from typing import Any, Final
from urllib.parse import ParseResult

from nats.aio.client import Client, Srv
from nats.aio.transport import TcpTransport
from nats.errors import (
    ConnectionClosedError,
    Error,
    MaxPayloadError,
    StaleConnectionError,
    UnexpectedEOF,
)

_STOP_S: Final = 2.0
_CLOSE_S: Final = 1.0
_GREETS_S: Final = 0.5
_WATCH_S: Final = 1.0
_HEADER_LINE_BYTES: Final = len(b"NATS/1.0\r\n\r\n")
DENIED: Final = "authorization"
"""What stands in every error that says so; nats-py has no type for it here."""

ErrorCallback = Callable[[Exception], Awaitable[None]]


class _PatientTransport(TcpTransport):
    """A transport whose closing ends even if the peer has gone silent (nats.py#671)."""

    async def wait_closed(self) -> None:
        try:
            await asyncio.wait_for(super().wait_closed(), _CLOSE_S)  # type: ignore[no-untyped-call]
        except TimeoutError:
            writer = self._io_writer
            if writer is not None:
                writer.transport.abort()


class SteadyClient(Client):
    """A NATS client that is either connected and hears, or knows that it is not."""

    _watcher: asyncio.Task[None] | None = None
    last_problem: str = "it was never made"
    """Why the connection was lost, or could not be made again, last."""
    _left: Sequence[str] = ()
    _goal: Srv | None = None

    async def start(self, url: str, on_error: ErrorCallback, **options: Any) -> None:
        """Connect; several URLs have commas between them; `options` are `nats.connect`'s.

        Raises:
            Error: The server refuses our credentials.
            ConnectionClosedError: The handshake was left half done (a server
                that pings before it answers makes `connect` return too early).
        """

        async def guarded(error: Exception) -> None:
            if not isinstance(error, UnexpectedEOF):  # what was said before it says more
                self.last_problem = str(error) or type(error).__name__
            # A raising callback would end the read loop and leave us deaf.
            with contextlib.suppress(Exception):
                await on_error(error)
            # There is no such loop yet: `connect` would repeat this for ever.
            if self._watcher is None:
                if DENIED in str(error).lower():
                    raise error
                if _cancels():
                    raise asyncio.CancelledError  # it was lost on the way

        await self.connect(
            url.split(","),
            error_cb=guarded,
            max_reconnect_attempts=-1,
            ping_interval=2,
            max_outstanding_pings=2,
            flush_timeout=2,
            drain_timeout=5,
            **options,
        )
        if not self.is_connected:
            await self._close(Client.CLOSED, False)
            raise ConnectionClosedError
        self._watcher = asyncio.create_task(self._watch_reader())

    async def stop(self) -> None:
        """Send what is pending and close; may be called twice, and before `start`."""
        if self._watcher is not None:
            self._watcher.cancel()
            self._watcher = None
        if self.is_closed or self._flush_queue is None:
            return
        try:
            async with asyncio.timeout(_STOP_S):
                await self.close()
        except (OSError, Error):
            await self._drop()

    async def move(self) -> bool:
        """Leave this server for another that answers; says whether there is one."""
        here = self._current_server
        if here is None or not self.is_connected:
            return False
        self._left = [*(one for one in self._left if one != here.uri.netloc), here.uri.netloc]
        others = [one for one in self._server_pool if one.uri.netloc != here.uri.netloc]
        for one in sorted(others, key=lambda one: _place_in(self._left, one.uri.netloc)):
            if await _greets(one.uri):
                self._goal = one
                await self.force_reconnect()
                return True
        return False

    async def _select_next_server(self) -> None:
        # It picks at random, and so might pick the one that we have just left.
        if self._goal in self._server_pool:
            self._server_pool.remove(self._goal)
            self._server_pool.insert(0, self._goal)
        self._goal = None
        await super()._select_next_server()

    async def _drop(self) -> None:
        """Close without what is unsent, which a silent peer does not take."""
        self._pending, self._pending_data_size = [], 0
        self._status = Client.DISCONNECTED
        await self._close(Client.CLOSED, False)

    async def _connect_to_server(self, s: Srv) -> None:
        if self._transport:
            # A failed handshake leaves its socket open.
            self._transport.close()  # type: ignore[no-untyped-call]
        await super()._connect_to_server(s)
        if type(self._transport) is TcpTransport:
            self._transport.__class__ = _PatientTransport

    async def _flush_pending(self, force_flush: bool = False) -> Any:
        # Full buffers make it wait, and it takes a cancellation for its own.
        cancels = _cancels()
        flushed = await super()._flush_pending(force_flush)
        if _cancels() > cancels:
            raise asyncio.CancelledError
        return flushed

    async def _process_pong(self) -> None:
        # A flush that timed out leaves a finished future here; setting it again
        # would raise in the read loop.
        if self._pongs:
            waiter = self._pongs.pop(0)
            if not waiter.done():
                waiter.set_result(True)
            self._pongs_received += 1
            self._pings_outstanding = 0

    async def _process_err(self, err_msg: str) -> None:
        # It would close for good here. A server that means to hang up (a login that has run
        # out, a limit passed) does so itself, and then there is a new one to be looked for.
        if self.is_connected:
            await self._error_cb(Error(err_msg.strip("'")))
            return
        await super()._process_err(err_msg)

    async def _send_publish(
        self,
        subject: str,
        reply: str,
        payload: bytes,
        payload_size: int,
        headers: dict[str, Any] | None,
    ) -> None:
        # The server counts headers too, and closes the connection for good.
        if headers:
            size = _HEADER_LINE_BYTES + sum(
                len(str(key).encode()) + len(str(value).encode()) + 4
                for key, value in headers.items()
            )
            if payload_size + size > self._max_payload:
                raise MaxPayloadError
        await super()._send_publish(subject, reply, payload, payload_size, headers)

    async def _watch_reader(self) -> None:
        while not self.is_closed:
            await asyncio.sleep(_WATCH_S)
            reader, finder = self._reading_task, self._reconnection_task
            if self._status == Client.CONNECTED:
                if reader is None or reader.done():
                    await self._process_op_err(StaleConnectionError())
            elif finder is not None and finder.done() and not self.is_closed:
                # What it did not foresee ends the search for a server, and nobody is told.
                failed = None if finder.cancelled() else finder.exception()
                self.last_problem = repr(failed) if failed else self.last_problem
                self._status = Client.CONNECTED
                await self._process_op_err(StaleConnectionError())


async def _greets(server: ParseResult) -> bool:
    """Whether a server says who it is; a frozen one only lets the system take the call."""
    writer: asyncio.StreamWriter | None = None
    try:
        async with asyncio.timeout(_GREETS_S):
            reader, writer = await asyncio.open_connection(server.hostname, server.port)
            return (await reader.readline()).startswith(b"INFO ")
    except OSError:
        return False
    finally:
        if writer is not None:
            writer.transport.abort()


def _place_in(names: Sequence[str], name: str) -> int:
    """Where a name stands, from 0; -1 if it does not."""
    return names.index(name) if name in names else -1


def _cancels() -> int:
    """How often the running task has been asked to end."""
    task = asyncio.current_task()
    return task.cancelling() if task else 0
