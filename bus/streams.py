"""Make a JetStream stream with as many copies as were asked for, and take it away again.

Not for what is in it: that is `bus.run_stream` and `bus.artifacts`.
"""

from __future__ import annotations

import asyncio
import secrets
from typing import Any, Final

from bus.connection import Connection
from bus.errors import RefusedError, TooFewNodesError

PEERS_S: Final = 5.0
"""How long a node that has just come may be missing among those that can keep a copy."""

_AGAIN_S: Final = 0.25
_STREAM_MISSING: Final = 10059
_NO_PEERS: Final = 10005
_NO_CLUSTER: Final = 10074


async def create_stream(connection: Connection, config: dict[str, Any]) -> None:
    """Make a stream; harmless if there is one that is just the same.

    Raises:
        TooFewNodesError: There is no place for so many copies.
        RefusedError: The server refused for another reason.
    """
    loop = asyncio.get_running_loop()
    deadline = loop.time() + PEERS_S
    while True:
        try:
            await connection.call(f"STREAM.CREATE.{config['name']}", config)
            return
        except RefusedError as error:
            if error.code not in (_NO_PEERS, _NO_CLUSTER):
                raise
            if error.code == _NO_CLUSTER or loop.time() > deadline:
                replicas = int(config["num_replicas"])
                raise TooFewNodesError(connection.url, replicas, error.description) from error
        await asyncio.sleep(_AGAIN_S)


async def most_replicas(connection: Connection) -> int:
    """Try how many copies of a stream are possible: 1, 3 or 5. What was tried is removed."""
    name = f"PROBE_{secrets.token_hex(8)}"
    config = {"name": name, "subjects": [name], "storage": "memory"}
    for replicas in (5, 3):
        try:
            await connection.call(f"STREAM.CREATE.{name}", config | {"num_replicas": replicas})
        except RefusedError as error:
            if error.code not in (_NO_PEERS, _NO_CLUSTER):
                raise
        else:
            await delete_stream(connection, name)
            return replicas
    return 1


async def delete_stream(connection: Connection, name: str) -> None:
    """Take a stream away with all that is in it; harmless if there is none."""
    try:
        await connection.call(f"STREAM.DELETE.{name}")
    except RefusedError as error:
        if error.code != _STREAM_MISSING:
            raise
