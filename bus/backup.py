"""A stream as bytes and back: sequences, times, ids and headers stay what they were.

The server makes the bytes and reads them; nothing here looks into them. Consumers are
left out: what a file says of them could send messages anywhere.

Source: NATS ADR-15 (the JetStream API); tests/bus/test_backup.py.
"""

from __future__ import annotations

import asyncio
import contextlib
from typing import IO, Any, Final

import msgspec
from nats.aio.msg import Msg

from bus.connection import Connection, check_reply
from bus.errors import (
    AccessDeniedError,
    BusUnavailableError,
    RefusedError,
    RestoreError,
    StorageFullError,
)
from bus.stored import StreamState
from bus.streams import lacks_nodes, too_few_nodes

CHUNK_BYTES: Final = 128 * 1024
SILENT_S: Final = 10.0
"""How long a server that sends or takes a stream may say nothing, in seconds."""
ANSWER_S: Final = 5.0
"""How long a server may take to begin, in seconds."""
FINISH_S: Final = 60.0
"""How long it may take to put in place what it was sent, in seconds."""

_STREAM_EXISTS: Final = 10130
_NO_CHUNK: Final = ("204", None)


class _Taken(msgspec.Struct):
    state: StreamState


class _Opened(msgspec.Struct):
    deliver_subject: str


async def take_snapshot(connection: Connection, name: str, sink: IO[bytes]) -> StreamState:
    """Write a stream into a file as it stands at one moment; it may grow meanwhile.

    Returns:
        What it held at that moment.

    Raises:
        RefusedError: The server refused, or failed on the way.
        AccessDeniedError: We may not ask it for a stream.
        BusUnavailableError: It went silent; what is in the file is of no use.
    """
    arriving: asyncio.Queue[Msg] = asyncio.Queue()
    inbox = connection.new_inbox()
    listening = await connection.subscribe(inbox, arriving.put)
    request = {"deliver_subject": inbox, "no_consumers": True, "chunk_size": CHUNK_BYTES}
    reconnects = connection.reconnects
    try:
        # Not `call`: a repeated request would send everything twice.
        answer = await _request(connection, f"STREAM.SNAPSHOT.{name}", request)
        await _write_chunks(connection, arriving, sink)
    finally:
        await listening.unsubscribe()
    if connection.reconnects != reconnects:
        raise BusUnavailableError(connection.url, "the connection was lost on the way")
    return msgspec.json.decode(answer.data, type=_Taken).state


async def _request(connection: Connection, api: str, request: dict[str, Any]) -> Msg:
    """Ask once; a server that answers others and not this does not let us."""
    try:
        data = msgspec.json.encode(request)
        answer = await connection.ask(f"$JS.API.{api}", data, timeout_s=ANSWER_S)
    except BusUnavailableError as error:
        if connection.is_connected:
            reason = f"no answer to {api}: these credentials may lack the right to it"
            raise AccessDeniedError(connection.url, reason) from error
        raise
    check_reply(answer.data)
    return answer


async def _write_chunks(
    connection: Connection, arriving: asyncio.Queue[Msg], sink: IO[bytes]
) -> None:
    while True:
        try:
            async with asyncio.timeout(SILENT_S):
                chunk = await arriving.get()
        except TimeoutError as error:
            reason = f"nothing of the stream came for {SILENT_S:g} s"
            raise BusUnavailableError(connection.url, reason) from error
        if not chunk.data:
            _check_end(chunk)
            return
        sink.write(chunk.data)
        if chunk.reply:
            await connection.publish(chunk.reply, b"")


def _check_end(last: Msg) -> None:
    headers = last.headers or {}
    status = headers.get("Status")
    if status not in _NO_CHUNK:
        raise RefusedError(int(status or 500), headers.get("Description", "the snapshot failed"))


async def restore_snapshot(
    connection: Connection, config: dict[str, Any], source: IO[bytes]
) -> None:
    """Make a stream of what `take_snapshot` wrote, under settings of our own.

    Args:
        connection: Any.
        config: How the stream is set up; what the bytes say of that counts for nothing.
        source: The bytes.

    Raises:
        RestoreError: The server could not make a stream of them; a part may be there.
        TooFewNodesError: There is no place for so many copies; a part may be there.
        StorageFullError: It has no room for them; a part may be there.
        RefusedError: It refused for another reason.
        AccessDeniedError: We may not ask it to.

    Cancelling: the server is told to end; a part may be there.
    """
    name = config["name"]
    request = {"config": config, "state": {}}
    try:
        answer = await _request(connection, f"STREAM.RESTORE.{name}", request)
    except RefusedError as error:
        if error.code == _STREAM_EXISTS:
            raise RestoreError(name, "there is a stream of that name") from error
        if lacks_nodes(error):
            raise too_few_nodes(connection, config, error) from error
        raise
    subject = msgspec.json.decode(answer.data, type=_Opened).deliver_subject
    try:
        await _send_chunks(connection, config, subject, source)
    except BaseException:
        # Nothing more will come: the server ends too, and does not wait.
        with contextlib.suppress(BusUnavailableError):
            await connection.ask(subject)
        raise
    end = await connection.ask(subject, timeout_s=FINISH_S)
    _check_restored(connection, config, end.data)


async def _send_chunks(
    connection: Connection, config: dict[str, Any], subject: str, source: IO[bytes]
) -> None:
    while chunk := source.read(CHUNK_BYTES):
        answer = await connection.ask(subject, chunk, timeout_s=SILENT_S)
        _check_restored(connection, config, answer.data)


def _check_restored(connection: Connection, config: dict[str, Any], data: bytes) -> None:
    try:
        check_reply(data)
    except RefusedError as error:
        if error.is_full or "exceeded" in error.description:
            raise StorageFullError(connection.url, str(error)) from error
        if lacks_nodes(error):
            raise too_few_nodes(connection, config, error) from error
        raise RestoreError(config["name"], error.description) from error
