"""A real nats-server with settings of the test's own: a tiny store, a short patience."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

from bus.access import Access
from bus.connection import connect
from bus.server import find_binary
from tests.support.wire import WAIT_S


@asynccontextmanager
async def a_nats_server(
    folder: Path, *settings: str, max_file_store: str = "64MB"
) -> AsyncIterator[Access]:
    """Start a server in a folder, wait until it answers, kill it afterwards.

    Args:
        folder: For its store, its log and its ports file.
        settings: More lines of its configuration.
        max_file_store: What JetStream may keep.
    """
    config = folder / "nats.conf"
    config.write_text(
        "\n".join(
            [
                'listen: "127.0.0.1:-1"',
                f"ports_file_dir: {json.dumps(str(folder))}",
                f"log_file: {json.dumps(str(folder / 'nats.log'))}",
                f"jetstream {{ store_dir: {json.dumps(str(folder / 'js'))}, "
                f"max_file_store: {max_file_store} }}",
                *settings,
            ]
        )
    )
    process = await asyncio.create_subprocess_exec(find_binary(), "-c", config)
    try:
        access = Access(url=await _url(folder / f"{find_binary().name}_{process.pid}.ports"))
        async with connect(access, name="ready", wait_s=WAIT_S):
            pass
        yield access
    finally:
        process.kill()
        await process.wait()


async def _url(ports_file: Path) -> str:
    async with asyncio.timeout(WAIT_S):
        while not ports_file.exists() or not ports_file.stat().st_size:  # noqa: ASYNC110 - a file
            await asyncio.sleep(0.01)
    url: str = json.loads(ports_file.read_text())["nats"][0]
    return url
