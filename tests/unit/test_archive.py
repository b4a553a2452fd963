"""A run's file: what it holds is what was written, or it is refused; never something else."""

from __future__ import annotations

import io
import zipfile
from pathlib import Path

import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from bus.stored import StreamState
from team.errors import ArchiveError
from team.runtime.archive import (
    ARTIFACTS_PART,
    FORMAT,
    MANIFEST,
    RUN_PART,
    Manifest,
    check_archive,
    describe_part,
    open_part,
    write_archive,
)

PARTS = {RUN_PART: b"a stream of messages" * 40, ARTIFACTS_PART: b"a library" * 50}


def an_archive(path: Path, **changed: object) -> Manifest:
    files = {name: io.BytesIO(data) for name, data in PARTS.items()}
    parts = {n: describe_part(f, StreamState(messages=3, last_seq=3)) for n, f in files.items()}
    given = {
        "format": FORMAT,
        "run": "nightly-42",
        "goal": "What is it?",
        "status": "admitted",
        "exported_at": "2026-01-01T00:00:00+00:00",
        "peerteam": "1.0",
        "server": "2.15.1",
        "stream": parts[RUN_PART],
        "artifacts": parts[ARTIFACTS_PART],
        "fetched": {"lead": 3},
    }
    manifest = msgspec.convert(msgspec.to_builtins(given | changed), Manifest)
    write_archive(path, manifest, dict(files))
    return manifest


def contents(path: Path) -> dict[str, bytes]:
    found: dict[str, bytes] = {}
    for name in PARTS:
        with open_part(path, name) as file:
            found[name] = file.read()
    return found


def test_what_is_written_is_read_again(tmp_path: Path) -> None:
    path = tmp_path / "run.run"
    manifest = an_archive(path)

    assert check_archive(path) == manifest
    assert contents(path) == PARTS
    assert [one.name for one in tmp_path.iterdir()] == ["run.run"]


@settings(max_examples=150)
@given(data=st.data())
def test_a_file_that_was_cut_or_altered_is_refused_or_says_the_same(
    tmp_path_factory: pytest.TempPathFactory, data: st.DataObject
) -> None:
    """One byte anywhere; or it ends too early. What can change without notice is no content."""
    path = tmp_path_factory.getbasetemp() / "altered.run"
    manifest = an_archive(path)
    whole = path.read_bytes()
    at = data.draw(st.integers(0, len(whole) - 1))
    value = data.draw(st.one_of(st.none(), st.integers(0, 255)))
    path.write_bytes(whole[:at] if value is None else whole[:at] + bytes([value]) + whole[at + 1 :])

    try:
        found, parts = check_archive(path), contents(path)
    except ArchiveError:
        return

    assert found == manifest
    assert parts == PARTS


def test_a_part_that_is_not_what_the_manifest_says_is_refused(tmp_path: Path) -> None:
    """The zip is sound; its hash is another."""
    path = tmp_path / "run.run"
    manifest = an_archive(path)
    with zipfile.ZipFile(path, "w") as archive:
        archive.writestr(MANIFEST, msgspec.json.encode(manifest))
        archive.writestr(RUN_PART, b"another stream")
        archive.writestr(ARTIFACTS_PART, PARTS[ARTIFACTS_PART])

    with pytest.raises(ArchiveError, match=r"run\.snapshot is not what was exported"):
        check_archive(path)


@pytest.mark.parametrize(
    ("manifest", "said"),
    [
        ({"format": FORMAT + 1, "new": True}, "its format is 2, this version reads up to 1"),
        ({"format": 1}, "can't be read: Object missing required field"),
        ({"format": "one"}, "can't be read"),
        ([], "can't be read"),
    ],
)
def test_a_manifest_of_another_kind_is_refused(tmp_path: Path, manifest: object, said: str) -> None:
    path = tmp_path / "run.run"
    with zipfile.ZipFile(path, "w") as archive:
        archive.writestr(MANIFEST, msgspec.json.encode(manifest))

    with pytest.raises(ArchiveError, match=said):
        check_archive(path)


@pytest.mark.parametrize("run", ["../../etc", "a.b", "", "x" * 65, "*", "RUN >"])
def test_a_run_whose_name_can_stand_nowhere_is_refused(tmp_path: Path, run: str) -> None:
    """The name becomes a stream's, a subject's and a folder's."""
    path = tmp_path / "run.run"
    an_archive(path, run=run)

    with pytest.raises(ArchiveError, match="can't be used on the bus"):
        check_archive(path)


def test_what_is_no_such_file_is_refused(tmp_path: Path) -> None:
    text = tmp_path / "notes.txt"
    text.write_text("no zip")
    other = tmp_path / "other.zip"
    with zipfile.ZipFile(other, "w") as archive:
        archive.writestr("readme.txt", "something else")

    for path, said in [
        (tmp_path / "none", "there is no such file"),
        (tmp_path, "it can't be read"),
        (text, "it is cut or altered, or no run that was exported"),
        (other, "it is cut or altered, or no run that was exported"),
    ]:
        with pytest.raises(ArchiveError, match=said):
            check_archive(path)
