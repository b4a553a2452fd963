"""A node of the cluster dies, freezes or is parted in the middle of a run: the run ends.

Promises: docs/reliability.md, "On a cluster".
"""

from __future__ import annotations

import asyncio
import subprocess
from collections.abc import AsyncIterator, Awaitable, Callable
from pathlib import Path

import pytest

from bus.connection import connect
from bus.messages import FindingSubmitted, ResultPublished, TurnReplied
from bus.run_stream import Record
from tests.support.cli import GOAL, Cli, as_team, assert_nothing_twice
from tests.support.cluster import Cluster, Node, a_cluster

RUN = "spread"
ADA = f"{RUN}/ada"
SLOW = {"PEERTEAM_REHEARSAL_LATENCY_MS": "300"}
ENDS_S = 100.0

pytestmark = [pytest.mark.slow, pytest.mark.timeout(240)]


@pytest.fixture
async def cluster(tmp_path: Path) -> AsyncIterator[Cluster]:
    async with a_cluster(tmp_path / "cluster") as started:
        yield started


@pytest.fixture
def cli(cluster: Cluster, tmp_path: Path) -> Cli:
    """`team` that is told of all nodes."""
    cwd = tmp_path / "project"
    cwd.mkdir()
    return Cli(tmp_path / "home", cwd, NATS_URL=cluster.url)


def is_second_turn(record: Record) -> bool:
    body = record.body
    return isinstance(body, TurnReplied) and body.turn == 2 and body.context == "task:t1:1"


async def run_while(
    cli: Cli, lanes: list[Path], befalls: Callable[[], Awaitable[None]]
) -> list[Record]:
    """Run a team with three replicas, let something befall it in mid-run; its whole stream."""
    arguments = ("run", "research", GOAL, *as_team(lanes), "--run", RUN, "--replicas", "3", "-q")
    with cli.start(*arguments, **SLOW) as team:
        await cli.until(RUN, is_second_turn)
        before = await cli.records(RUN)
        await befalls()
        errors = await ended(team)

    after = await cli.records(RUN)
    assert [record.id for record in after[: len(before)]] == [record.id for record in before]
    assert_nothing_twice(after)
    findings = [r.subject.names[0] for r in after if isinstance(r.body, FindingSubmitted)]
    assert sorted(findings) == ["t1", "t2", "t3"]
    (result,) = [r.body for r in after if isinstance(r.body, ResultPublished)]
    assert (team.returncode, result.status) == (0, "admitted"), errors
    return after


async def ended(team: subprocess.Popen[str]) -> str:
    """Wait for the command, without holding up the routes between the nodes."""
    _, errors = await asyncio.to_thread(team.communicate, timeout=ENDS_S)
    return errors


async def leader_of(cluster: Cluster) -> Node:
    async with connect(cluster.access, name="test") as connection:
        return await cluster.leader(connection, RUN)


async def test_run_ends_although_its_leader_is_killed(
    cluster: Cluster, cli: Cli, lanes: list[Path]
) -> None:
    async def kill() -> None:
        (await leader_of(cluster)).kill()

    await run_while(cli, lanes, kill)


async def test_run_ends_although_its_leader_freezes(
    cluster: Cluster, cli: Cli, lanes: list[Path]
) -> None:
    """Its clients' connections stay, and nothing comes over them any more."""

    async def freeze() -> None:
        (await leader_of(cluster)).freeze()

    await run_while(cli, lanes, freeze)


async def test_run_ends_although_the_node_of_a_member_is_parted(
    cluster: Cluster, cli: Cli, lanes: list[Path]
) -> None:
    """The member still reaches that node, which can store nothing: it moves by itself."""
    moves: list[tuple[Node, Node]] = []

    async def part() -> None:
        async with connect(cluster.access, name="test") as connection:
            before = await cluster.node_of(connection, ADA)
        cluster.part(before)
        stays = cluster.access_to(*cluster.others(before))
        async with connect(stays, name="test") as connection:
            moves.append((before, await cluster.node_of(connection, ADA)))

    await run_while(cli, lanes, part)

    ((before, after),) = moves
    assert after is not before


async def test_run_ends_although_every_node_is_restarted_in_turn(
    cluster: Cluster, cli: Cli, lanes: list[Path]
) -> None:
    async def roll() -> None:
        for node in cluster.nodes:
            await node.restart()
            await cluster.ready()

    await run_while(cli, lanes, roll)
