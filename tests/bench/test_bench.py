"""That the benchmarks run and add up; no figure is asserted."""

from __future__ import annotations

import json
import subprocess
import sys

import msgspec
import pytest

from bus import subjects
from bus.codec import Envelope
from bus.messages import (
    AnyMessage,
    MemberJoined,
    MemberSeated,
    ResultPublished,
    RunOpened,
    TokenCounts,
    TurnActed,
    TurnReplied,
    UsageSpent,
)
from bus.run_stream import Record
from bus.subjects import Subject
from tests.bench.critical_path import critical_path
from tests.bench.kit import ROOT

RUN = "r1"


def a_record(seq: int, at: float, subject: Subject, body: AnyMessage) -> Record:
    return Record(seq=seq, subject=subject, at=at, envelope=Envelope(body=body))


def a_run() -> list[Record]:
    """A lead that is seated, joins, calls the model for 2 s of a 2.5 s turn, and ends."""
    lead, journal = subjects.member(RUN, "lead", "lead"), subjects.journal(RUN, "lead")
    usage = subjects.usage(RUN, "lead")
    tokens = TokenCounts(input=1, output=1)
    replied = TurnReplied(
        context="plan", turn=1, content=msgspec.Raw(b"[]"), stop_reason="tool_use", tokens=tokens
    )
    spent = UsageSpent(context="plan", turn=1, model="m", tokens=tokens, took_s=2.0)
    bodies: list[tuple[float, Subject, AnyMessage]] = [
        (100.0, subjects.spec(RUN), RunOpened(goal="g", spec=msgspec.Raw(b"{}"))),
        (100.0, lead, MemberSeated(role="lead", filters=())),
        (103.0, lead, MemberJoined(pid=1, host="h")),
        (105.5, journal, replied),
        (105.5, usage, spent),
        (105.75, journal, TurnActed(context="plan", turn=1, outcomes=())),
        (106.0, subjects.result(RUN), ResultPublished(status="admitted")),
    ]
    return [a_record(seq, at, to, body) for seq, (at, to, body) in enumerate(bodies, start=1)]


def test_parts_of_a_critical_path_add_up_to_the_run() -> None:
    path = critical_path(a_run())

    assert path.total_s == sum(path.parts.values()) == 6.0
    assert (path.parts["start"], path.parts["model"]) == (3.0, 2.0)
    assert (path.parts["around the call"], path.parts["tools"]) == (0.5, 0.25)
    assert (path.calls, path.members) == (1, ("lead",))


@pytest.mark.slow
@pytest.mark.parametrize(
    "name", ["turns", "peers", "live", "whole", "recovery", "cluster_failover"]
)
def test_a_benchmark_gives_figures_beside_a_floor(name: str) -> None:
    done = subprocess.run(
        [sys.executable, "tests/bench/run.py", name, "--quick", "--json"],
        cwd=ROOT,
        capture_output=True,
        check=False,
        timeout=100,
    )

    assert done.returncode == 0, done.stderr.decode()
    [report] = json.loads(done.stdout)["reports"]
    assert report["name"] == name
    assert any(row["ratio"] for row in report["rows"])
