"""What need not last: heartbeats that are heard, text that can be followed."""

from __future__ import annotations

import asyncio
from urllib.parse import urlsplit

import msgspec
import pytest

from bus import subjects
from bus.access import Access
from bus.connection import Connection, connect
from bus.ids import new_run_id
from bus.live import Beat, Roll, Text, follow_text, heard_runs, send_beat, send_text
from bus.testing import Proxy
from tests.support.wire import WAIT_S, sent_by, until


async def test_beats_are_heard_by_run_and_member(connection: Connection) -> None:
    """The last one counts."""
    run, other = new_run_id(), new_run_id()
    async with Roll(connection, run) as roll:
        await send_beat(connection, other, "ada", Beat(pid=9))
        await send_beat(connection, run, "ada", Beat(pid=1))
        await send_beat(connection, run, "bob", Beat(pid=2, state="working", doing="t1", turn=3))
        await send_beat(connection, run, "ada", Beat(pid=1, state="waiting"))
        await until(lambda: roll.heard(run).get("bob") is not None, "bob is heard")
        await until(lambda: roll.live(run, WAIT_S)["ada"].state == "waiting", "ada's last beat")

        assert roll.live(run, WAIT_S) == {
            "ada": Beat(pid=1, state="waiting"),
            "bob": Beat(pid=2, state="working", doing="t1", turn=3),
        }
        assert roll.heard(other).get("ada") is None
        assert roll.live(other, WAIT_S) == {}


async def test_member_that_was_heard_too_long_ago_is_not_live(connection: Connection) -> None:
    run = new_run_id()
    async with Roll(connection, run) as roll:
        await send_beat(connection, run, "ada", Beat(pid=1))
        await until(lambda: roll.heard(run).get("ada") is not None, "ada is heard")

        assert roll.live(run, -1.0) == {}
        assert roll.live_runs(-1.0) == set()


async def test_roll_of_all_runs_says_which_are_live(connection: Connection) -> None:
    runs = {new_run_id(), new_run_id()}
    async with Roll(connection) as roll:
        for run in runs:
            await send_beat(connection, run, "ada", Beat(pid=1))

        await until(lambda: runs <= roll.live_runs(WAIT_S), "both runs are heard")


async def test_runs_with_a_live_member_are_found_by_listening(
    access: Access, connection: Connection
) -> None:
    run, silent = new_run_id(), new_run_id()

    async def beat() -> None:
        while True:
            await send_beat(connection, run, "ada", Beat(pid=1))
            await connection.call("INFO")  # one after the other, at the server's pace

    async with connect(access, name="listener") as listener:
        beating = asyncio.create_task(beat())
        heard = await heard_runs(listener)
        beating.cancel()
        await asyncio.wait([beating])

    assert run in heard
    assert silent not in heard


@pytest.mark.parametrize("data", [b"", b"?", b"\xff", b"{}", b'{"pid":"one"}', b"[1]"])
async def test_beat_that_cant_be_read_is_passed_over(connection: Connection, data: bytes) -> None:
    run = new_run_id()
    async with Roll(connection, run) as roll:
        await connection.publish(subjects.beat(run, "bob"), data)
        await send_beat(connection, run, "ada", Beat(pid=1))
        await until(lambda: roll.heard(run).get("ada") is not None, "ada is heard")

        assert list(roll.live(run, WAIT_S)) == ["ada"]


async def test_newer_beat_may_say_more(connection: Connection) -> None:
    run = new_run_id()
    async with Roll(connection, run) as roll:
        written = msgspec.json.encode({"pid": 1, "mood": "fine"})
        await connection.publish(subjects.beat(run, "ada"), written)
        await until(lambda: roll.heard(run).get("ada") is not None, "ada is heard")


async def test_streamed_text_is_followed_in_order_by_member(connection: Connection) -> None:
    run = new_run_id()
    heard: list[tuple[str, Text]] = []
    listening = await follow_text(connection, run, lambda name, text: heard.append((name, text)))

    await send_text(connection, new_run_id(), "ada", Text(text="elsewhere"))
    await connection.publish(subjects.live(run, "ada"), b"?")
    await send_text(connection, run, "ada", Text(text="Hel", turn=1))
    await send_text(connection, run, "bob", Text(text="…", turn=7))
    await send_text(connection, run, "ada", Text(text="lo", turn=1))
    await until(lambda: len(heard) == 3, "three pieces")
    await listening.unsubscribe()
    await send_text(connection, run, "ada", Text(text="unheard"))
    await connection.call("INFO")

    assert heard == [
        ("ada", Text(text="Hel", turn=1)),
        ("bob", Text(text="…", turn=7)),
        ("ada", Text(text="lo", turn=1)),
    ]


async def test_nothing_live_is_sent_late(access: Access) -> None:
    """A beat from before a cut, delivered after it, would lie."""
    address = urlsplit(access.url)
    async with Proxy(address.hostname or "", address.port or 0) as proxy:
        key = msgspec.structs.replace(access, url=proxy.url)
        async with connect(key, name="ada") as connection:
            proxy.cut()
            await until(lambda: not connection.is_connected, "the cut is noticed")
            before = sent_by(connection)

            await send_beat(connection, "r1", "ada", Beat(pid=1))
            await send_text(connection, "r1", "ada", Text(text="late"))

            assert sent_by(connection) == before


async def test_roll_may_be_started_and_stopped_twice_and_after_its_connection(
    access: Access,
) -> None:
    async with connect(access, name="test") as connection:
        roll = Roll(connection)
        await roll.stop()
        await roll.start()
        await roll.start()
        await roll.stop()
        await roll.stop()
        await roll.start()

    await roll.stop()
