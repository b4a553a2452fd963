"""Where a run can be forked, what a file may bring, and what a server says no to."""

from __future__ import annotations

import asyncio
import hashlib
import io
import json
from collections.abc import AsyncIterator
from pathlib import Path
from secrets import token_hex
from string import Template

import msgspec
import pytest
from nats.aio.msg import Msg

from bus import subjects
from bus.access import Access
from bus.artifacts import create_artifacts, put_artifact
from bus.backup import restore_snapshot, take_snapshot
from bus.connection import Connection, connect
from bus.errors import AccessDeniedError, RestoreError, StorageFullError
from bus.feed import Feed, create_feed, feed_position
from bus.filling import filling
from bus.messages import CancelRun, MemberSeated, Note, ResultPublished, RunOpened
from bus.run_stream import Entry, RunStream, create_run, open_run, run_config
from bus.server import find_binary
from bus.stored import stream_info
from bus.streams import create_stream, delete_stream
from team.errors import ArchiveError, StateError
from team.runtime.archive import ARTIFACTS_PART, RUN_PART, check_archive, write_archive
from team.runtime.forking import fork_run
from team.runtime.moving import export_run, import_run
from team.state import RunState
from tests.support.builders import a_resolved_spec


async def opened(
    connection: Connection, *, notes_before: int = 0, replay: bool = False
) -> RunStream:
    """A run with its library, its lead's seat, and a letter after it."""
    run = f"f{token_hex(6)}"
    stream = await create_run(connection, run, label="Compare pools.")
    await create_artifacts(connection, run)
    ref = await put_artifact(connection, run, b"a library")
    for _ in range(notes_before):
        await stream.append(a_note(run))
    filters = (f"run.{run}.mail.lead.*", f"run.{run}.spec.*")
    raw = msgspec.Raw(msgspec.json.encode(a_resolved_spec()))
    await create_feed(connection, run, "lead", filters)
    await stream.commit(
        [
            Entry(
                subject=subjects.spec(run),
                body=RunOpened(goal="Compare pools.", spec=raw, sources=ref, replay=replay),
                expect=0,
            ),
            Entry(
                subject=subjects.member(run, "lead", "lead"),
                body=MemberSeated(role="lead", filters=filters),
            ),
        ]
    )
    await stream.append(a_note(run))
    return stream


def a_note(run: str) -> Entry:
    return Entry(subject=subjects.mail(run, "lead", "ada"), body=Note(text="Look here."))


async def ends(stream: RunStream) -> int:
    body = ResultPublished(status="partial")
    return await stream.append(Entry(subject=subjects.result(stream.run), body=body, expect=0))


async def test_a_fork_says_so_and_its_members_can_be_seated(connection: Connection) -> None:
    """`run.forked` is its next message; the lead's consumer is there, with its own subjects."""
    stream = await opened(connection)
    run = f"f{token_hex(6)}"

    forked = await fork_run(connection, stream.run, 1, run)

    assert forked.at_seq == 2
    state = RunState()
    async for record in (await open_run(connection, run)).read():
        state.apply(record)
    assert state.forked is not None
    assert (state.forked.origin, state.forked.at_seq) == (stream.run, 2)
    assert state.spec_head_seq == state.last_seq == 3
    assert state.roster.seats["lead"].filters == (f"run.{run}.mail.lead.*", f"run.{run}.spec.*")
    position = await feed_position(connection, run, "lead")
    assert position is not None
    assert position.waiting == 2


@pytest.mark.parametrize(
    ("seq", "said"),
    [
        (1, "at 1 it was not opened yet; fork it at 3 or later"),
        (6, r"at 6 it had ended \(partial\); fork it before 6"),
        (7, r"at 7 it had ended \(partial\); fork it before 6"),
        (8, "it has no message 8; name one from 1 to 7"),
        (-1, "it has no message -1"),
    ],
)
async def test_a_run_is_not_forked_where_nothing_can_go_on(
    connection: Connection, seq: int, said: str
) -> None:
    """Before it was opened, after its result, beyond its end: refused, and nothing is made."""
    stream = await opened(connection, notes_before=2)
    assert await ends(stream) == 6
    await stream.append(a_note(stream.run))
    run = f"f{token_hex(6)}"

    with pytest.raises(StateError, match=said):
        await fork_run(connection, stream.run, seq, run)

    assert await stream_info(connection, subjects.stream_name(run)) is None


async def test_a_replay_is_not_forked(connection: Connection) -> None:
    """A model would go on with what only recorded replies may."""
    stream = await opened(connection, replay=True)

    with pytest.raises(StateError, match=r"it is a replay, .* fork the run that was recorded"):
        await fork_run(connection, stream.run, 2, f"f{token_hex(6)}")


async def test_a_run_is_not_forked_after_it_was_cancelled(connection: Connection) -> None:
    """The fork would end at once."""
    stream = await opened(connection)
    subject = subjects.control(stream.run, "lead", "person")
    seq = await stream.append(Entry(subject=subject, body=CancelRun(reason="wrong goal")))

    with pytest.raises(StateError, match=r"had been cancelled \(wrong goal\)"):
        await fork_run(connection, stream.run, seq, f"f{token_hex(6)}")


async def test_a_file_whose_stream_brings_consumers_is_refused(
    connection: Connection, tmp_path: Path
) -> None:
    """A consumer of somebody's making could send messages anywhere; ours are made anew."""
    stream = await opened(connection)
    snapshot = io.BytesIO()
    await take_snapshot_with_consumers(connection, stream.name, snapshot)
    path = tmp_path / "run.run"
    exported = await export_run(connection, stream.run, path)
    part = msgspec.structs.replace(exported.manifest.stream, sha256=sha256(snapshot.getvalue()))
    part = msgspec.structs.replace(part, size_bytes=len(snapshot.getvalue()))
    forged = msgspec.structs.replace(exported.manifest, stream=part)
    write_archive(path, forged, {RUN_PART: snapshot, ARTIFACTS_PART: io.BytesIO()})
    await delete_stream(connection, stream.name)

    with pytest.raises(ArchiveError, match="artifacts"):
        check_archive(path)
    whole = msgspec.structs.replace(forged, artifacts=None)
    write_archive(path, whole, {RUN_PART: snapshot})
    with pytest.raises(RestoreError, match="consumer_count=1"):
        await import_run(connection, path, check_archive(path))

    assert await stream_info(connection, stream.name) is None


async def take_snapshot_with_consumers(connection: Connection, name: str, sink: io.BytesIO) -> None:
    """What this project never asks for."""
    ended: asyncio.Future[None] = asyncio.get_running_loop().create_future()

    async def take(message: Msg) -> None:
        sink.write(message.data)
        if not message.data:
            ended.set_result(None)

    inbox = connection.new_inbox()
    await connection.subscribe(inbox, take)
    await connection.call(f"STREAM.SNAPSHOT.{name}", {"deliver_subject": inbox})
    async with asyncio.timeout(5):
        await ended


def sha256(data: bytes) -> str:
    return hashlib.sha256(data).hexdigest()


async def test_an_export_says_how_far_members_were_and_an_import_keeps_it(
    connection: Connection, tmp_path: Path
) -> None:
    """A receipt of mail says the same before and after."""
    stream = await opened(connection)
    await stream.append(a_note(stream.run))
    async with Feed(connection, stream.run, "lead") as feed:
        for _ in range(2):
            assert await feed.next(5) is not None
    before = await feed_position(connection, stream.run, "lead")
    exported = await export_run(connection, stream.run, tmp_path / "run.run")
    await delete_stream(connection, stream.name)
    await delete_stream(connection, subjects.artifact_stream_name(stream.run))

    await import_run(connection, tmp_path / "run.run", check_archive(tmp_path / "run.run"))

    after = await feed_position(connection, stream.run, "lead")
    assert before is not None
    assert after is not None
    assert after.fetched_seq == before.fetched_seq == exported.manifest.fetched["lead"]


CONFINED = Template("""
listen: "127.0.0.1:-1"
ports_file_dir: "$folder"
jetstream { store_dir: "$folder/js", max_file_store: 200KB }
accounts { A {
  jetstream: enabled
  users [
    { user: whole, password: whole }
    { user: part, password: part, permissions { publish { deny: [
      "$$JS.API.STREAM.SNAPSHOT.>", "$$JS.API.STREAM.RESTORE.>" ] } } }
  ]
} }
""")


@pytest.fixture
async def confined(tmp_path: Path) -> AsyncIterator[str]:
    """A server with little room, and a user who may not take or restore streams."""
    config = tmp_path / "nats.conf"
    config.write_text(CONFINED.substitute(folder=tmp_path))
    with (tmp_path / "log").open("wb") as log:
        process = await asyncio.create_subprocess_exec(
            find_binary(), "-c", config, stdout=log, stderr=log
        )
    try:
        async with asyncio.timeout(10):
            while not (found := list(tmp_path.glob("*.ports"))):  # noqa: ASYNC110 - another process
                await asyncio.sleep(0.02)
        yield str(json.loads(found[0].read_text())["nats"][0])
    finally:
        process.kill()
        await process.wait()


async def test_a_server_without_room_says_so_and_keeps_nothing(
    connection: Connection, confined: str
) -> None:
    """The import is refused as a whole."""
    stream = await create_run(connection, f"f{token_hex(6)}")
    subject = subjects.mail(stream.run, "lead", "ada")
    for _ in range(4):
        await stream.append(Entry(subject=subject, body=Note(text="x" * 100_000)))
    snapshot = io.BytesIO()
    await take_snapshot(connection, stream.name, snapshot)
    snapshot.seek(0)

    access = Access(url=confined, user="whole", password="whole")
    async with connect(access, name="there") as there:
        with pytest.raises(StorageFullError, match="no room left"):
            async with filling(there, stream.run, "", 1) as names:
                await restore_snapshot(there, names.run, snapshot)

        assert await stream_info(there, stream.name) is None


@pytest.mark.slow
async def test_who_may_not_take_or_restore_streams_is_told(confined: str) -> None:
    """Neither can be done without the right to it; no other way keeps times and sequences."""
    access = Access(url=confined, user="part", password="part")
    async with connect(access, name="there") as there:
        await create_stream(there, run_config("r1", "", 1))
        with pytest.raises(
            AccessDeniedError, match=r"SNAPSHOT\.RUN_r1: these credentials may lack"
        ):
            await take_snapshot(there, "RUN_r1", io.BytesIO())
        with pytest.raises(AccessDeniedError, match=r"RESTORE\.RUN_r2: these credentials may"):
            await restore_snapshot(there, run_config("r2", "", 1), io.BytesIO())
