"""A member's consumer: its filter list is its world; receive in order, ack late.

The lead makes the consumer, the member only pulls from it. A message is acked
after the turn that took it in has been committed, never before; what was fetched
by a process that died comes again. One long pull is kept open, and opened anew
whenever the server goes silent (a plain `fetch` stalls over a restart).
"""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Iterable, Sequence
from typing import Any, Final

import msgspec
from nats.aio.msg import Msg

from bus import kill_points, subjects
from bus.connection import MOVE_AFTER_S, Connection, Listening
from bus.errors import BusError, RefusedError
from bus.run_stream import Record, record_of

ACK_WAIT_S: Final = 3.0
"""How soon a message comes again when the process that fetched it died, in seconds."""

_DELETE_S: Final = 0.5
_PULL: Final = 64
_EXPIRES_S: Final = 20.0
_IDLE_S: Final = 0.5
_SILENT_S: Final = 2.5 * _IDLE_S
_INACTIVE_S: Final = 30.0
_KEEP_S: Final = ACK_WAIT_S / 3
_NANOSECONDS: Final = 1_000_000_000
_CONSUMER_MISSING: Final = 10014
_CONSUMER_REFUSED: Final = 10012
_NOTHING_NEW: Final = "100"
_EXPIRED: Final = "408"
_NOBODY: Final = "503"


class FeedPosition(msgspec.Struct, frozen=True, kw_only=True):
    """How far a member has got.

    Attributes:
        fetched_seq: Newest sequence that was handed to it.
        acked_seq: Everything up to here has been taken into its journal.
        waiting: Messages stored for it and not handed out yet.
    """

    fetched_seq: int
    acked_seq: int
    waiting: int


class _Place(msgspec.Struct):
    stream_seq: int = 0


class _ConsumerConfig(msgspec.Struct):
    opt_start_seq: int = 1


class _ConsumerInfo(msgspec.Struct):
    config: _ConsumerConfig
    delivered: _Place
    ack_floor: _Place
    num_pending: int = 0


async def create_feed(
    connection: Connection,
    run: str,
    name: str,
    filters: Sequence[str],
    *,
    first_seq: int = 1,
    lasting: bool = True,
) -> None:
    """Make a consumer, or change the filter list of one that exists.

    Args:
        connection: One that may manage consumers.
        run: The run.
        name: The member that will pull.
        filters: Subject filters: all that it will ever be sent.
        first_seq: Where it begins, if it is new.
        lasting: Whether it outlives its reader; else it ends 30 s after it, or later: it
            must outlive the patience of the connection.
    """
    stream = subjects.stream_name(run)
    config: dict[str, Any] = {
        "name": name,
        # In any case: only a durable one has as many copies as its stream.
        "durable_name": name,
        "filter_subjects": list(filters),
        "ack_policy": "explicit",
        "ack_wait": int(ACK_WAIT_S * _NANOSECONDS),
        "max_deliver": -1,
        "max_ack_pending": 5000,
        "replay_policy": "instant",
        "deliver_policy": "by_start_sequence",
        "opt_start_seq": max(first_seq, 1),
    }
    if not lasting:
        inactive_s = max(_INACTIVE_S, 2 * connection.patience_s)
        config["inactive_threshold"] = int(inactive_s * _NANOSECONDS)
    request = {"stream_name": stream, "config": config}
    try:
        await connection.call(f"CONSUMER.CREATE.{stream}.{name}", request)
    except RefusedError as error:
        info = await _consumer(connection, run, name)
        if error.code != _CONSUMER_REFUSED or info is None:
            raise
        # Its start can't be changed, even to what has no effect any more.
        config["opt_start_seq"] = info.config.opt_start_seq
        await connection.call(f"CONSUMER.CREATE.{stream}.{name}", request)


async def delete_feed(connection: Connection, run: str, name: str) -> None:
    """Take away a consumer whose reader has ended; without a bus it ends by itself, later."""
    with contextlib.suppress(BusError):
        stream = subjects.stream_name(run)
        await connection.call(f"CONSUMER.DELETE.{stream}.{name}", retry_s=_DELETE_S)


async def feed_position(connection: Connection, run: str, name: str) -> FeedPosition | None:
    """Say how far a member's consumer has got; absent if it has none."""
    info = await _consumer(connection, run, name)
    if info is None:
        return None
    return FeedPosition(
        fetched_seq=info.delivered.stream_seq,
        acked_seq=info.ack_floor.stream_seq,
        waiting=info.num_pending,
    )


async def _consumer(connection: Connection, run: str, name: str) -> _ConsumerInfo | None:
    try:
        answer = await connection.call(f"CONSUMER.INFO.{subjects.stream_name(run)}.{name}")
    except RefusedError as error:
        if error.code == _CONSUMER_MISSING:
            return None
        raise
    return msgspec.json.decode(answer, type=_ConsumerInfo)


class Feed:
    """A running pull from one consumer.

    `start` returns once it pulls, `stop` once it has ended; both may be called
    twice. What was received and not acked is kept from coming again while this
    process lives.

    Attributes:
        gaps: How often deliveries before one were not ours: another process pulls, or
            has pulled, from the same consumer, or they were lost on the way.
    """

    def __init__(
        self, connection: Connection, run: str, name: str, *, fleeting: Sequence[str] = ()
    ) -> None:
        """Prepare to pull.

        Args:
            connection: To the bus.
            run: The run.
            name: Whose consumer.
            fleeting: The filters of one that does not outlive its reader: made again if
                its reader was asleep for longer than it lives.
        """
        self._connection = connection
        self._run = run
        self._name = name
        self._fleeting = tuple(fleeting)
        self._newest_seq = 0
        self._delivery = 0
        self.gaps = 0
        self._pull_subject = f"$JS.API.CONSUMER.MSG.NEXT.{subjects.stream_name(run)}.{name}"
        self._inbox = connection.new_inbox()
        self._ready: asyncio.Queue[Record] = asyncio.Queue()
        self._ack_of: dict[int, str] = {}
        self._acked: set[int] = set()
        self._asked_for = 0
        self._heard_at = 0.0
        self._wake = asyncio.Event()
        self._tasks: list[asyncio.Task[None]] = []
        self._listening: Listening | None = None

    async def start(self) -> None:
        """Begin to pull."""
        if self._tasks:
            return
        self._listening = await self._connection.subscribe(self._inbox, self._take)
        self._heard_at = asyncio.get_running_loop().time()
        self._tasks = [
            asyncio.create_task(self._keep_pulling()),
            asyncio.create_task(self._keep_ours()),
        ]

    async def stop(self) -> None:
        """Stop pulling; what is not acked will come again to whoever pulls next."""
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)
        self._tasks = []
        if self._listening is not None:
            await self._listening.unsubscribe()
            self._listening = None

    async def __aenter__(self) -> Feed:
        await self.start()
        return self

    async def __aexit__(self, *_: object) -> None:
        await self.stop()

    async def next(self, timeout_s: float | None = None) -> Record | None:
        """Return the next message, or nothing after `timeout_s` seconds.

        Cancelling: safe; nothing is lost.
        """
        try:
            async with asyncio.timeout(timeout_s):
                record = await self._ready.get()
        except TimeoutError:
            return None
        kill_points.reach("feed.fetched", self._connection.name)
        return record

    def take_ready(self) -> list[Record]:
        """Return all that has come so far, without waiting."""
        ready: list[Record] = []
        while not self._ready.empty():
            ready.append(self._ready.get_nowait())
        return ready

    async def ack(self, seqs: Iterable[int]) -> None:
        """Say that messages are taken into the journal; they will not come again."""
        for seq in seqs:
            kill_points.reach("feed.committed", self._connection.name)
            self._acked.add(seq)
            reply = self._ack_of.pop(seq, None)
            if reply is not None:
                await self._connection.publish(reply, b"+ACK")

    async def _take(self, message: Msg) -> None:
        status = (message.headers or {}).get("Status")
        if status is not None and not message.reply.startswith("$JS.ACK"):
            if status != _NOTHING_NEW:
                self._asked_for = 0
            if status == _EXPIRED:
                self._wake.set()  # any other refusal would be repeated at once
            if status != _NOBODY:
                self._heard_at = asyncio.get_running_loop().time()
            return
        self._heard_at = asyncio.get_running_loop().time()
        self._asked_for -= 1
        if self._asked_for <= _PULL // 2:
            self._wake.set()
        seq, at, delivery = _place(message.reply)
        if delivery != self._delivery + 1:
            self.gaps += 1
        self._delivery = delivery
        if seq in self._acked:
            await self._connection.publish(message.reply, b"+ACK")
            return
        self._newest_seq = max(self._newest_seq, seq)
        is_new = seq not in self._ack_of
        self._ack_of[seq] = message.reply
        if is_new:
            self._ready.put_nowait(record_of(message.subject, message.data, seq=seq, at=at))

    async def _keep_pulling(self) -> None:
        loop = asyncio.get_running_loop()
        reconnects = self._connection.reconnects
        while True:
            if self._connection.reconnects != reconnects:
                reconnects, self._asked_for = self._connection.reconnects, 0
                self._heard_at = loop.time()
            silent_s = loop.time() - self._heard_at
            if silent_s > _SILENT_S:
                self._asked_for = 0
            if silent_s > MOVE_AFTER_S:
                await self._connection.move()
            if self._connection.is_connected and self._asked_for <= _PULL // 2:
                with contextlib.suppress(BusError):
                    if self._fleeting and silent_s > _SILENT_S:
                        await self._make_again()
                    await self._pull()
            self._wake.clear()
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(_IDLE_S):
                    await self._wake.wait()

    async def _make_again(self) -> None:
        if await _consumer(self._connection, self._run, self._name) is None:
            first_seq = self._newest_seq + 1
            await create_feed(
                self._connection,
                self._run,
                self._name,
                self._fleeting,
                first_seq=first_seq,
                lasting=False,
            )

    async def _pull(self) -> None:
        wanted = _PULL - max(self._asked_for, 0)
        request = {
            "batch": wanted,
            "expires": int(_EXPIRES_S * _NANOSECONDS),
            "idle_heartbeat": int(_IDLE_S * _NANOSECONDS),
        }
        await self._connection.publish(
            self._pull_subject, msgspec.json.encode(request), reply=self._inbox
        )
        self._asked_for = max(self._asked_for, 0) + wanted

    async def _keep_ours(self) -> None:
        """Tell the server, while a long turn runs, that its messages are in hand."""
        while True:
            await asyncio.sleep(_KEEP_S)
            for reply in list(self._ack_of.values()):
                with contextlib.suppress(BusError):
                    await self._connection.publish(reply, b"+WPI")


def _place(reply: str) -> tuple[int, float, int]:
    """Read sequence, time and delivery of `$JS.ACK.<stream>.<consumer>.<n>.<seq>.<n>.<ns>.<n>`."""
    tokens = reply.split(".")
    return int(tokens[-4]), int(tokens[-2]) / _NANOSECONDS, int(tokens[-3])
