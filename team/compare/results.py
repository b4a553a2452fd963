"""The files of a comparison: the plan that was written first, one line for each answer.

The plan is hashed before the first call. A line is written once its runs have ended, in one
write: what a killed command leaves is whole, or a torn last line that is read past.
"""

from __future__ import annotations

import fcntl
import hashlib
import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Final

import msgspec

from team.compare.arms import Column, Unit
from team.compare.graders import Graded, Outcome
from team.compare.spending import Spending
from team.compare.tasks import Task
from team.errors import SpecError
from team.policy import Policy

PLAN: Final = "plan.json"
PLAN_HASH: Final = "plan.sha256"
RESULTS: Final = "results.jsonl"
LOCK: Final = ".lock"
DEPARTURES: Final = "departures.jsonl"
REPORT_TEXT: Final = "report.md"
REPORT_JSON: Final = "report.json"


class Plan(msgspec.Struct, frozen=True, kw_only=True):
    """What is decided before the first call, and why the figures mean something afterwards.

    Attributes:
        version: Of this format.
        package: Version of peerteam.
        made_at: When, as a date and time in UTC.
        cwd: The folder in which it was asked for; team, roles and policy are looked for there.
        tasks_file: The file of tasks.
        tasks: What was in it, graders included.
        sources: The hash of each task's sources, by the task's id.
        arms: In the order of the report; the first is what all are compared with, the second
            is the same again.
        contrasts: What is compared with what.
        trials: How often each arm does each task.
        seed: Of the order and of the bootstrap.
        budget: Of one arm for one task and trial, in units of `column`.
        column: What it counts.
        unit_usd: US dollars of one price-weighted token, where these are counted.
        lead_call: What one call of the lead may take, in units of the column.
        team: The team, as it was asked for.
        setting: Hashes of all that every arm has in common, by what it is.
        models: Who answers, by seat.
        provider: From where.
        model: What the user asked for, if that.
        policy: The policy that the user named, if one was.
        limits: Of one run of an arm with one run.
        enough: Share of right answers of a single agent from which a team is unlikely to pay.
        asks_all: Whether all arms run all the same.
        tasks_min: Tasks below which there is no verdict.
        alpha: Bound of the adjusted p.
        placebo_peers: Peers without content in `sham`.
    """

    version: int = 1
    package: str
    made_at: str
    cwd: str
    tasks_file: str
    tasks: tuple[Task, ...]
    sources: dict[str, str]
    arms: tuple[str, ...]
    contrasts: tuple[tuple[str, str], ...]
    trials: int
    seed: int
    budget: int
    column: Column
    unit_usd: float | None
    lead_call: float
    team: str
    setting: dict[str, str]
    models: dict[str, str]
    provider: str
    model: str | None
    policy: str | None
    limits: Policy
    enough: float
    asks_all: bool
    tasks_min: int
    alpha: float
    placebo_peers: int


class Row(msgspec.Struct, frozen=True, kw_only=True):
    """What came of one task for one arm, once.

    Attributes:
        arm: The arm.
        task: The task.
        trial: Which time.
        runs: The runs that made the answer; `team show RUN` shows each.
        outcome: `right`, `wrong` or `withheld`.
        statuses: How each run ended.
        answer: What was graded.
        graded: What each grader said.
        reserved: What its runs could spend, in units of the plan's column.
        spent: What they have spent.
        lanes: Most lanes that one of its runs had.
        reason: Why there is no answer, as far as that is known.
    """

    arm: str
    task: str
    trial: int
    runs: tuple[str, ...]
    outcome: Outcome
    statuses: tuple[str, ...]
    answer: str
    graded: tuple[Graded, ...]
    reserved: int
    spent: Spending
    lanes: int = 0
    reason: str = ""

    @property
    def unit(self) -> Unit:
        """Which unit it is the result of."""
        return Unit(arm=self.arm, task=self.task, trial=self.trial)


def write_plan(folder: Path, plan: Plan) -> str:
    """Write a plan into a new folder, with its hash; returns that.

    Raises:
        SpecError: The folder holds a comparison already, or can't be written.
    """
    data = msgspec.json.format(msgspec.json.encode(plan), indent=2) + b"\n"
    digest = hashlib.sha256(data).hexdigest()
    try:
        folder.mkdir(parents=True, exist_ok=True)
        if any(folder.iterdir()):
            fix = f"go on with --resume {folder}, or name another with --out"
            raise SpecError(str(folder), "", "the folder is not empty", fix)
        write_whole(folder / PLAN, data)
        write_whole(folder / PLAN_HASH, f"{digest}  {PLAN}\n".encode())
    except OSError as error:
        raise SpecError(str(folder), "", f"can't be written: {error}", "name another") from error
    return digest


def read_plan(folder: Path) -> tuple[Plan, str]:
    """Read a plan and its hash.

    Raises:
        SpecError: There is none, or it is not what was hashed before the first call.
    """
    place = str(folder / PLAN)
    try:
        data = (folder / PLAN).read_bytes()
        said = (folder / PLAN_HASH).read_text(encoding="utf-8").split()
    except (OSError, UnicodeDecodeError) as error:
        fix = "name the folder of a comparison"
        raise SpecError(place, "", f"can't be read: {error}", fix) from error
    digest = hashlib.sha256(data).hexdigest()
    if said[:1] != [digest]:
        fix = "put back the plan as it was, or begin a new comparison"
        raise SpecError(place, "", f"it was changed after it was hashed in {PLAN_HASH}", fix)
    try:
        return msgspec.json.decode(data, type=Plan), digest
    except msgspec.DecodeError as error:
        fix = "read it with the version of peerteam that wrote it"
        raise SpecError(place, "", f"it can't be read: {error}", fix) from error


@contextmanager
def worked_on(folder: Path) -> Iterator[None]:
    """Be the only process that works on a comparison; the kernel ends that with the process.

    Raises:
        SpecError: Another process works on it, or the folder can't be written.
    """
    try:
        file = (folder / LOCK).open("ab")
    except OSError as error:
        raise SpecError(str(folder), "", f"can't be written: {error}", "mend that") from error
    with file:
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError as error:
            fix = "wait for it or stop it, then go on with --resume"
            raise SpecError(str(folder), "", "another team compare works on it", fix) from error
        yield


def add_row(folder: Path, row: Row) -> None:
    """Write what came of a unit behind what is there."""
    _add_line(folder / RESULTS, msgspec.json.encode(row))


def read_rows(folder: Path) -> list[Row]:
    """Read what there is, each unit once; a torn last line was never written, so to say.

    Raises:
        SpecError: A line in the midst of it can't be read.
    """
    found: dict[Unit, Row] = {}
    path = folder / RESULTS
    lines = path.read_bytes().split(b"\n") if path.exists() else []
    for number, line in enumerate(lines, start=1):
        if not line.strip():
            continue
        try:
            row = msgspec.json.decode(line, type=Row)
        except msgspec.DecodeError as error:
            if number == len(lines):
                break
            fix = "mend the line, or take it out: its runs are read again, not paid again"
            raise SpecError(f"{path}:{number}", "", str(error), fix) from error
        found.setdefault(row.unit, row)
    return list(found.values())


def add_departure(folder: Path, text: str) -> None:
    """Note where what was done is not what was planned; each once."""
    if text not in read_departures(folder):
        _add_line(folder / DEPARTURES, msgspec.json.encode(text))


def read_departures(folder: Path) -> list[str]:
    """Every departure from the plan that was noted."""
    path = folder / DEPARTURES
    lines = path.read_bytes().split(b"\n") if path.exists() else []
    return [msgspec.json.decode(line, type=str) for line in lines if line.endswith(b'"')]


def write_whole(path: Path, data: bytes) -> None:
    """Write a file at once or not at all."""
    temporary = path.with_name(f".{path.name}.tmp")
    temporary.write_bytes(data)
    temporary.replace(path)


def _add_line(path: Path, line: bytes) -> None:
    """Append one line and have it on the disk; a torn line before it goes first."""
    data = path.read_bytes() if path.exists() else b""
    if data and not data.endswith(b"\n"):
        os.truncate(path, data.rfind(b"\n") + 1)
    with path.open("ab") as file:
        file.write(line + b"\n")
        file.flush()
        os.fsync(file.fileno())
