"""What tests of the decision tools share: a source to quote from, a member in its task."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from bus.run_stream import RunStream
from team.agent.world import World
from team.sources import Library
from tests.support.builders import opens_context
from tests.support.decisions import CONTEXT, a_guide, a_world


@pytest.fixture
def library(tmp_path: Path) -> Iterator[Library]:
    with a_guide(tmp_path) as opened:
        yield opened


@pytest.fixture
async def ada(stream: RunStream, library: Library) -> World:
    """Ada's access to the run, in the context of her task."""
    world = await a_world(stream, "ada", library=library)
    await world.journal.commit(opens_context(CONTEXT))
    return world
