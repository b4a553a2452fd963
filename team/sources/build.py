"""The library's file: its tables, how it is written, and what it lists.

Not for reading or searching the text: that is `team.sources.library`.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Sequence
from contextlib import closing
from hashlib import sha256
from pathlib import Path, PurePath
from tempfile import TemporaryDirectory

from msgspec import Struct

from team.errors import LibraryError, SourceError
from team.sources.collect import Collection, Skipped, SourceGroup
from team.sources.extract import PYTHON_SUFFIXES, Extracted, extract
from team.sources.pictures import Looks, is_picture, looks_of
from team.sources.sentences import passages

LIBRARY_VERSION = 1
_SCHEMA = """
CREATE TABLE grps(name TEXT PRIMARY KEY, title TEXT, argument TEXT, root TEXT, files INTEGER);
CREATE TABLE docs(id INTEGER PRIMARY KEY, source TEXT, path TEXT, page INTEGER, grp TEXT,
                  title TEXT, sha256 TEXT, lines INTEGER, text TEXT);
CREATE TABLE passages(id INTEGER PRIMARY KEY, doc INTEGER, first INTEGER, last INTEGER);
CREATE VIRTUAL TABLE words USING fts5(title, body, content='', tokenize='porter unicode61');
"""
# Only where there is a picture: other libraries stay as they were, to the byte.
_PICTURES = """
CREATE TABLE IF NOT EXISTS pictures(doc INTEGER PRIMARY KEY, media_type TEXT, width INTEGER,
                                    height INTEGER, data BLOB)
"""


class LibraryInfo(Struct, frozen=True, kw_only=True):
    """What was built.

    Attributes:
        path: The library's file.
        documents: Number of sources in it.
        passages: Number of passages that can be found.
        lines: Number of lines that can be read.
        skipped: What was left out, by `collect` and while building.
    """

    path: str
    documents: int
    passages: int
    lines: int
    skipped: tuple[Skipped, ...]


class Document(Struct, frozen=True, kw_only=True):
    """One source.

    Attributes:
        source: Its name in this library, unique.
        path: Where the file was when the library was built, absolute.
        group: Name of its group.
        title: Its own title, or one made of its path.
        sha256: Hash of the file's bytes, in hex.
        pages: Number of pages of a PDF; None if locators name no page.
        lines: Number of lines on all pages.
        looks: What it looks like, if it is a picture; it has no lines then.
    """

    source: str
    path: str
    group: str
    title: str
    sha256: str
    pages: int | None
    lines: int
    looks: Looks | None = None


class Source(Struct, frozen=True, kw_only=True):
    """A document, the row of each of its pages, and how globs may see it."""

    document: Document
    rows: dict[int | None, tuple[int, int]]
    views: tuple[PurePath, ...]


def build_library(collection: Collection, path: Path) -> LibraryInfo:
    """Write the library file, whole or not at all; equal input gives equal bytes.

    Raises:
        SourceError: A file changed since it was collected, or nothing in a group
            can be read. Collect again.
        LibraryError: The file can't be written.
    """
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        with TemporaryDirectory(prefix=".library-", dir=path.parent) as folder:
            fresh = Path(folder, "library.sqlite")
            with closing(sqlite3.connect(fresh, isolation_level=None)) as connection:
                info = _Builder(connection, collection).build(path)
            fresh.replace(path)
    except (OSError, sqlite3.Error) as error:
        raise LibraryError(str(path), str(error)) from error
    return info


class _Builder:
    """Fills an empty database from a collection."""

    def __init__(self, connection: sqlite3.Connection, collection: Collection) -> None:
        self._connection, self._collection = connection, collection
        self._groups = {group.name: group for group in collection.groups}
        self._skipped = list(collection.skipped)
        self._lines = self._passages = self._docs = 0

    def build(self, path: Path) -> LibraryInfo:
        run = self._connection.execute
        run("PRAGMA journal_mode = OFF")  # the file is thrown away if this fails
        run("PRAGMA synchronous = OFF")
        self._connection.executescript(_SCHEMA)
        run("BEGIN")
        held = dict.fromkeys(self._groups, 0)
        for file in self._collection.files:
            held[file.group] += self._add(Path(file.path), self._groups[file.group], file.sha256)
        for group in self._collection.groups:
            if not held[group.name]:
                reasons = [
                    each.reason for each in self._skipped if each.path.startswith(group.root)
                ]
                why = f"nothing in it can be read ({'; '.join(reasons[:3])})"
                raise SourceError(group.argument, why, "leave it out")
            row = (group.name, group.title, group.argument, group.root, held[group.name])
            run("INSERT INTO grps VALUES (?, ?, ?, ?, ?)", row)
        run("INSERT INTO words(words) VALUES ('optimize')")
        run("COMMIT")
        run(f"PRAGMA user_version = {LIBRARY_VERSION}")
        run("VACUUM")
        return LibraryInfo(
            path=str(path),
            documents=sum(held.values()),
            passages=self._passages,
            lines=self._lines,
            skipped=tuple(self._skipped),
        )

    def _add(self, path: Path, group: SourceGroup, digest: str) -> bool:
        """Add a file's pages and passages; False if it can't be read after all."""
        changed = SourceError(str(path), "it changed while it was being read", "start again")
        try:
            data = path.read_bytes()
        except OSError as error:
            raise changed from error
        if sha256(data).hexdigest() != digest:
            raise changed
        try:
            is_seen = is_picture(path)
            found = self._picture(path, data) if is_seen else extract(path, data)
        except SourceError as error:
            self._skipped.append(Skipped(path=str(path), reason=error.reason))
            return False
        below = path.relative_to(group.root)
        title = found.title or ".".join([group.title, *below.with_suffix("").parts])
        source = f"{group.name}/{below.as_posix()}"
        for number, lines in enumerate(found.pages, 1):
            self._docs += 1
            page = number if found.is_paged else None
            about = (self._docs, source, str(path), page, group.name, title, digest)
            self._connection.execute(
                "INSERT INTO docs VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?)",
                (*about, len(lines), "\n".join(lines)),
            )
            self._index(lines, f"{title} {below}", is_python=is_python_file(path))
        return True

    def _picture(self, path: Path, data: bytes) -> Extracted:
        """Keep a picture as it is, for the page that comes next; it says nothing in words."""
        looks = looks_of(path, data)
        self._connection.execute(_PICTURES)
        row = (self._docs + 1, looks.media_type, looks.width, looks.height, data)
        self._connection.execute("INSERT INTO pictures VALUES (?, ?, ?, ?, ?)", row)
        return Extracted(title="", pages=((),), is_paged=False)

    def _index(self, lines: Sequence[str], about: str, *, is_python: bool) -> None:
        self._lines += len(lines)
        for passage in passages(lines, is_python=is_python):
            self._passages += 1
            self._connection.execute(
                "INSERT INTO passages VALUES (?, ?, ?, ?)",
                (self._passages, self._docs, passage.first, passage.last),
            )
            body = "\n".join(lines[passage.first - 1 : passage.last])
            self._connection.execute(
                "INSERT INTO words(rowid, title, body) VALUES (?, ?, ?)",
                (self._passages, f"{about} {passage.section}", body),
            )


def load_sources(connection: sqlite3.Connection) -> tuple[Source, ...]:
    """Read back what a library lists, in the order of its files; no text yet."""
    query = """
    SELECT id, page, lines, source, path, grp, docs.title, sha256, root
    FROM docs JOIN grps ON name = grp ORDER BY id
    """
    pages: dict[str, dict[int | None, tuple[int, int]]] = {}
    about: dict[str, tuple[str, ...]] = {}
    for row, page, lines, source, *rest in connection.execute(query):
        pages.setdefault(source, {})[page] = (row, lines)
        about[source] = tuple(rest)
    looks = _looks(connection)
    found: list[Source] = []
    for source, (path, group, title, digest, root) in about.items():
        document = Document(
            source=source,
            path=path,
            group=group,
            title=title,
            sha256=digest,
            pages=None if None in pages[source] else len(pages[source]),
            lines=sum(lines for _, lines in pages[source].values()),
            looks=looks.get(pages[source][None][0]) if None in pages[source] else None,
        )
        views = (PurePath(source), PurePath(path), PurePath(path).relative_to(root))
        found.append(Source(document=document, rows=pages[source], views=views))
    return tuple(found)


def _looks(connection: sqlite3.Connection) -> dict[int, Looks]:
    """What the pictures of a library look like, by row."""
    if not connection.execute("SELECT 1 FROM sqlite_master WHERE name = 'pictures'").fetchone():
        return {}
    rows = connection.execute("SELECT doc, media_type, width, height FROM pictures")
    return {
        doc: Looks(media_type=media_type, width=width, height=height)
        for doc, media_type, width, height in rows
    }


def is_python_file(path: PurePath) -> bool:
    """Whether a file is read as Python, by its suffix alone."""
    return path.suffix.lower() in PYTHON_SUFFIXES
