"""The provider's counting endpoint: asked where it helps, replayed, and done without."""

from __future__ import annotations

from pathlib import Path

import httpx2
import pytest

from team.agent.models.call import Caller
from team.agent.models.rehearsal.transport import RehearsalTransport, tokens_read
from tests.support.cassettes import Scripted, asking, calling, failed, player, recorder
from tests.support.messages_api import KEY, messages_api

ASKED = asking("How do these pools differ?")


@pytest.mark.parametrize("status", [404, 405])
async def test_a_server_that_does_not_count_is_asked_once(status: int) -> None:
    """`Scripted` has one response: a second request would be an error of its own."""
    async with calling(Scripted(failed(status, "not_found_error"))) as caller:
        assert await caller.count(ASKED) is None
        assert await caller.count(ASKED) is None


@pytest.mark.parametrize(
    "response",
    [
        failed(529, "overloaded_error"),
        httpx2.Response(200, json={"input_tokens": 0}),
        httpx2.Response(200, json={"input_tokens": "many"}),
        httpx2.Response(200, json={}),
    ],
    ids=["busy", "nothing", "no number", "no answer"],
)
async def test_a_count_that_can_not_be_had_is_asked_for_again(response: httpx2.Response) -> None:
    good = httpx2.Response(200, json={"input_tokens": 7})
    async with calling(Scripted(response, good)) as caller:
        assert await caller.count(ASKED) is None
        assert await caller.count(ASKED) == 7


async def test_a_count_is_replayed_from_a_recording_and_from_nowhere_else(tmp_path: Path) -> None:
    tape = tmp_path / "ada.jsonl"
    async with calling(recorder(RehearsalTransport(), tape)) as caller:
        recorded = await caller.count(ASKED)

    async with calling(player(tape)) as caller:
        assert await caller.count(asking("Something else.")) is None
        assert await caller.count(ASKED) == recorded
        assert await caller.count(ASKED) is None

    assert recorded is not None
    assert recorded > 0


async def test_counting_goes_through_the_sdk_to_its_own_address(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    async with messages_api() as api:
        monkeypatch.setenv("ANTHROPIC_API_KEY", KEY)
        monkeypatch.setenv("ANTHROPIC_BASE_URL", api.url)
        caller = Caller("anthropic")
        counted = await caller.count(ASKED)
        await caller.close()

    assert api.requests == []
    assert [tokens_read(body) for body in api.counted] == [counted]
    assert "max_tokens" not in api.counted[0]
