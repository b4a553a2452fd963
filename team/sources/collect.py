"""Which files the arguments of a run mean, and why others were left out.

Looks at files and reads them to hash them; keeps nothing. Not for what is in
them (`extract`) or for finding things in them (`library`).
"""

from __future__ import annotations

import hashlib
import os
from collections.abc import Iterator, Sequence
from itertools import takewhile
from pathlib import Path
from typing import Final

from msgspec import Struct

from team.errors import SourceError
from team.places import Place, find_place
from team.rules.limits import CHARACTERS_PER_TOKEN
from team.sources.extract import PDF_SUFFIX, decode
from team.sources.locators import group_names
from team.sources.pictures import is_picture, looks_of

FILE_BYTES_MAX: Final = 4 * 1024 * 1024
"""The largest file that is read; a larger one is skipped."""
TOTAL_BYTES_MAX: Final = 64 * 1024 * 1024
"""The most bytes that all sources of a run may have together."""
FILES_MAX: Final = 5_000
"""The most files that a run may read."""
SCANNED_MAX: Final = 100_000
"""The most files and folders that are looked at before giving up."""

SUFFIXES: Final = frozenset(
    """.md .markdown .txt .rst .html .htm .py .pyi .toml .cfg .ini .json .yaml .yml .csv .log
    .pdf""".split()
) | {""}
"""What can be read; "" stands for a name without suffix, if it holds text."""

_GENERATED = frozenset({"__pycache__", "node_modules"})
_NARROW = "name fewer or narrower sources"


GENERATED: Final = "it is generated"
"""Why folders such as `__pycache__` are left out."""


class SourceFile(Struct, frozen=True, kw_only=True):
    """A file that can be read.

    Attributes:
        path: Absolute, symbolic links resolved.
        group: Name of the group it belongs to.
        sha256: Hash of its bytes when it was collected, in hex.
        size_bytes: Their number.
        weight_bytes: Bytes of a text that takes a model as many tokens.
    """

    path: str
    group: str
    sha256: str
    size_bytes: int
    weight_bytes: int


class SourceGroup(Struct, frozen=True, kw_only=True):
    """What one argument stands for.

    Attributes:
        name: Short and unique in the run, fit for a subject: `futures`.
        title: What people call it; dotted inside a Python package: `concurrent.futures`.
        argument: As the user wrote it.
        root: The folder, absolute, to which names of its files are relative.
        files: How many files it holds.
    """

    name: str
    title: str
    argument: str
    root: str
    files: int


class Skipped(Struct, frozen=True, kw_only=True):
    """Something that was named but is not read, and why."""

    path: str
    reason: str


class Collection(Struct, frozen=True, kw_only=True):
    """What all arguments together mean.

    Attributes:
        groups: One for each argument, in its order; none without a file.
        files: By group, then by path; no file twice.
        skipped: Whatever was met and left out, in the order it was met.
    """

    groups: tuple[SourceGroup, ...]
    files: tuple[SourceFile, ...]
    skipped: tuple[Skipped, ...]


class _Found(Struct, frozen=True, kw_only=True):
    path: Path
    sha256: str
    size_bytes: int
    weight_bytes: int


def collect(arguments: Sequence[str], cwd: Path, *, pictures: bool = False) -> Collection:
    """Find the files that arguments mean.

    Args:
        arguments: Files, folders (with all below them) and globs, where `**` spans
            folders. A file that two of them mean belongs to the first.
        cwd: What relative arguments are relative to.
        pictures: Whether there is a model that sees; without one, pictures are left out.

    Raises:
        SourceError: An argument means nothing readable, or all together are too
            much. The message says which and what to do.
    """
    tally = _Tally(pictures=pictures)
    kept: list[tuple[Place, list[_Found]]] = []
    for argument in dict.fromkeys(arguments):
        place = _place(argument, cwd)
        files = tally.files_of(place)
        if files:
            kept.append((place, files))
    names = group_names([_named(place) for place, _ in kept])
    named = list(zip(names, kept, strict=True))
    return Collection(
        groups=tuple(_group(name, place, len(files)) for name, (place, files) in named),
        files=tuple(_file(name, file) for name, (_, files) in named for file in files),
        skipped=tuple(tally.skipped.values()),
    )


def _group(name: str, place: Place, files: int) -> SourceGroup:
    title, root = _title(_named(place)) or name, str(place.root)
    return SourceGroup(name=name, title=title, argument=place.argument, root=root, files=files)


def _file(group: str, file: _Found) -> SourceFile:
    return SourceFile(
        path=str(file.path),
        group=group,
        sha256=file.sha256,
        size_bytes=file.size_bytes,
        weight_bytes=file.weight_bytes,
    )


def _place(argument: str, cwd: Path) -> Place:
    """Find where an argument points, without reading anything there."""
    place = find_place(argument, cwd, SourceError, matches_max=SCANNED_MAX)
    if place.kind != "glob" and not _is_utf8(place.matches[0]):
        raise SourceError(argument, "its name is not UTF-8", "rename it")
    if len(place.matches) > SCANNED_MAX:
        raise SourceError(argument, f"it matches more than {SCANNED_MAX} files", _NARROW)
    return place


def _named(place: Place) -> Path:
    """The path that a group is named after."""
    return place.root if place.kind != "file" else place.matches[0].with_suffix("")


def _candidates(place: Place) -> Iterator[Path | Skipped]:
    """Walk a place: resolved files inside its root, and what is left out at sight."""
    walked: set[Path] = set()
    for match in place.matches:
        if astray := _astray(match, place.root):
            yield astray
            continue
        path = match.resolve()
        if place.kind == "glob" and (unwanted := _unwanted(path, place.root)):
            yield unwanted
        elif path.is_dir():
            yield from _below(path, place.root, walked)
        else:
            yield path


def _below(top: Path, root: Path, walked: set[Path]) -> Iterator[Path | Skipped]:
    folders = [top]
    while folders:
        folder = folders.pop()
        if folder in walked:
            continue
        walked.add(folder)
        try:
            entries = sorted(os.scandir(folder), key=lambda entry: entry.name)
        except OSError as error:
            yield _skipped(folder, f"it can't be opened ({error.strerror})")
            continue
        for entry in entries:
            path = folder / entry.name
            if entry.is_symlink():
                # One that stays inside leads to what is met under its own name.
                if astray := _astray(path, root):
                    yield astray
            elif unwanted := _unwanted(path, folder):
                yield unwanted
            elif entry.is_dir(follow_symlinks=False):
                folders.append(path)
            else:
                yield path


def _astray(path: Path, root: Path) -> Skipped | None:
    """Tell whether a path, links followed, leads out of root or nowhere."""
    try:
        target = path.resolve(strict=True)
    except (OSError, RuntimeError):  # a loop of links is a RuntimeError up to Python 3.12
        return _skipped(path, "a symbolic link that leads nowhere")
    if target.is_relative_to(root):
        return None
    return _skipped(path, f"a symbolic link that leads outside {root}")


def _unwanted(path: Path, root: Path) -> Skipped | None:
    """Tell which part of a path below root is hidden or generated, if one is."""
    place = root
    for part in path.relative_to(root).parts:
        place /= part
        if part.startswith("."):
            return _skipped(place, "it is hidden")
        if part in _GENERATED:
            return _skipped(place, GENERATED)
    return None


def _skipped(path: Path, reason: str) -> Skipped:
    return Skipped(path=str(path).encode("utf-8", "backslashreplace").decode(), reason=reason)


def _is_utf8(path: Path) -> bool:
    try:
        str(path).encode()
    except UnicodeEncodeError:
        return False
    return True


class _Tally:
    """What all arguments so far add up to, held against the limits."""

    def __init__(self, *, pictures: bool) -> None:
        self.skipped: dict[str, Skipped] = {}
        self._examine = _examine_all if pictures else _examine
        self._taken: set[Path] = set()
        self._bytes = 0
        self._scanned = 0

    def files_of(self, place: Place) -> list[_Found]:
        """Give the place's files that no earlier argument has; maybe none."""
        found: list[_Found] = []
        reasons: list[str] = []
        is_doubled = False
        for candidate in _candidates(place):
            self._scanned += 1
            if self._scanned > SCANNED_MAX:
                reason = f"there are more than {SCANNED_MAX} files to look through"
                raise SourceError(place.argument, reason, _NARROW)
            if candidate in self._taken:
                is_doubled = True
                continue
            result = candidate if isinstance(candidate, Skipped) else self._examine(candidate)
            if isinstance(result, Skipped):
                reasons.append(result.reason)
                self.skipped.setdefault(result.path, result)
            else:
                self._take(result, place.argument)
                found.append(result)
        if not found and not is_doubled:
            why = f" ({reasons[0]})" if reasons else ""
            reason, fix = f"nothing in it can be read{why}", "name text, Python, HTML or PDF files"
            raise SourceError(place.argument, reason, fix)
        if not found:
            doubled = Skipped(path=place.argument, reason="earlier sources hold all of it")
            self.skipped.setdefault(place.argument, doubled)
        return sorted(found, key=lambda file: file.path.relative_to(place.root).parts)

    def _take(self, file: _Found, argument: str) -> None:
        self._taken.add(file.path)
        self._bytes += file.size_bytes
        if len(self._taken) > FILES_MAX:
            raise SourceError(argument, f"with it there are more than {FILES_MAX} files", _NARROW)
        if self._bytes > TOTAL_BYTES_MAX:
            reason = f"with it the sources have more than {TOTAL_BYTES_MAX} bytes"
            raise SourceError(argument, reason, _NARROW)


def _examine(path: Path) -> _Found | Skipped:
    """Read a file once, to hash it and to see that it is text."""
    if path.suffix.lower() not in SUFFIXES:
        return _skipped(path, f"{path.suffix} files are not read")
    return _examine_all(path)


def _examine_all(path: Path) -> _Found | Skipped:
    """Read a file once, to hash it and to see that it is text, or a picture."""
    if path.suffix.lower() not in SUFFIXES and not is_picture(path):
        return _skipped(path, f"{path.suffix} files are not read")
    if not _is_utf8(path):
        return _skipped(path, "its name is not UTF-8")
    try:
        # Neither a pipe nor an empty "file" of /proc is opened: both may block.
        size = path.stat().st_size if path.is_file() else 0
        if not 0 < size <= FILE_BYTES_MAX:
            reason = f"it has {size} bytes, the limit is {FILE_BYTES_MAX}"
            return _skipped(path, reason if size else "it is empty or no regular file")
        with path.open("rb") as file:
            data = file.read(FILE_BYTES_MAX + 1)
        weight = len(data)
        if is_picture(path):
            weight = int(looks_of(path, data).tokens * CHARACTERS_PER_TOKEN)
        elif path.suffix.lower() != PDF_SUFFIX:
            decode(path, data)
    except OSError as error:
        return _skipped(path, f"it can't be opened ({error.strerror})")
    except SourceError as error:
        return _skipped(path, error.reason)
    return _Found(
        path=path,
        sha256=hashlib.sha256(data).hexdigest(),
        size_bytes=len(data),
        weight_bytes=weight,
    )


def _title(named: Path) -> str:
    """The path's name, dotted with the Python packages around it."""
    packages = takewhile(lambda parent: (parent / "__init__.py").is_file(), named.parents)
    return ".".join([*reversed([parent.name for parent in packages]), named.name])
