"""A bus that is away, frozen or full is waited for, as long as there is patience, and no longer.

Promises: `bus.connection`, "Connection.retry"; docs/reliability.md, "When the bus fails".
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from urllib.parse import urlsplit

import msgspec
import pytest

from bus.access import Access
from bus.artifacts import create_artifacts, get_artifact, put_artifact
from bus.connection import Connection, connect
from bus.errors import BusUnavailableError, RefusedError, StorageFullError
from bus.run_stream import RunStream, create_run
from bus.server import start_server, stop_server
from bus.testing import Proxy
from tests.support.nats_server import a_nats_server
from tests.support.wire import WAIT_S, a_note, all_of, until

LONG_S = 60.0
SHORT_S = 0.4
PIECE = "x" * 50_000


# --- away ------------------------------------------------------------------------


async def test_writes_wait_for_a_server_that_was_stopped_and_go_on(tmp_path: Path) -> None:
    """One message and a batch, made while nobody is there; both say meanwhile that they wait."""
    server = start_server(tmp_path)
    try:
        key = Access(url=server.url, token=server.token)
        async with connect(key, name="r1/ada", patience_s=LONG_S) as connection:
            stream = await create_run(connection, "r1")
            await asyncio.to_thread(stop_server, tmp_path)
            one = asyncio.create_task(stream.append(a_note("r1", "one")))
            both = asyncio.create_task(stream.commit([a_note("r1", "a"), a_note("r1", "b")]))
            await until(lambda: "no connection" in connection.waits_for, "it says that it waits")
            await asyncio.to_thread(start_server, tmp_path)
            await asyncio.gather(one, both)

            assert await stream.last_seq() == 3
            assert connection.waits_for == ""
    finally:
        stop_server(tmp_path)


async def test_whoever_comes_while_the_server_is_down_waits_too(tmp_path: Path) -> None:
    """Same directory, same port, same token: a member that is started meanwhile finds it."""
    server = start_server(tmp_path)
    key = Access(url=server.url, token=server.token)
    await asyncio.to_thread(stop_server, tmp_path)
    try:
        coming = asyncio.create_task(_version_of(key, LONG_S))
        done, _ = await asyncio.wait([coming], timeout=1.0)
        assert not done
        await asyncio.to_thread(start_server, tmp_path)

        assert await coming == server.version
    finally:
        stop_server(tmp_path)


async def test_whoever_comes_while_the_bus_is_frozen_gets_in_when_it_thaws(access: Access) -> None:
    async with _a_proxy(access) as (proxy, key):
        proxy.freeze()
        coming = asyncio.create_task(_version_of(key, LONG_S))
        done, _ = await asyncio.wait([coming], timeout=1.0)
        assert not done
        proxy.heal()

        assert await coming


async def test_patience_ends_with_what_was_the_matter(access: Access, stream: RunStream) -> None:
    async with (
        _a_proxy(access) as (proxy, key),
        connect(key, name="r1/ada", patience_s=SHORT_S) as connection,
    ):
        proxy.cut()
        await until(lambda: not connection.is_connected, "the cut is noticed")

        with pytest.raises(BusUnavailableError, match="tries"):
            await RunStream(connection, stream.run).append(a_note(stream.run))


async def test_refusals_that_come_at_once_are_not_answered_at_once(connection: Connection) -> None:
    """A server in the middle of an election refuses in half a millisecond."""
    tries = 0

    async def refused_now() -> None:
        nonlocal tries
        tries += 1
        raise RefusedError(10164, "in process")

    with pytest.raises(BusUnavailableError, match="10164"):
        await connection.retry(refused_now, retry_s=1.0)

    assert 3 < tries < 20


async def test_final_refusal_is_not_repeated(connection: Connection) -> None:
    tries = 0

    async def refused() -> None:
        nonlocal tries
        tries += 1
        raise RefusedError(10077, "maximum messages per subject exceeded")

    with pytest.raises(RefusedError, match="per subject"):
        await connection.retry(refused)

    assert tries == 1


# --- full ------------------------------------------------------------------------


async def test_writes_wait_for_room_and_go_on_once_there_is_some(tmp_path: Path) -> None:
    """One message, a batch and an artifact on a full store; somebody deletes a stream then."""
    async with (
        a_nats_server(tmp_path, max_file_store="1MB") as access,
        connect(access, name="r1/ada", patience_s=LONG_S) as connection,
    ):
        stream = await create_run(connection, "r1")
        await create_artifacts(connection, "r1")
        await _fill(connection)
        writes = [
            asyncio.create_task(stream.append(a_note("r1", PIECE))),
            asyncio.create_task(stream.commit([a_note("r1", PIECE) for _ in range(3)])),
        ]
        keeps = asyncio.create_task(put_artifact(connection, "r1", PIECE.encode()))
        await until(lambda: "insufficient resources" in connection.waits_for, "it says so")
        assert connection.is_connected
        assert await stream.last_seq() == 0
        await connection.call("STREAM.DELETE.JUNK")

        assert sorted(await asyncio.gather(*writes)) in ([1, 4], [3, 4])
        assert await get_artifact(connection, "r1", await keeps) == PIECE.encode()
        assert len(await all_of(stream.read())) == 4


async def test_store_that_stays_full_is_named_with_what_to_do(tmp_path: Path) -> None:
    async with (
        a_nats_server(tmp_path, max_file_store="1MB") as access,
        connect(access, name="r1/ada", patience_s=SHORT_S) as connection,
    ):
        stream = await create_run(connection, "r1")
        await _fill(connection)

        with pytest.raises(StorageFullError, match="max_file_store") as error:
            await stream.commit([a_note("r1", PIECE) for _ in range(3)])

        assert "10023" in str(error.value)
        assert await stream.last_seq() == 0


async def _fill(connection: Connection) -> None:
    """Store junk until the server takes no more."""
    config = {"name": "JUNK", "subjects": ["junk"], "storage": "file"}
    await connection.call("STREAM.CREATE.JUNK", config)
    async with asyncio.timeout(WAIT_S):
        while b"10023" not in (await connection.ask("junk", bytes(40_000))).data:
            continue


@asynccontextmanager
async def _a_proxy(access: Access) -> AsyncIterator[tuple[Proxy, Access]]:
    """A proxy before the server, and the key to it."""
    address = urlsplit(access.url)
    async with Proxy(address.hostname or "", address.port or 0) as proxy:
        yield proxy, msgspec.structs.replace(access, url=proxy.url)


async def _version_of(access: Access, wait_s: float) -> str:
    async with connect(access, name="late", wait_s=wait_s) as connection:
        return connection.server_version
