"""Pictures in a context: looked at by a tool, sent as bytes, kept as references."""

from __future__ import annotations

import base64
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import msgspec
import pytest

from bus.messages import ContextCompacted, TurnActed
from bus.run_stream import RunStream
from team.sources import Library, build_library, collect
from tests.support.lanes import a_lane_opened, at_work, some_sources
from tests.support.messages_api import KEY, messages_api
from tests.support.pictures import png
from tests.support.strict_api import Answer, StrictProvider

VIEW: Answer = [("view_source", {"source": "docs/plan.png"})]
PLAN = png(60, 40)


@pytest.fixture
def sources(tmp_path: Path) -> Iterator[Library]:
    """Three texts, a picture, a large one, and one that is none of the contract's business."""
    some_sources(tmp_path).close()
    (tmp_path / "docs/plan.png").write_bytes(PLAN)
    (tmp_path / "docs/wall.png").write_bytes(png(4_000, 4_000))
    (tmp_path / "other").mkdir()
    (tmp_path / "other/secret.png").write_bytes(png(5, 5))
    built = tmp_path / "seen.sqlite"
    build_library(collect(["docs", "other"], tmp_path, pictures=True), built)
    with Library.open(built) as library:
        yield library


@pytest.fixture(autouse=True)
def _first_party(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("ANTHROPIC_API_KEY", KEY)
    monkeypatch.delenv("ANTHROPIC_BASE_URL", raising=False)


async def a_lane(
    stream: RunStream, sources: Library, *answers: Answer, sees: bool = True, window: int = 200_000
) -> StrictProvider:
    await a_lane_opened(stream, window_tokens=window)
    provider = StrictProvider(*answers, "Done.", "Done.", "Done.", thinks=True)
    async with (
        messages_api(provider) as api,
        at_work(stream, sources, api.url, sees=sees) as (agent, _, assignment),
    ):
        await agent.work(assignment)
    return provider


async def outcomes(stream: RunStream) -> list[Any]:
    acted = [r.body async for r in stream.read() if isinstance(r.body, TurnActed)]
    return [outcome for one in acted for outcome in one.outcomes]


def images(body: dict[str, Any]) -> list[dict[str, Any]]:
    return [
        part
        for message in body["messages"]
        for block in message["content"]
        if block["type"] == "tool_result" and isinstance(block["content"], list)
        for part in block["content"]
        if part["type"] == "image"
    ]


async def test_a_picture_is_sent_as_its_file_has_it_and_kept_as_a_reference(
    stream: RunStream, sources: Library
) -> None:
    """The same bytes in each call; none of them in the stream."""
    provider = await a_lane(stream, sources, [("list_sources", {})], VIEW, [("list_sources", {})])

    data = base64.b64encode(PLAN).decode()
    source = {"type": "base64", "media_type": "image/png", "data": data}
    later = provider.bodies[2:]
    assert len(later) >= 2
    assert all(images(body) == [{"type": "image", "source": source}] for body in later)
    assert not provider.refused
    listed, shown, _ = await outcomes(stream)
    assert "docs/plan.png (docs, picture 60×40)" in listed.content
    assert shown.pictures[0].source == "docs/plan.png"
    assert data[:60] not in str([msgspec.json.encode(r.body) async for r in stream.read()])


async def test_a_process_that_takes_over_sends_the_same_bytes(
    stream: RunStream, sources: Library
) -> None:
    await a_lane_opened(stream)
    provider = StrictProvider(VIEW, "Done.", "Done.", "Done.", thinks=True)

    async with messages_api(provider) as api:
        async with at_work(stream, sources, api.url) as (agent, _, assignment):
            transcript = await agent._open(assignment)
            await agent._next_turn(assignment, transcript)
            await agent._act(assignment, transcript, transcript.turns[0])
            ours = agent._request(assignment, transcript, [])
        async with at_work(stream, sources, api.url) as (agent, world, assignment):
            theirs = agent._request(assignment, world.journal.transcripts[assignment.context], [])
            await agent.work(assignment)

    assert theirs == ours
    assert list(ours.pictures.values()) == [PLAN]
    assert not provider.refused


async def test_a_picture_outside_the_contract_and_one_without_room_are_not_shown(
    stream: RunStream, sources: Library
) -> None:
    """The one is refused by the code of the rule; of the other the size is told."""
    provider = await a_lane(
        stream,
        sources,
        [
            ("view_source", {"source": "other/secret.png"}),
            ("view_source", {"source": "docs/wall.png"}),
        ],
        [("view_source", {"source": "docs/pools.md"})],
        window=20_000,
    )

    secret, wall, text = await outcomes(stream)
    assert secret.is_error
    assert "P202" in str([r.body async for r in stream.read()])
    assert "4000×4000 pixels, about 21334 tokens" in wall.content
    assert wall.is_error
    assert "it is no picture" in text.content
    assert not any(images(body) for body in provider.bodies)


async def test_who_does_not_see_has_no_tool_to_look_with(
    stream: RunStream, sources: Library
) -> None:
    provider = await a_lane(stream, sources, [("list_sources", {})], sees=False)

    assert "view_source" not in [tool["name"] for tool in provider.bodies[0]["tools"]]


async def test_a_picture_leaves_with_its_turn(stream: RunStream, sources: Library) -> None:
    """It counts against the window for what it takes, not for the words that stand for it."""
    look: Answer = [("view_source", {"source": "docs/middle.png"})]
    folder = Path(sources.find("docs/plan.png").path).parent
    (folder / "middle.png").write_bytes(png(1_500, 1_500))
    built = folder.parent / "more.sqlite"
    build_library(collect(["docs"], folder.parent, pictures=True), built)

    with Library.open(built) as library:
        provider = await a_lane(stream, library, look, look, look, look, window=20_000)

    compacted = [r.body async for r in stream.read() if isinstance(r.body, ContextCompacted)]
    assert compacted
    counts = [len(images(body)) for body in provider.bodies]
    assert max(counts) < 4
    assert not provider.refused
