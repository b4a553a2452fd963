"""Take a run off one server into a file, and put it from the file onto another.

The server's own snapshot carries the stream, so that sequences, times, ids and headers
are what they were: folds and conditional writes depend on them.
"""

from __future__ import annotations

from datetime import UTC, datetime
from importlib import metadata
from pathlib import Path
from typing import IO, Any, Final

import msgspec

from bus import subjects
from bus.artifacts import create_artifacts
from bus.backup import restore_snapshot, take_snapshot
from bus.connection import Connection
from bus.errors import RestoreError, RunExistsError
from bus.feed import create_feed, feed_position
from bus.filling import filling
from bus.run_stream import RunStream, open_run
from bus.stored import StreamState, get_message, stream_info
from team.errors import ArchiveError, StateError
from team.runtime.archive import (
    ARTIFACTS_PART,
    FORMAT,
    RUN_PART,
    Manifest,
    Part,
    describe_part,
    open_part,
    open_parts,
    write_archive,
)
from team.state import RunState

UNFINISHED: Final = "unfinished"
TRIES_MAX: Final = 5


class Exported(msgspec.Struct, frozen=True, kw_only=True):
    """A file that was written: where, how large, what it holds."""

    file: str
    size_bytes: int
    manifest: Manifest


async def export_run(connection: Connection, run: str, path: Path) -> Exported:
    """Write a run into one file, as it stands at one moment; it may go on meanwhile.

    Raises:
        RunNotFoundError: There is no such run.
        StateError: It has no message yet.
        ArchiveError: The file can't be written; nothing of it is left.
        BusError: The server refused, or went silent.
    """
    await open_run(connection, run)
    try:
        return await _export(connection, run, path)
    except OSError as error:
        fix = "free some room, or name another place"
        raise ArchiveError(str(path), f"it can't be written ({error})", fix) from error


async def _export(connection: Connection, run: str, path: Path) -> Exported:
    with open_parts(path.parent) as files:
        # Artifacts last: whatever the run's messages refer to was stored before them.
        held = await _take_whole(connection, run, files[RUN_PART])
        stream = describe_part(files[RUN_PART], held)
        artifacts = await _take_artifacts(connection, run, files[ARTIFACTS_PART])
        state = await _fold(connection, run, held.last_seq)
        manifest = Manifest(
            format=FORMAT,
            run=run,
            goal=state.opened.goal if state.opened else "",
            status=state.result.status if state.result else UNFINISHED,
            exported_at=datetime.now(UTC).isoformat(timespec="seconds"),
            peerteam=_version(),
            server=connection.server_version,
            stream=stream,
            artifacts=artifacts,
            fetched=await _fetched(connection, run, state),
        )
        size_bytes = write_archive(path, manifest, files)
    return Exported(file=str(path), size_bytes=size_bytes, manifest=manifest)


async def import_run(
    connection: Connection, path: Path, manifest: Manifest, *, replicas: int = 1
) -> None:
    """Put a run from a file that was checked onto the server.

    Args:
        connection: To the server.
        path: The file.
        manifest: What `check_archive` found in it.
        replicas: Copies on a cluster: 1, 3 or 5.

    Raises:
        ArchiveError: There is a run of that name, or the file holds another than it says.
        TooFewNodesError: There is no place for so many copies.
        RestoreError: The server can't make streams of it.
        RefusedError: The server has no room for it.

    Cancelling, or an error: what was put there is removed.
    """
    try:
        await _fill(connection, path, manifest, replicas)
    except RunExistsError as error:
        fix = "remove that one with 'team prune', or import on another server with --nats"
        raise ArchiveError(str(path), f"run {manifest.run!r} is there already", fix) from error


async def _fill(connection: Connection, path: Path, manifest: Manifest, replicas: int) -> None:
    run = manifest.run
    async with filling(connection, run, manifest.goal, replicas) as names:
        if manifest.artifacts is not None:
            await _restore(connection, names.artifacts, path, ARTIFACTS_PART)
        else:
            await create_artifacts(connection, run, replicas=replicas)
        await _restore(connection, names.run, path, RUN_PART)
        await _check(connection, names.run, manifest.stream)
        await _check_name(connection, path, manifest)
        if manifest.artifacts is not None:
            await _check(connection, names.artifacts, manifest.artifacts)
        state = await _fold(connection, run, manifest.stream.state.last_seq)
        await lay_out_feeds(connection, run, state, manifest.fetched)


async def lay_out_feeds(
    connection: Connection, run: str, state: RunState, fetched: dict[str, int]
) -> None:
    """Make the consumers of all members that have a seat.

    What was handed to a member and is in no journal it reads again from the stream when
    it takes its seat, so that its consumer goes on after what was handed to it.
    """
    for seat in state.roster.seats.values():
        first_seq = min(fetched.get(seat.name, 0), state.last_seq) + 1
        await create_feed(connection, run, seat.name, seat.filters, first_seq=first_seq)


async def _take_whole(connection: Connection, run: str, file: IO[bytes]) -> StreamState:
    """Take the run's stream at a moment when no batch is stored half."""
    name = subjects.stream_name(run)
    for _ in range(TRIES_MAX):
        file.truncate(0)
        file.seek(0)
        held = await take_snapshot(connection, name, file)
        if held.last_seq == 0:
            raise StateError(run, "it has no message yet", "export it once it was opened")
        if not (await get_message(connection, name, held.last_seq)).is_within_batch:
            return held
    raise StateError(run, "it is written to without a pause", "stop it, then export it")


async def _take_artifacts(connection: Connection, run: str, file: IO[bytes]) -> Part | None:
    name = subjects.artifact_stream_name(run)
    if await stream_info(connection, name) is None:
        return None
    return describe_part(file, await take_snapshot(connection, name, file))


async def _fetched(connection: Connection, run: str, state: RunState) -> dict[str, int]:
    positions = {name: await feed_position(connection, run, name) for name in state.roster.seats}
    return {
        name: min(position.fetched_seq, state.last_seq)
        for name, position in positions.items()
        if position is not None
    }


async def _restore(connection: Connection, config: dict[str, Any], path: Path, part: str) -> None:
    with open_part(path, part) as file:
        await restore_snapshot(connection, config, file)


async def _check(connection: Connection, config: dict[str, Any], part: Part) -> None:
    """See that what is there now is what the file says, and that nothing reads it yet."""
    info = await stream_info(connection, config["name"])
    wanted = msgspec.structs.replace(part.state, bytes=0, consumer_count=0)
    found = msgspec.structs.replace(info.state, bytes=0) if info is not None else None
    if found != wanted:
        raise RestoreError(config["name"], f"it holds {found}, the file says {wanted}")


async def _check_name(connection: Connection, path: Path, manifest: Manifest) -> None:
    """See that the messages are of the run that the file names: under another none is found."""
    name, state = subjects.stream_name(manifest.run), manifest.stream.state
    first = await get_message(connection, name, state.first_seq)
    if not subjects.is_of(first.subject, manifest.run):
        reason = f"it names run {manifest.run!r}, and its first message is on {first.subject!r}"
        raise ArchiveError(str(path), reason, "export it again, and leave the file as it is")


async def _fold(connection: Connection, run: str, last_seq: int) -> RunState:
    state = RunState()
    async for record in RunStream(connection, run).read():
        if record.seq <= last_seq:
            state.apply(record)
    return state


def _version() -> str:
    try:
        return metadata.version("peerteam")
    except metadata.PackageNotFoundError:
        return "unknown"
