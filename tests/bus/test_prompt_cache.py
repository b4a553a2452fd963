"""How much of each call its provider has read before: computed from the requests as sent."""

from __future__ import annotations

from collections.abc import Iterator
from itertools import pairwise
from pathlib import Path
from typing import Any

import msgspec
import pytest

from bus.messages import DecisionRecorded, FindingSubmitted, TaskSubmitted, UsageSpent
from bus.run_stream import RunStream
from team.sources import Library
from tests.support.lanes import (
    LINE,
    a_lane_opened,
    asks,
    at_work,
    decides,
    some_sources,
    work,
)
from tests.support.messages_api import KEY, messages_api
from tests.support.prompt_cache import PromptCache, common_tokens, tokens_of
from tests.support.strict_api import Answer, StrictProvider

SHARE = 0.85
"""What of the input after the first turn must be a beginning that was sent before."""

FINDING: dict[str, Any] = {
    "summary": "A pool keeps as many as it is told to.",
    "claims": [
        {
            "id": "c1",
            "text": "A pool gives the oldest connection back first.",
            "confidence": "high",
            "evidence": [
                {
                    "source": "docs/pools.md",
                    "locator": "L7",
                    "quote": LINE.format(n=7, name="pools"),
                }
            ],
        }
    ],
}


def read(source: str, first: int, last: int) -> tuple[str, dict[str, Any]]:
    return ("read_source", {"source": f"docs/{source}.md", "locator": f"L{first}-L{last}"})


LANE: tuple[Answer, ...] = (
    [("list_sources", {}), ("search_sources", {"query": "oldest connections", "limit": 4})],
    [read("pools", 1, 60)],
    [("note", {"text": "Pools give the oldest back first."}), read("limits", 1, 30)],
    [
        (
            "record_decision",
            {
                "area": "api",
                "key": "names",
                "statement": "Pools are called pools.",
                "rationale": "x",
            },
        )
    ],
    [("search_sources", {"query": "clause 40", "limit": 2}), read("order", 40, 60)],
    [("send_message", {"to": "bea", "kind": "note", "text": "Pools keep what they are told."})],
    [read("pools", n, n + 2) for n in range(1, 40, 3)],  # more blocks than a cache looks back over
    [("note", {"text": "Limits are limits."})],
    [("search_decisions", {"query": "names"})],
    [("submit_finding", FINDING)],
)


@pytest.fixture
def sources(tmp_path: Path) -> Iterator[Library]:
    with some_sources(tmp_path) as library:
        yield library


@pytest.fixture(autouse=True)
def _first_party(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("ANTHROPIC_API_KEY", KEY)
    monkeypatch.delenv("ANTHROPIC_BASE_URL", raising=False)


async def a_lane(
    stream: RunStream, sources: Library, provider: StrictProvider, *, cache: str = "5m"
) -> None:
    """A lane of ten turns, in which mail and decisions keep coming."""
    await a_lane_opened(stream, cache=cache)
    before = {
        2: decides(stream, "paging", DecisionRecorded(statement="Lists are cut by cursor.")),
        3: asks(stream, "Which pool is oldest?"),
        5: decides(stream, "errors", DecisionRecorded(statement="Errors are typed.")),
        7: asks(stream, "And the limits?"),
        8: decides(stream, "retries", DecisionRecorded(statement="Calls are tried again.")),
        9: asks(stream, "Are you done?"),
    }
    async with (
        messages_api(provider) as api,
        at_work(stream, sources, api.url) as (
            agent,
            world,
            assignment,
        ),
    ):
        await work(agent, world, assignment, before)


async def ledger_of(stream: RunStream) -> list[UsageSpent]:
    return [r.body async for r in stream.read() if isinstance(r.body, UsageSpent)]


def share_sent_before(bodies: list[dict[str, Any]]) -> float:
    """The share of all input after the first call that was the beginning of the one before."""
    later = list(pairwise(bodies))
    shared = sum(common_tokens(before, body) for before, body in later)
    return shared / sum(tokens_of(body) for _, body in later)


def share_read_from_cache(usages: list[dict[str, Any]]) -> float:
    later = usages[1:]
    read = sum(usage["cache_read_input_tokens"] for usage in later)
    fresh = sum(usage["input_tokens"] + usage["cache_creation_input_tokens"] for usage in later)
    return read / (read + fresh)


def digest_first(bodies: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """The same calls with all decisions told so far before the opening, as a fresh digest."""
    moved: list[dict[str, Any]] = []
    for body in bodies:
        told: list[str] = []
        messages: list[dict[str, Any]] = []
        for message in body["messages"]:
            digests = [b for b in message["content"] if b.get("text", "").startswith("<decisions>")]
            told += [block["text"] for block in digests]
            kept = [block for block in message["content"] if block not in digests]
            messages.append(message | {"content": kept})
        first = messages[0]["content"]
        messages[0] = messages[0] | {
            "content": [{"type": "text", "text": "\n".join(told) or "-"}, *first]
        }
        moved.append(body | {"messages": messages})
    return moved


async def test_on_a_lane_of_ten_turns_most_input_is_a_beginning_that_was_sent_before(
    stream: RunStream, sources: Library
) -> None:
    provider = StrictProvider(*LANE)

    await a_lane(stream, sources, provider)

    assert len(provider.bodies) == 10
    assert not provider.refused
    assert share_sent_before(provider.bodies) >= SHARE
    texts = str(provider.bodies[-1]["messages"])
    assert texts.count("<mail ") == texts.count("<decisions>") == 3
    kinds = [type(r.body) async for r in stream.read()]
    assert {FindingSubmitted, TaskSubmitted} <= set(kinds)


async def test_what_was_sent_before_is_read_from_the_cache_and_so_counted(
    stream: RunStream, sources: Library
) -> None:
    """By a provider that looks back over twenty blocks, and keeps nothing short."""
    provider = StrictProvider(*LANE)

    await a_lane(stream, sources, provider)

    spent = await ledger_of(stream)
    later = [usage.tokens for usage in spent[1:]]
    read = sum(tokens.cache_read for tokens in later)
    whole = sum(t.input + t.cache_read + t.cache_write for t in later)
    assert len(spent) == 10
    assert read / whole >= SHARE
    assert all(tokens.cache_read for tokens in later)


async def test_a_digest_that_stands_first_would_fail_both(
    stream: RunStream, sources: Library
) -> None:
    """The test of the tests above: they see what breaks a beginning."""
    provider = StrictProvider(*LANE)
    await a_lane(stream, sources, provider)
    cache = PromptCache()

    bodies = digest_first(provider.bodies)
    usages = [cache.usage(body) for body in bodies]

    assert share_sent_before(bodies) < SHARE
    assert share_read_from_cache(usages) < SHARE


async def test_marks_at_the_end_alone_would_lose_a_turn_of_many_results(
    stream: RunStream, sources: Library
) -> None:
    """A cache looks back over a number of blocks: the mark where the last call ended pays."""
    provider = StrictProvider(*LANE)
    await a_lane(stream, sources, provider)

    def only_last(body: dict[str, Any]) -> dict[str, Any]:
        bare = msgspec.json.decode(msgspec.json.encode(body))
        for part in [*bare["system"], *(b for m in bare["messages"][:-1] for b in m["content"])]:
            part.pop("cache_control", None)
        return bare

    ours, plain = PromptCache(), PromptCache()
    with_marks = [ours.usage(body)["cache_read_input_tokens"] for body in provider.bodies]
    without = [plain.usage(only_last(body))["cache_read_input_tokens"] for body in provider.bodies]

    assert min(with_marks[1:]) > 0
    assert without[7] == 0


async def test_members_of_one_role_share_tools_and_system_prompt(
    stream: RunStream, other_stream: RunStream, sources: Library
) -> None:
    """The second member's first call reads from the cache what the first one's has written."""
    cache = PromptCache()
    first, second = StrictProvider(*LANE, cache=cache), StrictProvider(*LANE, cache=cache)

    await a_lane(stream, sources, first)
    await a_lane(other_stream, sources, second)

    begun = (await ledger_of(other_stream))[0].tokens
    assert begun.cache_read > 1_024
    assert begun.cache_read > begun.cache_write + begun.input


async def test_for_an_hour_is_asked_for_and_counted_as_such(
    stream: RunStream, sources: Library
) -> None:
    provider = StrictProvider(*LANE)

    await a_lane(stream, sources, provider, cache="1h")

    spent = await ledger_of(stream)
    assert all(one.tokens.cache_write_hour == one.tokens.cache_write for one in spent)
    assert spent[0].tokens.cache_write_hour > 1_024
    provider.cache.now += 3_000.0
    assert provider.cache.usage(provider.bodies[-1])["cache_read_input_tokens"] > 0


async def test_after_five_minutes_it_is_forgotten(stream: RunStream, sources: Library) -> None:
    provider = StrictProvider(*LANE)

    await a_lane(stream, sources, provider)
    provider.cache.now += 301.0

    assert provider.cache.usage(provider.bodies[-1])["cache_read_input_tokens"] == 0


async def test_off_sends_no_mark(stream: RunStream, sources: Library) -> None:
    provider = StrictProvider(*LANE)

    await a_lane(stream, sources, provider, cache="off")

    assert "cache_control" not in str(provider.bodies)
    assert not any(one.tokens.cache_read for one in await ledger_of(stream))
