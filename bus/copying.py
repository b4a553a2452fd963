"""Copy a run's stream and artifacts under another run's name, on the same server.

Messages keep their sequences, ids, order and batches; the server stores them anew, so
their times are new. A message is copied byte for byte, but for a member's filter list,
which names subjects of its run.
"""

from __future__ import annotations

import asyncio
from typing import Any, Final

import msgspec

from bus import subjects
from bus.artifacts import all_of
from bus.connection import Connection, check_reply
from bus.errors import CopyError, RefusedError
from bus.run_stream import EXPECTED_SUBJECT
from bus.stored import StoredMessage, batches, get_message, stream_info

_STORED_ALREADY: Final = frozenset({10071, 10077, 10201})
_TOGETHER: Final = 8


class _Ack(msgspec.Struct):
    seq: int


class _Typed(msgspec.Struct):
    type: str


class _Probe(msgspec.Struct):
    body: _Typed


async def copy_run(connection: Connection, origin: str, run: str, at_seq: int) -> int:
    """Copy the first messages of a run into the empty stream of another.

    Args:
        connection: Any.
        origin: The run that is copied; it may go on meanwhile.
        run: The run whose stream is filled; nobody else writes there.
        at_seq: Up to which sequence.

    Returns:
        The last sequence that was copied: `at_seq`, or the end of the batch that it is in,
        since what was stored together is never cut in two.

    Raises:
        GapError: The origin lacks a message.
        CopyError: A message did not get the sequence that it had.
    """
    name, last_seq = subjects.stream_name(origin), 0
    async for batch in batches(connection, name, at_seq):
        moved = [_moved(message, origin, run) for message in batch]
        last_seq = await _store(connection, run, moved)
        if last_seq != batch[-1].seq:
            raise CopyError(run, batch[-1].seq, last_seq)
    return last_seq


async def copy_artifacts(connection: Connection, origin: str, run: str) -> None:
    """Copy all artifacts of a run; the place for them is there."""
    name = subjects.artifact_stream_name(origin)
    info = await stream_info(connection, name)
    gate = asyncio.Semaphore(_TOGETHER)

    async def copy(seq: int) -> None:
        async with gate:
            chunk = await get_message(connection, name, seq)
            await _send(connection, subjects.under(chunk.subject, run), chunk.data, {})

    last_seq = info.state.last_seq if info is not None else 0
    await all_of(copy(seq) for seq in range(1, last_seq + 1))


def _moved(message: StoredMessage, origin: str, run: str) -> StoredMessage:
    return msgspec.structs.replace(
        message,
        subject=subjects.under(message.subject, run),
        data=_with_filters_of(message.data, origin, run),
    )


def _with_filters_of(data: bytes, origin: str, run: str) -> bytes:
    """A message as it stands, or a seat whose filters are of the other run."""
    try:
        if msgspec.json.decode(data, type=_Probe).body.type != "member.seated":
            return data
        seated: dict[str, Any] = msgspec.json.decode(data)
        filters = seated["body"]["filters"]
        seated["body"]["filters"] = [
            subjects.under(one, run) if subjects.is_of(one, origin) else one for one in filters
        ]
    except (msgspec.DecodeError, KeyError, TypeError, AttributeError, RecursionError):
        return data  # whoever can't read it can't follow it either
    return msgspec.json.encode(seated)


async def _store(connection: Connection, run: str, batch: list[StoredMessage]) -> int:
    """Store messages as they were stored: one, or a batch; returns the last sequence."""

    async def attempt() -> int:
        *before, last = batch
        for message in before:
            headers = _headers(message, run)
            await connection.publish(message.subject, message.data, headers=headers)
        return await _send(connection, last.subject, last.data, _headers(last, run))

    try:
        return await connection.retry(attempt)
    except RefusedError as error:
        if error.code not in _STORED_ALREADY:
            raise
        # A repeat after a lost acknowledgement, or a stream that is not empty.
        info = await stream_info(connection, subjects.stream_name(run))
        return info.state.last_seq if info else 0


async def _send(connection: Connection, subject: str, data: bytes, headers: dict[str, str]) -> int:
    answer = await connection.ask(subject, data, headers=headers)
    check_reply(answer.data)
    return msgspec.json.decode(answer.data, type=_Ack).seq


def _headers(message: StoredMessage, run: str) -> dict[str, str]:
    """Its headers as they were, conditions too: the copy is checked as the original was."""
    headers = message.headers
    if EXPECTED_SUBJECT in headers:
        headers[EXPECTED_SUBJECT] = subjects.under(headers[EXPECTED_SUBJECT], run)
    return headers
