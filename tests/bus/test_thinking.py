"""Thinking between tool calls, before a provider that refuses what the real one refuses."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from bus.messages import ContextCompacted, TurnReplied
from bus.run_stream import RunStream
from team.agent.thinking import THINKING
from team.sources import Library
from tests.support.lanes import a_lane_opened, at_work, some_sources
from tests.support.messages_api import KEY, error_response, messages_api, silent
from tests.support.strict_api import Answer, StrictProvider
from tests.support.wire import until

READS: tuple[Answer, ...] = tuple(
    [
        ("read_source", {"source": f"docs/{name}.md", "locator": f"L{n}-L{n + 20}"})
        for name in ("pools", "limits")
    ]
    for n in (1, 30, 60, 90, 120)
)
LANE: tuple[Answer, ...] = (
    *READS,
    [("note", {"text": "Oldest first."})],
    "Done.",
    "Done.",
    "Done.",
)


@pytest.fixture
def sources(tmp_path: Path) -> Iterator[Library]:
    with some_sources(tmp_path) as library:
        yield library


@pytest.fixture(autouse=True)
def _first_party(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("ANTHROPIC_API_KEY", KEY)
    monkeypatch.delenv("ANTHROPIC_BASE_URL", raising=False)


def thoughts(body: dict[str, Any]) -> list[dict[str, Any]]:
    return [
        block
        for message in body["messages"]
        if message["role"] == "assistant"
        for block in message["content"]
        if block["type"] in THINKING
    ]


async def replies(stream: RunStream) -> list[TurnReplied]:
    return [r.body async for r in stream.read() if isinstance(r.body, TurnReplied)]


async def test_thinking_goes_back_as_it_came_also_from_a_process_that_takes_over(
    stream: RunStream, sources: Library
) -> None:
    """Killed in the midst of its fourth call; the next one has only the journal."""
    await a_lane_opened(stream)
    provider = StrictProvider(*LANE, thinks=True)
    asked: list[int] = []

    def script(body: dict[str, Any], number: int) -> Any:
        asked.append(number)
        return provider(body, number) if number != 4 else silent(body, 0)

    async with messages_api(script) as api:
        async with at_work(stream, sources, api.url) as (agent, _, assignment):
            working = asyncio.create_task(agent.work(assignment))
            await until(lambda: len(asked) >= 4, "the fourth call")
            working.cancel()
            await asyncio.gather(working, return_exceptions=True)
        async with at_work(stream, sources, api.url) as (agent, _, assignment):
            await agent.work(assignment)

    assert not provider.refused
    last = thoughts(provider.bodies[-1])
    assert {block["type"] for block in last} == set(THINKING)
    assert len(last) > len(provider.bodies) - 1
    assert len(await replies(stream)) == len(provider.bodies)


async def test_when_turns_leave_the_thinking_of_those_that_stay_is_dropped(
    stream: RunStream, sources: Library
) -> None:
    await a_lane_opened(stream, window_tokens=12_000)
    provider = StrictProvider(*LANE, thinks=True)

    async with (
        messages_api(provider) as api,
        at_work(stream, sources, api.url) as (agent, _, assignment),
    ):
        await agent.work(assignment)

    compacted = [r.body async for r in stream.read() if isinstance(r.body, ContextCompacted)]
    assert compacted
    assert not provider.refused
    counts = [len(thoughts(body)) for body in provider.bodies]
    assert 0 in counts[1:]
    assert counts[-1] > 0
    turns_kept = [str(body).count("'tool_use'") for body in provider.bodies]
    assert turns_kept[counts.index(0, 1)] > 0


async def test_thinking_that_is_refused_all_the_same_is_left_out(
    stream: RunStream, sources: Library
) -> None:
    """Once without any; then it thinks anew."""
    await a_lane_opened(stream)
    provider = StrictProvider(*LANE, thinks=True, may_miss=True)
    refused: list[int] = []

    def script(body: dict[str, Any], number: int) -> Any:
        if number > 2 and thoughts(body):
            refused.append(number)
            said = "messages.1.content.0: `thinking` blocks cannot be modified"
            return error_response(400, "invalid_request_error", said)
        return provider(body, number)

    async with (
        messages_api(script) as api,
        at_work(stream, sources, api.url) as (agent, _, assignment),
    ):
        outcome = await agent.work(assignment)

    assert refused
    assert [len(thoughts(body)) for body in provider.bodies[2:]] == [0] * (len(provider.bodies) - 2)
    assert "thinking" not in outcome.reason


async def test_a_provider_that_is_sent_changed_thinking_refuses_it(
    stream: RunStream, sources: Library
) -> None:
    """The test of the tests above: changed, moved, left out, or behind another beginning."""
    await a_lane_opened(stream)
    provider = StrictProvider(*LANE, thinks=True)
    async with (
        messages_api(provider) as api,
        at_work(stream, sources, api.url) as (agent, _, assignment),
    ):
        await agent.work(assignment)
    body = provider.bodies[3]
    turn = next(m for m in reversed(body["messages"]) if m["role"] == "assistant")
    others = [message for message in body["messages"] if message is not turn]
    first, *rest = turn["content"]

    def problem(content: list[dict[str, Any]], **changes: Any) -> str | None:
        sent = [m if m in others else m | {"content": content} for m in body["messages"]]
        return provider._thinking_problem(body | {"messages": sent} | changes)

    assert problem([first, *rest]) is None
    assert problem([first | {"thinking": "Something else."}, *rest])
    assert problem(rest)
    assert problem([*rest[:1], first, *rest[1:]])
    assert problem([first, *rest], tools=body["tools"][1:])
    assert problem([first, *rest], system="You are another.")
