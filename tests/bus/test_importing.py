"""What `team export` and `team import` say, and that a refused import leaves nothing."""

from __future__ import annotations

import asyncio
import zipfile
from pathlib import Path

import msgspec
import pytest

from bus import subjects
from bus.access import Access
from bus.connection import Connection
from bus.ids import new_run_id
from bus.messages import Note
from bus.run_stream import Entry, RunStream
from bus.stored import stream_info
from team.cli.main import main
from team.errors import ArchiveError
from team.runtime.archive import MANIFEST, RUN_PART, Manifest, check_archive, open_part
from team.runtime.moving import export_run, import_run


@pytest.fixture
async def filled(stream: RunStream) -> RunStream:
    """A run with a message."""
    body = Note(text="Hello.")
    await stream.append(Entry(subject=subjects.mail(stream.run, "ada", "bea"), body=body))
    return stream


def renamed(path: Path, run: str) -> Path:
    """The same file, but for the name in its manifest."""
    manifest = msgspec.structs.replace(check_archive(path), run=run)
    other = path.with_name("renamed.run")
    with zipfile.ZipFile(other, "w") as archive, open_part(path, RUN_PART) as part:
        archive.writestr(MANIFEST, msgspec.json.encode(manifest))
        archive.writestr(RUN_PART, part.read())
    return other


def url_of(access: Access) -> str:
    return access.url.replace("nats://", f"nats://{access.token}@")


async def test_a_file_that_names_another_run_than_it_holds_leaves_nothing(
    connection: Connection, filled: RunStream, tmp_path: Path
) -> None:
    """Its messages stand on subjects of the other, so nobody would find one of them."""
    run = new_run_id()
    await export_run(connection, filled.run, tmp_path / "one.run")
    path = renamed(tmp_path / "one.run", run)
    manifest: Manifest = check_archive(path)

    with pytest.raises(ArchiveError, match=f"names run '{run}', .* on 'run.{filled.run}.mail"):
        await import_run(connection, path, manifest)

    assert await stream_info(connection, subjects.stream_name(run)) is None
    assert await stream_info(connection, subjects.artifact_stream_name(run)) is None


async def test_a_taken_name_is_refused_with_what_can_be_done(
    access: Access,
    filled: RunStream,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capfd: pytest.CaptureFixture[str],
) -> None:
    """The file is named as it was given; nothing is said to be imported."""
    monkeypatch.setenv("PEERTEAM_HOME", str(tmp_path / "home"))
    path, nats = str(tmp_path / "one.run"), ("--nats", url_of(access))

    assert await asyncio.to_thread(main, ["export", filled.run, path, *nats]) == 0
    exported = capfd.readouterr()
    assert await asyncio.to_thread(main, ["import", path, *nats]) == 2
    refused = capfd.readouterr()

    assert f"team import {path}\n" in exported.out
    assert "is there already; remove that one with 'team prune', or import on" in refused.err
    assert "importing" not in refused.err
    assert "imported" not in refused.err
