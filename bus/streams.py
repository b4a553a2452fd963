"""JetStream streams and their copies: make, take away, ask the one that leads.

Not for what is in it: that is `bus.run_stream` and `bus.artifacts`.
"""

from __future__ import annotations

import asyncio
import secrets
from typing import Any, Final

import msgspec

from bus.connection import Connection
from bus.errors import RefusedError, TooFewNodesError

PEERS_S: Final = 5.0
"""How long a node that has just come may be missing among those that can keep a copy."""

_AGAIN_S: Final = 0.25
_STREAM_MISSING: Final = 10059
_NO_PEERS: Final = 10005
_NO_CLUSTER: Final = 10074
_NO_MESSAGE: Final = 10037
_LEADER_S: Final = 1.0


class Stored(msgspec.Struct, frozen=True):
    """A message as the leader of its stream has it; `time` is as in RFC 3339."""

    subject: str
    seq: int
    time: str
    data: bytes = b""


class _Got(msgspec.Struct):
    message: Stored


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
            if not lacks_nodes(error):
                raise
            if error.code == _NO_CLUSTER or loop.time() > deadline:
                raise too_few_nodes(connection, config, error) from error
        await asyncio.sleep(_AGAIN_S)


def lacks_nodes(error: RefusedError) -> bool:
    """Whether the server refused a stream since it can't keep that many copies of it."""
    # A restore that fails has a code of its own, and the reason's in its words.
    return any(f"({code})" in str(error) for code in (_NO_PEERS, _NO_CLUSTER))


def too_few_nodes(
    connection: Connection, config: dict[str, Any], error: RefusedError
) -> TooFewNodesError:
    """The same refusal, with how many copies were asked for."""
    return TooFewNodesError(connection.url, int(config["num_replicas"]), error.description)


async def leaders_copy(connection: Connection, stream: str, pattern: str) -> Stored | None:
    """Return the newest message that matches a filter, as the stream's leader has it.

    Slower than a direct read, which any copy answers: on a cluster one may lag behind.
    """
    request = {"last_by_subj": pattern}
    try:
        answer = await connection.call(f"STREAM.MSG.GET.{stream}", request, try_s=_LEADER_S)
    except RefusedError as error:
        if error.code == _NO_MESSAGE:
            return None
        raise
    return msgspec.json.decode(answer, type=_Got).message


async def most_replicas(connection: Connection) -> int:
    """Try how many copies of a stream are possible: 1, 3 or 5. What was tried is removed."""
    name = f"PROBE_{secrets.token_hex(8)}"
    config = {"name": name, "subjects": [name], "storage": "memory"}
    for replicas in (5, 3):
        try:
            await connection.call(f"STREAM.CREATE.{name}", config | {"num_replicas": replicas})
        except RefusedError as error:
            if not lacks_nodes(error):
                raise
        else:
            await delete_stream(connection, name)
            return replicas
    return 1


async def delete_stream(connection: Connection, name: str) -> bool:
    """Take a stream away with all that is in it; returns whether there was one."""
    try:
        await connection.call(f"STREAM.DELETE.{name}")
    except RefusedError as error:
        if error.code == _STREAM_MISSING:
            return False
        raise
    return True
