"""`team mcp`: teams are started and followed by MCP clients, over stdio and over HTTP."""

from __future__ import annotations

import asyncio
import json
import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import httpx2
import pytest
from mcp import Client

from bus.messages import ResultPublished
from tests.support.cli import GOAL, Cli, is_alive
from tests.support.mcp_clients import ask, ask_in_vain, http_server, over_http, stdio_server

ROOT = Path(__file__).resolve().parents[2]
# Starts a run as a client does, says which, and then only waits to be killed.
LEAVER = """
import asyncio, json, sys
from mcp import Client, StdioServerParameters

async def main():
    given = json.load(sys.stdin)
    async with Client(StdioServerParameters(**given["server"])) as client:
        started = await client.call_tool("start_run", given["asked"])
        print(json.dumps(started.structured_content), flush=True)
        await asyncio.Event().wait()

asyncio.run(main())
"""


@pytest.fixture
def sources(cli: Cli, lanes: list[Path]) -> list[str]:
    """Three lanes below the folder where the server is started."""
    for lane in lanes:
        lane.rename(cli.cwd / lane.name)
    return [lane.name for lane in lanes]


@pytest.mark.slow
async def test_a_run_is_started_and_followed_over_stdio(cli: Cli, sources: list[str]) -> None:
    """The answer is the one that the command line shows; each event came as progress."""
    heard: list[str] = []

    async def hear(_progress: float, _total: float | None, message: str | None) -> None:
        heard.append(message or "")

    async with Client(stdio_server(cli)) as client:
        started = await ask(
            client, "start_run", goal=GOAL, sources=sources, mode="team", tokens_max=3_000_000
        )
        run = started["run"]
        assert started["is_at_work"]
        assert f"team cancel {run}" in started["next"]
        first = await ask(client, "follow_run", run=run)
        assert first["events"][0]["text"].startswith("asks: How do alpha")
        arguments = {"run": run, "until": "end", "after": first["next_after"], "wait_seconds": 100}
        ended = await client.call_tool("follow_run", arguments, progress_callback=hear)
        result = await ask(client, "run_result", run=run)
        citations = await ask(client, "run_result", run=run, part="citations")
        status = await ask(client, "run_status", run=run)
        decisions = await ask(client, "run_decisions", run=run)
        resource = await client.read_resource(f"peerteam://runs/{run}/result")
        refused = await ask_in_vain(client, "resume_run", run=run)

    assert ended.structured_content is not None
    assert ended.structured_content["status"] == "admitted"
    assert any("publishes the result: admitted" in line for line in heard)
    shown = json.loads(cli.run("show", run, "--json").stdout)
    assert (result["text"], result["next_offset"]) == (shown["result"]["text"], None)
    assert [one["quote"] for one in citations["citations"]] == [
        one["quote"] for one in shown["result"]["citations"]
    ]
    assert {task["state"] for task in status["tasks"]} == {"admitted"}
    assert status["spent"]["tokens_max"] == 3_000_000
    assert [one["name"] for one in decisions["decisions"]] == [
        f"{one['area']}/{one['key']}" for one in shown["decisions"]
    ]
    assert [part.text for part in resource.contents] == [shown["result"]["text"]]  # type: ignore[union-attr]
    assert "it has ended already: admitted" in refused


@pytest.mark.slow
async def test_a_run_goes_on_when_the_client_that_started_it_is_killed(
    cli: Cli, sources: list[str]
) -> None:
    """Client and server are killed in mid-run; nobody is left but the run's own session."""
    server = stdio_server(cli, PEERTEAM_REHEARSAL_LATENCY_MS="60").model_dump(mode="json")
    asked = {"goal": GOAL, "sources": sources, "mode": "team"}
    with _leaver(cli) as client:
        assert client.stdin is not None
        assert client.stdout is not None
        json.dump({"server": server, "asked": asked}, client.stdin)
        client.stdin.close()
        run = json.loads(await asyncio.to_thread(client.stdout.readline))["run"]
        for pid in (*_children(client.pid), client.pid):
            os.kill(pid, signal.SIGKILL)
    before = await cli.records(run)

    ended = await cli.until(run, lambda record: isinstance(record.body, ResultPublished))

    assert not any(isinstance(record.body, ResultPublished) for record in before)
    assert isinstance(ended.body, ResultPublished)
    assert ended.body.status == "admitted"


@contextmanager
def _leaver(cli: Cli) -> Iterator[subprocess.Popen[str]]:
    with subprocess.Popen(
        [sys.executable, "-c", LEAVER],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        env=cli.environment | {"PYTHONPATH": str(ROOT)},
        text=True,
    ) as client:
        try:
            yield client
        finally:
            client.kill()


def _children(pid: int) -> list[int]:
    """The processes that a process has started and that run."""
    listed = Path(f"/proc/{pid}/task/{pid}/children").read_text().split()
    return [int(one) for one in listed if is_alive(int(one))]


@pytest.mark.slow
async def test_two_clients_have_runs_of_one_server_at_once_over_http(
    cli: Cli, sources: list[str]
) -> None:
    """Each starts one and follows the other's; both end, and both see both."""
    token = {"authorization": "Bearer open-sesame"}
    with http_server(cli, PEERTEAM_MCP_TOKEN="open-sesame") as url:
        async with httpx2.AsyncClient() as stranger:
            assert (await stranger.post(url, json={})).status_code == 401
            elsewhere = {"host": "peerteam.example", **token}
            assert (await stranger.post(url, json={}, headers=elsewhere)).status_code == 421
        async with over_http(url, token) as ada, over_http(url, token) as bea:
            runs = await asyncio.gather(
                ask(ada, "start_run", goal=GOAL, sources=sources, mode="team", run="first"),
                ask(bea, "start_run", goal=GOAL, sources=sources[:2], mode="solo", run="second"),
            )
            wait = {"until": "end", "wait_seconds": 100}
            ends = await asyncio.gather(
                ask(ada, "follow_run", run="second", **wait),
                ask(bea, "follow_run", run="first", **wait),
            )
            listed = await ask(ada, "list_runs")
            taken = await ask_in_vain(
                bea, "start_run", goal=GOAL, sources=sources, mode="solo", run="first"
            )

    assert [one["run"] for one in runs] == ["first", "second"]
    assert [one["status"] for one in ends] == ["admitted", "admitted"]
    assert {one["run"]: one["status"] for one in listed["runs"]} == {
        "first": "admitted",
        "second": "admitted",
    }
    assert "'first'" in taken
