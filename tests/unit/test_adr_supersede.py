"""Records that a run has replaced or withdrawn: the right one is marked, and nothing else in it."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest

from team.adr import Written, read_adrs, write_adrs
from team.adr.inline import one_line, plain
from team.adr.supersede import is_past, marked
from tests.support.decision_files import (
    BULLET,
    BY,
    LINK,
    LOOSE,
    MADR,
    NYGARD,
    SAMPLES,
    Style,
    a_decision,
    a_record,
    as_read,
    only,
)

# ------------------------------------------------------------------ what is superseded


@pytest.mark.parametrize("style", ["madr", "nygard"])
def test_a_superseded_file_names_its_successor_and_is_named_by_it(
    tmp_path: Path, style: Style
) -> None:
    folder = tmp_path / "docs/adr"
    write_adrs(folder, [a_decision(area="db", key="db", run="r1")], style)
    new = a_decision(replaces=as_read(only(folder)))

    written = write_adrs(folder, [new])
    again = write_adrs(folder, [new])

    assert [each.action for each in written] == ["written", "marked superseded"]
    assert written[1].path == f"{folder}/0001-db.md"
    assert [each.action for each in again] == ["unchanged", "unchanged"]
    assert [each.path for each in again] == [each.path for each in written]
    old, fresh = read_adrs(["docs/adr"], tmp_path).adrs
    expected = "ADR-0002" if style == "madr" else "0002-paging.md"
    assert (old.status, old.superseded_by) == ("superseded", expected)
    assert (fresh.status, fresh.path) == ("accepted", "docs/adr/0002-paging.md")
    assert "upersedes [" in (folder / "0002-paging.md").read_text()
    assert "](0001-db.md)" in (folder / "0002-paging.md").read_text()


def test_a_call_that_was_cut_short_is_mended_by_making_it_again(tmp_path: Path) -> None:
    (tmp_path / "0001-db.md").write_text(NYGARD)
    write_adrs(tmp_path, [a_decision()])

    again = write_adrs(tmp_path, [a_decision(replaces=a_record())])

    assert [each.action for each in again] == ["unchanged", "marked superseded"]


def test_a_record_below_is_linked_from_where_it_is(tmp_path: Path) -> None:
    (tmp_path / "old rules").mkdir()
    (tmp_path / "old rules/0003-db.md").write_text(NYGARD)

    write_adrs(tmp_path, [a_decision(replaces=a_record(area="old-rules"))], "nygard")

    old = (tmp_path / "old rules/0003-db.md").read_text()
    title = "Page lists by cursor, never by offset"
    assert f"\nSuperseded by [4. {title}](../0004-paging.md)\n" in old
    new = (tmp_path / "0004-paging.md").read_text()
    assert "\nAccepted\n\nSupersedes [3. Use Postgres](old%20rules/0003-db.md)\n" in new


# ------------------------------------------------------------------ which record is meant


@pytest.mark.parametrize("style", ["madr", "nygard"])
@pytest.mark.parametrize(
    "changes",
    [
        {"statement": "Use MySQL"},
        {"key": "store"},
        {"path": "0001-db.md", "statement": "Use SQLite"},
        {"path": "docs/x, rejected. Superseded by [2](y).md", "key": "x"},
    ],
)
def test_a_record_that_is_not_in_the_folder_is_named_and_nothing_is_marked(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, style: Style, changes: dict[str, str]
) -> None:
    """Another project's folder may have a file of the same name, also where the process is."""
    (tmp_path / "docs/adr").mkdir(parents=True)
    for place in ("0001-db.md", "docs/adr/0001-db.md"):
        (tmp_path / place).write_text(NYGARD)
    monkeypatch.chdir(tmp_path)
    replaced = a_record(**changes)

    written = write_adrs(Path("docs/adr"), [a_decision(replaces=replaced)], style)
    again = write_adrs(Path("docs/adr"), [a_decision(replaces=replaced)], style)

    lost = Written(path=replaced.path, action="not found here")
    assert written == (Written(path="docs/adr/0002-paging.md", action="written"), lost)
    assert again == (Written(path="docs/adr/0002-paging.md", action="unchanged"), lost)
    for place in ("0001-db.md", "docs/adr/0001-db.md"):
        assert (tmp_path / place).read_text() == NYGARD
    fresh = read_adrs(["docs/adr/0002-paging.md"], tmp_path).adrs[0]
    assert (fresh.status, fresh.superseded_by) == ("accepted", None)
    text = (tmp_path / "docs/adr/0002-paging.md").read_text()
    assert plain(replaced.path) in " ".join(one_line(line) for line in text.splitlines())


def test_a_record_of_another_area_is_not_meant_even_if_it_says_the_same(tmp_path: Path) -> None:
    """Of no area, or of the sub-folder's; and it may be somebody else's record."""
    (tmp_path / "0001-db.md").write_text(NYGARD)

    rows = write_adrs(tmp_path, [a_decision(replaces=a_record(area="api"))])

    assert [row.action for row in rows] == ["written", "not found here"]
    assert (tmp_path / "0001-db.md").read_text() == NYGARD


def test_of_two_records_of_other_areas_none_is_meant(tmp_path: Path) -> None:
    for area in ("api", "web"):
        (tmp_path / area).mkdir()
        (tmp_path / area / "0001-db.md").write_text(NYGARD)

    written = write_adrs(tmp_path, [], withdrawn=[a_record(), a_record(area="web")])

    assert [(Path(each.path).parent.name, each.action) for each in written] == [
        ("adr", "not found here"),
        ("web", "marked deprecated"),
    ]


def test_a_record_that_holds_is_meant_and_not_an_older_one_that_says_the_same(
    tmp_path: Path,
) -> None:
    (tmp_path / "0001-db.md").write_text(NYGARD.replace("Accepted", "Superseded by 2"))
    (tmp_path / "0002-db.md").write_text(NYGARD)
    (tmp_path / "0003-db.md").write_text(NYGARD.replace("Accepted", "Proposed"))

    (written,) = write_adrs(tmp_path, [], withdrawn=[a_record()])

    assert (Path(written.path).name, written.action) == ("0002-db.md", "marked deprecated")


def test_a_decision_that_says_what_it_supersedes_does_not_supersede_itself(tmp_path: Path) -> None:
    (tmp_path / "0001-db.md").write_text(NYGARD)
    new = a_decision(area="team", key="db", statement="Use Postgres: Yes.", replaces=a_record())

    first = write_adrs(tmp_path, [new])
    again = write_adrs(tmp_path, [new])

    assert [each.action for each in first] == ["written", "marked superseded"]
    assert [each.action for each in again] == ["unchanged", "unchanged"]
    assert only(tmp_path).path == "0002-db.md"


# ------------------------------------------------------------------ what was withdrawn


@pytest.mark.parametrize("form", [NYGARD, MADR, LOOSE, BULLET])
def test_a_withdrawn_record_is_marked_deprecated_once(tmp_path: Path, form: str) -> None:
    (tmp_path / "0001-db.md").write_text(form)

    first = write_adrs(tmp_path, [a_decision()], withdrawn=[a_record(), a_record()])
    marked_text = (tmp_path / "0001-db.md").read_text()
    again = write_adrs(tmp_path, [a_decision()], withdrawn=[a_record()])

    assert [each.action for each in first] == ["written", "marked deprecated"]
    assert [each.action for each in again] == ["unchanged", "unchanged"]
    assert (tmp_path / "0001-db.md").read_text() == marked_text
    old, _ = read_adrs(["."], tmp_path).adrs
    assert (old.status, old.superseded_by) == ("deprecated", None)


def test_a_record_that_is_superseded_is_not_marked_deprecated_too(tmp_path: Path) -> None:
    (tmp_path / "0001-db.md").write_text(NYGARD)

    written = write_adrs(tmp_path, [a_decision(replaces=a_record())], withdrawn=[a_record()])

    assert [each.action for each in written] == ["written", "marked superseded", "unchanged"]


@pytest.mark.parametrize(
    ("before", "after"),
    [
        ("---\nstatus: accepted\n---\n# X\n", "status: deprecated"),
        ("---\nStatus: 'accepted'  # yes\n---\n# X\n", "Status: deprecated  # yes"),
        ("# X\n\n* Status: accepted  \n* Date: x\n", "* Status: deprecated  "),
        ("# X\n\n- **Status**: Accepted\n", "- **Status**: deprecated"),
        (NYGARD, "Deprecated"),
        ("# X\n\n## Status\n\n* 2020: Proposed\n* 2021: Accepted\n", "* Deprecated"),
    ],
)
@pytest.mark.parametrize("newline", ["\n", "\r\n", "\r"])
@pytest.mark.parametrize("mark", ["", "\ufeff"])
def test_what_is_withdrawn_changes_in_the_line_of_its_state_only(
    before: str, after: str, newline: str, mark: str
) -> None:
    text = mark + before.replace("\n", newline)

    changed = marked(text, None)

    assert changed is not None
    assert is_past(changed)
    old, new = text.split(newline), changed.split(newline)
    (differing,) = [at for at, (one, two) in enumerate(zip(old, new, strict=True)) if one != two]
    assert new[differing] == after


@pytest.mark.parametrize(
    ("before", "after"),
    [
        ("---\nstatus: accepted\n---\n# X\n", "status: superseded by ADR-0012"),
        ("---\nStatus: 'accepted'  # yes\n---\n# X\n", "Status: superseded by ADR-0012  # yes"),
        ("# X\n\n* Status: accepted  \n* Date: x\n", f"* Status: {LINK}  "),
        ("# X\n\n- **Status**: Accepted\n", f"- **Status**: {LINK}"),
        ("# X\n\nStatus: Proposed\n", f"Status: {LINK}"),
        (NYGARD, "Superseded by [12. Use \\[x\\]](0012-x.md)"),
        ("# X\n\n## Status\n\nSupersedes [1](1.md)\n\n- Accepted\n", "- Superseded by [12. Use"),
        ("X\n===\n\nStatus\n---\nDraft\n", "Superseded by [12. Use \\[x\\]](0012-x.md)"),
    ],
)
@pytest.mark.parametrize("newline", ["\n", "\r\n", "\r"])
@pytest.mark.parametrize("mark", ["", "\ufeff"])
def test_the_line_of_the_state_changes_and_no_other_byte(
    before: str, after: str, newline: str, mark: str
) -> None:
    text = mark + before.replace("\n", newline)

    changed = marked(text, BY)

    assert changed is not None
    assert is_past(changed)
    old, new = text.split(newline), changed.split(newline)
    (differing,) = [at for at, (one, two) in enumerate(zip(old, new, strict=True)) if one != two]
    assert new[differing].removeprefix(mark).startswith(after)


@pytest.mark.parametrize(
    ("before", "after"),
    [
        (LOOSE, f"# 0003: Use Postgres\n\nStatus: {LINK}\n\n## Decision\n"),
        ("X\n===\n\n## Decision\n", f"X\n===\n\nStatus: {LINK}\n\n## Decision\n"),
        ("---\ndate: x\n---\n# X\n", "---\ndate: x\nstatus: superseded by ADR-0012\n---\n# X\n"),
    ],
)
def test_a_state_is_added_where_none_is_told(before: str, after: str) -> None:
    changed = marked(before, BY)

    assert changed is not None
    assert changed.startswith(after)
    assert is_past(changed)


def test_both_places_that_tell_a_state_are_changed() -> None:
    changed = marked(f"---\nstatus: accepted\n---\n\n{NYGARD}", BY)

    assert changed is not None
    assert "accepted" not in changed.lower()


@pytest.mark.parametrize("name", sorted(path.name for path in SAMPLES.glob("*.md")))
def test_each_sample_can_be_superseded_once(tmp_path: Path, name: str) -> None:
    shutil.copytree(SAMPLES, tmp_path, dirs_exist_ok=True)
    (before,) = [adr for adr in read_adrs(["."], tmp_path).adrs if adr.path == name]
    new = a_decision(replaces=as_read(before))

    (_, first) = write_adrs(tmp_path, [new])

    was_superseded = name == "0003-use-sqlite-for-search.md"
    assert first.action == ("unchanged" if was_superseded else "marked superseded")
    (old,) = [adr for adr in read_adrs(["."], tmp_path).adrs if adr.path == name]
    assert old.status == "superseded"
