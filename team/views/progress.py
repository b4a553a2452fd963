"""Progress while a run goes on: a live table on a terminal, plain lines elsewhere."""

from __future__ import annotations

import asyncio
import sys
import time
from collections.abc import AsyncIterator, Coroutine
from contextlib import asynccontextmanager, suppress
from typing import TYPE_CHECKING, Final

import msgspec

from bus.live import Beat
from bus.messages import ApprovalAsked, MemberSeated, RunTriaged, TaskSettled, VerdictGiven
from bus.run_stream import Record
from team.rules.approvals import awaited
from team.state import RunState
from team.views.follow import Follower
from team.views.lines import clock, story_line
from team.views.output import seen, write_note
from team.views.usage import spent_line
from team.views.waiting import waiting_text

if TYPE_CHECKING:
    from rich.live import Live

REDRAW_S: Final = 0.2

Wait = tuple[str, int, str]
"""Who waits, in which turn, and why."""


@asynccontextmanager
async def show_progress(follower: Follower, *, is_quiet: bool = False) -> AsyncIterator[Follower]:
    """Follow a run and show it on stderr until the block ends."""
    if is_quiet:
        async with follower:
            yield follower
        return
    if sys.stderr.isatty():
        async with follower, _drawing(follower):
            yield follower
        return
    follower.on_record = _print_line
    async with follower, _in_background(_telling_waits(follower)):
        yield follower


async def _telling_waits(follower: Follower) -> None:
    told = set[Wait]()
    while True:
        beats = follower.beats
        for name, _, _ in new_waits(beats, told):
            write_note(f"{clock(time.time())}  {name:<10} {beats[name].doing}")
        await asyncio.sleep(REDRAW_S)


def new_waits(beats: dict[str, Beat], told: set[Wait]) -> list[Wait]:
    """Which members wait, for a reason that was not told of them in this turn; now it is."""
    waits = [
        (name, beat.turn, beat.doing.partition(": ")[2])
        for name, beat in beats.items()
        if beat.state == "waiting"
    ]
    new = [wait for wait in waits if wait not in told]
    told.update(new)
    return new


def _print_line(record: Record, state: RunState) -> None:
    if isinstance(record.body, ApprovalAsked):
        write_note(waiting_text(record.subject.run, awaited(state)[-1:]))
    line = story_line(_without_canaries(record, state))
    if line is not None and not _is_reseated(record, state):
        write_note(line)
    if _is_stage(record, state):
        write_note(f"{clock(record.at)}  {'spent':<10} {spent_line(state)}")


def _is_stage(record: Record, state: RunState) -> bool:
    """Whether a stage of the run has ended: its plan, or a lane."""
    if not isinstance(record.body, TaskSettled):
        return isinstance(record.body, RunTriaged)
    task = state.board.tasks.get(record.subject.names[0])
    return task is not None and task.purpose == "research"


def _without_canaries(record: Record, state: RunState) -> Record:
    """A verdict as it bears on the finding: what was slipped to its author is no part of that."""
    verdict, envelope = record.body, record.envelope
    if not isinstance(verdict, VerdictGiven) or envelope is None:
        return record
    planted = state.findings.canaries_of(verdict.finding_seq)
    kept = tuple(one for one in verdict.judgements if one.claim not in planted)
    body = msgspec.structs.replace(verdict, judgements=kept)
    return msgspec.structs.replace(record, envelope=msgspec.structs.replace(envelope, body=body))


def _is_reseated(record: Record, state: RunState) -> bool:
    """Whether a seat is only laid out anew, with a wider filter list."""
    if not isinstance(record.body, MemberSeated):
        return False
    return state.roster.seats[record.subject.names[0]].seated_seq != record.seq


@asynccontextmanager
async def _drawing(follower: Follower) -> AsyncIterator[None]:
    from rich.console import Console
    from rich.live import Live

    live = Live(console=Console(stderr=True), auto_refresh=False, transient=True, screen=False)

    async def redraw() -> None:
        while True:
            draw(live, follower)
            await asyncio.sleep(REDRAW_S)

    live.start()
    try:
        async with _in_background(redraw()):
            yield
        draw(live, follower)
    finally:
        with suppress(Exception):
            live.stop()


def draw(live: Live, follower: Follower) -> None:
    """Draw a run as it stands, or that it can't be: a run goes on whether it is seen or not."""
    from rich.text import Text

    from team.views.watch import picture

    try:
        live.update(picture(follower), refresh=True)
    except Exception as error:
        live.update(Text(seen(f"the run can't be drawn: {error!r}")))


@asynccontextmanager
async def _in_background(work: Coroutine[None, None, None]) -> AsyncIterator[None]:
    task = asyncio.create_task(work)
    try:
        yield
    finally:
        task.cancel()
        with suppress(asyncio.CancelledError):
            await task
