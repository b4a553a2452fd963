"""Members whose work outgrows their context: turns leave it, and the answer is the same."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from bus.messages import ContextCompacted, TurnActed
from tests.support.cli import GOAL, Cli, as_team, assert_nothing_twice
from tests.support.sources import three_lanes

SMALL = 'name = "small"\n[triage]\nwindow_tokens = 10_000\n'
"""What a lane is told at first fills half of it; its sources are far from filling the rest."""


def wordy_lanes(folder: Path) -> list[Path]:
    """Three lanes whose searches give much that is of no use."""
    lanes = three_lanes(folder)
    for lane in lanes:
        for number in range(4):
            rows = (f"{number}.{row}: {row * 7} = {row * 77} cancel\n" for row in range(20))
            (lane / f"table{number}.md").write_text("".join(rows))
    return lanes


def cited(shown: dict[str, Any]) -> list[tuple[str, str]]:
    return [(one["source"], one["quote"]) for one in shown["result"]["citations"]]


@pytest.mark.slow
async def test_a_run_in_small_windows_cites_what_one_in_large_windows_cites(
    cli: Cli, tmp_path: Path
) -> None:
    """Researchers lose turns, read them again, and return in the first round."""
    (cli.cwd / "teams").mkdir()
    (cli.cwd / "teams" / "small.toml").write_text(SMALL)
    lanes = wordy_lanes(tmp_path / "sources")

    done, large = cli.team_run(lanes, "--run", "large")
    small = cli.run("run", "small", GOAL, *as_team(lanes), "--run", "small", "--json")

    assert done.returncode == small.returncode == 0, small.stderr
    shown = json.loads(small.stdout)
    assert shown["status"] == large["status"] == "admitted"
    assert cited(shown) == cited(large) != []
    rows = {m["name"]: m["compactions"] for m in shown["members"] if m["role"] == "researcher"}
    assert len(rows) == 3
    assert any(rows.values())
    records = await cli.records("small")
    compacted = [r for r in records if isinstance(r.body, ContextCompacted)]
    assert len(compacted) == sum(m["compactions"] for m in shown["members"])
    recalled = [
        outcome
        for record in records
        if isinstance(record.body, TurnActed)
        for outcome in record.body.outcomes
        if outcome.tool == "recall"
    ]
    assert recalled
    assert not any(outcome.is_error for outcome in recalled)
    assert_nothing_twice(records)
    assert "compacted" in cli.run("show", "small").stdout
    assert cli.run("audit", "small").returncode == 0
