"""Three nodes that keep every run together: what a node alone can't say, and what it can lose.

Promises: docs/reliability.md, "On a cluster".
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack
from itertools import pairwise
from pathlib import Path

import msgspec
import pytest
from nats.aio.msg import Msg

from bus import subjects
from bus.artifacts import create_artifacts, get_artifact, put_artifact
from bus.connection import MOVE_AFTER_S, Connection, connect
from bus.errors import BusUnavailableError, ConflictError, RefusedError, TooFewNodesError
from bus.feed import Feed, create_feed
from bus.live import BEAT_EVERY_S, Beat, Roll, send_beat
from bus.run_stream import RunStream, create_run, list_runs
from tests.support.cluster import NODES, Cluster, Node, a_cluster
from tests.support.wire import a_claim, a_note, all_of, until

ELECTED_S = 40.0
"""A new leader is elected within ten seconds; tests may run on a busy machine."""

RUN = "r1"


@pytest.fixture
async def cluster(tmp_path: Path) -> AsyncIterator[Cluster]:
    async with a_cluster(tmp_path) as started:
        yield started


@pytest.fixture
async def writers(cluster: Cluster) -> AsyncIterator[list[Connection]]:
    """A connection to each node, and to no other."""
    async with AsyncExitStack() as stack:
        yield [
            await stack.enter_async_context(connect(cluster.access_to(node), name=node.name))
            for node in cluster.nodes
        ]


# --- a healthy cluster -----------------------------------------------------------


async def test_run_has_a_copy_on_every_node(writers: list[Connection], cluster: Cluster) -> None:
    """The stream, what it refers to, and each consumer, whether or not it is to last."""
    stream = await create_run(writers[0], RUN, replicas=NODES)
    await create_artifacts(writers[0], RUN, replicas=NODES)
    await create_feed(writers[0], RUN, "ada", [subjects.everything(RUN)])
    await create_feed(writers[0], RUN, "watcher", [subjects.everything(RUN)], lasting=False)

    for api in (
        f"STREAM.INFO.{stream.name}",
        f"STREAM.INFO.{subjects.artifact_stream_name(RUN)}",
        f"CONSUMER.INFO.{stream.name}.ada",
        f"CONSUMER.INFO.{stream.name}.watcher",
    ):
        info = msgspec.json.decode(await writers[1].call(api))
        assert len(info["cluster"]["replicas"]) == NODES - 1, api
    assert [info.replicas for info in await list_runs(writers[2])] == [NODES]


async def test_what_is_stored_over_one_node_is_read_over_another_at_once(
    writers: list[Connection],
) -> None:
    """Each node answers reads from its own copy, which may lag behind."""
    await create_run(writers[0], RUN, replicas=NODES)
    await create_artifacts(writers[0], RUN, replicas=NODES)
    streams = [RunStream(writer, RUN) for writer in writers]

    for number in range(60):
        seq = await streams[number % NODES].append(a_note(RUN, str(number)))
        reader = streams[(number + 1) % NODES]
        assert await reader.last_seq() == seq
        head = await reader.head(subjects.pattern(RUN, "mail", "ada"))
        assert head is not None
        assert head.seq == seq
        assert len(await all_of(reader.read())) == seq
    data = bytes(range(256)) * 4_000
    ref = await put_artifact(writers[0], RUN, data)
    assert await get_artifact(writers[2], RUN, ref) == data


async def test_of_writers_on_all_nodes_one_wins_each_round(writers: list[Connection]) -> None:
    """Every writer of a key names the same filter; others would race on a cluster."""
    await create_run(writers[0], RUN, replicas=NODES)
    streams = [RunStream(writer, RUN) for writer in writers]
    key = subjects.pattern(RUN, "task", "t1")
    expected = 0
    for _ in range(30):
        claims = [a_claim(RUN, "t1", name, expect=expected) for name in ("ada", "bea", "cal")]
        acts = [s.commit([c, a_note(RUN)]) for s, c in zip(streams, claims, strict=True)]
        answers = await asyncio.gather(*acts, return_exceptions=True)

        (won,) = [answer for answer in answers if isinstance(answer, int)]
        assert sum(isinstance(answer, ConflictError) for answer in answers) == NODES - 1
        head = await streams[0].head(key)
        assert head is not None
        assert head.seq == won - 1
        expected = head.seq


# --- too few nodes ---------------------------------------------------------------


async def test_single_server_can_not_keep_copies(connection: Connection) -> None:
    with pytest.raises(TooFewNodesError, match="3 copies"):
        await create_run(connection, "copies", replicas=3)

    assert "copies" not in [info.run for info in await list_runs(connection)]


@pytest.mark.slow
async def test_more_copies_than_nodes_are_refused(writers: list[Connection]) -> None:
    with pytest.raises(TooFewNodesError, match="5 copies"):
        await create_run(writers[0], RUN, replicas=5)

    assert await list_runs(writers[0]) == []


# --- a node is lost --------------------------------------------------------------


@pytest.mark.slow
@pytest.mark.parametrize("how", ["killed", "frozen"])
async def test_member_goes_on_when_the_leader_is_lost(cluster: Cluster, how: str) -> None:
    """Its writes and what it is sent; its heartbeats do not even wait for a new leader."""
    async with AsyncExitStack() as stack:
        leader = await made_run(cluster)
        member_at, listener_at = cluster.others(leader)
        member = await stack.enter_async_context(cluster.connected_to(member_at, "ada"))
        listener = await stack.enter_async_context(cluster.connected_to(listener_at, "lead"))
        feed = await stack.enter_async_context(Feed(member, RUN, "ada"))
        heard = await heartbeats(stack, member, listener)

        lost_at = time.monotonic()
        leader.kill() if how == "killed" else leader.freeze()
        stream = RunStream(member, RUN)
        last = await stream.commit([a_note(RUN, "b"), a_note(RUN, "c")], retry_s=ELECTED_S)
        stored_at = time.monotonic()

        assert last == 3
        assert await received(feed, 3) == [1, 2, 3]
        during = [at for at in heard if lost_at < at < stored_at]
        assert during
        widest_s = max(b - a for a, b in pairwise([lost_at, *during, stored_at]))
        print(f"leader {how}: no heartbeat for {widest_s / BEAT_EVERY_S:.1f} of their intervals")


@pytest.mark.slow
@pytest.mark.parametrize("how", ["parted", "frozen"])
async def test_member_leaves_a_node_that_is_of_no_use(cluster: Cluster, how: str) -> None:
    """Cut off from the others, or frozen: it goes to another by itself, and hears all there."""
    async with AsyncExitStack() as stack:
        leader = await made_run(cluster)
        useless, stays = cluster.others(leader)
        member = await stack.enter_async_context(cluster.connected_to(useless, "ada"))
        other = await stack.enter_async_context(connect(cluster.access_to(stays), name="lead"))
        feed = await stack.enter_async_context(Feed(member, RUN, "ada"))
        roll = await stack.enter_async_context(Roll(member, RUN))
        assert await received(feed, 1) == [1]

        cluster.part(useless) if how == "parted" else useless.freeze()
        stream = RunStream(member, RUN)
        assert await stream.append(a_note(RUN, "b"), retry_s=ELECTED_S) == 2

        assert member.node != useless.name
        assert await received(feed, 1) == [2]
        await send_beat(other, RUN, "bea", Beat(pid=1))
        await until(lambda: "bea" in roll.heard(RUN), "another's heartbeat is heard")
        assert [record.seq async for record in stream.read()] == [1, 2]


@pytest.mark.slow
@pytest.mark.parametrize("how", ["parted", "frozen"])
async def test_member_that_only_waits_leaves_it_too(cluster: Cluster, how: str) -> None:
    """It asks for nothing, so its feed has to notice."""
    async with AsyncExitStack() as stack:
        leader = await made_run(cluster)
        useless, stays = cluster.others(leader)
        member = await stack.enter_async_context(cluster.connected_to(useless, "ada"))
        other = await stack.enter_async_context(connect(cluster.access_to(stays), name="lead"))
        feed = await stack.enter_async_context(Feed(member, RUN, "ada"))
        assert await received(feed, 1) == [1]

        cluster.part(useless) if how == "parted" else useless.freeze()
        await RunStream(other, RUN).append(a_note(RUN, "b"), retry_s=ELECTED_S)

        assert await received(feed, 1) == [2]
        assert member.node != useless.name


@pytest.mark.slow
async def test_nobody_moves_where_there_is_one_server(connection: Connection) -> None:
    with pytest.raises(BusUnavailableError):
        await connection.retry(lambda: connection.ask("nobody.home"), retry_s=1.2 * MOVE_AFTER_S)

    await connection.move()
    assert (connection.is_connected, connection.reconnects) == (True, 0)


@pytest.mark.slow
async def test_nobody_moves_because_of_a_refusal(cluster: Cluster) -> None:
    """The node is sound; what was asked of it is not."""
    async with connect(cluster.access, name="test") as connection:
        began = time.monotonic()
        while time.monotonic() - began < 1.2 * MOVE_AFTER_S:
            with pytest.raises(RefusedError):
                await connection.call("STREAM.INFO.NONE")

        assert connection.reconnects == 0


async def made_run(cluster: Cluster) -> Node:
    """Make a run with one letter for ada and her consumer; gives the node that leads it."""
    async with connect(cluster.access, name="maker") as maker:
        stream = await create_run(maker, RUN, replicas=NODES)
        await create_feed(maker, RUN, "ada", [subjects.pattern(RUN, "mail", "ada")])
        await stream.append(a_note(RUN, "a"))
        return await cluster.leader(maker, RUN)


async def received(feed: Feed, count: int) -> list[int]:
    """The sequences of the next messages."""
    async with asyncio.timeout(ELECTED_S):
        records = [await feed.next() for _ in range(count)]
    return [record.seq for record in records if record is not None]


async def heartbeats(
    stack: AsyncExitStack, member: Connection, listener: Connection
) -> list[float]:
    """Let a member send heartbeats; a list that grows by when each is heard elsewhere."""
    heard: list[float] = []

    async def take(_: Msg) -> None:
        heard.append(time.monotonic())

    async def send() -> None:
        while True:
            await send_beat(member, RUN, "ada", Beat(pid=1))
            await asyncio.sleep(BEAT_EVERY_S)

    await listener.subscribe(subjects.beat(RUN, "ada"), take)
    sending = asyncio.create_task(send())
    stack.callback(sending.cancel)
    await until(lambda: bool(heard), "a heartbeat is heard")
    return heard
