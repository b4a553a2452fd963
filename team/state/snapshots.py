"""What tools have brought from outside, as a fold: which texts are kept, and where from."""

from __future__ import annotations

import msgspec

from bus.messages import SnapshotKept
from bus.run_stream import Record


class Snapshot(msgspec.Struct, frozen=True, kw_only=True):
    """One text from outside: its id, who brought it when, what is kept."""

    id: str
    seq: int
    at: float
    member: str
    kept: SnapshotKept


class Snapshots:
    """All snapshots of a run by id; the same text brought again is the same snapshot."""

    def __init__(self) -> None:
        self.all: list[Snapshot] = []
        self._of_id: dict[str, list[Snapshot]] = {}

    def apply(self, record: Record) -> None:
        """Take one record of kind `snapshot` into account, if its id is that of its text."""
        body, name = record.body, record.subject.names[0]
        if isinstance(body, SnapshotKept) and body.text.sha256.startswith(name):
            snapshot = Snapshot(
                id=name,
                seq=record.seq,
                at=record.at,
                member=record.subject.author,
                kept=body,
            )
            self.all.append(snapshot)
            self._of_id.setdefault(snapshot.id, []).append(snapshot)

    def of(self, snapshot_id: str) -> tuple[Snapshot, ...]:
        """Every time that a text was brought, in order; empty if it never was."""
        return tuple(self._of_id.get(snapshot_id, ()))
