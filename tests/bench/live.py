"""From a piece of a model's text to whoever watches, beside a bare publish of the same server."""

from __future__ import annotations

import asyncio
import random
import time
from pathlib import Path

from bus import subjects
from bus.access import Access
from bus.connection import Connection, connect
from bus.live import Text, follow_text
from team.members.member import Member, seated
from team.views.follow import Follower
from team.views.progress import REDRAW_S
from tests.bench.kit import Report, milliseconds, quantile, row, say, served_home
from tests.bench.turns import ME, seat_key

APART_S = 0.4
"""The most that lies between two pieces: a watcher is met at any moment of a heartbeat."""


async def heard_s(member: Member, connection: Connection, run: str, rounds: int) -> list[float]:
    """Seconds from a piece of text to the watcher that has it."""
    found: list[float] = []
    async with Follower(connection, run) as follower:
        chance = random.Random(1)
        for number in range(rounds):
            await asyncio.sleep(chance.random() * APART_S)
            mark = f"<{number}>"
            began = time.perf_counter()
            member._write(mark)
            while mark not in follower.text_of(ME):  # noqa: ASYNC110 - others set its event too
                await asyncio.sleep(0.001)
            found.append(time.perf_counter() - began)
    return found


async def published_s(connection: Connection, run: str, rounds: int) -> list[float]:
    """The same without a member: publish, and be told."""
    found: list[float] = []
    told = asyncio.Event()

    def take(_: str, __: Text) -> None:
        told.set()

    listening = await follow_text(connection, run, take)
    for _ in range(rounds):
        told.clear()
        began = time.perf_counter()
        await connection.publish(subjects.live(run, "nobody"), b'{"text":"x"}')
        await told.wait()
        found.append(time.perf_counter() - began)
    await listening.unsubscribe()
    return found


async def measure(access: Access, folder: Path, rounds: int) -> tuple[list[float], list[float]]:
    """Ours and the floor."""
    key = await seat_key(access, folder)
    async with seated(key) as member, connect(access, name="watcher") as connection:
        ours = await heard_s(member, connection, key.run, rounds)
        return ours, await published_s(connection, key.run, rounds)


def run(*, is_quick: bool) -> Report:
    """Measure pieces that come at any moment."""
    rounds = 10 if is_quick else 100
    say(f"live: {rounds} pieces of text")
    with served_home() as (folder, access):
        ours, floor = asyncio.run(measure(access, folder, rounds))
    mine, bare = milliseconds(ours), milliseconds(floor)
    return Report(
        name="live",
        how=(
            "A seated member's model writes a piece of text; a watcher, as `team watch` is one,\n"
            "has it. Beside it a bare publish to the same watcher. In one process."
        ),
        rows=tuple(
            row(
                "a piece of text",
                f"to the watcher, {label}",
                "ms",
                quantile(mine, share),
                quantile(bare, share),
                "a bare publish",
            )
            for label, share in (("p50", 0.5), ("p95", 0.95))
        ),
        notes=(f"the screen is drawn anew every {REDRAW_S:g} s: half of that comes on top",),
    )
