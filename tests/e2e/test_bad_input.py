"""Bad input gets an error that names the thing and the fix; never a traceback."""

from __future__ import annotations

import asyncio
import json
import shlex
import subprocess
from collections.abc import Callable
from pathlib import Path
from typing import Any

import httpx2
import pytest

from bus.server import start_server, stop_server
from tests.support.cli import GOAL, Cli, as_team
from tests.support.messages_api import KEY, error_response, messages_api

BROKEN_ROLE = "---\nname: researcher\ndescription: d\ntools: serch_sources\n---\nDo it.\n"


def _write(name: str, text: str) -> Callable[[Path], None]:
    def write(folder: Path) -> None:
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)

    return write


def _nothing(folder: Path) -> None:
    """Prepare nothing."""


@pytest.mark.parametrize(
    ("prepare", "arguments", "said"),
    [
        (_nothing, ["run", "nope", GOAL, "-s", "."], "there is no such team spec"),
        (_nothing, ["run", "reserch", GOAL, "-s", "."], "did you mean 'research'?"),
        (_nothing, ["run", "research", "  ", "-s", "."], "goal: it is empty"),
        (_nothing, ["run", "research", GOAL], "no source is named"),
        (_nothing, ["run", "research", GOAL, "-s", "no/such"], "'no/such': there is no such file"),
        (_nothing, ["run", "research", GOAL, "-s", "*.nope"], "*.nope"),
        (
            _write("teams/mine.toml", 'name = "mine\n'),
            ["run", "mine", GOAL, "-s", "."],
            "teams/mine.toml:1: broken TOML",
        ),
        (
            _write("teams/mine.toml", 'name = "mine"\n[policy]\nteammate_max = 3\n'),
            ["run", "mine", GOAL, "-s", "."],
            "mine.toml:3: policy.teammate_max: unknown field; did you mean 'teammates_max'?",
        ),
        (
            _write("teams/mine.toml", 'name = "mine"\n[policy]\nturns_max = "many"\n'),
            ["run", "mine", GOAL, "-s", "."],
            "mine.toml:3: policy.turns_max: Expected `int`, got `str`",
        ),
        (
            _write("teams/mine.toml", 'name = "mine"\n[roles]\nworker = "reseacher"\n'),
            ["run", "mine", GOAL, "-s", "."],
            "did you mean 'researcher'",
        ),
        (
            _write("roles/researcher.md", BROKEN_ROLE),
            ["run", "research", GOAL, "-s", "."],
            "roles/researcher.md:4: tools: there is no tool 'serch_sources'; did you mean",
        ),
        (
            _write("peerteam.toml", "[limits]\nteammate_max = 3\n"),
            ["run", "research", GOAL, "-s", "."],
            "peerteam.toml:2: limits.teammate_max: unknown field; did you mean 'teammates_max'?",
        ),
        (
            _nothing,
            ["run", "research", GOAL, "-s", ".", "--policy", "none"],
            "none: can't be read",
        ),
        (
            _write("roles/researcher.md", BROKEN_ROLE),
            ["check"],
            "there is no tool 'serch_sources'",
        ),
        (_nothing, ["run", "research", GOAL, "-s", ".", "--run", "a.b"], "run 'a.b' can't be used"),
        (
            _nothing,
            ["run", "research", GOAL, "-s", ".", "--model", "claude-sonnet-5-5"],
            "needs a key",
        ),
        (_nothing, ["check", "nope.toml"], "there is no such file or folder"),
        (_nothing, ["schema", "nope"], "there is no such type"),
    ],
)
def test_bad_input_is_refused_before_anything_starts(
    cli: Cli, prepare: Callable[[Path], None], arguments: list[str], said: str
) -> None:
    """The error names the place, what is wrong and the fix; no server is started for it."""
    (cli.cwd / "notes.md").write_text("# Notes\n\nSomething to read.\n")
    prepare(cli.cwd)

    done = cli.run(*arguments)

    assert done.returncode == 2
    assert said in done.stderr + done.stdout
    assert "Traceback" not in done.stderr
    assert not (cli.home / "nats").exists()


@pytest.mark.parametrize("command", ["show", "watch", "log", "decisions", "resume", "cancel"])
def test_an_unknown_run_is_named(cli: Cli, command: str) -> None:
    """Every command that takes a run says where the runs are listed."""
    done = cli.run(command, "nope")

    assert done.returncode == 2
    assert "there is no run 'nope'" in done.stderr
    assert "team ps" in done.stderr


def test_saying_something_to_nobody_names_who_there_is(cli: Cli, lanes: list[Path]) -> None:
    """A finished run has nobody left; an unknown name is an error at once."""
    cli.team_run(lanes, "--run", "over")

    done = cli.run("say", "over", "ada", "Hello?")

    assert done.returncode == 2
    assert "there is no member 'ada'" in done.stderr


def test_a_goal_that_is_no_text_is_refused(cli: Cli, lanes: list[Path]) -> None:
    """Bytes on standard input, or nothing at all."""
    command = cli.command("run", "research", "-", *as_team(lanes))
    for given, said in ((b"\xff\xfe\x00", "it is not UTF-8"), (b"", "goal: it is empty")):
        done = subprocess.run(
            command, cwd=cli.cwd, env=cli.environment, input=given, capture_output=True, check=False
        )
        assert done.returncode == 2
        assert said in done.stderr.decode()
        assert "Traceback" not in done.stderr.decode()


@pytest.mark.parametrize("closed", ["<&-", ">&-", "2>&-", "<&- >&- 2>&-"])
def test_a_run_whose_standard_streams_are_closed_ends_all_the_same(
    cli: Cli, lanes: list[Path], closed: str
) -> None:
    """As daemons and cron start things: the files say what nobody hears."""
    command = shlex.join(cli.command("run", "research", GOAL, *as_team(lanes), "--run", "mute"))

    done = subprocess.run(
        ["bash", "-c", f"{command} {closed}"],
        cwd=cli.cwd,
        env=cli.environment,
        capture_output=True,
        text=True,
        check=False,
        timeout=90,
    )

    assert done.returncode == 0, done.stderr
    written = json.loads((cli.home / "runs" / "mute" / "result.json").read_text())
    assert written["status"] == "admitted"


def test_a_temporary_folder_with_a_long_path_is_no_hindrance(
    cli: Cli, lanes: list[Path], tmp_path: Path
) -> None:
    """A socket's path may have 108 bytes, a folder's many more."""
    deep = tmp_path / ("d" * 60) / ("e" * 60)
    deep.mkdir(parents=True)

    done, shown = cli.team_run(lanes, TMPDIR=str(deep))

    assert done.returncode == 0, done.stderr
    assert shown["status"] == "admitted"


def test_readers_that_leave_early_change_neither_the_run_nor_its_exit_status(
    cli: Cli, lanes: list[Path]
) -> None:
    """`2> >(head -1)` and `| head -1`: the result is written and the status is told."""
    (cli.cwd / "peerteam.toml").write_text("[limits]\nfresh_rounds_max = 0\n")
    command = shlex.join(cli.command("run", "research", GOAL, *as_team(lanes), "--run", "early"))
    script = f"set -o pipefail; {command} 2> >(head -1 >/dev/null) | head -1"
    environment = cli.environment | {"PEERTEAM_REHEARSAL_FAULTS": "alter-quote@ada"}

    done = subprocess.run(
        ["bash", "-c", script],
        cwd=cli.cwd,
        env=environment,
        capture_output=True,
        text=True,
        check=False,
        timeout=90,
    )

    assert done.returncode == 3, done.stderr
    written = json.loads((cli.home / "runs" / "early" / "result.json").read_text())
    assert written["status"] == "partial"


def test_output_that_the_terminal_cannot_show_is_replaced(cli: Cli, lanes: list[Path]) -> None:
    """A locale without UTF-8 costs characters, not the command."""
    poor = {"LC_ALL": "C", "PYTHONUTF8": "0", "PYTHONCOERCECLOCALE": "0"}

    done = cli.run("run", "research", GOAL, *as_team(lanes), "--run", "poor", **poor)
    shown = cli.run("show", "poor", **poor)

    assert done.returncode == 0, done.stderr
    assert shown.returncode == 0
    assert "Traceback" not in done.stderr + shown.stderr


def test_an_unreachable_server_is_named(cli: Cli, lanes: list[Path]) -> None:
    """The URL, what happened, and the way out."""
    done = cli.run("run", "research", GOAL, *as_team(lanes), "--nats", "nats://127.0.0.1:1")

    assert done.returncode == 7
    assert "nats://127.0.0.1:1" in done.stderr
    assert "leave out --nats" in done.stderr
    assert "Traceback" not in done.stderr


def test_a_server_without_jetstream_is_refused(cli: Cli, lanes: list[Path], tmp_path: Path) -> None:
    """Named with its URL, and how to start it right."""
    directory = tmp_path / "plain"
    server = start_server(directory, jetstream=False)
    url = server.url.replace("nats://", f"nats://{server.token}@")
    try:
        done = cli.run("run", "research", GOAL, *as_team(lanes), "--nats", url)
    finally:
        stop_server(directory)

    assert done.returncode == 7
    assert "has no JetStream" in done.stderr
    assert "start it with '-js'" in done.stderr
    assert server.token not in done.stderr


def test_a_wrong_token_is_refused(cli: Cli, lanes: list[Path], tmp_path: Path) -> None:
    """And the token that was tried is not printed."""
    directory = tmp_path / "locked"
    server = start_server(directory)
    url = server.url.replace("nats://", "nats://wrong-token@")
    try:
        done = cli.run("run", "research", GOAL, *as_team(lanes), "--nats", url)
    finally:
        stop_server(directory)

    assert done.returncode == 7
    assert "refused us" in done.stderr
    assert "wrong-token" not in done.stderr


async def test_a_server_of_ones_own_serves_a_whole_run(
    cli: Cli, lanes: list[Path], tmp_path: Path
) -> None:
    """`NATS_URL` instead of the embedded server."""
    directory = tmp_path / "own"
    server = start_server(directory)
    url = server.url.replace("nats://", f"nats://{server.token}@")
    try:
        done, shown = cli.team_run(lanes, NATS_URL=url)
    finally:
        stop_server(directory)

    assert done.returncode == 0, done.stderr
    assert shown["status"] == "admitted"
    assert not (cli.home / "nats").exists()


async def test_an_invalid_key_stops_the_run_with_the_reason_and_a_good_one_resumes_it(
    cli: Cli, lanes: list[Path]
) -> None:
    """401 from the provider: nothing is spent, nothing is lost."""
    async with messages_api() as api:
        bad = {"ANTHROPIC_BASE_URL": api.url, "ANTHROPIC_API_KEY": "sk-test-bad"}
        done, shown = await _off_loop(cli, lanes, **bad)

        assert done.returncode == 5, done.stderr
        assert shown["status"] == "stalled"
        assert "401 authentication_error" in done.stderr
        assert "check ANTHROPIC_API_KEY" in done.stderr
        assert "sk-test-bad" not in done.stderr + done.stdout
        assert "Traceback" not in done.stderr
        asked = len(api.requests)
        good = bad | {"ANTHROPIC_API_KEY": KEY}
        resumed = await _off_loop_run(cli, "resume", "key", "-q", **good)

    assert asked == 1
    assert resumed.returncode == 0, resumed.stderr


async def test_a_whole_run_over_http_costs_what_is_not_known(cli: Cli, lanes: list[Path]) -> None:
    """The real path: real client, real HTTP, a model that no price table has."""
    async with messages_api() as api:
        environment = {"ANTHROPIC_BASE_URL": api.url, "ANTHROPIC_API_KEY": KEY}
        done, shown = await _off_loop(cli, lanes, **environment)

    assert done.returncode == 0, done.stderr
    assert shown["status"] == "admitted"
    assert shown["usage"]["cost_usd"] is None
    assert shown["usage"]["calls"] == len(api.requests)
    assert set(api.keys) == {KEY}
    assert all(body["stream"] for body in api.requests)
    assert {body["model"] for body in api.requests} == {"claude-opus-5-5", "claude-sonnet-5-5"}


async def test_a_provider_that_asks_to_wait_is_waited_for(cli: Cli, lanes: list[Path]) -> None:
    """429 with retry-after, 529 and a broken page are each tried again; nothing is paid twice."""

    def script(_: dict[str, Any], number: int) -> httpx2.Response | None:
        if number == 2:
            return error_response(429, "rate_limit_error", "slow down", **{"retry-after": "0.2"})
        if number == 4:
            return error_response(529, "overloaded_error", "Overloaded")
        if number == 6:
            return error_response(502, "api_error", "bad gateway")
        return None

    async with messages_api(script) as api:
        environment = {"ANTHROPIC_BASE_URL": api.url, "ANTHROPIC_API_KEY": KEY}
        done, shown = await _off_loop(cli, lanes, **environment)

    assert done.returncode == 0, done.stderr
    assert shown["usage"]["calls"] == len(api.requests) - 3


async def _off_loop(
    cli: Cli, lanes: list[Path], **environment: str
) -> tuple[subprocess.CompletedProcess[str], dict[str, Any]]:
    """Run the team while this test's own server goes on serving."""
    return await asyncio.to_thread(cli.team_run, lanes, "--run", "key", **environment)


async def _off_loop_run(
    cli: Cli, *arguments: str, **environment: str
) -> subprocess.CompletedProcess[str]:
    return await asyncio.to_thread(lambda: cli.run(*arguments, **environment))
