"""When may a member of a run call the model, if all share one provider's limit?

Calls in flight stay within a window. It grows with every call that is served and closes
to one when the provider asks for fewer:

    open ──asked for fewer──▶ held until the time the provider named, or a backoff
     ▲                          │
     └── one call, then twice as many each time, then one more each time ◀──┘

Members that wait are served in the order in which they first asked. Each has one call at
a time. Who died gives its place back when it is forgotten, asks anew, or after `CALL_S`;
so does one whose word of a call's end was lost, or as soon as it is seen to do nothing.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final, Literal

WINDOW_START: Final = 32
WINDOW_MAX: Final = 64
ASK_AGAIN_S: Final = 0.2
"""When to ask again where no place is free, in seconds."""
HOLD_MAX_S: Final = 300.0
"""For how long one word of the provider holds all calls at most, in seconds."""
BACKOFF_S: Final = 0.5
BACKOFF_MAX_S: Final = 30.0
CALL_S: Final = 900.0
"""After so many seconds a call whose end was never told no longer counts."""
SEEN_S: Final = 1.0
"""What is seen of a member so soon after it was let call may be from before, in seconds."""
GRACE_S: Final = 2.0
"""Who was told to ask again and is so many seconds late has lost its place."""


class Pace:
    """The calls of a run to one provider with one key. Times are seconds of any one clock."""

    def __init__(self) -> None:
        self.window = float(WINDOW_START)
        self.held_until = 0.0
        self.calling: dict[str, float] = {}
        self.waiting: dict[str, float] = {}
        self._slow_until = float(WINDOW_MAX)
        self._closed_at = float("-inf")
        self._closings = 0

    def ask(self, member: str, now: float) -> float:
        """Let a member call, or have it wait.

        Returns:
            0 if it may call now; else in how many seconds it should ask again.
        """
        self.calling.pop(member, None)
        self._drop_late(now)
        self.waiting.setdefault(member, now)
        place = list(self.waiting).index(member)
        wait_s = self.held_until - now
        if wait_s <= 0 and place < int(self.window) - len(self.calling):
            del self.waiting[member]
            self.calling[member] = now
            return 0.0
        wait_s = max(wait_s, ASK_AGAIN_S)
        self.waiting[member] = now + wait_s + GRACE_S
        return wait_s

    def ended(
        self, member: str, how: Literal["ok", "busy", "failed"], hold_s: float | None, now: float
    ) -> None:
        """Take in how a member's call has ended.

        Args:
            member: Whose.
            how: It was served; the provider asked for fewer calls; or it failed otherwise.
            hold_s: For how long the provider wants no call, if it said, in seconds.
            now: The time.
        """
        began = self.calling.pop(member, now)
        is_fresh = began >= self._closed_at  # what was in flight then says nothing new
        if how == "ok" and is_fresh:
            self._widen()
        elif how == "busy" and is_fresh:
            self._close(now)
            if hold_s is None:
                hold_s = min(BACKOFF_S * 2**self._closings, BACKOFF_MAX_S)
        if hold_s is not None:
            self.held_until = max(self.held_until, now + min(max(hold_s, 0.0), HOLD_MAX_S))

    def forget(self, member: str) -> None:
        """Give back the place of a member that has died or left."""
        self.calling.pop(member, None)
        self.waiting.pop(member, None)

    def free(self, resting: Mapping[str, float]) -> None:
        """Give back the places of members that do nothing: the end of their call was lost.

        Args:
            resting: When each member that neither works nor waits for the provider was seen so.
        """
        self.calling = {
            name: at for name, at in self.calling.items() if resting.get(name, at) <= at + SEEN_S
        }

    def _widen(self) -> None:
        self._closings = 0
        step = 1.0 if self.window < self._slow_until else 1.0 / self.window
        self.window = min(self.window + step, float(WINDOW_MAX))

    def _close(self, now: float) -> None:
        """Begin again with one call."""
        self._slow_until = max(1.0, self.window / 2)
        self.window = 1.0
        self._closed_at = now
        self._closings = min(self._closings + 1, 10)

    def _drop_late(self, now: float) -> None:
        self.waiting = {name: until for name, until in self.waiting.items() if until >= now}
        self.calling = {name: at for name, at in self.calling.items() if now - at < CALL_S}
