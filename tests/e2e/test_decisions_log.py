"""The decisions log as a user meets it: two lanes that would contradict each other."""

from __future__ import annotations

import json
import os
import signal
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from bus.messages import (
    ContextOpened,
    DecisionChallenged,
    DecisionRecorded,
    DecisionRuled,
    FindingSubmitted,
    MemberJoined,
    TurnActed,
    TurnReplied,
)
from bus.run_stream import Record
from tests.support.cli import Cli, assert_nothing_twice
from tests.support.conventions import (
    ARGUMENTS,
    CELSIUS,
    FAHRENHEIT,
    GOAL,
    conventions_cited,
    lay_out,
)

SLOW = {"PEERTEAM_REHEARSAL_LATENCY_MS": "300"}
"""So slow that a run is still at work when something has been seen in its stream."""


@pytest.fixture
def project(cli: Cli) -> Cli:
    """`team` in a folder with the sources of two lanes that contradict each other."""
    lay_out(cli.cwd)
    return cli


def _run(cli: Cli, team: str, run: str, *more: str, **environment: str) -> dict[str, Any]:
    done = cli.run("run", team, GOAL, *ARGUMENTS, "--run", run, "--json", *more, **environment)
    assert done.returncode == 0, done.stderr
    shown: dict[str, Any] = json.loads(done.stdout)
    return shown


def _decisions(cli: Cli, run: str, *more: str) -> list[dict[str, Any]]:
    rows: list[dict[str, Any]] = json.loads(
        cli.run("decisions", run, "--area", "units", *more, "--json").stdout
    )
    return rows


def test_without_the_log_the_result_contradicts_itself(project: Cli) -> None:
    """Each lane is right about its own sources; nobody sees both."""
    shown = _run(project, "alone", "without")

    assert conventions_cited(shown) == {FAHRENHEIT, CELSIUS}
    assert shown["decisions"] == []
    assert shown["rejected"] == []


def test_with_the_log_one_ruling_is_made_and_both_lanes_follow_it(project: Cli) -> None:
    """The second lane challenges, the lead rules, what rested on the loser is revised."""
    shown = _run(project, "research", "with")

    assert conventions_cited(shown) == {CELSIUS}
    first, second = _decisions(project, "with", "--history")
    assert (first["author"], first["state"], first["statement"]) == (
        "ada",
        "superseded",
        FAHRENHEIT,
    )
    assert [step["step"] for step in first["dispute"]] == ["objection", "answer", "ruling"]
    assert (second["author"], second["state"], second["statement"]) == ("lead", "in force", CELSIUS)
    assert first["replaced_by"] == second["revision"]
    findings = {(f["task"], f["round"]): f for f in shown["findings"]}
    assert findings["t1", 1]["state"] == "rejected"
    assert findings["t1", 2]["state"] == "admitted"
    follows = [premise["revision"] for premise in findings["t1", 2]["relied_on"]]
    assert second["revision"] in follows
    assert second["revision"] in [
        premise["revision"]
        for claim in findings["t2", 1]["claims"]
        for premise in claim.get("relied_on", ())
    ]
    [reason] = shown["rejected"]
    assert f"units/temperature revision {first['revision']}, which was superseded" in reason
    [cited] = [c for c in shown["result"]["citations"] if CELSIUS in c["quote"]]
    assert cited["member"] == "bea"


async def test_only_what_rested_on_the_decision_is_worked_on_again(project: Cli) -> None:
    """The claims that did not rest on it are kept, and not verified a second time."""
    shown = _run(project, "quiet", "again")

    findings = {(f["task"], f["round"]): f for f in shown["findings"]}
    before = {c["text"] for c in findings["t1", 1]["claims"]}
    after = {c["text"] for c in findings["t1", 2]["claims"]}
    assert before - after == {f"Convention units/temperature: {FAHRENHEIT}"}
    assert not after - before
    verified = [t["id"] for t in shown["tasks"] if t["purpose"] == "verify"]
    assert sorted(verified) == ["v-t1-1-1", "v-t2-1-1"]
    carried = [
        v for v in findings["t1", 2]["verdicts"] if v["judgement"]["check"] == "verification"
    ]
    assert {v["judgement"]["claim"] for v in carried} == {
        c["id"] for c in findings["t1", 2]["claims"]
    }
    assert_nothing_twice(await project.records("again"))


async def test_a_finding_says_what_its_author_had_been_shown(project: Cli) -> None:
    """The runtime records it, from the journal; no model is asked."""
    _run(project, "quiet", "shown")

    records = await project.records("shown")
    decided = {r.seq for r in records if isinstance(r.body, DecisionRecorded | DecisionRuled)}
    by_task: dict[str, list[FindingSubmitted]] = {}
    for record in records:
        if isinstance(record.body, FindingSubmitted):
            by_task.setdefault(record.subject.names[0], []).append(record.body)
    for finding in by_task["t2"]:
        assert {premise.revision for premise in finding.in_context} == decided
    first, second = by_task["t1"]
    assert {premise.revision for premise in first.in_context} == {min(decided)}
    assert max(decided) in {premise.revision for premise in second.in_context}


def test_a_recorded_run_replays_to_the_same_ruling(project: Cli, tmp_path: Path) -> None:
    """By folders, as members do that are started apart; what was rejected names revisions, too."""
    tape = str(tmp_path / "tape")
    recorded = _run(project, "quiet", "tape", PEERTEAM_RECORD=tape)

    replayed = _run(project, "quiet", "replay", PEERTEAM_REPLAY=tape)

    for part in ("result", "rejected", "usage", "decisions"):
        assert replayed[part] == recorded[part]
    ruled = _decisions(project, "replay", "--history")
    assert [(row["author"], row["state"]) for row in ruled] == [
        ("ada", "superseded"),
        ("lead", "in force"),
    ]


@pytest.mark.slow
def test_choices_outlive_a_run(project: Cli) -> None:
    """What one run decided, as a decision record, the next one follows from the start."""
    _run(project, "research", "first")
    written = project.run("decisions", "first", "--area", "units", "--export", "docs/adr")
    again = project.run("decisions", "first", "--area", "units", "--export", "docs/adr", "--json")

    shown = _run(project, "research", "second", "--decisions", "docs/adr")

    assert written.stdout.startswith("written: docs/adr/0001-temperature.md")
    assert [file["action"] for file in json.loads(again.stdout)["files"]] == ["unchanged"]
    [standing] = _decisions(project, "second", "--history")
    assert (standing["author"], standing["statement"]) == ("person", CELSIUS)
    assert standing["standing"] == "docs/adr/0001-temperature.md"
    assert standing["dispute"] == []
    assert conventions_cited(shown) == {CELSIUS}
    assert shown["rejected"] == []


@pytest.mark.slow
@pytest.mark.slow
async def test_a_record_that_a_person_replaced_is_marked_and_no_other(project: Cli) -> None:
    """Found again by what it says, wherever the command is called from."""
    for folder, choice in (("adr", "Kelvin only"), ("elsewhere", "Rankine only")):
        record = project.cwd / folder / "0001-temperature.md"
        record.parent.mkdir()
        record.write_text(f"# {choice}\n\n## Status\n\nAccepted\n\n## Decision\n\n{choice}.\n")
    start = ("-s", "guide", "--mode", "solo", "--decisions", "adr")
    await _stopped(project, "mark", lambda r: isinstance(r.body, MemberJoined), *start)
    done = project.run("decide", "mark", "team/temperature", "Both are given.", "--distinct")
    _resumed(project, "mark")

    wrong = project.run("decisions", "mark", "--area", "team", "--export", "elsewhere")
    right = project.run("decisions", "mark", "--area", "team", "--export", "adr")

    assert done.returncode == 0, done.stderr
    assert "not found here: adr/0001-temperature.md" in wrong.stdout
    other = (project.cwd / "elsewhere" / "0001-temperature.md").read_text()
    assert "Superseded" not in other
    assert "marked superseded: adr/0001-temperature.md" in right.stdout
    assert "uperseded" in (project.cwd / "adr" / "0001-temperature.md").read_text()


def test_only_a_person_replaces_a_standing_decision(project: Cli) -> None:
    """A member that reads otherwise may not; the record says what it says."""
    record = project.cwd / "adr" / "units" / "0001-temperature.md"
    record.parent.mkdir(parents=True)
    record.write_text("# temperatures are in kelvin\n\n## Status\n\nAccepted\n")

    shown = _run(project, "research", "kelvin", "--decisions", "adr")

    told = [
        json.loads(x)["type"] for x in project.run("log", "kelvin", "--json").stdout.split("\n")[:4]
    ]
    # Before the run is opened, so that no kill leaves a run that knows a part of them.
    assert told[:3] == ["decision.recorded", "decision.explained", "run.opened"]
    [standing] = _decisions(project, "kelvin", "--history")
    assert (standing["author"], standing["statement"]) == ("person", "temperatures are in kelvin")
    assert conventions_cited(shown) == set()


async def _stopped(cli: Cli, run: str, when: Callable[[Record], bool], *more: str) -> None:
    """Start a run and press Ctrl-C as soon as something is in its stream."""
    with cli.start("run", "research", GOAL, *more, "--run", run, "-q", **SLOW) as team:
        await cli.until(run, when)
        os.killpg(team.pid, signal.SIGINT)
        _, errors = team.communicate(timeout=60)
    assert team.returncode == 130, errors


def _resumed(cli: Cli, run: str) -> dict[str, Any]:
    done = cli.run("resume", run, "--json", "-q")
    assert done.returncode == 0, done.stderr
    shown: dict[str, Any] = json.loads(done.stdout)
    return shown


async def test_a_person_decides_in_mid_run_and_everybody_follows(project: Cli) -> None:
    """A person's word outranks a member's; what rested on the member's is revised."""
    await _stopped(project, "mine", lambda r: _decides(r, "ada", "units"), *ARGUMENTS)
    statement = ("units/temperature", "Both units are given.", "--why", "Readers differ.")

    done = project.run("decide", "mine", *statement)
    shown = _resumed(project, "mine")

    assert done.returncode == 0, done.stderr
    assert "It was ada's r" in done.stdout
    before, last = _decisions(project, "mine", "--history")
    assert (before["author"], before["state"]) == ("ada", "superseded")
    assert (last["author"], last["statement"]) == ("person", "Both units are given.")
    assert last["rationale"] == "Readers differ."
    assert conventions_cited(shown) == set()
    told = _told(await project.records("mine"))
    assert {("ada", last["revision"]), ("bea", last["revision"])} <= told


@pytest.mark.slow
async def test_a_person_challenges_and_the_lead_rules(project: Cli) -> None:
    """The author answers, the lead counts the places, the decision holds."""
    lane = ("-s", "guide", "--mode", "solo")
    await _stopped(project, "asked", lambda r: _decides(r, "ada", "units"), *lane)

    done = project.run(
        "challenge", "asked", "units/temperature", "--why", "Is it?", "--instead", CELSIUS
    )
    _resumed(project, "asked")

    assert done.returncode == 0, done.stderr
    [decision] = _decisions(project, "asked", "--history")
    assert decision["state"] == "upheld"
    assert [step["by"] for step in decision["dispute"]] == ["person", "ada", "lead"]


async def test_a_person_rules_and_the_lead_is_bound(project: Cli) -> None:
    """A ruling of a person comes before the lead's, and ends the dispute."""
    await _stopped(project, "ruled", lambda r: isinstance(r.body, DecisionChallenged), *ARGUMENTS)

    done = project.run("rule", "ruled", "units/temperature", "--uphold", "--why", "It is ours.")
    shown = _resumed(project, "ruled")

    assert done.returncode == 0, done.stderr
    [decision] = _decisions(project, "ruled", "--history")
    assert (decision["state"], decision["statement"]) == ("upheld", FAHRENHEIT)
    assert conventions_cited(shown) == {FAHRENHEIT}
    rulings = [r for r in await project.records("ruled") if isinstance(r.body, DecisionRuled)]
    assert [r.subject.author for r in rulings] == ["person"]


@pytest.mark.slow
async def test_a_lead_killed_while_it_rules_rules_once(project: Cli) -> None:
    """`kill -9` between the dispute and the ruling: it is started again and goes on."""

    def is_ruling(record: Record) -> bool:
        body = record.body
        return isinstance(body, ContextOpened) and body.context.startswith("ruling:")

    with project.start("run", "research", GOAL, *ARGUMENTS, "--run", "kill", "-q", **SLOW) as team:
        await project.until("kill", is_ruling)
        lead = await project.until("kill", lambda r: _joins(r, "lead"))
        assert isinstance(lead.body, MemberJoined)
        os.kill(lead.body.pid, signal.SIGKILL)
        _, errors = team.communicate(timeout=90)

    assert team.returncode == 0, errors
    records = await project.records("kill")
    assert_nothing_twice(records)
    assert sum(isinstance(r.body, DecisionRuled) for r in records) == 1
    assert [r.body.incarnation for r in records if _joins(r, "lead")] == [1, 2]


def test_what_is_decided_is_shown_in_every_view(project: Cli) -> None:
    _run(project, "quiet", "views")

    table = project.run("decisions", "views").stdout
    assert table.splitlines()[0].split() == ["DECISION", "REVISION", "BY", "STATE", "STATEMENT"]
    history = project.run("decisions", "views", "--history").stdout
    for part in (FAHRENHEIT, "objection of bea", "answer of ada", "ruling of lead", "replaces r"):
        assert part in history
    assert CELSIUS in project.run("show", "views").stdout
    log = project.run("log", "views", "--kind", "decision", "--kind", "rationale").stdout
    for part in ("decides units/temperature", "challenges", "defends", "rules on", "says why of"):
        assert part in log
    page = (project.home / "runs" / "views" / "report.html").read_text()
    assert "Objection of bea" in page
    assert "Ruling of lead" in page


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["decide", "done", "paging", "x"], "'paging' is not an area and a key; write api/paging"),
        (["decide", "done", "a/b/c", "x"], "'a/b/c' is not an area and a key"),
        (["decide", "done", "a b/c", "x"], "a b"),
        (["decide", "done", "a/b", " "], "STATEMENT: it is empty; say it in one line"),
        (["decide", "done", "a/b", "x\ny"], "STATEMENT: it has more than one line"),
        (["decide", "done", "a/b", "x" * 281], "STATEMENT: 281 characters, at most 280"),
        (
            ["decide", "done", "a/b", "x", "--why", "y" * 4001],
            "--why: 4001 characters, at most 4000",
        ),
        (["decide", "done", "a/b", "x", "--considered", ""], "--considered: it is empty"),
        (["decide", "done", "a/b", "x"], "it has ended: admitted"),
        (["challenge", "done", "a/b", "--why", " "], "--why: it is empty; say why"),
        (["challenge", "done", "a/b"], "the following arguments are required: --why"),
        (
            ["rule", "done", "a/b", "--why", "x"],
            "one of the arguments --uphold --instead --withdraw",
        ),
        (["rule", "done", "a/b", "--instead", "", "--why", "x"], "--instead: it is empty"),
        (["decide", "nowhere", "a/b", "x"], "nowhere"),
        (["decisions", "done", "--format", "madr"], "--format: it goes with --export"),
        (["decisions", "done", "--export", "file"], "file"),
        (["decisions", "done", "--export", ""], "--export: it is empty; name a folder"),
        (["decide", "done", "a/b", "\x1b[2J"], "it has characters that can't be seen"),
        (
            ["run", "research", "g", "-s", "guide", "-d", "nowhere"],
            "'nowhere': there is no such file",
        ),
    ],
)
def test_bad_input_gets_an_error_that_names_it(
    project_that_is_done: Cli, arguments: list[str], said: str
) -> None:
    done = project_that_is_done.run(*arguments)

    assert done.returncode == 2, done.stderr
    assert said in done.stderr
    assert "Traceback" not in done.stderr


@pytest.fixture(scope="module")
def project_that_is_done(tmp_path_factory: pytest.TempPathFactory) -> Any:
    """A project with one run, which has ended."""
    from bus.access import SERVER_DIRECTORY
    from bus.server import stop_server

    cwd = tmp_path_factory.mktemp("done")
    cli = Cli(tmp_path_factory.mktemp("home"), cwd)
    lay_out(cwd)
    (cwd / "file").write_text("not a folder")
    _run(cli, "quiet", "done")
    yield cli
    stop_server(cli.home / SERVER_DIRECTORY)


def _decides(record: Record, author: str, area: str) -> bool:
    is_it = isinstance(record.body, DecisionRecorded) and record.subject.author == author
    return is_it and record.subject.names[0] == area


def _told(records: list[Record]) -> set[tuple[str, int]]:
    """Which member was shown which revision, between turns or by a tool."""
    found: set[tuple[str, int]] = set()
    for record in records:
        body = record.body
        if isinstance(body, TurnReplied):
            found |= {(record.subject.author, one.revision) for one in body.told}
        if isinstance(body, TurnActed):
            outcomes = [one for outcome in body.outcomes for one in outcome.told]
            found |= {(record.subject.author, one.revision) for one in outcomes}
    return found


def _joins(record: Record, name: str) -> bool:
    return isinstance(record.body, MemberJoined) and record.subject.author == name
