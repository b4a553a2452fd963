"""The library: what can be listed, read and found, and that nothing else can.

Promises: docs of `team.sources.library`.
"""

from __future__ import annotations

import asyncio
import concurrent.futures
import multiprocessing
import os
import sqlite3
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from team.errors import LibraryError, SourceError, UnknownSourceError
from team.sources import Library, LibraryInfo, Locator, build_library, collect, quote_stands

FILES = {
    "pkg/__init__.py": '"""A package about queues."""\n',
    "pkg/tasks.py": 'def cancel(task):\n    """Cancel a task at once."""\n    task.stop()\n',
    "pkg/deep/queues.py": "class PriorityQueue:\n    def put_nowait(self, item):\n        pass\n",
    "docs/guide.md": "# Guide to budgets\n\nA budget is a grant of tokens.\nIt can be spent.\n",
    "docs/tasks.py": "# Tasks are also mentioned here.\n",
    "secret/key.md": "The secret key is 42.\n",
}


def a_library(root: Path, *arguments: str) -> Path:
    for name, text in FILES.items():
        path = root / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)
    path = root / "run/library.sqlite"
    build_library(collect(arguments or ["pkg", "docs"], root), path)
    return path


@pytest.fixture(scope="module")
def root(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("sources").resolve()


@pytest.fixture(scope="module")
def library(root: Path) -> Iterator[Library]:
    with Library.open(a_library(root)) as opened:
        yield opened


def sources(library: Library, within: tuple[str, ...] | None) -> list[str]:
    return [document.source for document in library.documents(within)]


# ------------------------------------------------------------------ building


def test_equal_sources_give_an_equal_file(tmp_path: Path) -> None:
    first = a_library(tmp_path).read_bytes()

    assert a_library(tmp_path).read_bytes() == first


def test_a_build_that_fails_leaves_the_old_library_and_nothing_else(tmp_path: Path) -> None:
    path = a_library(tmp_path)
    before = path.read_bytes()
    collection = collect(["pkg"], tmp_path)
    (tmp_path / "pkg/tasks.py").write_text("changed = True\n")

    with pytest.raises(SourceError, match="it changed while it was being read"):
        build_library(collection, path)

    assert path.read_bytes() == before
    assert [each.name for each in path.parent.iterdir()] == ["library.sqlite"]


def test_a_file_that_vanished_or_became_a_link_is_refused(tmp_path: Path) -> None:
    a_library(tmp_path)
    for act in ("remove", "link"):
        (tmp_path / "pkg/extra.md").write_text("Some text.\n")
        collection = collect(["pkg"], tmp_path)
        (tmp_path / "pkg/extra.md").unlink()
        if act == "link":
            (tmp_path / "pkg/extra.md").symlink_to(tmp_path / "secret/key.md")
        with pytest.raises(SourceError, match="it changed while it was being read"):
            build_library(collection, tmp_path / "other.sqlite")
        (tmp_path / "pkg/extra.md").unlink(missing_ok=True)


def test_a_broken_pdf_is_skipped_unless_it_is_all_there_is(tmp_path: Path) -> None:
    a_library(tmp_path)
    (tmp_path / "docs/x.pdf").write_bytes(b"%PDF-1.4 broken")

    info = build_library(collect(["docs"], tmp_path), tmp_path / "l.sqlite")

    assert isinstance(info, LibraryInfo)
    assert (info.documents, info.lines) == (2, 5)
    assert [Path(each.path).name for each in info.skipped] == ["x.pdf"]
    with Library.open(tmp_path / "l.sqlite") as library:
        assert [group.files for group in library.groups()] == [2]
    with pytest.raises(SourceError, match="this PDF can't be read") as caught:
        build_library(collect(["docs/x.pdf"], tmp_path), tmp_path / "l.sqlite")
    assert caught.value.source == "docs/x.pdf"


def test_the_library_of_three_standard_packages_holds_them_line_by_line(tmp_path: Path) -> None:
    folders = [Path(str(m.__file__)).parent for m in (asyncio, concurrent.futures, multiprocessing)]
    path = tmp_path / "l.sqlite"

    build_library(collect([str(folder) for folder in folders], tmp_path), path)

    with Library.open(path) as library:
        assert [(group.name, group.title) for group in library.groups()] == [
            ("asyncio", "asyncio"),
            ("futures", "concurrent.futures"),
            ("multiprocessing", "multiprocessing"),
        ]
        for document in library.documents():
            with Path(document.path).open(newline=None, encoding="utf-8") as file:
                assert library.lines(document.source) == tuple(line.rstrip("\n") for line in file)
        hits = library.search("shut down a ThreadPoolExecutor", ("concurrent.futures",))
        assert {hit.group for hit in hits} == {"futures"}
        assert any(hit.source == "futures/thread.py" for hit in hits)


def test_an_empty_collection_gives_an_empty_library(tmp_path: Path) -> None:
    build_library(collect([], tmp_path), tmp_path / "l.sqlite")

    with Library.open(tmp_path / "l.sqlite") as library:
        assert (library.groups(), library.documents(), library.search("x")) == ((), (), ())


# ------------------------------------------------------------------ opening


def test_what_is_no_library_is_refused(tmp_path: Path) -> None:
    (tmp_path / "text.sqlite").write_text("not a database, but long enough to look at" * 9)
    sqlite3.connect(tmp_path / "other.sqlite").close()

    for name in ("absent.sqlite", "text.sqlite", "other.sqlite"):
        with pytest.raises(LibraryError, match="build it again"):
            Library.open(tmp_path / name)
    with pytest.raises(LibraryError, match="build it again"):
        build_library(collect([], tmp_path), tmp_path / "text.sqlite/x.sqlite")


def test_a_library_opens_whatever_its_path_looks_like_and_closes_twice(tmp_path: Path) -> None:
    path = a_library(tmp_path / "a?mode=rwc #%41")

    library = Library.open(path)
    assert len(library.documents()) == 5
    library.close()
    library.close()


def test_members_read_side_by_side_and_write_nothing(tmp_path: Path) -> None:
    path = a_library(tmp_path)
    before = path.read_bytes()
    found: list[int] = []

    def look() -> None:
        with Library.open(path) as library:
            found.append(len(library.search("cancel task")))

    threads = [threading.Thread(target=look) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(5)

    assert len(found) == 8
    assert len(set(found)) == 1
    assert path.read_bytes() == before
    assert os.listdir(path.parent) == ["library.sqlite"]  # noqa: PTH208 - all of it, journals too


# ------------------------------------------------------------------ names


def test_a_source_goes_by_its_name_its_path_or_an_end_of_it(library: Library, root: Path) -> None:
    for name in ("pkg/deep/queues.py", str(root / "pkg/deep/queues.py"), "queues.py"):
        assert library.read(name, 1, 1).source == "pkg/deep/queues.py"


def test_an_ambiguous_name_lists_what_it_may_mean(library: Library) -> None:
    with pytest.raises(UnknownSourceError, match="2 sources end in that name") as caught:
        library.lines("tasks.py")

    assert caught.value.near == ("pkg/tasks.py", "docs/tasks.py")
    assert library.lines("tasks.py", within=("docs",)) == ("# Tasks are also mentioned here.",)


def test_an_unknown_name_is_answered_with_near_ones(library: Library) -> None:
    with pytest.raises(UnknownSourceError, match=r"of this run; did you mean pkg/tasks\.py"):
        library.read("pkg/task.py", 1, 2)
    with pytest.raises(UnknownSourceError, match=r"of this contract; did you mean docs/tasks\.py"):
        library.read("pkg/tasks.py", 1, 2, ("docs",))


@pytest.mark.parametrize(
    "name",
    [
        "/etc/passwd",
        "etc/passwd",
        "../secret/key.md",
        "pkg/../secret/key.md",
        "secret/key.md",
        "key.md",
        "{root}/secret/key.md",
        "{root}/pkg/../pkg/tasks.py",
        "file://{root}/pkg/tasks.py",
        "",
        "/",
        ".",
        "..",
        "~/.ssh/id_rsa",
        "py",
        "asks.py",
        "pkg/tasks.py\0",
        "pkg/tasks.py' OR '1'='1",
        "*",
        "\ud800",
        "x" * 100_000,
    ],
)
def test_no_name_leads_out_of_the_library(library: Library, root: Path, name: str) -> None:
    name = name.format(root=root)

    for within in (None, ("pkg",), ("**",), ("/etc/**", "pkg/../secret/*", "/")):
        with pytest.raises(UnknownSourceError) as caught:
            library.read(name, 1, 1, within)
        assert len(str(caught.value)) < 1000
        with pytest.raises(UnknownSourceError):
            library.lines(name, within=within)
        with pytest.raises(UnknownSourceError):
            library.sentences(name, 1, 1, within)


def test_reading_needs_no_file_after_the_build(tmp_path: Path) -> None:
    path = a_library(tmp_path)
    with Library.open(path) as library:
        for name in FILES:
            (tmp_path / name).unlink()
        path.unlink()

        assert library.lines("guide.md")[2] == "A budget is a grant of tokens."
        assert library.search("budget")


# ------------------------------------------------------------------ within


@pytest.mark.parametrize(
    ("within", "expected"),
    [
        (None, ["pkg/__init__.py", "pkg/deep/queues.py", "pkg/tasks.py"]),
        (("pkg",), ["pkg/__init__.py", "pkg/deep/queues.py", "pkg/tasks.py"]),
        (("{root}/pkg",), ["pkg/__init__.py", "pkg/deep/queues.py", "pkg/tasks.py"]),
        (("pkg/*.py",), ["pkg/__init__.py", "pkg/tasks.py"]),
        (("pkg/**/*.py",), ["pkg/__init__.py", "pkg/deep/queues.py", "pkg/tasks.py"]),
        (("deep", "tasks.py"), ["pkg/deep/queues.py", "pkg/tasks.py"]),
        (("{root}/*/tasks.py",), ["pkg/tasks.py"]),
        (("nothing", "../*", ""), []),
        ((), []),
    ],
)
def test_within_names_groups_or_globs_over_paths(
    library: Library, root: Path, within: tuple[str, ...] | None, expected: list[str]
) -> None:
    allowed = within and tuple(entry.format(root=root) for entry in within)

    found = [name for name in sources(library, allowed) if name.startswith("pkg")]

    assert found == expected


def test_a_group_named_in_within_is_that_group_only(tmp_path: Path) -> None:
    (tmp_path / "pkg/docs").mkdir(parents=True)
    (tmp_path / "pkg/docs/x.md").write_text("Some text.\n")

    with Library.open(a_library(tmp_path)) as library:
        assert sources(library, ("docs",)) == ["docs/guide.md", "docs/tasks.py"]


@pytest.mark.parametrize(
    ("within", "expected"),
    [
        (("pkg", "!pkg/tasks.py"), ["pkg/__init__.py", "pkg/deep/queues.py"]),
        (("pkg", "docs", "!tasks.py"), ["docs/guide.md", "pkg/__init__.py", "pkg/deep/queues.py"]),
        (("!docs", "docs", "pkg/deep"), ["pkg/deep/queues.py"]),
        (("pkg", "!pkg/deep/"), ["pkg/__init__.py", "pkg/tasks.py"]),
        (("pkg", "!nothing"), ["pkg/__init__.py", "pkg/deep/queues.py", "pkg/tasks.py"]),
        (("docs", "!docs"), []),
        (("!docs",), []),
        (("docs/", "pkg/tasks.py"), ["docs/guide.md", "docs/tasks.py", "pkg/tasks.py"]),
        (("pkg/deep/",), ["pkg/deep/queues.py"]),
    ],
)
def test_what_stands_after_a_mark_is_taken_away(
    library: Library, within: tuple[str, ...], expected: list[str]
) -> None:
    """Whatever the order; what is taken away is found by no name, nor by a search."""
    assert sorted(sources(library, within)) == expected
    assert {hit.source for hit in library.search("task queue budget", within)} <= set(expected)
    for name in {"pkg/tasks.py", "docs/guide.md"} - set(expected):
        with pytest.raises(UnknownSourceError):
            library.read(name, 1, 1, within)


def test_a_sources_own_name_means_that_source_only(tmp_path: Path) -> None:
    """Another group may hold a file of the same path below its root."""
    (tmp_path / "pkg/docs").mkdir(parents=True)
    (tmp_path / "pkg/docs/guide.md").write_text("Some text.\n")

    with Library.open(a_library(tmp_path)) as library:
        assert sources(library, ("docs/guide.md",)) == ["docs/guide.md"]
        assert sources(library, ("docs/",)) == ["docs/guide.md", "docs/tasks.py"]


def test_sizes_are_the_bytes_of_each_sources_text(library: Library) -> None:
    sizes = library.sizes()

    assert set(sizes) == set(sources(library, None))
    assert sizes["docs/guide.md"] == len(FILES["docs/guide.md"].strip().encode())


def test_search_stays_within_what_is_allowed(library: Library) -> None:
    assert {hit.group for hit in library.search("task tasks")} == {"pkg", "docs"}
    assert {hit.group for hit in library.search("task tasks", ("docs",))} == {"docs"}
    assert library.search("task tasks", ()) == ()


# ------------------------------------------------------------------ reading and finding


def test_lines_are_read_as_far_as_they_go(library: Library) -> None:
    page = library.read("guide.md", 3, 99)

    assert page.lines == ("A budget is a grant of tokens.", "It can be spent.")
    assert (str(page.locator), page.group, page.of_lines) == ("L3-L4", "docs", 4)


@pytest.mark.parametrize(("first", "last"), [(0, 3), (-1, 3), (5, 9), (3, 2)])
def test_lines_that_are_not_there_are_refused(library: Library, first: int, last: int) -> None:
    with pytest.raises(SourceError, match="are not there, it has 4; count from 1"):
        library.read("guide.md", first, last)


def test_pages_are_named_where_there_are_pages_only(tmp_path: Path) -> None:
    writer = sqlite3.connect(a_library(tmp_path))
    writer.execute("UPDATE docs SET page = 1 WHERE source = 'docs/guide.md'")
    writer.commit()
    writer.close()

    with Library.open(tmp_path / "run/library.sqlite") as library:
        (guide,) = library.documents(("guide.md",))
        assert guide.pages == 1
        assert library.read("guide.md", 3, 3, page=1).locator == Locator(page=1, first=3, last=3)
        assert library.search("budget")[0].locator.page == 1
        assert library.sentences("guide.md", 3, 3, page=1)[0][1].page == 1
        for page in (None, 0, 2):
            with pytest.raises(SourceError, match="name a page from 1 to 1"):
                library.lines("guide.md", page)
        with pytest.raises(SourceError, match="has no page 1; name lines without a page"):
            library.lines("pkg/tasks.py", 1)


def test_a_hit_is_verbatim_and_stands(library: Library) -> None:
    hits = library.search("What is the BUDGET spent on?")

    best = hits[0]
    assert (best.source, str(best.locator), best.group) == ("docs/guide.md", "L1-L4", "docs")
    assert best.text == FILES["docs/guide.md"].rstrip("\n")
    assert quote_stands(library.lines(best.source), best.locator, best.text)
    assert [hit.score for hit in hits] == sorted((hit.score for hit in hits), reverse=True)
    assert hits == library.search("What is the BUDGET spent on?")


def test_words_are_found_by_stem_by_name_and_by_the_parts_of_names(library: Library) -> None:
    for query in ("cancelled", "put_nowait", "priority queue", "PRIORITYQUEUE"):
        assert library.search(query), query


@pytest.mark.parametrize("query", ["", "the of and", "\"' * ( ) - ^ : /", "___", "\0", "\ud800"])
def test_a_query_without_a_word_that_counts_finds_nothing(library: Library, query: str) -> None:
    assert library.search(query) == ()


@given(query=st.text(), limit=st.integers(-2, 3))
def test_any_query_is_only_words(library: Library, query: str, limit: int) -> None:
    assert len(library.search(query + " task", limit=limit)) <= max(0, limit)


def test_sentences_of_some_lines_are_those_wholly_in_them(library: Library) -> None:
    assert library.sentences("docs/guide.md", 3, 3) == (
        ("A budget is a grant of tokens.", Locator(page=None, first=3, last=3)),
    )
    assert [text for text, _ in library.sentences("pkg/tasks.py", 1, 9)] == [
        "Cancel a task at once."
    ]
