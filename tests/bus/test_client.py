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

from bus._client import SteadyClient
from bus.access import Access
from bus.testing import Proxy
from tests.support.odd_servers import a_server
from tests.support.wire import WAIT_S, until

OnError = Callable[[Exception], Awaitable[None]]
DEAF_S = 0.3

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
        await client.start(access.url, on_error, token=access.token)
    else:
        client = await nats.connect(access.url, token=access.token, error_cb=on_error)
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
async def test_flush_that_timed_out_makes_deaf(access: Access, is_ours: bool) -> None:
    """Its answer comes late, finds that nobody waits, and ends the read loop."""
    address = urlsplit(access.url)
    async with Proxy(address.hostname or "", address.port or 0) as proxy:
        key = Access(url=proxy.url, token=access.token)
        async with a_client(key, is_ours=is_ours) as client:
            proxy.freeze()
            with pytest.raises(nats.errors.FlushTimeoutError):
                await client.flush(timeout=0.05)  # type: ignore[arg-type]
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
