"""Decisions of a run as files: number them, write them whole, mark what they supersede.

Writing again what is there changes nothing, so a call that was cut short is mended by
making it again. Not for the text of a file: that is `team.adr.render`.
"""

from __future__ import annotations

import errno
import os
import secrets
import shutil
from collections import Counter
from collections.abc import Collection, Iterator, Sequence
from contextlib import contextmanager
from datetime import date
from pathlib import Path, PurePosixPath
from typing import Final, Literal
from urllib.parse import quote

from msgspec import Struct

from team.adr import content
from team.adr.choices import STATEMENT_CHARS_MAX
from team.adr.document import Document, read_document
from team.adr.errors import AdrError
from team.adr.find import Found, find_files, number_of
from team.adr.inline import plain
from team.adr.read import FILE_BYTES_MAX, Adr, read_file, weight
from team.adr.render import Form, NewAdr, Predecessor, Replaced, render
from team.adr.supersede import Successor, is_past, marked
from team.adr.words import cut, is_token

DIGITS: Final = 4
"""How wide a number is, unless the folder has others."""
_TRIES_MAX = 20
_NO_LINKS = frozenset({errno.EPERM, errno.ENOSYS, errno.EOPNOTSUPP, errno.ENOTSUP})
_FIXES: Final = {
    errno.EACCES: "make it writable, or name another folder",
    errno.EROFS: "make it writable, or name another folder",
    errno.ENOSPC: "make room, then ask again",
    errno.EDQUOT: "make room, then ask again",
}
_PATH_FIX = "check the path, or name another folder"

Action = Literal[
    "written",
    "unchanged",
    "marked superseded",
    "marked deprecated",
    "not found here",
    "can't be marked (its status is not one line)",
    "left out (no statement)",
    "left out (invalid name or date)",
]


class Written(Struct, frozen=True, kw_only=True):
    """What became of one file.

    Attributes:
        path: The file. Of a decision that is left out its `area/key`; of a record that is not
            found here the path it was read from in the run.
        action: What was done.
    """

    path: str
    action: Action


def write_adrs(
    folder: Path,
    decisions: Sequence[NewAdr],
    style: Literal["auto", "madr", "nygard"] = "auto",
    *,
    withdrawn: Sequence[Replaced] = (),
) -> tuple[Written, ...]:
    """Write decisions into a folder, one file each; the folder is made if it is missing.

    Records that no longer hold are looked for in this folder and below, by what they say;
    nothing is marked anywhere else.

    Args:
        folder: Where the files go.
        decisions: In the order in which they are numbered, after the highest number there.
        style: `auto` goes by what the folder has, and means MADR if it has nothing.
        withdrawn: Records that hold no longer, and that nothing supersedes.

    Returns:
        For each decision its file, followed by the record it supersedes, if it names one;
        then the records that were withdrawn. What is there already, or says already that it
        holds no longer, is `unchanged`.

    Raises:
        AdrError: A file can't be written; those before it are.
    """
    with _told(Path(folder)):
        shelf = _Shelf(Path(folder), style)
        runs = {new.run for new in decisions}
        replaced = [new.replaces for new in decisions if new.replaces and not _unfit(new)]
        olds = {each: shelf.find(each, runs) for each in dict.fromkeys((*replaced, *withdrawn))}
        shelf.folder.mkdir(parents=True, exist_ok=True)
        written = [
            row
            for new in decisions
            for row in _write(shelf, new, olds.get(new.replaces) if new.replaces else None)
        ]
        gone = dict.fromkeys(withdrawn)
        return (*written, *(_mark(each, olds[each], None) for each in gone))


def _unfit(new: NewAdr) -> Action | None:
    """Say why a decision can't stand in a name or in front matter; None if it can."""
    if not all(map(is_token, (new.area, new.key, new.run))):
        return "left out (invalid name or date)"
    if not plain(new.statement):
        return "left out (no statement)"
    try:
        is_day = date.fromisoformat(new.decided_on).isoformat() == new.decided_on
    except ValueError:
        is_day = False
    return None if is_day else "left out (invalid name or date)"


class _Old(Struct, frozen=True, kw_only=True):
    """A record of the folder.

    Attributes:
        path: Absolute.
        shown: As it is told to people.
        run: Where its decision was taken, if a run of ours took it.
    """

    path: Path
    shown: str
    adr: Adr
    run: str | None

    @property
    def is_past(self) -> bool:
        """Whether it says that it holds no longer."""
        return self.adr.status in {"superseded", "deprecated"}


class _Shelf:
    """What a folder has: decisions of runs, numbers, and the form of its files."""

    def __init__(self, folder: Path, style: Literal["auto", "madr", "nygard"]) -> None:
        self.folder = folder
        self.held: dict[str, tuple[str, int]] = {}
        self._olds: list[_Old] = []
        self._numbers: dict[int, int] = {0: 0}
        self._forms: Counter[Form] = Counter()
        files, left_out = find_files([str(folder)], Path()) if folder.exists() else ((), ())
        for name in [file.path.name for file in files] + [
            PurePosixPath(each.path).name for each in left_out
        ]:
            number, digits, _ = number_of(name)
            self._numbers |= {} if number is None else {number: digits}
        for file in files:
            self._learn(file)
        is_nygard = self._forms["nygard"] > self._forms["madr"]
        self.form: Form = style if style != "auto" else "nygard" if is_nygard else "madr"
        widths = Counter(digits for digits in self._numbers.values() if digits)
        self.digits = widths.most_common(1)[0][0] if widths else DIGITS

    def _learn(self, file: Found) -> None:
        below = file.path.relative_to(self.folder.resolve())
        name = (self.folder / below).as_posix()
        document = _document(file.path)
        if document is None:
            return
        source = content.provenance(document)
        if isinstance(adr := read_file(file), Adr):
            run = source.run if source else None
            self._olds.append(_Old(path=file.path, shown=name, adr=adr, run=run))
        if form := content.form(document):
            self._forms[form] += 1
        if source:
            self.keep(str(source), name, file.path.name)

    def find(self, replaced: Replaced, runs: Collection[str]) -> _Old | None:
        """Find the record of a decision that held before some runs; None if it is not here.

        It is the one of that area and key that says the same; one that holds comes first.
        """
        same = [
            old
            for old in self._olds
            if old.run not in runs
            and (old.adr.area, old.adr.key) == (replaced.area, replaced.key)
            and plain(old.adr.statement) == plain(replaced.statement)
        ]
        holding = [old for old in same if old.adr.status == "accepted"]
        found = holding or [old for old in same if old.is_past]
        return max(found, key=lambda old: weight(old.adr), default=None)

    def keep(self, source: str, path: str, name: str) -> None:
        """Remember that a file keeps a decision of a run."""
        number = number_of(name)[0] or 0
        self.held.setdefault(source, (path, number))
        self._numbers.setdefault(number, 0)

    def next_number(self) -> int:
        """Take the number after the highest."""
        number = max(self._numbers) + 1
        self._numbers[number] = 0
        return number


def _document(path: Path) -> Document | None:
    try:
        with path.open("rb") as opened:
            return read_document(opened.read(FILE_BYTES_MAX).decode())
    except (OSError, UnicodeDecodeError):
        return None


def _write(shelf: _Shelf, new: NewAdr, old: _Old | None) -> Iterator[Written]:
    if unfit := _unfit(new):
        yield Written(path=plain(f"{new.area}/{new.key}"), action=unfit)
        return
    source = str(new.provenance)
    action: Action = "unchanged"
    if source not in shelf.held:
        path = _create(shelf, new, old)
        shelf.keep(source, path.as_posix(), path.name)
        action = "written"
    name, number = shelf.held[source]
    yield Written(path=name, action=action)
    if new.replaces:
        label = f"ADR-{number:0{shelf.digits}}"
        href = _link(old.path, Path(name).resolve()) if old else ""
        title = cut(plain(new.statement), STATEMENT_CHARS_MAX)
        by = Successor(number=number, label=label, title=title, href=href)
        yield _mark(new.replaces, old, by)


def _create(shelf: _Shelf, new: NewAdr, old: _Old | None) -> Path:
    """Write a file under the next number that nobody else takes meanwhile."""
    for _ in range(_TRIES_MAX):
        path = shelf.folder / f"{shelf.next_number():0{shelf.digits}}-{new.key}.md"
        before = None
        if old:
            href = _link(path.resolve(), old.path)
            before = Predecessor(number=old.adr.number, title=old.adr.title, href=href)
        if _put(path, render(new, path.name, shelf.form, before).encode()):
            return path
    raise AdrError(str(shelf.folder), "others write there at the same time", "try again")


def _mark(replaced: Replaced, old: _Old | None, by: Successor | None) -> Written:
    """Mark a record superseded, or deprecated if nothing came in its place."""
    if old is None:
        return Written(path=replaced.path, action="not found here")
    text = old.path.read_bytes().decode()
    if is_past(text):
        return Written(path=old.shown, action="unchanged")
    changed = marked(text, by)
    if changed is None:
        return Written(path=old.shown, action="can't be marked (its status is not one line)")
    with _temporary(old.path, changed.encode()) as temporary:
        shutil.copymode(old.path, temporary)
        temporary.replace(old.path)
    return Written(path=old.shown, action="marked superseded" if by else "marked deprecated")


def _link(source: Path, target: Path) -> str:
    """Return a link from one file to another, both absolute."""
    return quote(Path(os.path.relpath(target, source.parent)).as_posix())


def _put(path: Path, data: bytes) -> bool:
    """Write a file that is not there yet, whole or not at all; False if it is there."""
    with _temporary(path, data) as temporary:
        try:
            path.hardlink_to(temporary)  # unlike a rename, this never overwrites
        except FileExistsError:
            return False
        except OSError as error:
            if error.errno not in _NO_LINKS or path.exists():
                raise
            temporary.replace(path)
    return True


@contextmanager
def _temporary(path: Path, data: bytes) -> Iterator[Path]:
    """Give a hidden file with some bytes beside another one; it is gone afterwards."""
    temporary = path.with_name(f".{path.name}.{secrets.token_hex(4)}")
    try:
        with temporary.open("xb") as opened:
            opened.write(data)
            opened.flush()
            os.fsync(opened.fileno())
        yield temporary
    finally:
        temporary.unlink(missing_ok=True)


@contextmanager
def _told(folder: Path) -> Iterator[None]:
    """Turn what the system refuses into an error that names the folder.

    Raises:
        AdrError: Nothing can be written there.
    """
    if "\0" in str(folder):
        raise AdrError(str(folder), "it has a NUL in its name", _PATH_FIX)
    try:
        yield
    except OSError as error:
        where = error.filename or str(folder)
        reason = f"{os.fspath(where)!r} can't be written ({error.strerror})"
        fix = _FIXES.get(error.errno or 0, _PATH_FIX)
        raise AdrError(str(folder), reason, fix) from error
