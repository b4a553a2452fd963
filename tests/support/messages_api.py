"""A stand-in for a model provider on loopback: the Messages API over real HTTP.

It answers with the rehearsal model's words, after checking the key, and keeps count
of what it was asked. A script may answer some requests otherwise.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from typing import Any

import httpx2
import msgspec

from team.agent.models.rehearsal.transport import request_problem, respond

KEY = "sk-test-good"

Script = Callable[[dict[str, Any], int], httpx2.Response | None]


class MessagesApi:
    """The server's side: what it was asked, and by what it answers."""

    def __init__(self, script: Script = lambda body, number: None) -> None:
        self.requests: list[dict[str, Any]] = []
        self.keys: list[str] = []
        self.url = ""
        self._script = script

    async def handle(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        """Serve one connection, request by request."""
        try:
            while (request := await _read(reader)) is not None:
                headers, body = request
                response = self._answer(headers, msgspec.json.decode(body))
                content = b"".join([part async for part in response.stream])
                head = f"HTTP/1.1 {response.status_code} X\r\n"
                for name, value in response.headers.items():
                    if name not in ("content-length", "transfer-encoding"):
                        head += f"{name}: {value}\r\n"
                head += f"content-length: {len(content)}\r\n\r\n"
                writer.write(head.encode() + content)
                await writer.drain()
        except (ConnectionError, asyncio.IncompleteReadError):
            pass
        finally:
            writer.close()

    def _answer(self, headers: dict[str, str], body: dict[str, Any]) -> httpx2.Response:
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


def error_response(status: int, kind: str, message: str, **headers: str) -> httpx2.Response:
    """An error as the API words it."""
    body = {"type": "error", "error": {"type": kind, "message": message}}
    return httpx2.Response(status, json=body, headers=headers)


@asynccontextmanager
async def messages_api(script: Script = lambda body, number: None) -> AsyncIterator[MessagesApi]:
    """Serve the Messages API on a free loopback port."""
    api = MessagesApi(script)
    server = await asyncio.start_server(api.handle, "127.0.0.1", 0)
    port = server.sockets[0].getsockname()[1]
    api.url = f"http://127.0.0.1:{port}"
    try:
        yield api
    finally:
        server.close()
        server.close_clients() if hasattr(server, "close_clients") else None


async def _read(reader: asyncio.StreamReader) -> tuple[dict[str, str], bytes] | None:
    line = await reader.readline()
    if not line:
        return None
    headers: dict[str, str] = {}
    while (line := (await reader.readline()).decode().strip()) != "":
        name, _, value = line.partition(":")
        headers[name.lower()] = value.strip()
    return headers, await reader.readexactly(int(headers.get("content-length", "0")))
