"""Which files may hold decisions: folders, files and globs, and what is left out at sight.

Looks at names and kinds of files only; not at what is in them.
"""

from __future__ import annotations

import os
import re
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Final

from msgspec import Struct

from team.adr.errors import AdrError
from team.places import Place, find_place

FILES_MAX: Final = 2_000
"""The most decision files that are read at once."""
SCANNED_MAX: Final = 50_000
"""The most files and folders that are looked at before giving up."""

_INDEXES = frozenset("readme index _index toc summary changelog contributing".split())
_GENERATED = frozenset({"__pycache__", "node_modules"})
_TEMPLATES = frozenset({"template", "templates"})
_NUMBER = re.compile(r"(?:adr[-_ ]?)?(\d+)(?:[-_. ]|$)", re.IGNORECASE)
_NUMBER_DIGITS_MAX = 6  # more is a date: 20201016-use-postgres.md
_NARROW = "name fewer or narrower folders"


class LeftOut(Struct, frozen=True, kw_only=True):
    """A file or folder that was seen and not used, and why."""

    path: str
    reason: str


class Found(Struct, frozen=True, kw_only=True):
    """A file that may hold a decision.

    Attributes:
        path: Absolute, symbolic links resolved.
        shown: Relative to where the caller is, if it is below.
        folders: Names of the folders between what was asked for and the file.
    """

    path: Path
    shown: str
    folders: tuple[str, ...]


def find_files(paths: Sequence[str], cwd: Path) -> tuple[tuple[Found, ...], tuple[LeftOut, ...]]:
    """Find the files that paths mean, no file twice, and what is left out.

    Raises:
        AdrError: A path means nothing, or all together are too much.
    """
    base = Path(cwd).resolve()
    files: dict[Path, Found] = {}
    left_out: dict[str, LeftOut] = {}
    scanned = 0
    for argument in dict.fromkeys(paths):
        place = find_place(argument, base, AdrError, matches_max=SCANNED_MAX)
        for seen in _candidates(place, base):
            scanned += 1
            if isinstance(seen, LeftOut):
                left_out.setdefault(seen.path, seen)
            elif seen.suffix.lower() == ".md" or place.kind == "file":
                files.setdefault(seen, _found(seen, place.root, base))
            if scanned > SCANNED_MAX or len(files) > FILES_MAX:
                reason = f"there are more than {FILES_MAX} Markdown or {SCANNED_MAX} other files"
                raise AdrError(argument, reason, _NARROW)
    used = {file.shown for file in files.values()}
    return tuple(files.values()), tuple(each for each in left_out.values() if each.path not in used)


def number_of(name: str) -> tuple[int | None, int, str]:
    """Return the number at the start of a file's name, its digits, and the rest of its stem."""
    stem = re.sub(r"\.(?:md|markdown)$", "", name, flags=re.IGNORECASE)
    match = _NUMBER.match(stem)
    if not match:
        return None, 0, stem
    digits = len(match[1])
    number = int(match[1]) if digits <= _NUMBER_DIGITS_MAX else None
    return number, 0 if number is None else digits, stem[match.end() :]


def shown(path: Path, base: Path) -> str:
    """Return a path as people read it, relative if it is below where they are."""
    short = path.relative_to(base) if path.is_relative_to(base) else path
    return short.as_posix().encode("utf-8", "backslashreplace").decode()


def _found(path: Path, root: Path, base: Path) -> Found:
    folders = path.parent.relative_to(root).parts if path.is_relative_to(root) else ()
    return Found(path=path, shown=shown(path, base), folders=folders)


def _candidates(place: Place, base: Path) -> Iterator[Path | LeftOut]:
    """Walk a place: files to look at, and what is left out."""
    if place.kind == "file":
        yield from place.matches
        return
    walked: set[Path] = set()
    for match in place.matches:
        if match.is_symlink():
            yield from _linked(match, place.root, base)
        elif match.is_dir():
            yield from _below(match, place.root, base, walked)
        elif reason := _unwanted(match, place.root):
            yield LeftOut(path=shown(match, base), reason=reason)
        else:
            yield match.resolve()


def _below(top: Path, root: Path, base: Path, walked: set[Path]) -> Iterator[Path | LeftOut]:
    folders = [top]
    while folders:
        folder = folders.pop()
        if folder in walked:
            continue
        walked.add(folder)
        try:
            entries = sorted(os.scandir(folder), key=lambda entry: entry.name)
        except OSError as error:
            reason = f"it can't be opened ({error.strerror})"
            yield LeftOut(path=shown(folder, base), reason=reason)
            continue
        for entry in entries:
            path = folder / entry.name
            if entry.is_symlink():
                yield from _linked(path, root, base)
            elif entry.is_dir():
                reason = _unwanted_folder(entry.name)
                yield from [LeftOut(path=shown(path, base), reason=reason)] if reason else []
                folders += [] if reason else [path]
            elif path.suffix.lower() == ".md":
                reason = _unwanted(path, root)
                yield LeftOut(path=shown(path, base), reason=reason) if reason else path


def _linked(path: Path, root: Path, base: Path) -> Iterator[LeftOut]:
    """Say of a symbolic link why it is not followed, unless it leads to no Markdown anyway."""
    try:
        target = path.resolve(strict=True)
    except (OSError, RuntimeError):  # a loop of links is a RuntimeError up to Python 3.12
        reason = "it is a symbolic link that leads nowhere, or in a circle; mend or remove it"
        yield LeftOut(path=shown(path, base), reason=reason)
        return
    if not target.is_dir() and path.suffix.lower() != ".md":
        return
    if target.is_relative_to(root):
        reason = f"it is a symbolic link to {shown(target, base)}, which is read itself"
    else:
        reason = f"it is a symbolic link that leads outside; name {str(target)!r} to read it"
    yield LeftOut(path=shown(path, base), reason=reason)


def _unwanted_folder(name: str) -> str:
    if name.startswith("."):
        return "it is hidden"
    return "it is generated" if name in _GENERATED else ""


def _unwanted(path: Path, root: Path) -> str:
    """Say why a file in a folder is no decision, going by its name; "" if it may be one."""
    if not path.is_file():
        return "it is not a regular file"
    if path.suffix.lower() != ".md":
        return "it is not a Markdown file (.md); name it outright to read it"
    if path.name.startswith("."):
        return "it is hidden"
    number, _, rest = number_of(path.name)
    words = re.split(r"[-_ .]+", rest.lower().strip("-_ ."))
    if rest.lower() in _INDEXES and number is None:
        return "by its name it is an index; name it outright to read it"
    is_template = words in (["template"], ["adr", "template"], ["madr", "template"])
    if not number:
        is_template = is_template or not _TEMPLATES.isdisjoint(
            {words[0], words[-1], words[1 % len(words)]}
        )
    if is_template or not _TEMPLATES.isdisjoint(path.relative_to(root).parts[:-1]):
        return "by its name it is a template; rename it if it is a decision"
    return ""
