"""`team say` and `team cancel`: a person takes part in a run."""

from __future__ import annotations

import argparse
import asyncio

from bus import subjects
from bus.ids import LEAD, PERSON
from bus.live import heard_runs
from bus.messages import CancelRun, Note, Question, ResultPublished
from bus.run_stream import Entry
from team.cli import exit_codes
from team.cli.common import on_bus, out, print_json, read_run
from team.errors import SpecError, StateError


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
        names = [seat.name for seat in state.roster.present()]
        if options.member not in names:
            known = ", ".join(names) or "nobody any more"
            raise StateError(
                options.run, f"there is no member {options.member!r}", f"there is: {known}"
            )
        subject = subjects.mail(options.run, options.member, PERSON)
        body = Question(text=options.text) if options.ask else Note(text=options.text)
        entry = Entry(subject=subject, body=body)
        seq = await stream.append(entry)
    if options.json:
        print_json({"id": entry.id, "seq": seq, "to": options.member, "receipt": "stored"})
    else:
        out(f"Stored as {entry.id}. Its receipts: team show {options.run}")
    return exit_codes.OK


async def _cancel(options: argparse.Namespace) -> int:
    async with on_bus(options) as connection:
        stream, state = await read_run(connection, options.run)
        if state.result is not None:
            raise StateError(
                options.run, f"it has ended already: {state.result.status}", "nothing is left to do"
            )
        is_live = options.run in await heard_runs(connection)
        body = CancelRun(reason=options.why)
        subject = subjects.control(options.run, LEAD, PERSON)
        await stream.append(Entry(subject=subject, body=body))
        if not is_live:
            # Nobody is there to hear it, so the end is written here.
            ended = ResultPublished(status="cancelled", missing=(options.why,))
            await stream.append(Entry(subject=subjects.result(options.run), body=ended, expect=0))
    if options.json:
        print_json({"run": options.run, "was_running": is_live})
    else:
        out(f"Run {options.run} is {'told to stop' if is_live else 'cancelled'}.")
    return exit_codes.OK
