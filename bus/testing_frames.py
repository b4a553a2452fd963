"""NATS messages in a stream of bytes, and what a proxy does to them on purpose.

For tests only; `bus.testing.Proxy` uses it. TCP neither doubles nor reorders bytes, so
what a faulty network of servers could do to messages is done to whole frames: a PUB or
HPUB of a client, a MSG or HMSG of the server. All else passes as it comes.
"""

from __future__ import annotations

import random
from collections.abc import Callable
from typing import Final, Literal

import msgspec

Fate = Literal["pass", "double", "swap", "delay"]
"""What happens to a frame: sent twice, after the next one, or a while later."""

_WITH_PAYLOAD: Final = frozenset({b"PUB", b"HPUB", b"MSG", b"HMSG"})
_LINE_END: Final = b"\r\n"


class Frame(msgspec.Struct, frozen=True, kw_only=True):
    """One operation of the NATS protocol.

    Attributes:
        data: Its bytes, as they are sent on.
        subject: What a message is published on; empty for all other operations.
        to_server: Whether a client sent it.
    """

    data: bytes
    subject: str = ""
    to_server: bool = False

    @property
    def is_message(self) -> bool:
        """Whether something may be done to it: connections depend on all else."""
        return bool(self.subject)


Faults = Callable[[Frame], Fate]
"""Says of each message what happens to it; may keep count."""


class Framer:
    """Cuts one direction of a connection into frames; keeps what is not whole yet."""

    def __init__(self, *, to_server: bool) -> None:
        self._to_server = to_server
        self._rest = b""

    def feed(self, chunk: bytes) -> list[Frame]:
        """Take bytes in and return the frames that are whole now."""
        self._rest += chunk
        frames: list[Frame] = []
        while (frame := self._next()) is not None:
            frames.append(frame)
            self._rest = self._rest[len(frame.data) :]
        return frames

    def _next(self) -> Frame | None:
        line, end, _ = self._rest.partition(_LINE_END)
        if not end:
            return None
        words = line.split()
        if not words or words[0].upper() not in _WITH_PAYLOAD:
            return Frame(data=line + end, to_server=self._to_server)
        size = len(line) + len(end) + int(words[-1]) + len(_LINE_END)
        if len(self._rest) < size:
            return None
        return Frame(data=self._rest[:size], subject=words[1].decode(), to_server=self._to_server)


def by_seed(seed: int, *, double: float = 0.0, swap: float = 0.0, delay: float = 0.0) -> Faults:
    """Faults by chance, the same for the same seed and the same messages.

    Args:
        seed: Print it: with it a failure can be had again.
        double: Share of messages that are sent twice, 0 to 1.
        swap: Share that change places with the next one.
        delay: Share that come a while later.
    """
    chance = random.Random(seed)  # noqa: S311 - a test's faults

    def fate(frame: Frame) -> Fate:
        del frame
        drawn = chance.random()
        if drawn < double:
            return "double"
        if drawn < double + swap:
            return "swap"
        return "delay" if drawn < double + swap + delay else "pass"

    return fate


def by_script(fates: dict[int, Fate], *, subject: str, to_server: bool = True) -> Faults:
    """Faults for the n-th message, from 1, of those whose subject begins as given."""
    seen = 0

    def fate(frame: Frame) -> Fate:
        nonlocal seen
        if frame.to_server != to_server or not frame.subject.startswith(subject):
            return "pass"
        seen += 1
        return fates.get(seen, "pass")

    return fate
