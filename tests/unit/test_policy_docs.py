"""docs/policy.md says what the code says: every field, every code, what `team check` prints."""

from __future__ import annotations

import tomllib
from pathlib import Path

import pytest

from team.cli.exit_codes import BAD_INPUT, OK
from team.cli.main import main
from team.codes import RULES
from team.lint import check_files
from team.policy import ProjectPolicy
from tests.support.codes_table import HEADS, table, wanted_rows
from tests.support.documents import DOCS, ROOT, blocks, rows
from tests.support.mistakes import TEN_MISTAKES
from tests.support.policy_fields import TABLES, wanted_fields

POLICY = DOCS / "policy.md"
EXAMPLE = ROOT / "examples" / "policy" / "peerteam.toml"


def test_every_field_of_a_policy_is_described_with_what_may_stand_there() -> None:
    said = rows(POLICY, "field", "may be", "means")

    assert [(field, may_be) for field, may_be, _ in said] == wanted_fields()
    assert all(means for _, _, means in said)
    assert {table.partition(".")[0] for table in TABLES} == set(ProjectPolicy.__struct_fields__)


def test_every_code_is_in_the_table_that_make_codes_writes() -> None:
    assert rows(POLICY, *HEADS) == wanted_rows(), f"run 'make codes'; wanted:\n{table()}"


def test_every_code_has_a_letter_of_its_family_and_a_text_for_each_part() -> None:
    for code, rule in RULES.items():
        assert code == rule.code
        assert code[0] in "PTCGLAM"
        for part in (rule.says, rule.why, rule.fix):
            assert part.strip()
        assert rule.name == rule.name.lower().replace(" ", "-")


def test_the_example_that_is_printed_is_the_example_that_is_shipped() -> None:
    [shown] = blocks(POLICY, "toml")

    assert shown == EXAMPLE.read_text()
    assert set(tomllib.loads(shown)) == set(ProjectPolicy.__struct_fields__)


def test_the_example_passes_team_check() -> None:
    report = check_files(EXAMPLE.parent, ("peerteam.toml",), is_strict=True)

    assert (report.checked, report.problems) == (1, ())


def test_what_team_check_prints_is_what_the_document_shows(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "peerteam.toml").write_text(TEN_MISTAKES)
    [shown] = blocks(POLICY, "text")

    assert main(["check"]) == BAD_INPUT
    assert set(shown.splitlines()) < set(capsys.readouterr().out.splitlines())


def test_the_schema_of_a_policy_is_printed(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["schema", "policy"]) == OK
    assert "ProjectPolicy" in capsys.readouterr().out
