"""Role files as people have them: the shapes that were met, and what each field becomes.

The shapes are those of public subagent files; the files are our own. Point
`PEERTEAM_SUBAGENTS` at a folder to try files of others.
"""

from __future__ import annotations

import json
import os
import re
from pathlib import Path

import pytest

from roles import load_role
from roles.report import FieldReport, RoleReport, report_role_file, role_files_below
from team.cli import exit_codes
from team.cli.main import main
from team.tool_names import TOOL_NAMES
from team.views.roles import roles_report

SUBAGENTS = os.environ.get("PEERTEAM_SUBAGENTS", "")

FULL = """---
name: release-guard
description: |
  Guards a release. Use PROACTIVELY before a tag is set.

  Triggers: release, tag, "is it ready"
model: opus
effort: high
maxTurns: 20
tools:
  - Read
  - Bash
  - NotebookEdit
disallowedTools: Write, Edit
permissionMode: plan
memory: project
isolation: worktree
background: true
hooks:
  Stop:
    - hooks:
        - type: command
          command: "echo done"
color: purple
category: quality
allowedTools: Read
---
Look at the notes of the release.
"""


def _report(tmp_path: Path, text: str, name: str = "x.md") -> RoleReport:
    path = tmp_path / name
    path.write_text(text)
    return report_role_file(path, TOOL_NAMES)


def _of(report: RoleReport, field: str) -> FieldReport:
    [found] = [one for one in report.fields if one.field == field]
    return found


def test_every_field_of_a_full_file_is_told_with_what_it_became(tmp_path: Path) -> None:
    report = _report(tmp_path, FULL)

    assert (report.name, report.loads) == ("release-guard", True)
    assert {one.field: one.became for one in report.fields} == {
        "name": "honoured",
        "description": "honoured",
        "model": "honoured",
        "effort": "honoured",
        "maxTurns": "honoured",
        "tools": "partly",
        "disallowedTools": "partly",
        "permissionMode": "no effect",
        "memory": "no effect",
        "isolation": "no effect",
        "background": "no effect",
        "hooks": "no effect",
        "color": "no effect",
        "category": "no effect",
        "allowedTools": "no effect",
        "(instructions)": "honoured",
    }
    assert _of(report, "tools").says == (
        "read_source; not Bash: no such tool here yet; NotebookEdit: no such tool here yet"
    )
    assert _of(report, "maxTurns").says == "20"
    assert _of(report, "allowedTools").says == "did you mean 'tools'? no such field here"


def test_tools_that_nobody_knows_narrow_a_file_and_do_not_break_it(tmp_path: Path) -> None:
    """Names of other programs' tools: they are left out, and never mean all tools."""
    tools = "['codebase', 'edit/editFiles', 'githubRepo']"
    text = f"---\nname: x\ndescription: y\ntools: {tools}\n---\nGo.\n"

    report = _report(tmp_path, text)
    role = load_role(Path(report.path), TOOL_NAMES)

    assert role.tools == ()
    assert _of(report, "tools").became == "partly"
    assert _of(report, "tools").says.startswith("none; not codebase: no tool of that name is known")


def test_a_slip_of_the_pen_in_a_tools_name_is_an_error_still(tmp_path: Path) -> None:
    text = "---\nname: x\ndescription: y\ntools: Raed, Bash\n---\nGo.\n"

    report = _report(tmp_path, text)

    assert not report.loads
    assert _of(report, "tools").became == "error"
    assert "did you mean 'Read'" in _of(report, "tools").says


def test_the_names_of_claudes_tools_are_known_in_any_case(tmp_path: Path) -> None:
    text = "---\nname: x\ndescription: y\ntools: read, grep, bash\n---\nGo.\n"

    role = load_role(Path(_report(tmp_path, text).path), TOOL_NAMES)

    assert role.tools == ("read_source", "search_sources")


@pytest.mark.parametrize(
    ("written", "name"),
    [("powershell-5.1-expert", "powershell-5-1-expert"), ("A Guide", "A-Guide")],
)
def test_dots_and_spaces_in_a_name_become_hyphens_and_are_told(
    tmp_path: Path, written: str, name: str
) -> None:
    report = _report(tmp_path, f"---\nname: {written}\ndescription: y\n---\nGo.\n")

    assert report.name == name
    assert _of(report, "name").became == "partly"
    assert f"it is called '{name}'" in _of(report, "name").says


def test_a_field_without_effect_may_be_given_twice(tmp_path: Path) -> None:
    text = "---\nname: x\ndescription: y\ncolor: red\ncolor: blue\n---\nGo.\n"

    report = _report(tmp_path, text)

    assert report.loads
    assert "given twice, first on line 4" in _of(report, "color").says


def test_a_file_that_is_a_template_says_each_of_its_mistakes(tmp_path: Path) -> None:
    report = _report(
        tmp_path, "---\nname: [name]\ndescription: [what]\nmodel: Claude 4\n---\nGo.\n"
    )

    assert not report.loads
    assert [one.field for one in report.fields if one.became == "error"] == [
        "name",
        "description",
        "model",
    ]


def test_files_of_a_folder_are_found_at_any_depth_and_skills_are_none(tmp_path: Path) -> None:
    for name in ("a.md", "deep/b.md", "deep/SKILL.md", "deep/README.md", "notes.md"):
        path = tmp_path / name
        path.parent.mkdir(exist_ok=True)
        path.write_text("# Notes\n" if name == "notes.md" else FULL)

    assert [path.name for path in role_files_below(tmp_path)] == ["a.md", "b.md"]


def test_the_command_tells_files_and_totals(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "a.md").write_text(FULL)
    (tmp_path / "b.md").write_text("---\nname: b\n---\nGo.\n")

    assert main(["roles", "--report", str(tmp_path), "--json"]) == exit_codes.OK
    shown = json.loads(capsys.readouterr().out)
    assert main(["roles", "--report", str(tmp_path)]) == exit_codes.OK
    text = capsys.readouterr().out
    assert main(["roles", "--report", str(tmp_path / "none")]) == exit_codes.BAD_INPUT

    assert shown["totals"]["files"] == 2
    assert shown["totals"]["load"] == 1
    assert shown["totals"]["fields"]["name"] == {"honoured": 2}
    assert "2 files, 1 of them load" in text
    assert "b.md: does not load" in text
    assert re.search(r"description +error +missing; add a line `description: …`", text)


@pytest.mark.skipif(not SUBAGENTS, reason="PEERTEAM_SUBAGENTS names no folder of subagent files")
def test_files_of_others_load_and_none_breaks_the_loader() -> None:
    """At least 95 of a hundred load; each that does not says where, why, and what to do."""
    paths = list(role_files_below(Path(SUBAGENTS)))

    report = roles_report([report_role_file(path, TOOL_NAMES) for path in paths])

    assert report.totals.files >= 100
    assert report.totals.load >= 0.95 * report.totals.files
    for one in report.files:
        wrong = [field.says for field in one.fields if field.became == "error"]
        assert one.loads != bool(wrong), one.path
        assert all("; " in said for said in wrong), one.path
