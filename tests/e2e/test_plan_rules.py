"""A plan on its way from the goal to the board, as a user sees it."""

from __future__ import annotations

from pathlib import Path

import pytest

from bus.messages import PlanMade, RunTriaged, TaskOpened
from team.rules.contracts import planned_problems
from tests.support.cli import GOAL, Cli
from tests.support.sources import three_lanes

PAGE = """\
# Page {number} of {name}

A worker of {name} is asked to cancel before it shuts down, and may refuse to cancel.
The queue of {name} shuts down when all of its workers were told to cancel and joined.
"""


def pages(folder: Path, name: str, count: int, repeats: int) -> Path:
    """A folder of sources with so many pages of so many paragraphs."""
    place = folder / name
    place.mkdir()
    for number in range(1, count + 1):
        page = PAGE.format(number=number, name=name)
        (place / f"page{number}.md").write_text(page * repeats)
    return place


async def test_constraints_of_the_goal_are_in_the_plan_and_in_every_contract(
    cli: Cli, lanes: list[Path]
) -> None:
    """What binds is carried by code; the plan is in the stream before anything is on the board."""
    goal = f"{GOAL} Use only the guides, and do not speak of Windows."
    done, shown = cli.team_run(lanes, "--run", "bound", goal=goal)

    assert done.returncode == 0, done.stderr
    records = await cli.records("bound")
    [made] = [r.body for r in records if isinstance(r.body, PlanMade)]
    opened = [r.body for r in records if isinstance(r.body, TaskOpened)]
    first = [o for o in opened if o.purpose == "research" and o.round == 1]
    assert made.constraints == ("Use only the guides", "do not speak of Windows")
    assert made.aspects == ("alpha", "beta", "gamma")
    assert planned_problems(made) == []
    assert {o.contract.constraints for o in first} == {made.constraints}
    order = [type(r.body) for r in records]
    assert order.index(PlanMade) < order.index(RunTriaged) < order.index(TaskOpened)
    assert shown["triage"][0] == "you asked for --mode team"
    assert any(reason.startswith("left aside, T103") for reason in shown["triage"])


@pytest.mark.slow
def test_sources_that_outgrow_one_context_are_a_teams_without_being_asked(
    cli: Cli, tmp_path: Path
) -> None:
    """The same model for all: what is gained is room."""
    (cli.cwd / "teams").mkdir()
    (cli.cwd / "teams" / "narrow.toml").write_text(
        'name = "narrow"\n[triage]\nwindow_tokens = 40_000\nwindow_share = 0.05\n'
    )
    folder = tmp_path / "large"
    folder.mkdir()
    alpha, beta = pages(folder, "alpha", 4, 10), pages(folder, "beta", 2, 10)
    goal = "How do alpha and beta cancel and shut down work?"
    sources = ["--source", str(alpha), "--source", str(beta)]

    done = cli.run("run", "narrow", goal, *sources, "--run", "large", "-q")

    assert done.returncode == 0, done.stderr
    shown = cli.run("show", "large").stdout
    assert "alpha (1 of 2)" in shown
    assert "alpha (2 of 2)" in shown
    assert "T107: lane 'alpha' has" in cli.run("log", "large").stdout


def test_small_sources_are_worked_on_by_one_member_and_the_reasons_are_said(
    cli: Cli, tmp_path: Path
) -> None:
    """Three short pages pay for no team."""
    done, shown = cli.team_run(three_lanes(tmp_path / "small"), "--mode", "auto")

    assert done.returncode == 0, done.stderr
    assert shown["mode"] == "solo"
    assert [reason[:4] for reason in shown["triage"]] == ["T101", "T105", "T103", "T103"]
    assert len([m for m in shown["members"] if m["role"] == "researcher"]) == 1
