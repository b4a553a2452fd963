"""One message of 1 KB from one process to another, one way, four ways in turn.

The sender is a process of its own with its own connections; it sends one message at a
time with a pause between. Both read CLOCK_MONOTONIC, which one machine's processes share.
"""

from __future__ import annotations

import asyncio
import itertools
import multiprocessing
from collections.abc import Awaitable, Callable
from multiprocessing.connection import Connection as Pipe
from time import monotonic_ns
from typing import Any, Final

import msgspec
import nats
import nats.errors

from bus import subjects
from bus.access import Access
from bus.codec import Envelope, encode
from bus.connection import Connection, connect
from bus.feed import Feed, create_feed
from bus.ids import new_run_id
from bus.messages import Note, TurnActed
from bus.run_stream import Entry, RunStream, create_run
from tests.bench.kit import Report, Row, milliseconds, quantile, row, say, served_home

SIZE_BYTES: Final = 1_024
PAUSE_S: Final = 0.003
STAMP: Final = 24
CORE: Final = "bench.core"
STORED: Final = "bench.stored"
WAYS: Final = ("ours", "turn", "stored", "core")
"""A note alone; a note committed with the turn that sends it; bare JetStream; bare core NATS."""
_WAIT_S: Final = 30.0
_BILLION: Final = 1_000_000_000


class Plan(msgspec.Struct, frozen=True, kw_only=True):
    """What the sender is to do.

    Attributes:
        access: How it reaches the bus.
        run: The run whose mail is used.
        rounds: How often each way has its turn; the first round warms up.
        each: Messages of a way in one turn.
    """

    access: Access
    run: str
    rounds: int
    each: int


class Times:
    """Seconds by way: from before the send to the receipt, and to the sender's acknowledgement."""

    def __init__(self, plan: Plan) -> None:
        self.one_way: dict[str, list[float]] = {way: [] for way in WAYS}
        self.acknowledged: dict[str, list[float]] = {way: [] for way in WAYS}
        self.each = plan.each
        self.total = plan.rounds * plan.each

    def received(self, way: str, text: str) -> bool:
        """Note a receipt; says whether it was the last of its way."""
        self.one_way[way].append((monotonic_ns() - int(text[:STAMP])) / _BILLION)
        return len(self.one_way[way]) == self.total

    def warmed(self, seconds: list[float]) -> list[float]:
        """Milliseconds, without those of the first round."""
        return milliseconds(seconds[self.each :])


def stamped(size: int) -> str:
    """A text of a size that begins with the time."""
    return f"{monotonic_ns():0{STAMP}d}".ljust(size, ".")


def note_text_bytes(run: str) -> int:
    """How long a note's text is when the whole message takes `SIZE_BYTES`."""
    subject = subjects.mail(run, "ada", "bea")
    empty = Envelope(body=Note(text=""), at=1_234_567_890.123456)
    return SIZE_BYTES - len(encode(subject, empty))


# --- the sender's process --------------------------------------------------------


def send(plan: Plan, pipe: Pipe) -> None:
    """Be the sender; its process's whole life."""
    asyncio.run(_send(plan, pipe))


async def _send(plan: Plan, pipe: Pipe) -> None:
    took: dict[str, list[float]] = {way: [] for way in WAYS}
    raw = await nats.connect(plan.access.url, token=plan.access.token)
    async with connect(plan.access, name="bea") as connection:
        senders = _senders(plan, connection, raw)
        for _ in range(plan.rounds):
            for way, sender in senders.items():
                for _ in range(plan.each):
                    began = monotonic_ns()
                    await sender()
                    took[way].append((monotonic_ns() - began) / _BILLION)
                    await asyncio.sleep(PAUSE_S)
    await raw.close()
    pipe.send(took)


def _senders(
    plan: Plan, connection: Connection, raw: Any
) -> dict[str, Callable[[], Awaitable[Any]]]:
    stream, jetstream = RunStream(connection, plan.run), raw.jetstream()
    subject, size = subjects.mail(plan.run, "ada", "bea"), note_text_bytes(plan.run)

    async def ours() -> None:
        await stream.append(Entry(subject=subject, body=Note(text=stamped(size))))

    async def turn() -> None:
        acted = TurnActed(context="bench", turn=1, outcomes=())
        note = Entry(subject=subject, body=Note(text=stamped(size)))
        await stream.commit([Entry(subject=subjects.journal(plan.run, "bea"), body=acted), note])

    async def stored() -> None:
        await jetstream.publish(STORED, stamped(SIZE_BYTES).encode())

    async def core() -> None:
        await raw.publish(CORE, stamped(SIZE_BYTES).encode())

    return {"ours": ours, "turn": turn, "stored": stored, "core": core}


# --- the receiver ----------------------------------------------------------------


async def _receive_ours(feed: Feed, times: Times) -> None:
    for number in itertools.count():
        record = await feed.next(_WAIT_S)
        assert record is not None, "the sender has gone silent"
        assert isinstance(record.body, Note), record
        way = ("ours", "turn")[number // times.each % 2]
        is_last = times.received(way, record.body.text) and way == "turn"
        await feed.ack([record.seq])
        if is_last:
            return


async def _receive_stored(pull: Any, times: Times) -> None:
    while True:
        try:
            [message] = await pull.fetch(1, timeout=5)
        except nats.errors.TimeoutError:
            continue  # the other ways have their turn
        is_last = times.received("stored", message.data.decode())
        await message.ack()
        if is_last:
            return


async def _receive_core(subscription: Any, times: Times) -> None:
    while True:
        message = await subscription.next_msg(timeout=_WAIT_S)
        if times.received("core", message.data.decode()):
            return


async def measure(access: Access, *, rounds: int, each: int) -> Times:
    """Receive what a sender in another process sends, each way in turn."""
    plan = Plan(access=access, run=new_run_id(), rounds=rounds, each=each)
    times = Times(plan)
    raw = await nats.connect(access.url, token=access.token)
    jetstream = raw.jetstream()
    await jetstream.add_stream(name="BENCH", subjects=[STORED], storage="file")
    pull = await jetstream.pull_subscribe(STORED, durable="ada", stream="BENCH")
    subscription = await raw.subscribe(CORE)
    async with connect(access, name="ada") as connection:
        await create_run(connection, plan.run, label="peer messages")
        mine = subjects.pattern(plan.run, "mail", "ada")
        await create_feed(connection, plan.run, "ada", [mine])
        async with Feed(connection, plan.run, "ada") as feed:
            times.acknowledged = await _with_sender(
                plan,
                _receive_ours(feed, times),
                _receive_stored(pull, times),
                _receive_core(subscription, times),
            )
    await raw.close()
    return times


async def _with_sender(plan: Plan, *receivers: Awaitable[None]) -> dict[str, list[float]]:
    """Run the receivers while the sender's process runs; returns what that has measured."""
    context = multiprocessing.get_context("spawn")
    ours, theirs = context.Pipe()
    process = context.Process(target=send, args=(plan, theirs))
    process.start()
    try:
        await asyncio.gather(*receivers)
        took: dict[str, list[float]] = await asyncio.to_thread(ours.recv)
        await asyncio.to_thread(process.join, _WAIT_S)
    finally:
        if process.is_alive():
            process.kill()
    return took


def rows_of(times: Times) -> list[Row]:
    """The figures."""
    floors = {"stored": "bare JetStream, pull fetch(1)", "core": "bare core NATS, not stored"}
    cases = {"ours": "append()", "turn": "commit() with its turn"}
    rows: list[Row] = []
    for label, share in (("p50", 0.5), ("p99", 0.99)):
        value = {way: quantile(times.warmed(times.one_way[way]), share) for way in WAYS}
        rows += [
            row(cases[way], f"one way, {label}", "ms", value[way], value[floor], floors[floor])
            for way in cases
            for floor in floors
        ]
    for label, share in (("p50", 0.5), ("p99", 0.99)):
        value = {way: quantile(times.warmed(times.acknowledged[way]), share) for way in WAYS}
        rows += [
            row(cases[way], f"acknowledged, {label}", "ms", value[way], value["stored"], "publish")
            for way in cases
        ]
    return rows


def run(*, is_quick: bool) -> Report:
    """Measure with two processes on an embedded server."""
    rounds, each = (3, 50) if is_quick else (11, 100)
    say(f"peers: {rounds - 1} x {each} messages each way")
    with served_home() as (_, access):
        times = asyncio.run(measure(access, rounds=rounds, each=each))
    return Report(
        name="peers",
        how=(
            f"A sender process and a receiver process on one server that syncs always;\n"
            f"{(rounds - 1) * each} messages of {SIZE_BYTES:,} bytes each way, one at a time, "
            f"{PAUSE_S * 1_000:.0f} ms apart,\nfrom before append() to the return of Feed.next()."
        ),
        rows=tuple(rows_of(times)),
    )
