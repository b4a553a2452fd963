"""A run as one file: a zip of what the server gave, and a manifest that says what it is.

Not for getting it from a server or onto one: that is `team.runtime.moving`.
"""

from __future__ import annotations

import hashlib
import struct
import tempfile
import zipfile
import zlib
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import IO, Final

import msgspec

from bus.errors import InvalidNameError
from bus.ids import check_token
from bus.stored import StreamState
from team.errors import ArchiveError

FORMAT: Final = 1
RUN_PART: Final = "run.snapshot"
ARTIFACTS_PART: Final = "artifacts.snapshot"
MANIFEST: Final = "manifest.json"
MANIFEST_BYTES_MAX: Final = 4 * 1024 * 1024

_BLOCK: Final = 1024 * 1024
_BROKEN: Final = (
    zipfile.BadZipFile,
    zlib.error,
    struct.error,
    EOFError,
    KeyError,
    NotImplementedError,
    OverflowError,
    RuntimeError,
    ValueError,
)
"""What reading a zip that is cut, altered or none raises."""


class Part(msgspec.Struct, frozen=True, kw_only=True):
    """One stream within the file.

    Attributes:
        sha256: Hash of its bytes.
        size_bytes: How many there are.
        state: What the stream held.
    """

    sha256: str
    size_bytes: int
    state: StreamState


class Manifest(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """What a file holds.

    Attributes:
        format: Version of the file's format.
        run: The run's id.
        goal: What it was asked.
        status: How it ended, or `unfinished`.
        exported_at: When it was written (RFC 3339).
        peerteam: Version that wrote it.
        server: Version of the NATS server that it was taken from.
        stream: The run's stream.
        artifacts: The stream of its artifacts; absent if it had none.
        fetched: Up to which sequence each member had been handed messages.
    """

    format: int
    run: str
    goal: str
    status: str
    exported_at: str
    peerteam: str
    server: str
    stream: Part
    artifacts: Part | None = None
    fetched: dict[str, int] = {}

    @property
    def parts(self) -> dict[str, Part]:
        """The streams by their names in the file."""
        artifacts = {ARTIFACTS_PART: self.artifacts} if self.artifacts is not None else {}
        return {RUN_PART: self.stream} | artifacts


class _Versioned(msgspec.Struct):
    format: int


def describe_part(file: IO[bytes], state: StreamState) -> Part:
    """Hash what was written to a file."""
    sha256, size_bytes = _hash(file)
    return Part(sha256=sha256, size_bytes=size_bytes, state=state)


@contextmanager
def open_parts(folder: Path) -> Iterator[dict[str, IO[bytes]]]:
    """Files that streams can be written to; gone at the end."""
    with tempfile.TemporaryFile(dir=folder) as run, tempfile.TemporaryFile(dir=folder) as others:
        yield {RUN_PART: run, ARTIFACTS_PART: others}


def write_archive(path: Path, manifest: Manifest, files: dict[str, IO[bytes]]) -> int:
    """Put a file in place, whole or not at all; returns its size in bytes."""
    draft = path.with_name(f".{path.name}.part")
    try:
        with zipfile.ZipFile(draft, "w") as archive:
            # First, so that whoever lists the file sees at once what it is.
            archive.writestr(MANIFEST, msgspec.json.format(msgspec.json.encode(manifest)))
            for name in manifest.parts:
                files[name].seek(0)
                with archive.open(name, "w", force_zip64=True) as part:
                    while block := files[name].read(_BLOCK):
                        part.write(block)
        draft.replace(path)
    finally:
        draft.unlink(missing_ok=True)
    return path.stat().st_size


def check_archive(path: Path) -> Manifest:
    """Read what a file holds, and see that its parts are what it says.

    Raises:
        ArchiveError: It is not there, not such a file, of a newer format, cut or altered.
    """
    with _opened(path) as archive:
        manifest = _manifest(path, archive)
        for name, part in manifest.parts.items():
            with archive.open(name) as file:
                found = _hash(file)
            if found != (part.sha256, part.size_bytes):
                raise ArchiveError(str(path), f"{name} is not what was exported", _AGAIN)
    return manifest


@contextmanager
def open_part(path: Path, name: str) -> Iterator[IO[bytes]]:
    """One stream of a file that was checked.

    Raises:
        ArchiveError: It was changed meanwhile.
    """
    with _opened(path) as archive, archive.open(name) as file:
        yield file


_AGAIN: Final = "export it again, and copy the file whole"


@contextmanager
def _opened(path: Path) -> Iterator[zipfile.ZipFile]:
    try:
        with zipfile.ZipFile(path) as archive:
            yield archive
    except FileNotFoundError as error:
        raise ArchiveError(str(path), "there is no such file", "check the spelling") from error
    except OSError as error:
        raise ArchiveError(str(path), f"it can't be read ({error})", "name a file") from error
    except _BROKEN as error:
        reason = "it is cut or altered, or no run that was exported"
        raise ArchiveError(str(path), f"{reason} ({error})", _AGAIN) from error


def _manifest(path: Path, archive: zipfile.ZipFile) -> Manifest:
    with archive.open(MANIFEST) as file:
        data = file.read(MANIFEST_BYTES_MAX)
    try:
        version = msgspec.json.decode(data, type=_Versioned).format
        if version > FORMAT:
            reason = f"its format is {version}, this version reads up to {FORMAT}"
            raise ArchiveError(str(path), reason, "upgrade peerteam")
        manifest = msgspec.json.decode(data, type=Manifest)
        check_token("run", manifest.run)
    except (msgspec.DecodeError, RecursionError, InvalidNameError) as error:
        reason = f"its {MANIFEST} can't be read: {error}"
        raise ArchiveError(str(path), reason, _AGAIN) from error
    return manifest


def _hash(file: IO[bytes]) -> tuple[str, int]:
    """Hash and size of a file from its beginning."""
    if file.seekable():
        file.seek(0)
    digest, size_bytes = hashlib.sha256(), 0
    while block := file.read(_BLOCK):
        digest.update(block)
        size_bytes += len(block)
    return digest.hexdigest(), size_bytes
