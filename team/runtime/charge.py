"""Who supervises a run: one command at a time, on any machine that reaches the bus."""

from __future__ import annotations

import asyncio
import os
import socket
from contextlib import suppress
from typing import Final

from bus import subjects
from bus.connection import Connection
from bus.errors import BusError, ConflictError
from bus.ids import SUPERVISOR
from bus.live import Roll
from bus.messages import MemberJoined
from bus.run_stream import Entry, Record, RunStream
from team.errors import StateError
from team.state.run import is_work

QUIET_S: Final = 1.5
"""How long nobody of a run may be heard before it counts as left, in seconds."""
LISTENS_MAX: Final = 3
"""How often it is listened for that long."""
WORD_S: Final = 2.0
"""For how long it is tried to say that the run was asleep, in seconds; then again."""
RECENT: Final = 64
"""Among so many of a run's last messages is one that shows work."""
LOOK_EVERY_S: Final = 1.0
"""How often a supervisor looks whether it still is the run's, in seconds."""


async def take_charge(connection: Connection, stream: RunStream) -> int:
    """Become the run's only supervisor, or refuse: two would start every member twice.

    Returns:
        The sequence under which that is stored.

    Raises:
        StateError: Another supervises it, or has just begun to.
    """
    subject = subjects.member(stream.run, SUPERVISOR, SUPERVISOR)
    head = await stream.head(str(subject))
    taken = StateError(stream.run, "it is running", f"follow it: team watch {stream.run}")
    if head is not None and await _is_still_heard(connection, stream.run):
        raise taken
    idle_since = 0.0 if head is None else await _idle_since(stream)
    entry = Entry(subject=subject, body=_joined(idle_since), expect=0 if head is None else head.seq)
    try:
        return await stream.append(entry)
    except ConflictError as error:
        raise taken from error


async def _idle_since(stream: RunStream) -> float:
    """When the last message that shows work was stored, in seconds since 1970; 0 is unknown."""
    first_seq = max(1, await stream.last_seq() - RECENT)
    times = [r.at async for r in stream.read(first_seq=first_seq) if is_work(r)]
    return times[-1] if times else 0.0


async def _is_still_heard(connection: Connection, run: str) -> bool:
    """Whether members go on; those of a command that was just killed end in a moment."""
    async with Roll(connection, run) as roll:
        for _ in range(LISTENS_MAX):
            await asyncio.sleep(QUIET_S)
            if not roll.live(run, QUIET_S):
                return False
    return True


async def until_taken_over(stream: RunStream, charge_seq: int) -> None:
    """Wait until another command has become the run's supervisor.

    One that was frozen or cut off was not heard, so that the run could be taken up
    elsewhere; the stream says so, however long that was.
    """
    while True:
        await asyncio.sleep(LOOK_EVERY_S)
        if await is_taken_over(stream, charge_seq):
            return


async def is_taken_over(stream: RunStream, charge_seq: int) -> bool:
    """Whether another command has become the run's supervisor; no if the bus can't say."""
    with suppress(BusError):
        head = await stream.head(str(subjects.member(stream.run, SUPERVISOR, SUPERVISOR)))
        return head is not None and head.seq > charge_seq and not _is_ours(head)
    return False


async def say_asleep(stream: RunStream, charge_seq: int, since: float) -> int:
    """Say that nobody worked on the run from a time (seconds since 1970) until now.

    Returns:
        The sequence under which this command is the run's supervisor from now on.

    Raises:
        ConflictError: Another is.
        BusUnavailableError: No answer within a moment; try again.
    """
    subject = subjects.member(stream.run, SUPERVISOR, SUPERVISOR)
    entry = Entry(subject=subject, body=_joined(since), expect=charge_seq)
    return await stream.append(entry, retry_s=WORD_S)


def _joined(idle_since: float) -> MemberJoined:
    return MemberJoined(pid=os.getpid(), host=socket.gethostname(), idle_since=idle_since)


def _is_ours(record: Record) -> bool:
    body = record.body
    return isinstance(body, MemberJoined) and (body.pid, body.host) == (
        os.getpid(),
        socket.gethostname(),
    )
