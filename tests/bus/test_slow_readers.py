"""A reader that is too slow: what nats-py drops, and what a server cuts off, comes again.

Promises: `bus.feed`; docs/reliability.md, "When the bus fails".
"""

from __future__ import annotations

import asyncio
import time
from pathlib import Path

import nats
import nats.errors
import pytest
from nats.aio.msg import Msg

from bus import subjects
from bus.access import Access
from bus.connection import Connection, connect
from bus.feed import ACK_WAIT_S, Feed, create_feed
from bus.run_stream import Record, RunStream, create_run
from tests.support.nats_server import a_nats_server
from tests.support.wire import WAIT_S, a_note, all_of, until

NAME = "ada"
KEPT = 8
KEPT_BYTES = 2_500
SENT = 24
ROUNDS_S = 4 * ACK_WAIT_S + WAIT_S
LARGE = 60
BLOCKED_S = 2.5
PIECE = "x" * 400_000


async def test_plain_client_loses_for_good_what_its_queue_has_no_room_for(access: Access) -> None:
    got: list[bytes] = []
    problems: list[Exception] = []

    async def slow(message: Msg) -> None:
        got.append(message.data)
        await asyncio.sleep(0)

    async def on_error(error: Exception) -> None:
        problems.append(error)

    client = await nats.connect(access.url, token=access.token, error_cb=on_error)
    try:
        await client.subscribe("slow", cb=slow, pending_msgs_limit=KEPT)
        for number in range(SENT):
            await client.publish("slow", str(number).encode())
        await client.publish("slow", b"")
        await client.flush()
        await until(lambda: len(got) + len(problems) == SENT + 1, "all have come or were dropped")

        assert any(isinstance(one, nats.errors.SlowConsumerError) for one in problems)
        assert len(got) < SENT
    finally:
        await client.close()


async def test_feed_brings_again_what_the_client_dropped(
    connection: Connection, stream: RunStream
) -> None:
    """The same queue, too short for what comes at once: nothing is lost and nothing doubled."""
    await create_feed(connection, stream.run, NAME, [subjects.pattern(stream.run, "mail", NAME)])
    feed = Feed(connection, stream.run, NAME)
    async with feed:
        assert feed._listening is not None
        feed._listening._subscription._pending_bytes_limit = KEPT_BYTES
        await stream.commit([a_note(stream.run, str(number)) for number in range(SENT)])
        records = await _take(feed, SENT, ROUNDS_S)
        assert "slow consumer" in connection._client.last_problem

    assert sorted(record.seq for record in records) == list(range(1, SENT + 1))


@pytest.mark.slow
async def test_reader_that_a_server_cuts_off_goes_on_where_it_was(tmp_path: Path) -> None:
    """Its process stands still while more comes than the server keeps for one connection."""
    async with (
        a_nats_server(tmp_path, "max_pending: 8MB", 'write_deadline: "1s"') as access,
        connect(access, name="writer") as writer,
    ):
        stream = await create_run(writer, "r1")
        await create_feed(writer, "r1", NAME, [subjects.pattern("r1", "mail", NAME)])
        for number in range(LARGE):
            await stream.append(a_note("r1", f"{number}{PIECE}"))
        async with (
            connect(access, name="r1/ada") as connection,
            Feed(connection, "r1", NAME) as feed,
        ):
            await asyncio.sleep(0)  # the pull is on its way
            time.sleep(BLOCKED_S)  # noqa: ASYNC251 - the whole process stands still: the fault
            records = await _take(feed, LARGE, ROUNDS_S)
            again = await all_of(RunStream(connection, "r1").read())

            assert connection.reconnects >= 1

    assert sorted(record.seq for record in records) == list(range(1, LARGE + 1))
    assert len(again) == LARGE


async def _take(feed: Feed, count: int, within_s: float) -> list[Record]:
    records: list[Record] = []
    for _ in range(count):
        record = await feed.next(within_s)
        assert record is not None, f"only {len(records)} of {count} messages came"
        records.append(record)
        await feed.ack([record.seq])
    return records
