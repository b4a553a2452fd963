"""What failed in a recorded run fails the same way in its replay: as often, and in the same words.

The tries of one call are recorded one by one, so that no test waits between them.
"""

from __future__ import annotations

import asyncio
from pathlib import Path

import httpx2
import pytest

from team.agent.models.call import BEGUN_TRIES, REPLY_TRIES, Caller, Reply, Request
from team.agent.models.cassette.format import Met
from team.agent.models.cassette.lane import Lane, LaneFile
from team.agent.models.steady import SteadyTransport
from team.errors import ModelBusyError, ModelError, ModelRefusedError
from tests.support.builders import says
from tests.support.cassettes import (
    Pieces,
    Scripted,
    asking,
    body_of,
    calling,
    events,
    failed,
    never_waits,
    on_the_wire,
    once,
    player,
    read_calls,
    recorder,
    replied,
    streamed,
)
from tests.support.rehearsed import a_request

ASKED = asking("Tell.")
WHOLE = events([says("A long story.")])


@pytest.fixture
def tape(tmp_path: Path) -> Path:
    return tmp_path / "ada.jsonl"


class Unreachable(httpx2.AsyncBaseTransport):
    def __init__(self, error: Exception) -> None:
        self._error = error

    async def handle_async_request(self, _: httpx2.Request) -> httpx2.Response:
        raise self._error


class NeverAsked:
    """A pacer that must not be asked."""

    async def ask(self, _: str) -> float:
        raise AssertionError("asked for a place")

    async def tell(self, _: str, how: str, hold_s: float | None) -> None:
        raise AssertionError(f"told that a call was {how}, wait {hold_s}")


def silent() -> httpx2.AsyncBaseTransport:
    """A model that falls silent in the middle of its answer."""
    return SteadyTransport(Scripted(streamed(*WHOLE[:6], then=asyncio.Event())), 0.01)


def busy(**headers: str) -> httpx2.AsyncBaseTransport:
    return Scripted(failed(429, "rate_limit_error", **headers))


async def tried(tape: Path, *models: httpx2.AsyncBaseTransport) -> list[str]:
    """Record one try of each of these; gives what went wrong with those that failed."""
    wrong = list[str]()
    for model in models:
        try:
            await once(recorder(model, tape), ASKED)
        except ModelError as error:
            wrong.append(f"{type(error).__name__}: {error}")
    return wrong


def goes_on(tape: Path) -> None:
    """Let the member do something else than call."""
    LaneFile(tape).append(Met(kind="stored", seq=9, at=1.0, count=1))


async def replay(tape: Path, patience_s: float = 600.0) -> Reply:
    """One call as a member makes it in a replay; it never waits."""
    caller = Caller("rehearsal", tape=Lane.open(tape), pacer=NeverAsked())
    try:
        return await caller.call(
            ASKED, on_text=lambda _: None, on_wait=never_waits, patience_s=patience_s
        )
    finally:
        await caller.close()


async def ends(tape: Path) -> str:
    """How a call ends in the replay that gave no answer."""
    with pytest.raises(ModelError) as caught:
        await replay(tape)
    return f"{type(caught.value).__name__}: {caught.value}"


async def test_an_answer_that_came_after_many_silent_ones_comes_again(tape: Path) -> None:
    """More of them than there may be broken ones."""
    wrong = await tried(tape, *(silent() for _ in range(REPLY_TRIES + 1)), Scripted(replied()))

    reply = await replay(tape)

    assert {line.partition(":")[0] for line in wrong} == {"ModelBusyError"}
    assert len(wrong) == REPLY_TRIES + 1
    assert reply.lost.total > 0


async def test_an_answer_that_came_after_many_refusals_comes_again(tape: Path) -> None:
    """At once, whatever was asked to wait, and whatever patience there is by the clock."""
    refusals = [busy(**{"retry-after": "250"}) for _ in range(20)]
    await tried(tape, *refusals, Scripted(replied(says("At last."))))

    assert (await replay(tape, patience_s=0.0)).text == "At last."


@pytest.mark.parametrize("tries", [1, 3, 20])
async def test_patience_that_ended_ends_at_the_same_try(tape: Path, tries: int) -> None:
    wrong = await tried(tape, *(busy(**{"retry-after": "7"}) for _ in range(tries)))
    goes_on(tape)

    assert await ends(tape) == wrong[-1]


async def test_patience_that_ended_ends_though_another_call_follows(tape: Path) -> None:
    wrong = await tried(tape, busy(), busy())
    await once(recorder(Scripted(replied(says("Other."))), tape), asking("Something else."))

    assert await ends(tape) == wrong[-1]


async def test_answers_that_broke_off_are_counted_again(tape: Path) -> None:
    def cut() -> httpx2.AsyncBaseTransport:
        return Scripted(streamed(*WHOLE[:6], then=httpx2.ReadError("the line broke")))

    wrong = await tried(tape, cut(), silent(), cut(), busy(), cut())
    goes_on(tape)

    assert await ends(tape) == wrong[-1]
    assert wrong[-1].startswith("ModelReplyError: model 'm1': the answer was cut (the line broke)")


async def test_answers_that_began_in_vain_are_counted_again(tape: Path) -> None:
    wrong = await tried(tape, *(silent() for _ in range(BEGUN_TRIES)))
    goes_on(tape)

    assert await ends(tape) == wrong[-1]


@pytest.mark.parametrize(
    "error",
    [httpx2.ConnectError("nobody listens"), httpx2.ConnectTimeout(""), httpx2.ReadTimeout("slow")],
)
async def test_a_provider_that_was_out_of_reach_is_so_again(tape: Path, error: Exception) -> None:
    wrong = await tried(tape, *(Unreachable(error) for _ in range(4)))
    goes_on(tape)

    assert await ends(tape) == wrong[-1]
    assert wrong[-1].startswith("ModelBusyError: model 'm1': no connection to the provider")
    assert {call.status for call in read_calls(tape)} == {0}


async def test_an_answer_that_could_not_be_unpacked_fails_in_the_same_words(tape: Path) -> None:
    headers = {"content-type": "text/event-stream", "content-encoding": "gzip"}

    def garbled() -> httpx2.AsyncBaseTransport:
        return Scripted(httpx2.Response(200, headers=headers, stream=Pieces(b"no gzip at all")))

    wrong = await tried(tape, *(garbled() for _ in range(REPLY_TRIES)))
    goes_on(tape)

    assert await ends(tape) == wrong[-1]
    assert "DecodingError" in wrong[-1]


async def test_a_provider_that_wanted_no_other_try_wants_none_again(tape: Path) -> None:
    wrong = await tried(tape, busy(**{"x-should-retry": "false"}))
    goes_on(tape)

    assert await ends(tape) == wrong[-1]
    assert wrong[-1].startswith("ModelRefusedError")


@pytest.mark.parametrize("model", [silent(), busy()], ids=["silent", "busy"])
async def test_a_member_that_was_stopped_while_it_waited_calls_until_it_is_stopped(
    tape: Path, model: httpx2.AsyncBaseTransport
) -> None:
    await tried(tape, model)
    LaneFile(tape).append(Met(kind="stopped", seq=0, at=1.0))

    with pytest.raises(TimeoutError):
        await asyncio.wait_for(replay(tape), 0.2)


async def test_an_answer_that_was_cancelled_does_not_end_before_that(tape: Path) -> None:
    begins = asyncio.Event()
    live = asyncio.create_task(
        body_of(recorder(Scripted(streamed(*WHOLE[:6], then=begins)), tape), on_the_wire(ASKED))
    )
    await asyncio.wait_for(begins.wait(), 5)
    live.cancel()
    await asyncio.gather(live, return_exceptions=True)
    LaneFile(tape).append(Met(kind="stopped", seq=0, at=1.0))

    with pytest.raises(TimeoutError):
        await asyncio.wait_for(body_of(player(tape), on_the_wire(ASKED)), 0.2)


async def test_silence_below_a_recording_is_noted_as_such(
    tape: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """As the client is built where a run is recorded."""
    monkeypatch.setenv("PEERTEAM_MODEL_SILENT_S", "0.01")
    monkeypatch.setenv("PEERTEAM_REHEARSAL_FAULTS", "stall")
    caller = Caller("rehearsal", tape=LaneFile(tape))
    with pytest.raises(ModelBusyError):
        await caller._once(Request(**a_request()), lambda _: None)
    await caller.close()

    (call,) = read_calls(tape)
    assert (call.end, call.error) == ("silent", "nothing came for 0.01 s")


async def test_a_call_that_was_not_recorded_is_not_made_again(tape: Path) -> None:
    await tried(tape, busy())
    async with calling(player(tape)) as caller:
        with pytest.raises(ModelRefusedError, match="has no recording of this call"):
            await caller.call(asking("Other."), on_text=lambda _: None, on_wait=never_waits)
