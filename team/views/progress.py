"""Progress while a run goes on: a live table on a terminal, plain lines elsewhere."""

from __future__ import annotations

import asyncio
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from typing import Final

import msgspec

from bus.messages import ApprovalAsked, MemberSeated, VerdictGiven
from bus.run_stream import Record
from team.rules.approvals import awaited
from team.state import RunState
from team.views.follow import Follower
from team.views.lines import story_line
from team.views.output import write_note
from team.views.waiting import waiting_text

REDRAW_S: Final = 0.2


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
    async with follower:
        yield follower


def _print_line(record: Record, state: RunState) -> None:
    if isinstance(record.body, ApprovalAsked):
        write_note(waiting_text(record.subject.run, awaited(state)[-1:]))
    line = story_line(_without_canaries(record, state))
    if line is not None and not _is_reseated(record, state):
        write_note(line)


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

    from team.views.watch import picture

    with Live(
        console=Console(stderr=True), auto_refresh=False, transient=True, screen=False
    ) as live:

        async def redraw() -> None:
            while True:
                live.update(picture(follower), refresh=True)
                await asyncio.sleep(REDRAW_S)

        task = asyncio.create_task(redraw())
        try:
            yield
        finally:
            task.cancel()
            with suppress(asyncio.CancelledError):
                await task
            live.update(picture(follower), refresh=True)
