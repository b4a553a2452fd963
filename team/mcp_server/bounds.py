"""What a client may have read: files below the folders that the server was started for."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import msgspec

from team.errors import SourceError, SpecError
from team.places import find_place


class Bounds(msgspec.Struct, frozen=True, kw_only=True):
    """Where a server stands, and what it may read.

    Attributes:
        folder: Where it was started: paths are relative to it, its policy holds.
        folders: Folders below which sources and team specs may lie, links resolved; the
            first is `folder` itself.
    """

    folder: Path
    folders: tuple[Path, ...]

    def holds(self, path: Path) -> bool:
        """Whether a file, wherever links lead, lies below an allowed folder."""
        real = path.resolve()
        return any(real.is_relative_to(folder) for folder in self.folders)


def bounds_of(folder: Path, allowed: Sequence[str]) -> Bounds:
    """Make the bounds of a server.

    Args:
        folder: Where it is started.
        allowed: Further folders, as `--allow` names them.

    Raises:
        SpecError: One is not a folder.
    """
    more: list[Path] = []
    for named in allowed:
        path = (folder / named).resolve()
        if not named.strip() or not path.is_dir():
            raise SpecError("--allow", "", f"{named!r} is not a folder", "name one that is there")
        more.append(path)
    return Bounds(folder=folder.resolve(), folders=(folder.resolve(), *more))


def check_arguments(bounds: Bounds, team: str, sources: Sequence[str]) -> None:
    """Refuse places outside the bounds before anything there is read.

    What links inside a place lead to outside of it, `collect` leaves out.

    Raises:
        SourceError: A source lies elsewhere, or is a link to elsewhere.
        SpecError: The team spec does.
    """
    for argument in sources:
        place = find_place(argument, bounds.folder, SourceError, matches_max=1)
        if not bounds.holds(place.root):
            raise _outside(bounds, argument)
    is_path = team.endswith(".toml") or "/" in team
    if is_path and not bounds.holds(bounds.folder / team):
        reason = "it lies outside the folders that this server may read"
        raise SpecError("team", "", f"{team!r}: {reason}", "name a team spec inside, or a name")


def _outside(bounds: Bounds, argument: str) -> SourceError:
    there = ", ".join(str(folder) for folder in bounds.folders)
    fix = f"name sources below {there}, or have the server started with --allow DIR"
    return SourceError(argument, "it lies outside what this server may read", fix)
