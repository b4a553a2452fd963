"""The command line as a user runs it: the result, the looks at it, and bad input."""

from __future__ import annotations

import json
from pathlib import Path

import msgspec
import pytest

from team.views.run_object import RunObject
from tests.support.cli import GOAL, Cli, as_team


def test_a_run_prints_one_object_with_everything_a_program_needs(
    cli: Cli, lanes: list[Path]
) -> None:
    """`team run --json`: one object on stdout, progress on stderr, files on disk."""
    done, shown = cli.team_run(lanes, "--run", "object")

    assert done.returncode == 0, done.stderr
    decoded = msgspec.convert(shown, RunObject)
    assert decoded.status == "admitted"
    assert decoded.mode == "team"
    assert decoded.model == "rehearsal-1"
    assert decoded.result is not None
    assert decoded.usage.is_estimated
    assert decoded.usage.cost_usd == 0.0
    for citation in decoded.result.citations:
        lines = Path(citation.source).read_text().splitlines()
        number = int(citation.locator.removeprefix("L"))
        assert citation.quote in lines[number - 1]
        assert f"[{citation.number}]" in decoded.result.text
    assert decoded.report is not None
    folder = Path(decoded.report).parent
    assert json.loads((folder / "result.json").read_text())["status"] == "admitted"
    assert (folder / "result.md").read_text() == decoded.result.text
    assert "No language model is used" in done.stderr


def test_show_log_decisions_and_ps_agree_with_the_run(cli: Cli, lanes: list[Path]) -> None:
    """What is shown afterwards is folded from the same stream."""
    _, shown = cli.team_run(lanes, "--run", "look")

    again = json.loads(cli.run("show", "look", "--json").stdout)
    assert again == shown
    text = cli.run("show", "look").stdout
    assert "answered (read at turn" in text
    assert shown["result"]["text"] in text
    lines = [json.loads(line) for line in cli.run("log", "look", "--json").stdout.splitlines()]
    assert [line["seq"] for line in lines] == list(range(1, len(lines) + 1))
    mail = [json.loads(x) for x in _lines(cli, "log", "look", "--kind", "mail", "--json")]
    assert len(mail) == sum(shown["messages"]["by_kind"].values())
    only = _lines(cli, "log", "look", "--member", "vera")
    assert only
    assert all("vera" in line for line in only)
    decisions = json.loads(cli.run("decisions", "look", "--json").stdout)
    assert [d["key"] for d in decisions] == ["cancel"]
    runs = json.loads(cli.run("ps", "--json").stdout)
    assert [(run["run"], run["status"]) for run in runs] == [("look", "admitted")]
    watched = cli.run("watch", "look")
    assert watched.returncode == 0
    assert "publishes the result: admitted" in watched.stderr


def test_one_lane_runs_solo(cli: Cli, lanes: list[Path]) -> None:
    """Fewer than two lanes: code rules that no team is needed, and says so."""
    goal = "How does alpha cancel work?"
    done, shown = cli.team_run(lanes[:1], "--mode", "auto", goal=goal)

    assert done.returncode == 0, done.stderr
    assert shown["mode"] == "solo"
    assert shown["triage"][0] == "T101: there is one lane only"
    assert len([m for m in shown["members"] if m["role"] == "researcher"]) == 1


def test_mode_solo_overrides_triage(cli: Cli, lanes: list[Path]) -> None:
    """`--mode` is the user's word."""
    done, shown = cli.team_run(lanes, "--mode", "solo")

    assert done.returncode == 0, done.stderr
    assert shown["mode"] == "solo"
    assert len([t for t in shown["tasks"] if t["purpose"] == "research"]) == 1


def test_a_finding_with_an_altered_quote_does_not_reach_the_result(
    cli: Cli, lanes: list[Path]
) -> None:
    """One word was changed in one quote, twice: the lane is missing, and the result says so."""
    done, shown = cli.team_run(lanes, PEERTEAM_REHEARSAL_FAULTS="alter-quote@ada")

    assert done.returncode == 3, done.stderr
    assert shown["status"] == "partial"
    assert len(shown["rejected"]) == 2
    assert all("quotes refuted" in line for line in shown["rejected"])
    assert any(line.startswith("alpha: rejected") for line in shown["missing"])
    altered = [
        f["claims"][0]["evidence"][0]["quote"] for f in shown["findings"] if f["task"] == "t1"
    ]
    assert altered
    assert all(quote not in shown["result"]["text"] for quote in altered)
    assert "alpha: rejected" in shown["result"]["text"]
    assert not [c for c in shown["result"]["citations"] if c["ref"].startswith("t1.")]


def test_a_mended_finding_is_admitted_in_its_second_round(cli: Cli, lanes: list[Path]) -> None:
    """What went wrong once is kept on record and does not count against the run."""
    done, shown = cli.team_run(lanes, PEERTEAM_REHEARSAL_FAULTS="alter-quote@ada#1")

    assert done.returncode == 0, done.stderr
    states = [(f["round"], f["state"]) for f in shown["findings"] if f["task"] == "t1"]
    assert states == [(1, "rejected"), (2, "admitted")]
    assert len(shown["rejected"]) == 1


def test_a_claim_that_its_quote_does_not_bear_out_is_refuted_by_the_verifier(
    cli: Cli, lanes: list[Path]
) -> None:
    """The quote is true, the claim is not: only fresh eyes can see that."""
    done, shown = cli.team_run(lanes, PEERTEAM_REHEARSAL_FAULTS="unsupported@bea")

    assert done.returncode == 3, done.stderr
    verdicts = [
        v
        for f in shown["findings"]
        if f["member"] == "bea"
        for v in f["verdicts"]
        if v["judgement"]["check"] == "verification" and v["judgement"]["outcome"] != "upheld"
    ]
    assert verdicts
    assert all(v["by"] == "vera" for v in verdicts)
    answer, _, rejected = shown["result"]["text"].partition("\n## What was rejected\n")
    assert "Penguins" not in answer
    assert "Penguins" in rejected


@pytest.mark.parametrize(
    ("fault", "code", "status", "said"),
    [
        ("garbage@lead", 4, "rejected", "it never called submit_plan"),
        ("garbage", 4, "rejected", "it never called submit_plan"),
        ("bad-input@cleo", 3, "partial", "the input does not fit"),
        ("refusal@bea", 3, "partial", "the model stopped: refusal"),
        ("html@ada", 3, "partial", "the reply is not a message"),
        ("cut-stream@ada", 3, "partial", "the stream ended before the message did"),
    ],
)
def test_a_model_that_returns_garbage_has_not_returned(
    cli: Cli, lanes: list[Path], fault: str, code: int, status: str, said: str
) -> None:
    """Nothing that is not a clean answer passes for one, whoever it comes from."""
    done, shown = cli.team_run(lanes, PEERTEAM_REHEARSAL_FAULTS=fault)

    assert done.returncode == code, done.stderr
    assert shown["status"] == status
    assert any(said in line for line in shown["missing"]), shown["missing"]
    assert "Traceback" not in done.stderr


def test_a_goal_may_come_from_standard_input(cli: Cli, lanes: list[Path]) -> None:
    """`-` for the goal reads it, so that long goals need no quoting."""
    done = cli.run("run", "research", "-", *as_team(lanes), "-q", given=GOAL)

    assert done.returncode == 0, done.stderr
    assert done.stdout.startswith(f"# {GOAL}")


def test_a_name_that_is_taken_is_refused(cli: Cli, lanes: list[Path]) -> None:
    """A second run of the same name would mix two streams."""
    cli.team_run(lanes, "--run", "twice")

    done = cli.run("run", "research", GOAL, *as_team(lanes), "--run", "twice")

    assert done.returncode == 2
    assert "run 'twice' exists already" in done.stderr


def test_a_finished_run_is_not_run_again_by_resume(cli: Cli, lanes: list[Path]) -> None:
    """Resuming what has ended shows it and changes nothing."""
    _, shown = cli.team_run(lanes, "--run", "done")

    again = cli.run("resume", "done", "--json")

    assert again.returncode == 0
    assert "has ended already: admitted" in again.stderr
    assert json.loads(again.stdout) == shown


def test_a_run_says_which_policy_holds_and_keeps_to_it(cli: Cli, lanes: list[Path]) -> None:
    """The stricter of the two, and the run knows no other."""
    policy = cli.cwd / "peerteam.toml"
    policy.write_text("[limits]\nteammates_max = 1\n[gate]\nverifiers = 2\n")

    done, shown = cli.team_run(lanes, "--run", "held")

    assert f"policy: {policy.resolve()} holds for this run" in done.stderr
    assert shown["status"] == "admitted"
    opened = json.loads(_lines(cli, "log", "held", "--kind", "spec", "--json")[0])
    assert opened["body"]["spec"]["project"]["limits"]["teammates_max"] == 1
    assert opened["body"]["spec"]["team"]["policy"]["teammates_max"] == 1
    assert opened["body"]["spec"]["team"]["gate"]["verifiers"] == 2


def test_every_command_has_help_with_an_example(cli: Cli) -> None:
    """Help is where a newcomer looks first."""
    listed = cli.run("--help").stdout
    commands = ["run", "ps", "show", "watch", "log", "decisions", "say", "cancel", "resume"]
    for command in [*commands, "roles", "check", "doctor", "schema", "up", "down"]:
        assert f"\n    {command}" in listed
        shown = cli.run(command, "--help").stdout
        assert f"  team {command}" in shown


def test_up_starts_the_server_and_down_ends_it(cli: Cli) -> None:
    """Both may be called twice."""
    first = json.loads(cli.run("up", "--json").stdout)
    second = json.loads(cli.run("up", "--json").stdout)

    assert first == second
    assert json.loads(cli.run("down", "--json").stdout) == {"was_running": True}
    assert json.loads(cli.run("down", "--json").stdout) == {"was_running": False}


def test_doctor_says_what_is_there(cli: Cli) -> None:
    """All is well without a key and without a running server; both are said."""
    done = cli.run("doctor", "--json")

    signs = {sign["what"]: sign for sign in json.loads(done.stdout)}
    assert done.returncode == 0, done.stdout
    assert all(sign["is_ok"] for sign in signs.values())
    assert "rehearsal" in signs["model"]["says"]
    broken = cli.run("doctor", "--json", "--nats", "nats://127.0.0.1:1")
    signs = {sign["what"]: sign for sign in json.loads(broken.stdout)}
    assert broken.returncode != 0
    assert not signs["bus"]["is_ok"]


def test_schema_describes_the_wire_and_the_result(cli: Cli) -> None:
    """JSON Schema for programs in other languages."""
    names = cli.run("schema").stdout.split()
    assert {"task.opened", "mail.question", "result", "spec", "message"} <= set(names)
    for name in names:
        assert json.loads(cli.run("schema", name).stdout), name
    assert cli.run("schema", "nope").returncode == 2


def _lines(cli: Cli, *arguments: str) -> list[str]:
    return cli.run(*arguments).stdout.splitlines()
