"""Serve over stdio, or over HTTP on this machine alone."""

from __future__ import annotations

import asyncio
import hmac
import os
import socket
from collections.abc import Callable
from typing import Any, Final

from team.errors import SpecError
from team.mcp_server.bounds import Bounds
from team.mcp_server.desk import Desk
from team.mcp_server.server import build_server

HOST: Final = "127.0.0.1"
TOKEN_VARIABLE: Final = "PEERTEAM_MCP_TOKEN"  # noqa: S105 - the name of a variable
SHUTDOWN_S: Final = 2
"""How long open calls may take when the server is told to end, in seconds."""


def serve_stdio(bounds: Bounds, nats: str | None, *, may_approve: bool) -> None:
    """Serve the one client that has started this process, until it closes stdin."""
    server = build_server(Desk(bounds, nats), may_approve=may_approve)
    asyncio.run(server.run_stdio_async())


def serve_http(
    bounds: Bounds,
    nats: str | None,
    port: int,
    *,
    may_approve: bool,
    on_listening: Callable[[str], None],
) -> None:
    """Serve any number of clients of this machine, until Ctrl-C or SIGTERM.

    Args:
        bounds: Where the server stands.
        nats: The NATS server it uses.
        port: The port on the loopback; 0: a free one.
        may_approve: As for `build_server`.
        on_listening: Is told the address once clients can connect.

    Raises:
        SpecError: The port can't be had.
    """
    import uvicorn  # noqa: PLC0415 - comes with the extra, and only HTTP needs it

    server = build_server(Desk(bounds, nats), may_approve=may_approve)
    app: Any = server.streamable_http_app(host=HOST)
    token = os.environ.get(TOKEN_VARIABLE, "")
    listening = _listen(port)
    config = uvicorn.Config(
        _guarded(app, token) if token else app,
        log_level="warning",
        timeout_graceful_shutdown=SHUTDOWN_S,
    )
    on_listening(f"http://{HOST}:{listening.getsockname()[1]}/mcp")
    with listening:
        asyncio.run(uvicorn.Server(config).serve(sockets=[listening]))


def _listen(port: int) -> socket.socket:
    listening = socket.socket(socket.AF_INET, socket.SOCK_STREAM)
    listening.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    try:
        listening.bind((HOST, port))
        listening.listen()
    except (OSError, OverflowError) as error:
        listening.close()
        raise SpecError("--http", "", f"port {port}: {error}", "give another, or 0") from error
    return listening


def _guarded(app: Any, token: str) -> Any:  # ASGI applications have no type of their own
    """Let only those in who know the token."""
    wanted = f"Bearer {token}".encode()

    async def guarded(scope: Any, receive: Any, send: Any) -> None:
        given = dict(scope.get("headers", ())).get(b"authorization", b"")
        if scope["type"] == "http" and not hmac.compare_digest(given, wanted):
            await send({"type": "http.response.start", "status": 401, "headers": []})
            await send({"type": "http.response.body", "body": b"a bearer token is needed\n"})
            return
        await app(scope, receive, send)

    return guarded
