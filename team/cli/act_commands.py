"""`team say` and `team cancel`: a person takes part in a run."""

from __future__ import annotations

import argparse
import asyncio

from team.cli import exit_codes
from team.cli.common import on_bus, print_json, read_run
from team.runtime import orders
from team.views.output import write_data


def say(options: argparse.Namespace) -> int:
    """Write to a member."""
    return asyncio.run(_say(options))


def cancel(options: argparse.Namespace) -> int:
    """End a run now."""
    return asyncio.run(_cancel(options))


async def _say(options: argparse.Namespace) -> int:
    async with on_bus(options) as connection:
        stream, state = await read_run(connection, options.run)
        said = await orders.say(
            stream, state, options.member, options.text, is_question=options.ask
        )
    if options.json:
        print_json({"id": said.id, "seq": said.seq, "to": options.member, "receipt": "stored"})
    else:
        write_data(f"Stored as {said.id}. Its receipts: team show {options.run}")
    return exit_codes.OK


async def _cancel(options: argparse.Namespace) -> int:
    async with on_bus(options) as connection:
        stream, state = await read_run(connection, options.run)
        done = await orders.cancel(stream, state, options.why)
    if options.json:
        print_json(
            {"run": options.run, "was_running": done.was_running, "has_ended": done.has_ended}
        )
    else:
        is_over = "is cancelled" if done.has_ended else "is told to stop"
        write_data(f"Run {options.run} {is_over}.")
    return exit_codes.OK
