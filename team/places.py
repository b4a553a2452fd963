"""What a file, folder or glob on the command line points to; nothing there is read."""

from __future__ import annotations

import re
from itertools import islice, takewhile
from pathlib import Path
from typing import Final, Literal, Protocol

from msgspec import Struct

from team.errors import TeamError

_MAGIC: Final = re.compile(r"[*?\[]")


class Place(Struct, frozen=True, kw_only=True):
    """Where an argument points.

    Attributes:
        argument: As it was given.
        kind: What it is.
        root: The folder that all of it lies in.
        matches: The file or the folder itself, or what the glob matches, sorted.
    """

    argument: str
    kind: Literal["file", "folder", "glob"]
    root: Path
    matches: tuple[Path, ...]


class Refusal(Protocol):
    """Makes the caller's own error of an argument, a reason and a fix."""

    def __call__(self, argument: str, reason: str, fix: str, /) -> TeamError:
        """Make it."""


def find_place(argument: str, base: Path, refusal: Refusal, *, matches_max: int) -> Place:
    """Find where an argument points.

    Args:
        argument: A file, a folder or a glob.
        base: What it is relative to.
        refusal: Makes the error, if there is one.
        matches_max: How many matches of a glob are kept; one more says that there are more.

    Raises:
        TeamError: The caller's own: nothing is there, or it can't be looked for.
    """
    missing = refusal(argument, "there is no such file or folder", "check the spelling")
    if not argument.strip() or "\0" in argument:
        raise missing
    try:
        path = (base / argument).resolve()
        is_file, is_folder, is_there = path.is_file(), path.is_dir(), path.exists()
    except (OSError, RuntimeError, ValueError) as error:  # a name too long, a loop of links
        raise missing from error
    if is_file:
        return Place(argument=argument, kind="file", root=path.parent, matches=(path,))
    if is_folder:
        return Place(argument=argument, kind="folder", root=path, matches=(path,))
    if is_there:
        raise refusal(argument, "it is neither a file nor a folder", "name a file or a folder")
    if not _MAGIC.search(argument):
        raise missing
    return _glob(argument, base, refusal, matches_max)


def _glob(argument: str, base: Path, refusal: Refusal, matches_max: int) -> Place:
    parts = Path(argument).parts
    fixed = list(takewhile(lambda part: not _MAGIC.search(part), parts))
    root = base.joinpath(*fixed).resolve()
    try:
        globbed = root.glob("/".join(parts[len(fixed) :]))
        matches = tuple(sorted(islice(globbed, matches_max + 1)))
    except (ValueError, OSError, RuntimeError) as error:
        raise refusal(argument, f"it is not a glob ({error})", "write it otherwise") from error
    if not matches:
        raise refusal(argument, "it matches no file", f"check it; it was tried in {str(root)!r}")
    return Place(argument=argument, kind="glob", root=root, matches=matches)
