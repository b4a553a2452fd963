"""A stretch of time laid along a line: where a moment stands, and how it is written."""

from __future__ import annotations

import math
from typing import Final

import msgspec

TICKS_MAX: Final = 8
_MS_BELOW_S: Final = 5
"""A stretch shorter than this is written in milliseconds."""
_SECONDS_BELOW_S: Final = 120
"""A stretch shorter than this is written in seconds, a longer one in minutes and hours."""
_STEPS_S: Final = (
    *(10.0**power * digit for power in range(-3, 2) for digit in (1, 2, 5)),
    *(60.0 * minutes for minutes in (1, 2, 5, 10, 30, 60, 120, 360, 720, 1440)),
)


class Axis(msgspec.Struct, frozen=True, kw_only=True):
    """The stretch of time that is drawn.

    Attributes:
        start: Left end, in seconds since 1970; it is called 0.
        end: Right end; always after `start`.
        left: Where `start` stands, in drawing units.
        right: Where `end` stands.
    """

    start: float
    end: float
    left: float
    right: float

    def x(self, at: float) -> float:
        """Where a time stands; what lies outside stands at the nearer end."""
        inside = min(max(at, self.start), self.end) - self.start
        return self.left + inside / (self.end - self.start) * (self.right - self.left)

    def label(self, at: float) -> str:
        """A time as people read it, counted from 0."""
        seconds, whole = at - self.start, self.end - self.start
        if whole < _MS_BELOW_S:
            return f"{seconds * 1000:,.0f} ms"
        if whole < _SECONDS_BELOW_S:
            return f"{seconds:.1f} s"
        minutes, rest = divmod(round(seconds), 60)
        hours, minutes = divmod(minutes, 60)
        return f"{hours}:{minutes:02}:{rest:02}" if hours else f"{minutes}:{rest:02}"

    def ticks(self) -> list[float]:
        """Round times for the axis, at most `TICKS_MAX` and the one at 0."""
        whole = self.end - self.start
        step = next((s for s in _STEPS_S if whole / s <= TICKS_MAX), math.ceil(whole / TICKS_MAX))
        return [self.start + number * step for number in range(int(whole / step) + 1)]
