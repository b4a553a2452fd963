"""A person has to say yes: to the plan, to a decision, to the answer."""

from __future__ import annotations

import asyncio
import json
from pathlib import Path

import pytest

from tests.support.cli import GOAL, Cli, named

WAITING, REJECTED = 8, 4


@pytest.fixture
def careful(cli: Cli, lanes: list[Path]) -> list[str]:
    """The command line of a team that asks a person for its plan and its answer."""
    (cli.cwd / "teams").mkdir()
    spec = 'name = "careful"\n[approve]\nplan = true\nresult = true\n'
    (cli.cwd / "teams/careful.toml").write_text(spec)
    return ["run", "careful", GOAL, *named(lanes), "--run", "r", "--mode", "team", "--no-wait"]


def _waits_for(cli: Cli) -> list[str]:
    [row] = json.loads(cli.run("ps", "--json").stdout)
    return list(row["waits_for"])


def _calls(cli: Cli) -> int:
    return int(json.loads(cli.run("show", "r", "--json").stdout)["usage"]["calls"])


@pytest.mark.slow
def test_a_run_waits_for_a_person_over_stops_and_ends_as_approved(
    cli: Cli, careful: list[str]
) -> None:
    """The server is ended while the run waits: what was asked is in the stream."""
    done = cli.run(*careful)
    assert done.returncode == WAITING, done.stderr
    assert "team approve r plan" in done.stderr
    assert "objective:" in done.stderr
    assert _waits_for(cli) == ["plan"]
    calls = _calls(cli)
    cli.run("down")
    assert "waiting for plan" in cli.run("ps").stdout

    assert cli.run("approve", "r").returncode == 0
    assert cli.run("resume", "r", "--no-wait").returncode == WAITING
    assert _waits_for(cli) == ["result"]
    assert _calls(cli) > calls
    text = json.loads(cli.run("show", "r", "--json").stdout)["waits_for"][0]["text"]
    calls = _calls(cli)

    assert cli.run("approve", "r", "result", "--why", "fine").returncode == 0
    done = cli.run("resume", "r", "--json", "--no-wait")
    assert done.returncode == 0, done.stderr
    shown = json.loads(done.stdout)
    assert shown["status"] == "admitted"
    assert shown["result"]["text"] == text
    assert shown["usage"]["calls"] == calls
    assert shown["waits_for"] == []


@pytest.mark.slow
def test_what_a_person_refuses_goes_back_and_in_the_end_the_run_is_rejected(
    cli: Cli, careful: list[str]
) -> None:
    assert cli.run(*careful).returncode == WAITING
    said = cli.run("reject", "r", "plan", "--why", "leave gamma out")
    assert said.returncode == 0
    assert "team resume r" in said.stderr
    assert cli.run("resume", "r", "--no-wait").returncode == WAITING
    assert _waits_for(cli) == ["plan-2"]
    opened = cli.run("log", "r", "--kind", "journal", "--json").stdout
    assert "a person has refused the plan: leave gamma out" in opened

    for name in ("plan-2", "plan-3"):
        assert cli.run("reject", "r", name, "--why", "no").returncode == 0
        done = cli.run("resume", "r", "--no-wait", "--json")
    assert done.returncode == REJECTED, done.stderr
    missing = json.loads(done.stdout)["missing"]
    assert missing[0] == "a person has refused the plan: leave gamma out"


async def test_an_answer_to_a_run_that_goes_on_is_heard_at_once(
    cli: Cli, careful: list[str]
) -> None:
    careful.remove("--no-wait")
    with cli.start(*careful) as process:
        for name in ("plan", "result"):
            await cli.until("r", lambda r, name=name: r.subject.names == (name,))
            said = await asyncio.to_thread(cli.run, "approve", "r", name)
            assert said.returncode == 0, said.stderr
        assert await asyncio.to_thread(process.wait, 60) == 0


@pytest.mark.slow
def test_a_wrong_answer_is_an_error_that_says_what_is_asked(cli: Cli, careful: list[str]) -> None:
    assert cli.run(*careful).returncode == WAITING

    for arguments, words in (
        (("approve", "r", "result"), "it waits for: plan"),
        (("approve", "nobody"), "nobody"),
        (("reject", "r", "plan", "--why", " "), "--why"),
    ):
        done = cli.run(*arguments)
        assert done.returncode == 2, done.stderr
        assert words in done.stderr
        assert "Traceback" not in done.stderr
