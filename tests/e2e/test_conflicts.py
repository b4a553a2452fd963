"""Lanes that are right about their own sources and contradict each other, as a user meets them."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from bus.ids import GATE
from bus.messages import ConflictJudged, ConflictRaised, ConflictRuled, ContextOpened
from tests.support.cli import Cli
from tests.support.conventions import lay_out

GOAL = "How do alpha and beta end an idle worker?"
THIRTY = "A worker that is idle is ended after 30 seconds by default."
SIXTY = "A worker that is idle is ended after 60 seconds by default."
SOURCES = {
    "alpha/guide.md": f"{THIRTY}\nShutdown of a worker is announced before it happens.\n",
    "beta/guide.md": f"{SIXTY}\nA worker keeps its queue when it is ended by a signal.\n",
}
SECOND_FILE = {"beta/notes.md": f"Seen in the field, word for word.\n\n{SIXTY}\n"}


def _run(cli: Cli, run: str, files: dict[str, str]) -> tuple[int, dict[str, Any]]:
    """Run the team `quiet`: its workers write no mail, so nobody narrows a claim."""
    lay_out(cli.cwd)
    for name, text in files.items():
        path = cli.cwd / name
        path.parent.mkdir(exist_ok=True)
        path.write_text(text)
    arguments = ("-s", "alpha", "-s", "beta", "--mode", "team", "--run", run, "--json")
    done = cli.run("run", "quiet", GOAL, *arguments)
    assert done.stdout, done.stderr
    shown: dict[str, Any] = json.loads(done.stdout)
    return done.returncode, shown


async def test_of_two_claims_that_contradict_each_other_one_is_ruled_out(cli: Cli) -> None:
    """Code finds them, a verifier compares them, the lead rules, the loser is not cited."""
    status, shown = _run(cli, "one", SOURCES | SECOND_FILE)

    assert status == 0
    [conflict] = shown["conflicts"]
    assert conflict["state"] == "ruled"
    assert conflict["ruling"] == "second"
    assert conflict["judged"].startswith("contradict: ")
    [lost] = conflict["struck"]
    assert lost.startswith("t1.")
    assert SIXTY in shown["result"]["text"]
    assert THIRTY not in [citation["claim"] for citation in shown["result"]["citations"]]
    assert lost not in [citation["ref"] for citation in shown["result"]["citations"]]
    [line] = shown["rejected"]
    assert lost in line
    assert THIRTY in line
    stored = await cli.records("one")
    records = [r for r in stored if r.subject.kind == "conflict"]
    assert [(type(r.body), r.subject.author) for r in records] == [
        (ConflictRaised, GATE),
        (ConflictJudged, "vera"),
        (ConflictRuled, "lead"),
    ]
    [seen] = [
        body.opening
        for record in stored
        if isinstance(body := record.body, ContextOpened)
        and record.subject.author == "vera"
        and body.context.startswith("task:c-x-")
    ]
    assert THIRTY in seen
    assert SIXTY in seen
    assert not [word for word in ("ada", "bea", "30 against 60") if word in seen]


@pytest.mark.slow
def test_of_two_claims_that_nothing_decides_between_neither_is_cited(cli: Cli) -> None:
    """One file against one: both are struck out, and the result says so."""
    status, shown = _run(cli, "neither", SOURCES)

    assert status == 0
    [conflict] = shown["conflicts"]
    assert conflict["ruling"] == "neither"
    cited = {citation["claim"] for citation in shown["result"]["citations"]}
    assert cited
    assert not cited & {THIRTY, SIXTY}
    assert len(shown["rejected"]) == 2
    printed = cli.run("show", "neither").stdout
    assert "conflicts:" in printed
    assert "numbers: 30 against 60" in printed
    assert "was struck out" in Path(shown["report"]).read_text()
    logged = cli.run("log", "neither", "--kind", "conflict").stdout
    assert "may contradict each other: numbers: 30 against 60" in logged
    assert "neither stands" in logged


def test_a_run_of_which_nothing_stands_is_rejected(cli: Cli) -> None:
    """No claim is left: there is no answer, and each lane is missing with the reason."""
    files = {"alpha/guide.md": f"{THIRTY}\n", "beta/guide.md": f"{SIXTY}\n"}
    status, shown = _run(cli, "nothing", files)

    assert status != 0
    assert shown["status"] == "rejected"
    assert shown["result"] is None
    assert len(shown["missing"]) == 2
    assert all("contradicts another lane's" in line for line in shown["missing"])
