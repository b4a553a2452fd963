"""Which recording the environment asks for: `PEERTEAM_RECORD=DIR` or `PEERTEAM_REPLAY=DIR`.

Member processes inherit both. The command checks them before a run starts; that needs
neither the SDK nor the network.
"""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Final

from bus.ids import LEAD
from team.agent.models.abilities import abilities_of
from team.agent.models.cassette.lane import Lane, LaneFile
from team.agent.models.cassette.recording import Recording, lane_path, read_recording
from team.errors import SpecError

if TYPE_CHECKING:
    import httpx2

RECORD_VARIABLE: Final = "PEERTEAM_RECORD"
REPLAY_VARIABLE: Final = "PEERTEAM_REPLAY"

Tape = LaneFile | Lane | None
"""A member's lane to write or to read; nothing if neither is asked for."""


def open_tape(member: str, provider: str) -> Tape:
    """A member's lane, as the environment asks for it.

    Args:
        member: Whose lane.
        provider: Who answers its calls.

    Raises:
        ReplayError: The recorded run had no such member.
        SpecError: Its lane can't be read, or both variables are set.
    """
    record, replay = folders()
    if replay is not None:
        return Lane.open(lane_path(replay, member))
    if record is not None:
        path = lane_path(record, member)
        return LaneFile(path, provider=provider, is_first_party=is_first_party())
    return None


def is_first_party(tape: Tape = None) -> bool:
    """Whether calls go to Anthropic itself, which has features that stand-ins may lack.

    Args:
        tape: The member's lane; in a replay, it is as it was in the recording.
    """
    if isinstance(tape, Lane):
        return tape.is_first_party
    return not os.environ.get("ANTHROPIC_BASE_URL")


def reads_pictures(provider: str, replayed: Recording | None = None) -> bool:
    """Whether the models of a run that is about to start read pictures.

    Args:
        provider: Who answers.
        replayed: The recording that is replayed: then as it was there.
    """
    tape = None if replayed is None else Lane.open(lane_path(replayed.folder, LEAD))
    return (
        provider != "rehearsal" and abilities_of(None, is_first_party=is_first_party(tape)).images
    )


def cassette_transport(
    tape: Tape, inner: Callable[[], httpx2.AsyncBaseTransport]
) -> httpx2.AsyncBaseTransport | None:
    """The transport that records or replays a member's calls; nothing if none is asked for.

    Args:
        tape: The member's lane.
        inner: Makes the transport to the model; called only to record.
    """
    from team.agent.models.cassette.record import RecordingTransport
    from team.agent.models.cassette.replay import ReplayTransport

    match tape:
        case Lane():
            return ReplayTransport(tape)
        case LaneFile():
            return RecordingTransport(inner(), tape)
        case None:
            return None


def check_cassette() -> Recording | None:
    """Refuse a recording that a new run can't use, before it starts; gives the one to replay.

    A folder to record to is made.

    Raises:
        SpecError: Names the variable or the file and line, and what is wrong.
    """
    record, replay = folders()
    if record is not None:
        _check_record(record)
    return None if replay is None else read_recording(replay)


def refuse_cassette() -> None:
    """Refuse to record or replay a run that is resumed.

    Raises:
        SpecError: A variable asks for it.
    """
    record, replay = folders()
    if record is not None or replay is not None:
        name = RECORD_VARIABLE if record is not None else REPLAY_VARIABLE
        raise _bad(name, "a run that is resumed is neither recorded nor replayed")


def is_recording() -> bool:
    """Whether the environment asks to record."""
    return folders()[0] is not None


def folders() -> tuple[Path | None, Path | None]:
    """Where to record to and where to replay from; at most one of them.

    Raises:
        SpecError: Both variables are set.
    """
    record, replay = (_folder(name) for name in (RECORD_VARIABLE, REPLAY_VARIABLE))
    if record is not None and replay is not None:
        reason = (
            f"{RECORD_VARIABLE} ({record}) and {REPLAY_VARIABLE} ({replay}) are both set: "
            "a run records or replays, not both"
        )
        raise SpecError("environment", RECORD_VARIABLE, reason, "unset one")
    return record, replay


def _folder(variable: str) -> Path | None:
    named = os.environ.get(variable)
    return Path(named).expanduser().absolute() if named else None


def _check_record(folder: Path) -> None:
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise _bad(RECORD_VARIABLE, f"{folder} can't be made ({error.strerror})") from error
    if not os.access(folder, os.W_OK | os.X_OK):
        raise _bad(RECORD_VARIABLE, f"{folder} can't be written to")
    if any(folder.iterdir()):
        reason = f"{folder} holds files already"
        raise SpecError("environment", RECORD_VARIABLE, reason, "name an empty folder")


def _bad(variable: str, reason: str) -> SpecError:
    return SpecError("environment", variable, reason, "mend or unset it")
