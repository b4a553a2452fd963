"""What tests of the bus share: entries to store, and one bounded wait."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable
from typing import TypeVar

from bus import subjects
from bus.connection import Connection
from bus.ids import LEAD
from bus.messages import Note, TaskClaimed
from bus.run_stream import Entry

WAIT_S = 5.0

T = TypeVar("T")


def a_note(
    run: str,
    text: str = "hello",
    *,
    to: str = "ada",
    author: str = LEAD,
    expect: int | None = None,
) -> Entry:
    """A piece of mail, stored whatever stands there."""
    return Entry(subject=subjects.mail(run, to, author), body=Note(text=text), expect=expect)


def a_claim(run: str, task: str, author: str = "ada", *, expect: int | None = 0) -> Entry:
    """A claim on a task, which the first to make it wins."""
    return Entry(subject=subjects.task(run, task, author), body=TaskClaimed(), expect=expect)


def sent_by(connection: Connection) -> int:
    """How many messages a connection has sent, requests among them."""
    return int(connection._client.stats["out_msgs"])


async def until(is_so: Callable[[], bool], what: str, within_s: float = WAIT_S) -> None:
    """Wait for something that tells nobody when it happens."""
    try:
        async with asyncio.timeout(within_s):
            while not is_so():  # noqa: ASYNC110 - nobody sets an event for it
                await asyncio.sleep(0.01)
    except TimeoutError:
        raise AssertionError(f"not within {within_s} s: {what}") from None


async def all_of(items: AsyncIterator[T]) -> list[T]:
    """Take everything an asynchronous iterator yields."""
    return [item async for item in items]
