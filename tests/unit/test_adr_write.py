"""Writing decisions as files: numbers, forms, what is superseded, and that all of it reads back.

Promises: docs of `team.adr.write`.
"""

from __future__ import annotations

import errno
import shutil
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Literal

import msgspec
import pytest
import yaml
from hypothesis import given, settings
from hypothesis import strategies as st

from team.adr import Adr, AdrError, NewAdr, Replaced, Written, read_adrs, write_adrs
from team.adr.inline import one_line, plain
from team.adr.supersede import Successor, is_past, marked

SAMPLES = Path(__file__).parents[1] / "support/adrs"
NYGARD = "# 3. Use Postgres\n\nDate: 2024-01-02\n\n## Status\n\nAccepted\n\n## Decision\n\nYes.\n"
MADR = "---\nstatus: accepted\n---\n\n# Use Postgres\n\n## Decision Outcome\n\nYes.\n"
BULLET = "# Use Postgres\n\n* Status: accepted\n\n## Decision Outcome\n\nYes.\n"
LOOSE = "# 0003: Use Postgres\n\n## Decision\n\nYes.\n"
BY = Successor(number=12, label="ADR-0012", title="Use [x]", href="0012-x.md")
LINK = "superseded by [ADR-0012](0012-x.md)"

Style = Literal["madr", "nygard"]


def a_decision(**changes: object) -> NewAdr:
    new = NewAdr(
        area="api",
        key="paging",
        statement="Page lists by cursor, never by offset",
        rationale="Offsets skip rows.\n\nA cursor is opaque.",
        alternatives=("Offset and limit", "Link headers only"),
        author="ada",
        decided_on="2026-02-03",
        run="r0203-ab12",
        revision=41,
    )
    return msgspec.structs.replace(new, **changes)


def only(folder: Path) -> Adr:
    found = read_adrs([str(folder)], folder)
    (adr,) = found.adrs
    return adr


def a_record(**changes: str) -> Replaced:
    """What a run read from one of the texts above, as `db`."""
    old = Replaced(
        area="team", key="db", statement="Use Postgres: Yes.", path="docs/adr/0001-db.md"
    )
    return msgspec.structs.replace(old, **changes)


def as_read(adr: Adr) -> Replaced:
    return Replaced(area=adr.area, key=adr.key, statement=adr.statement, path=adr.path)


def names(folder: Path) -> list[str]:
    return sorted(path.name for path in folder.iterdir())


# ------------------------------------------------------------------ new files


def test_a_folder_that_is_missing_is_made_and_gets_madr_4(tmp_path: Path) -> None:
    (written,) = write_adrs(tmp_path / "docs/adr", [a_decision()])

    assert written == Written(path=f"{tmp_path}/docs/adr/0001-paging.md", action="written")
    text = Path(written.path).read_text()
    assert text.startswith("---\nstatus: accepted\ndate: 2026-02-03\ndecision-makers: [ada]\n")
    front = yaml.safe_load(text.split("---")[1])
    assert (front["area"], front["peerteam"]) == ("api", "r0203-ab12/api/paging@41")
    assert "\n# Page lists by cursor, never by offset\n" in text
    assert 'Chosen option: "Page lists by cursor, never by offset", because:\n' in text
    assert "\n* Offset and limit\n* Link headers only\n" in text


def test_adr_tools_find_what_they_look_for_in_the_other_form(tmp_path: Path) -> None:
    write_adrs(tmp_path, [a_decision(relied_on=("data/order",))], "nygard")

    lines = (tmp_path / "0001-paging.md").read_text().splitlines()
    assert lines[0] == "# 1. Page lists by cursor, never by offset"
    assert lines[2] == "Date: 2026-02-03"
    assert [line for line in lines if line.startswith("## ")] == [
        "## Status",
        "## Context",
        "## Decision",
        "## Alternatives considered",
        "## Consequences",
    ]
    assert "<!-- peerteam: r0203-ab12/api/paging@41 -->" in lines
    assert "It holds as long as what it rests on: data/order." in lines


@pytest.mark.parametrize("style", ["madr", "nygard"])
def test_objections_and_premises_are_kept(tmp_path: Path, style: Style) -> None:
    objection = "bo: cursors can't jump; ruled: nobody jumps"
    write_adrs(tmp_path, [a_decision(objections=(objection,), relied_on=("a/b", "c/d"))], style)

    text = (tmp_path / "0001-paging.md").read_text()

    assert objection in only(tmp_path).rationale
    assert "rests on: a/b, c/d." in text


@pytest.mark.parametrize("style", ["madr", "nygard"])
def test_what_a_person_decided_is_not_said_to_be_the_team_s(tmp_path: Path, style: Style) -> None:
    write_adrs(tmp_path, [a_decision(author="person"), a_decision(key="other")], style)

    text = (tmp_path / "0001-paging.md").read_text()
    assert "A person decided `api/paging` in the run `r0203-ab12`" in text
    assert "on 2026-02-03; it is revision 41." in text
    assert "settled" not in text
    other = (tmp_path / "0002-other.md").read_text()
    assert "A team of agents settled `api/other`" in other


@pytest.mark.parametrize(
    ("files", "first_line"),
    [
        ({"0003-db.md": NYGARD}, "# 4. Page lists by cursor, never by offset"),
        ({"0003-db.md": MADR}, "---"),
        ({"0003-db.md": LOOSE}, "---"),
        ({"0001-a.md": MADR, "0003-db.md": NYGARD}, "---"),
        ({"0001-a.md": NYGARD, "0002-b.md": MADR, "0003-db.md": NYGARD}, "# 4. Page"),
    ],
)
def test_the_form_is_that_of_most_files_there(
    tmp_path: Path, files: dict[str, str], first_line: str
) -> None:
    for name, text in files.items():
        (tmp_path / name).write_text(text)

    write_adrs(tmp_path, [a_decision()])

    assert (tmp_path / "0004-paging.md").read_text().startswith(first_line)


@pytest.mark.parametrize(
    ("there", "name"),
    [
        ([], "0001-paging.md"),
        (["0007-x.md", "0003-y.md", "README.md"], "0008-paging.md"),
        (["007-x.md", "012-y.md"], "013-paging.md"),
        (["adr-041-x.md"], "042-paging.md"),
        (["20240102-x.md"], "0001-paging.md"),
        (["web/0005-x.md", "0009-template.md"], "0010-paging.md"),
        (["9999-x.md"], "10000-paging.md"),
    ],
)
def test_numbers_go_on_after_the_highest_as_wide_as_they_are_there(
    tmp_path: Path, there: list[str], name: str
) -> None:
    for each in there:
        (tmp_path / each).parent.mkdir(exist_ok=True)
        (tmp_path / each).write_text(LOOSE)

    (written,) = write_adrs(tmp_path, [a_decision()])

    assert Path(written.path).name == name


def test_what_stands_there_is_unchanged_even_if_it_was_moved_and_edited(tmp_path: Path) -> None:
    both = [a_decision(), a_decision(key="Sort_By", revision=50)]
    first = write_adrs(tmp_path, both)
    (tmp_path / "api").mkdir()
    moved = (tmp_path / "0001-paging.md").rename(tmp_path / "api/0009-pages.md")
    moved.write_text(moved.read_text().replace("status: accepted", "status: rejected"))

    again = write_adrs(tmp_path, [*both, both[0]])

    assert [each.action for each in first] == ["written", "written"]
    assert [(Path(each.path).name, each.action) for each in again] == [
        ("0009-pages.md", "unchanged"),
        ("0002-Sort_By.md", "unchanged"),
        ("0009-pages.md", "unchanged"),
    ]
    assert names(tmp_path) == ["0002-Sort_By.md", "api"]
    assert {adr.name for adr in read_adrs(["."], tmp_path).adrs} == {"api/pages", "api/Sort_By"}


def test_a_later_revision_is_another_file(tmp_path: Path) -> None:
    write_adrs(tmp_path, [a_decision(), a_decision(revision=42), a_decision(run="r9")], "nygard")

    assert names(tmp_path) == ["0001-paging.md", "0002-paging.md", "0003-paging.md"]


def test_nothing_is_left_beside_the_files_and_people_may_read_them(tmp_path: Path) -> None:
    path = tmp_path / "plain.md"
    path.touch()

    write_adrs(tmp_path, [a_decision()])

    assert names(tmp_path) == ["0001-paging.md", "plain.md"]
    assert (tmp_path / "0001-paging.md").stat().st_mode == path.stat().st_mode


# ------------------------------------------------------------------ what is refused


@pytest.mark.parametrize(
    ("changes", "row"),
    [
        ({"key": "../x"}, "left out (invalid name or date): api/../x"),
        ({"key": "a\x1bb"}, "left out (invalid name or date): api/a b"),
        ({"area": ""}, "left out (invalid name or date): /other"),
        ({"run": "a b"}, "left out (invalid name or date): api/other"),
        ({"decided_on": "3 Feb"}, "left out (invalid name or date): api/other"),
        ({"decided_on": "20260203"}, "left out (invalid name or date): api/other"),
        ({"statement": " \n"}, "left out (no statement): api/other"),
        ({"statement": "\u202e\x07"}, "left out (no statement): api/other"),
    ],
)
def test_a_decision_that_can_not_be_written_is_left_out_and_the_others_are_not(
    tmp_path: Path, changes: dict[str, str], row: str
) -> None:
    (tmp_path / "0001-db.md").write_text(NYGARD)
    wrong = a_decision(**{"key": "other", "replaces": a_record(), **changes})

    written = write_adrs(tmp_path, [a_decision(), wrong, a_decision(key="last")])

    assert [each.action for each in written] == ["written", written[1].action, "written"]
    assert f"{written[1].action}: {written[1].path}" == row
    assert names(tmp_path) == ["0001-db.md", "0002-paging.md", "0003-last.md"]
    assert (tmp_path / "0001-db.md").read_text() == NYGARD


@pytest.mark.parametrize(
    "text",
    [
        "---\nstatus:\n- accepted\n---\n# Use Postgres\n\n## Decision\n\nYes.\n",
        "# Use Postgres\n\n## Status\n\n| Accepted | 2020-01-01 |\n\n## Decision\n\nYes.\n",
        "# Use Postgres\n\n| Status | Accepted |\n|---|---|\n\n## Decision\n\nYes.\n",
    ],
)
@pytest.mark.parametrize("is_withdrawn", [True, False])
def test_a_record_that_can_not_be_marked_is_told_before_anything_is_written(
    tmp_path: Path, text: str, *, is_withdrawn: bool
) -> None:
    (tmp_path / "db.md").write_text(text)
    new = a_decision(replaces=None if is_withdrawn else a_record())

    with pytest.raises(AdrError, match="its status is not one line; write its status on one"):
        write_adrs(tmp_path, [new], withdrawn=[a_record()] if is_withdrawn else [])

    assert names(tmp_path) == ["db.md"]
    assert (tmp_path / "db.md").read_text() == text


@pytest.mark.parametrize(
    "place", ["file", "file/adr", "x" * 300, "a\0b", "/proc/adr", "/proc/self/adr/x"]
)
def test_a_place_that_can_not_be_a_folder_is_named_with_the_fix(tmp_path: Path, place: str) -> None:
    (tmp_path / "file").write_text("")

    with pytest.raises(AdrError, match="; check the path, or name another folder") as caught:
        write_adrs(tmp_path / place, [a_decision()])

    assert caught.value.path == str(tmp_path / place)


@pytest.mark.parametrize(
    ("number", "fix"),
    [
        (errno.EACCES, "make it writable, or name another folder"),
        (errno.EROFS, "make it writable, or name another folder"),
        (errno.ENOSPC, "make room, then ask again"),
        (errno.ENOENT, "check the path, or name another folder"),
    ],
)
def test_the_fix_is_for_what_the_system_refused(tmp_path: Path, number: int, fix: str) -> None:
    from team.adr.write import _told

    with pytest.raises(AdrError, match="can't be written") as caught, _told(tmp_path):
        raise OSError(number, "no")

    assert caught.value.fix == fix


def test_a_file_that_appears_meanwhile_is_not_overwritten(tmp_path: Path) -> None:
    from team.adr.write import _put

    path = tmp_path / "0001-x.md"
    path.write_text("theirs")

    assert not _put(path, b"ours")
    assert path.read_text() == "theirs"
    assert names(tmp_path) == ["0001-x.md"]


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


def test_of_an_area_that_was_a_folder_the_only_record_is_meant(tmp_path: Path) -> None:
    (tmp_path / "api").mkdir()
    (tmp_path / "api/0001-db.md").write_text(NYGARD)

    for action in ("marked superseded", "unchanged"):
        written = write_adrs(tmp_path / "api", [a_decision(replaces=a_record(area="api"))])
        assert written[1].action == action


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


# ------------------------------------------------------------------ whatever people write

SYNTAX = st.sampled_from(
    [
        *"# --- <!-- --> ` ``` ~~~ * ** _ [a](b) [x] \\ 3. - > === | {x} &amp; <b> \" ' …".split(),
        *("ADR-3: ", "because ", "status: rejected", "Chosen option: ", "[x]: y", "## Status"),
        *("superseded by ", " accepted ", " proposed ", " deprecated ", "partly "),
        *("\n", "\n\n", "\r\n", " ", "\t", "\u2028", "word", "(chosen)"),
        "<!-- peerteam: a/b/c@1 -->",
    ]
)
UNICODE = st.text(alphabet=st.characters(exclude_categories=("Cs",)), max_size=30)
WORDS = st.lists(SYNTAX | UNICODE, max_size=8).map("".join)
LINES = WORDS.filter(lambda text: 0 < len(plain(text)) <= 280)
TOKENS = st.from_regex(r"[A-Za-z0-9_-]{1,64}", fullmatch=True)


@settings(max_examples=90)
@given(
    style=st.sampled_from(["madr", "nygard"]),
    area=TOKENS,
    key=TOKENS,
    statement=LINES,
    rationale=WORDS,
    alternatives=st.lists(LINES, max_size=4, unique_by=plain),
    others=st.lists(WORDS, max_size=2),
)
def test_what_was_written_is_read_as_it_was_meant(
    style: Style,
    area: str,
    key: str,
    statement: str,
    rationale: str,
    alternatives: list[str],
    others: list[str],
) -> None:
    """White space counts as one space, and control characters as white space."""
    new = a_decision(
        area=area,
        key=key,
        statement=statement,
        rationale=rationale,
        alternatives=tuple(alternatives),
        author="".join(others),
        objections=tuple(others),
        relied_on=tuple(others),
    )

    with TemporaryDirectory() as name:
        folder = Path(name)
        write_adrs(folder, [new], style)
        found = read_adrs([name], folder)
        again = write_adrs(folder, [new], style)

    assert found.left_out == ()
    (adr,) = found.adrs
    assert (adr.area, adr.key, adr.status, adr.number) == (area, key, "accepted", 1)
    assert adr.statement == plain(statement)
    assert adr.alternatives == tuple(plain(text) for text in alternatives)
    assert plain(rationale) in plain(adr.rationale)
    assert [each.action for each in again] == ["unchanged"]


@settings(max_examples=40)
@given(style=st.sampled_from(["madr", "nygard"]), statement=LINES, title=LINES)
def test_whatever_the_titles_are_one_can_supersede_the_other(
    style: Style, statement: str, title: str
) -> None:
    with TemporaryDirectory() as name:
        folder = Path(name)
        write_adrs(folder, [a_decision(key="old", run="r1", statement=title)], style)
        replaced = Replaced(area="api", key="old", statement=plain(title), path="0001-old.md")
        new = a_decision(statement=statement, replaces=replaced)
        write_adrs(folder, [new], style)
        old, fresh = read_adrs([name], folder).adrs

    assert (old.title, old.status) == (plain(title), "superseded")
    assert old.superseded_by in {"ADR-0002", "0002-paging.md"}
    assert (fresh.title, fresh.status) == (plain(statement), "accepted")
