"""Collecting: which files an argument means, what is skipped and why, what is refused.

Promises: docs of `team.sources.collect`.
"""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from team.errors import SourceError
from team.sources import Collection, collect
from team.sources.collect import FILE_BYTES_MAX, FILES_MAX, TOTAL_BYTES_MAX


def a_tree(root: Path, *names: str, text: str = "Some text.\n") -> Path:
    for name in names:
        path = root / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)
    return root


def names(collection: Collection, root: Path) -> list[str]:
    return [str(Path(file.path).relative_to(root.resolve())) for file in collection.files]


def reason_for(collection: Collection, ending: str) -> str:
    (found,) = [each.reason for each in collection.skipped if each.path.endswith(ending)]
    return found


# ------------------------------------------------------------------ what is meant


def test_a_folder_means_all_readable_files_below_it_in_order(tmp_path: Path) -> None:
    a_tree(tmp_path, "d/b.md", "d/a/z.py", "d/LICENSE", "d/a.TXT", "other/x.md")

    collection = collect(["d"], tmp_path)

    assert names(collection, tmp_path) == ["d/LICENSE", "d/a/z.py", "d/a.TXT", "d/b.md"]
    (group,) = collection.groups
    assert (group.name, group.argument, group.files) == ("d", "d", 4)
    assert group.root == str(tmp_path.resolve() / "d")
    assert collection.files[0].size_bytes == 11
    assert len(collection.files[0].sha256) == 64


@pytest.mark.parametrize(
    ("pattern", "expected"),
    [
        ("d/*.md", ["d/b.md"]),
        ("d/**/*.md", ["d/a/deep/c.md", "d/b.md"]),
        ("d/**", ["d/a/deep/c.md", "d/a/x.py", "d/b.md"]),
        ("d/a/*", ["d/a/deep/c.md", "d/a/x.py"]),
        ("d/?.md", ["d/b.md"]),
        ("d/[ab].md", ["d/b.md"]),
    ],
)
def test_a_glob_means_what_it_matches_and_all_below(
    tmp_path: Path, pattern: str, expected: list[str]
) -> None:
    a_tree(tmp_path, "d/b.md", "d/a/x.py", "d/a/deep/c.md", "d/.git/y.md")

    for argument in (pattern, str(tmp_path / pattern)):
        assert names(collect([argument], tmp_path), tmp_path) == expected


def test_a_name_that_looks_like_a_glob_but_exists_is_a_name(tmp_path: Path) -> None:
    a_tree(tmp_path, "notes[1].md", "notes1.md")

    assert names(collect(["notes[1].md"], tmp_path), tmp_path) == ["notes[1].md"]


def test_groups_follow_the_arguments_and_packages_give_dotted_titles(tmp_path: Path) -> None:
    a_tree(tmp_path, "concurrent/__init__.py", "concurrent/futures/__init__.py", "guide/a.md")

    collection = collect(["guide", "concurrent/futures", "guide/../guide/a.md"], tmp_path)

    assert [(group.name, group.title) for group in collection.groups] == [
        ("guide", "guide"),
        ("futures", "concurrent.futures"),
    ]
    assert [file.group for file in collection.files] == ["guide", "futures"]
    assert reason_for(collection, "guide/../guide/a.md") == "earlier sources hold all of it"


def test_folders_of_the_same_name_are_told_apart_by_their_parents(tmp_path: Path) -> None:
    a_tree(tmp_path, "one/docs/a.md", "two/docs/b.md", "two/notes.md", "two/notes.txt")

    collection = collect(["one/docs", "two/docs", "two/notes.md", "two/notes.txt"], tmp_path)

    assert [group.name for group in collection.groups] == [
        "one_docs",
        "two_docs",
        "notes",
        "notes-2",
    ]


def test_no_arguments_mean_an_empty_collection(tmp_path: Path) -> None:
    assert collect([], tmp_path) == Collection(groups=(), files=(), skipped=())


def test_an_argument_given_twice_counts_once(tmp_path: Path) -> None:
    a_tree(tmp_path, "d/a.md")

    assert len(collect(["d", "d"], tmp_path).groups) == 1


# ------------------------------------------------------------------ what is skipped


def test_what_can_not_be_read_is_skipped_and_told(tmp_path: Path) -> None:
    a_tree(tmp_path, "d/a.md", "d/.hidden/b.md", "d/.env", "d/__pycache__/c.py", "d/pic.png")
    a_tree(tmp_path, "d/node_modules/e/f.md", "d/empty.md", text="")
    (tmp_path / "d/binary").write_bytes(b"\x7fELF\0\1")
    (tmp_path / "d/latin").write_bytes(b"caf\xe9 au lait")
    (tmp_path / "d/nul.txt").write_bytes(b"a\0b")
    (tmp_path / "d/large.log").write_bytes(b"x" * (FILE_BYTES_MAX + 1))

    collection = collect(["d"], tmp_path)

    assert names(collection, tmp_path) == ["d/a.md"]
    assert reason_for(collection, "d/.hidden") == "it is hidden"
    assert reason_for(collection, "d/.env") == "it is hidden"
    assert reason_for(collection, "__pycache__") == "it is generated"
    assert reason_for(collection, "node_modules") == "it is generated"
    assert reason_for(collection, "pic.png") == ".png files are not read"
    assert "empty" in reason_for(collection, "empty.md")
    assert reason_for(collection, "binary") == "it is binary"
    assert reason_for(collection, "latin") == "it is binary"
    assert reason_for(collection, "nul.txt") == "it is binary"
    assert str(FILE_BYTES_MAX) in reason_for(collection, "large.log")


def test_a_file_named_outright_may_be_hidden(tmp_path: Path) -> None:
    a_tree(tmp_path, ".notes.md")

    assert names(collect([".notes.md"], tmp_path), tmp_path) == [".notes.md"]


def test_links_that_lead_outside_are_skipped_with_a_reason(tmp_path: Path) -> None:
    a_tree(tmp_path, "d/a.md", "d/sub/b.md", "secret/key.md")
    (tmp_path / "d/out.md").symlink_to(tmp_path / "secret/key.md")
    (tmp_path / "d/out").symlink_to(tmp_path / "secret", target_is_directory=True)
    (tmp_path / "d/passwd.txt").symlink_to("/etc/passwd")
    (tmp_path / "d/in.md").symlink_to("a.md")
    (tmp_path / "d/self.md").symlink_to("self.md")
    (tmp_path / "d/broken.md").symlink_to("nothing.md")
    (tmp_path / "d/loop").symlink_to(tmp_path / "d", target_is_directory=True)

    for argument in ("d", "d/**", "d/*", "d/**/*.md"):
        collection = collect([argument], tmp_path)
        assert names(collection, tmp_path) == ["d/a.md", "d/sub/b.md"]
        assert "leads outside" in reason_for(collection, "d/out.md")
        assert "leads nowhere" in reason_for(collection, "d/self.md")
        assert "leads nowhere" in reason_for(collection, "d/broken.md")


def test_a_glob_can_not_climb_out_of_its_root(tmp_path: Path) -> None:
    a_tree(tmp_path, "d/sub/a.md", "secret/key.md")

    with pytest.raises(SourceError, match="leads outside"):
        collect(["d/*/../../secret/*.md"], tmp_path)


def test_a_pipe_is_skipped_and_not_opened(tmp_path: Path) -> None:
    a_tree(tmp_path, "d/a.md")
    os.mkfifo(tmp_path / "d/pipe.md")

    collection = collect(["d"], tmp_path)

    assert "regular" in reason_for(collection, "pipe.md")


def test_a_name_that_is_not_utf8_is_skipped_and_shown(tmp_path: Path) -> None:
    a_tree(tmp_path, "d/a.md")
    try:
        Path(os.fsdecode(os.fsencode(tmp_path / "d") + b"/caf\xe9.md")).write_text("x")
    except OSError:
        pytest.skip("this file system has UTF-8 names only")

    collection = collect(["d"], tmp_path)

    assert names(collection, tmp_path) == ["d/a.md"]
    (skipped,) = collection.skipped
    assert skipped.reason == "its name is not UTF-8"
    assert skipped.path.encode().endswith(b"caf\\udce9.md")


# ------------------------------------------------------------------ what is refused


@pytest.mark.parametrize(
    ("argument", "message"),
    [
        ("absent.md", "no such file or folder; check the spelling"),
        ("", "no such file or folder"),
        ("a\0b", "no such file or folder"),
        ("x" * 5000, "no such file or folder"),
        ("d/*.rst", "matches no file; check it"),
        ("d/a**", "glob|matches no file"),
        ("pictures", r"nothing in it can be read \(\.png files are not read\); name text"),
        ("pictures/*.png", "nothing in it can be read"),
        ("void", "nothing in it can be read; name text"),
        ("/dev/null", "neither a file nor a folder"),
        ("loop", "no such file or folder"),
    ],
)
def test_a_bad_argument_is_named_with_the_reason_and_the_fix(
    tmp_path: Path, argument: str, message: str
) -> None:
    a_tree(tmp_path, "d/b.md", "pictures/x.png")
    (tmp_path / "void").mkdir()
    (tmp_path / "loop").symlink_to("loop")

    with pytest.raises(SourceError, match=message) as caught:
        collect(["d", argument], tmp_path)

    assert caught.value.source == argument
    assert repr(argument) in str(caught.value)
    assert caught.value.fix


def test_more_files_than_the_limit_are_refused(tmp_path: Path) -> None:
    first = a_tree(tmp_path, "d/a.md") / "d/a.md"
    (tmp_path / "e").mkdir()
    for number in range(FILES_MAX):
        (tmp_path / f"e/{number}.md").hardlink_to(first)

    with pytest.raises(SourceError, match=f"more than {FILES_MAX} files; .*narrower") as caught:
        collect(["d", "e"], tmp_path)

    assert caught.value.source == "e"


def test_more_bytes_than_the_limit_are_refused(tmp_path: Path) -> None:
    first = a_tree(tmp_path, "e/a.md", text="x" * FILE_BYTES_MAX) / "e/a.md"
    for number in range(TOTAL_BYTES_MAX // FILE_BYTES_MAX - 1):
        (tmp_path / f"e/{number}.md").hardlink_to(first)
    a_tree(tmp_path, "f/a.md")

    assert collect(["e"], tmp_path).skipped == ()
    with pytest.raises(
        SourceError, match=f"more than {TOTAL_BYTES_MAX} bytes; .*narrower"
    ) as caught:
        collect(["e", "f"], tmp_path)

    assert caught.value.source == "f"
