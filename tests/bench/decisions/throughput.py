"""How many decisions a second one stream takes, beside bare nats-py on the same server."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Awaitable, Callable, Iterable
from itertools import count
from time import perf_counter
from typing import Any, Final

import msgspec
import nats
import nats.js.errors

from bus import subjects
from bus.access import Access
from bus.connection import connect
from bus.errors import ConflictError
from bus.ids import new_message_id, new_run_id
from bus.messages import DecisionRecorded
from bus.run_stream import RunStream, create_run
from team.agent.decision_log import WholeLog
from tests.bench.decisions.sending import (
    AREA,
    RATIONALE,
    a_decision,
    expects,
    its_reasons,
    raw_payload,
)
from tests.bench.kit import median, say

Publish = Callable[[Any, str, dict[str, str]], Awaitable[None]]
"""Sends one decision by bare nats-py: client, subject, headers."""
_WRONG_SEQUENCE: Final = 10071


class Rate(msgspec.Struct, frozen=True, kw_only=True):
    """How fast one stream takes decisions.

    Attributes:
        writers: How they write.
        per_s: Decisions per second; the median of the rounds.
        batch_per_s: Bare nats-py: the same two messages as one atomic batch.
        raw_per_s: Bare nats-py: one message each, with the same expectation.
        conflicts: Commits that were refused and tried again, for each decision stored.
        raw_conflicts: The same of the last floor.
    """

    writers: str
    per_s: float
    batch_per_s: float
    raw_per_s: float
    conflicts: float
    raw_conflicts: float


class Shape(msgspec.Struct, frozen=True, kw_only=True):
    """How decisions are written.

    Attributes:
        label: For people.
        writers: How many at once, each on its own connection.
        is_one_key: Whether all of them supersede the same decision in turn.
        reads: Whether the log is read before each, as the tool does.
    """

    label: str
    writers: int
    is_one_key: bool = False
    reads: bool = False


SHAPES: Final = (
    Shape(label="1 writer", writers=1),
    Shape(label="1 writer that reads the log first", writers=1, reads=True),
    Shape(label="8 writers", writers=8),
    Shape(label="32 writers", writers=32),
    Shape(label="8 writers on one key", writers=8, is_one_key=True),
)


class Done(msgspec.Struct, frozen=True, kw_only=True):
    """What a round has done: decisions stored, commits refused, seconds."""

    stored: int
    conflicts: int
    took_s: float

    @property
    def per_s(self) -> float:
        """Decisions per second."""
        return self.stored / self.took_s

    @property
    def conflicts_each(self) -> float:
        """Refusals for each decision that was stored."""
        return self.conflicts / max(1, self.stored)


class _Round:
    """Some seconds in which all write; what is begun is ended."""

    def __init__(self, seconds: float) -> None:
        self._began = perf_counter()
        self._seconds = seconds
        self.stored = 0
        self.conflicts = 0

    @property
    def goes_on(self) -> bool:
        """Whether there is time for one more."""
        return perf_counter() - self._began < self._seconds

    async def done(self, work: Iterable[Awaitable[None]]) -> Done:
        """Let all write until the time is over."""
        self._began = perf_counter()
        await asyncio.gather(*work)
        took_s = perf_counter() - self._began
        return Done(stored=self.stored, conflicts=self.conflicts, took_s=took_s)


async def _ours(access: Access, shape: Shape, seconds: float) -> Done:
    """One round by run streams; checks that all are stored, each on what it replaced."""
    run = new_run_id()
    async with contextlib.AsyncExitStack() as stack:
        connections = [
            await stack.enter_async_context(connect(access, name=f"w{number}"))
            for number in range(shape.writers)
        ]
        stream = await create_run(connections[0], run, label=shape.label)
        now = _Round(seconds)
        done = await now.done(
            _decide(RunStream(c, run), f"w{n}", shape, now) for n, c in enumerate(connections)
        )
        await _check_stored(stream, done.stored)
    return done


async def _decide(stream: RunStream, author: str, shape: Shape, now: _Round) -> None:
    """One writer's decisions; what is refused is tried again."""
    log = WholeLog(stream)
    for number in count():
        key = "key" if shape.is_one_key else f"{author}-{number}"
        while now.goes_on:
            if shape.reads:
                await log.read()
            expect = await _head(stream, key) if shape.is_one_key else 0
            decision = a_decision(stream.run, author, key, expect=expect)
            try:
                await stream.commit([decision, its_reasons(stream.run, decision)])
            except ConflictError:
                now.conflicts += 1
                continue
            now.stored += 1
            break
        else:
            return


async def _head(stream: RunStream, key: str) -> int:
    record = await stream.head(subjects.pattern(stream.run, "decision", AREA, key))
    return 0 if record is None else record.seq


async def _check_stored(stream: RunStream, expected: int) -> None:
    heads: dict[tuple[str, ...], int] = {}
    stored = 0
    async for record in stream.read(subjects.pattern(stream.run, "decision")):
        assert isinstance(record.body, DecisionRecorded), record
        assert (record.body.supersedes or 0) == heads.get(record.subject.names, 0), record
        heads[record.subject.names] = record.seq
        stored += 1
    assert stored == expected, (stored, expected)


async def _raw(access: Access, shape: Shape, seconds: float, *, is_batch: bool) -> Done:
    """One round by bare nats-py, on a stream of the same kind with the same expectation."""
    run = new_run_id()
    async with connect(access, name="raw") as connection:
        await create_run(connection, run, label=shape.label)
    clients = [await nats.connect(access.url, token=access.token) for _ in range(shape.writers)]
    now = _Round(seconds)
    publish = _publish_two if is_batch else _publish_one
    done = await now.done(
        _publish(c, run, f"w{n}", shape, now, publish) for n, c in enumerate(clients)
    )
    for client in clients:
        await client.close()
    return done


async def _publish(
    client: Any, run: str, author: str, shape: Shape, now: _Round, publish: Publish
) -> None:
    """One bare writer's decisions; what is refused is tried again."""
    for number in count():
        key = "key" if shape.is_one_key else f"{author}-{number}"
        filters = subjects.pattern(run, "decision", AREA, key)
        while now.goes_on:
            expect = await _raw_head(client, run, filters) if shape.is_one_key else 0
            headers = expects(expect) | {"Nats-Expected-Last-Subject-Sequence-Subject": filters}
            try:
                await publish(client, filters.replace("*", author), headers)
            except nats.js.errors.APIError as error:
                if error.err_code != _WRONG_SEQUENCE:
                    raise
                now.conflicts += 1
                continue
            now.stored += 1
            break
        else:
            return


async def _publish_one(client: Any, subject: str, headers: dict[str, str]) -> None:
    """A decision alone."""
    await client.jetstream().publish(subject, raw_payload(), headers=headers)


async def _publish_two(client: Any, subject: str, headers: dict[str, str]) -> None:
    """A decision and its reasons as one atomic batch."""
    batch = {"Nats-Batch-Id": new_message_id()}
    first = headers | batch | {"Nats-Batch-Sequence": "1"}
    await client.publish(subject, raw_payload(), headers=first)
    last = batch | {"Nats-Batch-Sequence": "2", "Nats-Batch-Commit": "1"}
    reasons = subject.replace(".decision.", ".rationale.")
    answer = await client.request(reasons, RATIONALE.encode(), timeout=5, headers=last)
    problem = msgspec.json.decode(answer.data).get("error")
    if problem is not None:
        raise nats.js.errors.APIError(**problem)


async def _raw_head(client: Any, run: str, subject: str) -> int:
    try:
        found = await client.jetstream().get_last_msg(
            subjects.stream_name(run), subject, direct=True
        )
    except nats.js.errors.NotFoundError:
        return 0
    return int(found.seq)


async def _rate(access: Access, shape: Shape, rounds: int, seconds: float) -> Rate:
    """Ours and both floors in turn, so many times; the first of several warms up."""
    ours: list[Done] = []
    batch: list[Done] = []
    raw: list[Done] = []
    for _ in range(rounds):
        ours.append(await _ours(access, shape, seconds))
        batch.append(await _raw(access, shape, seconds, is_batch=True))
        raw.append(await _raw(access, shape, seconds, is_batch=False))
    kept = max(1, rounds - 1)
    return Rate(
        writers=shape.label,
        per_s=median([done.per_s for done in ours[-kept:]]),
        batch_per_s=median([done.per_s for done in batch[-kept:]]),
        raw_per_s=median([done.per_s for done in raw[-kept:]]),
        conflicts=median([done.conflicts_each for done in ours[-kept:]]),
        raw_conflicts=median([done.conflicts_each for done in raw[-kept:]]),
    )


def measure(access: Access, *, is_quick: bool) -> tuple[Rate, ...]:
    """Every shape, one after the other."""
    rates: list[Rate] = []
    for shape in SHAPES:
        say(f"latency: {shape.label}")
        rounds, seconds = (1, 0.1) if is_quick else (6, 1.0)
        rates.append(asyncio.run(_rate(access, shape, rounds, seconds)))
    return tuple(rates)
