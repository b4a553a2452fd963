"""What the benchmarks share: a home that goes away, quantiles, rows, tables.

Every figure stands beside a floor that was measured in the same run, in turn with
it. Nothing here asserts a time: this machine's seconds are not the next one's.
"""

from __future__ import annotations

import os
import platform
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Final

import msgspec

from bus.access import SERVER_DIRECTORY, Access, open_access
from bus.server import stop_server
from team.runtime.home import HOME_VARIABLE

ROOT: Final = Path(__file__).resolve().parents[2]
LATENCY_VARIABLE: Final = "PEERTEAM_REHEARSAL_LATENCY_MS"
_REAL: Final = ("ANTHROPIC_API_KEY", "ANTHROPIC_AUTH_TOKEN", "ANTHROPIC_BASE_URL", "NATS_URL")


class Row(msgspec.Struct, frozen=True, kw_only=True):
    """One figure beside its floor.

    Attributes:
        case: Under which conditions.
        what: What was measured.
        unit: Of value and floor.
        value: Ours.
        floor: The floor's, from the same run; absent where there is none.
        floor_is: What the floor is.
        ratio: Value over floor.
    """

    case: str
    what: str
    unit: str
    value: float
    floor: float | None = None
    floor_is: str = ""
    ratio: float | None = None


class Report(msgspec.Struct, frozen=True, kw_only=True):
    """What one benchmark found.

    Attributes:
        name: Its name on the command line.
        how: What was done, in a few sentences.
        rows: The figures.
        notes: What a reader of the figures has to know.
    """

    name: str
    how: str
    rows: tuple[Row, ...]
    notes: tuple[str, ...] = ()


def row(
    case: str, what: str, unit: str, value: float, floor: float | None = None, floor_is: str = ""
) -> Row:
    """Make a row, with its ratio where there is a floor."""
    ratio = round(value / floor, 3) if floor else None
    return Row(
        case=case,
        what=what,
        unit=unit,
        value=round(value, 4),
        floor=None if floor is None else round(floor, 4),
        floor_is=floor_is,
        ratio=ratio,
    )


def quantile(values: Sequence[float], share: float) -> float:
    """The value below which a share of all values lies; the nearest that was seen."""
    ranked = sorted(values)
    return ranked[min(len(ranked) - 1, int(share * len(ranked)))]


def median(values: Sequence[float]) -> float:
    """The value in the middle."""
    return float(statistics.median(values))


def milliseconds(seconds: Sequence[float]) -> list[float]:
    """Seconds as milliseconds."""
    return [1_000 * value for value in seconds]


@contextmanager
def home() -> Iterator[Path]:
    """A state directory of its own, with no key in sight; its server is ended afterwards."""
    before = {name: os.environ.pop(name, None) for name in (*_REAL, HOME_VARIABLE)}
    with tempfile.TemporaryDirectory(prefix="peerteam-bench-") as folder:
        os.environ[HOME_VARIABLE] = folder
        try:
            yield Path(folder)
        finally:
            stop_server(Path(folder) / SERVER_DIRECTORY)
            del os.environ[HOME_VARIABLE]
            os.environ.update({name: value for name, value in before.items() if value is not None})


@contextmanager
def served_home() -> Iterator[tuple[Path, Access]]:
    """A home whose embedded server runs already."""
    with home() as folder:
        yield folder, open_access(folder, None)


def team_run(
    arguments: Sequence[str], *, latency_ms: float, errors: Path
) -> subprocess.Popen[bytes]:
    """Start `team run` on the rehearsal model, as a user would from a shell."""
    with errors.open("wb") as file:
        return subprocess.Popen(
            [sys.executable, "-m", "team.cli.main", "run", *arguments, "--model", "rehearsal"],
            cwd=ROOT,
            env=os.environ | {LATENCY_VARIABLE: str(latency_ms)},
            stdin=subprocess.DEVNULL,
            stdout=subprocess.DEVNULL,
            stderr=file,
        )


def import_seconds(module: str = "anthropic") -> float:
    """How long a fresh Python takes to import a module and exit."""
    began = time.perf_counter()
    subprocess.run([sys.executable, "-c", f"import {module}"], check=True, cwd=ROOT)
    return time.perf_counter() - began


def pss_mib(pid: int) -> float:
    """A process's proportional share of memory, in MiB (Linux); 0 if it has gone."""
    try:
        text = Path(f"/proc/{pid}/smaps_rollup").read_text()
    except OSError:
        return 0.0
    found = [line.split()[1] for line in text.splitlines() if line.startswith("Pss:")]
    return int(found[0]) / 1024 if found else 0.0


def tree_of(pid: int) -> list[int]:
    """A process and all that descend from it."""
    children: dict[int, list[int]] = {}
    for stat in Path("/proc").glob("[0-9]*/stat"):
        try:
            parent = int(stat.read_text().rpartition(")")[2].split()[1])
        except (OSError, IndexError):
            continue
        children.setdefault(parent, []).append(int(stat.parent.name))
    found = [pid]
    for known in found:
        found += children.get(known, [])
    return found


def machine() -> dict[str, str]:
    """Where this ran, for whoever reads the figures later."""
    load = ", ".join(f"{value:.2f}" for value in os.getloadavg())
    return {
        "python": platform.python_version(),
        "system": f"{platform.system()} {platform.machine()}",
        "cores": str(os.cpu_count()),
        "load_average": load,
        "at": time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime()),
    }


def say(text: str) -> None:
    """Tell a person what goes on; figures go to stdout, this to stderr."""
    print(text, file=sys.stderr, flush=True)


def show(report: Report) -> str:
    """A report as a table for people."""
    head = ("case", "measured", "value", "floor", "ratio", "the floor is")
    lines = [head, *(_cells(one) for one in report.rows)]
    widths = [max(len(line[at]) for line in lines) for at in range(len(head))]
    table = [
        "  ".join(cell.ljust(width) for cell, width in zip(line, widths, strict=True)).rstrip()
        for line in lines
    ]
    notes = [f"  note: {note}" for note in report.notes]
    return "\n".join([f"## {report.name}", report.how, "", *table, *notes, ""])


def _cells(one: Row) -> tuple[str, ...]:
    floor = "" if one.floor is None else f"{one.floor:.3f} {one.unit}"
    ratio = "" if one.ratio is None else f"{one.ratio:.2f}"
    return (one.case, one.what, f"{one.value:.3f} {one.unit}", floor, ratio, one.floor_is)
