"""The proxy for tests: it cuts, freezes, heals and delays."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import pytest

from bus.testing import Proxy

WAIT_S = 5.0


@asynccontextmanager
async def an_echo() -> AsyncIterator[tuple[int, asyncio.Queue[bytes]]]:
    """Serve an echo on the loopback; give its port and what reached it."""
    seen: asyncio.Queue[bytes] = asyncio.Queue()

    async def echo(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            while line := await reader.readline():
                seen.put_nowait(line)
                writer.write(line)
        except ConnectionError:
            pass
        finally:
            writer.close()

    server = await asyncio.start_server(echo, "127.0.0.1", 0)
    async with server:
        yield server.sockets[0].getsockname()[1], seen


@asynccontextmanager
async def a_client(
    proxy: Proxy,
) -> AsyncIterator[tuple[asyncio.StreamReader, asyncio.StreamWriter]]:
    """Connect through the proxy."""
    reader, writer = await asyncio.open_connection("127.0.0.1", proxy.port)
    try:
        async with asyncio.timeout(WAIT_S):
            yield reader, writer
    finally:
        writer.transport.abort()


async def end_of(reader: asyncio.StreamReader) -> bytes:
    """Read until the connection ends, in whatever way."""
    try:
        return await reader.read()
    except ConnectionError:
        return b""


async def test_open_proxy_forwards_both_ways() -> None:
    """What goes in comes back."""
    async with an_echo() as (port, _), Proxy("127.0.0.1", port) as proxy:
        async with a_client(proxy) as (reader, writer):
            writer.write(b"hello\n")

            assert await reader.readline() == b"hello\n"
        assert proxy.url == f"nats://127.0.0.1:{proxy.port}"


async def test_cut_ends_old_and_new_connections_until_healed() -> None:
    """The port stays the same, so that a member finds it again."""
    async with an_echo() as (port, _), Proxy("127.0.0.1", port) as proxy:
        async with a_client(proxy) as (reader, writer):
            writer.write(b"before\n")
            await reader.readline()
            proxy.cut()
            assert await end_of(reader) == b""
        async with a_client(proxy) as (reader, _writer):
            assert await end_of(reader) == b""
        proxy.heal()
        async with a_client(proxy) as (reader, writer):
            writer.write(b"after\n")
            assert await reader.readline() == b"after\n"


async def test_frozen_proxy_holds_bytes_back_until_healed() -> None:
    """A black hole accepts and keeps connections; what it held arrives late."""
    async with an_echo() as (port, seen), Proxy("127.0.0.1", port) as proxy:  # noqa: SIM117
        async with a_client(proxy) as (old_reader, old_writer):
            old_writer.write(b"before\n")
            await old_reader.readline()
            proxy.freeze()
            async with a_client(proxy) as (new_reader, new_writer):
                old_writer.write(b"old\n")
                new_writer.write(b"new\n")
                with pytest.raises(TimeoutError):
                    await asyncio.wait_for(new_reader.readline(), 0.05)
                assert seen.get_nowait() == b"before\n"
                assert seen.empty()
                proxy.heal()

                assert await new_reader.readline() == b"new\n"
                assert await old_reader.readline() == b"old\n"


async def test_frozen_proxy_can_be_cut_and_closed() -> None:
    """Nothing waits for ever on a black hole."""
    async with an_echo() as (port, _), Proxy("127.0.0.1", port) as proxy:
        proxy.freeze()
        async with a_client(proxy) as (reader, _writer):
            proxy.cut()
            assert await end_of(reader) == b""
        proxy.freeze()
        _reader, left_open = await asyncio.open_connection("127.0.0.1", proxy.port)
    left_open.close()


async def test_delay_holds_an_answer_back_in_both_directions() -> None:
    """The answer can't be there before the wait, however fast the machine is."""
    async with an_echo() as (port, seen), Proxy("127.0.0.1", port) as proxy:
        proxy.delay_s = WAIT_S * 100
        async with a_client(proxy) as (reader, writer):
            writer.write(b"slow\n")
            with pytest.raises(TimeoutError):
                await asyncio.wait_for(reader.readline(), 0.05)
            assert seen.empty()
        proxy.delay_s = 0.01
        async with a_client(proxy) as (reader, writer):
            writer.write(b"soon\n")
            assert await reader.readline() == b"soon\n"


async def test_unreachable_target_ends_the_connection() -> None:
    """A dead server behind the proxy looks like one without it."""
    async with an_echo() as (port, _):
        pass
    async with Proxy("127.0.0.1", port) as proxy, a_client(proxy) as (reader, _writer):
        assert await end_of(reader) == b""
