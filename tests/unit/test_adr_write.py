"""Writing decisions as files: numbers, forms, what is superseded, and that all of it reads back.

Promises: docs of `team.adr.write`.
"""

from __future__ import annotations

import errno
from pathlib import Path
from tempfile import TemporaryDirectory

import pytest
import yaml
from hypothesis import given, settings
from hypothesis import strategies as st

from team.adr import AdrError, Replaced, Written, read_adrs, write_adrs
from team.adr.inline import plain
from tests.support.decision_files import (
    LOOSE,
    MADR,
    NYGARD,
    Style,
    a_decision,
    a_record,
    names,
    only,
)

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
def test_a_record_that_can_not_be_marked_is_told_and_the_others_are_written(
    tmp_path: Path, text: str, *, is_withdrawn: bool
) -> None:
    (tmp_path / "db.md").write_text(text)
    new = a_decision(replaces=None if is_withdrawn else a_record())

    rows = write_adrs(tmp_path, [new], withdrawn=[a_record()] if is_withdrawn else [])

    assert [row.action for row in rows] == [
        "written",
        "can't be marked (its status is not one line)",
    ]
    assert names(tmp_path) == ["0001-paging.md", "db.md"]
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
