"""What the commands share: options, output, how to reach the bus and a run."""

from __future__ import annotations

import argparse
import os
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any, Final

from bus import subjects
from bus.access import Access, find_access, open_access
from bus.connection import Connection, connect
from bus.errors import BusUnavailableError
from bus.feed import feed_position
from bus.live import heard_members
from bus.run_stream import RunStream, open_run
from team.runtime.home import run_dir, state_dir
from team.state import RunState, fold
from team.views.output import write_json
from team.views.run_object import RunObject, run_object

NATS_VARIABLE: Final = "NATS_URL"


def nats_url(options: argparse.Namespace) -> str | None:
    """The server that the user named, if any."""
    return options.nats or os.environ.get(NATS_VARIABLE) or None


def access_of(options: argparse.Namespace) -> Access:
    """Get into the bus, starting the embedded server if need be."""
    return open_access(state_dir(), nats_url(options))


@asynccontextmanager
async def on_bus(options: argparse.Namespace, *, starts: bool = False) -> AsyncIterator[Connection]:
    """Connect for one command.

    Args:
        options: With `nats`.
        starts: Whether the embedded server is started if it does not run.

    Raises:
        BusError: It can't be reached or used.
    """
    url = nats_url(options)
    access = open_access(state_dir(), url) if starts else find_access(state_dir(), url)
    if access is None:
        # The embedded server keeps its runs on disk; looking at them needs it running.
        access = open_access(state_dir(), url)
    async with connect(access, name=f"team {options.command}") as connection:
        await connection.check_jetstream()
        yield connection


async def read_run(connection: Connection, run: str) -> tuple[RunStream, RunState]:
    """Open a run and fold its whole stream.

    Raises:
        RunNotFoundError: There is none of that name.
    """
    stream = await open_run(connection, run)
    state = RunState()
    async for record in stream.read():
        state.apply(record)
    return stream, state


async def glance(stream: RunStream) -> RunState:
    """A run by a few of its messages, without reading all of it."""
    kinds = ("spec", "member", "approval", "decision", "result")
    patterns = [subjects.pattern(stream.run, kind) for kind in kinds]
    records = [record for pattern in patterns async for record in stream.read(pattern)]
    return fold(sorted(records, key=lambda r: r.seq))


async def show_run(connection: Connection, run: str) -> tuple[RunState, RunObject]:
    """Describe a run as it stands now."""
    _, state = await read_run(connection, run)
    return state, await describe_run(connection, run, state)


async def describe_run(
    connection: Connection, run: str, state: RunState, *, may_be_live: bool = True
) -> RunObject:
    """Describe a folded run, with what only the server and this machine know.

    Args:
        connection: Any.
        run: The run.
        state: The fold of its whole stream.
        may_be_live: Whether to listen for heartbeats; takes a second.
    """
    fetched: dict[str, int] = {}
    for name in state.roster.seats:
        try:
            position = await feed_position(connection, run, name)
        except BusUnavailableError:
            continue
        if position is not None:
            fetched[name] = position.fetched_seq
    is_open = may_be_live and state.result is None
    heard = (await heard_members(connection)).get(run, {}) if is_open else {}
    report = run_dir(run) / "report.html"
    return run_object(
        run,
        state,
        is_live=bool(heard),
        heard=heard,
        fetched=fetched,
        report=str(report) if report.exists() else None,
    )


def print_json(value: Any) -> None:
    """Print a value as indented JSON on stdout."""
    write_json(value)
