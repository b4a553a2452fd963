"""`team ps`, `show`, `watch`, `log`, `decisions`: look at runs, change nothing."""

from __future__ import annotations

import argparse
import asyncio
from typing import Any

import msgspec

from bus import subjects
from bus.live import heard_runs
from bus.messages import type_name
from bus.run_stream import Record, RunStream, list_runs, open_run
from team.cli import exit_codes
from team.cli.common import add_common, on_bus, out, print_json, read_run, show_run
from team.state import RunState
from team.views.follow import Follower
from team.views.lines import log_line, one_line
from team.views.progress import show_progress
from team.views.run_object import decision_rows, status_of
from team.views.text import columns, show_text, summary_text


def add_parsers(commands: Any) -> None:
    """Add the commands that look."""
    ps = _parser(commands, "ps", "list the runs on the server", "team ps\n  team ps --json")
    ps.set_defaults(handler=lambda options: asyncio.run(_ps(options)))
    show = _parser(
        commands,
        "show",
        "show one run: members, tasks, decisions, mail with receipts, result, cost",
        "team show r1121-101500-3fa2\n  team show nightly-42 --json",
    )
    show.add_argument("run", metavar="RUN")
    show.set_defaults(handler=lambda options: asyncio.run(_show(options)))
    watch = _parser(
        commands,
        "watch",
        "follow a run live until it ends",
        "team watch r1121-101500-3fa2\n  team watch nightly-42 | tee run.txt",
        with_json=False,
    )
    watch.add_argument("run", metavar="RUN")
    watch.set_defaults(handler=lambda options: asyncio.run(_watch(options)))
    _add_log(commands)
    decisions = _parser(
        commands,
        "decisions",
        "list the decisions of a run",
        "team decisions nightly-42\n  team decisions nightly-42 --history --area api",
    )
    decisions.add_argument("run", metavar="RUN")
    decisions.add_argument("--area", help="only this area")
    decisions.add_argument("--history", action="store_true", help="superseded ones too")
    decisions.set_defaults(handler=lambda options: asyncio.run(_decisions(options)))


def _add_log(commands: Any) -> None:
    log = _parser(
        commands,
        "log",
        "print a run's stream, message by message",
        "team log nightly-42 --kind mail --kind decision\n"
        "  team log nightly-42 --member ada --follow\n"
        "  team log nightly-42 --json | jq .type",
    )
    log.add_argument("run", metavar="RUN")
    log.add_argument(
        "--kind", action="append", choices=sorted(subjects.NAMES_OF_KIND), help="may be repeated"
    )
    log.add_argument("--member", action="append", metavar="NAME", help="may be repeated")
    log.add_argument("--follow", "-f", action="store_true", help="go on until the run ends")
    log.set_defaults(handler=lambda options: asyncio.run(_log(options)))


def _parser(
    commands: Any, name: str, help_text: str, examples: str, *, with_json: bool = True
) -> argparse.ArgumentParser:
    parser: argparse.ArgumentParser = commands.add_parser(
        name,
        help=help_text,
        description=help_text[0].upper() + help_text[1:] + ".",
        epilog=f"examples:\n  {examples}",
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    add_common(parser, with_json=with_json)
    return parser


class RunRow(msgspec.Struct, frozen=True, kw_only=True):
    """One run in a list."""

    run: str
    status: str
    created_at: str
    goal: str
    messages: int
    size_bytes: int


async def _ps(options: argparse.Namespace) -> int:
    async with on_bus(options) as connection:
        infos = await list_runs(connection)
        live = await heard_runs(connection) if infos else set()
        rows = [
            RunRow(
                run=info.run,
                status=await _status(RunStream(connection, info.run), is_live=info.run in live),
                created_at=info.created_at[:19] + "Z",
                goal=info.label,
                messages=info.messages,
                size_bytes=info.size_bytes,
            )
            for info in infos
        ]
    if options.json:
        print_json(rows)
    elif not rows:
        out('There are no runs here. Start one: team run research "…" --source DIR')
    else:
        table = [("RUN", "STATUS", "STARTED", "GOAL")]
        table += [(r.run, r.status, r.created_at, one_line(r.goal, 80)) for r in rows]
        out("\n".join(columns(table)))
    return exit_codes.OK


async def _status(stream: RunStream, *, is_live: bool) -> str:
    """A run's status from a few messages, without reading all of it."""
    state = RunState()
    for kind in ("member", "result"):
        async for record in stream.read(subjects.pattern(stream.run, kind)):
            if record.seq > state.last_seq:
                state.apply(record)
    return status_of(state, is_live=is_live)


async def _show(options: argparse.Namespace) -> int:
    async with on_bus(options) as connection:
        _, shown = await show_run(connection, options.run)
    if options.json:
        print_json(shown)
    else:
        out(show_text(shown))
    return exit_codes.OK


async def _watch(options: argparse.Namespace) -> int:
    async with on_bus(options) as connection:
        stream = await open_run(connection, options.run)
        follower = Follower(connection, options.run)
        async with show_progress(follower):
            await follower.caught_up(await stream.last_seq())
            try:
                while follower.state.result is None:
                    follower.changed.clear()
                    await follower.changed.wait()
            except asyncio.CancelledError:
                return exit_codes.INTERRUPTED
        _, shown = await show_run(connection, options.run)
    out(summary_text(shown))
    return exit_codes.OF_STATUS[shown.status]


async def _log(options: argparse.Namespace) -> int:
    async with on_bus(options) as connection:
        stream = await open_run(connection, options.run)

        def show(record: Record) -> None:
            if _is_wanted(record, options):
                out(_json_line(record) if options.json else log_line(record))

        if not options.follow:
            async for record in stream.read():
                show(record)
            return exit_codes.OK
        follower = Follower(connection, options.run, lambda record, _: show(record))
        async with follower:
            while follower.state.result is None:
                follower.changed.clear()
                await follower.changed.wait()
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


async def _decisions(options: argparse.Namespace) -> int:
    async with on_bus(options) as connection:
        _, state = await read_run(connection, options.run)
    rows = [
        row
        for row in decision_rows(state)
        if (options.history or row.state != "superseded") and options.area in (None, row.area)
    ]
    if options.json:
        print_json(rows)
    elif not rows:
        out(f"No decision has been recorded in {options.run}.")
    else:
        table = [("DECISION", "REVISION", "BY", "STATE", "STATEMENT")]
        table += [
            (f"{r.area}/{r.key}", str(r.revision), r.author, r.state, r.statement) for r in rows
        ]
        out("\n".join(columns(table)))
    return exit_codes.OK
