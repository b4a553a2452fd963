"""A run on pages of the web: from the command line to a cited answer, and again without the web."""

from __future__ import annotations

import asyncio
import json
import re
from pathlib import Path

import pytest

from bus.access import SERVER_DIRECTORY
from bus.server import stop_server
from tests.support.cli import Cli
from tests.support.recorded import stream_of
from tests.support.web_site import POOLS, SENTENCE, html, web_site

pytestmark = pytest.mark.timeout(300)
BAD_INPUT = 2


def _goal(url: str) -> str:
    return f"How many connections does a pool keep open, says {url}/pools?"


@pytest.mark.slow
async def test_a_run_on_a_page_is_cited_checked_moved_and_replayed_without_it(
    cli: Cli, tmp_path: Path
) -> None:
    """No source is named; the page is gone when the run is audited, read, moved and replayed."""
    async with web_site({"/pools": html(POOLS)}) as site:
        (cli.cwd / "peerteam.toml").write_text(f'[web]\nhosts = ["{site.host}"]\n')
        goal = _goal(site.url)
        run = ("run", "research", goal, "--model", "rehearsal", "--json")
        done = await asyncio.to_thread(cli.run, *run, "--run", "first", "--record", "tape")
        asked = list(site.asked)
    assert done.returncode == 0, done.stderr
    result = json.loads(done.stdout)
    (citation,) = result["result"]["citations"]
    name = citation["source"]
    assert asked == ["/robots.txt", "/pools"]
    assert re.fullmatch(r"snapshot:[0-9a-f]{20}", name)
    assert citation["origin"].startswith(f"{site.url}/pools, brought 20")
    assert citation["origin"] in result["result"]["text"]
    assert [row["source"] for row in result["brought"]] == [name]
    report = (cli.home / "runs" / "first" / "report.html").read_text()
    assert citation["origin"] in report

    await asyncio.to_thread(_read_again, cli, name, citation["locator"])
    await asyncio.to_thread(_moved, cli, tmp_path / "there", name)
    again = await asyncio.to_thread(cli.run, *run, "--run", "second", "--replay", "tape")
    assert again.returncode == 0, again.stderr
    assert "messages are the same" in again.stderr
    assert await stream_of(cli, "second") == await stream_of(cli, "first")
    assert SENTENCE in await asyncio.to_thread(_checked, cli, "source", "second", name)


def _checked(cli: Cli, *arguments: str) -> str:
    ended = cli.run(*arguments)
    assert ended.returncode == 0, ended.stderr
    return ended.stdout


def _read_again(cli: Cli, name: str, line: str) -> None:
    """What was brought is listed, can be read by lines, and is audited on the same bytes."""
    assert name in _checked(cli, "source", "first")
    assert name in _checked(cli, "show", "first")
    assert _checked(cli, "source", "first", name, "--lines", line) == f"{line}| {SENTENCE}\n"
    assert "first: clean" in _checked(cli, "audit", "first")


def _moved(cli: Cli, folder: Path, name: str) -> None:
    """A fork has the text, goes on and is admitted; so has another server."""
    records = json.loads(_checked(cli, "source", "first", "--json"))
    assert [row["source"] for row in records] == [name]
    whole = _checked(cli, "log", "first", "--json").splitlines()
    submitted = next(r for r in map(json.loads, whole) if r["type"] == "finding.submitted")
    _checked(cli, "fork", "first", "--at", str(submitted["seq"]), "--run", "forked")
    assert SENTENCE in _checked(cli, "source", "forked", name)
    _checked(cli, "resume", "forked", "--quiet")
    assert "forked: clean" in _checked(cli, "audit", "forked")
    _checked(cli, "export", "first", "first.run")
    (folder / "project").mkdir(parents=True)
    there = Cli(folder / "home", folder / "project")
    try:
        _checked(there, "import", str(cli.cwd / "first.run"))
        assert SENTENCE in _checked(there, "source", "first", name)
        assert "first: clean" in _checked(there, "audit", "first")
    finally:
        stop_server(there.home / SERVER_DIRECTORY)


def test_without_sources_and_hosts_a_run_says_what_to_name(cli: Cli) -> None:
    done = cli.run("run", "research", "What is a pool?", "--model", "rehearsal")

    assert done.returncode == BAD_INPUT
    assert "[web] hosts" in done.stderr


def test_a_host_that_can_name_nothing_is_named_before_the_run(cli: Cli) -> None:
    (cli.cwd / "peerteam.toml").write_text('[web]\nhosts = ["https://docs.python.org"]\n')

    done = cli.run("run", "research", "What is a pool?", "--model", "rehearsal")

    assert done.returncode == BAD_INPUT
    assert "web.hosts: 'https://docs.python.org'" in done.stderr
