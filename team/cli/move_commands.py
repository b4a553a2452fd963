"""`team export`, `import`, `fork`: a run as one file, and a new run from a point of an old one."""

from __future__ import annotations

import argparse
import asyncio
from pathlib import Path

from bus.ids import check_token, new_run_id
from bus.live import heard_runs
from team.cli import exit_codes
from team.cli.common import describe_run, on_bus, print_json, read_run
from team.errors import ArchiveError, SpecError
from team.runtime.archive import Manifest, check_archive
from team.runtime.forking import fork_run
from team.runtime.home import run_dir
from team.runtime.moving import UNFINISHED, export_run, import_run
from team.views.files import write_files
from team.views.lines import size_text
from team.views.output import write_data, write_note
from team.views.report import report_page


def export(options: argparse.Namespace) -> int:
    """Write a run into a file."""
    path = _target(options.file, is_forced=options.force)
    return asyncio.run(_export(options, path))


def import_command(options: argparse.Namespace) -> int:
    """Put a run from a file onto the server."""
    path = Path(options.file).expanduser().absolute()
    manifest = check_archive(path)
    return asyncio.run(_import(options, path, manifest))


def fork(options: argparse.Namespace) -> int:
    """Begin a new run from a point of an old one."""
    run = new_run_id() if options.run_id is None else check_token("run", options.run_id)
    if run.startswith("-"):
        raise SpecError("--run", "", f"{run!r} looks like an option", "begin it with a letter")
    return asyncio.run(_fork(options, run))


def _target(file: str, *, is_forced: bool) -> Path:
    """Where a file can be written.

    Raises:
        ArchiveError: It can't be there.
    """
    path = Path(file).expanduser().absolute()
    if path.is_dir():
        raise ArchiveError(file, "it is a folder", "name a file in it")
    if not path.parent.is_dir():
        raise ArchiveError(file, "its folder is not there", "make the folder first")
    if path.exists() and not is_forced:
        raise ArchiveError(file, "it is there already", "name another, or add --force")
    return path


async def _export(options: argparse.Namespace, path: Path) -> int:
    async with on_bus(options) as connection:
        live = await heard_runs(connection)
        if options.run in live:
            write_note(f"{options.run} goes on: the file holds it as it stands at this moment")
        exported = await export_run(connection, options.run, path)
    if options.json:
        print_json(exported)
    else:
        write_data(
            f"{exported.file}: {_held(exported.manifest)}, {size_text(exported.size_bytes)}\n"
            f"Put it onto another server with: team import {options.file}"
        )
    return exit_codes.OK


def _held(manifest: Manifest) -> str:
    messages = manifest.stream.state.messages
    return f"run {manifest.run}, {manifest.status}, {messages} messages"


async def _import(options: argparse.Namespace, path: Path, manifest: Manifest) -> int:
    run = manifest.run
    async with on_bus(options, starts=True) as connection:
        await import_run(connection, path, manifest, replicas=options.replicas)
        write_note(f"imported {_held(manifest)}, exported at {manifest.exported_at}")
        _, state = await read_run(connection, run)
        if state.result is not None:
            shown = await describe_run(connection, run, state, may_be_live=False)
            write_files(run_dir(run), shown, report_page(shown, state))
    if options.json:
        print_json(manifest)
    elif manifest.status == UNFINISHED:
        write_data(f"Run {run} is here. Take it up with: team resume {run}")
    else:
        write_data(f"Run {run} is here. Look at it with: team show {run}")
    return exit_codes.OK


async def _fork(options: argparse.Namespace, run: str) -> int:
    async with on_bus(options) as connection:
        forked = await fork_run(connection, options.run, options.at, run, replicas=options.replicas)
    if forked.at_seq != options.at:
        write_note(f"what was stored together with {options.at} came along, up to {forked.at_seq}")
    if options.json:
        print_json(forked)
    else:
        write_data(
            f"Run {run} is a fork of {forked.origin} at {forked.at_seq}; nobody works on it yet.\n"
            f"Take it up with: team resume {run}"
        )
    return exit_codes.OK
