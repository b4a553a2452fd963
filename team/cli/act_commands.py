"""`team say` and `team cancel`: a person takes part in a run."""

from __future__ import annotations

import argparse
import asyncio
from contextlib import suppress
from typing import Final

from bus import subjects
from bus.errors import ConflictError
from bus.ids import LEAD, PERSON
from bus.live import heard_runs
from bus.messages import CancelRun, Note, Question, ResultPublished
from bus.run_stream import Entry, RunStream
from team.cli import exit_codes
from team.cli.common import on_bus, print_json, read_run
from team.errors import SpecError, StateError
from team.views.output import write_data

HEARD_TRIES: Final = 30
HEARD_EVERY_S: Final = 0.1


def say(options: argparse.Namespace) -> int:
    """Write to a member."""
    return asyncio.run(_say(options))


def cancel(options: argparse.Namespace) -> int:
    """End a run now."""
    return asyncio.run(_cancel(options))


async def _say(options: argparse.Namespace) -> int:
    if not options.text.strip():
        raise SpecError("TEXT", "", "it is empty", "say something")
    async with on_bus(options) as connection:
        stream, state = await read_run(connection, options.run)
        names = [seat.name for seat in state.roster.present() if seat.takes_mail]
        if options.member not in names:
            reason = f"there is no member {options.member!r} that takes mail"
            raise StateError(options.run, reason, f"there is: {', '.join(names) or 'nobody'}")
        subject = subjects.mail(options.run, options.member, PERSON)
        body = Question(text=options.text) if options.ask else Note(text=options.text)
        entry = Entry(subject=subject, body=body)
        seq = await stream.append(entry)
    if options.json:
        print_json({"id": entry.id, "seq": seq, "to": options.member, "receipt": "stored"})
    else:
        write_data(f"Stored as {entry.id}. Its receipts: team show {options.run}")
    return exit_codes.OK


async def _cancel(options: argparse.Namespace) -> int:
    async with on_bus(options) as connection:
        stream, state = await read_run(connection, options.run)
        if state.result is not None:
            raise StateError(
                options.run, f"it has ended already: {state.result.status}", "nothing is left to do"
            )
        body = CancelRun(reason=options.why)
        subject = subjects.control(options.run, LEAD, PERSON)
        await stream.append(Entry(subject=subject, body=body))
        is_live = options.run in await heard_runs(connection)
        if not is_live:
            await _end(stream, options.why)
        result = await _result(stream)
    if result is not None and result.status != "cancelled":
        raise StateError(
            options.run, f"it ended before it heard: {result.status}", "see its result"
        )
    if options.json:
        print_json({"run": options.run, "was_running": is_live, "has_ended": result is not None})
    else:
        write_data(f"Run {options.run} {'is cancelled' if result else 'is told to stop'}.")
    return exit_codes.OK


async def _end(stream: RunStream, why: str) -> None:
    """Write the end of a run whose lead is not there to write it."""
    ended = ResultPublished(status="cancelled", missing=(why,))
    with suppress(ConflictError):
        await stream.append(Entry(subject=subjects.result(stream.run), body=ended, expect=0))


async def _result(stream: RunStream) -> ResultPublished | None:
    """Wait a little for the lead to end the run."""
    for _ in range(HEARD_TRIES):
        head = await stream.head(str(subjects.result(stream.run)))
        if head is not None and isinstance(head.body, ResultPublished):
            return head.body
        await asyncio.sleep(HEARD_EVERY_S)
    return None
