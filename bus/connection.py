"""One connection to any NATS server: checked, hardened, and mapped to our errors.

Everything of nats-py stays behind this file; the rest of `bus` sees requests,
subscriptions and JetStream calls that raise `BusError`s only.
"""

from __future__ import annotations

import asyncio
import contextlib
import random
from collections import deque
from collections.abc import AsyncIterator, Awaitable, Callable
from typing import Any, Final, TypeVar

import msgspec
import nats.errors
from nats.aio.msg import Msg
from nats.aio.subscription import Subscription

from bus._client import DENIED, SteadyClient
from bus.access import Access
from bus.errors import (
    AccessDeniedError,
    BusError,
    BusUnavailableError,
    JetStreamMissingError,
    RefusedError,
    ServerTooOldError,
    StorageFullError,
)

SERVER_VERSION_NEEDED: Final = (2, 12)
CONNECT_S: Final = 3.0
RETRY_S: Final = 15.0
"""How long a command waits for a bus that is away, in seconds; a run says how long it does."""

MOVE_AFTER_S: Final = 2.0
"""How long JetStream may fail at one node of a cluster before we go to another, in seconds."""

TRY_S: Final = 3.0
"""How long one attempt may take, in seconds, where nothing else is said."""

_STAY_S: Final = 10.0
"""How long we stay where we have moved to: a cluster elects a new leader in less."""
_ERRORS_KEPT: Final = 8
_BACKOFF_S: Final = (0.02, 0.05, 0.1, 0.2)
_FULL_PAUSE_S: Final = 1.0
_LOOK_S: Final = 0.05
_AGAIN_S: Final = 0.5
TRANSIENT_CODES: Final = frozenset({10008, 10158, 10164, 10176, 10199})
"""JetStream error codes that say "not now": ask again with the same expectation."""

Handler = Callable[[Msg], Awaitable[None]]
T = TypeVar("T")


class _Problem(msgspec.Struct):
    code: int = 0
    err_code: int = 0
    description: str = ""


class _Reply(msgspec.Struct):
    error: _Problem | None = None


_reply = msgspec.json.Decoder(_Reply)


class Listening:
    """A subject we hear, until `unsubscribe`."""

    def __init__(self, subscription: Subscription) -> None:
        self._subscription = subscription

    async def unsubscribe(self) -> None:
        """Hear it no more; may be called twice, and after the connection has ended."""
        with contextlib.suppress(nats.errors.Error):
            await self._subscription.unsubscribe()


class Connection:
    """A live connection; made by `connect`.

    Attributes:
        access: What it was opened with.
        name: Who we are, for the server's own lists.
        patience_s: For how long it waits for a bus that is away, in seconds; may be
            changed at any time, once a run is known.
    """

    def __init__(
        self, client: SteadyClient, access: Access, *, name: str = "", patience_s: float = RETRY_S
    ) -> None:
        self._client = client
        self.access = access
        self.name = name
        self.patience_s = patience_s
        self._waits: dict[int, str] = {}
        self._moved_at = -_STAY_S

    @property
    def url(self) -> str:
        """Where the servers are, without secrets."""
        return self.access.url

    @property
    def node(self) -> str:
        """The name of the server that we are connected to at this moment."""
        return str(self._client._server_info.get("server_name", ""))  # noqa: SLF001

    @property
    def cluster(self) -> str:
        """The name of that server's cluster; empty if it is in none."""
        return str(self._client._server_info.get("cluster", ""))  # noqa: SLF001

    @property
    def is_connected(self) -> bool:
        """Whether the server hears us at this moment."""
        return self._client.is_connected

    @property
    def waits_for(self) -> str:
        """Why something has to be asked again at this moment; empty if nothing has."""
        if not self.is_connected:
            return f"no connection: {self._client.last_problem}"
        return next(iter(self._waits.values()), "")

    @property
    def reconnects(self) -> int:
        """How often the connection was lost and found again."""
        return int(self._client.stats["reconnects"])

    @property
    def server_version(self) -> str:
        """The server's version, for example `2.15.1`."""
        return str(self._client._server_info.get("version", "unknown"))  # noqa: SLF001

    def new_inbox(self) -> str:
        """Make a subject for replies that only this connection hears."""
        return self._client.new_inbox()

    async def publish(
        self, subject: str, data: bytes, *, reply: str = "", headers: dict[str, str] | None = None
    ) -> None:
        """Send on core NATS; nobody says whether it arrived."""
        try:
            await self._client.publish(
                subject, data, reply=reply, headers=dict(headers) if headers else None
            )
        except nats.errors.Error as error:
            raise BusUnavailableError(self.url, str(error)) from error

    async def subscribe(self, subject: str, handler: Handler) -> Listening:
        """Call the handler for each message; it must not raise."""
        try:
            return Listening(await self._client.subscribe(subject, cb=handler))
        except nats.errors.Error as error:
            raise BusUnavailableError(self.url, str(error)) from error

    async def ask(
        self,
        subject: str,
        data: bytes = b"",
        *,
        headers: dict[str, str] | None = None,
        timeout_s: float = TRY_S,
    ) -> Msg:
        """Send one request and wait for one answer.

        Raises:
            BusUnavailableError: No answer in time, or nobody there.
        """
        try:
            # Not the client's own timeout: it may lose a cancellation before Python 3.12.
            async with asyncio.timeout(timeout_s):
                return await self._client.request(
                    subject,
                    data,
                    timeout=None,  # type: ignore[arg-type]
                    headers=dict(headers) if headers else None,
                )
        except TimeoutError as error:
            raise BusUnavailableError(self.url, f"no answer within {timeout_s} s") from error
        except nats.errors.Error as error:
            raise BusUnavailableError(self.url, str(error) or type(error).__name__) from error

    async def flush(self) -> None:
        """Wait until the server has read all that was sent."""
        try:
            await self._client.flush()
        except nats.errors.Error as error:
            raise BusUnavailableError(self.url, str(error)) from error

    async def call(
        self,
        api: str,
        request: Any = None,
        *,
        retry_s: float | None = None,
        try_s: float = TRY_S,
    ) -> bytes:
        """Ask JetStream's API and return its answer; repeats while it says "not now".

        Args:
            api: What follows `$JS.API.`.
            request: Any value msgspec can encode, or nothing.
            retry_s: For how long to repeat, in seconds; the connection's patience if left out.
            try_s: How long one attempt may take, in seconds.

        Raises:
            RefusedError: The server refused.
            StorageFullError: It had no room within `retry_s`.
            BusUnavailableError: No answer within `retry_s`.
        """
        data = b"" if request is None else msgspec.json.encode(request)

        async def attempt() -> bytes:
            answer = await self.ask(f"$JS.API.{api}", data)
            check_reply(answer.data)
            return answer.data

        return await self.retry(attempt, retry_s, try_s=try_s)

    async def move(self) -> None:
        """Go to another node of the cluster, if one is known; not more often than is of use.

        A node that is cut off from the others answers us and can store nothing: only
        whoever waits for an answer notices. Subscriptions move along.
        """
        now = asyncio.get_running_loop().time()
        if now - self._moved_at >= _STAY_S and await self._client.move():
            self._moved_at = now

    async def retry(
        self,
        attempt: Callable[[], Awaitable[T]],
        retry_s: float | None = None,
        *,
        try_s: float = TRY_S,
    ) -> T:
        """Repeat an idempotent attempt while the bus is away, full or says "not now".

        What fails for `MOVE_AFTER_S` goes on at another node of the cluster.

        Args:
            attempt: What to do; repeated, it must have the effect of once.
            retry_s: For how long, in seconds; the connection's patience if left out.
            try_s: How long one attempt may take, in seconds. What is asked of a frozen
                node is never answered, and only the next attempt finds who took over.

        Raises:
            RefusedError: The server refused for good.
            StorageFullError: Still no room after `retry_s` seconds.
            BusUnavailableError: Still nothing after `retry_s` seconds.

        Cancelling: safe, as far as the attempt is.
        """
        loop = asyncio.get_running_loop()
        began = loop.time()
        deadline = began + (self.patience_s if retry_s is None else retry_s)
        tries = 0
        try:
            while True:
                try:
                    return await self._try(attempt, try_s)
                except (RefusedError, BusUnavailableError) as error:
                    if isinstance(error, RefusedError) and not _is_not_now(error):
                        raise
                    last = error
                tries += 1
                self._waits[id(attempt)] = _reason(last)
                pause_s = _pause_s(last, tries)
                if self._client.is_closed or loop.time() + pause_s > deadline:
                    raise self._given_up(last, tries) from last
                if loop.time() - began > MOVE_AFTER_S and not _is_full(last):
                    await self.move()
                await asyncio.sleep(pause_s)
                await self._connected(deadline)
        finally:
            self._waits.pop(id(attempt), None)

    async def _connected(self, deadline: float) -> None:
        """Wait until the server hears us: what is sent before that only fills our buffers."""
        loop = asyncio.get_running_loop()
        while not self.is_connected and loop.time() < deadline:  # noqa: ASYNC110 - nobody says when
            await asyncio.sleep(_LOOK_S)

    def _given_up(self, last: RefusedError | BusUnavailableError, tries: int) -> BusError:
        reason = f"{_reason(last)}, after {tries} tries"
        if _is_full(last):
            return StorageFullError(self.url, reason)
        if self.is_connected and tries > 1:
            reason += "; it is connected, so its JetStream is silent: is its disk full?"
        return BusUnavailableError(self.url, reason)

    async def _try(self, attempt: Callable[[], Awaitable[T]], timeout_s: float) -> T:
        try:
            async with asyncio.timeout(timeout_s):
                return await attempt()
        except TimeoutError as error:
            raise BusUnavailableError(self.url, f"no answer within {timeout_s} s") from error

    async def check_jetstream(self) -> None:
        """Refuse a server whose JetStream we may not use.

        Raises:
            JetStreamMissingError: No JetStream on the server or for the account.
            BusUnavailableError: A cluster's nodes have not found a leader within our patience.
        """
        if not self._client._server_info.get("jetstream"):  # noqa: SLF001
            raise JetStreamMissingError(self.url, "the server was started without it")
        try:
            await self.call("INFO", retry_s=self.patience_s if self.cluster else CONNECT_S)
        except RefusedError as error:
            raise JetStreamMissingError(self.url, str(error)) from error
        except BusUnavailableError as error:
            if self.cluster:
                reason = f"node {self.node!r} of cluster {self.cluster!r} finds no leader there"
                raise BusUnavailableError(self.url, f"{reason}: do most nodes run?") from error
            raise JetStreamMissingError(self.url, str(error)) from error


def _is_not_now(error: RefusedError) -> bool:
    return error.code in TRANSIENT_CODES or error.is_full


def _is_full(error: RefusedError | BusUnavailableError) -> bool:
    return isinstance(error, RefusedError) and error.is_full


def _reason(error: RefusedError | BusUnavailableError) -> str:
    return error.reason if isinstance(error, BusUnavailableError) else str(error)


def _pause_s(error: RefusedError | BusUnavailableError, tries: int) -> float:
    """How long to wait before the next try; longer for room, which takes time to make."""
    pause_s = _FULL_PAUSE_S if _is_full(error) else _BACKOFF_S[min(tries, len(_BACKOFF_S)) - 1]
    return pause_s * (0.5 + random.random())  # noqa: S311 - spreads retries, guards nothing


def check_reply(data: bytes) -> None:
    """Raise what a JetStream answer reports.

    Raises:
        RefusedError: The answer carries an error.
    """
    problem = _reply.decode(data).error if data else None
    if problem is not None:
        raise RefusedError(problem.err_code or problem.code, problem.description)


@contextlib.asynccontextmanager
async def connect(
    access: Access, *, name: str, wait_s: float = CONNECT_S, patience_s: float = RETRY_S
) -> AsyncIterator[Connection]:
    """Open a connection and close it at the end.

    Args:
        access: Where, and with what.
        name: Who we are, for the server's own lists.
        wait_s: How long to try, in seconds.
        patience_s: For how long a request is repeated while the bus is away, in seconds.

    Raises:
        BusUnavailableError: Nobody answers there.
        AccessDeniedError: The server refuses our token.
        ServerTooOldError: The server lacks atomic batches.
    """
    client = await _start(access, name, wait_s)
    try:
        connection = Connection(client, access, name=name, patience_s=patience_s)
        _check_version(connection)
        yield connection
    finally:
        await client.stop()


async def _start(access: Access, name: str, wait_s: float) -> SteadyClient:
    """Try until somebody answers; a handshake left half done is begun anew."""
    deadline = asyncio.get_running_loop().time() + wait_s
    while True:
        left_s = deadline - asyncio.get_running_loop().time()
        try:
            return await _start_once(access, name, left_s)
        except BusUnavailableError:
            if asyncio.get_running_loop().time() + _AGAIN_S > deadline:
                raise
        await asyncio.sleep(_AGAIN_S)


async def _start_once(access: Access, name: str, wait_s: float) -> SteadyClient:
    client = SteadyClient()
    seen: deque[Exception] = deque(maxlen=_ERRORS_KEPT)

    async def note(error: Exception) -> None:
        seen.append(error)

    # One node that says nothing must not use up the time of the others.
    answer_s = 1 if len(access.urls) > 1 else 2
    options: dict[str, Any] = {
        "name": name,
        "connect_timeout": answer_s,
        "reconnect_time_wait": 0.25,
    }
    if access.token:
        options["token"] = access.token
    if access.user:
        options |= {"user": access.user, "password": access.password}
    try:
        async with asyncio.timeout(wait_s):
            await client.start(access.url, note, **options)
    except (TimeoutError, OSError, nats.errors.Error) as error:
        await client.stop()
        reasons = [str(one) or type(one).__name__ for one in (*seen, error)]
        denied = [reason for reason in reasons if DENIED in reason.lower()]
        if denied:
            raise AccessDeniedError(access.url, denied[0]) from error
        raise BusUnavailableError(access.url, reasons[0]) from error
    return client


def _check_version(connection: Connection) -> None:
    version = connection.server_version
    numbers = tuple(int(part) for part in version.split("-")[0].split(".")[:2] if part.isdigit())
    if numbers < SERVER_VERSION_NEEDED:
        needed = ".".join(str(number) for number in SERVER_VERSION_NEEDED)
        raise ServerTooOldError(connection.url, version, needed)
