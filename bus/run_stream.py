"""One run's stream: create it, append to it, commit a batch, look up, read on.

A run is this stream and nothing else. A write names what it expects to follow;
the server stores it whole or refuses it. Repeats are recognized by message id.

Source: docs/protocol.md, "Turns"; NATS ADR-50 (atomic batches).
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator, Sequence
from datetime import datetime
from typing import Any, Final

import msgspec
from nats.aio.msg import Msg

from bus import kill_points, subjects
from bus._reading import Reading
from bus.codec import MESSAGE_BYTES_MAX, WIRE_VERSION, Envelope, decode, encode
from bus.connection import TRY_S, Connection, check_reply
from bus.errors import (
    BatchTooLargeError,
    BusError,
    BusUnavailableError,
    ConflictError,
    DecodeError,
    RefusedError,
    RunExistsError,
    RunNotFoundError,
)
from bus.ids import new_message_id
from bus.messages import AnyMessage
from bus.streams import create_stream, leaders_copy
from bus.subjects import Subject

BATCH_MESSAGES_MAX: Final = 1000
READ_MESSAGES: Final = 256
READ_BYTES: Final = 4 * 1024 * 1024
"""What one read may bring: a server cuts off whoever has much more than that in flight."""

SUBJECT_MESSAGES_MAX: Final = 20_000
DUPLICATE_WINDOW_S: Final = 600
EXPECTED_SUBJECT: Final = "Nats-Expected-Last-Subject-Sequence-Subject"
"""The header that names the filter which a write compares and sets over."""
UNREADY: Final = "unready"
"""In a stream's metadata: it is still being filled, and no run yet."""

_WRONG_SEQUENCE: Final = 10071
_BATCH_DUPLICATE: Final = 10201
_TOO_MANY_HEADS: Final = 413
_HEADS_MAX: Final = 1024
_READ_S: Final = 15.0
"""How long one read may take before it is made again, in seconds."""
_QUIET_S: Final = 1.0
"""How long a read waits for its next message: the copy that was asked may be out of reach."""

_STREAM_EXISTS: Final = 10058
_STREAM_MISSING: Final = 10059
_NANOSECONDS: Final = 1_000_000_000
_TRY_S: Final = 1.0
_SLOW_LINE_BYTES: Final = 250_000
"""What a slow line carries in a second."""


class Record(msgspec.Struct, frozen=True, kw_only=True):
    """One stored message.

    Attributes:
        seq: Its place in the run's one order, from 1.
        subject: What it was published on; its last token is the author.
        at: When the server stored it, in seconds since 1970.
        envelope: The message; absent if this version can't read it.
        problem: Why it can't.
    """

    seq: int
    subject: Subject
    at: float
    envelope: Envelope | None = None
    problem: str | None = None

    @property
    def body(self) -> AnyMessage | None:
        """The message itself, if it can be read."""
        return self.envelope.body if self.envelope else None

    @property
    def id(self) -> str:
        """The message's id; empty if it can't be read."""
        return self.envelope.id if self.envelope else ""


class Entry(msgspec.Struct, frozen=True, kw_only=True):
    """One message to be stored.

    Attributes:
        subject: Where.
        body: What.
        expect: Sequence that the key's head must have, 0 for none yet; absent:
            no condition.
        id: Its id; a repeat with the same id is stored once.
        cause: Id of the message that led to it.
    """

    subject: Subject
    body: AnyMessage
    expect: int | None = None
    id: str = msgspec.field(default_factory=new_message_id)
    cause: str | None = None


class _Ack(msgspec.Struct):
    seq: int
    duplicate: bool = False


class RunStream:
    """A run's stream, opened on a connection."""

    def __init__(self, connection: Connection, run: str) -> None:
        self.connection = connection
        self.run = run
        self.name = subjects.stream_name(run)

    async def append(self, entry: Entry, *, retry_s: float | None = None) -> int:
        """Store one message.

        Returns:
            Its sequence.

        Raises:
            ConflictError: The key has moved on; nothing was stored.
            BusUnavailableError: No answer within `retry_s`; retry the same entry.

        Cancelling: safe; the message is stored or not, and a retry is recognized.
        """
        return await self.commit([entry], retry_s=retry_s)

    async def commit(self, entries: Sequence[Entry], *, retry_s: float | None = None) -> int:
        """Store all messages next to each other, or none.

        Args:
            entries: 1 to 1,000 messages; at most one with an expectation per key.
            retry_s: For how long to repeat while the bus is away or full, in seconds; the
                connection's patience if left out.

        Returns:
            The sequence of the last message; the others precede it without gaps.

        Raises:
            ConflictError: A key has moved on; nothing was stored.
            TooLargeError: A message, or their number, is over the limit; nothing was sent.
            StorageFullError: No room in time. Retry with the same entries.
            BusUnavailableError: No answer in time. Retry with the same entries.

        Cancelling: safe; stored whole or not at all, and a retry is recognized.
        """
        encoded = encode_all(entries)

        async def attempt() -> bytes:
            if len(entries) == 1:
                return await self._send_one(entries[0], encoded[0])
            return await self._send_batch(entries, encoded)

        try:
            answer = await self.connection.retry(attempt, retry_s, try_s=_try_s(encoded))
        except RefusedError as error:
            return await self._resolve(entries, error)
        return msgspec.json.decode(answer, type=_Ack).seq

    async def _send_one(self, entry: Entry, data: bytes) -> bytes:
        kill_points.reach("write.before", self.connection.name)
        return await self._stored(entry, data, _headers(entry), "write")

    async def _send_batch(self, entries: Sequence[Entry], encoded: Sequence[bytes]) -> bytes:
        batch_id = new_message_id()
        *before, (last, last_data) = zip(entries, encoded, strict=True)
        for number, (entry, data) in enumerate(before, start=1):
            point = "batch.before" if number == 1 else "batch.between"
            kill_points.reach(point, self.connection.name)
            headers = _headers(entry) | _batch_headers(batch_id, number)
            await self.connection.publish(str(entry.subject), data, headers=headers)
        kill_points.reach("batch.commit", self.connection.name)
        headers = _headers(last) | _batch_headers(batch_id, len(entries))
        headers["Nats-Batch-Commit"] = "1"
        return await self._stored(last, last_data, headers, "batch")

    async def _stored(self, entry: Entry, data: bytes, headers: dict[str, str], kind: str) -> bytes:
        """Send what completes a write and return its acknowledgement."""
        if kill_points.is_due(f"{kind}.sent", self.connection.name):
            await self.connection.publish(str(entry.subject), data, headers=headers)
            await self.connection.flush()
            kill_points.end()
        answer = await self.connection.ask(str(entry.subject), data, headers=headers)
        check_reply(answer.data)
        kill_points.reach(f"{kind}.stored", self.connection.name)
        return answer.data

    async def _resolve(self, entries: Sequence[Entry], error: RefusedError) -> int:
        """Tell a write that is stored already from one that lost a race."""
        if error.code in (_WRONG_SEQUENCE, _BATCH_DUPLICATE):
            keyed = next((e for e in entries if e.expect is not None), entries[-1])
            stored = await self.find(keyed)
            if stored is not None:
                first_seq = stored - entries.index(keyed)
                if await self._holds(entries, first_seq):
                    return first_seq + len(entries) - 1
        if error.code == _WRONG_SEQUENCE:
            keys = tuple(e.subject.key for e in entries if e.expect is not None)
            raise ConflictError(keys, f"(server: {error})") from error
        raise _refused(self.connection.url, self.run, error) from error

    async def _holds(self, entries: Sequence[Entry], first_seq: int) -> bool:
        """Whether these very entries are stored from there on, one after the other."""
        missing = [entry.id for entry in entries]
        async for record in self.read(first_seq=first_seq):
            if record.id != missing.pop(0):
                return False
            if not missing:
                return True
        return False

    async def find(self, entry: Entry) -> int | None:
        """Return the sequence under which this very entry is stored, if it is."""
        first = (entry.expect or 0) + 1
        async for record in self.read(str(entry.subject), first_seq=first):
            if record.id == entry.id:
                return record.seq
        return None

    async def head(self, key: str) -> Record | None:
        """Return the newest message that matches a subject filter, if there is one."""
        if self.connection.cluster:
            return await self._leaders_head(key)
        answer = await self._get(f"DIRECT.GET.{self.name}.{key}")
        return None if answer is None else self._record(answer)

    async def heads(self, patterns: Sequence[str]) -> list[Record]:
        """Return the newest message of every subject that matches a filter, in order."""
        try:
            request = {"multi_last": list(patterns), "batch": _HEADS_MAX}
            records, left = await self._get_batch(request)
        except RefusedError as error:
            if error.code != _TOO_MANY_HEADS:
                raise
            records, left = [], _HEADS_MAX
        newest = {record.subject: record for record in records}
        for pattern in patterns if left else ():
            async for record in self.read(pattern):
                newest[record.subject] = record
        return sorted(newest.values(), key=lambda record: record.seq)

    async def _leaders_head(self, key: str) -> Record | None:
        found = await leaders_copy(self.connection, self.name, key)
        if found is None:
            return None
        return record_of(found.subject, found.data, seq=found.seq, at=_seconds(found.time))

    async def last_seq(self) -> int:
        """Return the sequence of the run's newest message, 0 if it has none."""
        record = await self.head(subjects.everything(self.run))
        return 0 if record is None else record.seq

    async def read(self, pattern: str = "", *, first_seq: int = 1) -> AsyncIterator[Record]:
        """Yield stored messages in order, up to the newest there is now.

        On a cluster a copy that lags behind the leader is read again until it has that one.

        Args:
            pattern: Subject filter; empty for the whole run.
            first_seq: Where to begin.
        """
        subject = pattern or subjects.everything(self.run)
        seq = first_seq
        newest = await self.head(subject) if self.connection.cluster else None
        until = newest.seq if newest is not None else 0
        while True:
            request = {
                "next_by_subj": subject,
                "seq": seq,
                "batch": READ_MESSAGES,
                "max_bytes": READ_BYTES,
            }
            records, pending = await self._get_batch(request)
            for record in records:
                yield record
            if records:
                seq = records[-1].seq + 1
            if not pending and seq > until:
                return

    async def _get(self, api: str) -> Msg | None:
        answer = await self.connection.retry(
            lambda: self.connection.ask(f"$JS.API.{api}"), try_s=_TRY_S
        )
        return None if _status(answer) == "404" else answer

    async def _get_batch(self, request: dict[str, Any]) -> tuple[list[Record], int]:
        """Ask for many messages at once; they come one by one, then an end mark."""
        return await self.connection.retry(lambda: self._collect(request), try_s=_READ_S)

    async def _collect(self, request: dict[str, Any]) -> tuple[list[Record], int]:
        reading = Reading[Record]()
        patience = asyncio.timeout(_QUIET_S)

        async def take(message: Msg) -> None:
            if reading.done.done():
                return
            patience.reschedule(asyncio.get_running_loop().time() + _QUIET_S)
            status = _status(message)
            if status is None:
                before = int((message.headers or {})["Nats-Last-Sequence"])
                record = self._record(message)
                reading.take(record.seq, before, record)
            elif status in ("204", "404"):
                headers = message.headers or {}
                last = int(headers.get("Nats-Last-Sequence", "0"))
                reading.end(last, int(headers.get("Nats-Num-Pending", "0")))
            elif status == "503":
                reading.fail(BusUnavailableError(self.connection.url, "nobody to read from"))
            else:
                why = (message.headers or {}).get("Description", "no reason given")
                reading.fail(RefusedError(int(status), why))

        inbox = self.connection.new_inbox()
        listening = await self.connection.subscribe(inbox, take)
        try:
            async with patience:
                api = f"$JS.API.DIRECT.GET.{self.name}"
                await self.connection.publish(api, msgspec.json.encode(request), reply=inbox)
                return await reading.done
        except TimeoutError as error:
            raise BusUnavailableError(self.connection.url, "no answer to a read") from error
        finally:
            await listening.unsubscribe()

    def _record(self, message: Msg) -> Record:
        headers = message.headers or {}
        return record_of(
            headers["Nats-Subject"],
            message.data,
            seq=int(headers["Nats-Sequence"]),
            at=_seconds(headers["Nats-Time-Stamp"]),
        )


def record_of(subject_text: str, data: bytes, *, seq: int, at: float) -> Record:
    """Make a record of stored bytes; one that can't be read says why."""
    try:
        subject = subjects.parse(subject_text)
    except BusError as error:
        return Record(
            seq=seq, subject=Subject("", "unknown", (subject_text,), ""), at=at, problem=str(error)
        )
    try:
        return Record(seq=seq, subject=subject, at=at, envelope=decode(subject, data))
    except DecodeError as error:
        return Record(seq=seq, subject=subject, at=at, problem=str(error))


def encode_all(entries: Sequence[Entry]) -> list[bytes]:
    """Turn the messages of one write into bytes.

    Raises:
        TooLargeError: A message, or their number, is over the limit.
    """
    assert entries
    if len(entries) > BATCH_MESSAGES_MAX:
        subject = str(entries[0].subject)
        raise BatchTooLargeError(subject, len(entries), BATCH_MESSAGES_MAX)
    at = time.time()
    return [encode(entry.subject, _envelope(entry, at)) for entry in entries]


async def create_run(
    connection: Connection, run: str, *, label: str = "", replicas: int = 1
) -> RunStream:
    """Make the stream of a new run.

    Args:
        connection: To a server with JetStream.
        run: Its id.
        label: What it is about, for lists; cut at 200 characters.
        replicas: Copies on a cluster: 1, 3 or 5.

    Raises:
        RunExistsError: There is a run of that name.
        TooFewNodesError: There is no place for so many copies.
    """
    stream = RunStream(connection, run)
    try:
        await create_stream(connection, run_config(run, label, replicas))
    except RefusedError as error:
        if error.code == _STREAM_EXISTS:
            raise RunExistsError(run) from error
        raise _refused(connection.url, run, error) from error
    if await stream.last_seq():
        raise RunExistsError(run)
    return stream


async def open_run(connection: Connection, run: str) -> RunStream:
    """Open the stream of a run that exists.

    Raises:
        RunNotFoundError: There is none of that name, or not yet all of it.
    """
    stream = RunStream(connection, run)
    try:
        answer = await connection.call(f"STREAM.INFO.{stream.name}")
    except RefusedError as error:
        raise _refused(connection.url, run, error) from error
    if UNREADY in msgspec.json.decode(answer, type=_StreamInfo).config.metadata:
        raise RunNotFoundError(run, connection.url)
    return stream


class RunInfo(msgspec.Struct, frozen=True, kw_only=True):
    """A run as a list shows it.

    Attributes:
        run: Its id.
        label: What it is about.
        created_at: When its first message was stored, as the server wrote it (RFC 3339).
        newest_at: When its newest message was stored, likewise.
        messages: How many are stored.
        size_bytes: What they take.
        replicas: On how many nodes of a cluster they are kept.
    """

    run: str
    label: str
    created_at: str
    newest_at: str
    messages: int
    size_bytes: int
    replicas: int = 1


class _State(msgspec.Struct):
    messages: int = 0
    bytes: int = 0
    first_ts: str = ""
    last_ts: str = ""


class _StreamConfig(msgspec.Struct):
    name: str
    metadata: dict[str, str] = {}
    num_replicas: int = 1


class _StreamInfo(msgspec.Struct):
    config: _StreamConfig
    created: str
    state: _State


class _StreamList(msgspec.Struct):
    total: int = 0
    streams: list[_StreamInfo] | None = None


async def list_runs(connection: Connection) -> list[RunInfo]:
    """Return every run on the server, oldest first."""
    found: list[RunInfo] = []
    offset = 0
    while True:
        answer = await connection.call("STREAM.LIST", {"offset": offset, "subject": "run.>"})
        page = msgspec.json.decode(answer, type=_StreamList)
        streams = page.streams or []
        found += [_run_info(info) for info in streams if _is_run(info.config)]
        offset += len(streams)
        if not streams or offset >= page.total:
            return sorted(found, key=lambda info: info.created_at)


def _is_run(config: _StreamConfig) -> bool:
    return config.name.startswith("RUN_") and UNREADY not in config.metadata


def _run_info(info: _StreamInfo) -> RunInfo:
    # An imported stream is younger than its messages.
    is_empty = info.state.messages == 0
    return RunInfo(
        run=info.config.name.removeprefix("RUN_"),
        label=info.config.metadata.get("label", ""),
        created_at=info.created if is_empty else info.state.first_ts,
        newest_at=info.created if is_empty else info.state.last_ts,
        messages=info.state.messages,
        size_bytes=info.state.bytes,
        replicas=info.config.num_replicas,
    )


def run_config(run: str, label: str, replicas: int, *, unready: str = "") -> dict[str, Any]:
    """How a run's stream is set up.

    Args:
        run: Its id.
        label: What it is about; cut at 200 characters.
        replicas: Copies on a cluster.
        unready: Who is still filling it; it is no run for anybody else until that is gone.
    """
    return {
        "name": subjects.stream_name(run),
        "subjects": [subjects.everything(run)],
        "retention": "limits",
        "storage": "file",
        "discard": "new",
        "discard_new_per_subject": True,
        "max_msgs_per_subject": SUBJECT_MESSAGES_MAX,
        "max_msgs": -1,
        "max_bytes": -1,
        "max_age": 0,
        "max_msg_size": MESSAGE_BYTES_MAX + 4096,
        "max_consumers": 512,
        "num_replicas": replicas,
        "duplicate_window": DUPLICATE_WINDOW_S * _NANOSECONDS,
        "allow_direct": True,
        "allow_atomic": True,
        "deny_delete": True,
        "deny_purge": True,
        "metadata": {"label": label[:200]} | ({UNREADY: unready} if unready else {}),
    }


def _envelope(entry: Entry, at: float) -> Envelope:
    return Envelope(v=WIRE_VERSION, body=entry.body, id=entry.id, at=at, cause=entry.cause)


def _headers(entry: Entry) -> dict[str, str]:
    headers = {"Nats-Msg-Id": entry.id}
    if entry.expect is not None:
        headers["Nats-Expected-Last-Subject-Sequence"] = str(entry.expect)
        headers[EXPECTED_SUBJECT] = entry.subject.key
    return headers


def _try_s(encoded: Sequence[bytes]) -> float:
    """How long a write may take: a frozen leader is given up soon, a slow line is not."""
    return min(TRY_S, _TRY_S + sum(map(len, encoded)) / _SLOW_LINE_BYTES)


def _batch_headers(batch_id: str, number: int) -> dict[str, str]:
    return {"Nats-Batch-Id": batch_id, "Nats-Batch-Sequence": str(number)}


def _refused(url: str, run: str, error: RefusedError) -> BusError:
    if error.code == _STREAM_MISSING:
        return RunNotFoundError(run, url)
    return error


def _status(message: Msg) -> str | None:
    headers = message.headers or {}
    return headers.get("Status") if "Nats-Subject" not in headers else None


def _seconds(stamp: str) -> float:
    head, _, fraction = stamp.rstrip("Z").partition(".")
    whole = datetime.fromisoformat(f"{head}+00:00").timestamp()
    return whole + (float(f"0.{fraction}") if fraction else 0.0)
