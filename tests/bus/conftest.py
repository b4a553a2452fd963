"""What tests of the decision tools share: a source to quote from, a member in its task."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from secrets import token_hex

import pytest

from bus.connection import Connection
from bus.ids import new_run_id
from bus.run_stream import RunStream, create_run
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
    await world.journal.commit(opens_context(CONTEXT, tools=("note", "read_decision")))
    return world


@pytest.fixture
async def other_stream(connection: Connection) -> RunStream:
    """The stream of another run."""
    return await create_run(connection, f"{new_run_id()}-{token_hex(4)}", label="a test")
