"""`team compare` on real runs of the rehearsal model: its sums, its placebo, its resuming."""

from __future__ import annotations

import asyncio
import json
import os
import signal
import subprocess
from pathlib import Path
from typing import Any

import pytest

from bus.messages import UsageSpent
from team.compare.results import RESULTS, Row, read_plan, read_rows
from tests.support.cli import Cli, assert_nothing_twice
from tests.support.compared import by_name, some_tasks
from tests.support.messages_api import KEY, messages_api

PATIENCE_S = 240.0
pytestmark = pytest.mark.timeout(300)


def _compare(cli: Cli, *arguments: str) -> tuple[subprocess.CompletedProcess[str], dict[str, Any]]:
    cli.patience_s = PATIENCE_S
    done = cli.run("compare", *arguments, "--json", "--quiet")
    assert done.stdout, done.stderr
    return done, json.loads(done.stdout)


async def _assert_sums(cli: Cli, rows: list[Row]) -> None:
    """What a row says was spent is what the streams of its runs say, to the token."""
    for row in rows:
        total = calls = 0
        for run in row.runs:
            records = await cli.records(run)
            assert_nothing_twice(records)
            usages = [one.body for one in records if isinstance(one.body, UsageSpent)]
            total += sum(one.tokens.total + one.lost.total for one in usages)
            calls += len(usages)
        assert (row.spent.tokens, row.spent.calls) == (total, calls), row.unit


@pytest.mark.slow
async def test_the_mechanics_hold_on_real_runs(cli: Cli, lanes: list[Path]) -> None:
    """A/A is exactly 0, the placebo beats nobody, sums are those of the streams, no claim."""
    some_tasks(cli.cwd, lanes, 2)

    done, report = await asyncio.to_thread(
        _compare,
        cli,
        *("tasks.jsonl", "--budget", "500_000", "--arms", "vote2,team,sham"),
        *("--trials", "1", "--all", "--out", "cmp", "--jobs", "2"),
    )

    assert done.returncode == 0, done.stderr
    assert report["claim"] == "mechanics only: no model, no claim"
    assert report["is_complete"]
    assert report["noise"] == {"n": 2} | dict.fromkeys(
        ("difference", "low", "high", "envelope"), 0.0
    )
    assert all(one["verdict"] is None for one in report["contrasts"])
    arms = {one["name"]: one for one in report["arms"]}
    assert arms["single"]["right"] == 1
    assert arms["sham"]["right"] <= arms["single"]["right"]
    assert arms["vote2"]["right"] == arms["single"]["right"]
    rows = read_rows(cli.cwd / "cmp")
    assert len(rows) == 10
    await _assert_sums(cli, rows)
    by_arm = {name: [row for row in rows if row.arm == name] for name in arms}
    assert {name: sum(row.spent.tokens for row in own) for name, own in by_arm.items()} == {
        name: sum(one["spent"][part] for part in ("input", "cache_write", "cache_read", "output"))
        for name, one in arms.items()
    }
    plan, digest = read_plan(cli.cwd / "cmp")
    assert report["plan_sha256"] == digest
    assert all(run.startswith(f"c{digest[:8]}-") for row in rows for run in row.runs)
    await _assert_placebo(cli, by_arm["sham"][0], by_arm["single"])
    assert plan.trials == 1


async def _assert_placebo(cli: Cli, sham: Row, singles: list[Row]) -> None:
    """The peers see a page that says nothing; the one that works has the single run's contract."""
    [single] = [row for row in singles if row.task == sham.task]
    shown = [json.loads(cli.run("show", row.runs[0], "--json").stdout) for row in (sham, single)]
    placebo, alone = ([t for t in one["tasks"] if t["purpose"] == "research"] for one in shown)
    assert (shown[0]["mode"], shown[1]["mode"]) == ("team", "solo")
    assert len(placebo) == 3
    assert placebo[0]["objective"] == alone[0]["objective"]
    records = await cli.records(sham.runs[0])
    assert not [one for one in records if one.subject.kind == "mail"]
    worked = [one for one in records if one.subject.kind == "finding"]
    cited = {
        evidence.source
        for one in worked
        for claim in getattr(one.body, "claims", ())
        for evidence in claim.evidence
        if one.subject.names[0] != "t1"
    }
    assert {Path(source).name for source in cited} == {"left-blank.md"}


@pytest.mark.slow
async def test_what_is_stopped_or_killed_goes_on_and_nothing_is_paid_twice(
    cli: Cli, lanes: list[Path]
) -> None:
    some_tasks(cli.cwd, lanes, 2)
    begin = ("compare", "tasks.jsonl", "--budget", "300000", "--arms", "team", "--trials", "1")
    slowly = {"PEERTEAM_REHEARSAL_LATENCY_MS": "60"}

    with cli.start(*begin, "--all", "--out", "cmp", "-q", **slowly) as process:
        await _until_rows(cli, 1)
        process.send_signal(signal.SIGINT)
        _, said = await asyncio.to_thread(process.communicate, timeout=60)
        assert process.returncode == 130, said
        assert f"team compare --resume {cli.cwd / 'cmp'}" in said
    stopped = len(read_rows(cli.cwd / "cmp"))
    assert stopped < 6
    with cli.start("compare", "--resume", "cmp", "--all", "-q", **slowly) as process:
        await _until_rows(cli, stopped + 1)
        os.killpg(process.pid, signal.SIGKILL)
    done, report = await asyncio.to_thread(_compare, cli, "--resume", "cmp", "--all")

    assert done.returncode == 0, done.stderr
    assert report["is_complete"]
    assert report["departures"] == []
    rows = read_rows(cli.cwd / "cmp")
    assert len({row.unit for row in rows}) == len(rows) == 6
    await _assert_sums(cli, rows)


def _has(path: Path, count: int) -> bool:
    return path.exists() and path.read_bytes().count(b"\n") >= count


async def _until_rows(cli: Cli, count: int) -> None:
    path = cli.cwd / "cmp" / RESULTS
    async with asyncio.timeout(PATIENCE_S):
        while not _has(path, count):  # noqa: ASYNC110 - another process writes it
            await asyncio.sleep(0.02)


@pytest.mark.slow
def test_it_ends_with_one_agent_where_that_is_right_enough(cli: Cli, lanes: list[Path]) -> None:
    some_tasks(cli.cwd, lanes, 2)

    done = cli.run(
        *("compare", "tasks.jsonl", "--budget", "300000", "--arms", "team", "--trials", "1"),
        *("--enough", "0.5", "--out", "cmp"),
    )

    assert done.returncode == 0, done.stderr
    assert "team compare --resume" in done.stderr
    assert {row.arm for row in read_rows(cli.cwd / "cmp")} == {"single"}
    assert "[2/2] single" in done.stderr
    again, report = _compare(cli, "--resume", "cmp", "--all")
    assert again.returncode == 0, again.stderr
    assert report["is_complete"]
    assert report["departures"] == [
        "all arms were run although a single agent was right on 50%, and 50% was to be enough"
    ]


@pytest.mark.slow
async def test_a_model_with_a_price_is_counted_and_held_in_dollars(
    cli: Cli, lanes: list[Path]
) -> None:
    """The rehearsal model's words over real HTTP, under a name that has a price."""
    some_tasks(cli.cwd, lanes, 1)

    async with messages_api(by_name) as api:
        cli.environment |= {"ANTHROPIC_API_KEY": KEY, "ANTHROPIC_BASE_URL": api.url}
        done, report = await asyncio.to_thread(
            _compare,
            cli,
            *("tasks.jsonl", "--budget", "2000000", "--arms", "single-long", "--trials", "1"),
            *("--model", "claude-sonnet-4-5", "--all", "--out", "cmp"),
        )

    assert done.returncode == 0, done.stderr
    assert (report["claim"], report["column"]) == ("", "weighted")
    assert report["advice"] == "No verdict at n=1: 30 tasks are needed. Add tasks."
    for row in read_rows(cli.cwd / "cmp"):
        assert row.outcome == "right", row
        assert row.spent.usd is not None
        assert 0 < row.spent.usd <= row.reserved * report["unit_usd"]


@pytest.mark.slow
def test_runs_that_stall_one_after_another_stop_it_and_are_no_answers(
    cli: Cli, lanes: list[Path]
) -> None:
    """A key that is refused says nothing about any arm."""
    some_tasks(cli.cwd, lanes, 2)
    begin = ("compare", "tasks.jsonl", "--budget", "300000", "--arms", "team", "--trials", "1")

    done = cli.run(*begin, "--out", "cmp", PEERTEAM_REHEARSAL_FAULTS="refuse-key@lead")

    assert done.returncode == 2, done.stderr
    assert "3 runs in a row have stalled" in done.stderr
    assert "team compare --resume" in done.stderr
    assert read_rows(cli.cwd / "cmp") == []
