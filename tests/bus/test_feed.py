"""A member's consumer: its filters are its world, nothing is lost, late acks.

Promises: `bus.feed`.
"""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from pathlib import Path
from typing import cast
from urllib.parse import urlsplit

import msgspec
import nats
import pytest

from bus import subjects
from bus.access import Access
from bus.connection import Connection, connect
from bus.feed import ACK_WAIT_S, Feed, FeedPosition, create_feed, delete_feed, feed_position
from bus.messages import Note
from bus.run_stream import Record, RunStream, create_run
from bus.server import start_server, stop_server
from bus.testing import Proxy
from tests.support.wire import WAIT_S, a_claim, a_note, sent_by, until

NAME = "ada"
FETCH_S = 4.0


def mail_of(run: str, name: str = NAME) -> str:
    return subjects.pattern(run, "mail", name)


async def a_feed(stream: RunStream, filters: Sequence[str] | None = None) -> Feed:
    """Ada's consumer of her mail, and a feed that does not run yet."""
    await create_feed(stream.connection, stream.run, NAME, filters or [mail_of(stream.run)])
    return Feed(stream.connection, stream.run, NAME)


async def take(feed: Feed, count: int, within_s: float = WAIT_S) -> list[Record]:
    """Wait for so many messages."""
    records: list[Record] = []
    for _ in range(count):
        record = await feed.next(within_s)
        assert record is not None, f"only {len(records)} of {count} messages came"
        records.append(record)
    return records


async def position_when_acked(connection: Connection, run: str, seq: int) -> FeedPosition:
    """Wait until the server knows of the ack, which nobody confirms."""
    async with asyncio.timeout(WAIT_S):
        while True:
            position = await feed_position(connection, run, NAME)
            if position is not None and position.acked_seq == seq:
                return position


def texts(records: Sequence[Record]) -> list[str]:
    return [cast("Note", record.body).text for record in records]


async def test_filter_list_is_the_boundary(stream: RunStream) -> None:
    """Another's mail, other areas and tasks are never sent to it."""
    run = stream.run
    api = subjects.pattern(run, "decision", "api")
    filters = [mail_of(run), api]
    async with await a_feed(stream, filters) as feed:
        for number, area in enumerate(["api", "data", "api"]):
            subject = subjects.decision(run, area, f"k{number}", "bob")
            await stream.connection.ask(str(subject), b"{}")
            await stream.append(a_note(run, to="bob"))
            await stream.append(a_claim(run, f"t{number}"))
        await stream.append(a_note(run, "last"))

        records = await take(feed, 3)

        assert [str(record.subject) for record in records] == [
            f"run.{run}.decision.api.k0.bob",
            f"run.{run}.decision.api.k2.bob",
            f"run.{run}.mail.ada.lead",
        ]
        assert feed.take_ready() == []


async def test_messages_come_in_order_more_than_one_pull_holds(stream: RunStream) -> None:
    """Stored before it starts and while it runs, acked or not."""
    words = [str(number) for number in range(400)]
    await stream.commit([a_note(stream.run, word) for word in words[:200]])
    async with await a_feed(stream) as feed:
        first = await take(feed, 50)
        await feed.ack([record.seq for record in first])
        await stream.commit([a_note(stream.run, word) for word in words[200:]])

        rest = await take(feed, 350)

    assert texts(first + rest) == words
    assert [record.seq for record in first + rest] == list(range(1, 401))


async def test_record_of_a_feed_is_the_record_of_the_stream(stream: RunStream) -> None:
    """Sequence, time, subject and message are those that a reader sees."""
    await stream.append(a_note(stream.run))
    async with await a_feed(stream) as feed:
        (fed,) = await take(feed, 1)
    read = await stream.head(mail_of(stream.run))

    assert read is not None
    assert msgspec.structs.replace(fed, at=0.0) == msgspec.structs.replace(read, at=0.0)
    assert abs(fed.at - read.at) < 0.001  # one is given in nanoseconds, one as a date


async def test_message_that_cant_be_read_is_handed_out_with_the_reason(
    stream: RunStream,
) -> None:
    await stream.connection.ask(f"run.{stream.run}.mail.ada.bob", b"?")
    await stream.append(a_note(stream.run, "after"))
    async with await a_feed(stream) as feed:
        broken, after = await take(feed, 2)

    assert broken.body is None
    assert broken.problem is not None
    assert texts([after]) == ["after"]


async def test_take_ready_gives_what_has_come_without_waiting(stream: RunStream) -> None:
    async with await a_feed(stream) as feed:
        assert feed.take_ready() == []
        await stream.commit([a_note(stream.run, word) for word in "abc"])
        first = await take(feed, 1)
        ready: list[Record] = []
        await until(lambda: len(ready.__iadd__(feed.take_ready())) == 2, "two more are ready")

        assert texts(first + ready) == ["a", "b", "c"]
        assert feed.take_ready() == []


async def test_next_gives_nothing_when_its_time_is_up(stream: RunStream) -> None:
    async with await a_feed(stream) as feed:
        assert await feed.next(0.01) is None


async def test_cancelled_next_loses_nothing(stream: RunStream) -> None:
    async with await a_feed(stream) as feed:
        waiting = asyncio.create_task(feed.next())
        await asyncio.wait([waiting], timeout=0.01)
        await stream.append(a_note(stream.run))
        waiting.cancel()
        await asyncio.wait([waiting])
        given = [] if waiting.cancelled() else [waiting.result()]

        assert len(given) == 1 or texts(await take(feed, 1)) == ["hello"]


async def test_feed_may_be_started_and_stopped_twice(stream: RunStream) -> None:
    """And started again: it goes on."""
    feed = await a_feed(stream)
    await feed.stop()
    for word in ("a", "b"):
        await feed.start()
        await feed.start()
        await stream.append(a_note(stream.run, word))
        records = await take(feed, 1)
        await feed.ack([record.seq for record in records])
        assert texts(records) == [word]
        await feed.stop()
        await feed.stop()


async def test_feed_begins_where_it_was_told_to(stream: RunStream) -> None:
    await stream.commit([a_note(stream.run, word) for word in "abc"])
    filters = [mail_of(stream.run)]
    await create_feed(stream.connection, stream.run, NAME, filters, first_seq=3, lasting=False)

    async with Feed(stream.connection, stream.run, NAME) as feed:
        assert texts(await take(feed, 1)) == ["c"]


async def test_unacked_messages_come_again_to_the_next_reader_and_acked_ones_do_not(
    stream: RunStream,
) -> None:
    """What a process had fetched when it died; it is told apart by the ack alone."""
    await stream.commit([a_note(stream.run, word) for word in "abcd"])
    async with await a_feed(stream) as died:
        fetched = await take(died, 4)
        await died.ack([fetched[0].seq, fetched[2].seq])

    async with Feed(stream.connection, stream.run, NAME) as living:
        again = await take(living, 2, within_s=ACK_WAIT_S + WAIT_S)
        await living.ack([record.seq for record in again])
        await stream.append(a_note(stream.run, "e"))

        assert texts(again) == ["b", "d"]
        assert texts(await take(living, 1)) == ["e"]


async def test_long_unacked_message_stays_with_its_living_reader(stream: RunStream) -> None:
    """A turn may take minutes: while its process lives, nobody else gets its mail."""
    await stream.append(a_note(stream.run, "mine"))
    async with await a_feed(stream) as living:
        held = await take(living, 1)
        async with Feed(stream.connection, stream.run, NAME) as other:
            assert await other.next(ACK_WAIT_S * 1.3) is None
            assert await redelivered(stream) == 0
        await living.ack([held[0].seq])
        await stream.append(a_note(stream.run, "next"))

        assert texts(held + await take(living, 1)) == ["mine", "next"]


async def test_what_comes_again_to_its_reader_is_not_handed_out_again(
    access: Access, stream: RunStream
) -> None:
    """Whether it was acked, by an ack that came late, or is still in hand."""
    await stream.commit([a_note(stream.run, word) for word in ("acked", "held")])
    await create_feed(stream.connection, stream.run, NAME, [mail_of(stream.run)])
    address = urlsplit(access.url)
    async with Proxy(address.hostname or "", address.port or 0) as proxy:
        key = msgspec.structs.replace(access, url=proxy.url)
        async with (
            connect(key, name=NAME) as connection,
            Feed(connection, stream.run, NAME) as feed,
        ):
            records = await take(feed, 2)
            proxy.freeze()
            await feed.ack([1])
            async with asyncio.timeout(ACK_WAIT_S + WAIT_S):
                while await redelivered(stream) < 2:
                    continue
            proxy.heal()
            await stream.append(a_note(stream.run, "next"))

            assert texts(records + await take(feed, 1)) == ["acked", "held", "next"]
            assert (await position_when_acked(connection, stream.run, 1)).fetched_seq == 3


async def redelivered(stream: RunStream) -> int:
    """How many unacked messages the server has sent more than once."""
    answer = await stream.connection.call(f"CONSUMER.INFO.{stream.name}.{NAME}")
    return int(msgspec.json.decode(answer)["num_redelivered"])


async def test_widened_filters_let_more_through_from_then_on(stream: RunStream) -> None:
    """From behind the last message that was handed out: nothing older, nothing twice."""
    run = stream.run
    await stream.commit([a_note(run, "too early"), a_note(run, "a")])
    await stream.commit([a_note(run, "unseen", to="bob"), a_note(run, "b")])
    await create_feed(stream.connection, run, NAME, [mail_of(run)], first_seq=2)
    async with Feed(stream.connection, run, NAME) as feed:
        assert texts(await take(feed, 2)) == ["a", "b"]
        await stream.append(a_note(run, "c", to="bob"))

        await create_feed(stream.connection, run, NAME, [mail_of(run), mail_of(run, "bob")])
        await stream.commit([a_note(run, "d", to="bob"), a_note(run, "e")])

        assert texts(await take(feed, 3)) == ["c", "d", "e"]
        assert feed.take_ready() == []


async def test_narrowed_filters_keep_the_rest_out(stream: RunStream) -> None:
    run = stream.run
    both = [mail_of(run), mail_of(run, "bob")]
    async with await a_feed(stream, both) as feed:
        await stream.append(a_note(run, "a", to="bob"))
        assert texts(await take(feed, 1)) == ["a"]
        await create_feed(stream.connection, run, NAME, both[:1])
        await stream.commit([a_note(run, "b", to="bob"), a_note(run, "c")])

        assert texts(await take(feed, 1)) == ["c"]


async def test_position_says_what_was_fetched_acked_and_waits(stream: RunStream) -> None:
    run = stream.run
    assert await feed_position(stream.connection, run, NAME) is None
    feed = await a_feed(stream)
    await stream.commit([a_note(run, word) for word in "abc"])
    before = await feed_position(stream.connection, run, NAME)
    async with feed:
        records = await take(feed, 3)
        await feed.ack([record.seq for record in records[:2]])
        after = await position_when_acked(stream.connection, run, 2)

    assert before == FeedPosition(fetched_seq=0, acked_seq=0, waiting=3)
    assert after == FeedPosition(fetched_seq=3, acked_seq=2, waiting=0)


async def test_feed_without_a_consumer_asks_now_and_then_until_there_is_one(
    stream: RunStream,
) -> None:
    """The server refuses at once; asked again at once, it would do nothing else."""
    appends = 200
    before = sent_by(stream.connection)
    async with Feed(stream.connection, stream.run, NAME) as feed:
        for number in range(appends):
            await stream.append(a_note(stream.run, str(number)))
        await create_feed(stream.connection, stream.run, NAME, [mail_of(stream.run)])

        assert texts(await take(feed, 3)) == ["0", "1", "2"]

        assert sent_by(stream.connection) - before - appends < 50


async def test_cut_connection_is_pulled_on_after_it_heals(
    access: Access, stream: RunStream
) -> None:
    """What was in hand is not handed out again; what came meanwhile is."""
    feed_made = await a_feed(stream)
    address = urlsplit(access.url)
    async with Proxy(address.hostname or "", address.port or 0) as proxy:
        key = msgspec.structs.replace(access, url=proxy.url)
        async with (
            connect(key, name=NAME) as connection,
            Feed(connection, stream.run, NAME) as feed,
        ):
            await stream.append(a_note(stream.run, "before"))
            records = await take(feed, 1)
            proxy.cut()
            await until(lambda: not connection.is_connected, "the cut is noticed")
            await stream.append(a_note(stream.run, "meanwhile"))
            await feed.ack([records[0].seq])
            proxy.heal()
            records += await take(feed, 1)
            await stream.append(a_note(stream.run, "after"))
            records += await take(feed, 1)

            assert texts(records) == ["before", "meanwhile", "after"]
    await feed_made.stop()


@pytest.mark.slow
async def test_fetch_of_nats_py_sleeps_through_a_restart_of_the_server(tmp_path: Path) -> None:
    """It waits out its time although a message is there: its request died with the server."""
    server = start_server(tmp_path)
    key = Access(url=server.url, token=server.token)
    try:
        async with connect(key, name="test") as connection:
            stream = await create_run(connection, "r1")
            await a_feed(stream)
            client = await nats.connect(key.url, token=key.token, reconnect_time_wait=0.1)
            reader = await client.jetstream().pull_subscribe_bind(NAME, stream.name)
            fetching = asyncio.create_task(reader.fetch(1, timeout=FETCH_S))
            await until(lambda: client.stats["out_msgs"] > 0, "it has asked")
            await asyncio.to_thread(stop_server, tmp_path)
            await asyncio.to_thread(start_server, tmp_path)
            await stream.append(a_note("r1", "after"))
            await until(lambda: client.is_connected, "it is connected again")

            with pytest.raises(TimeoutError):
                await fetching

            assert [m.data for m in await reader.fetch(1, timeout=WAIT_S)]
            await client.close()
    finally:
        stop_server(tmp_path)


@pytest.mark.parametrize("word", ["acked", "held"])
async def test_feed_survives_a_restart_of_the_server(tmp_path: Path, word: str) -> None:
    """Same directory, same port: the feed goes on, and what it holds does not come twice."""
    server = start_server(tmp_path)
    try:
        key = Access(url=server.url, token=server.token)
        async with connect(key, name=NAME) as connection:
            stream = await create_run(connection, "r1")
            async with await a_feed(stream) as feed:
                await stream.append(a_note("r1", "before"))
                records = await take(feed, 1)
                if word == "acked":
                    await feed.ack([1])

                await asyncio.to_thread(stop_server, tmp_path)
                await asyncio.to_thread(start_server, tmp_path)
                await stream.append(a_note("r1", "after"))
                records += await take(feed, 1)

                assert texts(records) == ["before", "after"]
                assert connection.reconnects == 1
                await feed.ack([record.seq for record in records])
                position = await position_when_acked(connection, "r1", 2)
                assert position == FeedPosition(fetched_seq=2, acked_seq=2, waiting=0)
    finally:
        stop_server(tmp_path)


async def test_reader_that_ends_leaves_no_consumer(
    connection: Connection, stream: RunStream
) -> None:
    """Else each command that looks at a run would leave one for minutes."""
    everything = [subjects.everything(stream.run)]
    await create_feed(connection, stream.run, "watcher", everything, lasting=False)
    assert await feed_position(connection, stream.run, "watcher") is not None

    await delete_feed(connection, stream.run, "watcher")
    await delete_feed(connection, stream.run, "watcher")

    assert await feed_position(connection, stream.run, "watcher") is None


async def test_reader_that_slept_longer_than_its_consumer_lives_goes_on(
    connection: Connection, stream: RunStream
) -> None:
    """Nothing is missed and nothing comes twice: the consumer is made again where it was."""
    everything = [subjects.everything(stream.run)]
    await create_feed(connection, stream.run, "watcher", everything, lasting=False)
    async with Feed(connection, stream.run, "watcher", fleeting=everything) as feed:
        await stream.append(a_note(stream.run))
        first = await feed.next(5)
        await delete_feed(connection, stream.run, "watcher")

        await stream.append(a_note(stream.run))
        second = await feed.next(10)

    assert [one.seq for one in (first, second) if one is not None] == [1, 2]
