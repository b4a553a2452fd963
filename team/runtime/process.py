"""A member's process, from fork to exit code (see `team.runtime.exit_codes`).

The process ends with the one that launched it, whatever kills that.
"""

from __future__ import annotations

import asyncio
import multiprocessing
import os
import signal
import sys
from contextlib import suppress
from pathlib import Path
from typing import Final

import structlog

from bus import kill_points, subjects
from bus.connection import connect
from bus.errors import (
    BusError,
    BusUnavailableError,
    FencedError,
    StorageFullError,
    TooLargeError,
)
from bus.ids import LEAD
from bus.messages import MemberLost
from bus.run_stream import Entry, RunStream
from team.errors import ModelRefusedError, StateError, TeamError
from team.members.lead import run_lead
from team.members.member import seated
from team.members.seat import SeatKey
from team.members.teammate import run_teammate
from team.runtime.exit_codes import (
    EXIT_BUS_FULL,
    EXIT_CRASHED,
    EXIT_DONE,
    EXIT_FENCED,
    EXIT_FINAL,
    EXIT_NO_BUS,
)
from team.runtime.logs import log_to_file

ORPHAN_GRACE_S: Final = 1.0
STDOUT: Final = 1
STDERR: Final = 2

log = structlog.get_logger()


def run_member(key: SeatKey) -> None:
    """Be a member until its work is done; ends the process with an exit code."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    if key.incarnation > 1:
        kill_points.spare()
    _redirect(Path(key.log_path))
    log_to_file(Path(key.log_path))
    structlog.contextvars.bind_contextvars(run_id=key.run, member=key.name, pid=os.getpid())
    code = asyncio.run(_live(key))
    for stream in (sys.stdout, sys.stderr):
        if stream is not None:
            stream.flush()
    os._exit(code)


async def _live(key: SeatKey) -> int:
    _end_with_parent()
    try:
        async with seated(key) as member:
            await (run_lead(member) if key.name == LEAD else run_teammate(member))
    except FencedError as error:
        log.error("member.failed", error=str(error))  # noqa: TRY400 - foreseen, no traceback
        return EXIT_FENCED
    except (BusUnavailableError, StorageFullError) as error:
        log.error("member.failed", error=str(error))  # noqa: TRY400 - foreseen, no traceback
        return EXIT_BUS_FULL if isinstance(error, StorageFullError) else EXIT_NO_BUS
    except (ModelRefusedError, StateError, TooLargeError) as error:
        log.error("member.failed", error=str(error))  # noqa: TRY400 - foreseen, no traceback
        await _give_up(key, error)
        return EXIT_FINAL
    except Exception as error:
        log.exception("member.failed", error=str(error))
        return EXIT_CRASHED
    return EXIT_DONE


async def _give_up(key: SeatKey, error: TeamError | TooLargeError) -> None:
    """Say in the stream why this member can't go on."""
    subject = subjects.member(key.run, key.name, key.name)
    with suppress(BusError):
        async with connect(key.access, name=f"{key.run}/{key.name}") as connection:
            stream = RunStream(connection, key.run)
            await stream.append(Entry(subject=subject, body=MemberLost(reason=str(error))))


def _end_with_parent() -> None:
    """Stop when the launching process is gone; PR_SET_PDEATHSIG does not reach forked members."""
    parent = multiprocessing.parent_process()
    if parent is None:
        return
    loop = asyncio.get_running_loop()

    def on_gone() -> None:
        loop.remove_reader(parent.sentinel)
        loop.call_later(ORPHAN_GRACE_S, os._exit, EXIT_DONE)
        os.kill(os.getpid(), signal.SIGTERM)

    loop.add_reader(parent.sentinel, on_gone)


def _redirect(path: Path) -> None:
    """Send everything this process prints, crashes included, to its own file."""
    path.parent.mkdir(parents=True, exist_ok=True)
    with path.open("ab") as file:
        os.dup2(file.fileno(), STDOUT)
        os.dup2(file.fileno(), STDERR)
