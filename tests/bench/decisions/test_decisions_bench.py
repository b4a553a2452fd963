"""That the benchmarks of the decisions log run, and what they claim; no time is asserted."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from tests.bench.decisions.cells import FULL, WAYS, Cell, Figures
from tests.bench.kit import ROOT

pytestmark = pytest.mark.slow

BUDGET_TOKENS = 400


@pytest.fixture(scope="module")
def figures(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Any]:
    """All figures of one quick run."""
    path: Path = tmp_path_factory.mktemp("bench") / "figures.json"
    done = subprocess.run(
        [sys.executable, "-m", "tests.bench.decisions", "all", "--quick", "--json", str(path)],
        cwd=ROOT,
        capture_output=True,
        check=False,
        timeout=100,
    )
    assert done.returncode == 0, done.stderr.decode()
    found: dict[str, Any] = json.loads(path.read_bytes())
    return found


def cells(figures: dict[str, Any], way: str) -> dict[tuple[int, int], Any]:
    """One way's figures by number of decisions and of members."""
    found = (*figures["tokens"]["cells"], *figures["tokens"]["teams"])
    return {(one["decisions"], one["members"]): one for one in found if one["way"] == way}


def test_our_digest_stays_within_its_budget_however_long_the_log(figures: dict[str, Any]) -> None:
    ours = cells(figures, "ours")

    assert {decisions for decisions, _ in ours} >= {10, 1_000}
    assert not {size: one["most"] for size, one in ours.items() if one["most"] > BUDGET_TOKENS}
    assert all(one["tokens"] <= BUDGET_TOKENS for one in figures["tokens"]["openings"])


@pytest.mark.parametrize("way", ["broadcast", "file"])
def test_other_ways_grow_with_the_log(figures: dict[str, Any], way: str) -> None:
    found, ours = cells(figures, way), cells(figures, "ours")

    assert found[1_000, 16]["mean"] > 10 * found[10, 16]["mean"]
    assert found[1_000, 16]["mean"] > 10 * ours[1_000, 16]["mean"]


def test_recall_is_a_share_and_whole_where_everything_is_sent(figures: dict[str, Any]) -> None:
    outcomes = figures["recall"]
    shares = [share for one in outcomes for share in one["shares"].values()]
    unlimited = [one for one in outcomes if one["way"].endswith("unlimited")]

    assert shares
    assert all(0 <= share["hits"] <= share["of"] for share in shares)
    assert len(unlimited) == 4
    for one in unlimited:
        assert one["shares"]["relevant"]["hits"] == one["shares"]["relevant"]["of"] > 0


def test_our_digest_brings_nothing_from_areas_that_no_contract_names(
    figures: dict[str, Any],
) -> None:
    ours = [one for one in figures["recall"] if one["way"] == "our digest"]

    assert [one["setting"] for one in ours] == ["burst", "trickle"]
    assert all(one["shares"]["outside"]["hits"] == 0 for one in ours)


def test_every_decision_reaches_the_other_member_exactly_once(figures: dict[str, Any]) -> None:
    latency = figures["latency"]

    assert latency["committed"] > 0
    assert (latency["told"], latency["told_again"]) == (latency["committed"], 0)
    assert all(rate["per_s"] > 0 for rate in latency["rates"])


def test_the_same_figures_give_the_same_picture(tmp_path: Path) -> None:
    """The picture in docs is drawn by a person from a full run; matplotlib may be absent."""
    pytest.importorskip("matplotlib")
    from tests.bench.decisions.plot import draw

    for name in ("one.svg", "two.svg"):
        draw(full_figures(), tmp_path / name)

    assert (tmp_path / "one.svg").read_bytes() == (tmp_path / "two.svg").read_bytes()
    assert (tmp_path / "one.svg").stat().st_size < 100_000


def full_figures() -> Figures:
    """Invented figures of the sizes that a full run has."""
    counts, teams, turns = FULL
    sizes = [(decisions, members) for decisions in counts for members in teams]
    return Figures(
        turns=turns,
        cells=tuple(a_cell(way, *size) for way in WAYS for size in sizes),
        teams=tuple(a_cell(way, 60 * members, members) for way in WAYS for members in teams),
        pooled=(),
        openings=(),
    )


def a_cell(way: str, decisions: int, members: int) -> Cell:
    return Cell(
        way=way,
        decisions=decisions,
        members=members,
        measured=members,
        mean=decisions / 3,
        p99=decisions,
        most=decisions,
        whole=40.0 * decisions,
    )


def test_only_without_the_log_the_result_contradicts_itself(figures: dict[str, Any]) -> None:
    outcomes = {one["way"]: one for one in figures["contradiction"]}

    assert len(outcomes["alone"]["stated"]) == 2
    assert len(outcomes["quiet"]["stated"]) == 1
    assert (outcomes["quiet"]["rulings"], outcomes["quiet"]["rejected"]) == (1, 1)
