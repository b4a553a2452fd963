"""An answer that is larger than a small window: cut, and read on to its end."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any, ClassVar

import msgspec
import pytest

from bus.artifacts import create_artifacts
from bus.messages import ContextCompacted, SnapshotKept, TurnActed
from bus.run_stream import RunStream
from team.agent.tools.base import Effect, Tool, ToolAnswer
from team.agent.tools.outside import brought
from team.agent.tools.toolbox import _allowed
from team.agent.world import World
from team.sources import Library
from tests.bus.test_full_contexts import LONG, ada, an_errand, of_type
from tests.support.builders import a_role
from tests.support.decisions import CONTEXT, Calls, a_guide, a_world
from tests.support.minds import Asked, a_seat

WINDOW = 4_000
LINES = 700
"""Of about ten tokens each: nearly twice the window."""

_CUT = re.compile(r"`recall` with turn (\d+), call (\d+), start (\d+)\)$")
_GO_ON = re.compile(r"go on with start (\d+) of \d+\)$")


class Reader(Asked):
    """Asks for everything at once, then reads on where each answer says, to the end."""

    def __init__(self) -> None:
        super().__init__()
        self.seen: list[str] = []
        self._place: dict[str, int] = {}

    async def handle_async_request(self, request: Any) -> Any:
        body = msgspec.json.decode(await request.aread())
        self._answers = (*self._answers, self._next(body["messages"][-1]["content"]))
        return await super().handle_async_request(request)

    def _next(self, content: list[dict[str, Any]]) -> Calls | str:
        if not self.bodies:
            return [("look", {"lines": LINES})]
        [result] = [block for block in content if block["type"] == "tool_result"]
        self.seen += re.findall(r"line (\d{4}): thirty-five characters", result["content"])
        if cut := _CUT.search(result["content"]):
            turn, call, start = map(int, cut.groups())
            self._place = {"turn": turn, "call": call, "start": start}
        elif more := _GO_ON.search(result["content"]):
            self._place = self._place | {"start": int(more[1])}
        else:
            return "Done."
        return [("recall", self._place)]


async def test_an_answer_larger_than_the_window_is_read_on_to_its_end(stream: RunStream) -> None:
    """The journal has it whole; also once its turn has left the context."""
    await a_seat(stream, WINDOW)
    model = Reader()

    async with ada(stream, model) as (agent, world):
        outcome = await agent.work(an_errand(world, budget=LONG))

    assert outcome.returned
    acted = await of_type(stream, TurnActed)
    [whole] = acted[0].outcomes
    assert whole.shown is not None
    assert len(whole.content.splitlines()) == LINES
    assert sorted(set(model.seen)) == [f"{n:04}" for n in range(LINES)]
    assert not any(o.is_error for one in acted for o in one.outcomes)
    compacted = await of_type(stream, ContextCompacted)
    assert compacted
    assert "you have not seen it" not in str(compacted)


class NothingInput(msgspec.Struct, frozen=True, kw_only=True):
    """Nothing to say."""


class Page(Tool[NothingInput]):
    """Bring a long page from outside."""

    name: ClassVar[str] = "page"
    input_type = NothingInput
    effect: ClassVar[Effect] = "read-only"
    reaches_out: ClassVar[bool] = True

    def __init__(self, world: World) -> None:
        self._world = world

    async def run(self, given: NothingInput) -> ToolAnswer:  # noqa: ARG002 - asks for nothing
        text = "\n".join(f"line {n:04}: thirty-five characters" for n in range(LINES))
        return await brought(self._world, text, tool="page", origin="x", context=CONTEXT)


@pytest.fixture
def library(tmp_path: Path) -> Iterator[Library]:
    with a_guide(tmp_path) as opened:
        yield opened


async def test_who_brings_texts_from_outside_reads_on_in_them_and_in_nothing_else(
    stream: RunStream, library: Library
) -> None:
    """Its role has no `read_source`; a source of the run is still none of its business."""
    await create_artifacts(stream.connection, stream.run)
    await a_seat(stream, WINDOW)
    world = await a_world(stream, "ada", areas=[], library=library)
    await world.inbox.stop()
    role = a_role(tools=("page",))

    page, read = _allowed(world, [Page(world)], role)
    shown = await page.call({})
    await world.stream.commit(shown.entries)
    [kept] = [r.subject.names[0] async for r in stream.read() if isinstance(r.body, SnapshotKept)]
    rest = await read.call({"source": f"snapshot:{kept}", "locator": "L690-L700"})
    barred = await read.call({"source": "docs/guide.md"})

    assert (page.name, read.name) == ("page", "read_source")
    assert "line 0699: thirty-five" in rest.content
    assert barred.is_error


async def test_a_small_window_shows_less_of_a_page_and_says_where_to_read_on(
    stream: RunStream,
) -> None:
    await create_artifacts(stream.connection, stream.run)
    await a_seat(stream, WINDOW)
    model = Asked([("page", {})], "Done.")

    async with ada(stream, model) as (agent, world):
        assignment = an_errand(world)
        await agent.work(msgspec.structs.replace(assignment, tools=(Page(world),)))

    [outcome] = (await of_type(stream, TurnActed))[0].outcomes
    assert outcome.shown is None
    assert outcome.content.endswith("</outside>")
    assert "more lines: read them with `read_source`" in outcome.content
    assert 2_000 < len(outcome.content) < 10_000
