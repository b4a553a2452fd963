"""One command's time with a run: supervise it until it ends or somebody stops it."""

from __future__ import annotations

import asyncio
import signal
from collections.abc import Callable
from contextlib import suppress
from typing import Literal

import msgspec

from bus.access import Access
from bus.connection import Connection
from bus.errors import BusUnavailableError, StorageFullError
from team.mcp_files import McpServer
from team.policy import Liveness
from team.runtime.supervisor import Supervisor


class SessionEnd(msgspec.Struct, frozen=True, kw_only=True):
    """How a session ended: with a result, before a person, without hope or bus, or stopped."""

    how: Literal["result", "waiting", "stalled", "interrupted", "no bus"]
    reason: str = ""


async def supervise(
    connection: Connection,
    run: str,
    *,
    access: Access,
    provider: str,
    restarts_max: int,
    liveness: Liveness,
    servers: tuple[McpServer, ...] = (),
    is_over: Callable[[], bool] = lambda: False,
) -> SessionEnd:
    """Keep a run's members going until it has a result; SIGINT and SIGTERM stop them cleanly.

    Args:
        connection: To the bus.
        run: The run.
        access: What its members get into the bus with.
        provider: Who answers model calls.
        restarts_max: How often a member is started again before it is lost.
        liveness: How long it is waited for what does not move.
        servers: The MCP servers that its members may start.
        is_over: Asked now and then whether to stop although there is no result.

    Returns:
        How it ended. After an interruption the run can be resumed from its stream.
    """
    supervisor = Supervisor(
        connection,
        run,
        access=access,
        provider=provider,
        restarts_max=restarts_max,
        liveness=liveness,
        servers=servers,
        is_over=is_over,
    )
    interrupted = False

    def on_signal() -> None:
        nonlocal interrupted
        interrupted = True
        supervisor.stop()

    loop = asyncio.get_running_loop()
    numbers = (signal.SIGINT, signal.SIGTERM)
    for number in numbers:
        loop.add_signal_handler(number, on_signal)
    try:
        await supervisor.run()
    except (BusUnavailableError, StorageFullError) as error:
        return SessionEnd(how="no bus", reason=str(error))
    finally:
        for number in numbers:
            with suppress(ValueError):
                loop.remove_signal_handler(number)
    if supervisor.no_bus is not None:
        return SessionEnd(how="no bus", reason=supervisor.no_bus)
    if interrupted:
        return SessionEnd(how="interrupted")
    if supervisor.lead_lost is not None:
        return SessionEnd(how="stalled", reason=supervisor.lead_lost)
    return SessionEnd(how="waiting" if supervisor.was_over else "result")
