"""Turn a seat into a running process: forked from one preloaded server.

A forkserver imports the SDK once; each member is forked from it, shares its memory
and has a process, a connection and a context of its own.
"""

from __future__ import annotations

import asyncio
import multiprocessing
import os
import signal
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from multiprocessing import forkserver
from multiprocessing.context import ForkServerProcess
from typing import Final

from team.members.seat import SeatKey

TEMPORARY_BYTES_MAX: Final = 60
UNSEEN: Final = 255
"""The exit code of a process whose end nobody saw: the forkserver that forked it has died."""
STARTS_MAX: Final = 5
START_PAUSE_S: Final = 0.2
PRELOAD: Final = "team.runtime.preload"
MCP_PRELOAD: Final = "team.agent.mcp.preload"

_preloaded = [PRELOAD]


def warm_up(*, with_mcp: bool = False) -> None:
    """Start the forkserver; it imports in the background while the caller goes on.

    Args:
        with_mcp: Whether members will have MCP servers.
    """
    if with_mcp and MCP_PRELOAD not in _preloaded:
        _preloaded.append(MCP_PRELOAD)
    multiprocessing.set_forkserver_preload(list(_preloaded))
    # Ctrl-C is for the command alone; what is ignored here stays ignored in the forkserver.
    before = signal.signal(signal.SIGINT, signal.SIG_IGN)
    try:
        with _short_temporary_folder():
            forkserver.ensure_running()
    finally:
        signal.signal(signal.SIGINT, before)


@contextmanager
def _short_temporary_folder() -> Iterator[None]:
    """The forkserver's socket is made in TMPDIR, and a socket's path may have 108 bytes."""
    before = tempfile.tempdir
    if len(os.fsencode(tempfile.gettempdir())) > TEMPORARY_BYTES_MAX:
        tempfile.tempdir = "/tmp"  # noqa: S108 - the folder made in it is ours alone
    try:
        yield
    finally:
        tempfile.tempdir = before


class Launched:
    """A member's process as its launcher sees it."""

    def __init__(self, key: SeatKey, process: ForkServerProcess) -> None:
        self.key = key
        self.started_at = time.monotonic()
        self._process = process
        self._exited: asyncio.Future[int] = asyncio.get_running_loop().create_future()
        asyncio.get_running_loop().add_reader(process.sentinel, self._on_exit)

    @property
    def pid(self) -> int:
        """Its process id."""
        return self._process.pid or 0

    async def exited(self) -> int:
        """Wait for its exit code; negative is the signal that ended it."""
        return await asyncio.shield(self._exited)

    @property
    def is_running(self) -> bool:
        """Whether it has not ended."""
        return not self._exited.done()

    def signal(self, number: signal.Signals) -> None:
        """Send it a signal; harmless if it has ended."""
        if self.is_running:
            with suppress(ProcessLookupError):
                os.kill(self.pid, number)

    def _on_exit(self) -> None:
        asyncio.get_running_loop().remove_reader(self._process.sentinel)
        self._process.join()
        code = self._process.exitcode
        if code == UNSEEN:
            # It may live on, and would be a twin of the one that is started next.
            with suppress(ProcessLookupError):
                os.kill(self.pid, signal.SIGKILL)
            warm_up()
        if not self._exited.done():
            self._exited.set_result(1 if code is None else code)


async def launch(key: SeatKey) -> Launched:
    """Start a member's process and return once it has been forked."""
    context = multiprocessing.get_context("forkserver")
    # A daemon, so that one forked in the very moment of a Ctrl-C is ended at exit, not waited for.
    process = context.Process(
        target=_run_member, args=(key,), name=f"{key.run}/{key.name}", daemon=True
    )
    for tries_left in reversed(range(STARTS_MAX)):
        try:
            await asyncio.to_thread(process.start)
            break
        except (EOFError, OSError):
            # The forkserver died while it was asked; for a moment it still passes for alive.
            if not tries_left:
                raise
            await asyncio.sleep(START_PAUSE_S)
            warm_up()
    return Launched(key, process)


def _run_member(key: SeatKey) -> None:
    from team.runtime.process import run_member

    run_member(key)
