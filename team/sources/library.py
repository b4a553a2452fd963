"""The sources of a run in one SQLite file: list, read and search them, nothing else.

Built once per run, then opened read-only by every member. After that no file is
opened: a source is a row, so no name, however written, leads out of the library.
Not for choosing the files (`collect`) or for judging quotes (`locators`).

A source goes by the name `<group>/<path below the group's root>`. It may also be
called by its absolute path, or by an end of that path that no other allowed source
shares. `within` says what is allowed: None for all, else a tuple of group names, of
sources' names, of folders of a group (`<group>/<folder>/`), or of globs over paths. An
entry after a `!` takes away what it names; what allows nothing is an empty tuple, or one
that only takes away.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator, Sequence
from contextlib import ExitStack
from functools import lru_cache
from pathlib import Path, PurePath
from types import TracebackType
from typing import Final, Self

from msgspec import Struct

from team.errors import LibraryError, SourceError, UnknownSourceError
from team.policy import AVOIDED
from team.rules.limits import CHARACTERS_PER_TOKEN
from team.sources.build import LIBRARY_VERSION, Document, Source, is_python_file, load_sources
from team.sources.collect import SourceGroup
from team.sources.locators import Locator, is_covered, near_names
from team.sources.pictures import Looks
from team.sources.sentences import query_words, sentences
from team.sources.snapshots import KeptText

READ_LINES_MAX: Final = 400
"""The most lines that one `read` gives; read on from there for more."""
HITS_MAX: Final = 50
"""The most hits that one `search` gives, whatever its `limit`."""

# The title counts three times: measured best among weights, see docs on search.
_SEARCH = """
SELECT doc, first, last, bm25(words, 3.0, 1.0) AS rank
FROM words JOIN passages ON passages.id = words.rowid JOIN docs ON docs.id = doc
WHERE words MATCH ? ORDER BY rank, path, page, first
"""
SNAPSHOTS: Final = "(outside)"
"""What stands for a group where a text from outside is shown; no group has such a name."""
_SHOWN_CHARS_MAX = 200
_SERIALIZED = 3
"""What `sqlite3.threadsafety` is where threads may share a connection."""


class Page(Struct, frozen=True, kw_only=True):
    """Lines of a source, verbatim.

    Attributes:
        source: Name of the source in this library.
        locator: Which lines these are; fewer than asked for at an end or a limit.
        group: Name of its group.
        lines: The lines.
        of_lines: How many lines the source, or its page, has in all.
    """

    source: str
    locator: Locator
    group: str
    lines: tuple[str, ...]
    of_lines: int


class Hit(Struct, frozen=True, kw_only=True):
    """A passage that a search found.

    Attributes:
        source: Name of the source in this library.
        locator: Where the passage stands.
        group: Name of its group.
        text: Its lines, verbatim.
        score: How well it fits; higher is better, comparable within one search.
    """

    source: str
    locator: Locator
    group: str
    text: str
    score: float


class Shown(Struct, frozen=True, kw_only=True):
    """A picture: the source's name, the hash of its file in hex, what it looks like, its bytes."""

    source: str
    sha256: str
    looks: Looks
    data: bytes


class Library:
    """A library, open for reading. Close it, or use it in a `with`.

    As many as like may have one, since nothing is written. Other threads may use it too where
    SQLite serializes (`_SERIALIZED`), as it does by default; elsewhere they get an error.
    """

    def __init__(self, connection: sqlite3.Connection) -> None:
        """Read what the library holds, but not its text; use `open` instead."""
        self._connection = connection
        rows = connection.execute("SELECT name, title, argument, root, files FROM grps")
        self._groups = tuple(
            SourceGroup(name=name, title=title, argument=argument, root=root, files=files)
            for name, title, argument, root, files in rows
        )
        self._sources = load_sources(connection)
        self._by_row = {
            row: (source, page)
            for source in self._sources
            for page, (row, _) in source.rows.items()
        }
        self._names = frozenset(source.document.source for source in self._sources)
        self._kept: dict[str, Source] = {}
        self._origins: dict[str, str] = {}
        self._kept_lines: list[tuple[str, ...]] = []
        self._text = lru_cache(maxsize=64)(self._load_text)
        self._allowed = lru_cache(maxsize=64)(self._find_allowed)

    @classmethod
    def open(cls, path: Path) -> Self:
        """Open a file that `build_library` wrote.

        Raises:
            LibraryError: There is none, or another version wrote it. Build it again.
        """
        uri = f"{path.resolve().as_uri()}?mode=ro&immutable=1"
        try:
            with ExitStack() as stack:
                is_shared = sqlite3.threadsafety >= _SERIALIZED
                connection = sqlite3.connect(uri, uri=True, check_same_thread=not is_shared)
                stack.callback(connection.close)
                (version,) = connection.execute("PRAGMA user_version").fetchone()
                if version == LIBRARY_VERSION:
                    library = cls(connection)
                    stack.pop_all()
                    return library
        except sqlite3.Error as error:
            raise LibraryError(str(path), str(error)) from error
        raise LibraryError(str(path), f"its version is {version}, ours is {LIBRARY_VERSION}")

    def close(self) -> None:
        """Let go of the file; may be called twice."""
        self._connection.close()

    def __enter__(self) -> Self:
        """Give the library itself."""
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        at: TracebackType | None,
    ) -> None:
        """Close it."""
        self.close()

    def keep(self, text: KeptText) -> None:
        """Have a text from outside at hand: it can be read and quoted, whatever is allowed.

        It is in no group, and no search or list gives it: whoever names it was given its name.
        """
        if text.name in self._kept:
            return
        self._kept_lines.append(text.lines)
        document = Document(
            source=text.name,
            path=text.name,  # findings are stored by it
            group=SNAPSHOTS,
            title=text.title or text.origin,
            sha256=text.sha256,
            pages=None,
            lines=len(text.lines),
        )
        self._origins[text.name] = text.origin
        row = -len(self._kept_lines)
        self._kept[text.name] = Source(
            document=document, rows={None: (row, len(text.lines))}, views=()
        )

    def has_kept(self, name: str) -> bool:
        """Whether a text from outside is at hand."""
        return name in self._kept

    def origin(self, name: str) -> str:
        """Where a text from outside is from; empty for a source of the run."""
        return self._origins.get(name, "")

    def groups(self) -> tuple[SourceGroup, ...]:
        """Give the groups in the order of the run's arguments."""
        return self._groups

    def find(self, source: str, within: tuple[str, ...] | None = None) -> Document:
        """Give the one allowed source of that name.

        Raises:
            UnknownSourceError: No allowed source, or more than one, has that name.
        """
        return self._named(source, within).document

    def documents(self, within: tuple[str, ...] | None = None) -> tuple[Document, ...]:
        """Give the allowed sources by group, then by path."""
        return tuple(source.document for source in self._sources_in(within))

    def sizes(self) -> dict[str, int]:
        """Give the bytes of text that each source has; reads all of it, so ask once.

        A picture has as many as a text that takes as many tokens.
        """
        query = "SELECT source, SUM(LENGTH(CAST(text AS BLOB))) FROM docs GROUP BY source"
        return dict(self._connection.execute(query).fetchall()) | {
            each.document.source: int(each.document.looks.tokens * CHARACTERS_PER_TOKEN)
            for each in self._sources
            if each.document.looks is not None
        }

    @property
    def has_pictures(self) -> bool:
        """Whether any source is a picture."""
        return any(each.document.looks is not None for each in self._sources)

    def picture(self, source: str, within: tuple[str, ...] | None = None) -> Shown:
        """Give a picture as its file has it.

        Raises:
            UnknownSourceError: No allowed source, or more than one, has that name.
            SourceError: It is no picture.
        """
        found = self._named(source, within)
        document = found.document
        if document.looks is None:
            raise SourceError(document.source, "it is no picture", "read it with `read_source`")
        query = "SELECT data FROM pictures WHERE doc = ?"
        (data,) = self._connection.execute(query, (found.rows[None][0],)).fetchone()
        return Shown(
            source=document.source, sha256=document.sha256, looks=document.looks, data=data
        )

    def lines(
        self, source: str, page: int | None = None, within: tuple[str, ...] | None = None
    ) -> tuple[str, ...]:
        """Give all lines of a source, or of a page of a paged one.

        Raises:
            UnknownSourceError: No allowed source, or more than one, has that name.
            SourceError: It has no such page.
        """
        row, _ = self._row(self._named(source, within), page)
        return self._text(row)

    def read(
        self,
        source: str,
        first: int,
        last: int,
        within: tuple[str, ...] | None = None,
        *,
        page: int | None = None,
    ) -> Page:
        """Give some lines of a source; at most `READ_LINES_MAX`, and none past the end.

        Raises:
            UnknownSourceError: No allowed source, or more than one, has that name.
            SourceError: It has no such page, or does not have the first line.
        """
        found = self._named(source, within)
        document = found.document
        row, of_lines = self._row(found, page)
        if not 1 <= first <= min(last, of_lines):
            reason = f"lines {first} to {last} are not there, it has {of_lines}"
            raise SourceError(document.source, reason, "count from 1, the first line first")
        last = min(last, of_lines, first + READ_LINES_MAX - 1)
        return Page(
            source=document.source,
            locator=Locator(page=page, first=first, last=last),
            group=document.group,
            lines=self._text(row)[first - 1 : last],
            of_lines=of_lines,
        )

    def search(
        self, query: str, within: tuple[str, ...] | None = None, limit: int = 8
    ) -> tuple[Hit, ...]:
        """Find the passages that share most, and the rarest, words with a query.

        Args:
            query: Free text; nothing in it is an operator. `wait_for` is one word.
            within: What may be found.
            limit: The most hits, up to `HITS_MAX`.

        Returns:
            The best first; of equals by path, then line. Nothing for a query
            without a word that counts.
        """
        match = " OR ".join(f'"{word}"' for word in query_words(query))
        sources = {id(source) for source in self._sources_in(within)}
        hits: list[Hit] = []
        rows: Iterator[tuple[int, int, int, float]] = iter(())
        if match and limit > 0:
            rows = self._connection.execute(_SEARCH, (match,))
        for row, first, last, rank in rows:
            source, page = self._by_row[row]
            if id(source) in sources:
                hits.append(self._hit(row, Locator(page=page, first=first, last=last), -rank))
                if len(hits) == min(limit, HITS_MAX):
                    break
        return tuple(hits)

    def sentences(
        self,
        source: str,
        first: int,
        last: int,
        within: tuple[str, ...] | None = None,
        *,
        page: int | None = None,
    ) -> tuple[tuple[str, Locator], ...]:
        """Give the sentences that stand wholly in some lines; see `sentences`.

        Raises:
            UnknownSourceError: No allowed source, or more than one, has that name.
            SourceError: It has no such page.
        """
        found = self._named(source, within)
        row, _ = self._row(found, page)
        is_python = is_python_file(PurePath(found.document.path))
        every = sentences(self._text(row), is_python=is_python, page=page)
        return tuple(each for each in every if first <= each[1].first and each[1].last <= last)

    def _hit(self, row: int, locator: Locator, score: float) -> Hit:
        document = self._by_row[row][0].document
        text = "\n".join(self._text(row)[locator.first - 1 : locator.last])
        return Hit(
            source=document.source, locator=locator, group=document.group, text=text, score=score
        )

    def _load_text(self, row: int) -> tuple[str, ...]:
        if row < 0:
            return self._kept_lines[-row - 1]
        query = "SELECT lines, text FROM docs WHERE id = ?"
        lines, text = self._connection.execute(query, (row,)).fetchone()
        return tuple(text.split("\n")) if lines else ()

    def _row(self, source: Source, page: int | None) -> tuple[int, int]:
        if source.document.looks is not None:
            fix = "look at it with `view_source`; what is quoted must stand in a text"
            raise SourceError(source.document.source, "it is a picture and has no lines", fix)
        if page in source.rows:
            return source.rows[page]
        pages = source.document.pages
        reason = f"it has no page {page}" if page else "its pages are counted apart"
        fix = f"name a page from 1 to {pages}" if pages else "name lines without a page"
        raise SourceError(source.document.source, reason, fix)

    def _sources_in(self, within: tuple[str, ...] | None) -> tuple[Source, ...]:
        return self._sources if within is None else self._allowed(tuple(within))

    def _find_allowed(self, within: tuple[str, ...]) -> tuple[Source, ...]:
        given = [entry for entry in within if not entry.startswith(AVOIDED)]
        taken = [entry.removeprefix(AVOIDED) for entry in within if entry.startswith(AVOIDED)]
        away = {id(source) for source in self._matching(taken)}
        return tuple(source for source in self._matching(given) if id(source) not in away)

    def _matching(self, entries: Sequence[str]) -> list[Source]:
        """The sources that any entry names."""
        names = {group.name for group in self._groups}
        groups = {entry for entry in entries if entry in names}
        exact = {entry for entry in entries if self._is_exact(entry)}
        others = [entry for entry in entries if entry not in names and entry not in exact]
        for group in self._groups:
            if group.title in others or group.argument in others:
                groups.add(group.name)
        folders = tuple(entry for entry in exact if entry.endswith("/"))
        return [
            source
            for source in self._sources
            if source.document.group in groups
            or source.document.source in exact
            or source.document.source.startswith(folders)
            or any(is_covered(source.views, entry) for entry in others)
        ]

    def _is_exact(self, entry: str) -> bool:
        """Whether an entry is a source's name, or a folder of a group."""
        if entry.endswith("/"):
            return any(source.document.source.startswith(entry) for source in self._sources)
        return entry in self._names

    def _named(self, name: str, within: tuple[str, ...] | None) -> Source:
        """Find the one allowed source of that name, by comparing text only."""
        if name in self._kept:
            return self._kept[name]
        allowed = self._sources_in(within)
        exact = [each for each in allowed if name in (each.document.source, each.document.path)]
        found = exact or [each for each in allowed if each.document.path.endswith(f"/{name}")]
        if len(found) == 1:
            return found[0]
        shown = name[:_SHOWN_CHARS_MAX]
        if found:
            several = tuple(each.document.source for each in found[:5])
            raise UnknownSourceError(shown, f"{len(found)} sources end in that name", several)
        scope = "run" if within is None else "contract"
        reason = f"it is not among the sources of this {scope}"
        raise UnknownSourceError(
            shown, reason, near_names(shown, [each.document.source for each in allowed])
        )
