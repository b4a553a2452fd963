"""`team diff` on real runs: a change that changes behaviour is seen, and fails the baseline."""

from __future__ import annotations

import json
from pathlib import Path

from tests.support.cli import Cli


def test_a_change_that_changes_behaviour_fails_the_baseline(cli: Cli, lanes: list[Path]) -> None:
    """A producer that misquotes, and a role file that says more than the one before."""
    done, _ = cli.team_run(lanes[:2], "--run", "before", "-q")
    assert done.returncode == 0, done.stderr
    written = cli.run("diff", "before", "--write", "baseline.toml")
    assert written.returncode == 0, written.stderr
    same = cli.run("diff", "before", "--baseline", "baseline.toml")
    assert same.returncode == 0, same.stdout

    _change_the_role(cli)
    faults = "alter-quote@ada"
    cli.team_run(lanes[:2], "--run", "after", "-q", PEERTEAM_REHEARSAL_FAULTS=faults)
    failed = cli.run("diff", "after", "--baseline", "baseline.toml", "--json")

    assert failed.returncode == 9, failed.stderr
    rows = {row["field"]: row for row in json.loads(failed.stdout)["rows"]}
    assert rows["verdicts.quotes.refuted"]["is_beyond"]
    assert (rows["status"]["before"], rows["status"]["after"]) == (["admitted"], "partial")
    assert rows["lanes_admitted"]["change"] == -1
    assert "setup.roles.researcher" in rows
    assert not {"lanes", "mode", "members", "setup.goal", "setup.roles.skeptic"} & set(rows)
    side_by_side = cli.run("diff", "before", "after")
    assert side_by_side.returncode == 0, side_by_side.stderr
    assert "!  verdicts.quotes.refuted" in side_by_side.stdout


def test_a_saved_shape_is_compared_as_its_run_is(cli: Cli, lanes: list[Path]) -> None:
    """What was printed as JSON stands for the run where that is not at hand."""
    cli.team_run(lanes[:1], "--run", "solo", "--mode", "solo", "-q")
    (cli.cwd / "solo.json").write_text(cli.run("diff", "solo", "--json").stdout)

    same = cli.run("diff", "solo.json", "solo", "--exit-code")
    missing = cli.run("diff", "solo.json", "nobody")

    assert same.returncode == 0, same.stderr
    assert same.stdout.startswith("none of ")
    assert missing.returncode == 2
    assert "there is no run 'nobody'" in missing.stderr


def _change_the_role(cli: Cli) -> None:
    """Put a role file of the project's before the built-in one."""
    built_in = Path(__file__).resolve().parents[2] / "roles" / "researcher.md"
    (cli.cwd / "roles").mkdir()
    changed = built_in.read_text() + "\nBe brief.\n"
    (cli.cwd / "roles" / "researcher.md").write_text(changed)
