"""Streams and messages just as the server keeps them: for moving, copying, removing runs.

Not for what a run says: that is `bus.run_stream`.
"""

from __future__ import annotations

from collections.abc import AsyncIterator
from typing import Any, Final

import msgspec

from bus.connection import Connection
from bus.errors import GapError, RefusedError

BATCH_ID: Final = "Nats-Batch-Id"
BATCH_COMMIT: Final = "Nats-Batch-Commit"

_STREAM_MISSING: Final = 10059
_MESSAGE_MISSING: Final = 10037


class StreamState(msgspec.Struct, frozen=True, kw_only=True):
    """What a stream holds.

    Attributes:
        messages: How many.
        bytes: What they take.
        first_seq: Sequence of the first.
        last_seq: Sequence of the newest.
        first_ts: When the first was stored, as the server wrote it (RFC 3339).
        last_ts: When the newest was.
        consumer_count: How many consumers read it.
    """

    messages: int = 0
    bytes: int = 0
    first_seq: int = 0
    last_seq: int = 0
    first_ts: str = ""
    last_ts: str = ""
    consumer_count: int = 0


class StreamConfig(msgspec.Struct, frozen=True, kw_only=True):
    """What is read of a stream's settings."""

    name: str
    num_replicas: int = 1
    metadata: dict[str, str] = {}


class StreamInfo(msgspec.Struct, frozen=True, kw_only=True):
    """A stream, its settings and what it holds; `created` as the server wrote it."""

    config: StreamConfig
    state: StreamState
    created: str = ""


class StoredMessage(msgspec.Struct, frozen=True, kw_only=True):
    """One message, byte for byte.

    Attributes:
        seq: Its sequence.
        subject: What it was published on.
        time: When it was stored, to the nanosecond, as the server wrote it.
        hdrs: Its headers as they stand; empty if it has none.
        data: Its bytes.
    """

    seq: int
    subject: str
    time: str = ""
    hdrs: bytes = b""
    data: bytes = b""

    @property
    def headers(self) -> dict[str, str]:
        """Its headers by name."""
        lines = self.hdrs.decode().split("\r\n")[1:]
        pairs = (line.partition(":") for line in lines if line)
        return {name: value.strip() for name, _, value in pairs}

    @property
    def is_within_batch(self) -> bool:
        """Whether it was stored together with the one that follows it."""
        headers = self.headers
        return BATCH_ID in headers and BATCH_COMMIT not in headers


class _StreamList(msgspec.Struct):
    total: int = 0
    streams: list[StreamInfo] | None = None


class _Got(msgspec.Struct):
    message: StoredMessage


async def stream_info(connection: Connection, name: str) -> StreamInfo | None:
    """Describe a stream; absent if there is none of that name."""
    try:
        answer = await connection.call(f"STREAM.INFO.{name}")
    except RefusedError as error:
        if error.code == _STREAM_MISSING:
            return None
        raise
    return msgspec.json.decode(answer, type=StreamInfo)


async def list_streams(connection: Connection) -> list[StreamInfo]:
    """Describe every stream on the server."""
    found: list[StreamInfo] = []
    while True:
        answer = await connection.call("STREAM.LIST", {"offset": len(found)})
        page = msgspec.json.decode(answer, type=_StreamList)
        found += page.streams or []
        if not page.streams or len(found) >= page.total:
            return found


async def update_stream(connection: Connection, config: dict[str, Any]) -> None:
    """Give a stream other settings."""
    await connection.call(f"STREAM.UPDATE.{config['name']}", config)


async def get_message(connection: Connection, name: str, seq: int) -> StoredMessage:
    """Read one message.

    Raises:
        GapError: There is none under that sequence.
    """
    try:
        answer = await connection.call(f"STREAM.MSG.GET.{name}", {"seq": seq})
    except RefusedError as error:
        if error.code == _MESSAGE_MISSING:
            raise GapError(name, seq) from error
        raise
    return msgspec.json.decode(answer, type=_Got).message


async def batches(
    connection: Connection, name: str, last_seq: int
) -> AsyncIterator[list[StoredMessage]]:
    """Yield a stream's messages from the first on, those stored together as one list.

    Args:
        connection: Any.
        name: The stream.
        last_seq: Where to end; the batch that this is in is yielded whole.

    Raises:
        GapError: A sequence is missing.
    """
    seq = 1
    while seq <= last_seq:
        batch = [await get_message(connection, name, seq)]
        while batch[-1].is_within_batch:
            batch.append(await get_message(connection, name, batch[-1].seq + 1))
        yield batch
        seq = batch[-1].seq + 1


async def batch_end(connection: Connection, name: str, seq: int) -> int:
    """Return the last sequence that was stored together with this one.

    Raises:
        GapError: A sequence is missing.
    """
    while (await get_message(connection, name, seq)).is_within_batch:
        seq += 1
    return seq
