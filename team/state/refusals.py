"""What code has refused members, as a fold."""

from __future__ import annotations

import msgspec

from bus.messages import ActRefused
from bus.run_stream import Record


class Refusal(msgspec.Struct, frozen=True, kw_only=True):
    """One refusal: to whom, when, and what the member's process said of it."""

    seq: int
    at: float
    member: str
    refused: ActRefused


class Refusals:
    """All refusals of a run, in order."""

    def __init__(self) -> None:
        self.all: list[Refusal] = []

    def apply(self, record: Record) -> None:
        """Take one record of kind `refusal` into account."""
        if isinstance(record.body, ActRefused):
            member = record.subject.author
            self.all.append(
                Refusal(seq=record.seq, at=record.at, member=member, refused=record.body)
            )
