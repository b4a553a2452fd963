"""`team prune`: remove runs by age and size, after asking."""

from __future__ import annotations

import argparse
import asyncio
import sys
import time

import msgspec

from bus.connection import Connection
from team.cli import exit_codes
from team.cli.common import on_bus, print_json
from team.errors import SpecError
from team.runtime.pruning import (
    Choice,
    Kept,
    choose,
    parse_age,
    parse_size,
    remove_leftovers,
    remove_libraries,
    remove_runs,
    runs_kept,
)
from team.views.columns import columns
from team.views.lines import one_line, size_text
from team.views.output import write_data, write_note


class Pruned(msgspec.Struct, frozen=True, kw_only=True):
    """What `team prune` has removed, or would.

    Attributes:
        dry_run: Whether nothing was removed.
        runs: What goes, the oldest first.
        size_bytes: What these take on the server.
        kept_bytes: What stays there.
        leftovers: Streams of imports and forks that were cut off.
        libraries: Libraries of sources on this machine that no run refers to any more.
    """

    dry_run: bool
    runs: tuple[Kept, ...]
    size_bytes: int
    kept_bytes: int
    leftovers: int = 0
    libraries: int = 0


class _Limits(msgspec.Struct, frozen=True):
    older_than_s: float | None
    keep_bytes: int | None


def prune(options: argparse.Namespace) -> int:
    """Remove runs that nobody needs any more."""
    limits = _Limits(
        parse_age(options.older_than) if options.older_than is not None else None,
        parse_size(options.keep_size) if options.keep_size is not None else None,
    )
    if limits == _Limits(None, None):
        fix = "give --older-than 30d, --keep-size 2GB, or both"
        raise SpecError("prune", "", "it is not said what is to go", fix)
    is_asked = not (options.yes or options.dry_run)
    if is_asked and not (sys.stdin.isatty() and sys.stderr.isatty()):
        raise SpecError("prune", "", "nobody can be asked here", "add --yes, or --dry-run to look")
    return asyncio.run(_prune(options, limits, is_asked=is_asked))


async def _prune(options: argparse.Namespace, limits: _Limits, *, is_asked: bool) -> int:
    async with on_bus(options) as connection:
        choice = choose(
            await runs_kept(connection),
            now=time.time(),
            older_than_s=limits.older_than_s,
            keep_bytes=limits.keep_bytes,
            stopped=options.stopped,
        )
        if is_asked and choice.removed:
            write_note(_table(choice))
            if not await asyncio.to_thread(_agrees):
                write_note("nothing was removed")
                return exit_codes.OK
        pruned = await _pruned(connection, choice, is_dry=options.dry_run)
    if limits.keep_bytes is not None and pruned.kept_bytes > limits.keep_bytes:
        write_note(f"{size_text(pruned.kept_bytes)} stay: runs that have not ended are kept")
    _show(options, choice, pruned)
    return exit_codes.OK


async def _pruned(connection: Connection, choice: Choice, *, is_dry: bool) -> Pruned:
    """Remove what was chosen; what was taken up meanwhile stays."""
    gone = choice.removed if is_dry else tuple(await remove_runs(connection, choice.removed))
    spared = sum(one.size_bytes for one in choice.removed if one not in gone)
    return Pruned(
        dry_run=is_dry,
        runs=gone,
        size_bytes=sum(one.size_bytes for one in gone),
        kept_bytes=choice.kept_bytes + spared,
        leftovers=0 if is_dry else await remove_leftovers(connection, time.time()),
        libraries=0 if is_dry else await remove_libraries(connection),
    )


def _agrees() -> bool:
    write_note("Remove these runs for good? [y/N]")
    return sys.stdin.readline().strip().lower() in ("y", "yes")


def _table(choice: Choice) -> str:
    rows = [("RUN", "STATUS", "SILENT SINCE", "SIZE", "GOAL")]
    for one in choice.removed:
        since = time.strftime("%Y-%m-%d %H:%MZ", time.gmtime(one.newest_at))
        size = size_text(one.size_bytes)
        rows.append((one.run, one.status, since, size, one_line(one.goal, 60)))
    return "\n".join(columns(rows))


def _show(options: argparse.Namespace, choice: Choice, pruned: Pruned) -> None:
    if options.json:
        print_json(pruned)
        return
    if pruned.dry_run and choice.removed:
        write_data(_table(choice))
    verb = "would be removed" if pruned.dry_run else "removed"
    count = f"{len(pruned.runs)} run{'' if len(pruned.runs) == 1 else 's'}"
    size, kept = size_text(pruned.size_bytes), size_text(pruned.kept_bytes)
    write_data(f"{count} {verb}, {size}; {kept} stay")
