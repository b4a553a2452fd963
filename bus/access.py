"""How somebody gets into the bus: an address and what opens it.

The one place that knows. Today every member of a run shares the server's token;
an account per member replaces that here, and nothing else changes.
"""

from __future__ import annotations

from pathlib import Path
from typing import Final
from urllib.parse import unquote, urlsplit

import msgspec

from bus.errors import AddressError
from bus.server import find_server, start_server

SERVER_DIRECTORY: Final = "nats"
DEFAULT_PORT: Final = 4222


class Access(msgspec.Struct, frozen=True, kw_only=True):
    """A key to the bus. Never logged, never in a command line or the stream.

    Attributes:
        url: Where the server is, without secrets; the nodes of a cluster after each other,
            with commas between them.
        token: What opens it; empty where the server asks for none.
        user: User name, where the URL has one.
        password: Its password.
        server_dir: The embedded server's directory; absent for another server.
    """

    url: str
    token: str = ""
    user: str = ""
    password: str = ""
    server_dir: str | None = None

    @property
    def urls(self) -> tuple[str, ...]:
        """Every server that it opens: one, or the nodes of a cluster."""
        return tuple(self.url.split(","))

    def __repr__(self) -> str:
        return f"Access(url={self.url!r})"


def open_access(state_dir: Path, url: str | None) -> Access:
    """Get into the bus: the server at `url`, or the user's embedded one.

    Starts the embedded server if it does not run. Takes 20 ms then, else 5 ms.

    Raises:
        ServerNotFoundError: There is no binary to embed.
        ServerStartError: The embedded server did not come up.
    """
    return access_to(url) if url else _embedded(state_dir)


def find_access(state_dir: Path, url: str | None) -> Access | None:
    """Like `open_access`, but never starts a server: absent when none runs."""
    if url:
        return access_to(url)
    return _embedded(state_dir) if find_server(state_dir / SERVER_DIRECTORY) else None


def revive(access: Access) -> None:
    """Start the embedded server again if it has died; harmless otherwise.

    It keeps its token, and its port where that is free, so that members that wait for
    it find it again.

    Raises:
        ServerStartError: It did not come up.
    """
    if access.server_dir is not None:
        start_server(Path(access.server_dir))


def access_to(url: str) -> Access:
    """Read a key from a URL such as `nats://token@host:4222`, or from a list of them.

    A list has commas between its URLs, and names nodes of one cluster: they take the
    same credentials, which one of them has to carry.

    Raises:
        AddressError: One of them names no host and port, or they don't belong together.
    """
    servers = [_read(part.strip()) for part in url.split(",")]
    bare = ",".join(dict.fromkeys(one.url for one in servers))
    if len({one.url.partition(":")[0] for one in servers}) > 1:
        raise AddressError(bare, "one speaks TLS and another does not")
    keys = {(one.token, one.user, one.password) for one in servers if one.token or one.user}
    if len(keys) > 1:
        raise AddressError(bare, "their credentials differ; nodes of a cluster take the same")
    token, user, password = keys.pop() if keys else ("", "", "")
    return Access(url=bare, token=token, user=user, password=password)


def _read(url: str) -> Access:
    """Read one server's URL."""
    try:
        parts = urlsplit(url if "//" in url else f"nats://{url}")
        host, port = parts.hostname, parts.port or DEFAULT_PORT
    except ValueError as error:
        raise AddressError(url.rpartition("@")[2], str(error)) from error
    if not host:
        raise AddressError(url.rpartition("@")[2], "it names no host")
    bare = f"{parts.scheme}://{f'[{host}]' if ':' in host else host}:{port}"
    user, password = unquote(parts.username or ""), unquote(parts.password or "")
    if user and password:
        return Access(url=bare, user=user, password=password)
    return Access(url=bare, token=user)


def _embedded(state_dir: Path) -> Access:
    directory = state_dir / SERVER_DIRECTORY
    server = start_server(directory)
    return Access(url=server.url, token=server.token, server_dir=str(directory))
