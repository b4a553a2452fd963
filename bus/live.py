"""What need not last, on core NATS: heartbeats, and what members are writing now.

Nothing here is ever a reason to believe that something happened; it only says
when to look. It works while JetStream elects a new leader.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable
from typing import Final

import msgspec
from nats.aio.msg import Msg

from bus import subjects
from bus.connection import Connection, Listening
from bus.errors import BusError

BEAT_EVERY_S: Final = 0.3


class Beat(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """A member says that it is there.

    Attributes:
        pid: Its process.
        state: `working`, `idle`, `waiting` (for whom it has to wait: the model's provider)
            or `listening` (for mail).
        doing: A few words for people: a tool, a task.
        turn: Turn it is in.
        steps: Goes up with each piece that its model writes and each thing it begins;
            while it works and this stays the same, it gets nowhere.
    """

    pid: int
    state: str = "idle"
    doing: str = ""
    turn: int = 0
    steps: int = 0


class Text(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """A piece of what a member's model is writing, in which turn."""

    text: str = ""
    turn: int = 0


class Presence(msgspec.Struct, frozen=True, kw_only=True):
    """The last heartbeat of a member and when we heard it (monotonic seconds)."""

    beat: Beat
    heard_at: float


async def send_beat(connection: Connection, run: str, name: str, beat: Beat) -> None:
    """Send one heartbeat; silent while not connected, since late ones would lie."""
    if connection.is_connected:
        await connection.publish(subjects.beat(run, name), msgspec.json.encode(beat))


async def send_text(connection: Connection, run: str, name: str, text: Text) -> None:
    """Send a piece of streamed text to whoever watches."""
    if connection.is_connected:
        await connection.publish(subjects.live(run, name), msgspec.json.encode(text))


class Roll:
    """Who has been heard lately: a subscription to the heartbeats of one run or all.

    `start` returns once it listens, `stop` once it has ended.
    """

    def __init__(self, connection: Connection, run: str = "*") -> None:
        self._connection = connection
        self._run = run
        self._heard: dict[tuple[str, str], Presence] = {}
        self._listening: Listening | None = None

    async def start(self) -> None:
        """Begin to listen."""
        if self._listening is None:
            subject = subjects.beat(self._run)
            self._listening = await self._connection.subscribe(subject, self._take)

    async def stop(self) -> None:
        """Stop listening."""
        if self._listening is not None:
            await self._listening.unsubscribe()
            self._listening = None

    async def __aenter__(self) -> Roll:
        await self.start()
        return self

    async def __aexit__(self, *_: object) -> None:
        await self.stop()

    def heard(self, run: str) -> dict[str, Presence]:
        """The last that was heard of each member of a run, however long ago."""
        return {name: seen for (of_run, name), seen in self._heard.items() if of_run == run}

    def live(self, run: str, within_s: float) -> dict[str, Beat]:
        """Members of a run heard within the last `within_s` seconds."""
        since = time.monotonic() - within_s
        return {
            name: presence.beat
            for (of_run, name), presence in self._heard.items()
            if of_run == run and presence.heard_at >= since
        }

    def live_runs(self, within_s: float) -> set[str]:
        """Runs of which any member was heard within the last `within_s` seconds."""
        since = time.monotonic() - within_s
        return {run for (run, _), seen in self._heard.items() if seen.heard_at >= since}

    async def _take(self, message: Msg) -> None:
        try:
            _, run, name = subjects.parse_core(message.subject)
            beat = msgspec.json.decode(message.data, type=Beat)
        except (BusError, msgspec.DecodeError):
            return
        self._heard[run, name] = Presence(beat=beat, heard_at=time.monotonic())


async def heard_runs(connection: Connection, listen_s: float = 3 * BEAT_EVERY_S) -> set[str]:
    """Listen for a moment and return the runs that have a live member."""
    return set(await heard_members(connection, listen_s))


async def heard_members(
    connection: Connection, listen_s: float = 3 * BEAT_EVERY_S
) -> dict[str, dict[str, Beat]]:
    """Listen for a moment and return the live members of each run, by run and name."""
    async with Roll(connection) as roll:
        await asyncio.sleep(listen_s)
        return {run: roll.live(run, listen_s) for run in roll.live_runs(listen_s)}


async def follow_text(
    connection: Connection, run: str, handler: Callable[[str, Text], None]
) -> Listening:
    """Call the handler with each piece of streamed text, until unsubscribed."""

    async def take(message: Msg) -> None:
        try:
            _, _, name = subjects.parse_core(message.subject)
            handler(name, msgspec.json.decode(message.data, type=Text))
        except (BusError, msgspec.DecodeError):
            return

    return await connection.subscribe(subjects.live(run), take)
