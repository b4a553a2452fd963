"""Which cassette the environment asks for: `PEERTEAM_RECORD=DIR` or `PEERTEAM_REPLAY=DIR`.

Member processes inherit both. The command checks them before a run starts; that needs
neither the SDK nor the network.
"""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Final

from bus.ids import LEAD
from team.agent.models.cassette.format import read_calls, read_header
from team.errors import SpecError

if TYPE_CHECKING:
    import httpx2

RECORD_VARIABLE: Final = "PEERTEAM_RECORD"
REPLAY_VARIABLE: Final = "PEERTEAM_REPLAY"
SUFFIX: Final = ".jsonl"


def cassette_transport(
    member: str, inner: Callable[[], httpx2.AsyncBaseTransport], provider: str = ""
) -> httpx2.AsyncBaseTransport | None:
    """The transport that records or replays a member's calls; nothing if none is asked for.

    Args:
        member: Whose file it is.
        inner: Makes the transport to the model; called only to record.
        provider: Who is at its end.

    Raises:
        ValueError: Both variables are set.
    """
    from team.agent.models.cassette.record import RecordingTransport
    from team.agent.models.cassette.replay import ReplayTransport

    record, replay = _folders()
    if replay is not None:
        return ReplayTransport(replay / f"{member}{SUFFIX}")
    if record is not None:
        return RecordingTransport(inner(), record / f"{member}{SUFFIX}", provider=provider)
    return None


def check_cassette(*, is_new: bool = True) -> None:
    """Refuse a cassette that a run can't use, before it starts. Makes a folder to record to.

    Args:
        is_new: Whether the run is new; one that is resumed goes on in its own files.

    Raises:
        SpecError: Names the variable or the file and line, and what is wrong.
    """
    try:
        record, replay = _folders()
    except ValueError as error:
        raise SpecError("environment", RECORD_VARIABLE, str(error), "unset one") from error
    if record is not None:
        _check_record(record, is_new=is_new)
    if replay is not None:
        _check_replay(replay)


def replayed_provider() -> str | None:
    """Who answered the lead's calls in the recording to replay; nothing if none is asked for.

    Raises:
        SpecError: The lead's file is not usable.
        ValueError: Both variables are set.
    """
    _, replay = _folders()
    return None if replay is None else read_header(replay / f"{LEAD}{SUFFIX}").provider


def _folders() -> tuple[Path | None, Path | None]:
    """Where to record to and where to replay from; at most one of them."""
    record, replay = (_folder(name) for name in (RECORD_VARIABLE, REPLAY_VARIABLE))
    if record is not None and replay is not None:
        raise ValueError(
            f"{RECORD_VARIABLE} ({record}) and {REPLAY_VARIABLE} ({replay}) are both set: "
            "a run records or replays, not both"
        )
    return record, replay


def _folder(variable: str) -> Path | None:
    named = os.environ.get(variable)
    return Path(named).expanduser().absolute() if named else None


def _check_record(folder: Path, *, is_new: bool) -> None:
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise _bad(RECORD_VARIABLE, f"{folder} can't be made ({error.strerror})") from error
    if not os.access(folder, os.W_OK | os.X_OK):
        raise _bad(RECORD_VARIABLE, f"{folder} can't be written to")
    if is_new and any(folder.glob(f"*{SUFFIX}")):
        raise SpecError(
            "environment",
            RECORD_VARIABLE,
            f"{folder} holds a recording already",
            "name an empty folder, or remove its files",
        )


def _check_replay(folder: Path) -> None:
    if not folder.is_dir():
        raise _bad(REPLAY_VARIABLE, f"{folder} is no folder")
    if not (folder / f"{LEAD}{SUFFIX}").exists():
        raise _bad(REPLAY_VARIABLE, f"{folder} holds no recording of a run: no {LEAD}{SUFFIX}")
    for path in sorted(folder.glob(f"*{SUFFIX}")):
        read_calls(path)


def _bad(variable: str, reason: str) -> SpecError:
    return SpecError("environment", variable, reason, "mend or unset it")
