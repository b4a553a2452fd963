"""`kill -9` around a call that changes the world: it is made once at most, and never hidden."""

from __future__ import annotations

import asyncio
import os
import signal
import sys
from pathlib import Path

import pytest

from bus.access import Access
from bus.messages import TurnActed, TurnReplied
from bus.run_stream import RunStream
from tests.support.effectful import INSTANTS, an_errand, effects
from tests.support.minds import Asked, a_mind

ROOT = Path(__file__).resolve().parents[2]
KNOWN = {"intent": (0, "unknown"), "effect": (1, "unknown"), "outcome": (1, "Deployed pools.")}
"""By instant: how often it took effect, and what the member's next process says of it."""


@pytest.mark.parametrize("when", INSTANTS)
async def test_a_killed_process_leaves_a_call_made_once_at_most_and_says_what_is_unknown(
    stream: RunStream, access: Access, tmp_path: Path, when: str
) -> None:
    file = tmp_path / "deployed"
    process = await asyncio.create_subprocess_exec(
        *(sys.executable, "-m", "tests.support.effectful"),
        *(access.url, access.token or "", stream.run, str(file), when),
        cwd=ROOT,
        env=os.environ | {"PYTHONPATH": str(ROOT)},
    )
    assert await asyncio.wait_for(process.wait(), 60) == -signal.SIGKILL

    model = Asked("Done.")
    agent, world = await a_mind(stream, model, areas=None)
    outcome = await agent.work(an_errand(world, file))

    times, said = KNOWN[when]
    assert outcome.returned
    assert len(effects(file)) == times
    records = [record.body async for record in stream.read()]
    [acted] = [body for body in records if isinstance(body, TurnActed)]
    assert said in acted.outcomes[0].content
    assert [body.turn for body in records if isinstance(body, TurnReplied)] == [1, 2]
    assert len(model.bodies) == 1
