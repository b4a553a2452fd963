"""The demo from command to result, and where the time of its critical path goes."""

from __future__ import annotations

import asyncio
import sysconfig
import time
from pathlib import Path
from typing import Final

import msgspec

from bus.access import Access
from bus.connection import connect
from bus.messages import ResultPublished
from bus.run_stream import Record, open_run
from tests.bench import critical_path
from tests.bench.kit import (
    Report,
    Row,
    import_seconds,
    median,
    row,
    say,
    served_home,
    team_run,
)

GOAL: Final = "How do asyncio, concurrent.futures and multiprocessing cancel and shut down work?"
SOURCES: Final = ("asyncio", "concurrent/futures", "multiprocessing")
LATENCIES_MS: Final = (0, 50)
_WAIT_S: Final = 120.0


class Run(msgspec.Struct, frozen=True, kw_only=True):
    """One run of the demo.

    Attributes:
        wall_s: From command to exit.
        to_open_s: From command to the run's first record.
        path: What its result waited for.
        import_s: A fresh Python that imports the SDK, right before.
    """

    wall_s: float
    to_open_s: float
    path: critical_path.Path
    import_s: float


def demo(folder: Path, access: Access, *, latency_ms: int, number: int) -> Run:
    """Run the demo once."""
    import_s = import_seconds()
    stdlib = Path(sysconfig.get_path("stdlib"))
    name = f"demo-{latency_ms}-{number}"
    arguments = ["research", GOAL, "--run", name, "--quiet"]
    for source in SOURCES:
        arguments += ["--source", str(stdlib / source)]
    errors = folder / f"{name}.errors"
    began, clock = time.time(), time.perf_counter()
    code = team_run(arguments, latency_ms=latency_ms, errors=errors).wait(_WAIT_S)
    wall_s = time.perf_counter() - clock
    records = asyncio.run(_records(access, name))
    results = [r.body.status for r in records if isinstance(r.body, ResultPublished)]
    assert (code, results) == (0, ["admitted"]), errors.read_text()
    return Run(
        wall_s=wall_s,
        to_open_s=records[0].at - began,
        path=critical_path.critical_path(records),
        import_s=import_s,
    )


async def _records(access: Access, name: str) -> list[Record]:
    async with connect(access, name="bench") as connection:
        stream = await open_run(connection, name)
        return [record async for record in stream.read()]


def rows_of(latency_ms: int, runs: list[Run]) -> list[Row]:
    """The figures of one latency."""
    case = f"{latency_ms} ms a call"
    paths = [run.path for run in runs]
    model = median([path.parts["model"] for path in paths])
    open_to_result = median([path.total_s for path in paths])
    work = median([path.total_s - path.parts["start"] for path in paths])
    waited = median([path.calls for path in paths]) * latency_ms / 1_000
    rows = [
        row(
            case,
            "command to exit",
            "s",
            median([run.wall_s for run in runs]),
            median([run.import_s for run in runs]) + model,
            "import SDK + model on the path",
        ),
        row(case, "opened to result", "s", open_to_result, model, "model on the path"),
        row(case, "… less starts", "s", work, model, "model on the path"),
        row(case, "command to opened", "s", median([run.to_open_s for run in runs])),
    ]
    if waited:
        rows.insert(3, row(case, "… less starts", "s", work, waited, "latency of these calls"))
    rows += [
        row(case, f"path: {kind}", "s", median([path.parts[kind] for path in paths]))
        for kind in critical_path.KINDS
    ]
    rows.append(row(case, "path: model calls", "calls", median([path.calls for path in paths])))
    return rows


def run(*, is_quick: bool) -> Report:
    """Run the demo at both latencies, in turn."""
    rounds = 1 if is_quick else 5
    runs: dict[int, list[Run]] = {latency_ms: [] for latency_ms in LATENCIES_MS}
    with served_home() as (folder, access):
        for number in range(rounds):
            for latency_ms in LATENCIES_MS:
                say(f"whole: {latency_ms} ms a call, round {number + 1} of {rounds}")
                one = demo(folder, access, latency_ms=latency_ms, number=number)
                runs[latency_ms].append(one)
    return Report(
        name="whole",
        how=(
            "`make demo`'s question over three folders of the standard library, on the rehearsal\n"
            "model, server running, from command to exit. The critical path is read from the\n"
            "stream: which record each record waited for, back from the result."
        ),
        rows=tuple(
            line for latency_ms, found in runs.items() for line in rows_of(latency_ms, found)
        ),
        notes=(
            f"medians of {rounds} runs at each latency, in turn; parts are medians of their own",
            *(f"path: {kind}: {what}" for kind, what in critical_path.KINDS.items()),
        ),
    )
