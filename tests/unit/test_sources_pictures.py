"""Pictures among the sources: what they are, how they are kept, and that they say nothing."""

from __future__ import annotations

from pathlib import Path, PurePath

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bus.messages import Evidence
from team.errors import SourceError
from team.sources import Library, build_library, collect, quote_problem, tokens_of_image
from team.sources.pictures import PICTURE_BYTES_MAX, SIDE_MAX, looks_of
from tests.support.pictures import KINDS, gif, png

sides = st.integers(1, SIDE_MAX)


@given(name=st.sampled_from([n for n in KINDS if n != "a.png"]), width=sides, height=sides)
def test_the_size_of_a_picture_is_read_from_its_first_bytes(
    name: str, width: int, height: int
) -> None:
    looks = looks_of(PurePath(name), KINDS[name](width, height))

    assert (looks.width, looks.height) == (width, height)
    assert looks.media_type.removeprefix("image/") in ("gif", "jpeg", "webp")


@given(name=st.sampled_from(list(KINDS)), data=st.binary(max_size=60), keep=st.integers(0, 40))
def test_whatever_is_no_picture_is_refused_as_one(name: str, data: bytes, keep: int) -> None:
    """Garbage, and pictures cut anywhere before their size."""
    whole = KINDS[name](70, 50)

    for odd in (data, whole[: min(keep, 20)], whole[:8] + data):
        try:
            looks = looks_of(PurePath(name), odd)
        except SourceError:
            continue
        assert 0 < looks.width <= SIDE_MAX
        assert 0 < looks.height <= SIDE_MAX


def test_too_large_a_picture_is_refused() -> None:
    for data in (gif(SIDE_MAX + 1, 5), gif(0, 5), gif(5, 5) + bytes(PICTURE_BYTES_MAX)):
        with pytest.raises(SourceError):
            looks_of(PurePath("a.gif"), data)


@given(width=sides, height=sides)
def test_the_tokens_of_a_picture_are_never_too_few(width: int, height: int) -> None:
    assert tokens_of_image(width, height) * 750 >= width * height


def some_pictures(folder: Path) -> list[str]:
    (folder / "docs").mkdir()
    (folder / "docs/guide.md").write_text("Pools keep ten.\n")
    (folder / "docs/plan.png").write_bytes(png(60, 40))
    (folder / "docs/fake.png").write_bytes(b"not a picture")
    return ["docs"]


def test_pictures_are_kept_whole_where_a_model_sees(tmp_path: Path) -> None:
    collection = collect(some_pictures(tmp_path), tmp_path, pictures=True)
    build_library(collection, tmp_path / "library.sqlite")

    with Library.open(tmp_path / "library.sqlite") as library:
        shown = library.picture("docs/plan.png")
        assert (shown.data, shown.looks.width, shown.looks.height) == (png(60, 40), 60, 40)
        assert library.has_pictures
        assert library.sizes()["docs/plan.png"] == 14
        assert not library.search("plan png picture", None)
        with pytest.raises(SourceError, match="it is no picture"):
            library.picture("docs/guide.md")
        with pytest.raises(SourceError, match="is not among"):
            library.picture("docs/plan.png", ("docs/guide.md",))
    assert [Path(one.path).name for one in collection.skipped] == ["fake.png"]
    weights = {Path(one.path).name: one.weight_bytes for one in collection.files}
    assert weights == {"guide.md": 16, "plan.png": 14}


def test_where_no_model_sees_pictures_are_listed_as_left_out(tmp_path: Path) -> None:
    collection = collect(some_pictures(tmp_path), tmp_path)

    assert [Path(one.path).name for one in collection.files] == ["guide.md"]
    assert {one.reason for one in collection.skipped} == {".png files are not read"}


def test_a_library_without_pictures_is_what_it_was(tmp_path: Path) -> None:
    """To the byte: a run that replays reads the same library."""
    some_pictures(tmp_path)
    for name in ("plan.png", "fake.png"):
        (tmp_path / "docs" / name).unlink()
    paths = [tmp_path / "one.sqlite", tmp_path / "two.sqlite"]

    for path, pictures in zip(paths, (False, True), strict=True):
        build_library(collect(["docs"], tmp_path, pictures=pictures), path)

    assert paths[0].read_bytes() == paths[1].read_bytes()
    assert b"pictures" not in paths[0].read_bytes()


def test_nothing_can_be_quoted_from_a_picture(tmp_path: Path) -> None:
    """Fail closed: whatever a model says that it has seen, code can't compare it."""
    collection = collect(some_pictures(tmp_path), tmp_path, pictures=True)
    build_library(collection, tmp_path / "library.sqlite")

    with Library.open(tmp_path / "library.sqlite") as library:
        for locator, quote in (("L1", "Ten pools"), ("p1:L1", "x"), ("L1", "")):
            evidence = Evidence(source="docs/plan.png", locator=locator, quote=quote)
            problem = quote_problem(library, evidence)
            assert problem is not None
            assert "it is a picture" in problem
