"""Follow a run: its stream folded as it grows, its members' heartbeats, their text."""

from __future__ import annotations

import asyncio
import secrets
import time
from collections import deque
from collections.abc import Callable
from contextlib import suppress
from typing import Any, Final

from bus import subjects
from bus.connection import Connection
from bus.feed import Feed, create_feed, delete_feed
from bus.live import Beat, Roll, Text, follow_text
from bus.run_stream import Record, RunStream
from team.state import RunState, fold

HEARD_WITHIN_S: Final = 2.0
QUIET_S: Final = 10.0
"""A run without a heartbeat and without news for so long is not worked on, in seconds."""
_TEXT_KEPT: Final = 400


class Follower:
    """A run as it happens. `start` returns once it listens; `stop` once it has ended."""

    def __init__(
        self,
        connection: Connection,
        run: str,
        on_record: Callable[[Record, RunState], None] = lambda *_: None,
    ) -> None:
        self.state = RunState()
        self.run = run
        self.changed = asyncio.Event()
        self._connection = connection
        self.on_record = on_record
        self._roll = Roll(connection, run)
        self._seen: set[int] = set()
        self._texts: dict[str, deque[str]] = {}
        self._name = f"watcher-{secrets.token_hex(4)}"
        self._feed: Feed | None = None
        self._task: asyncio.Task[None] | None = None
        self._live: Any = None

    async def start(self) -> None:
        """Begin to follow, from the run's first message."""
        if self._task is not None:
            return
        everything = [subjects.everything(self.run)]
        await create_feed(self._connection, self.run, self._name, everything, lasting=False)
        self._feed = Feed(self._connection, self.run, self._name, fleeting=everything)
        await self._roll.start()
        self._live = await follow_text(self._connection, self.run, self._take_text)
        await self._feed.start()
        self._task = asyncio.create_task(self._listen(self._feed))

    async def stop(self) -> None:
        """Stop following."""
        if self._task is None or self._feed is None:
            return
        self._task.cancel()
        await asyncio.gather(self._task, return_exceptions=True)
        self._task = None
        await self._feed.stop()
        await delete_feed(self._connection, self.run, self._name)
        await self._roll.stop()
        await self._live.unsubscribe()

    async def __aenter__(self) -> Follower:
        await self.start()
        return self

    async def __aexit__(self, *_: object) -> None:
        await self.stop()

    @property
    def beats(self) -> dict[str, Beat]:
        """Members heard lately, with what they are doing."""
        return self._roll.live(self.run, HEARD_WITHIN_S)

    def text_of(self, member: str) -> str:
        """The last that a member's model has written."""
        return "".join(self._texts.get(member, ()))[-_TEXT_KEPT:]

    async def caught_up(self, seq: int, timeout_s: float = 5.0) -> None:
        """Wait until everything up to a sequence is folded; what does not come is read."""
        try:
            async with asyncio.timeout(timeout_s):
                while self.state.last_seq < seq:
                    self.changed.clear()
                    await self.changed.wait()
        except TimeoutError:
            await self._fold_again()

    async def _fold_again(self) -> list[Record]:
        """Read the whole run in order and fold it anew; gives what was not seen before."""
        stored = [one async for one in RunStream(self._connection, self.run).read()]
        self.state = fold(stored)
        return [one for one in stored if one.seq not in self._seen]

    async def ended(self) -> bool:
        """Wait until the run has a result, or nobody works on it any more.

        Returns:
            Whether it has a result.
        """
        listens_since = time.time()
        while self.state.result is None:
            self._check()
            last = max(listens_since - QUIET_S + HEARD_WITHIN_S, self.state.last_at)
            if not self.beats and time.time() - last > QUIET_S:
                return False
            self.changed.clear()
            with suppress(TimeoutError):
                async with asyncio.timeout(0.5):
                    await self.changed.wait()
        return True

    async def _listen(self, feed: Feed) -> None:
        while True:
            record = await feed.next()
            assert record is not None
            if record.seq not in self._seen:
                await self._take_up(record)
            await feed.ack([record.seq])
            self.changed.set()

    async def _take_up(self, record: Record) -> None:
        """Fold a record; one that was lost on its way and comes late needs a new fold."""
        news = [record]
        if record.seq > self.state.last_seq:
            self.state.apply(record)
        else:
            news = await self._fold_again()
        for one in news:
            self._seen.add(one.seq)
            self.on_record(one, self.state)

    def _check(self) -> None:
        """Raise what ended the listening, a closed output for one."""
        if self._task is not None and self._task.done():
            self._task.result()

    def _take_text(self, member: str, text: Text) -> None:
        self._texts.setdefault(member, deque(maxlen=50)).append(text.text)
        self.changed.set()
