"""`team diff`: what differs between two runs, or between a run and a baseline."""

from __future__ import annotations

import argparse
import asyncio
from collections.abc import Sequence
from contextlib import AsyncExitStack
from pathlib import Path
from typing import Final

from bus.connection import Connection
from bus.run_stream import open_run
from team.cli import exit_codes
from team.cli.common import on_bus, print_json
from team.errors import SpecError, StateError
from team.rules.baseline import new_baseline, read_baseline, renewed_baseline
from team.rules.shape import UNFINISHED, Shape, read_shape, shape_of
from team.rules.shape_diff import Difference, default_bounds, differences, seen_in
from team.rules.shape_fields import fields_of
from team.views.diff import diff_object, diff_text, shape_text
from team.views.output import write_data, write_note

_COMMAND: Final = "team diff"
_SAVED: Final = ".json"
FILE_BYTES_MAX: Final = 4 * 1024 * 1024
"""More than any shape or baseline has."""


def diff(options: argparse.Namespace) -> int:
    """Compare the shapes of runs."""
    runs = [options.run, *options.more]
    _check_count(options, runs)
    # A baseline that is broken is told before anything is started.
    baseline = None
    if options.baseline:
        baseline = read_baseline(_text(options.baseline), options.baseline)
    shapes = asyncio.run(_shapes(options, runs))
    if options.write:
        return _write(options, runs, shapes)
    if baseline is not None:
        found = differences(baseline.seen, fields_of(shapes[0]), baseline.bounds)
        _print(options, options.baseline, runs[0], found)
        return exit_codes.BREACH if _is_beyond(found) else exit_codes.OK
    if len(runs) == 1:
        return _show(options, runs[0], shapes[0])
    before, after = (fields_of(shape) for shape in shapes)
    found = differences(seen_in([before]), after, default_bounds())
    _print(options, runs[0], runs[1], found)
    return exit_codes.BREACH if options.exit_code and _is_beyond(found) else exit_codes.OK


def _check_count(options: argparse.Namespace, runs: Sequence[str]) -> None:
    if options.baseline and len(runs) > 1:
        reason = f"{len(runs)} runs are too many"
        raise SpecError(_COMMAND, "--baseline", reason, "compare one run at a time")
    if not options.write and len(runs) > 2:  # noqa: PLR2004 - a pair is two
        fix = "name two, or write a baseline of all with --write FILE"
        raise SpecError(_COMMAND, "RUN", f"{len(runs)} runs are too many", fix)


async def _shapes(options: argparse.Namespace, runs: Sequence[str]) -> list[Shape]:
    """The shape of each run, or of each file of one; the bus is needed for runs alone."""
    async with AsyncExitStack() as stack:
        is_needed = any(not run.endswith(_SAVED) for run in runs)
        connection = await stack.enter_async_context(on_bus(options)) if is_needed else None
        return [await _shape(connection, run) for run in runs]


async def _shape(connection: Connection | None, run: str) -> Shape:
    if run.endswith(_SAVED) or connection is None:
        return read_shape(_text(run).encode(), run)
    stream = await open_run(connection, run)
    return shape_of([record async for record in stream.read()])


def _write(options: argparse.Namespace, runs: Sequence[str], shapes: Sequence[Shape]) -> int:
    for run, shape in zip(runs, shapes, strict=True):
        if shape.status == UNFINISHED:
            raise StateError(run, "it has no result yet", "let it end, then write the baseline")
    path, place = Path(options.write), options.write
    fields = [fields_of(shape) for shape in shapes]
    is_kept = path.exists()
    text = (
        renewed_baseline(_text(place), place, runs, fields)
        if is_kept
        else new_baseline(runs, fields)
    )
    try:
        path.write_text(text, encoding="utf-8")
    except OSError as error:
        raise SpecError(place, "", f"can't be written: {error}", "check the path") from error
    if options.json:
        print_json({"baseline": place, "runs": runs, "bounds_kept": is_kept})
    else:
        write_data(place)
        bounds = "its bounds are kept" if is_kept else "its bounds are the default: edit them"
        write_note(f"a baseline of {', '.join(runs)}; {bounds}")
    return exit_codes.OK


def _show(options: argparse.Namespace, run: str, shape: Shape) -> int:
    if options.json:
        print_json(shape)
    else:
        write_data(shape_text(run, fields_of(shape)))
    return exit_codes.OK


def _print(
    options: argparse.Namespace, before: str, after: str, found: Sequence[Difference]
) -> None:
    if options.json:
        print_json(diff_object(before, after, found, shows_all=options.all))
    else:
        write_data(diff_text(before, after, found, shows_all=options.all))


def _is_beyond(found: Sequence[Difference]) -> bool:
    return any(difference.is_beyond for difference in found)


def _text(place: str) -> str:
    """What a file says.

    Raises:
        SpecError: It can't be read.
    """
    path = Path(place)
    if path.exists() and not path.is_file():  # a pipe would be waited on for ever
        raise SpecError(place, "", "it is not a file", "name a file")
    try:
        if path.stat().st_size > FILE_BYTES_MAX:
            raise SpecError(place, "", f"more than {FILE_BYTES_MAX} bytes", "name another file")
        return path.read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        raise SpecError(place, "", f"can't be read: {error}", "check the path") from error
