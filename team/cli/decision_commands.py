"""`team decisions`, `decide`, `challenge`, `rule`: the decisions log, for people."""

from __future__ import annotations

import argparse
import asyncio
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Literal

from bus.messages import RulingOutcome
from bus.run_stream import RunStream
from bus.subjects import result as result_subject
from team.cli import exit_codes
from team.cli.common import on_bus, print_json, read_run
from team.errors import SpecError, StateError
from team.runtime import person
from team.runtime.person import Acted, Name
from team.runtime.standing import export_decisions
from team.state import RunState
from team.views.decisions import decision_rows, history_text, list_text
from team.views.output import write_data, write_note


def decisions(options: argparse.Namespace) -> int:
    """List the decisions of a run, or write them as files."""
    return asyncio.run(_decisions(options))


def decide(options: argparse.Namespace) -> int:
    """Decide something for a run."""
    statement = person.check_line("STATEMENT", options.statement)
    explained = person.check_explained(options.why, options.considered)

    async def act(stream: RunStream, name: Name) -> Acted:
        return await person.decide(stream, name, statement, explained, is_distinct=options.distinct)

    return asyncio.run(_act(options, act, "decided"))


def challenge(options: argparse.Namespace) -> int:
    """Object to a decision."""
    reason = person.check_text("--why", options.why)
    instead = person.check_line("--instead", options.instead) if options.instead else ""

    async def act(stream: RunStream, name: Name) -> Acted:
        return await person.challenge(stream, name, reason, instead)

    return asyncio.run(_act(options, act, "challenged"))


def rule(options: argparse.Namespace) -> int:
    """Rule on a decision."""
    reason = person.check_text("--why", options.why)
    outcome: RulingOutcome = "upheld" if options.uphold else "withdrawn"
    statement = ""
    if options.instead is not None:
        outcome, statement = "superseded", person.check_line("--instead", options.instead)

    async def act(stream: RunStream, name: Name) -> Acted:
        return await person.rule(stream, name, outcome, reason, statement)

    return asyncio.run(_act(options, act, outcome))


async def _act(
    options: argparse.Namespace,
    act: Callable[[RunStream, Name], Awaitable[Acted]],
    done: str,
) -> int:
    name = person.parse_name(options.decision)
    async with on_bus(options) as connection:
        stream, state = await read_run(connection, options.run)
        if state.result is not None:
            raise StateError(
                options.run,
                f"it has ended: {state.result.status}",
                "its decisions can still be exported: team decisions RUN --export DIR",
            )
        acted = await act(stream, name)
        end = await stream.head(str(result_subject(options.run)))
        if end is not None and end.seq < acted.seq:
            why = "it ended before that was stored, which changes nothing"
            raise StateError(options.run, why, "look with 'team decisions'")
    before = acted.before
    if options.json:
        print_json(
            {
                "area": name.area,
                "key": name.key,
                "seq": acted.seq,
                "did": done,
                "before": before.seq if before else None,
            }
        )
        return exit_codes.OK
    was = f" It was {before.author}'s r{before.seq}: {before.statement}" if before else ""
    write_data(f"{name} is {done}, as {acted.seq}.{was}")
    return exit_codes.OK


async def _decisions(options: argparse.Namespace) -> int:
    if options.export is not None and not options.export.strip():
        raise SpecError("--export", "", "it is empty", "name a folder")
    if options.format and not options.export:
        raise SpecError("--format", "", "it goes with --export", "add --export DIR")
    async with on_bus(options) as connection:
        _, state = await read_run(connection, options.run)
    if options.export:
        return _export(options, state)
    rows = [row for row in decision_rows(state) if options.area in (None, row.area)]
    shown = rows if options.history else [row for row in rows if row.is_current]
    if options.json:
        print_json(shown)
    elif not shown:
        where = f" in the area {options.area}" if options.area else ""
        write_data(f"No decision holds{where} in {options.run}.")
    else:
        write_data(history_text(shown) if options.history else list_text(shown))
    return exit_codes.OK


def _export(options: argparse.Namespace, state: RunState) -> int:
    style: Literal["auto", "madr", "nygard"] = options.format or "auto"
    export = export_decisions(options.run, state, Path(options.export), style, options.area)
    if options.json:
        print_json(export)
        return exit_codes.OK
    for name in export.fallen:
        write_note(f"left out: {name}: it has fallen with what it rests on")
    if export.files:
        write_data("\n".join(f"{file.action}: {file.path}" for file in export.files))
    else:
        write_data(f"{options.run} has decided nothing that stands: no file was written.")
    return exit_codes.OK
