"""Which of a run's decisions become records, and which records have ended, from the fold."""

from __future__ import annotations

from pathlib import Path

import pytest

from bus.ids import LEAD, PERSON
from bus.run_stream import Record
from team.runtime.standing import export_decisions, read_standing
from team.state import RunState
from tests.support.decisions import PLACE, decides, premise, rules, withdraws

RECORD = "# Use offsets\n\n## Status\n\nAccepted\n\n## Decision\n\nUse offsets.\n"
BASE = ("api", "base")


def exported(folder: Path, *log: Record) -> dict[str, str]:
    """What became of each file, when a run with this log is exported into a folder."""
    state = RunState()
    for record in log:
        state.apply(record)
    rows = export_decisions("r1", state, folder, "auto").files
    return {Path(row.path).name: row.action for row in rows}


def brought_in(folder: Path) -> Record:
    """A record as `team run --decisions` brings it in."""
    path = folder / "api" / "0001-paging.md"
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(RECORD)
    [adr] = read_standing([str(folder)], folder).adrs
    assert (adr.area, adr.key) == PLACE
    return decides(1, PERSON, says=adr.statement, standing=adr.path)


@pytest.mark.parametrize(
    ("rest", "action"),
    [
        ((), None),
        ((rules(2, PERSON, 1, "withdrawn"),), "marked deprecated"),
        ((decides(2, PERSON, 1),), "marked superseded"),
        ((rules(2, PERSON, 1, "withdrawn"), decides(3, PERSON)), "marked superseded"),
        ((decides(2, PERSON, 1), rules(3, PERSON, 2, "withdrawn")), "marked deprecated"),
        (
            (rules(2, PERSON, 1, "withdrawn"), decides(3, PERSON), withdraws(4, PERSON, 3)),
            "marked deprecated",
        ),
        ((rules(2, PERSON, 1),), None),
    ],
)
def test_a_record_that_holds_no_longer_is_marked_whatever_came_after(
    tmp_path: Path, rest: tuple[Record, ...], action: str | None
) -> None:
    first = brought_in(tmp_path)

    assert exported(tmp_path, first, *rest).get("0001-paging.md") == action
    assert exported(tmp_path, first, *rest).get("0001-paging.md") == (action and "unchanged")


def test_what_has_fallen_with_its_premise_is_no_record(tmp_path: Path) -> None:
    log = [
        decides(1, place=BASE),
        decides(2, rests_on=[premise(1, BASE)]),
        decides(3, LEAD, place=("api", "errors")),
        withdraws(4, place=BASE),
    ]

    assert exported(tmp_path, *log) == {"0001-errors.md": "written"}
