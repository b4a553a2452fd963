"""Who is silent, who gets nowhere, who waits in a circle: rules over heartbeats.

A heartbeat is never proof of anything; it says when to look. Killing a member that only
seemed dead is safe: what it commits late is refused (docs/protocol.md, "Turns"). All times
are seconds of one clock that only goes forward, given by whoever looks.

    heard ──2 s──▶ silent ──4 s more──▶ frozen: killed, started again
    working, nothing moves ──stuck_seconds──▶ stuck: told ──stuck_seconds──▶ stuck: replaced
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

import msgspec

from bus.live import Beat, Presence
from bus.messages import MemberStuck

SILENT_S: Final = 2.0
"""Without a heartbeat for so long a member is silent: it is logged and shown."""
FROZEN_S: Final = 6.0
"""Silent for so long, its process is killed; a connection heals itself in less."""
START_S: Final = 20.0
"""How long a new process may take to its first heartbeat."""
LATE_S: Final = 1.0
"""A look that comes so long after the one before says nothing of those it looks at."""
CIRCLE_S: Final = 3.0
"""How long members must wait for each other before it is called a circle."""


class Watched(msgspec.Struct, frozen=True, kw_only=True):
    """A member's process: since when it runs, and the last that was heard of the member."""

    pid: int
    started_at: float
    last: Presence | None

    @property
    def heard(self) -> Presence | None:
        """The last that was heard of this very process."""
        return self.last if self.last is not None and self.last.beat.pid == self.pid else None


class Seen(msgspec.Struct, frozen=True, kw_only=True):
    """What one look has found; each name once for as long as it lasts.

    Attributes:
        silent: Members that have fallen silent.
        frozen: Members whose process is to be killed, with how long they were silent.
        stuck: Members that get nowhere, again each time `stuck_s` have passed.
    """

    silent: tuple[str, ...] = ()
    frozen: dict[str, float] = {}
    stuck: dict[str, MemberStuck] = {}


class Vigil:
    """Looks at heartbeats again and again, and remembers since when things are so."""

    def __init__(self, stuck_s: float) -> None:
        self._stuck_s = stuck_s
        self._looked_at = float("-inf")
        self._fair_since = 0.0
        self._silent: set[str] = set()
        self._moved: dict[str, tuple[Beat, float]] = {}
        self._caught: dict[str, tuple[frozenset[str], float]] = {}

    def look(
        self,
        now: float,
        members: Mapping[str, Watched],
        asked: Mapping[str, frozenset[str]],
        *,
        is_connected: bool = True,
    ) -> Seen:
        """Look once; several times a second.

        Args:
            now: The time.
            members: Those whose process runs.
            asked: Of whom each member awaits a reply.
            is_connected: Whether heartbeats can reach the one who looks.
        """
        if now - self._looked_at > LATE_S or not is_connected:
            self._begin_anew(now)
        self._looked_at = now
        if not is_connected:
            return Seen()
        silence = {name: self._silence_s(now, one) for name, one in members.items()}
        heard = {n: one.heard.beat for n, one in members.items() if one.heard is not None}
        silent = {name for name in heard if silence[name] > SILENT_S}
        fallen, self._silent = silent - self._silent, silent
        awake = {name: beat for name, beat in heard.items() if name not in silent}
        return Seen(
            silent=tuple(sorted(fallen)),
            frozen={
                name: seconds
                for name, seconds in silence.items()
                if seconds > (FROZEN_S if name in heard else START_S)
            },
            stuck=self._without_progress(now, awake) | self._in_circles(now, awake, asked),
        )

    def _begin_anew(self, now: float) -> None:
        """Whoever could not look does not know since when things are so."""
        self._fair_since = now
        self._moved.clear()
        self._caught.clear()

    def _silence_s(self, now: float, member: Watched) -> float:
        heard_at = member.heard.heard_at if member.heard is not None else member.started_at
        return now - max(heard_at, self._fair_since)

    def _without_progress(self, now: float, awake: Mapping[str, Beat]) -> dict[str, MemberStuck]:
        """Members that work, and whose steps have stayed the same for too long."""
        stuck: dict[str, MemberStuck] = {}
        moved: dict[str, tuple[Beat, float]] = {}
        for name, beat in awake.items():
            before, since = self._moved.get(name, (None, now))
            if beat != before or beat.state != "working":
                since = now
            elif now - since >= self._stuck_s:
                stuck[name] = MemberStuck(
                    reason=f"nothing has moved for {self._stuck_s:g} s while it was "
                    f"{beat.doing or 'working'}"
                )
                since = now
            moved[name] = beat, since
        self._moved = moved
        return stuck

    def _in_circles(
        self, now: float, awake: Mapping[str, Beat], asked: Mapping[str, frozenset[str]]
    ) -> dict[str, MemberStuck]:
        """Members that have waited for each other for a while."""
        listening = {
            name: asked.get(name, frozenset())
            for name, beat in awake.items()
            if beat.state == "listening"
        }
        caught = in_circles(listening)
        stuck: dict[str, MemberStuck] = {}
        since: dict[str, tuple[frozenset[str], float]] = {}
        for name, waits_for in caught.items():
            before, due_at = self._caught.get(name, (None, 0.0))
            if waits_for != before:
                due_at = now + CIRCLE_S
            elif now >= due_at:
                stuck[name] = MemberStuck(
                    reason=_circle_text(name, caught), waits_for=tuple(sorted(waits_for))
                )
                due_at = now + self._stuck_s
            since[name] = waits_for, due_at
        self._caught = since
        return stuck


def in_circles(listening: Mapping[str, frozenset[str]]) -> dict[str, frozenset[str]]:
    """Those who wait for nobody but others who wait: no reply can come any more.

    Any reply would wake a member, so one that also waits for somebody who works is not
    among them.

    Args:
        listening: Of whom each member that does nothing but wait for mail awaits a reply.
    """
    caught = {name: waits_for for name, waits_for in listening.items() if waits_for}
    while True:
        free = [name for name, waits_for in caught.items() if not waits_for <= caught.keys()]
        if not free:
            return caught
        for name in free:
            del caught[name]


def _circle_text(name: str, caught: Mapping[str, frozenset[str]]) -> str:
    """Who waits for whom, as far as it leads from one of them."""
    reached = [name]
    for one in reached:
        reached += sorted(caught[one] - {*reached})
    waits = "; ".join(f"{one} waits for {', '.join(sorted(caught[one]))}" for one in reached)
    return f"members wait for each other: {waits}. No reply will come: go on with what there is"


class Deaths:
    """How often members died lately, as an OTP supervisor counts.

    The time that it took to see a death, or to start again after it, does not count:
    it would keep those who die slowly from ever being given up.
    """

    def __init__(self, within_s: float) -> None:
        self._within_s = within_s
        self._of: dict[str, list[float]] = {}
        self._waited_s: dict[str, float] = {}

    def note(self, name: str, now: float, waited_s: float) -> int:
        """Count a death; gives how many there were within the window, this one included.

        Args:
            name: Who died.
            now: The time.
            waited_s: How much of the time since the death before was only waited.
        """
        self._waited_s[name] = waited = self._waited_s.get(name, 0.0) + waited_s
        at = now - waited
        recent = [one for one in self._of.get(name, []) if at - one < self._within_s]
        self._of[name] = [*recent, at]
        return len(recent) + 1
