"""What the commands share: options, output, how to reach the bus and a run."""

from __future__ import annotations

import argparse
import os
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any, Final

from bus.access import Access, find_access, open_access
from bus.connection import Connection, connect
from team.runtime.home import state_dir
from team.views.output import write_json
from team.views.runs import describe_run, glance, read_run, show_run

__all__ = [
    "access_of",
    "describe_run",
    "glance",
    "nats_url",
    "on_bus",
    "print_json",
    "read_run",
    "show_run",
]

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


def print_json(value: Any) -> None:
    """Print a value as indented JSON on stdout."""
    write_json(value)
