"""A run of four lanes that state opposite conventions, recorded and replayed by the command."""

from __future__ import annotations

import json
import re
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import msgspec

from bus.run_stream import Record
from tests.support.cli import Cli

GOAL = "In which unit are temperatures given in guide, survey, almanac and manual?"
LANES = ("guide", "survey", "almanac", "manual")
_UNITS = {"guide": "Fahrenheit", "survey": "Celsius", "almanac": "Kelvin", "manual": "Celsius"}
_TEXT = """\
# The {name}

The {name} compares temperatures of stations in one region, hour by hour.
Convention units/temperature: temperatures are in degrees {unit}
A comparison of temperatures in the {name} names both stations and the hour.
"""
_PASSING = ("took_s", "pid", "host", "sources", "replay")
_ID = re.compile(r"\b[0-9a-f]{32}\b")


def lay_out_four(folder: Path) -> list[str]:
    """Write the sources of four lanes; gives them as arguments of a run."""
    arguments = ["--mode", "team"]
    for name in LANES:
        (folder / name).mkdir()
        (folder / name / "book.md").write_text(_TEXT.format(name=name, unit=_UNITS[name]))
        arguments += ["-s", name]
    return arguments


def normal(records: Sequence[Record], run: str) -> list[tuple[int, str, Any]]:
    """What a replay must give again: each message without times and the names of its run.

    Message ids are numbered in the order in which they are met.
    """
    names: dict[str, str] = {}

    def numbered(found: re.Match[str]) -> str:
        return names.setdefault(found[0], f"id-{len(names) + 1}")

    rows: list[tuple[int, str, Any]] = []
    for record in records:
        assert record.body is not None
        assert record.envelope is not None
        body = json.loads(msgspec.json.encode(record.body))
        for field in _PASSING:
            body.pop(field, None)
        said = {"id": record.id, "cause": record.envelope.cause, "body": body}
        text = json.dumps(said).replace(f"run.{run}.", "run.R.")
        subject = str(record.subject).replace(f"run.{run}.", "run.R.")
        rows.append((record.seq, subject, json.loads(_ID.sub(numbered, text))))
    return rows


async def stream_of(cli: Cli, run: str) -> list[tuple[int, str, Any]]:
    """A run's stream as a replay must give it again."""
    return normal(await cli.records(run), run)
