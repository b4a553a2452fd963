"""Wait for what happens in a run: a long poll over its stream, bounded in time."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Awaitable, Callable
from typing import Final, Literal

from bus.live import heard_runs
from bus.messages import ResultPublished
from bus.run_stream import Record, RunStream
from bus.subjects import result as result_subject
from team.mcp_server import answers
from team.rules.approvals import awaited
from team.views.lines import story_line
from team.views.run_object import status_of
from team.views.runs import glance

LOOK_EVERY_S: Final = 0.25
"""How often a follower looks for news, in seconds."""
QUIET_S: Final = 5.0
"""After so long without news it is listened whether anybody works on the run, in seconds."""
ASKING: Final = frozenset({"approval", "decision"})
"""Kinds of messages after which a run may wait for a person."""

Until = Literal["news", "end"]
Told = Callable[[Record], Awaitable[None]]


class Following:
    """One client's wait for the news of a run."""

    def __init__(self, stream: RunStream, after: int, until: Until, tell: Told) -> None:
        """Begin after a sequence.

        Args:
            stream: The run's.
            after: The last sequence that is known.
            until: Whether any news ends the wait, or only the run's end or a question to
                a person.
            tell: Is told of each event as it comes.
        """
        self._stream = stream
        self._after = after
        self._until = until
        self._tell = tell
        self._events: list[answers.Event] = []
        self._is_over = False
        self._may_ask = True
        self._quiet_since = time.monotonic()

    async def wait(self, wait_s: float) -> answers.News:
        """Wait for it, so many seconds at most; ends early when nobody works on the run."""
        deadline = time.monotonic() + wait_s
        while not await self._look():
            if time.monotonic() >= deadline or await self._is_forsaken():
                break
            await asyncio.sleep(LOOK_EVERY_S)
        status = await self._status()
        return answers.News(
            run=self._stream.run,
            status=status,
            events=self._events[-answers.ROWS_MAX :],
            next_after=self._after,
            is_over=self._is_over,
            next=answers.what_next(self._stream.run, status, self._after),
        )

    async def _look(self) -> bool:
        """Take what is new, and say whether that is what was waited for."""
        # Asked first: what is read afterwards has the result in it, if there was one.
        has_result = await self._result() is not None
        records = [record async for record in self._stream.read(first_seq=self._after + 1)]
        news = [record for record in records if story_line(record) is not None]
        is_cut = self._until == "news" and len(news) > answers.ROWS_MAX
        for record in news[: answers.ROWS_MAX] if is_cut else news:
            await self._tell(record)
            self._events.append(answers.event(record))
        if records:
            self._after = self._events[-1]["seq"] if is_cut else records[-1].seq
            self._quiet_since = time.monotonic()
        self._is_over = has_result and not is_cut
        if self._until == "news":
            return self._is_over or bool(self._events)
        self._may_ask = self._may_ask or any(record.subject.kind in ASKING for record in news)
        return self._is_over or await self._asks()

    async def _asks(self) -> bool:
        """Whether the run waits for a person; looked for where news may have made it wait."""
        if not self._may_ask:
            return False
        self._may_ask = False
        return bool(awaited(await glance(self._stream)))

    async def _is_forsaken(self) -> bool:
        if time.monotonic() - self._quiet_since < QUIET_S:
            return False
        self._quiet_since = time.monotonic()
        return not await self._is_live()

    async def _is_live(self) -> bool:
        return self._stream.run in await heard_runs(self._stream.connection)

    async def _result(self) -> ResultPublished | None:
        head = await self._stream.head(str(result_subject(self._stream.run)))
        return head.body if head is not None and isinstance(head.body, ResultPublished) else None

    async def _status(self) -> str:
        result = await self._result()
        if result is not None:
            return result.status
        is_live = bool(self._events) or await self._is_live()
        return status_of(await glance(self._stream), is_live=is_live)
