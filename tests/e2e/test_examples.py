"""Every example runs alone, prints what it says it shows, and leaves nothing behind."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from tests.support.cli import Cli

ROOT = Path(__file__).resolve().parents[2]
EXAMPLES = ROOT / "examples"

PRINTED = {
    "01_two_members.py": """\
bea received mail.question from ada: Do offsets count from zero?
bea received mail.note from ada: I work on pagination.
ada received mail.answer from bea: Yes, see api.md.
it answers ada's question: True
the stream, in order:
  run.two-members.mail.bea.ada
  run.two-members.mail.bea.ada
  run.two-members.mail.ada.bea
""",
    "02_claim_race.py": """\
5 claims on sequence 1: 1 stored
the board: t1 is claimed, one holder: True
writes that did not fit the board: 0
""",
    "03_follow_a_run.py": """\
exit status 0, admitted, team
2 citations
t1: task.opened task.claimed task.submitted task.settled
t2: task.opened task.claimed task.submitted task.settled
then: ['result.published']
""",
    "04_decisions_conflict.py": """\
ada and bea have both read that nothing is decided
ada: decision.recorded
bea is refused: the key has moved on
bea reads api/offsets of ada: Offsets count from zero.
bea: decision.challenged
ada: decision.rebutted
lead: decision.ruled
  r1 of ada: superseded: Offsets count from zero.
  r4 of lead: in force: Offsets count from zero; pages from one.
to a finding that rested on r1 the gate says:
  it relied on api/offsets revision 1, which was superseded by 4 of lead
""",
}


def test_every_example_is_pinned() -> None:
    assert sorted(path.name for path in EXAMPLES.glob("*.py")) == sorted(PRINTED)


@pytest.mark.slow
@pytest.mark.parametrize("name", PRINTED)
def test_an_example_prints_what_it_shows_and_leaves_nothing(name: str, tmp_path: Path) -> None:
    """Run as a reader would, with a temporary folder of its own to look into afterwards."""
    temporary = tmp_path / "tmp"
    temporary.mkdir()
    # NATS_URL is kept out: an example brings its own server.
    kept = {k: v for k, v in os.environ.items() if not k.startswith(("ANTHROPIC", "NATS_URL"))}

    done = subprocess.run(
        [sys.executable, str(EXAMPLES / name)],
        cwd=tmp_path,
        env=kept | {"TMPDIR": str(temporary), "PYTHONPATH": str(ROOT), "HOME": str(tmp_path)},
        capture_output=True,
        text=True,
        timeout=100,
        check=False,
    )

    assert done.returncode == 0, done.stderr
    assert done.stdout == PRINTED[name]
    assert "Traceback" not in done.stderr
    assert not list(temporary.iterdir())


@pytest.mark.slow
def test_the_example_team_runs_from_its_folder(cli: Cli) -> None:
    """A team of one's own is found by its name, and its gate asks for two verifiers."""
    cli.cwd = EXAMPLES
    checked = cli.run("check", "teams/careful.toml")
    assert checked.returncode == 0, checked.stdout

    goal = "Why are there two commits a turn?"
    done = cli.run("run", "careful", goal, "--source", "../docs/decisions", "--json")

    assert done.returncode == 0, done.stderr
    members = json.loads(done.stdout)["members"]
    assert [m["role"] for m in members].count("skeptic") == 2
