"""`team check` as people, programs, code scanning and GitHub read it; `--explain`."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from team.cli.exit_codes import BAD_INPUT, INTERNAL, OK
from team.cli.main import main
from team.codes import RULES
from team.lint import Report
from team.views.problems import github_lines
from team.views.sarif import sarif
from team.written import Problem
from tests.support.documents import ROOT
from tests.support.mistakes import TEN_MISTAKES

POLICY = "[limits]\nteammate_max = 4\n"
WARNED = '[roles.lead]\nsources = ["no/such"]\n'


@pytest.fixture(autouse=True)
def project(tmp_path: Path) -> Iterator[Path]:
    """A repository with a policy, seen from a folder inside it."""
    (tmp_path / ".git").mkdir()
    (tmp_path / "in side").mkdir()
    (tmp_path / "peerteam.toml").write_text(POLICY)
    (tmp_path / "in side" / "mine.toml").write_text('nme = "x"\n')
    with pytest.MonkeyPatch.context() as context:
        context.setenv("XDG_CONFIG_HOME", str(tmp_path / "config"))
        context.chdir(tmp_path / "in side")
        yield tmp_path


def said(capsys: pytest.CaptureFixture[str], *arguments: str, status: int = BAD_INPUT) -> str:
    assert main(["check", *arguments]) == status
    return capsys.readouterr().out


def a_report(*problems: Problem, folder: Path = Path("/p")) -> Report:
    return Report(root=folder, cwd=folder, checked=1, problems=problems)


def a_problem(**changes: Any) -> Problem:
    given: dict[str, Any] = {"code": "L103", "path": "a.toml", "reason": "r", "fix": "f"}
    return Problem(**given | changes)


# --- for people and programs ------------------------------------------------------------------


def test_people_read_a_line_for_each_problem_and_how_many_there_are(
    project: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    lines = said(capsys, "mine.toml").splitlines()

    assert lines == [
        f"{project.resolve()}/peerteam.toml:2: limits.teammate_max: unknown field; "
        "did you mean 'teammates_max'? [L103 unknown-field]",
        "mine.toml:1: nme: unknown field; did you mean 'name'? [L103 unknown-field]",
        "mine.toml:1: name: it is missing; add it at the top [L106 missing-field]",
        "2 files checked, 3 errors, 0 warnings",
    ]


def test_programs_read_each_part_of_a_problem(capsys: pytest.CaptureFixture[str]) -> None:
    for options in (("--json",), ("--format", "json"), ("--json", "--format", "json")):
        shown = json.loads(said(capsys, "mine.toml", *options))

        assert shown["checked"] == 2
        assert shown["problems"][1] == {
            "path": "mine.toml",
            "message": "mine.toml:1: nme: unknown field; did you mean 'name'?",
            "code": "L103",
            "name": "unknown-field",
            "severity": "error",
            "line": 1,
            "column": 1,
            "field": "nme",
            "reason": "unknown field",
            "fix": "did you mean 'name'?",
        }


def test_two_formats_at_once_are_refused(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["check", "--json", "--format", "sarif"]) == BAD_INPUT
    assert "give one of the two" in capsys.readouterr().err


def test_warnings_alone_are_no_failure_unless_strictly(
    project: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (project / "peerteam.toml").write_text(WARNED)

    assert "0 errors, 1 warning" in said(capsys, "--format", "text", status=OK)
    assert "[L214 pattern-matches-nothing, warning]" in said(capsys, status=OK)
    assert "1 error, 0 warnings" in said(capsys, "--strict")


def test_a_check_that_can_not_be_done_is_no_success(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """Here an installed package whose list of checks can't be read."""
    broken = tmp_path / "site" / "broken-1.dist-info"
    broken.mkdir(parents=True)
    (broken / "METADATA").write_text("Metadata-Version: 2.1\nName: broken\nVersion: 1\n")
    (broken / "entry_points.txt").write_bytes(b"\xff")
    monkeypatch.syspath_prepend(str(tmp_path / "site"))

    assert said(capsys, status=INTERNAL) == ""


# --- for GitHub -------------------------------------------------------------------------------


def test_github_is_told_of_files_from_the_root_of_the_repository(
    capsys: pytest.CaptureFixture[str],
) -> None:
    lines = said(capsys, "mine.toml", "--format", "github").splitlines()

    assert lines == [
        "::error file=peerteam.toml,line=2,col=1,title=L103 unknown-field::"
        "limits.teammate_max: unknown field; did you mean 'teammates_max'?",
        "::error file=in side/mine.toml,line=1,col=1,title=L103 unknown-field::"
        "nme: unknown field; did you mean 'name'?",
        "::error file=in side/mine.toml,line=1,col=1,title=L106 missing-field::"
        "name: it is missing; add it at the top",
    ]


def test_what_a_file_says_can_not_end_a_command_or_begin_another() -> None:
    problem = a_problem(
        path="a,b:c.toml", reason="50%\r\n::error::x", severity="warning", field="x"
    )

    [line] = github_lines(a_report(problem))

    assert line == (
        "::warning file=a%2Cb%3Ac.toml,title=L103 unknown-field::x: 50%25%0D%0A::error::x; f"
    )


def test_a_check_without_problems_prints_nothing_for_github(
    project: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (project / "peerteam.toml").write_text("")

    assert said(capsys, "--format", "github", status=OK) == ""


# --- SARIF ------------------------------------------------------------------------------------


def test_sarif_has_the_rules_and_the_results_with_their_places(
    capsys: pytest.CaptureFixture[str],
) -> None:
    shown = json.loads(said(capsys, "mine.toml", "--format", "sarif"))

    assert shown["version"] == "2.1.0"
    assert shown["$schema"].endswith("sarif-2.1.0.json")
    [run] = shown["runs"]
    assert run["columnKind"] == "unicodeCodePoints"
    assert [result["ruleId"] for result in run["results"]] == ["L103", "L103", "L106"]
    last = run["results"][1]
    assert last["level"] == "error"
    assert last["message"]["text"] == "nme: unknown field; did you mean 'name'?"
    assert last["locations"] == [
        {
            "physicalLocation": {
                "artifactLocation": {"uri": "in%20side/mine.toml", "uriBaseId": "%SRCROOT%"},
                "region": {"startLine": 1, "startColumn": 1},
            }
        }
    ]


def test_each_rule_stands_in_sarif_with_all_that_the_catalogue_says_of_it() -> None:
    driver = sarif(a_report(a_problem(), a_problem(code="L217")), "1").runs[0].tool.driver

    assert [rule.id for rule in driver.rules] == [code for code in RULES if code[0] == "L"]
    for rule in driver.rules:
        entry = RULES[rule.id]
        assert rule.name == entry.name
        assert rule.full_description.text == f"{entry.says} {entry.why}"
        assert rule.help.text == entry.fix
        assert rule.default_configuration.level == entry.severity


def test_a_result_points_to_its_rule() -> None:
    run = sarif(a_report(a_problem(code="L217"), a_problem(code="L101")), "1").runs[0]

    for result in run.results:
        assert run.tool.driver.rules[result.rule_index].id == result.rule_id


def test_a_file_outside_the_repository_has_a_whole_address(tmp_path: Path) -> None:
    problem = a_problem(path="/else where/a.toml")

    [result] = sarif(a_report(problem, folder=tmp_path), "1").runs[0].results

    place = result.locations[0].physical_location
    assert place.artifact_location.uri == "file:///else%20where/a.toml"
    assert not place.artifact_location.uri_base_id
    assert place.region.start_line == 1


# --- explain ----------------------------------------------------------------------------------


def test_any_code_of_any_family_is_explained(capsys: pytest.CaptureFixture[str]) -> None:
    for code, rule in RULES.items():
        text = said(capsys, "--explain", code, status=OK)

        for part in (code, rule.name, rule.says, rule.why, rule.fix):
            assert part in text


def test_a_code_is_found_in_lower_case_and_by_its_name(capsys: pytest.CaptureFixture[str]) -> None:
    texts = {said(capsys, "--explain", c, status=OK) for c in ("L103", "l103", "unknown-field")}

    assert len(texts) == 1


@pytest.mark.parametrize("arguments", [("--explain",), ("--explain", "all")])
def test_all_codes_are_listed(
    capsys: pytest.CaptureFixture[str], arguments: tuple[str, ...]
) -> None:
    lines = said(capsys, *arguments, status=OK).splitlines()

    assert [line.split()[0] for line in lines[1:]] == list(RULES)
    listed = json.loads(said(capsys, *arguments, "--json", status=OK))
    assert [rule["code"] for rule in listed] == list(RULES)


@pytest.mark.parametrize(
    ("code", "hint"),
    [
        ("L1O3", "did you mean 'L103'?"),
        ("unkown-field", "did you mean 'unknown-field'?"),
        ("Z", "'team check --explain' lists them"),
    ],
)
def test_a_code_that_there_is_not_is_refused_with_the_nearest(
    capsys: pytest.CaptureFixture[str], code: str, hint: str
) -> None:
    assert main(["check", "--explain", code]) == BAD_INPUT
    assert hint in capsys.readouterr().err


def test_a_code_is_explained_for_people_or_programs_only(
    capsys: pytest.CaptureFixture[str],
) -> None:
    assert main(["check", "--explain", "L103", "--format", "sarif"]) == BAD_INPUT
    assert "use text or json" in capsys.readouterr().err


# --- what it costs ----------------------------------------------------------------------------


def test_a_check_loads_nothing_that_it_does_not_need(project: Path) -> None:
    """Imports are nearly all of its time; a check stands in CI and in editors."""
    (project / "peerteam.toml").write_text(TEN_MISTAKES)
    script = (
        "import sys\n"
        "from team.cli.main import main\n"
        "status = main(['check'])\n"
        "heavy = {'anthropic', 'genai_prices', 'httpx2', 'nats', 'rich', 'structlog'}\n"
        "print('loaded:', status, sorted(heavy & set(sys.modules)))\n"
    )

    done = subprocess.run(
        [sys.executable, "-c", script],
        capture_output=True,
        text=True,
        check=False,
        timeout=60,
        env=os.environ | {"PYTHONPATH": str(ROOT)},
    )

    assert done.stdout.splitlines()[-1] == "loaded: 2 []", done.stderr
