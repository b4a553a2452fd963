"""Projects on disk for tests of `team check`."""

from __future__ import annotations

from pathlib import Path

from team.lint import Report, check_files

SPEC = 'name = "mine"\n'
ROLE = "---\nname: {name}\ndescription: d\n{more}---\nDo it.\n"
PRICELESS = '[models]\nworker = "model-of-nobody"\n'
Found = tuple[str, int | None, str, str]


def a_project(folder: Path, **files: str) -> Path:
    """A repository with these files."""
    (folder / ".git").mkdir()
    for name, text in files.items():
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)
    return folder


def a_role(name: str, more: str = "") -> str:
    return ROLE.format(name=name, more=more)


def found(report: Report) -> list[Found]:
    return [(p.path, p.line, p.code, p.severity) for p in report.problems]


def check(folder: Path, files: dict[str, str]) -> list[Found]:
    return found(check_files(a_project(folder, **files)))
