"""`team approve` and `team reject`: a person answers what a run waits for."""

from __future__ import annotations

import argparse
import asyncio

from bus.live import heard_runs
from team.cli import exit_codes
from team.cli.common import on_bus, print_json, read_run
from team.runtime.approving import Answer, answer
from team.runtime.person import check_text
from team.views.output import write_data, write_note


def approve(options: argparse.Namespace) -> int:
    """Say yes."""
    why = check_text("--why", options.why) if options.why else ""
    return asyncio.run(_answer(options, "approved", why))


def reject(options: argparse.Namespace) -> int:
    """Say no, and why."""
    return asyncio.run(_answer(options, "rejected", check_text("--why", options.why)))


async def _answer(options: argparse.Namespace, outcome: Answer, why: str) -> int:
    async with on_bus(options) as connection:
        stream, state = await read_run(connection, options.run)
        answered = await answer(stream, state, options.id, outcome, why)
        is_live = options.run in await heard_runs(connection)
    if options.json:
        print_json(answered)
    else:
        write_data(f"{answered.id} of {options.run} is {outcome}.")
    if not is_live:
        write_note(f"nobody works on it; go on with: team resume {options.run}")
    return exit_codes.OK
