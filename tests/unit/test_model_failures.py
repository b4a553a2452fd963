"""A provider that fails: each way is one error, waits within bounds, and never an answer.

docs/reliability.md, "When the model fails".
"""

from __future__ import annotations

import asyncio
import math
from typing import Any

import httpx2
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from bus.messages import TokenCounts
from bus.pace import ANSWER_S
from team.agent.models.call import (
    BEGUN_TRIES,
    DISCARDED,
    REPLY_TRIES,
    Caller,
    Lost,
    Reply,
    _Attempt,
    _Tries,
)
from team.agent.models.client import TIMEOUT
from team.agent.models.failures import (
    BACKOFF_MAX_S,
    RETRY_AFTER_MAX_S,
    exhausted_s,
    pause_s,
    retry_after_s,
)
from team.agent.models.silence import SILENT_S, parse_silent
from team.agent.models.steady import SteadyTransport
from team.errors import ModelBusyError, ModelError, ModelRefusedError, ModelReplyError
from team.rules import pace
from team.rules.limits import WRAP_UP_SHARE
from tests.support.cassettes import Scripted, asking, calling, failed, once, streamed
from tests.support.documents import DOCS
from tests.support.model_streams import SHAPES, answer, begun, ended, failed_midway, text, tool

NOW = 1_800_000_000.0  # 15 January 2027, 08:00:00 UTC
ASKED = asking("Hello")


class Failing(httpx2.AsyncBaseTransport):
    """No request gets through."""

    def __init__(self, error: Exception) -> None:
        self._error = error

    async def handle_async_request(self, _: httpx2.Request) -> httpx2.Response:
        raise self._error


async def fails(response: httpx2.Response) -> ModelError:
    """The error of one try that must not be an answer."""
    with pytest.raises(ModelError) as caught:
        await once(Scripted(response), ASKED)
    return caught.value


async def call(caller: Caller, **given: Any) -> tuple[Reply, list[str], list[str]]:
    """A reply, what was streamed of it, and why it waited."""
    said, waits = list[str](), list[str]()

    def on_wait(reason: str, seconds: float) -> None:
        if seconds:
            waits.append(reason)

    return await caller.call(ASKED, on_text=said.append, on_wait=on_wait, **given), said, waits


# --- how long to wait --------------------------------------------------------------------


@pytest.mark.parametrize(
    ("headers", "wait_s"),
    [
        ({"retry-after": "7"}, 7.0),
        ({"retry-after": "0.5"}, 0.5),
        ({"retry-after-ms": "250", "retry-after": "9"}, 0.25),
        ({"retry-after": "Fri, 15 Jan 2027 08:00:30 GMT"}, 30.0),
        ({"retry-after": "Fri, 15 Jan 2027 07:59:00 GMT"}, 0.0),
        ({"retry-after": "-3"}, None),
        ({"retry-after": "nan"}, None),
        ({"retry-after": "inf"}, None),
        ({"retry-after": "soon"}, None),
        ({}, None),
    ],
)
def test_a_wait_that_is_asked_for_is_read_in_each_form(
    headers: dict[str, str], wait_s: float | None
) -> None:
    assert retry_after_s(headers, NOW) == wait_s


@given(st.text() | st.floats().map(str) | st.integers().map(str))
def test_no_header_makes_a_wait_that_is_absurd(header: str) -> None:
    asked = retry_after_s({"retry-after": header}, NOW)

    pause = pause_s(1, asked)

    assert 0 < pause <= RETRY_AFTER_MAX_S + 1


@given(st.integers(1, 10_000), st.none() | st.floats(0, 1e12))
def test_a_pause_is_never_shorter_than_asked_for_and_always_bounded(
    tries: int, asked_s: float | None
) -> None:
    pause = pause_s(tries, asked_s)

    if asked_s is None:
        assert 0 < pause <= 1.25 * BACKOFF_MAX_S
    else:
        assert min(asked_s, RETRY_AFTER_MAX_S) < pause < RETRY_AFTER_MAX_S + 1


def test_a_limit_that_is_used_up_holds_until_it_is_reset() -> None:
    headers = {
        "anthropic-ratelimit-requests-remaining": "0",
        "anthropic-ratelimit-requests-reset": "2027-01-15T08:00:12Z",
        "anthropic-ratelimit-tokens-remaining": "5000",
        "anthropic-ratelimit-tokens-reset": "2027-01-15T09:00:00Z",
    }

    assert exhausted_s(headers, NOW) == 12.0
    assert exhausted_s(headers | {"anthropic-ratelimit-requests-remaining": "1"}, NOW) is None
    assert exhausted_s(headers | {"anthropic-ratelimit-requests-reset": "soon"}, NOW) is None


def test_a_busy_provider_is_waited_for_until_patience_ends() -> None:
    """Not for a number of tries, unless answers began and had to be paid."""
    patient, hasty = _Tries(math.inf), _Tries(-math.inf)
    busy, plain, paid = ModelBusyError("m1", "529"), _Attempt(), _Attempt()
    paid.has_begun = True

    assert all(patient.pause_s(busy, plain) is not None for _ in range(500))
    assert hasty.pause_s(busy, plain) is None
    assert [patient.pause_s(busy, paid) is not None for _ in range(BEGUN_TRIES)] == [
        *[True] * (BEGUN_TRIES - 1),
        False,
    ]


def test_what_is_no_message_is_asked_for_a_few_times_and_a_refusal_once() -> None:
    tries, attempt = _Tries(math.inf), _Attempt()
    broken = [tries.pause_s(ModelReplyError("m1", "cut"), attempt) for _ in range(REPLY_TRIES)]

    assert [pause is not None for pause in broken] == [*[True] * (REPLY_TRIES - 1), False]
    assert _Tries(math.inf).pause_s(ModelRefusedError("m1", "401"), attempt) is None


@pytest.mark.parametrize(
    ("said", "value"),
    [
        ("at most {:g} s at once", RETRY_AFTER_MAX_S),
        ("doubled up to {:g} s; then calls again", BACKOFF_MAX_S),
        ("no answer within {:g} s", TIMEOUT.connect),
        ("no first byte within {:g} s", TIMEOUT.read),
        ("`PEERTEAM_MODEL_SILENT_S`, {:g} s", SILENT_S),
        ("after {} answers that began", BEGUN_TRIES),
        ("after {} answers: not returned", REPLY_TRIES),
        ("{:.0%} of its seconds", 1 - WRAP_UP_SHARE),
        ("within a window, {} at first", pace.WINDOW_START),
        ("one more a round, up to {}", pace.WINDOW_MAX),
        ("with each refusal, up to {:g} s", pace.BACKOFF_MAX_S),
        ("nobody answers within {:g} s", ANSWER_S),
    ],
)
def test_numbers_in_the_document_are_those_of_the_code(said: str, value: float) -> None:
    text = " ".join((DOCS / "reliability.md").read_text().split()).replace(" %", "%")

    assert said.format(value) in text


# --- which error ---------------------------------------------------------------------------


@pytest.mark.parametrize("status", [408, 409, 429, 500, 502, 503, 504, 520, 529])
async def test_a_busy_provider_says_how_long_to_wait(status: int) -> None:
    error = await fails(failed(status, "overloaded_error", **{"retry-after": "7"}))

    assert isinstance(error, ModelBusyError)
    assert (error.retry_after_s, error.is_asked) == (7.0, True)
    assert error.reason == f"{status} overloaded_error"


@pytest.mark.parametrize(
    ("status", "fix"),
    [
        (400, "mend the request"),
        (401, "ANTHROPIC_API_KEY"),
        (402, "credit"),
        (403, "permissions"),
        (404, "ANTHROPIC_BASE_URL"),
        (422, "mend the request"),
    ],
)
async def test_what_would_fail_again_is_refused_with_what_to_mend(status: int, fix: str) -> None:
    error = await fails(failed(status, "some_error"))

    assert isinstance(error, ModelRefusedError)
    assert error.reason == f"{status} some_error: some_error"
    assert fix in error.fix


async def test_a_provider_that_says_not_to_try_again_is_not_asked_again() -> None:
    error = await fails(failed(429, "rate_limit_error", **{"x-should-retry": "false"}))

    assert isinstance(error, ModelRefusedError)


@pytest.mark.parametrize(
    "below",
    [
        httpx2.ConnectError("connection refused"),
        httpx2.ConnectTimeout("no answer"),
        httpx2.ReadTimeout("no first byte"),
        httpx2.ReadError("connection reset"),
        httpx2.RemoteProtocolError("server disconnected"),
        httpx2.PoolTimeout("no connection free"),
    ],
)
async def test_a_network_that_fails_is_waited_for_and_named(below: Exception) -> None:
    """All members need not slow down for it: nobody asked them to."""
    with pytest.raises(ModelBusyError, match="no connection to the provider") as caught:
        await once(Failing(below), ASKED)

    assert str(below) in caught.value.reason
    assert not caught.value.is_asked


@pytest.mark.parametrize(
    "response",
    [
        httpx2.Response(200, headers={"content-type": "text/html"}, text="<html>gateway</html>"),
        httpx2.Response(200, text=""),
        httpx2.Response(200, headers={"content-type": "text/event-stream"}, text=""),
        httpx2.Response(200, json={"type": "message", "content": [], "stop_reason": "end_turn"}),
        streamed(b"event: message_start\ndata: {not json\n\n"),
        streamed(b"event: message_start\ndata: [1]\n\n"),
        streamed(b'event: message_start\ndata: {"type": "message_start"}\n\n'),
        streamed(*ended("end_turn")),
        answer(begun(), *tool(0, "search", '{"query": ]'), *ended("tool_use")),
        answer(begun(), *text(0, "Yes"), ended("end_turn")[1]),
    ],
    ids=[
        *("html", "empty", "no events", "no stream", "no json", "a list", "no message"),
        *("no beginning", "broken tool input", "no stop reason"),
    ],
)
async def test_what_is_no_whole_message_is_no_answer(response: httpx2.Response) -> None:
    assert isinstance(await fails(response), ModelReplyError)


@pytest.mark.parametrize("kind", ["overloaded_error", "rate_limit_error", "api_error"])
async def test_an_error_in_mid_answer_is_a_busy_provider(kind: str) -> None:
    """It comes with status 200; a retry-after of such an answer means nothing."""
    response = answer(begun(), *text(0, "Let me"), failed_midway(kind))
    response.headers["retry-after"] = "55"
    error = await fails(response)

    assert isinstance(error, ModelBusyError)
    assert (error.reason, error.retry_after_s) == (f"{kind} in mid-answer", None)


async def test_any_other_error_in_mid_answer_is_a_broken_reply() -> None:
    error = await fails(answer(begun(), failed_midway("invalid_request_error")))

    assert isinstance(error, ModelReplyError)


async def test_an_answer_that_falls_silent_is_noticed_although_it_never_ends() -> None:
    """By bytes, below the SDK, so that pings count as life."""
    silent = SteadyTransport(Scripted(streamed(begun(), then=asyncio.Event())), 0.02)

    with pytest.raises(ModelBusyError, match=r"fell silent.*nothing came for 0\.02 s"):
        await once(silent, ASKED)


@pytest.mark.parametrize(("said", "silent_s"), [("", SILENT_S), ("5", 5.0), ("0.5", 0.5)])
def test_how_long_silence_may_last_is_a_setting(said: str, silent_s: float) -> None:
    assert parse_silent(said) == silent_s


@pytest.mark.parametrize("said", ["0", "-1", "nan", "inf", "soon"])
def test_a_silence_that_is_no_time_is_refused(said: str) -> None:
    with pytest.raises(ValueError, match="no number of seconds above 0"):
        parse_silent(said)


# --- never a part of an answer ---------------------------------------------------------------


@pytest.mark.parametrize("shape", SHAPES)
async def test_a_whole_answer_of_each_shape_is_taken(shape: str) -> None:
    reply = await once(Scripted(answer(*SHAPES[shape])), ASKED)

    assert reply.stop_reason in ("end_turn", "tool_use")
    assert reply.tokens.total > 0


@pytest.mark.parametrize("shape", SHAPES)
@pytest.mark.parametrize("then", [None, httpx2.ReadError("reset")], ids=["ended", "reset"])
async def test_an_answer_that_is_cut_after_any_event_is_no_answer(
    shape: str, then: Exception | None
) -> None:
    events = SHAPES[shape]
    for after in range(len(events)):
        error = await fails(answer(*events[:after], then=then))

        assert isinstance(error, ModelReplyError), after


@settings(max_examples=60, deadline=None)
@given(st.sampled_from(sorted(SHAPES)), st.data())
async def test_an_answer_that_is_cut_after_any_byte_is_no_answer(
    shape: str, data: st.DataObject
) -> None:
    whole = b"".join(SHAPES[shape])
    after = data.draw(st.integers(0, whole.rindex(b"event: message_stop")))

    assert isinstance(await fails(answer(whole[:after])), ModelReplyError)


# --- try after try ---------------------------------------------------------------------------


BROKEN = (begun(input_tokens=50), *text(0, "Let me", " see"))
WHOLE = (begun(), *text(0, "Two"), *ended("end_turn"))


async def test_text_of_an_answer_that_broke_off_is_said_to_be_void() -> None:
    async with calling(Scripted(answer(*BROKEN), answer(*WHOLE))) as caller:
        reply, said, waits = await call(caller)

    assert reply.text == "Two"
    assert list(filter(None, said)) == ["Let me", " see", DISCARDED, "Two"]
    assert waits == ["the stream ended before the message did"]


async def test_what_a_broken_answer_took_is_counted_as_far_as_it_was_told() -> None:
    busy = failed(529, "overloaded_error", **{"retry-after": "0"})
    tries = (answer(*BROKEN), busy, answer(begun(), *WHOLE[1:-1]), answer(*WHOLE))
    async with calling(Scripted(*tries)) as caller:
        reply, _, _ = await call(caller)

    assert reply.lost == TokenCounts(input=100, output=2 + 40)
    assert reply.tokens == TokenCounts(input=50, output=40)


async def test_a_caller_that_has_lost_enough_tries_no_more() -> None:
    asked = list[Lost]()

    def may_lose(lost: Lost) -> bool:
        asked.append(lost)
        return False

    async with calling(Scripted(answer(*BROKEN))) as caller:
        with pytest.raises(ModelReplyError) as caught:
            await call(caller, may_lose=may_lose)

    assert [one.tokens for one in asked] == [TokenCounts(input=50, output=2)]
    assert caught.value.lost == asked[0].tokens


async def test_a_wait_is_told_before_it_and_its_end_after_it() -> None:
    """So that a member shows that it waits, and then that it does not."""
    told = list[tuple[str, bool]]()
    tries = Scripted(failed(429, "rate_limit_error", **{"retry-after": "0"}), answer(*WHOLE))
    async with calling(tries) as caller:
        await caller.call(ASKED, on_text=print, on_wait=lambda why, s: told.append((why, s > 0)))

    assert told == [("429 rate_limit_error", True), ("429 rate_limit_error", False)]


async def test_a_wait_of_minutes_is_cancelled_at_once() -> None:
    waits = asyncio.Event()
    tries = Scripted(failed(429, "rate_limit_error", **{"retry-after": "290"}))
    async with calling(tries) as caller, asyncio.timeout(5):
        waiting = asyncio.create_task(
            caller.call(ASKED, on_text=print, on_wait=lambda *_: waits.set())
        )
        await waits.wait()
        waiting.cancel()
        with pytest.raises(asyncio.CancelledError):
            await waiting


# --- asking whether to call --------------------------------------------------------------------


class Noting:
    """A pacer that lets calls wait as often as it is told to, and notes what it hears."""

    def __init__(self, *waits_s: float) -> None:
        self.heard: list[Any] = []
        self._waits_s = list(waits_s)

    async def ask(self, key: str) -> float:
        assert key not in ("", "none")
        wait_s = self._waits_s.pop(0) if self._waits_s else 0.0
        self.heard.append(("asked", wait_s))
        return wait_s

    async def tell(self, _: str, how: str, hold_s: float | None) -> None:
        self.heard.append((how, hold_s))


async def test_each_try_is_asked_for_and_its_end_is_told() -> None:
    pacer = Noting(0.001)
    tries = Scripted(
        failed(429, "rate_limit_error", **{"retry-after": "0.01"}), answer(*BROKEN), answer(*WHOLE)
    )
    caller = Caller("rehearsal", tries, pacer=pacer)
    await call(caller)
    await caller.close()

    assert pacer.heard == [
        *[("asked", 0.001), ("asked", 0.0), ("busy", 0.01)],
        *[("asked", 0.0), ("failed", None)],
        *[("asked", 0.0), ("ok", None)],
    ]


async def test_a_call_that_is_cancelled_gives_its_place_back() -> None:
    pacer, begins = Noting(), asyncio.Event()
    caller = Caller("rehearsal", Scripted(streamed(begun(), then=begins)), pacer=pacer)
    calls = asyncio.create_task(call(caller))
    await asyncio.wait_for(begins.wait(), 5)
    calls.cancel()
    await asyncio.gather(calls, return_exceptions=True)
    await caller.close()

    assert pacer.heard == [("asked", 0.0), ("failed", None)]


async def test_who_is_never_let_call_gives_up_when_patience_ends() -> None:
    caller = Caller("rehearsal", Scripted(), pacer=Noting(1e9))
    with pytest.raises(ModelBusyError, match="leaves no room"):
        await call(caller, patience_s=0.0)
    await caller.close()
