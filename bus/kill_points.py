"""Ends this process by SIGKILL at a named step of a write or a read, for tests of crashes.

`PEERTEAM_KILL_AT=POINT[@MEMBER][#N]` ends the process of MEMBER when it comes to POINT
for the N-th time; without a member any process that comes there, without N the first
time. Where the variable is not set a point costs one comparison. Each point lies in the
client of the bus, so what dies there is the real thing.

Source: docs/reliability.md, "Kill points".
"""

from __future__ import annotations

import os
import re
import signal
from collections.abc import Mapping
from typing import Final

import msgspec

from bus.errors import KillPointError

VARIABLE: Final = "PEERTEAM_KILL_AT"
POINTS: Final[dict[str, str]] = {
    "write.before": "before a single message is sent",
    "write.sent": "the server has the message, its acknowledgement was not read",
    "write.stored": "its acknowledgement was read, nothing was done yet",
    "batch.before": "before the first message of a batch is sent",
    "batch.between": "after a message of a batch, before the one that follows it",
    "batch.commit": "all but the last message are sent; the last one commits",
    "batch.sent": "the server has the commit, its acknowledgement was not read",
    "batch.stored": "its acknowledgement was read, nothing was done yet",
    "feed.fetched": "a message of the feed is handed out, nothing was done with it",
    "feed.committed": "what was taken in is committed, and not acknowledged to the feed",
}
"""Every point, with what is done and what is not when the process ends there."""

_GRAMMAR: Final = re.compile(r"(?P<point>[a-z.]+)(@(?P<member>[A-Za-z0-9_-]+))?(#(?P<n>[1-9]\d*))?")


class Plan(msgspec.Struct):
    """Where to die.

    Attributes:
        point: Which point.
        member: Whose; empty for anybody's.
        left: How often it is still to be reached.
    """

    point: str
    member: str
    left: int

    def is_due(self, point: str, connection_name: str) -> bool:
        """Count a step of a connection; says whether it is the one."""
        is_ours = self.member in ("", connection_name.rpartition("/")[2])
        if point != self.point or not is_ours:
            return False
        self.left -= 1
        return self.left == 0


def read_plan(environ: Mapping[str, str]) -> Plan | None:
    """What the environment asks for, if anything.

    Raises:
        KillPointError: It can't be read.
    """
    value = environ.get(VARIABLE, "")
    if not value:
        return None
    found = _GRAMMAR.fullmatch(value)
    if found is None or found["point"] not in POINTS:
        raise KillPointError(VARIABLE, value, tuple(POINTS))
    return Plan(point=found["point"], member=found["member"] or "", left=int(found["n"] or 1))


_plan = read_plan(os.environ)


def spare() -> None:
    """Live on whatever was planned: a member that was started again dies of it only once."""
    global _plan  # noqa: PLW0603 - one plan a process, as there is one environment
    _plan = None


def is_due(point: str, connection_name: str) -> bool:
    """Count a step of a connection; says whether this process is to end there."""
    return _plan is not None and _plan.is_due(point, connection_name)


def reach(point: str, connection_name: str) -> None:
    """Come to a point: ends the process there if that is planned."""
    if is_due(point, connection_name):
        end()


def end() -> None:
    """End this process at once, as a power cut would."""
    os.kill(os.getpid(), signal.SIGKILL)
