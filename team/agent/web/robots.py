"""What a host's robots.txt lets us fetch, asked once a day for each host (RFC 9309).

One that could not be had forbids all, and is asked for again soon.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Awaitable, Callable
from typing import Final

import msgspec

from team.errors import FetchError
from team.rules.hosts import Place, place_of

AGENT: Final = "Peerteam"
"""The name by which a robots.txt may speak of us."""
ROBOTS_BYTES_MAX: Final = 500 * 1024
"""What is read of a robots.txt; RFC 9309 asks for as much."""
KEPT_S: Final = 24 * 3_600.0
"""For how long what it said holds, in seconds."""
FAILED_KEPT_S: Final = 60.0
"""For how long it holds that the host answered with an error, in seconds."""


class RobotsFile(msgspec.Struct, frozen=True, kw_only=True):
    """What came for a robots.txt: its status and its text; 0 if nothing came, and why."""

    status: int
    text: str = ""
    reason: str = ""


class Robots:
    """The rules of each host, as one member has read them."""

    def __init__(
        self,
        read: Callable[[Place], Awaitable[RobotsFile]],
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        """Make a cache.

        Args:
            read: Gets a robots.txt.
            clock: Says the time, in seconds.
        """
        self._read = read
        self._clock = clock
        self._known: dict[str, tuple[float, RobotsFile]] = {}
        self._reading: dict[str, asyncio.Lock] = {}

    async def check(self, place: Place) -> float | None:
        """Ask whether a page may be fetched.

        Returns:
            The pause that the host wants between two requests, in seconds, if it names one.

        Raises:
            FetchError: It may not, or the host does not say.
        """
        file = await self._file(place)
        if 400 <= file.status < 500:  # noqa: PLR2004 - there is none, so there are no rules
            return None
        if file.status != 200:  # noqa: PLR2004
            reason = f"its robots.txt could not be had ({file.reason}), so all is forbidden"
            raise FetchError(place.url, f"{reason}; try later")
        from protego import Protego

        rules = Protego.parse(file.text)
        if not rules.can_fetch(place.url, AGENT):
            raise FetchError(place.url, f"the robots.txt of {place.site} forbids it to {AGENT}")
        delay = rules.crawl_delay(AGENT)
        return None if delay is None else float(delay)

    async def _file(self, place: Place) -> RobotsFile:
        """What holds for a place; who asks while it is read waits for that."""
        async with self._reading.setdefault(place.site, asyncio.Lock()):
            at, file = self._known.get(place.site, (0.0, None))
            if file is None or self._clock() - at > _kept_s(file):
                file = await self._read(place_of("/robots.txt", place))
                self._known[place.site] = (self._clock(), file)
            return file


def _kept_s(file: RobotsFile) -> float:
    """For how long a robots.txt holds, in seconds; one that never came is asked for again."""
    if not file.status:
        return -1.0
    return KEPT_S if file.status < 500 else FAILED_KEPT_S  # noqa: PLR2004
