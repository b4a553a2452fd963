"""MCP servers that nobody here wrote, in a run: one over stdio, one over HTTP, one killed."""

from __future__ import annotations

import asyncio
import json
import os
import signal
import subprocess
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from pathlib import Path
from secrets import token_hex
from typing import Any

import httpx2
import pytest

from bus.messages import CallBegun, ContextOpened, RunOpened, SnapshotKept, TurnActed
from tests.support.cli import GOAL, Cli, is_alive, named, until_gone
from tests.support.mcp import TIME, free_port, over_http
from tests.support.messages_api import KEY, MessagesApi, Script, calling, messages_api

pytestmark = pytest.mark.slow

RUN = "outside"
SECRET = "sk-for-the-fetcher-alone"
PAGE = (
    b"HTTP/1.1 %s X\r\ncontent-type: text/plain\r\ncontent-length: %d\r\nconnection: close\r\n\r\n"
)
FACT = b"The tower is 324 metres high."


class Pages:
    """A web server on loopback; whoever asks for the page first is killed over it."""

    def __init__(self, mark: str) -> None:
        self.mark, self.killed, self.asked = mark, [], 0  # type: tuple[str, list[int], int]
        self.url = ""

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        head = await reader.readuntil(b"\r\n\r\n")
        is_page = b"/page" in head.split(b"\r\n")[0]
        if is_page:
            self.asked += 1
        if is_page and not self.killed:
            self.killed = [pid for pid in servers(self.mark) if "leash.py" not in command_of(pid)]
            for pid in self.killed:
                os.kill(pid, signal.SIGKILL)
        body = FACT if is_page else b""
        writer.write(PAGE % (b"200" if is_page else b"404", len(body)) + body)
        with suppress(ConnectionError):
            await writer.drain()
        writer.close()


def command_of(pid: int) -> str:
    with suppress(OSError):
        return Path(f"/proc/{pid}/cmdline").read_text().replace("\0", " ")
    return ""


def servers(mark: str) -> list[int]:
    """The processes that were started with this mark in their arguments."""
    pids = [int(one.name) for one in Path("/proc").iterdir() if one.name.isdigit()]
    return [pid for pid in pids if mark in command_of(pid) and is_alive(pid)]


@asynccontextmanager
async def pages(mark: str) -> AsyncIterator[Pages]:
    made = Pages(mark)
    server = await asyncio.start_server(made.serve, "127.0.0.1", 0)
    made.url = f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}/page"
    async with server:
        yield made


def a_project(cli: Cli, url: str, mark: str) -> None:
    fetch = ["-m", "mcp_server_fetch", "--allow-private-ips", "--user-agent", mark]
    definitions = {
        "fetch": {"command": sys.executable, "args": fetch, "env": {"API_KEY": "${FETCH_KEY}"}},
        "clock": {"type": "http", "url": url, "headers": {"Authorization": "Bearer ${FETCH_KEY}"}},
        "never": {"command": "not-allowed-by-policy"},
    }
    (cli.cwd / ".mcp.json").write_text(json.dumps({"mcpServers": definitions}))
    (cli.cwd / "peerteam.toml").write_text(
        '[mcp]\nservers = ["fetch", "clock"]\nread_only = ["mcp__fetch__*"]\n'
    )
    spec = 'name = "outside"\n[mcp]\nservers = ["fetch", "clock", "never"]\n'
    (cli.cwd / "teams").mkdir()
    (cli.cwd / "teams" / "outside.toml").write_text(spec)


def using(*calls: tuple[str, dict[str, Any]]) -> Script:
    """Whoever has the tools uses them once, before anything else."""

    def script(body: dict[str, Any], _: int) -> httpx2.Response | None:
        have = {tool["name"] for tool in body.get("tools", [])}
        said = [m["content"] for m in body["messages"] if isinstance(m["content"], list)]
        used = {b["name"] for blocks in said for b in blocks if b["type"] == "tool_use"}
        first = [call for call in calls if call[0] in have and call[0] not in used]
        return calling(body, first) if first else None

    return script


async def run_it(
    cli: Cli, api: MessagesApi, sources: list[Path], *more: str
) -> subprocess.CompletedProcess[str]:
    cli.patience_s = 110.0
    given = [*named(sources), "--mode", "solo", "--run", RUN, "--json", *more]
    keys = {"ANTHROPIC_BASE_URL": api.url, "ANTHROPIC_API_KEY": KEY, "FETCH_KEY": SECRET}
    return await asyncio.to_thread(cli.run, "run", "outside", GOAL, *given, **keys)


async def test_two_foreign_servers_are_used_in_a_run_and_one_is_killed_in_mid_call(
    cli: Cli, lanes: list[Path]
) -> None:
    """stdio: mcp-server-fetch, killed while it fetches; HTTP: mcp-server-time, behind a proxy."""
    mark = f"peerteam-test-{token_hex(4)}"
    with over_http(free_port(), *TIME) as url:
        async with pages(mark) as web:
            a_project(cli, url, mark)
            asks = (
                ("mcp__fetch__fetch", {"url": web.url}),
                ("mcp__clock__get_current_time", {"timezone": "Europe/Paris"}),
            )
            async with messages_api(using(*asks)) as api:
                done = await run_it(cli, api, lanes)

    assert done.returncode == 0, done.stderr
    assert "left out: MCP server 'never'" in done.stderr
    assert web.killed
    records = await cli.records(RUN)
    kept = [record.body for record in records if isinstance(record.body, SnapshotKept)]
    assert {one.tool for one in kept} == {"mcp__fetch__fetch", "mcp__clock__get_current_time"}
    outcomes = [o for r in records if isinstance(r.body, TurnActed) for o in r.body.outcomes]
    fetched = [o.content for o in outcomes if o.tool == "mcp__fetch__fetch"]
    assert fetched
    assert all(FACT.decode() in one for one in fetched)
    assert web.asked == len(fetched) + 1
    clock = [o for o in outcomes if o.tool == "mcp__clock__get_current_time"]
    assert not any(one.is_error for one in clock)
    begun = [r.body.tool for r in records if isinstance(r.body, CallBegun)]
    assert begun == ["mcp__clock__get_current_time"] * len(clock)
    await until_gone(servers(mark))
    audited = await asyncio.to_thread(cli.run, "audit", RUN)
    assert audited.returncode == 0, audited.stdout
    assert SECRET not in "".join(str(record.envelope) for record in records)
    opened = [record.body for record in records if isinstance(record.body, RunOpened)]
    assert b"mcp_server_fetch" not in bytes(opened[0].spec)
    contexts = [r.body for r in records if isinstance(r.body, ContextOpened) and r.body.servers]
    assert {c.context.split(":")[0] for c in contexts} == {"task"}


async def test_the_tools_that_a_team_may_use_are_listed_before_a_run(cli: Cli) -> None:
    definitions = {
        "time": {"command": sys.executable, "args": list(TIME)},
        "gone": {"command": "x"},
    }
    (cli.cwd / ".mcp.json").write_text(json.dumps({"mcpServers": definitions}))
    (cli.cwd / "peerteam.toml").write_text(
        '[mcp]\nservers = ["time"]\nread_only = ["mcp__time__get_*"]\n'
    )
    (cli.cwd / "teams").mkdir()
    (cli.cwd / "teams" / "t.toml").write_text('name = "t"\n[mcp]\nservers = ["time", "gone"]\n')

    done = await asyncio.to_thread(cli.run, "tools", "t")
    none = await asyncio.to_thread(cli.run, "tools", "--json")

    assert done.returncode == 0, done.stderr
    assert [line.split() for line in done.stdout.splitlines()[1:]] == [
        ["mcp__time__get_current_time", "read-only", "researcher"],
        ["mcp__time__convert_time", "effectful", "researcher"],
    ]
    assert "left out: MCP server 'gone'" in done.stderr
    assert json.loads(none.stdout) == {"servers": [], "left_out": []}


async def test_a_run_with_servers_is_replayed_without_them(
    cli: Cli, lanes: list[Path], tmp_path: Path
) -> None:
    """What the tools were and what they gave is in the recording; nothing is started."""
    time = {"command": sys.executable, "args": list(TIME), "env": {"API_KEY": "${FETCH_KEY}"}}
    file = cli.cwd / ".mcp.json"
    file.write_text(json.dumps({"mcpServers": {"time": time}}))
    (cli.cwd / "peerteam.toml").write_text('[mcp]\nservers = ["time"]\n')
    (cli.cwd / "teams").mkdir()
    spec = 'name = "outside"\n[mcp]\nservers = ["time"]\n'
    (cli.cwd / "teams" / "outside.toml").write_text(spec)
    tape = str(tmp_path / "run.tape")
    asks = ("mcp__time__get_current_time", {"timezone": "Europe/Paris"})
    async with messages_api(using(asks)) as api:
        recorded = await run_it(cli, api, lanes, "--record", tape)
    assert recorded.returncode == 0, recorded.stderr

    given = [*named(lanes), "--mode", "solo", "--json", "--replay", tape, "--run", "again"]
    replayed = await asyncio.to_thread(cli.run, "run", "outside", GOAL, *given)

    assert replayed.returncode == 0, replayed.stderr
    assert "messages are the same but for times and ids" in replayed.stderr
    assert (
        json.loads(recorded.stdout)["result"]["text"]
        == json.loads(replayed.stdout)["result"]["text"]
    )
    again = cli.home / "runs" / "again" / "logs"
    assert not any("mcp.started" in log.read_text() for log in again.glob("*.log"))
    assert any(
        "mcp.started" in log.read_text() for log in (cli.home / "runs" / RUN / "logs").glob("*.log")
    )
