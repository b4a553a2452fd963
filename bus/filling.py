"""Hold a run's name while its streams are filled: it is a run at the end, or not at all.

Until then the stream says in its metadata that it is not ready, and who fills it;
nobody lists or opens it. What a killed process has left is cleared by the next that
takes the name.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from typing import Any

import msgspec

from bus import subjects
from bus.artifacts import artifact_config
from bus.connection import Connection
from bus.errors import BusError, RunExistsError
from bus.ids import new_message_id
from bus.run_stream import UNREADY, run_config
from bus.stored import stream_info, update_stream
from bus.streams import delete_stream


class Filling(msgspec.Struct, frozen=True, kw_only=True):
    """How the two streams of a run are set up while they are filled."""

    run: dict[str, Any]
    artifacts: dict[str, Any]


@asynccontextmanager
async def filling(
    connection: Connection, run: str, label: str, replicas: int
) -> AsyncIterator[Filling]:
    """Take a run's name for the time of the block; the block makes both streams.

    Raises:
        RunExistsError: There is a run of that name.

    Cancelling, or an error in the block: what the block made is removed.
    """
    token = new_message_id()
    await _clear(connection, run)
    try:
        yield Filling(
            run=run_config(run, label, replicas, unready=token),
            artifacts=artifact_config(run, replicas),
        )
        await update_stream(connection, run_config(run, label, replicas))
    except BaseException:
        with suppress(BusError, TimeoutError):
            async with asyncio.timeout(5):
                await _remove_ours(connection, run, token)
        raise


async def _clear(connection: Connection, run: str) -> None:
    """Remove what an earlier attempt has left, if there is no run of that name."""
    info = await stream_info(connection, subjects.stream_name(run))
    if info is not None and UNREADY not in info.config.metadata:
        raise RunExistsError(run)
    await delete_stream(connection, subjects.artifact_stream_name(run))
    await delete_stream(connection, subjects.stream_name(run))


async def _remove_ours(connection: Connection, run: str, token: str) -> None:
    info = await stream_info(connection, subjects.stream_name(run))
    if info is None or info.config.metadata.get(UNREADY) == token:
        await delete_stream(connection, subjects.artifact_stream_name(run))
        await delete_stream(connection, subjects.stream_name(run))
