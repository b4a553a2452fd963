"""The faults of nats-py that we mend: each is shown on its client, and gone on ours.

A test that fails on the plain client says that the fault is fixed: drop the mend.
Promises: `bus._client`.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from urllib.parse import urlsplit

import nats
import nats.errors
import pytest
from nats.aio.client import Client
from nats.aio.msg import Msg

from bus import subjects
from bus._client import SteadyClient
from bus.access import Access
from bus.connection import connect
from bus.errors import BusUnavailableError
from bus.feed import Feed, create_feed
from bus.run_stream import RunStream
from bus.testing import Proxy
from tests.support.odd_servers import a_server
from tests.support.wire import WAIT_S, a_note, until

OnError = Callable[[Exception], Awaitable[None]]
DEAF_S = 0.3
NOTICED_S = 10.0

both = pytest.mark.parametrize("is_ours", [False, True], ids=["nats-py", "ours"])


async def say_nothing(error: Exception) -> None:
    """Hear of an error and leave it at that."""


@asynccontextmanager
async def a_client(
    access: Access, *, is_ours: bool, on_error: OnError = say_nothing
) -> AsyncIterator[Client]:
    """Nats-py's client as it comes, or ours."""
    client: Client
    if is_ours:
        client = SteadyClient()
        await client.start(access.url, on_error, token=access.token, reconnect_time_wait=0.1)
    else:
        client = await nats.connect(
            access.url, token=access.token, error_cb=on_error, reconnect_time_wait=0.1
        )
    try:
        yield client
    finally:
        await (client.stop() if isinstance(client, SteadyClient) else client.close())


async def hears(client: Client) -> bool:
    """Whether an answer of the server reaches the client."""
    try:
        await client.rtt(timeout=DEAF_S)  # type: ignore[arg-type]
    except nats.errors.TimeoutError:
        return False
    return True


@both
async def test_error_callback_that_raises_makes_deaf(access: Access, is_ours: bool) -> None:
    """Here for a slow reader: three messages for a queue that holds one."""
    raised: list[Exception] = []

    async def raising(error: Exception) -> None:
        raised.append(error)
        raise error

    async def stuck(_: Msg) -> None:
        await asyncio.Event().wait()

    async with a_client(access, is_ours=is_ours, on_error=raising) as client:
        await client.subscribe("slow", cb=stuck, pending_msgs_limit=1)
        for _ in range(3):
            await client.publish("slow")
        await until(lambda: bool(raised), "the reader is found slow")

        assert client.is_connected
        assert await hears(client) == is_ours


@both
@pytest.mark.parametrize("how", ["timed out", "cancelled"])
async def test_flush_that_was_given_up_makes_deaf(access: Access, is_ours: bool, how: str) -> None:
    """Its answer comes late, finds that nobody waits, and ends the read loop."""
    address = urlsplit(access.url)
    async with Proxy(address.hostname or "", address.port or 0) as proxy:
        key = Access(url=proxy.url, token=access.token)
        async with a_client(key, is_ours=is_ours) as client:
            proxy.freeze()
            if how == "timed out":
                with pytest.raises(nats.errors.FlushTimeoutError):
                    await client.flush(timeout=0.05)  # type: ignore[arg-type]
            else:
                flushing = asyncio.create_task(client.flush())
                await until(lambda: bool(client._pongs), "an answer is awaited")
                flushing.cancel()
                await asyncio.wait([flushing])
            proxy.heal()

            assert client.is_connected
            assert await hears(client) == is_ours


@both
async def test_headers_over_the_limit_close_for_good(access: Access, is_ours: bool) -> None:
    """The server counts them, nats-py does not."""
    async with a_client(access, is_ours=is_ours) as client:
        payload = bytes(client.max_payload)
        if is_ours:
            with pytest.raises(nats.errors.MaxPayloadError):
                await client.publish("large", payload, headers={"A": "b"})
            assert await hears(client)
        else:
            await client.publish("large", payload, headers={"A": "b"})
            await until(lambda: client.is_closed, "the server has closed it")


@pytest.mark.parametrize("value", ["b", "é" * 20, ""])
async def test_largest_message_with_headers_passes(access: Access, value: str) -> None:
    """Headers are counted as the server counts them: not a byte too many."""
    async with a_client(access, is_ours=True) as client:
        headers = {"Name": value, "Other": "x"}
        size = len(f"NATS/1.0\r\nName: {value}\r\nOther: x\r\n\r\n".encode())
        got: asyncio.Queue[Msg] = asyncio.Queue()
        await client.subscribe("large", cb=got.put)

        await client.publish("large", bytes(client.max_payload - size), headers=headers)

        async with asyncio.timeout(WAIT_S):
            assert len((await got.get()).data) == client.max_payload - size
        with pytest.raises(nats.errors.MaxPayloadError):
            await client.publish("large", bytes(client.max_payload - size + 1), headers=headers)


async def test_half_done_handshake_returns_a_client_that_is_not_connected() -> None:
    async with a_server(pong=b"PING\r\n") as url:
        plain = await nats.connect(url, error_cb=say_nothing)
        assert not plain.is_connected
        await plain.close()

        with pytest.raises(nats.errors.ConnectionClosedError):
            await SteadyClient().start(url, say_nothing)


@both
async def test_what_a_server_says_before_it_hangs_up_closes_for_good(is_ours: bool) -> None:
    """A login that has run out, a limit passed: there may be a server that takes us back."""
    async with a_server(goodbye=b"-ERR 'User Authentication Expired'\r\n") as url:  # noqa: SIM117
        async with a_client(Access(url=url), is_ours=is_ours) as client:
            await client.publish("a")
            await until(lambda: not client.is_connected, "it has hung up")

            if is_ours:
                await until(lambda: client.is_connected, "it is found again")
                assert isinstance(client, SteadyClient)
                assert client.last_problem == "user authentication expired"
            else:
                assert client.is_closed


@both
async def test_answer_that_nobody_foresaw_ends_the_search_for_a_server(is_ours: bool) -> None:
    """Here a line without an end; nats-py says that it reconnects, and does nothing."""
    garbage = b"INFO " + bytes(100_000)
    async with a_server(second=garbage, goodbye=b"") as url:  # noqa: SIM117
        async with a_client(Access(url=url), is_ours=is_ours) as client:
            await client.publish("a")
            await until(
                lambda: client._reconnection_task is not None and client._reconnection_task.done(),
                "the search has ended",
            )

            if is_ours:
                await until(lambda: client.is_connected, "the search is begun again")
            else:
                assert client.is_connecting
                assert isinstance(client._reconnection_task.exception(), ValueError)


async def test_headers_of_the_caller_are_written_to(access: Access) -> None:
    """Nats-py adds to the dict that it was given; the next write with it says more than meant."""
    given = {"Name": "a"}
    client = await nats.connect(access.url, token=access.token)
    try:
        with pytest.raises(nats.errors.Error):
            await client.jetstream().publish("nobody.home", headers=given, stream="NONE")
    finally:
        await client.close()
    assert given != {"Name": "a"}

    given = {"Name": "a"}
    async with connect(access, name="test") as connection:
        await connection.publish("nobody.home", b"", headers=given)
        with pytest.raises(BusUnavailableError):
            await connection.ask("nobody.home", headers=given)
    assert given == {"Name": "a"}


@both
async def test_drain_waits_for_what_nobody_reads(stream: RunStream, is_ours: bool) -> None:
    """For all its time, 30 s as it comes; ours closes, and what was not acked comes again."""
    access, filters = stream.connection.access, [subjects.everything(stream.run)]
    await create_feed(stream.connection, stream.run, "ada", filters)
    await stream.append(a_note(stream.run))
    if is_ours:
        async with asyncio.timeout(WAIT_S), connect(access, name="test") as connection:
            feed = Feed(connection, stream.run, "ada")
            await feed.start()
            await until(lambda: bool(feed._ack_of), "a message is here, and unread")
        await feed.stop()
        return
    client = await nats.connect(
        access.url, token=access.token, drain_timeout=1, error_cb=say_nothing
    )
    reader = await client.jetstream().pull_subscribe_bind("ada", stream.name)
    await client.publish(f"$JS.API.CONSUMER.MSG.NEXT.{stream.name}.ada", b"", reply=reader._deliver)
    await until(lambda: reader._sub.pending_msgs > 0, "a message is here, and unread")
    draining = asyncio.create_task(client.drain())
    done, _ = await asyncio.wait([draining], timeout=DEAF_S)
    assert not done
    await draining


@both
@pytest.mark.slow
async def test_silent_peer_with_bytes_unsent_holds_the_client_for_ever(
    access: Access, is_ours: bool
) -> None:
    """The way there is a black hole and another one is open: nats-py waits to close the first."""
    address = urlsplit(access.url)
    async with Proxy(address.hostname or "", address.port or 0) as proxy:
        client: Client = SteadyClient() if is_ours else Client()
        options = {"token": access.token, "dont_randomize": True, "reconnect_time_wait": 0.1}
        servers: list[str] = [proxy.url, access.url]
        if isinstance(client, SteadyClient):
            await client.start(",".join(servers), say_nothing, **options)  # type: ignore[arg-type]
        else:
            options |= {"ping_interval": 1, "max_outstanding_pings": 1}
            await client.connect(servers, error_cb=say_nothing, **options)  # type: ignore[arg-type]
        proxy.freeze()
        flood = asyncio.create_task(flooding(client))
        await until(lambda: not client.is_connected, "the silence is noticed", NOTICED_S)
        flood.cancel()
        await asyncio.wait([flood])

        if is_ours:
            await until(lambda: client.is_connected, "it is connected the other way")
        else:
            with pytest.raises(AssertionError, match="the other way"):
                await until(lambda: client.is_connected, "it is connected the other way")
        proxy.cut()
        await until(lambda: client.is_connected, "the black hole is gone")
        await (client.stop() if isinstance(client, SteadyClient) else client.close())


async def test_stop_may_be_called_twice_and_before_start(access: Access) -> None:
    client = SteadyClient()
    await client.stop()
    client = SteadyClient()
    await client.start(access.url, say_nothing, token=access.token)
    await client.stop()
    await client.stop()

    assert client.is_closed


@pytest.mark.slow
async def test_stop_leaves_nothing_behind_even_if_the_peer_is_silent(access: Access) -> None:
    """With more unsent bytes than any buffer holds: they are dropped."""

    async def hear(_: Msg) -> None:
        return

    address = urlsplit(access.url)
    async with Proxy(address.hostname or "", address.port or 0) as proxy:
        client = SteadyClient()
        await client.start(proxy.url, say_nothing, token=access.token)
        kept = await client.subscribe("a", cb=hear)
        proxy.freeze()
        flood = asyncio.create_task(flooding(client))
        await until(lambda: client.pending_data_size > client._max_pending_size, "full buffers")
        flood.cancel()
        await asyncio.wait([flood])

        await client.stop()

    assert client.is_closed
    assert kept.subject == "a"  # collected, it would take its task along
    assert asyncio.all_tasks() == {asyncio.current_task()}


async def flooding(client: Client) -> None:
    """Send more than the buffers between us and the server can hold."""
    while True:
        await client.publish("flood", bytes(1_000_000))
