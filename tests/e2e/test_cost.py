"""What a person sees of money before, during and after a run, on the command line."""

from __future__ import annotations

import asyncio
import json
import os
import pty
import subprocess
from pathlib import Path
from typing import Any

import msgspec
import pytest

from team.agent.models.pricing import price_usd
from team.runtime.dry_run import DryRun
from tests.support.cli import GOAL, Cli, as_team, named
from tests.support.documents import ROOT
from tests.support.messages_api import KEY, MessagesApi, messages_api
from tests.support.priced_api import CachingScript

ASKS = "[approve]\nover_dollars = 0.01\n"


def dry(cli: Cli, *arguments: str, **environment: str) -> DryRun:
    """A dry run as data."""
    done = cli.run("run", *arguments, "--dry-run", "--json", **environment)
    assert done.returncode == 0, done.stderr
    return msgspec.json.decode(done.stdout, type=DryRun)


def reaching(api: MessagesApi) -> dict[str, str]:
    return {"ANTHROPIC_BASE_URL": api.url, "ANTHROPIC_API_KEY": KEY}


# ------------------------------------------------------------------ before


def on_a_terminal(cli: Cli, answer: str, *arguments: str, **environment: str) -> tuple[int, str]:
    """A command on a terminal, with what is typed there; its status and what it has shown."""
    ours, theirs = pty.openpty()
    with subprocess.Popen(
        cli.command(*arguments),
        cwd=cli.cwd,
        env=cli.environment | environment,
        stdin=theirs,
        stdout=subprocess.DEVNULL,
        stderr=theirs,
    ) as process:
        os.close(theirs)
        shown = b""
        try:
            while b"[y/N]" not in shown:
                shown += os.read(ours, 4096)
            os.write(ours, answer.encode())
            while part := os.read(ours, 4096):
                shown += part
        except OSError:
            pass  # the other end was closed: the command has ended
        code = process.wait(timeout=60)
    os.close(ours)
    return code, shown.decode()


async def test_whoever_says_no_to_the_estimate_opens_no_run(cli: Cli, lanes: list[Path]) -> None:
    (cli.cwd / "peerteam.toml").write_text(ASKS)
    async with messages_api(CachingScript()) as api:
        arguments = ("run", "research", GOAL, *as_team(lanes), "--run", "asked")
        code, shown = await asyncio.to_thread(
            lambda: on_a_terminal(cli, "n\n", *arguments, **reaching(api))
        )

    assert code == 6
    assert "above approve.over_dollars, $0.01" in shown
    assert "nothing was started, nothing is spent" in shown
    assert not api.requests
    assert "asked" not in cli.run("ps").stdout


@pytest.mark.slow
async def test_where_nobody_can_be_asked_the_run_asks_in_its_stream(
    cli: Cli, lanes: list[Path]
) -> None:
    """A yes to the estimate, or nobody to give it, approves no grant."""
    (cli.cwd / "peerteam.toml").write_text(ASKS)
    async with messages_api(CachingScript()) as api:
        for number, more in enumerate([(), ("--yes",)]):
            done = await asyncio.to_thread(
                lambda n=number, more=more: cli.run(
                    "run",
                    "research",
                    GOAL,
                    *as_team(lanes),
                    "--no-wait",
                    "--run",
                    f"r{n}",
                    *more,
                    **reaching(api),
                )
            )
            assert done.returncode == 8, done.stderr
            assert "above approve.over_dollars, $0.01" in done.stderr
            assert ("nobody can be asked here" in done.stderr) is (not more)
            assert "spending" in done.stderr
    assert not api.requests


# ------------------------------------------------------------------ during and after


@pytest.mark.slow
async def test_a_run_over_http_shows_its_cache_its_lanes_and_its_claims(
    cli: Cli, lanes: list[Path]
) -> None:
    """Every figure is what the provider said, at the listed price."""
    async with messages_api(CachingScript()) as api:
        done, shown = await asyncio.to_thread(
            lambda: cli.team_run(lanes, "--run", "paid", "--budget", "5", **reaching(api))
        )

    assert done.returncode == 0, done.stderr
    usage = shown["usage"]
    assert usage["calls"] == len(api.requests)
    records = await cli.records("paid")
    spent = [r.body for r in records if r.subject.kind == "usage" and hasattr(r.body, "tokens")]
    calls = [one for one in spent if hasattr(one, "request_id")]
    assert usage["cache_read_tokens"] == sum(one.tokens.cache_read for one in calls) > 0
    listed = [price_usd(one.model, one.tokens) for one in calls]
    assert usage["cost_usd"] == pytest.approx(sum(cost or 0.0 for cost in listed))
    assert 0.5 < usage["cache_share"] < 1
    _adds_up(usage)
    assert len(usage["by_lane"]) == 3
    assert all(lane["usd_per_claim"] > 0 for lane in usage["by_lane"])
    assert usage["usd_per_claim"] == pytest.approx(usage["cost_usd"] / usage["claims"])
    text = cli.run("show", "paid").stdout
    for said in ("of what was read came from it", "for a claim: $", "prices: genai-prices"):
        assert said in text
        assert said in done.stderr
    assert "limit: this run may take $5.00 (--budget)" in done.stderr
    assert "remain" in done.stderr
    page = (cli.home / "runs" / "paid" / "report.html").read_text()
    assert "prices: genai-prices" in page
    assert cli.run("audit", "paid").returncode == 0


def _adds_up(usage: dict[str, Any]) -> None:
    for kind in ("fresh_tokens", "cache_read_tokens", "cache_write_tokens", "output_tokens"):
        whole = usage.get(kind, usage["output_tokens"])
        assert sum(part[kind] for part in usage["by_purpose"]) == whole
    costs = [part["cost_usd"] for part in usage["by_purpose"]]
    assert sum(costs) == pytest.approx(usage["cost_usd"])


@pytest.mark.slow
def test_a_run_that_a_limit_stops_says_of_what_there_was_too_little_and_how_to_go_on(
    cli: Cli, lanes: list[Path]
) -> None:
    """The lead could begin, but a lane's slice holds no more than a call or two."""
    (cli.cwd / "teams").mkdir()
    (cli.cwd / "teams" / "tight.toml").write_text(
        'name = "tight"\n[policy]\noutput_tokens_max = 3_000\n'
    )
    arguments = ["run", "tight", GOAL, *as_team(lanes), "--max-tokens", "90k", "--run", "tight"]
    done = cli.run(*arguments)

    assert done.returncode in (3, 4), done.stderr
    assert "stopped for want of tokens: " in done.stderr
    assert "of 90,000 were not spent" in done.stderr
    assert "missing: " in done.stderr
    again = f"try again with more: team run tight '{GOAL}' "
    assert again in done.stderr
    assert "--max-tokens 180000" in done.stderr
    shown = json.loads(cli.run("show", "tight", "--json").stdout)
    assert shown["usage"]["stopped_for"] == "tokens"
    assert shown["usage"]["tokens"]["spent"] <= 90_000


# ------------------------------------------------------------------ the estimate and what is spent


@pytest.mark.slow
@pytest.mark.timeout(400)
@pytest.mark.parametrize(
    ("case", "model"),
    [
        ("three lanes", "paid"),
        ("three lanes", "rehearsal"),
        ("one context", "paid"),
        ("careful", "paid"),
        ("long sources", "paid"),
    ],
)
async def test_what_a_run_spends_lies_within_its_estimate(
    cli: Cli, lanes: list[Path], tmp_path: Path, case: str, model: str
) -> None:
    """Low to high, in tokens and in dollars: docs/cost.md has the figures."""
    cli.patience_s = 300.0
    arguments = _case(case, lanes, tmp_path, cli)
    async with messages_api(CachingScript()) as api:
        environment = reaching(api) if model == "paid" else {}
        given = [*arguments, *(["--model", "rehearsal"] if model == "rehearsal" else [])]
        found = await asyncio.to_thread(lambda: dry(cli, *given, **environment))
        done = await asyncio.to_thread(
            lambda: cli.run("run", *given, "--json", "--run", "r", **environment)
        )

    assert done.returncode == 0, done.stderr
    usage = json.loads(done.stdout)["usage"]
    spent = usage["input_tokens"] + usage["output_tokens"]
    said = found.estimate
    print(
        f"{case}, {model}: {spent} {usage['cost_usd']:.3f} of {said.low} {said.likely} {said.high}"
    )
    assert said.low.tokens <= spent <= said.high.tokens
    assert said.low.usd is not None
    assert said.high.usd is not None
    assert said.low.usd <= usage["cost_usd"] <= said.high.usd


def _case(case: str, lanes: list[Path], folder: Path, cli: Cli) -> list[str]:
    match case:
        case "three lanes":
            return ["research", GOAL, *as_team(lanes)]
        case "one context":
            return ["research", GOAL, *named(lanes)]
        case "careful":
            cli.cwd = ROOT / "examples"
            decisions = ["--source", "../docs/decisions"]
            return ["careful", "Why are there two commits a turn?", *decisions]
        case _:
            import asyncio as one
            import concurrent.futures as two
            import multiprocessing as three

            packages = [Path(p.__file__ or "").parent for p in (one, two, three)]
            goal = (
                "How do asyncio, concurrent.futures and multiprocessing cancel and shut down work?"
            )
            return ["research", goal, *named(packages)]
