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
from collections.abc import Iterator, Sequence
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
from team.adr.read import FILE_BYTES_MAX, Adr, read_file
from team.adr.render import Form, NewAdr, Predecessor, render
from team.adr.supersede import Successor, is_superseded, marked
from team.adr.words import cut, is_token

DIGITS: Final = 4
"""How wide a number is, unless the folder has others."""
_TRIES_MAX = 20
_UNMARKABLE = "it can't be marked superseded: its status takes more than a line"
_NO_LINKS = frozenset({errno.EPERM, errno.ENOSYS, errno.EOPNOTSUPP, errno.ENOTSUP})


class Written(Struct, frozen=True, kw_only=True):
    """What became of one file."""

    path: str
    action: Literal["written", "unchanged", "marked superseded"]


def write_adrs(
    folder: Path,
    decisions: Sequence[NewAdr],
    style: Literal["auto", "madr", "nygard"] = "auto",
    *,
    cwd: Path | None = None,
) -> tuple[Written, ...]:
    """Write decisions into a folder, one file each; the folder is made if it is missing.

    Args:
        folder: Where the files go.
        decisions: In the order in which they are numbered, after the highest number there.
        style: `auto` goes by what the folder has, and means MADR if it has nothing.
        cwd: What `NewAdr.replaces` is relative to; where the process is, if not given.

    Returns:
        For each decision its file, followed by the one it supersedes, if it names one.
        What is there already, or says already that it is superseded, is `unchanged`.

    Raises:
        AdrError: A decision or a file it supersedes can't be used: then nothing was
            written. Or a file can't be written: then those before it are.
    """
    for new in decisions:
        _check(new)
    shelf = _Shelf(Path(folder), style)
    replaced = {new.replaces for new in decisions if new.replaces}
    olds = {name: _old(name, shelf.folder, cwd) for name in sorted(replaced)}
    with _told(shelf.folder):
        shelf.folder.mkdir(parents=True, exist_ok=True)
        return tuple(
            written
            for new in decisions
            for written in _write(shelf, new, olds[new.replaces] if new.replaces else None)
        )


def _check(new: NewAdr) -> None:
    """Refuse what can't stand in a name or in front matter.

    Raises:
        AdrError: Says which field.
    """
    where = str(new.provenance)
    for name, value in (("area", new.area), ("key", new.key), ("run", new.run)):
        if not is_token(value):
            fix = "use 1 to 64 of A-Z, a-z, 0-9, '_' and '-'"
            raise AdrError(where, f"the {name} {value!r} can't stand in a file's name", fix)
    if not plain(new.statement):
        raise AdrError(where, "the statement is empty", "say in one line what was decided")
    try:
        is_day = date.fromisoformat(new.decided_on).isoformat() == new.decided_on
    except ValueError:
        is_day = False
    if not is_day:
        raise AdrError(where, f"{new.decided_on!r} is no day", "write it as YYYY-MM-DD")


class _Old(Struct, frozen=True, kw_only=True):
    """A file whose decision is superseded."""

    path: Path
    adr: Adr


def _old(replaces: str, folder: Path, cwd: Path | None) -> _Old:
    """Find and try the file that a decision supersedes, before anything is written.

    Raises:
        AdrError: It is not there, holds no decision, or can't be marked.
    """
    tried = [Path(cwd or Path.cwd()) / replaces, folder / replaces]
    path = next((each.resolve() for each in tried if each.is_file()), None)
    if path is None:
        fix = "restore it, or record what supersedes it without naming a file"
        raise AdrError(replaces, "the file that is superseded is not there", fix)
    adr = read_file(Found(path=path, shown=replaces, folders=()))
    if not isinstance(adr, Adr):
        raise AdrError(replaces, f"it can't be marked superseded: {adr.reason}", "mend it")
    trial = Successor(number=1, label="ADR-0001", title="x", href="0001-x.md")
    text = path.read_bytes().decode()
    if not is_superseded(text) and marked(text, trial) is None:
        raise AdrError(replaces, _UNMARKABLE, "write its status on one line")
    return _Old(path=path, adr=adr)


class _Shelf:
    """What a folder has: decisions of runs, numbers, and the form of its files."""

    def __init__(self, folder: Path, style: Literal["auto", "madr", "nygard"]) -> None:
        self.folder = folder
        self.held: dict[str, tuple[str, int]] = {}
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
        document = _document(file.path)
        if document is None:
            return
        if form := content.form(document):
            self._forms[form] += 1
        if source := content.provenance(document):
            below = file.path.relative_to(self.folder.resolve())
            self.keep(str(source), (self.folder / below).as_posix(), file.path.name)

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
    source = str(new.provenance)
    action: Literal["written", "unchanged"] = "unchanged"
    if source not in shelf.held:
        path = _create(shelf, new, old)
        shelf.keep(source, path.as_posix(), path.name)
        action = "written"
    name, number = shelf.held[source]
    yield Written(path=name, action=action)
    if old and old.path != Path(name).resolve():
        label = f"ADR-{number:0{shelf.digits}}"
        href = _link(old.path, Path(name).resolve())
        title = cut(plain(new.statement), STATEMENT_CHARS_MAX)
        yield _mark(old, Successor(number=number, label=label, title=title, href=href))


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


def _mark(old: _Old, by: Successor) -> Written:
    text = old.path.read_bytes().decode()
    if is_superseded(text):
        return Written(path=old.adr.path, action="unchanged")
    changed = marked(text, by)
    if changed is None:
        raise AdrError(old.adr.path, _UNMARKABLE, "write its status on one line")
    with _temporary(old.path, changed.encode()) as temporary:
        shutil.copymode(old.path, temporary)
        temporary.replace(old.path)
    return Written(path=old.adr.path, action="marked superseded")


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
    try:
        yield
    except OSError as error:
        where = error.filename or str(folder)
        reason = f"{os.fspath(where)!r} can't be written ({error.strerror})"
        raise AdrError(str(folder), reason, "make it writable, or name another folder") from error
