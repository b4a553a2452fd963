"""Three real nats-servers as one cluster on the loopback, and what can befall its nodes.

Each route between two nodes passes a proxy of its own, so that a node can be parted from
the others while its clients still reach it. The proxies live in the test's event loop:
whatever blocks that loop parts all nodes.
"""

from __future__ import annotations

import asyncio
import os
import signal
import subprocess
from collections.abc import AsyncIterator, Sequence
from contextlib import AsyncExitStack, asynccontextmanager
from pathlib import Path
from string import Template
from typing import Final, Self
from urllib.parse import urlsplit

import msgspec
from nats.aio.msg import Msg

from bus import subjects
from bus.access import Access
from bus.connection import Connection, connect
from bus.errors import BusError
from bus.server import find_binary
from bus.testing import Proxy

TOKEN: Final = "secret"
NODES: Final = 3
READY_S: Final = 30.0
_RANDOM_PORT: Final = -1

_CONFIG: Final = Template("""\
server_name: "$name"
listen: "127.0.0.1:$port"
authorization { token: "$token" }
ports_file_dir: "$folder"
log_file: "$folder/nats.log"
ping_interval: "5s"
feature_flags { js_ack_fc_v2: false }
jetstream { store_dir: "$folder/js", sync_interval: "always", max_file_store: 1GB }
cluster {
  name: "test"
  listen: "127.0.0.1:$cluster_port"
  # What the nodes tell each other of their addresses would lead around the proxies.
  advertise: "127.0.0.1:1"
  no_advertise: true
  pool_size: -1
  routes: ["$route"]
}
""")


class Route(Proxy):
    """The way from one node to another; aimed at it as soon as its port is known."""

    def __init__(self) -> None:
        super().__init__("127.0.0.1", 1)

    async def __aenter__(self) -> Self:
        """Listen, and let who comes wait until the way is known."""
        await super().__aenter__()
        self.freeze()
        return self

    def aim(self, port: int) -> None:
        """Lead to this port from now on."""
        self._target = ("127.0.0.1", port)
        self.heal()


class Node:
    """One nats-server; keeps its ports and its store over a restart."""

    def __init__(self, name: str, folder: Path, route: Route) -> None:
        self.name = name
        self.port = self.cluster_port = _RANDOM_PORT
        self._folder = folder
        self._route = route
        self._process: subprocess.Popen[bytes] | None = None

    @property
    def url(self) -> str:
        """Where clients reach it."""
        return f"nats://127.0.0.1:{self.port}"

    async def start(self) -> None:
        """Start it and wait until it says where it listens."""
        self._folder.mkdir(parents=True, exist_ok=True)
        config = self._folder / "nats.conf"
        values = {
            "name": self.name,
            "token": TOKEN,
            "folder": self._folder,
            "route": self._route.url,
        }
        config.write_text(
            _CONFIG.substitute(values, port=self.port, cluster_port=self.cluster_port)
        )
        self._spawn(config)
        assert self._process is not None
        ports_file = self._folder / f"nats-server_{self._process.pid}.ports"
        async with asyncio.timeout(READY_S):
            while not (ports_file.exists() and ports_file.read_bytes()):
                assert self._process.poll() is None, f"{self.name} exited: {self._folder}"
                await asyncio.sleep(0.01)
        ports = msgspec.json.decode(ports_file.read_bytes(), type=dict[str, list[str]])
        self.port = urlsplit(ports["nats"][0]).port or 0
        self.cluster_port = urlsplit(ports["cluster"][0]).port or 0

    def _spawn(self, config: Path) -> None:
        command = [str(find_binary()), "-c", str(config)]
        self._process = subprocess.Popen(command, stderr=subprocess.DEVNULL)

    @property
    def is_running(self) -> bool:
        """Whether its process lives, frozen or not."""
        return self._process is not None and self._process.poll() is None

    def kill(self) -> None:
        """End it without a word."""
        assert self._process is not None
        self._process.kill()
        self._process.wait()

    async def restart(self) -> None:
        """End it as an operator would, and start it again."""
        assert self._process is not None
        self._process.terminate()
        await asyncio.to_thread(self._process.wait, READY_S)
        await self.start()

    def freeze(self) -> None:
        """Stop it in its tracks; its connections stay. Returns once it stands still."""
        assert self._process is not None
        self._process.send_signal(signal.SIGSTOP)
        os.waitid(os.P_PID, self._process.pid, os.WSTOPPED)

    def thaw(self) -> None:
        """Let it go on."""
        assert self._process is not None
        self._process.send_signal(signal.SIGCONT)


class _Placed(msgspec.Struct):
    leader: str = ""


class _Where(msgspec.Struct):
    cluster: _Placed = msgspec.field(default_factory=_Placed)


class _Named(msgspec.Struct):
    name: str = ""


class _Clients(msgspec.Struct):
    connections: list[_Named] = []


class _Told(msgspec.Struct):
    server: _Named
    data: _Clients


class Cluster:
    """Three nodes that know each other; made by `a_cluster`."""

    def __init__(self, nodes: Sequence[Node], routes: dict[tuple[str, str], Route]) -> None:
        self.nodes = nodes
        self._routes = routes

    @property
    def url(self) -> str:
        """All nodes, with the token, as `--nats` takes it."""
        return ",".join(node.url.replace("//", f"//{TOKEN}@") for node in self.nodes)

    @property
    def access(self) -> Access:
        """A key to all nodes."""
        return Access(url=",".join(node.url for node in self.nodes), token=TOKEN)

    def access_to(self, *nodes: Node) -> Access:
        """A key to some nodes, the first of them tried first."""
        return Access(url=",".join(node.url for node in nodes), token=TOKEN)

    @asynccontextmanager
    async def connected_to(self, node: Node, name: str) -> AsyncIterator[Connection]:
        """A connection that knows all nodes and happens to be at this one."""
        async with AsyncExitStack() as stack:
            while True:
                connection = await stack.enter_async_context(connect(self.access, name=name))
                if connection.node == node.name:
                    break
                await stack.aclose()
            yield connection

    def node(self, name: str) -> Node:
        """The node of that name."""
        return next(node for node in self.nodes if node.name == name)

    def others(self, node: Node) -> list[Node]:
        """All nodes but one."""
        return [one for one in self.nodes if one is not node]

    async def leader(self, connection: Connection, run: str) -> Node:
        """The node that leads a run's stream."""
        answer = await connection.call(f"STREAM.INFO.{subjects.stream_name(run)}")
        return self.node(msgspec.json.decode(answer, type=_Where).cluster.leader)

    async def node_of(self, connection: Connection, client: str) -> Node:
        """The node that a client is connected to, by the name it gave; waits until it is."""
        found: asyncio.Future[str] = asyncio.get_running_loop().create_future()

        async def take(message: Msg) -> None:
            told = msgspec.json.decode(message.data, type=_Told)
            if any(one.name == client for one in told.data.connections) and not found.done():
                found.set_result(told.server.name)

        inbox = connection.new_inbox()
        listening = await connection.subscribe(inbox, take)
        async with asyncio.timeout(READY_S):
            while not found.done():
                await connection.publish("$SYS.REQ.ACCOUNT.PING.CONNZ", b"", reply=inbox)
                await asyncio.wait([found], timeout=0.1)
        await listening.unsubscribe()
        return self.node(found.result())

    def part(self, node: Node) -> None:
        """Let no byte pass between a node and the others; its clients still reach it."""
        for pair, route in self._routes.items():
            if node.name in pair:
                route.freeze()

    def heal(self) -> None:
        """Let all nodes hear each other again; what was held back comes late."""
        for route in self._routes.values():
            route.heal()

    async def start(self) -> None:
        """Start all nodes and wait until they make up a cluster that stores things."""
        for node in self.nodes:
            await node.start()
        for (_, to), route in self._routes.items():
            route.aim(self.node(to).cluster_port)
        await self.ready()

    async def ready(self) -> None:
        """Wait until a stream can be kept on every node."""
        async with asyncio.timeout(READY_S):
            while True:
                try:
                    async with connect(self.access, name="test") as connection:
                        await _try_all_nodes(connection)
                        return
                except BusError:
                    await asyncio.sleep(0.1)

    def end(self) -> None:
        """End all nodes."""
        for node in self.nodes:
            if node.is_running:
                node.kill()


async def _try_all_nodes(connection: Connection) -> None:
    probe = {"name": "PROBE", "subjects": ["probe"], "storage": "memory", "num_replicas": NODES}
    await connection.call("STREAM.CREATE.PROBE", probe, retry_s=1.0, try_s=0.5)
    await connection.call("STREAM.DELETE.PROBE")


@asynccontextmanager
async def a_cluster(folder: Path) -> AsyncIterator[Cluster]:
    """Run a cluster; its nodes are ended afterwards, whatever state they are in."""
    async with AsyncExitStack() as stack:
        # In a ring: every pair has one route, and no node is without one, which it would refuse.
        names = [f"n{number}" for number in range(NODES)]
        routes = {
            (name, names[at - 1]): await stack.enter_async_context(Route())
            for at, name in enumerate(names)
        }
        nodes = [Node(one, folder / one, route) for (one, _), route in routes.items()]
        cluster = Cluster(nodes, routes)
        stack.callback(cluster.end)
        await cluster.start()
        yield cluster
