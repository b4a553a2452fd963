"""Real interactions, recorded by others, through our own caller and the rules of the loop.

EVALS' facts of the SDK: a cut stream raises nothing of itself, JSON in place of a stream is no
message, an answer may carry a retry-after that means nothing.
"""

from __future__ import annotations

import json
from collections.abc import AsyncIterator, Iterable
from contextlib import asynccontextmanager
from typing import Any

import httpx2
import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from bus.codec import as_stored
from bus.messages import TurnReplied
from bus.subjects import build
from team.agent import stops
from team.agent.endings import ended_by_stop
from team.agent.journal import Transcript, Turn
from team.agent.models.call import Caller, Reply
from team.agent.models.failures import exhausted_s
from team.agent.models.rehearsal.transport import request_problem
from team.errors import ModelError, ModelRefusedError, ModelReplyError
from tests.support.builders import RUN, opens_context, replies
from tests.support.cassettes import Scripted, asking, never_waits, streamed
from tests.support.recorded_wire import (
    Interaction,
    as_events,
    interactions,
    messages,
    needs_recordings,
    streams,
    whole,
)

pytestmark = needs_recordings

ASKED = asking("Hello")
RECORDED, STREAMS = messages(), streams()
SKIPPED_BY_THE_SDK = "mcp_tool_use"
"""A block whose input the SDK's stable stream does not put together: an error, not a loss."""
CLEAN = ("end_turn", "tool_use", "stop_sequence")


def a_transcript(reply: Reply) -> Transcript:
    """A transcript whose only turn is this reply."""
    turn = replies(1, stop_reason=reply.stop_reason)
    turn = msgspec.structs.replace(turn, content=msgspec.Raw(reply.content))
    stored = as_stored(build(RUN, "journal", author="ada"), turn)
    assert isinstance(stored, TurnReplied)
    return Transcript(opened=opens_context(), at=0.0, turns=[Turn(replied=stored)])


@asynccontextmanager
async def a_caller(*responses: httpx2.Response) -> AsyncIterator[Caller]:
    """A caller that is given these answers, at the real provider's rules for counting."""
    caller = Caller("anthropic", Scripted(*responses))
    try:
        yield caller
    finally:
        await caller.close()


async def once(caller: Caller) -> Reply:
    """One try."""
    return await caller._once(ASKED, lambda _: None)


def answers(given: Iterable[Interaction]) -> list[httpx2.Response]:
    """Recorded answers with the headers that were recorded."""
    made = [(streamed(*one.events), one.headers) for one in given]
    for response, headers in made:
        response.headers.update({k: v for k, v in headers.items() if k != "content-type"})
    return [response for response, _ in made]


def said(message: dict[str, Any]) -> list[dict[str, Any]]:
    """The content of a message, without blank text, which the API would not take back."""
    return [b for b in message["content"] if b["type"] != "text" or b["text"].strip()]


def is_lost_on_the_sdk(message: dict[str, Any]) -> bool:
    return any(b["type"] == SKIPPED_BY_THE_SDK and b["input"] for b in message["content"])


def test_all_recordings_are_here() -> None:
    assert (len(interactions()), len(RECORDED)) == (386, 377)
    assert sum(one.sse is not None for one in RECORDED) == 65
    assert len(STREAMS) == 75


# --- what was answered ---------------------------------------------------------------------


async def test_every_recorded_message_gives_what_its_recording_says() -> None:
    """Content to the last field, thinking with its signature, tool calls, stop, usage.

    And the loop runs tools after a clean stop only, and sends back what was received.
    """
    lost = list[str]()
    async with a_caller(*answers(RECORDED)) as caller:
        for one in RECORDED:
            if is_lost_on_the_sdk(one.message):
                with pytest.raises(ModelReplyError, match="could not be read"):
                    await once(caller)
                lost.append(one.name)
                continue
            reply = await once(caller)
            _compare(one, one.message, reply)
            _decide(one, reply)

    assert len(lost) == 3


def _compare(one: Interaction, message: dict[str, Any], reply: Reply) -> None:
    content, usage = said(message), message["usage"]
    assert msgspec.json.decode(reply.content) == content, one.name
    assert reply.stop_reason == message["stop_reason"], one.name
    assert [(c.id, c.name, c.input) for c in reply.calls] == [
        (b["id"], b["name"], b["input"]) for b in content if b["type"] == "tool_use"
    ], one.name
    assert reply.tokens.input == usage["input_tokens"], one.name
    assert reply.tokens.output == usage["output_tokens"], one.name
    assert reply.tokens.cache_read == (usage.get("cache_read_input_tokens") or 0), one.name
    assert reply.tokens.cache_write == (usage.get("cache_creation_input_tokens") or 0), one.name
    assert not reply.is_estimated, one.name
    assert reply.model == message["model"], one.name


def _decide(one: Interaction, reply: Reply) -> None:
    transcript = a_transcript(reply)

    assert ended_by_stop(transcript) is None, one.name
    assert (reply.stop_reason in CLEAN) is not (reply.stop_reason in stops.UNENDED), one.name
    assert transcript.turns[0].calls == reply.calls
    if said(one.message):
        sent_back = transcript.messages([])[1]
        assert sent_back == {"role": "assistant", "content": said(one.message)}, one.name


async def test_a_body_of_json_is_no_answer_to_a_call_that_streams() -> None:
    bodies = [httpx2.Response(200, json=one.body) for one in RECORDED if one.body is not None]
    async with a_caller(*bodies) as caller:
        for _ in bodies:
            with pytest.raises(ModelReplyError):
                await once(caller)


async def test_every_recorded_error_is_refused_in_the_providers_words() -> None:
    errors = [one for one in interactions() if one.status != 200]
    async with a_caller(*(httpx2.Response(e.status, json=e.body) for e in errors)) as caller:
        for one in errors:
            with pytest.raises(ModelRefusedError) as caught:
                await caller.call(ASKED, on_text=print, on_wait=never_waits)
            assert one.body is not None
            assert one.body["error"]["message"] in caught.value.reason

    assert len(errors) == 3


async def test_no_recorded_answer_makes_anybody_wait() -> None:
    """A sixth of them carry a retry-after, and status 200."""
    told = [m for m in RECORDED if "retry-after" in m.headers and not is_lost_on_the_sdk(m.message)]
    async with a_caller(*answers(told)) as caller:
        for _ in told:
            await caller.call(ASKED, on_text=lambda _: None, on_wait=never_waits)

    assert len(told) > 60
    assert all(exhausted_s(one.headers, 0.0) is None for one in RECORDED)


# --- what was asked ------------------------------------------------------------------------


def test_every_request_that_the_api_has_taken_passes_our_validator() -> None:
    refused = {
        f"{one.name}: {problem}"
        for one in RECORDED
        if (problem := request_problem(one.request)) is not None
    }

    assert refused == set()


# --- cut streams ---------------------------------------------------------------------------


def is_whole(event: bytes) -> bool:
    return b"message_stop" in event


@pytest.mark.slow
@pytest.mark.parametrize("name", STREAMS)
async def test_a_recorded_stream_that_is_cut_after_any_event_is_no_answer(name: str) -> None:
    events = STREAMS[name]
    ends = next(n for n, event in enumerate(events) if is_whole(event))
    async with a_caller(*(streamed(*events[:after]) for after in range(ends + 1))) as caller:
        for _ in range(ends + 1):
            with pytest.raises(ModelError):
                await once(caller)


@settings(max_examples=200, deadline=None)
@given(st.sampled_from(sorted(STREAMS) or [""]), st.data())
async def test_a_recorded_stream_that_is_cut_after_any_byte_is_no_answer(
    name: str, data: st.DataObject
) -> None:
    events = STREAMS[name]
    ends = next(n for n, event in enumerate(events) if is_whole(event))
    body = b"".join(events[: ends + 1]).rstrip()
    after = data.draw(st.integers(0, len(body) - 1))

    async with a_caller(streamed(body[:after])) as caller:
        with pytest.raises(ModelError):
            await once(caller)


FIXTURES = {
    "basic_response.txt": "end_turn",
    "compaction_response.txt": "a part of the answer is a 'compaction_delta'",
    "fallback_credit_response.txt": "end_turn",
    "fallback_response.txt": "end_turn",
    "incomplete_partial_json_response.txt": "max_tokens",
    "refusal_response.txt": "refusal",
    "stream-a-refusal.sse": "refusal",
    "stream-a-toolrefusal.sse": "refusal",
    "stream-b-fallback.sse": "end_turn",
    "tool_use_response.txt": "tool_use",
}
"""The SDK's own fixtures: the reason to stop, or the error."""


@pytest.mark.parametrize("name", FIXTURES)
async def test_a_fixture_of_the_sdk_is_read_or_refused_and_a_refusal_ends_the_assignment(
    name: str,
) -> None:
    wanted = FIXTURES[name]
    async with a_caller(streamed(*STREAMS[name])) as caller:
        if wanted.startswith("a part"):
            with pytest.raises(ModelReplyError, match=wanted):
                await once(caller)
            return
        reply = await once(caller)
    transcript = a_transcript(reply)

    assert (reply.stop_reason, reply.is_estimated) == (wanted, False)
    assert (ended_by_stop(transcript) is not None) is (wanted == "refusal")
    is_cut_off = stops.cut_off_call(transcript.turns[0]) is not None
    assert is_cut_off is (wanted == "max_tokens")


def test_events_made_of_a_body_spell_that_body() -> None:
    """The test's own reading: what the other tests compare with."""
    for one in RECORDED:
        if one.body is not None:
            made = (json.loads(e.partition(b"data: ")[2]) for e in as_events(one.body))
            assert whole(made)["content"] == one.body["content"], one.name
