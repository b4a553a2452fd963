"""`team source`: what was brought from outside, and any text that may be quoted, by lines."""

from __future__ import annotations

import argparse
import asyncio

from bus.connection import Connection
from bus.run_stream import open_run
from team.agent.snapshots import Snapshots
from team.cli import exit_codes
from team.cli.audit_command import library_file
from team.cli.common import on_bus, print_json
from team.errors import UnknownSourceError
from team.sources import Library, Page, parse_locator
from team.state import fold
from team.views.columns import columns
from team.views.output import write_data
from team.views.run_object import brought_rows
from team.views.text import brought_lines

_ALL = "L1-L1000000"


def source(options: argparse.Namespace) -> int:
    """List what was brought, or print one text."""
    return asyncio.run(_source(options))


async def _source(options: argparse.Namespace) -> int:
    async with on_bus(options) as connection:
        stream = await open_run(connection, options.run)
        records = [record async for record in stream.read()]
        if options.name is None:
            rows = brought_rows(fold(records))
            lines = columns(brought_lines(rows)) or ["No tool brought anything from outside."]
            print_json(rows) if options.json else write_data("\n".join(lines))
            return exit_codes.OK
        path = await library_file(connection, options.run, records)
        if path is None:
            raise UnknownSourceError(options.name, "the sources of this run are gone", ())
        with Library.open(path) as library:
            await _load(connection, options.run, library, options.name)
            pages = _pages(library, options.name, options.lines)
    if options.json:
        print_json(pages)
    else:
        write_data("\n".join(_numbered(pages)))
    return exit_codes.OK


async def _load(connection: Connection, run: str, library: Library, name: str) -> None:
    await Snapshots("source", await open_run(connection, run), library).load([name])


def _pages(library: Library, name: str, lines: str | None) -> list[Page]:
    """The lines that were asked for, in as many pages as one may have."""
    place = parse_locator(lines or _ALL)
    pages, first = list[Page](), place.first
    while True:
        page = library.read(name, first, place.last, page=place.page)
        pages.append(page)
        first = page.locator.last + 1
        if first > min(place.last, page.of_lines):
            return pages


def _numbered(pages: list[Page]) -> list[str]:
    return [
        f"L{number}| {line}"
        for page in pages
        for number, line in enumerate(page.lines, start=page.locator.first)
    ]
