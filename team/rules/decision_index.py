"""A full-text index of the decisions that hold: what is relevant, what is nearly the same.

Kept in memory, in step with a fold; the same fold always gives the same order.

Source: SQLite FTS5 (https://www.sqlite.org/fts5.html), its Porter stemmer and BM25.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Collection, Iterable
from typing import Final

from team.rules.plan import words
from team.state import Decision, Decisions

NEAR_SHARE: Final = 0.5
"""Share of a decision's own weight that a statement must have to count as near it."""
NEAR_MAX: Final = 3
"""How many near decisions are shown to an author."""

_BLANK_ROWS: Final = 64
"""Rows without a word: in a log of three decisions no word shall count as common."""
_CREATE: Final = """
CREATE VIRTUAL TABLE log USING fts5(statement, name, area UNINDEXED, tokenize='porter unicode61')
"""
_RANK: Final = "SELECT rowid, -bm25(log, 1.0, 1.0) FROM log WHERE log MATCH ? ORDER BY 2 DESC, 1"
_NEAR: Final = """
SELECT rowid, -bm25(log, 1.0, 1.0) AS score FROM log WHERE log MATCH ? AND area = ?
ORDER BY score DESC, rowid LIMIT ?
"""
_SELF: Final = "SELECT -bm25(log, 1.0, 1.0) FROM log WHERE log MATCH ? AND rowid = ?"


class DecisionIndex:
    """The index of one fold; ask `sync` before each use."""

    def __init__(self) -> None:
        self._log = sqlite3.connect(":memory:", check_same_thread=False)
        self._decisions: Decisions | None = None
        self._seen = 0

    def sync(self, decisions: Decisions) -> DecisionIndex:
        """Take in what has changed in a fold since the last time; all of it, if it is another."""
        if decisions is not self._decisions:
            self._log.execute("DROP TABLE IF EXISTS log")
            self._log.execute(_CREATE)
            blank = [(-number, "", "", "") for number in range(1, _BLANK_ROWS + 1)]
            self._log.executemany(_insert(), blank)
            self._decisions, self._seen = decisions, 0
        changed = dict.fromkeys(revision for _, revision in decisions.changes[self._seen :])
        self._seen = len(decisions.changes)
        for revision in changed:
            self._put(decisions.revision(revision), revision)
        return self

    def close(self) -> None:
        """Forget everything."""
        self._log.close()

    def rank(self, text: str, among: Collection[int] | None = None) -> list[int]:
        """Order revisions by what they share with a text, the rarest words counting most.

        Args:
            text: Free text; nothing in it is an operator.
            among: Which revisions may be returned; all that hold, if absent.

        Returns:
            Revisions that share a word at least, the best first; of equals the older.
        """
        match = _match(words(text))
        if not match:
            return []
        rows = self._log.execute(_RANK, (match,))
        return [revision for revision, _ in rows if among is None or revision in among]

    def near(self, area: str, statement: str) -> list[Decision]:
        """Find decisions that hold in an area and say nearly what a statement says."""
        assert self._decisions is not None
        match = _match(words(statement))
        if not match:
            return []
        rows = self._log.execute(_NEAR, (match, area, 4 * NEAR_MAX)).fetchall()
        found = [(self._decisions.revision(revision), score) for revision, score in rows]
        near = [d for d, score in found if d is not None and score >= NEAR_SHARE * self._own(d)]
        return near[:NEAR_MAX]

    def _own(self, decision: Decision) -> float:
        """What a decision would score if its own statement were asked for."""
        match = _match(words(decision.statement))
        rows = self._log.execute(_SELF, (match, decision.seq)).fetchall() if match else []
        return float(rows[0][0]) if rows else float("inf")

    def _put(self, decision: Decision | None, revision: int) -> None:
        self._log.execute("DELETE FROM log WHERE rowid = ?", (revision,))
        if decision is not None and decision.holds:
            row = (revision, decision.statement, f"{decision.area} {decision.key}", decision.area)
            self._log.execute(_insert(), row)


def _insert() -> str:
    return "INSERT INTO log(rowid, statement, name, area) VALUES (?, ?, ?, ?)"


def _match(terms: Iterable[str]) -> str:
    """Write words as a query that asks for any of them."""
    return " OR ".join(f'"{term}"' for term in sorted(terms))
