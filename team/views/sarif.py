"""What `team check` found, as SARIF 2.1.0, which code scanning services read.

Only what those services show: rules with their texts, and results with their places.

Source: https://docs.oasis-open.org/sarif/sarif/v2.1.0/sarif-v2.1.0.html
"""

from __future__ import annotations

from pathlib import Path
from typing import Final
from urllib.parse import quote

import msgspec
from msgspec import UNSET, UnsetType

from team.codes import RULES, Rule
from team.codes.entry import Severity
from team.lint import Report
from team.views.problems import from_root
from team.written import Problem

SCHEMA: Final = "https://json.schemastore.org/sarif-2.1.0.json"
VERSION: Final = "2.1.0"
ROOT: Final = "%SRCROOT%"


class Part(msgspec.Struct, frozen=True, kw_only=True, rename="camel", omit_defaults=True):
    """A piece of the format; names and meaning are the standard's."""


class Text(Part, frozen=True, kw_only=True):
    """A message."""

    text: str


class Configuration(Part, frozen=True, kw_only=True, omit_defaults=False):
    """How much a rule matters unless a result says otherwise."""

    level: Severity


class Descriptor(Part, frozen=True, kw_only=True):
    """A rule."""

    id: str
    name: str
    short_description: Text
    full_description: Text
    help: Text
    default_configuration: Configuration


class ArtifactLocation(Part, frozen=True, kw_only=True):
    """A file."""

    uri: str
    uri_base_id: str | UnsetType = UNSET


class Region(Part, frozen=True, kw_only=True):
    """A place in a file."""

    start_line: int
    start_column: int | UnsetType = UNSET


class PhysicalLocation(Part, frozen=True, kw_only=True):
    """A file and a place in it."""

    artifact_location: ArtifactLocation
    region: Region


class Location(Part, frozen=True, kw_only=True):
    """Where a result is."""

    physical_location: PhysicalLocation


class Result(Part, frozen=True, kw_only=True):
    """A problem."""

    rule_id: str
    rule_index: int
    level: Severity
    message: Text
    locations: tuple[Location, ...]


class Driver(Part, frozen=True, kw_only=True):
    """What has checked, and by which rules."""

    name: str
    version: str
    rules: tuple[Descriptor, ...]


class Tool(Part, frozen=True, kw_only=True):
    """What has checked."""

    driver: Driver


class Run(Part, frozen=True, kw_only=True):
    """One check."""

    tool: Tool
    column_kind: str
    results: tuple[Result, ...]


class Sarif(Part, frozen=True, kw_only=True):
    """The file."""

    schema: str = msgspec.field(name="$schema")
    version: str
    runs: tuple[Run, ...]


def sarif(report: Report, tool_version: str) -> Sarif:
    """Give a report as SARIF; files are named from the root of the repository."""
    rules = [rule for rule in RULES.values() if rule.code.startswith("L")]
    numbers = {rule.code: number for number, rule in enumerate(rules)}
    driver = Driver(name="peerteam", version=tool_version, rules=tuple(map(_descriptor, rules)))
    run = Run(
        tool=Tool(driver=driver),
        column_kind="unicodeCodePoints",
        results=tuple(_result(problem, numbers, report) for problem in report.problems),
    )
    return Sarif(schema=SCHEMA, version=VERSION, runs=(run,))


def _descriptor(rule: Rule) -> Descriptor:
    return Descriptor(
        id=rule.code,
        name=rule.name,
        short_description=Text(text=rule.name.replace("-", " ")),
        full_description=Text(text=f"{rule.says} {rule.why}"),
        help=Text(text=rule.fix),
        default_configuration=Configuration(level=rule.severity),
    )


def _result(problem: Problem, numbers: dict[str, int], report: Report) -> Result:
    column = UNSET if problem.column is None else problem.column
    place = PhysicalLocation(
        artifact_location=_file(from_root(problem.path, report)),
        region=Region(start_line=problem.line or 1, start_column=column),
    )
    said = f"{problem.field}: " if problem.field else ""
    return Result(
        rule_id=problem.code,
        rule_index=numbers[problem.code],
        level=problem.severity,
        message=Text(text=f"{said}{problem.reason}; {problem.advice}"),
        locations=(Location(physical_location=place),),
    )


def _file(path: str) -> ArtifactLocation:
    if Path(path).is_absolute():
        return ArtifactLocation(uri=Path(path).as_uri())
    return ArtifactLocation(uri=quote(path), uri_base_id=ROOT)
