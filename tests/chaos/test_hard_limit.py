"""A limit in dollars under kills: the provider's own meter never passes it.

Real member processes over HTTP, and a provider that charges as much as it may for each try,
cut answers and dead callers included.
"""

from __future__ import annotations

import asyncio
import os
import random
import signal
from collections.abc import Sequence
from contextlib import suppress
from pathlib import Path
from typing import Any

import pytest

from bus.errors import BusError, RunNotFoundError
from bus.ids import SUPERVISOR
from bus.messages import MemberJoined, UsageReserved, UsageSpent
from bus.run_stream import Record
from team.cli import exit_codes
from tests.support.cli import Cli, as_team, is_alive
from tests.support.dear_provider import DearProvider
from tests.support.invariants import last_pids
from tests.support.messages_api import KEY, messages_api

RUN = "dear"
PATIENCE_S = 500.0
ENDED = (exit_codes.OK, exit_codes.PARTIAL, exit_codes.REJECTED)
GOAL = "How do these depots cancel requests and shut down?"


def lay_out(folder: Path, lanes: int) -> list[Path]:
    """So many groups of sources, one for a lane."""
    found = []
    for number in range(lanes):
        group = folder / f"depot{number:02}"
        group.mkdir(parents=True)
        lines = [f"# {group.name}", ""]
        for part in range(1, 13):
            lines += [
                f"Worker {part} of {group.name} will cancel a request that waits {part} s.",
                f"To shut down, part {part} of {group.name} closes its queue, then its workers.",
                "",
            ]
        (group / "notes.md").write_text("\n".join(lines))
        found.append(group)
    return found


@pytest.mark.timeout(600)
@pytest.mark.parametrize(
    ("members", "usd_max", "seed", "kills"),
    [
        pytest.param(3, 4.0, 1, 2, marks=pytest.mark.slow),
        pytest.param(16, 12.0, 2, 12, marks=pytest.mark.slow),
        pytest.param(16, 6.0, 3, 16, marks=pytest.mark.slow),
    ],
)
async def test_whoever_is_killed_the_provider_charges_no_more_than_the_limit(
    cli: Cli, tmp_path: Path, members: int, usd_max: float, seed: int, kills: int
) -> None:
    """A fifth of all tries is spoiled; members and the lead are killed at random instants."""
    provider = DearProvider(seed, spoiled_share=0.2)
    spec = cli.cwd / "dear.toml"
    spec.write_text(
        'name = "dear"\n[policy]\nrestarts_max = 60\n'
        f"teammates_max = {members}\nrun_dollars_max = {usd_max}\nreserve_share = 0.3\n"
        f"[triage]\ncomparison_max = {members}\n"
    )
    sources = as_team(lay_out(tmp_path / "sources", members))
    arguments = ("run", str(spec), GOAL, *sources, "--run", RUN, "-q")

    async with asyncio.timeout(PATIENCE_S), messages_api(provider.answer, provider.count) as api:
        environment = {"ANTHROPIC_API_KEY": KEY, "ANTHROPIC_BASE_URL": api.url}
        with cli.start(*arguments, **environment, PEERTEAM_MODEL_SILENT_S="5") as process:
            killing = asyncio.create_task(_kill_members(cli, random.Random(seed), kills))
            _, said = await asyncio.to_thread(process.communicate)
            killing.cancel()
        killed = await _result_of(killing)

    records = await cli.records(RUN)
    spent = [r.body for r in records if isinstance(r.body, UsageSpent)]
    print(
        f"{provider.calls} tries charged ${provider.usd:.4f} of ${usd_max}, {killed} kills, "
        f"{len(_seated(records))} members, exit {process.returncode}"
    )
    assert process.returncode in ENDED, said
    assert provider.usd <= usd_max
    assert any(isinstance(r.body, UsageReserved) for r in records)
    assert len(_seated(records)) > members
    assert provider.calls > sum(not one.is_in_vain for one in spent), "no try was in vain"
    audited = await asyncio.to_thread(cli.run, "audit", RUN)
    assert audited.returncode == 0, audited.stdout


def _seated(records: Sequence[Record]) -> set[str]:
    joined = [r for r in records if isinstance(r.body, MemberJoined)]
    return {r.subject.author for r in joined if r.subject.author != SUPERVISOR}


async def _kill_members(cli: Cli, chance: random.Random, kills: int) -> int:
    """Kill members, now and then, as soon as calls are reserved; gives how many."""
    done = 0
    while done < kills:
        await asyncio.sleep(chance.uniform(0.1, 0.8))
        records: list[Record] = []
        with suppress(BusError, RunNotFoundError, AssertionError):
            records = await cli.records(RUN)
        reserving = {r.subject.author for r in records if isinstance(r.body, UsageReserved)}
        pids = {name: pid for name, pid in last_pids(records).items() if name in reserving}
        living = sorted(name for name, pid in pids.items() if is_alive(pid))
        if living:
            os.kill(pids[chance.choice(living)], signal.SIGKILL)
            done += 1
    return done


async def _result_of(task: asyncio.Task[int]) -> Any:
    with suppress(asyncio.CancelledError):
        return await task
    return "some"
