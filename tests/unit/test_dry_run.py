"""`team run --dry-run`: what a run would do and cost, without a key, a server, a call or a run."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path

import msgspec
import pytest

from team.cli.main import main
from team.runtime.dry_run import DryRun
from tests.support.cli import GOAL, as_team, named
from tests.support.sources import three_lanes

Dry = Callable[..., tuple[DryRun, str]]


@pytest.fixture(autouse=True)
def home(tmp_path: Path) -> Iterator[Path]:
    """A project without a key, and a home in which nothing may appear."""
    project = tmp_path / "project"
    project.mkdir()
    with pytest.MonkeyPatch.context() as context:
        context.chdir(project)
        context.setenv("PEERTEAM_HOME", str(tmp_path / "home"))
        for name in ("API_KEY", "AUTH_TOKEN", "BASE_URL"):
            context.delenv(f"ANTHROPIC_{name}", raising=False)
        yield tmp_path / "home"


@pytest.fixture
def lanes(tmp_path: Path) -> list[Path]:
    return three_lanes(tmp_path / "sources")


@pytest.fixture
def dry(capsys: pytest.CaptureFixture[str]) -> Dry:
    """A dry run as data and as text."""

    def run(*arguments: str) -> tuple[DryRun, str]:
        code = main(["run", *arguments, "--dry-run", "--json"])
        found = msgspec.json.decode(capsys.readouterr().out, type=DryRun)
        assert code == (0 if found.refused is None else 2)
        assert main(["run", *arguments, "--dry-run"]) == code
        return found, capsys.readouterr().out

    return run


def test_a_dry_run_says_what_would_happen_without_key_call_server_or_run(
    dry: Dry, lanes: list[Path], home: Path
) -> None:
    found, text = dry("research", GOAL, *as_team(lanes), "--budget", "3")

    assert not home.exists(), "something was kept or started"
    assert (found.mode, len(found.lanes), found.has_key) == ("team", 3, False)
    assert {lane.title for lane in found.lanes} == {"alpha", "beta", "gamma"}
    assert {m.seat: m.model for m in found.members}["lead"] == "claude-opus-5-5"
    assert found.limits.run_dollars_max == 3.0
    assert found.estimate.high.usd is not None
    assert found.estimate.high.usd <= 3.0
    for said in ("made by code", "the lead may plan otherwise", "$3.00", "there is no key"):
        assert said in text
    for part in ("sources: 3 documents", "claude-sonnet-5-5", "prices: genai-prices", "the run"):
        assert part in text


def test_a_dry_run_says_what_triage_rules(dry: Dry, lanes: list[Path]) -> None:
    """Small sources pay for no team: the same ruling, in the same words, as in a run."""
    found, text = dry("research", GOAL, *named(lanes), "--model", "rehearsal")

    assert found.mode == "solo"
    assert found.estimate.likely.usd == 0.0
    assert "the rehearsal model costs nothing" in text
    assert any(reason.startswith("T103") for reason in found.triage)


def test_an_unknown_price_leaves_tokens_in_a_dry_run(dry: Dry, lanes: list[Path]) -> None:
    found, text = dry("research", GOAL, *as_team(lanes), "--model", "nobodys-1")

    assert found.estimate.likely.usd is None
    assert found.estimate.likely.tokens > 0
    assert "dollars are unknown: set [models.prices]" in text


def test_a_price_of_ones_own_is_taken_and_named(dry: Dry, lanes: list[Path]) -> None:
    prices = '[models.prices."nobodys-1"]\ninput = 1.0\noutput = 2.0\n'
    Path("peerteam.toml").write_text(prices)

    found, text = dry("research", GOAL, *as_team(lanes), "--model", "nobodys-1")

    assert found.estimate.likely.usd is not None
    assert "the policy's own for nobodys-1" in text


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["--budget", "lots"], "--budget: 'lots' is no amount; give dollars: 2.50"),
        (["--max-tokens", "-1"], "--max-tokens"),
        (["--budget", "0.001"], "does not pay for one lane beside the lead's reserve; give $"),
        (["--max-tokens", "70k"], "do not hold the lead's first call"),
        (["--dry-run", "--record", "x.zip"], "--record: a dry run makes no call"),
    ],
)
def test_amounts_that_can_not_be_are_refused_before_anything(
    lanes: list[Path],
    home: Path,
    capsys: pytest.CaptureFixture[str],
    arguments: list[str],
    said: str,
) -> None:
    code = main(["run", "research", GOAL, *named(lanes), *arguments])

    assert code == 2
    assert said in capsys.readouterr().err
    assert not home.exists()


def test_a_budget_that_the_leads_first_call_may_pass_is_refused_with_one_that_would_do(
    lanes: list[Path], capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("ANTHROPIC_API_KEY", "sk-none")

    assert main(["run", "research", GOAL, *named(lanes), "--budget", "0.50"]) == 2
    said = capsys.readouterr().err
    assert "$0.50 does not pay for the lead's first call" in said

    enough = said.partition("give $")[2].partition(" ")[0]
    assert main(["run", "research", GOAL, *named(lanes), "--budget", enough, "--dry-run"]) == 0
    assert "warning" not in capsys.readouterr().out


def test_limits_that_leave_too_little_are_warned_of(dry: Dry, lanes: list[Path]) -> None:
    found, text = dry("research", GOAL, *as_team(lanes), "--budget", "0.30")

    assert any("the lead's first call may cost" in warning for warning in found.warnings)
    assert any("t1's first call may cost" in warning for warning in found.warnings)
    assert found.estimate.is_likely_cut
    assert "expect a partial result" in text
    assert found.refused is not None
    assert "--budget: $0.30 does not pay for the lead's first call" in found.refused
    assert f"'team run' would refuse this: {found.refused}" in text


def test_the_plan_of_a_dry_run_waits_where_the_goal_says_first_and_then(
    dry: Dry, lanes: list[Path]
) -> None:
    goal = "Find out first how alpha cancels, then how beta and gamma do."

    found, text = dry("research", goal, *as_team(lanes))

    waits = {lane.title: lane.depends_on for lane in found.lanes}
    assert waits["beta"] == waits["gamma"] != ()
    assert {m.seat: m.count for m in found.members}["worker"] == 1
    assert "after t1" in text
