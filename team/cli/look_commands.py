"""`team ps`, `show`, `watch`, `log`: look at runs, change nothing."""

from __future__ import annotations

import argparse
import asyncio
from typing import Any

import msgspec

from bus.messages import type_name
from bus.run_stream import Record, open_run
from team.cli import exit_codes
from team.cli.common import on_bus, print_json, show_run
from team.views.columns import columns
from team.views.follow import Follower
from team.views.lines import log_line, one_line
from team.views.output import write_data, write_note
from team.views.progress import show_progress
from team.views.runs import RunRow, run_rows
from team.views.text import show_text, summary_text


def ps(options: argparse.Namespace) -> int:
    """List the runs on the server."""
    return asyncio.run(_ps(options))


def show(options: argparse.Namespace) -> int:
    """Show one run."""
    return asyncio.run(_show(options))


def watch(options: argparse.Namespace) -> int:
    """Follow a run live."""
    return asyncio.run(_watch(options))


def log(options: argparse.Namespace) -> int:
    """Print a run's stream."""
    return asyncio.run(_log(options))


async def _ps(options: argparse.Namespace) -> int:
    async with on_bus(options) as connection:
        rows = await run_rows(connection)
    if options.json:
        print_json(rows)
    elif not rows:
        write_data('There are no runs here. Start one: team run research "…" --source DIR')
    else:
        table = [("RUN", "STATUS", "STARTED", "GOAL")]
        table += [(r.run, _standing(r), r.created_at, _asked(r)) for r in rows]
        write_data("\n".join(columns(table)))
    return exit_codes.OK


def _standing(row: RunRow) -> str:
    """How a run stands, what it waits for, and who is not heard."""
    waits = f" for {', '.join(row.waits_for)}" if row.waits_for else ""
    silent = f", silent: {', '.join(row.silent)}" if row.silent else ""
    return f"{row.status}{waits}{silent}"


def _asked(row: RunRow) -> str:
    """What a run was asked, and of which run it is a fork."""
    origin = f" (fork of {row.forked.origin} at {row.forked.at_seq})" if row.forked else ""
    return one_line(row.goal, 80) + origin


async def _show(options: argparse.Namespace) -> int:
    async with on_bus(options) as connection:
        _, shown = await show_run(connection, options.run)
    if options.json:
        print_json(shown)
    else:
        write_data(show_text(shown))
    return exit_codes.OK


async def _watch(options: argparse.Namespace) -> int:
    async with on_bus(options) as connection:
        stream = await open_run(connection, options.run)
        follower = Follower(connection, options.run)
        if options.json:
            follower.on_record = lambda record, _: write_data(_json_line(record))
        async with show_progress(follower, is_quiet=options.json):
            await follower.caught_up(await stream.last_seq())
            await follower.ended()
        _, shown = await show_run(connection, options.run)
    if not options.json:
        write_data(summary_text(shown))
    if shown.result is None and shown.status in ("stopped", "stalled", "waiting"):
        write_note(f"nobody works on it; take it up with: team resume {options.run}")
    return exit_codes.OF_STATUS[shown.status]


async def _log(options: argparse.Namespace) -> int:
    async with on_bus(options) as connection:
        stream = await open_run(connection, options.run)

        def print_it(record: Record) -> None:
            if _is_wanted(record, options):
                write_data(_json_line(record) if options.json else log_line(record))

        if not options.follow:
            async for record in stream.read():
                print_it(record)
            return exit_codes.OK
        follower = Follower(connection, options.run, lambda record, _: print_it(record))
        async with follower:
            if not await follower.ended():
                write_note(f"nobody works on it; take it up with: team resume {options.run}")
    return exit_codes.OK


def _is_wanted(record: Record, options: argparse.Namespace) -> bool:
    subject = record.subject
    if options.kind and subject.kind not in options.kind:
        return False
    return not options.member or bool({subject.author, *subject.names} & set(options.member))


def _json_line(record: Record) -> str:
    """One record as one JSON object: where, when, who, and the message as it was sent."""
    fields: dict[str, Any] = {
        "seq": record.seq,
        "at": record.at,
        "subject": str(record.subject),
        "kind": record.subject.kind,
        "author": record.subject.author,
        "type": type_name(record.body) if record.body is not None else None,
        "id": record.id,
        "problem": record.problem,
        "body": record.body,
    }
    return msgspec.json.encode(fields).decode()
