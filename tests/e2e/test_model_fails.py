"""Whole runs over HTTP with a provider that fails: docs/reliability.md, "When the model fails"."""

from __future__ import annotations

import asyncio
import subprocess
from collections import Counter
from pathlib import Path
from typing import Any

import httpx2
import pytest

from bus.messages import UsageSpent
from tests.support.cli import Cli, assert_nothing_twice
from tests.support.messages_api import (
    KEY,
    MessagesApi,
    error_response,
    faults_by_seed,
    messages_api,
)

pytestmark = pytest.mark.slow

RUN = "fails"
LIMITED_FROM = 9
"""The number of the request from which on everybody is told to wait."""
LIMITED_S = 3.0


@pytest.mark.parametrize("seed", [1, 2, 3])
async def test_a_run_whose_provider_fails_by_chance_is_admitted_and_nothing_is_asked_twice(
    cli: Cli, lanes: list[Path], seed: int
) -> None:
    """Errors, cuts at any event, silence, pages: a fifth of all first and second tries."""
    async with messages_api(faults_by_seed(seed)) as api:
        done, shown = await run_over(api, cli, lanes)

    assert done.returncode == 0, done.stderr
    assert shown["status"] == "admitted"
    assert len(api.requests) > len(api.served)
    assert [n for n in Counter(api.served).values() if n > 1] == []
    records = await cli.records(RUN)
    assert_nothing_twice(records)
    assert len(api.served) == sum(isinstance(record.body, UsageSpent) for record in records)
    audited = await asyncio.to_thread(cli.run, "audit", RUN)
    assert audited.returncode == 0, audited.stdout


async def test_while_everybody_is_told_to_wait_calls_stay_few(cli: Cli, lanes: list[Path]) -> None:
    """Each member may find the limit once, while it is in flight; then the run waits as one."""
    loop = asyncio.get_running_loop()
    limited_until: list[float] = []
    refused = 0

    def script(_: dict[str, Any], number: int) -> httpx2.Response | None:
        nonlocal refused
        if number >= LIMITED_FROM and not limited_until:
            limited_until.append(loop.time() + LIMITED_S)
        if not limited_until or loop.time() >= limited_until[0]:
            return None
        refused += 1
        return error_response(429, "rate_limit_error", "slow down", **{"retry-after": "1"})

    async with messages_api(script) as api:
        done, shown = await run_over(api, cli, lanes)

    assert done.returncode == 0, done.stderr
    assert shown["status"] == "admitted"
    members = 5
    print(f"{refused} of {len(api.requests)} requests were refused")
    assert 1 <= refused <= members + LIMITED_S
    assert len(api.served) == len(api.requests) - refused


async def run_over(
    api: MessagesApi, cli: Cli, lanes: list[Path]
) -> tuple[subprocess.CompletedProcess[str], dict[str, Any]]:
    """Run the team against the stand-in, while this test's own server goes on serving."""
    environment = {
        "ANTHROPIC_BASE_URL": api.url,
        "ANTHROPIC_API_KEY": KEY,
        "PEERTEAM_MODEL_SILENT_S": "1",
    }
    return await asyncio.to_thread(cli.team_run, lanes, "--run", RUN, **environment)
