"""Begin a new run from a point of an old one, which stays what it is."""

from __future__ import annotations

import msgspec

from bus import subjects
from bus.connection import Connection
from bus.copying import copy_artifacts, copy_run
from bus.filling import filling
from bus.messages import ResultPublished, RunForked, RunOpened
from bus.run_stream import Entry, Record, RunStream, open_run
from bus.stored import batch_end, stream_info
from bus.streams import create_stream
from team.errors import StateError
from team.runtime.moving import lay_out_feeds
from team.state import RunState


class Forked(msgspec.Struct, frozen=True, kw_only=True):
    """A new run, and what it is a fork of.

    Attributes:
        run: Its id.
        origin: The run that was copied.
        at_seq: Up to which sequence: what was asked for, or the end of the batch it is in.
    """

    run: str
    origin: str
    at_seq: int


async def fork_run(
    connection: Connection, origin: str, at_seq: int, run: str, *, replicas: int | None = None
) -> Forked:
    """Copy a run up to a sequence under a new name; the copy can be resumed.

    Args:
        connection: To the server that has the run.
        origin: The run; it may go on meanwhile.
        at_seq: The last message to copy; what was stored with it comes along.
        run: The new run's id.
        replicas: Copies on a cluster; absent: as many as the origin has.

    Raises:
        StateError: The run can't be forked there.
        RunNotFoundError: There is no such run.
        RunExistsError: The new name is taken.
        BusError: The copy could not be made; nothing of it is left.
    """
    stream = await open_run(connection, origin)
    last_seq = await stream.last_seq()
    if not 1 <= at_seq <= last_seq:
        fix = f"name one from 1 to {last_seq}; 'team log {origin}' shows them"
        raise StateError(origin, f"it has no message {at_seq}", fix)
    end_seq = await batch_end(connection, stream.name, at_seq)
    records = [record async for record in stream.read()]
    state = _state_at(origin, records, end_seq)
    if replicas is None:
        info = await stream_info(connection, stream.name)
        replicas = info.config.num_replicas if info is not None else 1
    label = state.opened.goal if state.opened is not None else ""
    async with filling(connection, run, label, replicas) as names:
        await create_stream(connection, names.run)
        await create_stream(connection, names.artifacts)
        await copy_artifacts(connection, origin, run)
        await copy_run(connection, origin, run, end_seq)
        fork = RunStream(connection, run)
        forked = RunForked(origin=origin, at_seq=end_seq)
        head_seq = state.spec_head_seq
        await fork.append(Entry(subject=subjects.spec(run), body=forked, expect=head_seq))
        await lay_out_feeds(connection, run, await _read(fork), {})
    return Forked(run=run, origin=origin, at_seq=end_seq)


def _state_at(origin: str, records: list[Record], end_seq: int) -> RunState:
    """The run as it stood then.

    Raises:
        StateError: Nothing can go on from there.
    """
    state = RunState()
    for record in records:
        if record.seq <= end_seq:
            state.apply(record)
    if state.opened is None:
        first = next((r.seq for r in records if isinstance(r.body, RunOpened)), None)
        fix = "it was never opened" if first is None else f"fork it at {first} or later"
        raise StateError(origin, f"at {end_seq} it was not opened yet", fix)
    if state.opened.replay:
        reason = "it is a replay, which no model may go on with"
        raise StateError(origin, reason, "fork the run that was recorded")
    if state.spec is None:
        raise StateError(origin, state.unread[0], "use the version that opened it")
    if state.result is not None:
        ended = next(r.seq for r in records if isinstance(r.body, ResultPublished))
        raise StateError(
            origin, f"at {end_seq} it had ended ({state.result.status})", f"fork it before {ended}"
        )
    if state.cancel_reason is not None:
        raise StateError(
            origin,
            f"at {end_seq} it had been cancelled ({state.cancel_reason})",
            f"fork it before that; 'team log {origin} --kind control' shows where",
        )
    return state


async def _read(stream: RunStream) -> RunState:
    state = RunState()
    async for record in stream.read():
        state.apply(record)
    return state
