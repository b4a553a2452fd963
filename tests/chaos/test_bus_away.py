"""The bus goes away in the middle of a run and stays away: waited for, or left in good order.

Promises: docs/reliability.md, "When the bus fails".
"""

from __future__ import annotations

import asyncio
import subprocess
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from urllib.parse import urlsplit

import pytest

from bus.access import Access
from bus.connection import RETRY_S, connect
from bus.errors import BusError
from bus.ids import new_run_id
from bus.messages import MemberJoined, TurnReplied
from bus.run_stream import Record, RunStream
from bus.testing import Proxy
from team.cli import exit_codes
from team.spec import BUILT_IN
from tests.support.cli import GOAL, PATIENCE_S, Cli, as_team, assert_nothing_twice, until_gone
from tests.support.nats_server import a_nats_server
from tests.support.wire import all_of, until

SLOW = {"PEERTEAM_REHEARSAL_LATENCY_MS": "150"}
SHORT_S = 2.0


@pytest.mark.slow
@pytest.mark.parametrize("how", ["cut", "freeze"])
async def test_a_cut_longer_than_a_command_would_wait_costs_a_run_nothing(
    cli: Cli, access: Access, lanes: list[Path], how: str
) -> None:
    """Nobody dies, nobody is started again; the run goes on where it was."""
    run = new_run_id()
    async with _a_way(access) as (proxy, url):
        with cli.start(
            "run", "research", GOAL, *as_team(lanes), "--run", run, "--nats", url, "-q", **SLOW
        ) as team:
            await _at_work(access, run)
            proxy.cut() if how == "cut" else proxy.freeze()
            with pytest.raises(subprocess.TimeoutExpired):
                await asyncio.to_thread(team.wait, RETRY_S + 5)
            proxy.heal()
            _, errors = await asyncio.to_thread(team.communicate, timeout=PATIENCE_S)

    assert team.returncode == 0, errors
    records = await _records(access, run)
    assert_nothing_twice(records)
    assert {r.body.incarnation for r in records if isinstance(r.body, MemberJoined)} == {1}
    logs = cli.home / "runs" / run / "logs"
    assert "bus.found" in (logs / "ada.log").read_text()
    assert "bus.found" in (logs / "lead.log").read_text()


@pytest.mark.slow
async def test_a_bus_away_for_longer_than_policy_stops_the_run_and_resume_ends_it(
    cli: Cli, access: Access, lanes: list[Path]
) -> None:
    """Exit status 7, what to do next, no process left behind; and then nothing is lost."""
    run = new_run_id()
    spec = _impatient(cli.cwd, SHORT_S)
    async with _a_way(access) as (proxy, url):
        with cli.start(
            "run", str(spec), GOAL, *as_team(lanes), "--run", run, "--nats", url, **SLOW
        ) as team:
            await _at_work(access, run)
            proxy.cut()
            _, errors = await asyncio.to_thread(team.communicate, timeout=PATIENCE_S)
            before = await _records(access, run)
            pids = [r.body.pid for r in before if isinstance(r.body, MemberJoined)]
            await until_gone(pids)

        assert team.returncode == exit_codes.NO_BUS, errors
        assert f"team resume {run}" in errors
        assert "Traceback" not in errors
        proxy.heal()
        done = await asyncio.to_thread(cli.run, "resume", run, "--nats", url, "-q")

    assert done.returncode == 0, done.stderr
    after = await _records(access, run)
    assert [record.id for record in after[: len(before)]] == [record.id for record in before]
    assert_nothing_twice(after)


@pytest.mark.slow
async def test_a_full_store_is_waited_for_by_the_whole_team(
    cli: Cli, lanes: list[Path], tmp_path: Path
) -> None:
    """Junk fills the store in mid-run, is deleted a while later, and nobody has died of it."""
    run = new_run_id()
    folder = tmp_path / "server"
    folder.mkdir()
    async with (
        a_nats_server(folder, max_file_store="8MB") as access,
        connect(access, name="junk") as junk,
    ):
        with cli.start(
            "run",
            "research",
            GOAL,
            *as_team(lanes),
            "--run",
            run,
            "--nats",
            access.url,
            "-q",
            **SLOW,
        ) as team:
            await _at_work(access, run)
            await junk.call("STREAM.CREATE.JUNK", {"name": "JUNK", "subjects": ["junk"]})
            while b"10023" not in (await junk.ask("junk", bytes(60_000))).data:
                continue
            logs = cli.home / "runs" / run / "logs"
            await until(
                lambda: "no room" in _text(logs) or "10023" in _text(logs), "it is logged", 20
            )
            await junk.call("STREAM.DELETE.JUNK")
            _, errors = await asyncio.to_thread(team.communicate, timeout=PATIENCE_S)

        assert team.returncode == 0, errors
        records = await _records(access, run)
    assert_nothing_twice(records)
    assert {r.body.incarnation for r in records if isinstance(r.body, MemberJoined)} == {1}


@pytest.mark.slow
async def test_a_store_that_stays_full_ends_the_run_with_what_is_full(
    cli: Cli, lanes: list[Path], tmp_path: Path
) -> None:
    run = new_run_id()
    folder = tmp_path / "server"
    folder.mkdir()
    spec = _impatient(cli.cwd, SHORT_S)
    async with (
        a_nats_server(folder, max_file_store="8MB") as access,
        connect(access, name="junk") as junk,
    ):
        with cli.start(
            "run",
            str(spec),
            GOAL,
            *as_team(lanes),
            "--run",
            run,
            "--nats",
            access.url,
            "-q",
            **SLOW,
        ) as team:
            await _at_work(access, run)
            await junk.call("STREAM.CREATE.JUNK", {"name": "JUNK", "subjects": ["junk"]})
            while b"10023" not in (await junk.ask("junk", bytes(60_000))).data:
                continue
            _, errors = await asyncio.to_thread(team.communicate, timeout=PATIENCE_S)

    assert team.returncode == exit_codes.NO_BUS, errors
    assert "no room" in errors
    assert f"team resume {run}" in errors


def _impatient(folder: Path, away_s: float) -> Path:
    """The built-in team, with less patience."""
    path = folder / "impatient.toml"
    text = (BUILT_IN / "research.toml").read_text()
    path.write_text(f"{text}\n[liveness]\nbus_away_seconds = {away_s}\n")
    return path


def _text(logs: Path) -> str:
    return "".join(path.read_text() for path in logs.glob("*.log"))


@asynccontextmanager
async def _a_way(access: Access) -> AsyncIterator[tuple[Proxy, str]]:
    """A way to the server that can be cut, and its URL with the token."""
    address = urlsplit(access.url)
    async with Proxy(address.hostname or "", address.port or 0) as proxy:
        yield proxy, f"nats://{access.token}@127.0.0.1:{proxy.port}"


async def _at_work(access: Access, run: str) -> None:
    """Wait until a teammate is in the middle of its task."""
    async with asyncio.timeout(PATIENCE_S):
        while not any(map(_is_second_turn, await _records(access, run))):  # noqa: ASYNC110 - a stream
            await asyncio.sleep(0.05)


def _is_second_turn(record: Record) -> bool:
    body = record.body
    return isinstance(body, TurnReplied) and body.turn == 2 and body.context.startswith("task:")


async def _records(access: Access, run: str) -> list[Record]:
    async with connect(access, name="test") as connection:
        try:
            return await all_of(RunStream(connection, run).read())
        except BusError:  # it was not opened yet
            return []
