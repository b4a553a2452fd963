"""`team audit`: fold a run's stream again and say what does not hold."""

from __future__ import annotations

import argparse
import asyncio
import hashlib
import os
from collections.abc import Sequence
from pathlib import Path

from bus.artifacts import get_artifact
from bus.connection import Connection
from bus.errors import ArtifactError
from bus.run_stream import Record, open_run
from team.agent.snapshots import Snapshots
from team.audit import AuditReport
from team.audit import audit as audit_records
from team.cli import exit_codes
from team.cli.common import on_bus, print_json
from team.members.library_cache import library_path
from team.runtime.home import cache_dir
from team.sources import Library, snapshot_name
from team.state import fold
from team.views.audit import audit_text
from team.views.output import write_data, write_note


def audit(options: argparse.Namespace) -> int:
    """Audit a run."""
    report = asyncio.run(_audit(options))
    if options.json or options.format == "json":
        print_json(report)
    else:
        write_data(audit_text(report, with_chains=options.chains))
    is_good = report.is_clean and not (options.strict and report.signs)
    return exit_codes.OK if is_good else exit_codes.BREACH


async def _audit(options: argparse.Namespace) -> AuditReport:
    async with on_bus(options) as connection:
        stream = await open_run(connection, options.run)
        records = [record async for record in stream.read()]
        path = await library_file(connection, options.run, records)
        if path is None:
            return audit_records(records)
        with Library.open(path) as library:
            kept = (snapshot_name(one.kept.text.sha256) for one in fold(records).snapshots.all)
            await Snapshots("audit", stream, library).load(kept)
            return audit_records(records, library)


async def library_file(connection: Connection, run: str, records: Sequence[Record]) -> Path | None:
    """The file of the run's sources, fetched if it is not here or not what was stored."""
    opened = fold(records).opened
    ref = opened.sources if opened is not None else None
    if ref is None:
        return None
    path = library_path(cache_dir(), ref)
    if path.is_file() and hashlib.sha256(path.read_bytes()).hexdigest() == ref.sha256:
        return path
    try:
        data = await get_artifact(connection, run, ref)
    except ArtifactError as error:
        write_note(f"no quote is read again: {error}")
        return None
    temporary = path.with_suffix(f".{os.getpid()}.tmp")
    path.parent.mkdir(parents=True, exist_ok=True)
    temporary.write_bytes(data)
    temporary.replace(path)
    return path
