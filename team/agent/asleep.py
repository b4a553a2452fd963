"""Was this process asleep: a laptop that was closed, a command that was stopped?

Time in which nobody could work is no work. The supervisor says in the stream for how long
the run was asleep; a member that wakes waits a moment for that word before it looks at any
limit of time.
"""

from __future__ import annotations

from typing import Final

ASLEEP_S: Final = 10.0
"""What does not run for so long was asleep; it looks several times a second."""
WORD_S: Final = 4.0
"""How long a member that wakes waits for the supervisor's word, in seconds."""


class Sleep:
    """Notices jumps of the clock between two moments in which this process ran."""

    def __init__(self) -> None:
        self._ran_at: float | None = None
        self._since: float | None = None

    def runs(self, now: float) -> None:
        """Note that this process runs, several times a second; in seconds since 1970."""
        if self._ran_at is not None and now - self._ran_at > ASLEEP_S and self._since is None:
            self._since = self._ran_at
        self._ran_at = now

    def take(self) -> float | None:
        """Since when it was asleep, once; nothing if it was awake."""
        since, self._since = self._since, None
        return since
