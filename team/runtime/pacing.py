"""Keep the members of a run within their provider's limit: a service of the supervisor.

It remembers nothing: one that is started again begins with an open window.
"""

from __future__ import annotations

import time
from collections import defaultdict
from collections.abc import Mapping
from typing import Final

import structlog

from bus.connection import Connection, Listening
from bus.live import Presence
from bus.pace import CallAsked, CallEnded, answer_callers
from team.rules.pace import Pace

log = structlog.get_logger()

CALLING: Final = frozenset({"working", "waiting"})
"""What the heartbeat of a member says while it makes a call, or between two tries."""


class Pacing:
    """Answers members that ask to call, one pace for each key.

    `start` returns once it listens, `stop` once it has ended.
    """

    def __init__(self, connection: Connection, run: str) -> None:
        self._connection = connection
        self._run = run
        self._paces: defaultdict[str, Pace] = defaultdict(Pace)
        self._listening: Listening | None = None

    async def start(self) -> None:
        """Begin to answer."""
        if self._listening is None:
            self._listening = await answer_callers(
                self._connection, self._run, self._on_ask, self._on_end
            )

    async def stop(self) -> None:
        """Answer no more."""
        if self._listening is not None:
            await self._listening.unsubscribe()
            self._listening = None

    async def __aenter__(self) -> Pacing:
        await self.start()
        return self

    async def __aexit__(self, *_: object) -> None:
        await self.stop()

    def forget(self, member: str) -> None:
        """Give back the places of a member whose process has ended."""
        for pace in self._paces.values():
            pace.forget(member)

    def look(self, heard: Mapping[str, Presence]) -> None:
        """Give back the places of members whose heartbeat says that they call nobody.

        Args:
            heard: The last that was heard of each member.
        """
        resting = {n: one.heard_at for n, one in heard.items() if one.beat.state not in CALLING}
        for pace in self._paces.values():
            pace.free(resting)

    def _on_ask(self, member: str, asked: CallAsked) -> float:
        return self._paces[asked.key].ask(member, time.monotonic())

    def _on_end(self, member: str, ended: CallEnded) -> None:
        pace, now = self._paces[ended.key], time.monotonic()
        pace.ended(member, ended.how, ended.hold_s, now)
        if ended.how == "busy":
            hold_s = round(max(0.0, pace.held_until - now), 3)
            log.warning("calls.held", member=member, hold_s=hold_s, window=pace.window)
