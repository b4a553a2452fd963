"""A stand-in for a model provider on loopback: the Messages API over real HTTP.

It answers with the rehearsal model's words, after checking the key, and keeps count
of what it was asked and what it has answered whole. A script may answer some requests
otherwise: with an error, or with a message that is cut, silent, slow or no message.
"""

from __future__ import annotations

import asyncio
import random
from collections import Counter
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import asynccontextmanager
from typing import Any

import httpx2
import msgspec

from team.agent.models.rehearsal.brain import Composed, compose
from team.agent.models.rehearsal.transport import (
    COUNTING,
    counted,
    message_events,
    request_problem,
    respond,
)

KEY = "sk-test-good"
TRIES_SPOILED = 2
"""How many tries of one call `faults_by_seed` may spoil: fewer than a caller makes."""

Script = Callable[[dict[str, Any], int], httpx2.Response | None]
Counting = Callable[[dict[str, Any]], httpx2.Response]


class CutError(Exception):
    """The connection ends here."""


class MessagesApi:
    """The server's side: what it was asked, by what it answers, which calls it has served.

    `counts` answers the requests to count; without it the server has no such address.
    """

    def __init__(
        self, script: Script = lambda body, number: None, counts: Counting | None = counted
    ) -> None:
        self.counted: list[dict[str, Any]] = []
        self._counts = counts
        self.requests: list[dict[str, Any]] = []
        self.keys: list[str] = []
        self.served: list[bytes] = []
        self.url = ""
        self._script = script
        self._serving: set[asyncio.Task[None]] = set()

    def accept(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        """Serve a new connection until it or the server ends."""
        task = asyncio.create_task(self._serve(reader, writer))
        self._serving.add(task)
        task.add_done_callback(self._serving.discard)

    async def close(self) -> None:
        """End all connections."""
        for task in self._serving:
            task.cancel()
        await asyncio.gather(*self._serving, return_exceptions=True)

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            while (request := await _read(reader)) is not None:
                path, headers, body = request
                response = self._answer(path, headers, msgspec.json.decode(body))
                await _send(writer, response)
                if response.headers.get("content-type") == "text/event-stream":
                    self.served.append(body)
        except CutError:
            writer.transport.abort()
        except (ConnectionError, asyncio.IncompleteReadError):
            pass
        finally:
            writer.close()

    def _answer(self, path: str, headers: dict[str, str], body: dict[str, Any]) -> httpx2.Response:
        if path.endswith(COUNTING):
            self.counted.append(body)
            if self._counts is None:
                return error_response(404, "not_found_error", "no such address")
            return self._counts(body)
        self.requests.append(body)
        key = headers.get("authorization", "").removeprefix("Bearer ") or headers.get("x-api-key")
        self.keys.append(key or "")
        if key != KEY:
            return error_response(401, "authentication_error", "invalid x-api-key")
        scripted = self._script(body, len(self.requests))
        if scripted is not None:
            return scripted
        problem = request_problem(body)
        if problem is not None:
            return error_response(400, "invalid_request_error", problem)
        return respond(body)


@asynccontextmanager
async def messages_api(
    script: Script = lambda body, number: None, counts: Counting | None = counted
) -> AsyncIterator[MessagesApi]:
    """Serve the Messages API on a free loopback port."""
    api = MessagesApi(script, counts)
    server = await asyncio.start_server(api.accept, "127.0.0.1", 0)
    port = server.sockets[0].getsockname()[1]
    api.url = f"http://127.0.0.1:{port}"
    try:
        yield api
    finally:
        server.close()
        await api.close()


# --- what a script may answer ------------------------------------------------------------


def error_response(status: int, kind: str, message: str, **headers: str) -> httpx2.Response:
    """An error as the API words it."""
    body = {"type": "error", "error": {"type": kind, "message": message}}
    return httpx2.Response(status, json=body, headers=headers)


def calling(body: dict[str, Any], calls: Sequence[tuple[str, dict[str, Any]]]) -> httpx2.Response:
    """A message that calls tools, in place of what the rehearsal model would say."""
    number = len(body["messages"])
    blocks = [
        {"type": "tool_use", "id": f"toolu_{number}_{n}", "name": name, "input": given}
        for n, (name, given) in enumerate(calls)
    ]
    return _streamed(message_events(body, Composed(blocks=blocks, stop_reason="tool_use")), _end)


def page() -> httpx2.Response:
    """A web page in place of a message."""
    kind = {"content-type": "text/html"}
    return httpx2.Response(200, headers=kind, stream=_Sent([b"<html>gateway</html>"], _end))


def streamed_events(events: Sequence[bytes]) -> httpx2.Response:
    """A message, event by event."""
    return _streamed(events, _end)


def cut(body: dict[str, Any], after: int) -> httpx2.Response:
    """The message that answers a body, cut after some of its events."""
    return _streamed(_events(body)[:after], _cut)


def overloaded(body: dict[str, Any], after: int) -> httpx2.Response:
    """The message that answers a body; after some of its events the error that it is too much."""
    error = {"type": "error", "error": {"type": "overloaded_error", "message": "Overloaded"}}
    told = b"event: error\ndata: " + msgspec.json.encode(error) + b"\n\n"
    return _streamed([*_events(body)[:after], told], _cut)


def silent(body: dict[str, Any], after: int) -> httpx2.Response:
    """The message that answers a body; after some of its events nothing more comes."""
    return _streamed(_events(body)[:after], _wait_forever)


def slow(body: dict[str, Any]) -> httpx2.Response:
    """The message that answers a body, in pieces of a few bytes, with pings between."""
    whole = b"".join(_events(body))
    ping = b'event: ping\ndata: {"type": "ping"}\n\n'
    pieces = [whole[at : at + 97] for at in range(0, len(whole), 97)]
    return _streamed([ping, *pieces], _end)


def faults_by_seed(seed: int, share: float = 0.2) -> Script:
    """Spoil a share of all tries, each call's first ones only, in ways that a seed chooses."""
    tried: Counter[bytes] = Counter()

    def script(body: dict[str, Any], _: int) -> httpx2.Response | None:
        call = msgspec.json.encode(body)
        tried[call] += 1
        chance = random.Random(f"{seed} {tried[call]} {call!r}")
        if tried[call] > TRIES_SPOILED or chance.random() > share:
            return None
        return _spoiled(body, chance)

    return script


def _spoiled(body: dict[str, Any], chance: random.Random) -> httpx2.Response:
    after = chance.randrange(len(_events(body)))
    wait = {"retry-after": "0.3"}
    ways: list[Callable[[], httpx2.Response]] = [
        lambda: error_response(429, "rate_limit_error", "slow down", **wait),
        lambda: error_response(529, "overloaded_error", "Overloaded"),
        lambda: error_response(500, "api_error", "internal"),
        lambda: cut(body, after),
        lambda: overloaded(body, after),
        lambda: silent(body, after),
        lambda: slow(body),
        page,
    ]
    return chance.choice(ways)()


# --- on the wire -------------------------------------------------------------------------


def _events(body: dict[str, Any]) -> list[bytes]:
    """The events of the rehearsal model's answer."""
    return message_events(body, compose(body))


async def _cut() -> None:
    raise CutError


async def _wait_forever() -> None:
    await asyncio.Event().wait()


async def _end() -> None:
    return


class _Sent(httpx2.AsyncByteStream):
    """Pieces, and what happens after them."""

    def __init__(self, pieces: Sequence[bytes], then: Callable[[], Any]) -> None:
        self._pieces, self._then = pieces, then

    async def __aiter__(self) -> AsyncIterator[bytes]:
        for piece in self._pieces:
            yield piece
        await self._then()


def sent_in_pieces(kind: str, pieces: Sequence[bytes]) -> httpx2.Response:
    """A body of some kind, in pieces, to its end."""
    return httpx2.Response(200, headers={"content-type": kind}, stream=_Sent(pieces, _end))


def _streamed(pieces: Sequence[bytes], then: Callable[[], Any]) -> httpx2.Response:
    headers = {"content-type": "text/event-stream"}
    return httpx2.Response(200, headers=headers, stream=_Sent(pieces, then))


async def _send(writer: asyncio.StreamWriter, response: httpx2.Response) -> None:
    """Send a response in chunks, as they come."""
    head = f"HTTP/1.1 {response.status_code} X\r\n"
    for name, value in response.headers.items():
        if name not in ("content-length", "transfer-encoding"):
            head += f"{name}: {value}\r\n"
    writer.write(head.encode() + b"transfer-encoding: chunked\r\n\r\n")
    assert isinstance(response.stream, httpx2.AsyncByteStream)
    async for part in response.stream:
        if part:
            writer.write(f"{len(part):x}\r\n".encode() + part + b"\r\n")
            await writer.drain()
    writer.write(b"0\r\n\r\n")
    await writer.drain()


async def _read(reader: asyncio.StreamReader) -> tuple[str, dict[str, str], bytes] | None:
    line = await reader.readline()
    if not line:
        return None
    target = line.decode().split()[1]
    path, headers = target.partition("?")[0], {":path": target}
    while (line := (await reader.readline()).decode().strip()) != "":
        name, _, value = line.partition(":")
        headers[name.lower()] = value.strip()
    return path, headers, await reader.readexactly(int(headers.get("content-length", "0")))
