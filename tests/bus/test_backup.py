"""A stream as bytes and back: not one bit of a message, a time or a sequence is another."""

from __future__ import annotations

import asyncio
import io
from collections.abc import Iterator
from pathlib import Path
from secrets import token_hex

import msgspec
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from bus import subjects
from bus.access import Access
from bus.artifacts import create_artifacts, get_artifact, put_artifact
from bus.backup import CHUNK_BYTES, restore_snapshot, take_snapshot
from bus.connection import Connection, connect
from bus.copying import copy_artifacts, copy_run
from bus.errors import (
    GapError,
    RestoreError,
    RunExistsError,
    RunNotFoundError,
    TooFewNodesError,
)
from bus.filling import filling
from bus.messages import MemberSeated, Note
from bus.run_stream import Entry, RunStream, create_run, list_runs, open_run, run_config
from bus.server import start_server, stop_server
from bus.stored import (
    StoredMessage,
    batch_end,
    get_message,
    stream_info,
)
from bus.streams import create_stream, delete_stream


@pytest.fixture(scope="module")
def elsewhere(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Access]:
    """Another server."""
    folder: Path = tmp_path_factory.mktemp("elsewhere")
    server = start_server(folder)
    try:
        yield Access(url=server.url, token=server.token)
    finally:
        stop_server(folder)


def note(run: str, text: str, *, expect: int | None = None) -> Entry:
    subject = subjects.mail(run, "ada", "bea")
    return Entry(subject=subject, body=Note(text=text), expect=expect)


async def stored(connection: Connection, run: str) -> list[StoredMessage]:
    name = subjects.stream_name(run)
    info = await stream_info(connection, name)
    assert info is not None
    return [await get_message(connection, name, n + 1) for n in range(info.state.last_seq)]


async def written(connection: Connection, batches: list[list[str]], junk: bytes) -> RunStream:
    """A run with these batches, and a message that nobody can read."""
    stream = await create_run(connection, f"b{token_hex(6)}", label="a test")
    for texts in batches:
        await stream.commit([note(stream.run, text) for text in texts])
    await connection.ask(f"run.{stream.run}.mail.ada.cleo", junk)
    return stream


@settings(max_examples=12, deadline=None, suppress_health_check=list(HealthCheck))
@given(
    batches=st.lists(st.lists(st.text(max_size=400), min_size=1, max_size=5), max_size=6),
    junk=st.binary(max_size=300),
)
def test_every_message_is_the_same_on_another_server(
    access: Access, elsewhere: Access, batches: list[list[str]], junk: bytes
) -> None:
    """Subject, sequence, time to the nanosecond, headers, bytes; and so is the fold of it."""

    async def go() -> None:
        async with connect(access, name="here") as here, connect(elsewhere, name="there") as there:
            stream = await written(here, batches, junk)
            snapshot = io.BytesIO()
            state = await take_snapshot(here, stream.name, snapshot)
            snapshot.seek(0)
            await restore_snapshot(there, run_config(stream.run, "moved", 1), snapshot)

            assert await stored(there, stream.run) == await stored(here, stream.run)
            assert state.last_seq == sum(map(len, batches)) + 1
            moved = RunStream(there, stream.run)
            before = [record async for record in stream.read()]
            assert [record async for record in moved.read()] == before
            last = await moved.commit([note(stream.run, "x"), note(stream.run, "y")])
            assert last == state.last_seq + 2

    asyncio.run(go())


async def test_the_settings_are_ours_whatever_the_bytes_say(
    connection: Connection, elsewhere: Access
) -> None:
    """A stream that may be purged comes back as one that may not."""
    run = f"b{token_hex(6)}"
    lax = run_config(run, "", 1) | {"deny_purge": False, "max_msgs_per_subject": 3}
    await create_stream(connection, lax)
    await RunStream(connection, run).append(note(run, "one"))
    snapshot = io.BytesIO()
    await take_snapshot(connection, lax["name"], snapshot)
    snapshot.seek(0)

    async with connect(elsewhere, name="there") as there:
        await restore_snapshot(there, run_config(run, "", 1), snapshot)
        answer = await there.call(f"STREAM.INFO.{lax['name']}")

    config = msgspec.json.decode(answer)["config"]
    assert config["deny_purge"] is True
    assert config["max_msgs_per_subject"] == 20_000


async def test_a_stream_that_is_written_to_meanwhile_is_taken_at_one_moment(
    connection: Connection, elsewhere: Access
) -> None:
    """What comes later is not in it, and nothing before is missing."""
    stream = await create_run(connection, f"b{token_hex(6)}")
    await stream.append(note(stream.run, "0"))
    snapshot = io.BytesIO()

    async def write() -> None:
        for number in range(1, 200):
            await stream.append(note(stream.run, str(number)))

    writing = asyncio.create_task(write())
    state = await take_snapshot(connection, stream.name, snapshot)
    await writing
    snapshot.seek(0)

    async with connect(elsewhere, name="there") as there:
        await restore_snapshot(there, run_config(stream.run, "", 1), snapshot)
        moved = await stored(there, stream.run)
    assert moved == (await stored(connection, stream.run))[: state.last_seq]


@pytest.mark.parametrize("cut", ["half", "nothing", "junk"])
async def test_bytes_that_are_no_stream_are_refused_and_leave_nothing(
    connection: Connection, stream: RunStream, cut: str
) -> None:
    """The server may have made a part of it; the name is free again at the end."""
    await stream.commit([note(stream.run, f"{n}" * 500) for n in range(50)])
    snapshot = io.BytesIO()
    await take_snapshot(connection, stream.name, snapshot)
    data = {"half": snapshot.getvalue()[:-40], "nothing": b"", "junk": b"x" * 5000}[cut]
    run = f"b{token_hex(6)}"

    with pytest.raises(RestoreError, match=f"RUN_{run}|RESTORE"):
        async with filling(connection, run, "", 1) as names:
            await restore_snapshot(connection, names.run, io.BytesIO(data))

    assert await stream_info(connection, names.run["name"]) is None


async def test_more_copies_than_the_server_can_keep_are_refused_by_that_name(
    connection: Connection, stream: RunStream
) -> None:
    """The bytes are sound: the fix is another number, not another file."""
    await stream.append(note(stream.run, "one"))
    snapshot = io.BytesIO()
    await take_snapshot(connection, stream.name, snapshot)
    snapshot.seek(0)

    with pytest.raises(TooFewNodesError, match="can't keep 3 copies"):
        async with filling(connection, f"b{token_hex(6)}", "", 3) as names:
            await restore_snapshot(connection, names.run, snapshot)

    assert await stream_info(connection, names.run["name"]) is None


async def test_what_is_being_filled_is_no_run_for_anybody(connection: Connection) -> None:
    """It is neither listed nor opened; at the end it is both."""
    run = f"b{token_hex(6)}"
    async with filling(connection, run, "a goal", 1) as names:
        await create_stream(connection, names.run)
        await RunStream(connection, run).append(note(run, "one"))
        with pytest.raises(RunNotFoundError):
            await open_run(connection, run)
        assert run not in {info.run for info in await list_runs(connection)}

    assert [info.label for info in await list_runs(connection) if info.run == run] == ["a goal"]
    await open_run(connection, run)
    with pytest.raises(RunExistsError):
        async with filling(connection, run, "", 1):
            pytest.fail("the name was given twice")


async def test_whoever_is_cancelled_while_filling_leaves_nothing(connection: Connection) -> None:
    """Ctrl-C in the middle of an import."""
    run = f"b{token_hex(6)}"
    begun = asyncio.Event()

    async def fill() -> None:
        async with filling(connection, run, "", 1) as names:
            await create_stream(connection, names.artifacts)
            await create_stream(connection, names.run)
            begun.set()
            await asyncio.Event().wait()

    task = asyncio.create_task(fill())
    await begun.wait()
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task

    assert await stream_info(connection, subjects.stream_name(run)) is None
    assert await stream_info(connection, subjects.artifact_stream_name(run)) is None


class _EndsInTheMiddle(io.BytesIO):
    """Bytes whose reader is interrupted after the first chunk."""

    def read(self, size: int | None = -1) -> bytes:
        if self.tell():
            task = asyncio.current_task()
            assert task is not None
            task.cancel()
        return super().read(size)


async def test_an_import_that_is_interrupted_leaves_nothing(
    connection: Connection, stream: RunStream
) -> None:
    """The server is told that no more comes, and what it has made of the rest is removed."""
    for _ in range(3):
        await stream.append(note(stream.run, token_hex(100_000)))
    snapshot = io.BytesIO()
    await take_snapshot(connection, stream.name, snapshot)
    assert len(snapshot.getvalue()) > CHUNK_BYTES
    run = f"b{token_hex(6)}"

    async def restore() -> None:
        async with filling(connection, run, "", 1) as names:
            await restore_snapshot(connection, names.run, _EndsInTheMiddle(snapshot.getvalue()))

    with pytest.raises(asyncio.CancelledError):
        await asyncio.create_task(restore())

    assert await stream_info(connection, subjects.stream_name(run)) is None


async def test_what_a_killed_command_has_left_is_cleared_by_the_next(
    connection: Connection,
) -> None:
    """Half a run and artifacts without one do not stand in the way."""
    run = f"b{token_hex(6)}"
    await create_artifacts(connection, run)
    await put_artifact(connection, run, b"left")
    await create_stream(connection, run_config(run, "", 1, unready="somebody killed"))

    async with filling(connection, run, "", 1) as names:
        await create_stream(connection, names.artifacts)
        await create_stream(connection, names.run)

    info = await stream_info(connection, subjects.artifact_stream_name(run))
    assert info is not None
    assert info.state.messages == 0


async def test_a_copy_has_the_same_sequences_ids_and_batches(
    connection: Connection, stream: RunStream
) -> None:
    """Only subjects, times and the seats' filters are other than they were."""
    run = f"b{token_hex(6)}"
    seat = MemberSeated(role="lead", filters=(f"run.{stream.run}.mail.*.*", "run.other.task.*.*"))
    subject = subjects.member(stream.run, "lead", "lead")
    await stream.append(Entry(subject=subject, body=seat, expect=0))
    await stream.commit([note(stream.run, f"{n}", expect=0 if n == 0 else None) for n in range(3)])
    await connection.ask(f"run.{stream.run}.mail.ada.cleo", b"\xff not JSON")
    await stream.commit([note(stream.run, "later"), note(stream.run, "last")])
    await create_run(connection, run)

    assert await batch_end(connection, stream.name, 1) == 1
    assert await batch_end(connection, stream.name, 2) == 4
    assert await copy_run(connection, stream.run, run, 6) == 7

    old, new = await stored(connection, stream.run), await stored(connection, run)
    assert [m.subject.replace(stream.run, run) for m in old] == [m.subject for m in new]
    assert [m.hdrs.replace(stream.run.encode(), run.encode()) for m in old] == [m.hdrs for m in new]
    assert [m.data for m in old[1:]] == [m.data for m in new[1:]]
    copied = await RunStream(connection, run).head(f"run.{run}.member.lead.lead")
    assert copied is not None
    assert copied.body == MemberSeated(
        role="lead", filters=(f"run.{run}.mail.*.*", "run.other.task.*.*")
    )


async def test_a_copy_has_the_artifacts(connection: Connection, stream: RunStream) -> None:
    """All chunks, and what they hash to."""
    run, data = f"b{token_hex(6)}", b"x" * 600_000
    await create_artifacts(connection, stream.run)
    ref = await put_artifact(connection, stream.run, data)
    await create_artifacts(connection, run)

    await copy_artifacts(connection, stream.run, run)

    assert await get_artifact(connection, run, ref) == data


async def test_a_stream_with_a_gap_is_not_copied(connection: Connection) -> None:
    """Sequences could not stay what they were."""
    run, copy = f"b{token_hex(6)}", f"b{token_hex(6)}"
    await create_stream(connection, run_config(run, "", 1) | {"deny_delete": False})
    stream = RunStream(connection, run)
    for text in "abc":
        await stream.append(note(run, text))
    await connection.call(f"STREAM.MSG.DELETE.{stream.name}", {"seq": 2})
    await create_run(connection, copy)

    with pytest.raises(GapError, match="no message 2"):
        await copy_run(connection, run, copy, 3)


async def test_a_stream_can_be_removed_although_its_messages_can_not(
    connection: Connection, stream: RunStream
) -> None:
    """`deny_delete` and `deny_purge` hold for messages; `team prune` removes whole runs."""
    await stream.append(note(stream.run, "one"))

    assert await delete_stream(connection, stream.name)
    assert not await delete_stream(connection, stream.name)
