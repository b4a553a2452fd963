"""A whole recording: the run's stream and its members' lanes, as a folder or as one file.

    DIR/stream.jsonl            what was recorded of what, then every message of the run
    DIR/members/<member>.jsonl  what one member met: see `lane`
    DIR/outside/<sha256>        what tools brought from outside, as it was kept

`pack` makes one file of that (a zip, so that any tool can look into it), `unpack` a folder.
"""

from __future__ import annotations

import hashlib
import shutil
import zipfile
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path, PurePosixPath
from typing import Any, Final, TypeVar

import msgspec

from bus.codec import Envelope
from bus.ids import PERSON, SUPERVISOR
from bus.messages import (
    MemberJoined,
    MemberLost,
    ResultPublished,
    RunForked,
    type_name,
)
from bus.run_stream import Record
from team.agent.models.cassette.format import FORMAT, PROVES, Met, read_lane, version_of
from team.agent.models.cassette.lane import OUTSIDE
from team.agent.models.cassette.match import Difference, difference
from team.agent.models.cassette.volatile import Alignment
from team.errors import SpecError

STREAM: Final = "stream.jsonl"
MEMBERS: Final = "members"
SUFFIX: Final = ".jsonl"
_AGAIN: Final = "record it again"
_DEPTH: Final = 2
_PASSING: Final = {
    "member.joined": ("pid", "host", "idle_since"),
    "usage.spent": ("took_s",),
    # The library's hash: the sources' own are compared before.
    "run.opened": ("sources", "replay"),
}
"""Fields that say when, where or whether anew, by message type."""

T = TypeVar("T")


class Manifest(msgspec.Struct, frozen=True, kw_only=True, tag_field="type", tag="recording"):
    """What was recorded, and with what: the first line of the stream's file.

    Attributes:
        format: Version of this format.
        peerteam: Version of this project.
        anthropic: Version of the SDK that made the calls.
        provider: Who answered them.
        run: The run's id.
        goal: Its goal, word for word.
        sources: Hash of each source by its name within its argument.
        settings: Hash of the team spec, the policy and each role, by name.
        proves: What a replay proves, for people.
    """

    format: int = FORMAT
    peerteam: str
    anthropic: str
    provider: str
    run: str
    goal: str
    sources: dict[str, str]
    settings: dict[str, str]
    proves: str = PROVES


class Kept(msgspec.Struct, frozen=True, kw_only=True, tag_field="type_of_line", tag="message"):
    """One message of a recorded run.

    Attributes:
        seq: Its sequence.
        subject: Where it stands, without the run.
        type: The message's type; empty if it could not be read.
        at: When it was stored, in seconds since 1970.
        message: The message in its envelope.
    """

    seq: int
    subject: str
    type: str
    at: float
    message: msgspec.Raw

    @property
    def author(self) -> str:
        """Who published it."""
        return self.subject.rpartition(".")[2]

    @property
    def envelope(self) -> Envelope:
        """The message in its envelope."""
        return msgspec.json.decode(self.message, type=Envelope)


class Recording(msgspec.Struct, frozen=True, kw_only=True):
    """A recording that was read.

    Attributes:
        folder: Where it lies.
        manifest: What was recorded.
        kept: The run's messages, in order, from sequence 1.
    """

    folder: Path
    manifest: Manifest
    kept: tuple[Kept, ...]


def lane_path(folder: Path, member: str) -> Path:
    """Where a member's lane lies."""
    return folder / MEMBERS / f"{member}{SUFFIX}"


def kept_of(record: Record) -> Kept:
    """A message as a recording keeps it."""
    return Kept(
        seq=record.seq,
        subject=".".join((record.subject.kind, *record.subject.names, record.subject.author)),
        type="" if record.body is None else type_name(record.body),
        at=record.at,
        message=msgspec.Raw(msgspec.json.encode(record.envelope)),
    )


def new_manifest(
    *,
    provider: str,
    run: str,
    goal: str,
    sources: Mapping[str, str],
    settings: Mapping[str, object],
) -> Manifest:
    """What a new recording says of itself; settings are hashed."""
    hashes = {name: _hash(value) for name, value in settings.items()}
    return Manifest(
        peerteam=version_of("peerteam"),
        anthropic=version_of("anthropic"),
        provider=provider,
        run=run,
        goal=goal,
        sources=dict(sources),
        settings=hashes,
    )


def write_stream(folder: Path, manifest: Manifest, kept: Iterable[Kept]) -> None:
    """Write what was recorded of the stream; the lanes are there already."""
    folder.mkdir(parents=True, exist_ok=True)
    with (folder / STREAM).open("wb") as file:
        for line in (manifest, *kept):
            file.write(msgspec.json.encode(line) + b"\n")


def read_recording(folder: Path) -> Recording:
    """Read a recording that can be replayed.

    Raises:
        SpecError: It is no recording, is not whole, or is of a run that can't be replayed;
            names the file and the line or the message.
    """
    manifest, kept = _read_stream(folder / STREAM)
    recording = Recording(folder=folder, manifest=manifest, kept=kept)
    _check_stories(recording)
    outside(recording)
    return recording


def read_kept(folder: Path) -> tuple[Kept, ...]:
    """The messages of a recording that was checked.

    Raises:
        SpecError: They can't be read.
    """
    return _read_stream(folder / STREAM)[1]


def outside(recording: Recording) -> list[Kept]:
    """Messages that came from outside the team: of people, and of later supervision.

    Raises:
        SpecError: One is of a member, and its lane does not have it.
    """
    inside = set(range(1, _opening_seq(recording) + 1))
    for path in sorted((recording.folder / MEMBERS).glob(f"*{SUFFIX}")):
        inside |= _stored(path)
    left = [kept for kept in recording.kept if kept.seq not in inside]
    for kept in left:
        if kept.author not in (PERSON, SUPERVISOR):
            reason = f"no lane has message {kept.seq} ({kept.type} on {kept.subject})"
            raise SpecError(str(recording.folder), MEMBERS, reason, _AGAIN)
    return left


def pack(folder: Path, file: Path) -> None:
    """Make one file of a recording.

    Raises:
        OSError: It can't be written.
    """
    partial = file.with_name(f"{file.name}.partial")
    with zipfile.ZipFile(partial, "w", zipfile.ZIP_DEFLATED) as archive:
        held = (*folder.rglob(f"*{SUFFIX}"), *folder.glob(f"{OUTSIDE}/*"))
        for path in sorted(held):
            archive.write(path, path.relative_to(folder).as_posix())
    partial.replace(file)


def unpack(file: Path, folder: Path) -> None:
    """Make a folder of a recording that is one file.

    Raises:
        SpecError: There is no such file, or it is a folder or no recording.
    """
    if file.is_dir():
        fix = "name a file that --record has made; a folder goes into PEERTEAM_REPLAY"
        raise SpecError(str(file), "", "it is a folder", fix)
    if not file.is_file():
        raise SpecError(str(file), "", "there is no such file", "name one that --record has made")
    try:
        with zipfile.ZipFile(file) as archive:
            for name in archive.namelist():
                _extract(archive, name, folder)
    except (zipfile.BadZipFile, EOFError, OSError) as error:
        raise SpecError(str(file), "", f"it is no whole recording ({error})", _AGAIN) from error
    if not (folder / STREAM).exists():
        raise SpecError(str(file), "", f"it is no recording: it holds no {STREAM}", _AGAIN)


def apart(recorded: Recording, run: str, kept: Sequence[Kept]) -> tuple[int, Difference] | None:
    """Where a run first differs from a recording otherwise than in times and ids.

    Returns:
        The sequence, and the first difference of that message; nothing if there is none.
    """
    alignment = Alignment()
    for number in range(max(len(recorded.kept), len(kept))):
        theirs = _comparable(recorded.kept, number, recorded.manifest.run)
        found = difference(theirs, _comparable(kept, number, run), alignment)
        if found is not None:
            return number + 1, found
    return None


def _read_stream(path: Path) -> tuple[Manifest, tuple[Kept, ...]]:
    lines = _lines(path)
    if not lines:
        raise SpecError(str(path), "line 1", "the file is empty", _AGAIN)
    manifest = _decoded(path, 1, lines[0], Manifest)
    if manifest.format != FORMAT:
        reason = f"its format is {manifest.format}, ours is {FORMAT}"
        raise SpecError(str(path), "line 1", reason, _AGAIN)
    kept = [_decoded(path, n, line, Kept) for n, line in enumerate(lines[1:], start=2)]
    for number, one in enumerate(kept, start=1):
        if one.seq != number:
            reason = f"message {number} is missing, there is {one.seq}"
            raise SpecError(str(path), f"line {number + 1}", reason, _AGAIN)
    return manifest, tuple(kept)


def _lines(path: Path) -> list[bytes]:
    try:
        return path.read_bytes().splitlines()
    except OSError as error:
        reason = f"it can't be read ({error.strerror})"
        raise SpecError(str(path), "", reason, "name a recording") from error


def _decoded(path: Path, number: int, line: bytes, wanted: type[T]) -> T:
    try:
        return msgspec.json.decode(line, type=wanted)
    except (msgspec.DecodeError, UnicodeDecodeError) as error:
        reason = f"no line of a recording: {error}"
        raise SpecError(str(path), f"line {number}", reason, _AGAIN) from error


def _check_stories(recording: Recording) -> None:
    """Refuse a run in which processes died or were stopped: when they did can't be replayed."""
    tag = type_name
    supervised = 0
    for kept in recording.kept:
        joined = kept.envelope.body if kept.type == tag(MemberJoined) else None
        supervised += joined is not None and kept.author == SUPERVISOR
        again = isinstance(joined, MemberJoined) and (joined.incarnation > 1 or supervised > 1)
        if again or kept.type in (tag(MemberLost), tag(RunForked)):
            story = "a process was started again" if again else kept.type
            _refuse(recording, f"message {kept.seq} ({kept.subject}): {story}")
    if all(kept.type != tag(ResultPublished) for kept in recording.kept):
        _refuse(recording, f"it was stopped after message {len(recording.kept)}, without a result")


def _refuse(recording: Recording, reason: str) -> None:
    fix = "only a run that went from its start to its result undisturbed can be replayed"
    raise SpecError(f"recording of {recording.manifest.run}", "", reason, fix)


def _opening_seq(recording: Recording) -> int:
    """Up to where the command itself writes: what holds from the start, the spec, its charge."""
    return next((kept.seq for kept in recording.kept if kept.author == SUPERVISOR), 0)


def _stored(path: Path) -> set[int]:
    """Sequences that a member's lane says it has stored."""
    writes = [x for x in read_lane(path) if isinstance(x, Met) and x.kind == "stored"]
    return {seq for met in writes for seq in range(met.seq - met.count + 1, met.seq + 1)}


def _comparable(kept: Sequence[Kept], number: int, run: str) -> dict[str, Any]:
    """A message without what differs from run to run by its nature; empty if there is none."""
    if number >= len(kept):
        return {}
    one = kept[number]
    text = bytes(one.message).replace(f"run.{run}.".encode(), b"run.*.")
    message = msgspec.json.decode(text)
    if message is not None:
        message.pop("at", None)
        for field in _PASSING.get(one.type, ()):
            message["body"].pop(field, None)
        spec = message["body"].get("spec")
        if one.type == "run.opened" and isinstance(spec, dict):
            spec.pop("price_table", None)  # costs are compared, whichever table they come from
    return {"subject": one.subject, "message": message}


def _hash(value: object) -> str:
    return hashlib.sha256(msgspec.json.encode(value, order="deterministic")).hexdigest()


def _extract(archive: zipfile.ZipFile, name: str, folder: Path) -> None:
    """Take one file out; what does not belong into a recording is left."""
    parts = PurePosixPath(name).parts
    if parts != (STREAM,) and not (len(parts) == _DEPTH and parts[0] in (MEMBERS, OUTSIDE)):
        return
    path = folder.joinpath(*parts)
    path.parent.mkdir(parents=True, exist_ok=True)
    with archive.open(name) as packed, path.open("wb") as file:
        shutil.copyfileobj(packed, file)
