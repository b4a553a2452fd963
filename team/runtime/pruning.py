"""Remove runs that nobody needs any more: from the server, and what this machine keeps.

What goes is chosen by a plain function; a run that anybody works on never goes.
"""

from __future__ import annotations

import re
import shutil
from collections.abc import Iterable, Sequence
from datetime import datetime
from typing import Final

import msgspec

from bus import subjects
from bus.connection import Connection
from bus.ids import check_token
from bus.live import heard_runs
from bus.messages import ResultPublished, RunOpened
from bus.run_stream import UNREADY, RunStream
from bus.stored import StreamInfo, list_streams, stream_info
from bus.streams import delete_stream
from team.errors import SpecError
from team.members.library_cache import library_path
from team.runtime.home import cache_dir, run_dir

LEFTOVER_S: Final = 3600.0
"""How old what a killed import or fork has left must be before it is removed, in seconds."""

_SECONDS: Final = {"s": 1, "m": 60, "h": 3600, "d": 86_400, "w": 7 * 86_400}
_BYTES: Final = {"B": 1, "KB": 10**3, "MB": 10**6, "GB": 10**9, "TB": 10**12}
_AMOUNT: Final = re.compile(r"(\d{1,12}(?:\.\d{1,6})?)\s*([A-Za-z]+)", re.ASCII)
_RUN, _ART = "RUN_", "ART_"


class Kept(msgspec.Struct, frozen=True, kw_only=True):
    """One run on the server, as far as it matters here.

    Attributes:
        run: Its id.
        goal: What it was asked.
        newest_at: When its newest message was stored, in seconds since 1970.
        last_seq: Sequence of that message.
        size_bytes: What it takes on the server, artifacts included.
        status: How it ended; `running` or `stopped` while it has not.
    """

    run: str
    goal: str
    newest_at: float
    last_seq: int
    size_bytes: int
    status: str


class Choice(msgspec.Struct, frozen=True, kw_only=True):
    """What goes, the oldest first, and how many bytes stay."""

    removed: tuple[Kept, ...]
    kept_bytes: int


def parse_age(text: str) -> float:
    """Read `30d`, `12h`; in seconds.

    Raises:
        SpecError: It is something else.
    """
    found = _AMOUNT.fullmatch(text.strip())
    if found is None or found[2].lower() not in _SECONDS:
        raise SpecError("--older-than", "", f"{text!r} is no age", "write 30d, 12h, 90m or 2w")
    return float(found[1]) * _SECONDS[found[2].lower()]


def parse_size(text: str) -> int:
    """Read `2GB`, `500MB`; in bytes.

    Raises:
        SpecError: It is something else.
    """
    found = _AMOUNT.fullmatch(text.strip())
    if found is None or found[2].upper() not in _BYTES:
        raise SpecError("--keep-size", "", f"{text!r} is no size", "write 2GB, 500MB or 0B")
    return int(float(found[1]) * _BYTES[found[2].upper()])


def choose(
    kept: Iterable[Kept],
    *,
    now: float,
    older_than_s: float | None,
    keep_bytes: int | None,
    stopped: bool,
) -> Choice:
    """Choose what goes: what is too old, then the oldest until the rest fits.

    Args:
        kept: All runs on the server.
        now: The time, in seconds since 1970.
        older_than_s: Whatever has been silent for longer goes; absent: age alone removes nothing.
        keep_bytes: What all that stays may take; absent: no limit.
        stopped: Whether runs may go that have no result and nobody works on.
    """
    runs = sorted(kept, key=lambda one: (one.newest_at, one.run))
    size_bytes = sum(one.size_bytes for one in runs)
    removed: list[Kept] = []
    for one in runs:
        if one.status == "running" or (one.status == "stopped" and not stopped):
            continue
        is_old = older_than_s is not None and now - one.newest_at > older_than_s
        is_too_much = keep_bytes is not None and size_bytes > keep_bytes
        if is_old or is_too_much:
            removed.append(one)
            size_bytes -= one.size_bytes
    return Choice(removed=tuple(removed), kept_bytes=size_bytes)


async def runs_kept(connection: Connection) -> list[Kept]:
    """All runs on the server."""
    streams = {info.config.name: info for info in await list_streams(connection)}
    live = await heard_runs(connection)
    found: list[Kept] = []
    for name, info in streams.items():
        run = name.removeprefix(_RUN)
        if not name.startswith(_RUN) or UNREADY in info.config.metadata:
            continue
        artifacts = streams.get(_ART + run)
        kept = Kept(
            run=run,
            goal=info.config.metadata.get("label", ""),
            newest_at=_newest_at(info),
            last_seq=info.state.last_seq,
            size_bytes=info.state.bytes + (artifacts.state.bytes if artifacts else 0),
            status=await _status(connection, run, is_live=run in live),
        )
        found.append(kept)
    return found


async def remove_runs(connection: Connection, chosen: Sequence[Kept]) -> list[Kept]:
    """Remove runs with all that this machine keeps of them; returns those that are gone.

    One that somebody has taken up since it was looked at stays.
    """
    live = await heard_runs(connection) if chosen else set()
    gone: list[Kept] = []
    for one in chosen:
        info = await stream_info(connection, subjects.stream_name(one.run))
        if one.run in live or info is None or info.state.last_seq != one.last_seq:
            continue
        # The run first: artifacts without one are what a killed command has left.
        await delete_stream(connection, subjects.stream_name(one.run))
        await delete_stream(connection, subjects.artifact_stream_name(one.run))
        shutil.rmtree(run_dir(check_token("run", one.run)), ignore_errors=True)
        gone.append(one)
    return gone


async def remove_leftovers(connection: Connection, now: float) -> int:
    """Remove what killed imports and forks have left; returns how many streams."""
    streams = {info.config.name: info for info in await list_streams(connection)}
    gone = 0
    for name, info in streams.items():
        is_orphan = name.startswith(_ART) and _RUN + name.removeprefix(_ART) not in streams
        is_unready = name.startswith(_RUN) and UNREADY in info.config.metadata
        if (is_orphan or is_unready) and now - _seconds(info.created) > LEFTOVER_S:
            gone += await delete_stream(connection, name)
    return gone


async def remove_libraries(connection: Connection) -> int:
    """Remove libraries on this machine that no run on the server refers to; how many."""
    wanted = set()
    for info in await list_streams(connection):
        if info.config.name.startswith(_RUN):
            wanted.add(await _library_of(connection, info.config.name.removeprefix(_RUN)))
    gone = [path for path in cache_dir().glob("*.db") if path not in wanted]
    for path in gone:
        path.unlink(missing_ok=True)
    return len(gone)


async def _library_of(connection: Connection, run: str) -> object:
    """Where a run's library is kept on this machine, if it has one."""
    async for record in RunStream(connection, run).read(subjects.pattern(run, "spec")):
        if isinstance(record.body, RunOpened) and record.body.sources is not None:
            return library_path(cache_dir(), record.body.sources)
    return None


async def _status(connection: Connection, run: str, *, is_live: bool) -> str:
    if is_live:
        return "running"
    head = await RunStream(connection, run).head(str(subjects.result(run)))
    body = head.body if head is not None else None
    return body.status if isinstance(body, ResultPublished) else "stopped"


def _newest_at(info: StreamInfo) -> float:
    return _seconds(info.state.last_ts if info.state.messages else info.created)


def _seconds(stamp: str) -> float:
    """A server's time in seconds since 1970, its fraction left out."""
    return datetime.fromisoformat(f"{stamp[:19]}+00:00").timestamp()
