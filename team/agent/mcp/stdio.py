"""A transport of the `mcp` package to a program of one's own: leashed, scrubbed, bounded."""

from __future__ import annotations

import asyncio
import os
import shutil
import signal
import sys
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager, suppress
from pathlib import Path
from typing import TYPE_CHECKING, Final

from team.agent.mcp.words import hidden
from team.errors import McpError
from team.mcp_files import McpServer

if TYPE_CHECKING:
    from mcp.client._transport import TransportStreams

LEASH: Final = Path(__file__).with_name("leash.py")
INHERITED: Final = ("PATH", "HOME", "LANG", "LC_ALL", "TMPDIR", "TZ")
"""What a server's environment has of ours; no key, no address, nothing of the run."""
LINE_BYTES_MAX: Final = 8 * 1024 * 1024
"""The longest message that is taken from a server."""
LOG_BYTES_MAX: Final = 1024 * 1024
"""What is kept of what a server prints."""
CLOSED_S: Final = 1.0
"""How long a server may take to end once its input is closed, in seconds."""


def environment_of(server: McpServer, environ: Mapping[str, str]) -> dict[str, str]:
    """The whole environment of a server."""
    kept = {name: environ[name] for name in INHERITED if name in environ}
    return kept | server.env


@asynccontextmanager
async def stdio_transport(
    server: McpServer, log: Path | None, over: asyncio.Event
) -> AsyncIterator[TransportStreams]:
    """Start a server, and end it and all that it has started with the block.

    Args:
        server: What to start.
        log: Where what it prints on stderr goes; nowhere if it is absent.
        over: Set once nothing more comes from it.

    Raises:
        McpError: There is no such program, or it can't be started.
    """
    environment = environment_of(server, os.environ)
    if shutil.which(server.command, path=environment.get("PATH")) is None:
        raise McpError(server.name, f"there is no program {server.command!r}")
    try:
        process = await asyncio.create_subprocess_exec(
            *(
                sys.executable,
                "-I",
                "-S",
                str(LEASH),
                str(os.getpid()),
                server.command,
                *server.args,
            ),
            stdin=asyncio.subprocess.PIPE,
            stdout=asyncio.subprocess.PIPE,
            stderr=asyncio.subprocess.PIPE,
            env=environment,
            cwd=server.folder or None,
            start_new_session=True,
            limit=LINE_BYTES_MAX,
        )
    except (OSError, ValueError) as error:
        raise McpError(server.name, f"it can't be started: {error}") from error
    try:
        async with _streams(process, server, log, over) as streams:
            yield streams
    finally:
        await _end(process)


@asynccontextmanager
async def _streams(
    process: asyncio.subprocess.Process, server: McpServer, log: Path | None, over: asyncio.Event
) -> AsyncIterator[TransportStreams]:
    """The two streams of messages, copied line by line."""
    import anyio
    import mcp_types
    from mcp.shared.message import SessionMessage

    into, messages = anyio.create_memory_object_stream[SessionMessage | Exception](0)
    outgoing, out_of = anyio.create_memory_object_stream[SessionMessage](0)
    assert process.stdin is not None
    assert process.stdout is not None
    stdin, stdout = process.stdin, process.stdout

    async def read() -> None:
        async with into:
            while line := await stdout.readline():
                try:
                    message = mcp_types.jsonrpc_message_adapter.validate_json(line, by_name=False)
                except ValueError:
                    continue  # what is no message is nothing that was asked for
                await into.send(SessionMessage(message))

    async def write() -> None:
        async with out_of:
            async for sent in out_of:
                text = sent.message.model_dump_json(by_alias=True, exclude_unset=True)
                stdin.write(f"{text}\n".encode())
                await stdin.drain()

    async def until_over(copying: list[asyncio.Task[None]]) -> None:
        """Whichever way ends first, the session sees that the connection has."""
        await asyncio.wait(copying, return_when=asyncio.FIRST_COMPLETED)
        into.close()
        over.set()

    copying = [asyncio.create_task(read()), asyncio.create_task(write())]
    tasks = [
        *copying,
        asyncio.create_task(until_over(copying)),
        asyncio.create_task(_keep_log(process, server, log)),
    ]
    try:
        yield messages, outgoing
    finally:
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
        for stream in (into, messages, outgoing, out_of):
            stream.close()


async def _keep_log(
    process: asyncio.subprocess.Process, server: McpServer, log: Path | None
) -> None:
    """Keep the beginning of what a server prints, without its secrets; read on for ever."""
    assert process.stderr is not None
    left = LOG_BYTES_MAX
    while True:
        try:
            line = await process.stderr.readline()
        except ValueError:  # a line without an end
            continue
        if not line:
            return
        if log is None or left <= 0:
            continue
        data = hidden(line.decode(errors="replace"), server.secrets).encode()[:left]
        left -= len(data)
        with suppress(OSError):
            descriptor = os.open(log, os.O_APPEND | os.O_CREAT | os.O_WRONLY, 0o600)
            try:
                os.write(descriptor, data)
            finally:
                os.close(descriptor)


async def _end(process: asyncio.subprocess.Process) -> None:
    """Close its input, as the protocol has it; then end the group, and wait for that."""
    if process.stdin is not None:
        process.stdin.close()
    try:
        await _gone(process, CLOSED_S)
    finally:
        # Also if this very wait is cancelled: nobody may be left behind.
        with suppress(ProcessLookupError):
            os.killpg(process.pid, signal.SIGKILL)
        transport = getattr(process, "_transport", None)
        if transport is not None:
            transport.close()


async def _gone(process: asyncio.subprocess.Process, seconds: float) -> None:
    with suppress(TimeoutError):
        async with asyncio.timeout(seconds):
            await process.wait()
