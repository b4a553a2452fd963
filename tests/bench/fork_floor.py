"""A floor for starting: N processes forked from a preloaded server that only connect.

Run as a program of its own, so that its cold start is measured too. It prints what it
has measured as one line of JSON. No seat, no journal, no consumer, no library.
"""

from __future__ import annotations

import asyncio
import multiprocessing
import sys
import time
from multiprocessing import forkserver
from pathlib import Path

# Run as a script, the folder of this file would come first, and its names shadow others.
if __name__ == "__main__":
    sys.path[0] = str(Path(__file__).resolve().parents[2])

import msgspec
import nats

from tests.bench.kit import pss_mib

READY = "bench.ready"


class Floor(msgspec.Struct, frozen=True, kw_only=True):
    """What forking costs at least.

    Attributes:
        fork_s: From the first fork to the last child's connection, in seconds.
        pss_mib: What each child holds then, in MiB.
    """

    fork_s: float
    pss_mib: list[float]


def child(url: str, token: str) -> None:
    """Connect, say so, wait for the end."""
    asyncio.run(_connect(url, token))


async def _connect(url: str, token: str) -> None:
    client = await nats.connect(url, token=token)
    await client.publish(READY)
    await client.flush()
    await asyncio.sleep(600)


async def measure(url: str, token: str, count: int) -> Floor:
    """Fork that many and wait until all are connected."""
    client = await nats.connect(url, token=token)
    subscription = await client.subscribe(READY)
    await client.flush()
    context = multiprocessing.get_context("forkserver")
    children = [context.Process(target=child, args=(url, token)) for _ in range(count)]
    await asyncio.to_thread(_warm)
    began = time.perf_counter()
    for process in children:
        process.start()
    for _ in children:
        await subscription.next_msg(timeout=60)
    took = time.perf_counter() - began
    held = [pss_mib(process.pid or 0) for process in children]
    for process in children:
        process.kill()
        process.join()
    await client.close()
    return Floor(fork_s=took, pss_mib=held)


def _warm() -> None:
    """Wait until the server has imported everything: its first child ends."""
    process = multiprocessing.get_context("forkserver").Process(target=int)
    process.start()
    process.join()


def main() -> int:
    """Read address and count from the command line, the token from stdin."""
    multiprocessing.set_forkserver_preload(["tests.bench._preload"])
    forkserver.ensure_running()
    url, count = sys.argv[1], int(sys.argv[2])
    floor = asyncio.run(measure(url, sys.stdin.readline().strip(), count))
    print(msgspec.json.encode(floor).decode(), flush=True)
    return 0


if __name__ == "__main__":
    sys.exit(main())
