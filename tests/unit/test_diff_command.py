"""`team diff` on shapes that were saved: what it prints, and what it exits with."""

from __future__ import annotations

import json
from pathlib import Path

import msgspec
import pytest

from bus.messages import ActRefused
from team.cli import exit_codes
from team.cli.main import main
from team.rules.shape import shape_of
from team.views.diff import DiffObject
from tests.support.builders import a_story
from tests.support.paper_runs import a_run, works

Printed = pytest.CaptureFixture[str]


@pytest.fixture
def saved(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder to be in, with three shapes: `one`, `slower` (more turns), `open` (no result)."""
    monkeypatch.chdir(tmp_path)
    slower = a_run()
    for _ in range(9):
        works(slower, "ada", "mail:1", tokens=1_500)
    slower.tell("refusal", author="ada", body=ActRefused(code="P201", what="x", reason="y"))
    for name, story in (("one", a_run()), ("slower", slower), ("open", a_story())):
        (tmp_path / f"{name}.json").write_bytes(msgspec.json.encode(shape_of(story.records)))
    return tmp_path


@pytest.mark.usefixtures("saved")
def test_two_runs_stand_side_by_side_and_what_is_beyond_is_first(capsys: Printed) -> None:
    """A difference is no error."""
    assert main(["diff", "one.json", "slower.json"]) == exit_codes.OK

    lines = capsys.readouterr().out.splitlines()
    assert lines[0].split() == ["FIELD", "one.json", "slower.json", "CHANGE", "BOUND"]
    assert lines[1].split() == ["!", "turns", "3", "12", "+9", "(+300%)", "20%", "or", "3"]
    assert any(line.split()[:4] == ["!", "refusals.P201", "0", "1"] for line in lines)
    assert any("13,530" in line and "+13,500 (+45000%)" in line for line in lines)
    assert not any("lanes" in line for line in lines)
    assert lines[-1].endswith("6 beyond their bound (!)")


@pytest.mark.usefixtures("saved")
def test_equal_runs_have_no_table(capsys: Printed) -> None:
    assert main(["diff", "one.json", "one.json", "--exit-code"]) == exit_codes.OK

    [line] = capsys.readouterr().out.splitlines()
    assert line.startswith("none of ")


@pytest.mark.usefixtures("saved")
def test_with_all_equal_fields_are_shown_too(capsys: Printed) -> None:
    assert main(["diff", "one.json", "one.json", "--all"]) == exit_codes.OK

    assert "  lanes" in capsys.readouterr().out


@pytest.mark.usefixtures("saved")
def test_with_exit_code_a_difference_beyond_the_default_bounds_is_told() -> None:
    assert main(["diff", "one.json", "slower.json", "--exit-code"]) == exit_codes.BREACH


@pytest.mark.usefixtures("saved")
def test_programs_get_an_object(capsys: Printed) -> None:
    assert main(["diff", "one.json", "slower.json", "--json"]) == exit_codes.OK

    shown = msgspec.json.decode(capsys.readouterr().out, type=DiffObject)
    assert (shown.before, shown.after, shown.is_beyond) == ("one.json", "slower.json", True)
    turns = next(row for row in shown.rows if row.field == "turns")
    assert (turns.before, turns.after, turns.change, turns.share) == ((3,), 12, 9, 3.0)
    assert (turns.bound, turns.is_equal, turns.is_beyond) == ("20% or 3", False, True)
    assert not any(row.is_equal for row in shown.rows)


def test_one_run_alone_shows_its_shape_and_saves_it(saved: Path, capsys: Printed) -> None:
    assert main(["diff", "one.json"]) == exit_codes.OK
    assert ["turns", "3"] in [line.split() for line in capsys.readouterr().out.splitlines()]

    assert main(["diff", "one.json", "--json"]) == exit_codes.OK
    assert json.loads(capsys.readouterr().out) == json.loads((saved / "one.json").read_text())


@pytest.mark.usefixtures("saved")
def test_a_baseline_lets_its_own_runs_pass_and_no_other(capsys: Printed) -> None:
    assert main(["diff", "one.json", "--write", "b.toml"]) == exit_codes.OK
    assert capsys.readouterr().out == "b.toml\n"

    assert main(["diff", "one.json", "--baseline", "b.toml"]) == exit_codes.OK
    assert main(["diff", "slower.json", "--baseline", "b.toml"]) == exit_codes.BREACH
    assert "!  turns" in capsys.readouterr().out

    assert main(["diff", "one.json", "slower.json", "--write", "b.toml"]) == exit_codes.OK
    for run in ("one.json", "slower.json"):
        assert main(["diff", run, "--baseline", "b.toml"]) == exit_codes.OK


def test_bounds_that_people_edited_hold_and_are_kept(saved: Path, capsys: Printed) -> None:
    path = saved / "b.toml"
    main(["diff", "one.json", "--write", "b.toml"])
    edited = path.read_text().replace('turns = "20% or 3"', "turns = 9  # a slow week")
    path.write_text(edited)

    main(["diff", "slower.json", "--baseline", "b.toml", "--json", "--all"])
    [_, shown] = capsys.readouterr().out.split("b.toml\n", 1)
    [turns] = [row for row in json.loads(shown)["rows"] if row["field"] == "turns"]
    assert (turns["bound"], turns["is_beyond"]) == ("9", False)

    assert main(["diff", "slower.json", "--write", "b.toml", "--json"]) == exit_codes.OK
    written = {"baseline": "b.toml", "runs": ["slower.json"], "bounds_kept": True}
    assert json.loads(capsys.readouterr().out) == written
    assert "turns = 9  # a slow week" in path.read_text()
    assert "turns = [12]" in path.read_text()


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (("one.json", "one.json", "one.json"), "RUN: 3 runs are too many; name two, or write"),
        (("one.json", "one.json", "--baseline", "b.toml"), "--baseline: 2 runs are too many"),
        (("none.json", "one.json"), "none.json: can't be read"),
        (("one.json", "--baseline", "none.toml"), "none.toml: can't be read"),
        (("one.json", "--baseline", "one.json"), "one.json: broken TOML"),
        (("one.json", "--write", "no/such/b.toml"), "no/such/b.toml: can't be written"),
        (("one.json", "--write", "one.json"), "one.json: broken TOML"),
        (("open.json", "--write", "b.toml"), "run 'open.json': it has no result yet; let it end"),
    ],
)
@pytest.mark.usefixtures("saved")
def test_what_can_not_be_done_says_what_to_do(
    arguments: tuple[str, ...], said: str, capsys: Printed
) -> None:
    assert main(["diff", *arguments]) == exit_codes.BAD_INPUT

    assert said in capsys.readouterr().err
