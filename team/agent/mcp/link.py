"""One MCP server of one member: started when it is first needed, again when it died.

absent ──start──▶ running ──died, silent──▶ absent      (as often as policy lets it)
                     └────────close───────▶ absent
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Coroutine
from contextlib import AbstractAsyncContextManager
from importlib import import_module
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final, TypeVar

import structlog

from bus.messages import ToolDefined
from team.agent.mcp.definitions import Listed, Taken, hash_of, take
from team.agent.mcp.http import http_transport
from team.agent.mcp.results import Answered, answered
from team.agent.mcp.stdio import stdio_transport
from team.agent.mcp.words import as_its_words, hidden
from team.errors import McpError
from team.mcp_files import McpServer
from team.policy import McpRules

if TYPE_CHECKING:
    from mcp import Client
    from mcp.client._transport import TransportStreams

BACKOFF_S: Final = (0.1, 0.5, 2.0, 5.0)
PAGES_MAX: Final = 16
CLOSE_S: Final = 4.0
"""How long closing may take before it is given up, in seconds."""
SAID_CHARACTERS_MAX: Final = 4_000
"""What is taken of an error that a server tells."""

log = structlog.get_logger()

T = TypeVar("T")


class UnknownOutcomeError(McpError):
    """A call was made and its answer never came: whether it took effect is unknown.

    Next: find out what it has changed; it is not made again.
    """


class ChangedToolError(McpError):
    """A tool is not what it was when the context was given it.

    Next: go on without it; a person should look at the server.
    """


class _Running:
    """A server that was started: its client, and whether it has ended since."""

    def __init__(self, client: Client, host: asyncio.Task[None], over: asyncio.Event) -> None:
        self.client, self.host, self.over = client, host, over
        self.stop = asyncio.Event()


class _Left:
    """What is left of the seconds that a server may take to answer, its list and a call."""

    def __init__(self, seconds: float) -> None:
        self.whole = self.seconds = seconds


class Link:
    """A member's way to one server. Safe to use from many tasks at once."""

    def __init__(self, server: McpServer, rules: McpRules, log_path: Path | None = None) -> None:
        """Make one; nothing is started.

        Args:
            server: What to start, or where it is.
            rules: How long a call may take, how often it is started again.
            log_path: Where what it prints goes.
        """
        self.server = server
        self._rules = rules
        self._log_path = log_path
        self._running: _Running | None = None
        self._stopping: asyncio.Event | None = None
        self._starts = 0
        self._lock = asyncio.Lock()

    async def tools(self) -> Taken:
        """Ask which tools there are, as far as a model may be shown them.

        Raises:
            McpError: It can't be started, or gives no list.
        """
        _, listed = await self._listing(_Left(self._rules.call_seconds))
        taken = await asyncio.to_thread(take, self.server, listed)
        for name, why in taken.refused:
            log.warning("mcp.refused", server=self.server.token, tool=name, reason=why)
        return taken

    async def call(self, tool: ToolDefined, given: dict[str, Any], *, may_repeat: bool) -> Answered:
        """Have a tool called, if it still is what it was.

        Args:
            tool: The tool as the context was given it.
            given: Its input.
            may_repeat: Whether the call changes nothing, so that it is made again if the
                server dies over it.

        Raises:
            ChangedToolError: The server defines it otherwise by now; it was not called.
            UnknownOutcomeError: It was called, and no answer came.
            McpError: The server can't be started or asked; it was not called.
        """
        left = _Left(self._rules.call_seconds)
        for is_last in (not may_repeat, True):
            running, listed = await self._listing(left)
            self._check(listed, tool)
            try:
                return await self._answer(running, tool, given, left)
            except _NoAnswerError as error:
                await self._drop(running, error.reason)
                if is_last or error.was_silent:
                    raise UnknownOutcomeError(self.server.name, error.reason) from error
        raise AssertionError("unreachable")

    async def close(self) -> None:
        """End the server; it may be started again."""
        async with self._lock:
            running, self._running = self._running, None
            if running is not None:
                await _end(running)

    async def _answer(
        self, running: _Running, tool: ToolDefined, given: dict[str, Any], left: _Left
    ) -> Answered:
        from mcp.shared.exceptions import MCPError

        try:
            result = await self._in_time(
                running, running.client.call_tool(tool.original, given), left
            )
        except MCPError as error:
            if _is_cut(error, running):
                raise _NoAnswerError("it died in the midst of the call") from error
            said = hidden(error.message, self.server.secrets)[:SAID_CHARACTERS_MAX]
            return Answered(text=said, is_error=True)
        return answered(result, self.server.secrets)

    def _check(self, listed: list[Listed], tool: ToolDefined) -> None:
        """See that a tool is defined as it was; servers may change their words at any time."""
        now = {one.name: one for one in listed}
        same = tool.original in now and hash_of(now[tool.original]) == tool.sha256
        if not same:
            what = "has changed its definition of" if tool.original in now else "no longer has"
            log.warning("mcp.changed", server=self.server.token, tool=tool.name)
            raise ChangedToolError(self.server.name, f"it {what} {tool.name}")

    async def _listing(self, left: _Left) -> tuple[_Running, list[Listed]]:
        """The running server and its tools; one that has died unseen is started once more.

        Raises:
            McpError: It can't be started, or gives no list.
        """
        running = await self._started()
        try:
            return running, await self._list(running, left)
        except McpError:
            if left.seconds <= 0:
                raise
            running = await self._started()
            return running, await self._list(running, left)

    async def _list(self, running: _Running, left: _Left) -> list[Listed]:
        """The tools as the server has them now."""
        listed: list[Listed] = []
        cursor: str | None = None
        try:
            for _ in range(PAGES_MAX):
                asked = running.client.list_tools(cursor=cursor)
                page = await self._in_time(running, asked, left)
                listed += [
                    Listed(
                        name=t.name, description=t.description or "", input_schema=t.input_schema
                    )
                    for t in page.tools
                ]
                cursor = page.next_cursor
                if cursor is None:
                    break
            else:
                reason = f"it lists more than {PAGES_MAX} pages: the rest is left out"
                log.warning("mcp.refused", server=self.server.token, tool="", reason=reason)
        except Exception as error:
            reason = f"it does not say which tools it has: {_said(error, self.server)}"
            await self._drop(running, reason)
            raise McpError(self.server.name, reason) from error
        return listed

    async def _in_time(self, running: _Running, asked: Coroutine[Any, Any, T], left: _Left) -> T:
        """Await an answer for as long as the server lives and may take."""
        answer = asyncio.ensure_future(asked)
        over = asyncio.ensure_future(running.over.wait())
        began = time.monotonic()
        try:
            await asyncio.wait(
                [answer, over], timeout=left.seconds, return_when=asyncio.FIRST_COMPLETED
            )
            if answer.done():
                return answer.result()
            if over.done():
                raise _NoAnswerError("it died in the midst of the call")
            reason = f"it did not answer within {left.whole:g} s"
            raise _NoAnswerError(reason, was_silent=True)
        finally:
            left.seconds = max(0.0, left.seconds - (time.monotonic() - began))
            for pending in (answer, over):
                pending.cancel()
            await asyncio.gather(answer, over, return_exceptions=True)

    # --- its life ----------------------------------------------------------------

    async def _started(self) -> _Running:
        """The running server, started if it is not.

        Raises:
            McpError: It can't be started, or has died too often.
        """
        async with self._lock:
            if self._running is not None and not self._running.over.is_set():
                return self._running
            if self._running is not None:
                await self._ended(self._running, "it died")
            if self._starts > self._rules.restarts_max:
                raise McpError(
                    self.server.name, f"it has died {self._starts} times and is not started again"
                )
            if self._starts:
                await asyncio.sleep(BACKOFF_S[min(self._starts, len(BACKOFF_S)) - 1])
            self._starts += 1
            self._running = await self._start()
            return self._running

    async def _start(self) -> _Running:
        began = time.monotonic()
        await asyncio.to_thread(_load)
        over = asyncio.Event()
        ready: asyncio.Future[Client] = asyncio.get_running_loop().create_future()
        stop = asyncio.Event()
        host = asyncio.create_task(self._host(ready, stop, over))
        try:
            client = await asyncio.wait_for(asyncio.shield(ready), self._rules.call_seconds)
        except BaseException as error:
            host.cancel()
            await asyncio.gather(host, return_exceptions=True)
            if not isinstance(error, Exception):
                raise
            reason = _said(error, self.server)
            if isinstance(error, TimeoutError):
                reason = f"it was not ready within {self._rules.call_seconds:g} s"
            log.warning("mcp.failed", server=self.server.token, reason=reason)
            if isinstance(error, McpError):
                raise
            raise McpError(self.server.name, f"it did not start: {reason}") from error
        running = _Running(client, host, over)
        running.stop = stop
        log.info(
            "mcp.started",
            server=self.server.token,
            starts=self._starts,
            took_s=round(time.monotonic() - began, 3),
        )
        return running

    async def _host(
        self, ready: asyncio.Future[Client], stop: asyncio.Event, over: asyncio.Event
    ) -> None:
        """Hold the connection from start to end in one task, as its parts ask for."""
        from mcp import Client

        try:
            async with Client(self._transport(over), cache=None) as client:
                ready.set_result(client)
                await stop.wait()
        except Exception as error:
            if not ready.done():
                ready.set_exception(_first(error))
            elif not stop.is_set():
                reason = _said(error, self.server)
                log.warning("mcp.died", server=self.server.token, reason=reason)
        finally:
            over.set()
            if not ready.done():
                ready.set_exception(McpError(self.server.name, "it was ended"))
            if not ready.cancelled():
                ready.exception()  # it is told to whoever waits; nobody may be left

    def _transport(self, over: asyncio.Event) -> AbstractAsyncContextManager[TransportStreams]:
        if self.server.kind == "http":
            return http_transport(self.server, self._rules.call_seconds)
        return stdio_transport(self.server, self._log_path, over)

    async def _drop(self, running: _Running, reason: str) -> None:
        """End a server that has failed, unless another has done so."""
        async with self._lock:
            if self._running is running:
                await self._ended(running, reason)

    async def _ended(self, running: _Running, reason: str) -> None:
        self._running = None
        log.warning("mcp.died", server=self.server.token, reason=reason)
        await _end(running)


class _NoAnswerError(Exception):
    """No answer came. Never leaves this module."""

    def __init__(self, reason: str, *, was_silent: bool = False) -> None:
        self.reason, self.was_silent = reason, was_silent
        super().__init__(reason)


async def _end(running: _Running) -> None:
    running.stop.set()
    await asyncio.wait([running.host], timeout=CLOSE_S)
    running.host.cancel()
    await asyncio.gather(running.host, return_exceptions=True)


def _load() -> None:
    """Import what is slow to import, off the loop."""
    import_module("team.agent.mcp.preload")


def _is_cut(error: Exception, running: _Running) -> bool:
    """Whether an error means that the connection is gone, rather than what the server said."""
    from mcp_types import CONNECTION_CLOSED

    is_closed = getattr(error, "code", None) == CONNECTION_CLOSED
    return running.over.is_set() or (is_closed and str(error) == "Connection closed")


def _first(error: BaseException) -> BaseException:
    """The first error of a group of groups."""
    while isinstance(error, BaseExceptionGroup):
        error = error.exceptions[0]
    return error


def _said(error: BaseException, server: McpServer) -> str:
    """An error in a line: in our words, or marked as the server's, without secrets."""
    first = _first(error)
    if isinstance(first, McpError | _NoAnswerError):
        return hidden(first.reason, server.secrets)
    return as_its_words(str(first) or type(first).__name__, server.secrets)
