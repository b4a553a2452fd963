"""Two limits on sources at once: what lies inside both, and nothing else."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from team.sources import Library, build_library, collect
from team.sources.narrow import narrowed

FILES = ("docs/a.md", "docs/b[1].md", "docs/b1.md", "code/a.py", "code/deep/b.py")


@pytest.fixture
def library(tmp_path: Path) -> Iterator[Library]:
    for name in FILES:
        path = tmp_path / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(f"Line of {name}.\n")
    build_library(collect(["docs", "code"], tmp_path), tmp_path / "library.sqlite")
    with Library.open(tmp_path / "library.sqlite") as opened:
        yield opened


@pytest.mark.parametrize(
    ("within", "also", "wanted"),
    [
        (None, None, set(FILES)),
        (("docs",), None, {"docs/a.md", "docs/b[1].md", "docs/b1.md"}),
        (None, ("*.py",), {"code/a.py", "code/deep/b.py"}),
        (("docs",), ("docs", "code"), {"docs/a.md", "docs/b[1].md", "docs/b1.md"}),
        (("docs", "code"), ("a.*",), {"docs/a.md", "code/a.py"}),
        (("docs",), ("code",), set()),
        (("docs",), (), set()),
        ((), ("docs",), set()),
        (("docs",), ("b[[]1].md",), {"docs/b[1].md"}),
    ],
)
def test_only_what_both_limits_allow_is_left(
    library: Library,
    within: tuple[str, ...] | None,
    also: tuple[str, ...] | None,
    wanted: set[str],
) -> None:
    """A name that looks like a pattern stands for itself."""
    left = narrowed(library, within, also)

    assert {document.source for document in library.documents(left)} == wanted
