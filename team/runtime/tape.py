"""Record a run into one file, or replay one: what the command does beside its members.

Members write and read their lanes themselves (`team.agent.arrivals`). The command keeps the
stream, says in a replay what people said, and compares at the end.
"""

from __future__ import annotations

import asyncio
import os
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from types import TracebackType
from typing import Final

from bus import subjects
from bus.run_stream import Entry, RunStream
from team.agent.models.cassette.environment import RECORD_VARIABLE, REPLAY_VARIABLE, folders
from team.agent.models.cassette.format import version_of
from team.agent.models.cassette.recording import (
    Kept,
    Manifest,
    Recording,
    apart,
    kept_of,
    new_manifest,
    outside,
    pack,
    unpack,
    write_stream,
)
from team.errors import ReplayError, SpecError
from team.runtime.home import state_dir
from team.runtime.run import Prepared
from team.state import RunState

POLL_S: Final = 0.01


@contextmanager
def tape_folder(record: str | None, replay: str | None) -> Iterator[None]:
    """Have members record into a folder, or replay from one, for as long as this lasts.

    Args:
        record: The file that is to be made.
        replay: The file that is to be replayed.

    Raises:
        SpecError: The one is there already or can't be made, the other can't be used.
    """
    named = record or replay
    if named is None:
        yield
        return
    if record is not None:
        _check_new(Path(record))
    state_dir().mkdir(parents=True, exist_ok=True)
    variable = RECORD_VARIABLE if record is not None else REPLAY_VARIABLE
    with tempfile.TemporaryDirectory(prefix="recording-", dir=state_dir()) as folder:
        if replay is not None:
            unpack(Path(replay), Path(folder))
        before = os.environ.get(variable)
        os.environ[variable] = folder
        try:
            yield
        finally:
            _set_back(variable, before)


def check_fits(prepared: Prepared) -> list[str]:
    """Refuse to replay for another goal or other sources; say what else has changed since.

    Returns:
        What differs and may make the replay fail, as lines for people.

    Raises:
        SpecError: Names the goal, or the first source that differs.
    """
    assert prepared.replayed is not None
    theirs, ours = prepared.replayed.manifest, manifest_of(prepared)
    if theirs.goal != ours.goal:
        reason = f"the recording is of another goal: {theirs.goal[:200]!r}"
        raise SpecError("goal", "", reason, "give that goal, or record again")
    for name in sorted(theirs.sources.keys() | ours.sources.keys()):
        if theirs.sources.get(name) != ours.sources.get(name):
            raise SpecError(
                "--source", name, _changed(name, theirs, ours), "give the recorded ones, or record"
            )
    return _stale(theirs, ours)


def manifest_of(prepared: Prepared) -> Manifest:
    """What a recording of a request says of itself."""
    spec, roots = prepared.spec, {g.name: g.root for g in prepared.collection.groups}
    settings: dict[str, object] = {
        "team spec": spec.team,
        "policy": spec.project,
        "mode": prepared.mode,
        "model": spec.model,
    }
    settings |= {f"role {name}": role for name, role in spec.roles.items()}
    return new_manifest(
        provider=spec.provider,
        run=prepared.run,
        goal=prepared.goal,
        sources={
            f"{file.group}/{os.path.relpath(file.path, roots[file.group])}": file.sha256
            for file in prepared.collection.files
        },
        settings=settings,
    )


async def keep(stream: RunStream, prepared: Prepared, record: str | None) -> None:
    """Write down the stream of a run that was recorded, and make one file of it if asked to.

    Raises:
        OSError: It can't be written.
    """
    folder, _ = folders()
    if folder is not None:
        write_stream(folder, manifest_of(prepared), await _kept(stream))
        if record is not None:
            await asyncio.to_thread(pack, folder, Path(record))


class Replay:
    """Says in a replayed run what came from outside of the team, each in its turn.

    An async context manager; what is left to say at its end is not said.
    """

    def __init__(self, recording: Recording, stream: RunStream, name: str) -> None:
        """Make one.

        Args:
            recording: What is replayed.
            stream: The stream of the replayed run.
            name: What the user calls the recording.
        """
        self._recording = recording
        self._stream = stream
        self._name = name
        self._saying: asyncio.Task[None] | None = None

    async def __aenter__(self) -> Replay:
        self._saying = asyncio.create_task(self._say())
        return self

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        at: TracebackType | None,
    ) -> None:
        assert self._saying is not None
        self._saying.cancel()
        results = await asyncio.gather(self._saying, return_exceptions=True)
        failed = [one for one in results if isinstance(one, Exception)]
        if failed and error is None:
            raise failed[0]

    def is_off(self, state: RunState) -> bool:
        """Whether it can't come to its end: nobody is lost in a run that can be replayed."""
        assert self._saying is not None
        has_failed = self._saying.done() and self._saying.exception() is not None
        return has_failed or any(seat.lost for seat in state.roster.seats.values())

    async def check(self, state: RunState) -> int:
        """Compare the run with the recorded one; returns how many messages are the same.

        Raises:
            ReplayError: They differ; says where first.
        """
        for seat in state.roster.seats.values():
            if seat.lost:
                reason = seat.lost.replace(str(self._recording.folder), self._name)
                raise ReplayError(self._name, seat.name, reason)
        kept = await _kept(self._stream)
        found = apart(self._recording, self._stream.run, kept)
        if found is None:
            return len(kept)
        seq, difference = found
        author = (kept if seq <= len(kept) else self._recording.kept)[seq - 1].author
        reason = (
            f"message {seq} differs first at {difference.path}: "
            f"recorded {difference.recorded}, now {difference.asked}"
        )
        raise ReplayError(self._name, author, reason)

    async def _say(self) -> None:
        for kept in outside(self._recording):
            while await self._stream.last_seq() < kept.seq - 1:  # noqa: ASYNC110 - others write
                await asyncio.sleep(POLL_S)
            await self._stream.append(_entry(self._stream.run, kept))


def _entry(run: str, kept: Kept) -> Entry:
    envelope = kept.envelope
    return Entry(
        subject=subjects.parse(f"run.{run}.{kept.subject}"),
        body=envelope.body,
        id=envelope.id,
        cause=envelope.cause,
    )


async def _kept(stream: RunStream) -> list[Kept]:
    return [kept_of(record) async for record in stream.read()]


def _check_new(file: Path) -> None:
    if file.exists():
        reason = "it exists already, and a recording is not overwritten"
        raise SpecError("--record", str(file), reason, "name another file, or remove it")
    if not os.access(file.absolute().parent, os.W_OK | os.X_OK):
        reason = f"{file.absolute().parent} is no folder that can be written to"
        raise SpecError("--record", str(file), reason, "name another file")


def _set_back(variable: str, before: str | None) -> None:
    if before is None:
        os.environ.pop(variable, None)
    else:
        os.environ[variable] = before


def _changed(name: str, theirs: Manifest, ours: Manifest) -> str:
    if name not in ours.sources:
        return "the recorded run had this source, this one does not"
    if name not in theirs.sources:
        return "the recorded run did not have this source"
    return "it has changed since the run was recorded"


def _stale(theirs: Manifest, ours: Manifest) -> list[str]:
    names = sorted(theirs.settings.keys() | ours.settings.keys())
    changed = [n for n in names if theirs.settings.get(n) != ours.settings.get(n)]
    lines = [f"{name} is not what it was when the run was recorded" for name in changed]
    for package, version in (("anthropic", theirs.anthropic), ("peerteam", theirs.peerteam)):
        if version != version_of(package):
            lines.append(f"recorded with {package} {version}, this is {version_of(package)}")
    return lines
