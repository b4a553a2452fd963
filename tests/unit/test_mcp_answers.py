"""What the tools of `team mcp` may read, and how they cut a run into small answers."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import msgspec
import pytest

from team.cli import exit_codes
from team.cli.main import main
from team.errors import SourceError, SpecError
from team.mcp_server import answers
from team.mcp_server.bounds import bounds_of, check_arguments
from team.mcp_server.sessions import Asked, prepare_asked
from team.sources import collect
from team.views.run_object import CitationRow, ResultRow, RunObject, run_object
from tests.support.builders import a_story
from tests.support.documents import ROOT


@pytest.fixture
def project(tmp_path: Path) -> Path:
    """A project with a source, beside a folder that is nobody's business."""
    for name in ("project/notes.md", "elsewhere/secret.md", "elsewhere/team.toml"):
        path = tmp_path / name
        path.parent.mkdir(exist_ok=True)
        path.write_text("Pools close their connections when they are cancelled.\n")
    return tmp_path / "project"


# ------------------------------------------------------------------ what may be read


@pytest.mark.parametrize(
    "source", ["../elsewhere/secret.md", "../elsewhere", "../*/secret.md", "link.md", "link/*.md"]
)
def test_a_source_outside_the_folder_is_refused_before_it_is_read(
    project: Path, source: str
) -> None:
    (project / "link.md").symlink_to(project.parent / "elsewhere" / "secret.md")
    (project / "link").symlink_to(project.parent / "elsewhere")

    with pytest.raises(SourceError, match=r"outside what this server may read.*--allow DIR"):
        check_arguments(bounds_of(project, []), "research", [source])


def test_links_and_globs_that_lead_out_of_a_place_inside_lead_nowhere(project: Path) -> None:
    (project / "docs").mkdir()
    (project / "docs" / "link.md").symlink_to(project.parent / "elsewhere" / "secret.md")

    for source in ("docs", "*/../../elsewhere/*.md"):
        check_arguments(bounds_of(project, []), "research", [source])
        with pytest.raises(SourceError, match="nothing in it can be read"):
            collect([source], project)


def test_what_lies_inside_or_in_an_allowed_folder_may_be_read(project: Path) -> None:
    bounds = bounds_of(project, ["../elsewhere"])
    sources = ["notes.md", "*.md", "../elsewhere/secret.md"]

    check_arguments(bounds, "../elsewhere/team.toml", sources)


def test_a_team_spec_outside_the_folder_is_refused(project: Path) -> None:
    with pytest.raises(SpecError, match="outside the folders"):
        check_arguments(bounds_of(project, []), "../elsewhere/team.toml", ["notes.md"])


def test_a_folder_that_is_none_can_not_be_allowed(
    project: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(project)

    assert main(["mcp", "--allow", "nowhere"]) == exit_codes.BAD_INPUT
    assert "--allow: 'nowhere' is not a folder" in capsys.readouterr().err


@pytest.mark.slow
def test_without_the_extra_the_command_says_how_to_install_it(project: Path) -> None:
    """In a process of its own: here the package is imported already."""
    code = (
        "import sys; sys.modules['mcp'] = None; "
        "from team.cli.main import main; sys.exit(main(['mcp']))"
    )

    done = subprocess.run(
        [sys.executable, "-c", code],
        cwd=project,
        env=os.environ | {"PYTHONPATH": str(ROOT)},
        capture_output=True,
        text=True,
        timeout=110,
        check=False,
    )

    assert done.returncode == exit_codes.BAD_INPUT
    assert "pip install 'peerteam[mcp]'" in done.stderr


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"dollars_max": 2e6}, r"^dollars_max: 2e\+06 is not above 0 and at most 1,000,000"),
        ({"tokens_max": 10**20}, "^tokens_max: 1000.* is no whole number from 1 to 1,000,000,000"),
        ({"sources": ()}, "^sources: .*give files, folders or globs with sources"),
    ],
)
async def test_a_request_that_can_not_be_met_names_the_fields_of_the_tool(
    project: Path, changes: dict[str, object], words: str
) -> None:
    asked = Asked(team="research", goal="How?", sources=("notes.md",), model="rehearsal")

    with pytest.raises(SpecError, match=words):
        await prepare_asked(bounds_of(project, []), msgspec.structs.replace(asked, **changes))


# ------------------------------------------------------------------ answers


def _shown(text: str, citations: int = 0) -> RunObject:
    rows = tuple(
        CitationRow(
            number=number,
            ref=f"t1.c{number}",
            claim="It closes.",
            member="ada",
            source="notes.md",
            locator="L1",
            quote="close",
        )
        for number in range(1, citations + 1)
    )
    shown = run_object("r", a_story().state, is_live=False)
    return msgspec.structs.replace(shown, result=ResultRow(text=text, citations=rows))


def test_pages_of_a_text_give_all_of_it_once() -> None:
    text = "".join(f"Sentence {number}.\n" for number in range(2_000))
    shown, pages, offset = _shown(text), [], 0

    while offset is not None:
        page = answers.text_page(shown, offset)
        pages.append(page["text"])
        offset = page["next_offset"]

    assert "".join(pages) == text
    assert len(pages) > 1
    assert max(map(len, pages)) == answers.TEXT_CHARACTERS


def test_pages_of_citations_go_on_where_the_last_ended() -> None:
    shown = _shown("An answer.", citations=5)

    first = answers.citations_page(shown, 0, 3)
    second = answers.citations_page(shown, 3, 3)

    assert [one["number"] for one in first["citations"]] == [1, 2, 3]
    assert (first["next_offset"], first["citations_total"]) == (3, 5)
    assert [one["number"] for one in second["citations"]] == [4, 5]
    assert second["next_offset"] is None


def test_without_a_result_the_answer_says_what_to_do() -> None:
    shown = run_object("r", a_story().state, is_live=True)

    page = answers.text_page(shown, 0)

    assert (page["text"], page["status"]) == ("", "running")
    assert page["next"] == "It goes on: follow_run(run='r')."


@pytest.mark.parametrize(
    ("status", "says"),
    [
        ("running", "follow_run(run='r', after=7)"),
        ("waiting", "team approve r ID"),
        ("stopped", "resume_run(run='r')"),
        ("stalled", "resume_run(run='r')"),
        ("admitted", "run_result(run='r')"),
        ("cancelled", "nothing more to do"),
    ],
)
def test_every_status_says_what_comes_next(status: str, says: str) -> None:
    assert says in answers.what_next("r", status, 7)
