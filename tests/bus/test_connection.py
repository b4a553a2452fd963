"""A connection: refused with a reason, or found again after whatever happened to it.

Promises: `bus.connection`.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from urllib.parse import urlsplit

import msgspec
import pytest
from nats.aio.msg import Msg

from bus import subjects
from bus.access import Access
from bus.connection import CONNECT_S, Connection, connect
from bus.errors import (
    AccessDeniedError,
    BusUnavailableError,
    JetStreamMissingError,
    RefusedError,
    ServerTooOldError,
)
from bus.run_stream import RunStream, open_run
from bus.server import start_server, stop_server
from bus.testing import Proxy
from tests.support.odd_servers import a_server
from tests.support.wire import WAIT_S, a_claim, a_note, all_of, sent_by, until

QUICK_S = 0.5
NOTICED_S = 10.0
"""A silent peer is noticed after three pings of two seconds."""


@asynccontextmanager
async def a_proxied(access: Access) -> AsyncIterator[tuple[Proxy, Connection]]:
    """A connection through a proxy that can be cut and frozen."""
    address = urlsplit(access.url)
    async with Proxy(address.hostname or "", address.port or 0) as proxy:
        key = msgspec.structs.replace(access, url=proxy.url)
        async with connect(key, name="proxied") as connection:
            yield proxy, connection


async def refused(access: Access, error: type[Exception], wait_s: float = CONNECT_S) -> Exception:
    """Connect in vain, within the time allowed and a little more; gives the error."""
    async with asyncio.timeout(wait_s + 2 * WAIT_S):
        with pytest.raises(error) as caught:
            async with connect(access, name="test", wait_s=wait_s):
                pass
    assert access.url in str(caught.value)
    return caught.value


# --- refused ---------------------------------------------------------------------


async def test_port_where_nobody_listens_is_named() -> None:
    async with a_server() as url:
        pass

    error = await refused(Access(url=url, token="secret"), BusUnavailableError)

    assert "secret" not in str(error)


async def test_one_server_of_a_list_is_enough(access: Access) -> None:
    """One is dead and one is silent; which is tried first is left to chance."""
    address = urlsplit(access.url)
    async with a_server() as dead:
        pass
    async with Proxy(address.hostname or "", address.port or 0) as silent:
        silent.freeze()
        key = msgspec.structs.replace(access, url=f"{dead},{silent.url},{access.url}")
        async with connect(key, name="test", wait_s=2 * CONNECT_S) as connection:
            await connection.check_jetstream()


async def test_every_server_of_a_list_is_named_when_none_answers() -> None:
    async with a_server() as one, a_server() as another:
        pass

    await refused(Access(url=f"{one},{another}"), BusUnavailableError, QUICK_S)


async def test_server_that_says_nothing_is_unavailable(access: Access) -> None:
    address = urlsplit(access.url)
    async with Proxy(address.hostname or "", address.port or 0) as proxy:
        proxy.freeze()

        await refused(Access(url=proxy.url), BusUnavailableError, QUICK_S)


@pytest.mark.parametrize("greeting", [b"HTTP/1.1 400 Bad Request\r\n\r\n", b"INFO {\r\n", b"\r\n"])
async def test_server_that_is_no_nats_is_unavailable(greeting: bytes) -> None:
    async with a_server(greeting=greeting) as url:
        await refused(Access(url=url), BusUnavailableError, QUICK_S)


async def test_server_that_pings_before_it_answers_is_not_taken_for_connected() -> None:
    """nats-py returns a client then that is neither connected nor trying."""
    async with a_server(pong=b"PING\r\n") as url:
        await refused(Access(url=url), BusUnavailableError, QUICK_S)


@pytest.mark.parametrize(
    "key", [{"token": "wrong"}, {}, {"user": "ada", "password": "wrong"}], ids=str
)
async def test_wrong_credentials_are_denied_and_not_repeated(
    access: Access, key: dict[str, str]
) -> None:
    """A server that was asked again would say no again, for as long as we may wait."""
    async with asyncio.timeout(WAIT_S):
        error = await refused(Access(url=access.url, **key), AccessDeniedError, wait_s=60.0)

    assert "wrong" not in str(error)


@pytest.mark.parametrize("version", ["2.10.5", "2.11.11", "1.4.1", "2.9.0-RC.1", None, "dev"])
async def test_server_without_atomic_batches_is_too_old(version: str | None) -> None:
    async with a_server(version) as url:
        error = await refused(Access(url=url), ServerTooOldError)

    assert (version or "unknown") in str(error)
    assert "2.12" in str(error)


@pytest.mark.parametrize("version", ["2.12.0", "2.12.0-preview.1", "2.100.0", "3.0.0"])
async def test_newer_server_is_welcome(version: str) -> None:
    async with a_server(version) as url, connect(Access(url=url), name="test") as connection:
        assert connection.server_version == version
        assert connection.is_connected


async def test_server_without_jetstream_is_found_out(tmp_path: Path) -> None:
    server = start_server(tmp_path, jetstream=False)
    try:
        key = Access(url=server.url, token=server.token)
        async with connect(key, name="test") as connection:
            with pytest.raises(JetStreamMissingError, match=server.url):
                await connection.check_jetstream()
    finally:
        stop_server(tmp_path)


async def test_server_with_jetstream_passes(connection: Connection) -> None:
    await connection.check_jetstream()


async def test_answer_of_jetstream_that_is_an_error_is_raised(connection: Connection) -> None:
    with pytest.raises(RefusedError, match="10059") as error:
        await connection.call("STREAM.INFO.NONE")

    assert error.value.code == 10059


async def test_request_that_nobody_answers_is_unavailable(connection: Connection) -> None:
    with pytest.raises(BusUnavailableError, match="responders"):
        await connection.ask("nobody.home")
    with pytest.raises(BusUnavailableError, match=r"responders.*after [2-9] tries") as error:
        await connection.retry(lambda: connection.ask("nobody.home"), retry_s=0.1)

    assert str(error.value).count("no NATS server answers") == 1


async def test_closed_connection_raises_our_errors_only(access: Access) -> None:
    async with connect(access, name="test") as connection:
        pass

    assert not connection.is_connected
    with pytest.raises(BusUnavailableError):
        await connection.publish("a", b"")
    with pytest.raises(BusUnavailableError):
        await connection.ask("a", b"")
    with pytest.raises(BusUnavailableError):
        await connection.subscribe("a", all)  # type: ignore[arg-type]


async def test_error_inside_does_not_leave_the_connection_open(access: Access) -> None:
    connection: Connection | None = None
    with pytest.raises(ZeroDivisionError):
        async with connect(access, name="test") as connection:
            raise ZeroDivisionError

    assert connection is not None
    assert not connection.is_connected


async def test_many_connections_come_and_go_at_once(access: Access) -> None:
    async def one() -> None:
        async with connect(access, name="test") as connection:
            await connection.call("INFO")

    await asyncio.gather(*(one() for _ in range(20)))


async def test_cancelled_request_ends_even_if_its_answer_has_just_come(
    connection: Connection,
) -> None:
    """On Python 3.11 `wait_for` returns the answer then, and the cancellation is lost."""

    async def silent(_: Msg) -> None:
        return

    await connection.subscribe("silent", silent)
    asking = asyncio.create_task(connection.ask("silent"))
    answers = connection._client
    await until(lambda: bool(getattr(answers, "_resp_map", None)), "the request is made")

    (answer,) = answers._resp_map.values()
    answer.set_result(Msg(answers))
    asking.cancel()
    await asyncio.wait([asking])

    assert asking.cancelled()


@pytest.mark.slow
async def test_cancelled_write_ends_even_if_the_buffers_are_full(access: Access) -> None:
    """Nats-py takes the cancellation for its own and goes on."""
    async with a_proxied(access) as (proxy, connection):
        proxy.freeze()
        flood = asyncio.create_task(flooding(connection, is_busy=True))
        full_bytes = connection._client._max_pending_size
        await until(
            lambda: connection._client.pending_data_size > full_bytes, "the buffers are full"
        )

        flood.cancel()
        await asyncio.wait([flood], timeout=WAIT_S / 5)

        assert connection.is_connected
        assert flood.cancelled()


# --- found again -----------------------------------------------------------------


async def test_write_made_during_a_cut_is_stored_once_after_it_heals(
    access: Access, stream: RunStream
) -> None:
    async with a_proxied(access) as (proxy, connection):
        cut_off = await open_run(connection, stream.run)
        proxy.cut()
        await until(lambda: not connection.is_connected, "the cut is noticed")
        before = sent_by(connection)
        writing = asyncio.create_task(cut_off.append(a_note(stream.run)))
        await until(lambda: sent_by(connection) > before, "the write is made")
        assert await stream.last_seq() == 0
        proxy.heal()

        assert await writing == 1

        assert connection.reconnects == 1
        assert await cut_off.append(a_note(stream.run, "next")) == 2


@pytest.mark.parametrize("size", [1, 3])
async def test_write_whose_acknowledgement_is_lost_is_stored_once(
    access: Access, stream: RunStream, size: int
) -> None:
    """It is stored and cut off before the answer comes: the retry is recognized."""
    entries = [a_claim(stream.run, f"t{number}") for number in range(size)]
    async with a_proxied(access) as (proxy, connection):
        cut_off = RunStream(connection, stream.run)
        proxy.delay_s = 0.3
        writing = asyncio.create_task(cut_off.commit(entries))
        async with asyncio.timeout(WAIT_S):
            while not await stream.last_seq():
                assert not writing.done()
        proxy.cut()
        proxy.delay_s = 0.0
        assert not writing.done()
        proxy.heal()

        assert await writing == size

    records = await all_of(stream.read())
    assert [record.id for record in records] == [entry.id for entry in entries]


async def test_write_given_up_during_a_cut_may_be_repeated_after_it(
    access: Access, stream: RunStream
) -> None:
    """Whether or not the buffered copy is sent as well."""
    entry = a_claim(stream.run, "t1")
    async with a_proxied(access) as (proxy, connection):
        cut_off = RunStream(connection, stream.run)
        proxy.cut()
        await until(lambda: not connection.is_connected, "the cut is noticed")
        with pytest.raises(BusUnavailableError):
            async with asyncio.timeout(WAIT_S):
                await cut_off.append(entry, retry_s=0.0)
        proxy.heal()

        assert await cut_off.append(entry) == 1
        assert await stream.last_seq() == 1


@pytest.mark.slow
@pytest.mark.parametrize("is_busy", [False, True], ids=["idle", "busy"])
async def test_black_hole_is_noticed_and_left_when_it_heals(
    access: Access, stream: RunStream, is_busy: bool
) -> None:
    """Nothing says that the peer is gone; unsent bytes must not hold us there for ever."""
    async with a_proxied(access) as (proxy, connection):
        writer = RunStream(connection, stream.run)
        assert await writer.append(a_note(stream.run, "before")) == 1
        proxy.freeze()
        flood = asyncio.create_task(flooding(connection, is_busy=is_busy))
        await until(lambda: not connection.is_connected, "the silence is noticed", NOTICED_S)
        flood.cancel()
        await asyncio.wait([flood])
        proxy.heal()

        assert await writer.append(a_note(stream.run, "after")) == 2
        assert connection.reconnects == 1


async def flooding(connection: Connection, *, is_busy: bool) -> None:
    """Send more than the buffers between us and the server can hold."""
    while is_busy:
        await connection.publish("flood", bytes(1_000_000))


async def test_connection_survives_a_restart_of_the_server(tmp_path: Path) -> None:
    """Writes made while it is down wait; what was stored is still there."""
    server = start_server(tmp_path)
    try:
        key = Access(url=server.url, token=server.token)
        async with connect(key, name="test") as connection:
            stream = RunStream(connection, "r1")
            await connection.call(
                f"STREAM.CREATE.{stream.name}",
                {
                    "name": stream.name,
                    "subjects": [subjects.everything("r1")],
                    "allow_direct": True,
                },
            )
            await stream.append(a_note("r1", "before"))
            await asyncio.to_thread(stop_server, tmp_path)
            writing = asyncio.create_task(stream.append(a_note("r1", "during")))
            await asyncio.to_thread(start_server, tmp_path)

            assert await writing == 2
            assert len(await all_of(stream.read())) == 2
    finally:
        stop_server(tmp_path)
