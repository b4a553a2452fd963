"""How long a run stands still when a node of its cluster dies, freezes or is parted.

A writer of ours commits batches as a member does, through whatever happens; a bare
client beside it asks the same stream again and again, and shows how long the servers
themselves need to elect a new leader.
"""

from __future__ import annotations

import asyncio
import tempfile
import time
from collections.abc import Awaitable, Callable
from contextlib import AsyncExitStack
from pathlib import Path
from typing import Final

import msgspec
import nats
import nats.errors

from bus import subjects
from bus.codec import Envelope, encode
from bus.connection import connect
from bus.run_stream import Entry, RunStream, create_run
from bus.streams import delete_stream
from tests.bench.kit import Report, Row, quantile, row, say
from tests.support.cluster import NODES, TOKEN, Cluster, Node, a_cluster
from tests.support.wire import a_note

PATIENCE_S: Final = 60.0
_BARE_S: Final = 0.2
_BARE_PAUSE_S: Final = 0.02


class Outage(msgspec.Struct, frozen=True, kw_only=True):
    """One fault: seconds until our writer, and until a bare client, stored something again."""

    ours_s: float
    bare_s: float


Fault = Callable[[Cluster, Node], None]
Mend = Callable[[Cluster, Node], Awaitable[None]]


def _kill(_: Cluster, node: Node) -> None:
    node.kill()


def _freeze(_: Cluster, node: Node) -> None:
    node.freeze()


def _part(cluster: Cluster, node: Node) -> None:
    cluster.part(node)


async def _start(_: Cluster, node: Node) -> None:
    await node.start()


async def _thaw(_: Cluster, node: Node) -> None:
    node.thaw()


async def _heal(cluster: Cluster, _: Node) -> None:
    cluster.heal()


class Case(msgspec.Struct, frozen=True, kw_only=True):
    """One kind of fault.

    Attributes:
        name: As the table shows it.
        strike: Does it to a node.
        mend: Undoes it.
        on_leader: Whether it strikes the node that leads the run's stream.
        with_writer: Whether our writer is connected to that very node.
    """

    name: str
    strike: Fault
    mend: Mend
    on_leader: bool = True
    with_writer: bool = False


CASES: Final = (
    Case(name="leader killed", strike=_kill, mend=_start),
    Case(name="leader frozen", strike=_freeze, mend=_thaw),
    Case(name="leader parted, with the writer", strike=_part, mend=_heal, with_writer=True),
    Case(
        name="follower parted, with the writer",
        strike=_part,
        mend=_heal,
        on_leader=False,
        with_writer=True,
    ),
)


def run(*, is_quick: bool) -> Report:
    """Strike each way, some times."""
    outages = asyncio.run(_all(1 if is_quick else 8))
    return Report(
        name="cluster_failover",
        how=(
            "Three nats-servers on the loopback, a run with three replicas. A node is struck;\n"
            "measured until the first commit that began afterwards is stored. The floor is a bare\n"
            f"client beside it, on a node that stays: it asks every {_BARE_PAUSE_S} s and waits\n"
            f"{_BARE_S} s for each answer, which shows the servers' own election."
        ),
        rows=tuple(line for case, found in outages.items() for line in _rows(case, found)),
        notes=(f"{len(next(iter(outages.values())))} faults of each kind",),
    )


def _rows(case: str, found: list[Outage]) -> list[Row]:
    ours, bare = [one.ours_s for one in found], [one.bare_s for one in found]
    return [
        row(
            case,
            f"to the first commit, {name}",
            "s",
            quantile(ours, share),
            quantile(bare, share),
            "bare client",
        )
        for name, share in (("p50", 0.5), ("p95", 0.95))
    ]


async def _all(rounds: int) -> dict[str, list[Outage]]:
    found: dict[str, list[Outage]] = {case.name: [] for case in CASES}
    with tempfile.TemporaryDirectory(prefix="peerteam-bench-") as folder:
        async with a_cluster(Path(folder)) as cluster:
            for number in range(rounds):
                for case in CASES:
                    outage = await _one(cluster, case, f"{number}-{CASES.index(case)}")
                    say(f"{case.name}: ours {outage.ours_s:.2f} s, bare {outage.bare_s:.2f} s")
                    found[case.name].append(outage)
    return found


async def _one(cluster: Cluster, case: Case, run_id: str) -> Outage:
    """Strike once, and wait until both writers go on."""
    async with AsyncExitStack() as stack:
        connection = await stack.enter_async_context(connect(cluster.access, name="bench"))
        await create_run(connection, run_id, replicas=NODES)
        leader = await cluster.leader(connection, run_id)
        struck = leader if case.on_leader else cluster.others(leader)[0]
        stays = cluster.others(struck)
        ours_at = struck if case.with_writer else stays[0]
        writer = await stack.enter_async_context(cluster.connected_to(ours_at, "bench"))
        bare = await nats.connect(stays[-1].url, token=TOKEN)
        stack.push_async_callback(bare.close)
        began: asyncio.Future[float] = asyncio.get_running_loop().create_future()
        async with asyncio.timeout(PATIENCE_S), asyncio.TaskGroup() as group:
            ours = group.create_task(_commits(RunStream(writer, run_id), began))
            floor = group.create_task(_asks(bare, run_id, began))
            await asyncio.sleep(0.3)
            began.set_result(time.perf_counter())
            case.strike(cluster, struck)
        await case.mend(cluster, struck)
        await cluster.ready()
        await delete_stream(connection, subjects.stream_name(run_id))
        return Outage(ours_s=ours.result(), bare_s=floor.result())


async def _commits(stream: RunStream, struck: asyncio.Future[float]) -> float:
    """Commit pairs until one that began after the strike is stored; seconds since it."""
    while True:
        began = time.perf_counter()
        await stream.commit([a_note(stream.run), a_note(stream.run)], retry_s=PATIENCE_S)
        if struck.done() and began > struck.result():
            return time.perf_counter() - struck.result()


async def _asks(client: nats.NATS, run_id: str, struck: asyncio.Future[float]) -> float:
    """The same with single messages and no care."""
    while True:
        began = time.perf_counter()
        entry: Entry = a_note(run_id)
        data = encode(entry.subject, Envelope(v=1, body=entry.body, id=entry.id, at=time.time()))
        try:
            answer = await client.request(str(entry.subject), data, timeout=_BARE_S)
        except (TimeoutError, nats.errors.Error):
            await asyncio.sleep(_BARE_PAUSE_S)
            continue
        is_stored = b'"seq"' in answer.data
        if is_stored and struck.done() and began > struck.result():
            return time.perf_counter() - struck.result()
        await asyncio.sleep(_BARE_PAUSE_S)
