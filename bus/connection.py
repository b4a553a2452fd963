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
    BusUnavailableError,
    JetStreamMissingError,
    RefusedError,
    ServerTooOldError,
)

SERVER_VERSION_NEEDED: Final = (2, 12)
CONNECT_S: Final = 3.0
RETRY_S: Final = 15.0
"""How long a write is retried before the bus counts as unavailable, in seconds."""

MOVE_AFTER_S: Final = 2.0
"""How long JetStream may fail at one node of a cluster before we go to another, in seconds."""

TRY_S: Final = 3.0
"""How long one attempt may take, in seconds, where nothing else is said."""

_STAY_S: Final = 10.0
"""How long we stay where we have moved to: a cluster elects a new leader in less."""
_ERRORS_KEPT: Final = 8
_BACKOFF_S: Final = (0.02, 0.05, 0.1, 0.2)
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
    """A live connection; made by `connect`."""

    def __init__(self, client: SteadyClient, access: Access) -> None:
        self._client = client
        self.access = access
        self._moved_at = -_STAY_S
        self._seen: dict[str, int] = {}

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
    def reconnects(self) -> int:
        """How often the connection was lost and found again."""
        return int(self._client.stats["reconnects"])

    @property
    def server_version(self) -> str:
        """The server's version, for example `2.15.1`."""
        return str(self._client._server_info.get("version", "unknown"))  # noqa: SLF001

    def saw(self, run: str, seq: int) -> None:
        """Note that a sequence of a run is stored; see `bus.freshness`."""
        self._seen[run] = max(self._seen.get(run, 0), seq)

    def newest_seen(self, run: str) -> int:
        """The newest sequence of a run that is known here to be stored, 0 if none is."""
        return self._seen.get(run, 0)

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

    async def call(self, api: str, request: Any = None, *, retry_s: float = RETRY_S) -> bytes:
        """Ask JetStream's API and return its answer; repeats while it says "not now".

        Args:
            api: What follows `$JS.API.`.
            request: Any value msgspec can encode, or nothing.
            retry_s: For how long to repeat, in seconds.

        Raises:
            RefusedError: The server refused.
            BusUnavailableError: No answer within `retry_s`.
        """
        data = b"" if request is None else msgspec.json.encode(request)

        async def attempt() -> bytes:
            answer = await self.ask(f"$JS.API.{api}", data)
            check_reply(answer.data)
            return answer.data

        return await self.retry(attempt, retry_s)

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
        retry_s: float = RETRY_S,
        *,
        try_s: float = TRY_S,
    ) -> T:
        """Repeat an idempotent attempt while the bus is away or says "not now".

        What fails for `MOVE_AFTER_S` goes on at another node of the cluster.

        Args:
            attempt: What to do.
            retry_s: For how long to repeat it, in seconds.
            try_s: How long one attempt may take, in seconds. What is asked of a frozen
                node is not answered, and only the next attempt finds who took over.

        Raises:
            RefusedError: The server refused for good.
            BusUnavailableError: Still nothing after `retry_s` seconds.
        """
        began = asyncio.get_running_loop().time()
        deadline = began + retry_s
        tries = 0
        while True:
            try:
                return await self._try(attempt, try_s)
            except RefusedError as error:
                if error.code not in TRANSIENT_CODES:
                    raise
                last: Exception = error
            except BusUnavailableError as error:
                last = error
            jitter = 0.5 + random.random()  # noqa: S311 - spreads retries, guards nothing
            pause = _BACKOFF_S[min(tries, len(_BACKOFF_S) - 1)] * jitter
            tries += 1
            now = asyncio.get_running_loop().time()
            if now - began > MOVE_AFTER_S:
                await self.move()
            if now + pause > deadline:
                reason = last.reason if isinstance(last, BusUnavailableError) else str(last)
                raise BusUnavailableError(self.url, f"{reason}, after {tries} tries") from last
            await asyncio.sleep(pause)

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
        """
        if not self._client._server_info.get("jetstream"):  # noqa: SLF001
            raise JetStreamMissingError(self.url, "the server was started without it")
        try:
            await self.call("INFO", retry_s=CONNECT_S)
        except (RefusedError, BusUnavailableError) as error:
            raise JetStreamMissingError(self.url, str(error)) from error


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
    access: Access, *, name: str, wait_s: float = CONNECT_S
) -> AsyncIterator[Connection]:
    """Open a connection and close it at the end.

    Args:
        access: Where, and with what.
        name: Who we are, for the server's own lists.
        wait_s: How long to try, in seconds.

    Raises:
        BusUnavailableError: Nobody answers there.
        AccessDeniedError: The server refuses our token.
        ServerTooOldError: The server lacks atomic batches.
    """
    client = await _start(access, name, wait_s)
    try:
        connection = Connection(client, access)
        _check_version(connection)
        yield connection
    finally:
        await client.stop()


async def _start(access: Access, name: str, wait_s: float) -> SteadyClient:
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
            await client.start(access.urls, note, **options)
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
