"""What one read of many messages brings, told apart from what was lost on its way.

Each message names the one before it and the end mark names the last, so that one which
was dropped, came twice or out of turn is not taken for what is stored. No I/O.
"""

from __future__ import annotations

import asyncio
from typing import Generic, TypeVar

T = TypeVar("T")


class Reading(Generic[T]):
    """The items of one read; `done` once every one has come, with how many are left to read."""

    def __init__(self) -> None:
        self.done: asyncio.Future[tuple[list[T], int]] = asyncio.get_running_loop().create_future()
        self._found: dict[int, tuple[int, T]] = {}
        self._last: int | None = None
        self._left = 0

    def take(self, seq: int, before: int, item: T) -> None:
        """Note an item and the sequence of the one before it, 0 for the first."""
        self._found[seq] = (before, item)
        self._check()

    def end(self, last: int, left: int) -> None:
        """Note the end mark: the last sequence of this read, and how many items follow it."""
        self._last, self._left = last, left
        self._check()

    def fail(self, error: Exception) -> None:
        """End it with an error, unless it has ended."""
        if not self.done.done():
            self.done.set_exception(error)

    def _check(self) -> None:
        if self._last is None or self.done.done():
            return
        items: list[T] = []
        seq = self._last
        while seq:
            if seq not in self._found:
                return
            seq, item = self._found[seq]
            items.append(item)
        self.done.set_result((items[::-1], self._left))
