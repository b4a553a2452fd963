"""Messages that come twice, out of turn or late: writes and feeds are none the worse.

Promises: `bus.testing`, `bus.run_stream`, `bus.feed`.
"""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from urllib.parse import urlsplit

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from bus import subjects
from bus.access import Access
from bus.connection import Connection, connect
from bus.feed import ACK_WAIT_S, Feed, create_feed
from bus.run_stream import RunStream
from bus.testing import Proxy
from bus.testing_frames import Fate, Faults, Frame, Framer, by_script, by_seed
from tests.support.wire import WAIT_S, a_claim, a_note, all_of

NAME = "ada"
FATES: tuple[Fate, ...] = ("double", "swap", "delay")
TRAFFIC = (
    b'CONNECT {"verbose":false}\r\nPING\r\n',
    b"PUB run.r.mail.ada.lead _INBOX.1 5\r\nPUB\r\n\r\n",
    b"HPUB a.b 14 16\r\nNATS/1.0\r\n\r\n\r\nhi\r\n",
    b"+OK\r\n",
    b"MSG run.r.task.t1.ada 7 0\r\n\r\n",
)


@asynccontextmanager
async def a_bad_way(access: Access, faults: Faults) -> AsyncIterator[tuple[Proxy, Connection]]:
    """A connection whose messages meet these faults, once it is made."""
    address = urlsplit(access.url)
    async with Proxy(address.hostname or "", address.port or 0, frames=True) as proxy:
        key = msgspec.structs.replace(access, url=proxy.url)
        async with connect(key, name="r/ada") as connection:
            proxy.faults = faults
            yield proxy, connection


@given(st.lists(st.integers(1, 12)))
def test_frames_are_the_bytes_wherever_these_are_cut(sizes: list[int]) -> None:
    """Nothing is added, lost or joined, and a payload that looks like a line is none."""
    whole, at = b"".join(TRAFFIC), 0
    framer, frames = Framer(to_server=True), list[Frame]()
    for size in (*sizes, len(whole)):
        frames += framer.feed(whole[at : at + size])
        at += size

    assert b"".join(frame.data for frame in frames) == whole
    assert [f.subject for f in frames if f.is_message] == [
        "run.r.mail.ada.lead",
        "a.b",
        "run.r.task.t1.ada",
    ]


@pytest.mark.parametrize("fate", FATES)
@pytest.mark.parametrize("number", [1, 2, 3])
async def test_batch_with_a_fault_on_its_way_is_stored_once_and_whole(
    access: Access, stream: RunStream, fate: Fate, number: int
) -> None:
    entries = [a_claim(stream.run, f"t{n}") for n in range(3)]
    faults = by_script({number: fate}, subject=f"run.{stream.run}.")
    async with a_bad_way(access, faults) as (proxy, connection):
        assert await RunStream(connection, stream.run).commit(entries) == 3
        assert [done for done, _ in proxy.done] == [fate]

    assert [record.id for record in await all_of(stream.read())] == [one.id for one in entries]


@pytest.mark.parametrize("fate", FATES)
async def test_acknowledgement_with_a_fault_on_its_way_is_the_same(
    access: Access, stream: RunStream, fate: Fate
) -> None:
    faults = by_script({1: fate}, subject="_INBOX.", to_server=False)
    async with a_bad_way(access, faults) as (proxy, connection):
        writer = RunStream(connection, stream.run)
        assert [await writer.append(a_claim(stream.run, f"t{n}")) for n in range(3)] == [1, 2, 3]
        assert [done for done, _ in proxy.done] == [fate]

    assert await stream.last_seq() == 3


@pytest.mark.parametrize("fate", FATES)
async def test_read_with_a_fault_on_its_way_gives_what_is_stored(
    access: Access, stream: RunStream, fate: Fate
) -> None:
    """In order, nothing twice and nothing left out, even if the end mark comes too soon."""
    await stream.commit([a_note(stream.run, str(n)) for n in range(5)])
    for number in (1, 5, 6):
        faults = by_script({number: fate}, subject="_INBOX.", to_server=False)
        async with a_bad_way(access, faults) as (proxy, connection):
            records = await all_of(RunStream(connection, stream.run).read())
            assert [done for done, _ in proxy.done] == [fate]

        assert [record.seq for record in records] == [1, 2, 3, 4, 5]


@pytest.mark.parametrize("seed", [1, 2])
async def test_writes_and_feed_survive_faults_by_chance_in_both_directions(
    access: Access, stream: RunStream, seed: int
) -> None:
    """A third of all messages meets one; every mail is stored once and handed out once."""
    await create_feed(
        stream.connection, stream.run, NAME, [subjects.pattern(stream.run, "mail", NAME)]
    )
    faults = by_seed(seed, double=0.12, swap=0.12, delay=0.06)
    sent: list[str] = []
    async with a_bad_way(access, faults) as (proxy, connection):
        writer = RunStream(connection, stream.run)
        async with Feed(connection, stream.run, NAME) as feed:
            for number in range(12):
                entries = [a_note(stream.run, f"{number}.{n}") for n in range(1 + number % 3)]
                await writer.commit(entries)
                sent += [entry.id for entry in entries]
            got = [await feed.next(ACK_WAIT_S + WAIT_S) for _ in sent]
            await feed.ack([one.seq for one in got if one is not None])
            more = await feed.next(0.3)
            met = {fate for fate, _ in proxy.done}

    assert met == set(FATES), f"seed {seed}"
    assert more is None, f"seed {seed}"
    assert sorted(one.id for one in got if one is not None) == sorted(sent), f"seed {seed}"
    assert [record.id for record in await all_of(stream.read())] == sent, f"seed {seed}"
