"""From a commit by one member to another's digest, and how fast a stream takes decisions.

The sender is a process of its own; both read CLOCK_MONOTONIC, which the processes of
one machine share. Floors are bare nats-py on the same server, in turn with ours.
"""

from __future__ import annotations

import asyncio
import contextlib
import multiprocessing
from collections import Counter
from collections.abc import AsyncIterator, Awaitable
from time import monotonic_ns
from typing import Any, Final

import msgspec
import nats
import nats.errors

from bus.access import Access
from bus.connection import Connection, connect
from bus.feed import Feed, create_feed
from bus.ids import new_run_id
from bus.run_stream import create_run
from team.agent.inbox import Inbox
from team.rules.world import teammate_filters
from team.state import RunState
from tests.bench.decisions import throughput
from tests.bench.decisions.paper import PaperMember
from tests.bench.decisions.sending import AREA, ARRIVED, STAMP, WAYS, Plan, send
from tests.bench.decisions.throughput import Rate
from tests.bench.kit import Report, Row, milliseconds, quantile, row, say, served_home

ABOUT: Final = "Page through every collection with a cursor."
TURNS_MAX: Final = 40
"""Turns that the receiver's context has, the newest: no context grows for ever."""
_WAIT_S: Final = 30.0
_BILLION: Final = 1_000_000_000


class Way(msgspec.Struct, frozen=True, kw_only=True):
    """One way to a reader, in milliseconds.

    Attributes:
        way: One of `WAYS`.
        decisions: How many were measured.
        p50_ms: From before the commit until it stands in a digest; raw: until it is received.
        p99_ms: All but one in a hundred are at most this.
        acknowledged_p50_ms: Until the sender knows that it is stored.
        digest_p50_ms: The part of it in which the digest was made.
    """

    way: str
    decisions: int
    p50_ms: float
    p99_ms: float
    acknowledged_p50_ms: float
    digest_p50_ms: float = 0.0


class Figures(msgspec.Struct, frozen=True, kw_only=True):
    """What was measured.

    Attributes:
        ways: Latencies.
        committed: Decisions that the sender committed.
        told: Decisions that stood in a digest.
        told_again: Times that a decision stood in one more.
        rates: Throughput.
    """

    ways: tuple[Way, ...]
    committed: int
    told: int
    told_again: int
    rates: tuple[Rate, ...]


# --- the receiver ----------------------------------------------------------------


class Times:
    """What the receiver saw: seconds by way, and how often each decision was told."""

    def __init__(self, plan: Plan) -> None:
        self.one_way: dict[str, list[float]] = {way: [] for way in WAYS}
        self.digest: dict[str, list[float]] = {way: [] for way in WAYS}
        self.acknowledged: dict[str, list[float]] = {}
        self.told: Counter[int] = Counter()
        self.each = plan.each
        self.total = plan.rounds * plan.each

    def way(self, way: str) -> Way:
        """The figures of one way, without those of the first round."""
        one_way, acknowledged, digest = (
            milliseconds(seconds[self.each :])
            for seconds in (self.one_way[way], self.acknowledged[way], self.digest[way])
        )
        return Way(
            way=way,
            decisions=len(one_way),
            p50_ms=quantile(one_way, 0.5),
            p99_ms=quantile(one_way, 0.99),
            acknowledged_p50_ms=quantile(acknowledged, 0.5),
            digest_p50_ms=quantile(digest, 0.5) if digest else 0.0,
        )


async def _receive_ours(inbox: Inbox, raw: Any, times: Times) -> None:
    """Make a digest whenever something has come, as if a turn began that moment."""
    member = PaperMember("bea", ABOUT)
    while len(times.told) < 2 * times.total:
        assert await inbox.wait_change(_WAIT_S), "the sender has gone silent"
        began, member.decisions = monotonic_ns(), inbox.state.decisions
        digest = member.turn()
        now = monotonic_ns()
        for one in digest.told:
            decision = member.decisions.revision(one.revision)
            assert decision is not None
            way = decision.key.partition("-")[0]
            times.told[one.revision] += 1
            times.one_way[way].append((now - int(decision.statement[:STAMP])) / _BILLION)
            times.digest[way].append((now - began) / _BILLION)
            await raw.publish(ARRIVED)
        del member.transcript.turns[:-TURNS_MAX]


async def _receive_raw(pull: Any, raw: Any, times: Times) -> None:
    while len(times.one_way["raw"]) < times.total:
        try:
            [message] = await pull.fetch(1, timeout=5)
        except nats.errors.TimeoutError:
            continue  # the other ways have their turn
        sent = int(message.data[:STAMP])
        times.one_way["raw"].append((monotonic_ns() - sent) / _BILLION)
        await message.ack()
        await raw.publish(ARRIVED)


async def _one_way(access: Access, plan: Plan) -> Times:
    """Receive what a sender in another process commits, each way in turn."""
    times = Times(plan)
    raw = await nats.connect(access.url, token=access.token)
    jetstream = raw.jetstream()
    await jetstream.add_stream(name="RAW", subjects=["raw.>"], storage="file")
    pull = await jetstream.pull_subscribe("raw.>", durable="bea", stream="RAW")
    async with connect(access, name="bea") as connection, _inbox(connection, plan.run) as inbox:
        work = asyncio.gather(_receive_ours(inbox, raw, times), _receive_raw(pull, raw, times))
        times.acknowledged = await _with_sender(plan, work)
    await raw.close()
    return times


@contextlib.asynccontextmanager
async def _inbox(connection: Connection, run: str) -> AsyncIterator[Inbox]:
    """B's inbox at work, on a consumer like a teammate's."""
    stream = await create_run(connection, run, label="decisions")
    filters = teammate_filters(run, "bea", (), (AREA,))
    await create_feed(connection, run, "bea", filters)
    inbox = Inbox(Feed(connection, run, "bea"), RunState(), "bea")
    await inbox.load(stream, filters, ())
    await inbox.start()
    try:
        yield inbox
    finally:
        await inbox.stop()


async def _with_sender(plan: Plan, work: Awaitable[Any]) -> dict[str, list[float]]:
    """Run the receivers while the sender's process runs; returns what that has measured."""
    context = multiprocessing.get_context("spawn")
    ours, theirs = context.Pipe()
    process = context.Process(target=send, args=(plan, theirs))
    process.start()
    try:
        await work
        took: dict[str, list[float]] = await asyncio.to_thread(ours.recv)
        await asyncio.to_thread(process.join, _WAIT_S)
    finally:
        if process.is_alive():
            process.kill()
    return took


# --- figures ---------------------------------------------------------------------


def measure(*, is_quick: bool) -> Figures:
    """Measure latency, then throughput, on an embedded server."""
    rounds, each = (2, 20) if is_quick else (11, 100)
    with served_home() as (_, access):
        say(f"latency: {rounds - 1} x {each} decisions each way")
        plan = Plan(access=access, run=new_run_id(), rounds=rounds, each=each)
        times = asyncio.run(_one_way(access, plan))
        rates = throughput.measure(access, is_quick=is_quick)
    return Figures(
        ways=tuple(times.way(way) for way in WAYS),
        committed=2 * times.total,
        told=len(times.told),
        told_again=times.told.total() - len(times.told),
        rates=rates,
    )


def run(*, is_quick: bool) -> Report:
    """Measure, and give the figures as the other benchmarks do."""
    figures = measure(is_quick=is_quick)
    floor = figures.ways[-1]
    rows: list[Row] = []
    for way in figures.ways[:-1]:
        case = WAYS[way.way]
        rows += [
            row(case, "commit to digest, p50", "ms", way.p50_ms, floor.p50_ms, "bare JetStream"),
            row(case, "commit to digest, p99", "ms", way.p99_ms, floor.p99_ms, "bare JetStream"),
            row(case, "the digest itself, p50", "ms", way.digest_p50_ms),
        ]
    for rate in figures.rates:
        rows += [
            row(
                rate.writers, "decisions", "1/s", rate.per_s, rate.batch_per_s, "bare batch of two"
            ),
            row(rate.writers, "decisions", "1/s", rate.per_s, rate.raw_per_s, "bare publish"),
        ]
    told = row("all", "told exactly once", "decisions", figures.told - figures.told_again)
    return Report(
        name="decisions.latency",
        how=(
            "A sender process commits decisions one at a time; a receiver's inbox folds them and\n"
            "makes a digest at once. Then so many writers on one stream, each with an expectation\n"
            "on its key. Floors: bare nats-py on the same server, in turn."
        ),
        rows=(*rows, told),
        notes=(f"{figures.committed:,} decisions were committed",),
    )
