"""What an agent makes of the reason for which its model stopped, and of a model that fails."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from typing import Any, ClassVar

import httpx2
import msgspec
import pytest

from bus.errors import BusUnavailableError
from bus.messages import ContextClosed, TokenCounts, TurnActed, TurnReplied, UsageSpent
from bus.run_stream import RunStream
from team.agent.assignment import Assignment
from team.agent.loop import Agent
from team.agent.models.call import Caller
from team.agent.stops import CUT_OFFS_MAX, PAUSES_MAX
from team.agent.tools.base import Effect, Tool, ToolAnswer
from team.agent.world import World
from team.errors import ModelAwayError, StopRequestedError
from tests.support.builders import a_budget
from tests.support.cassettes import Scripted, failed
from tests.support.decisions import a_world, an_assignment
from tests.support.model_streams import answer, begun, ended, text, tool
from tests.support.wire import until

STREAMED = {"content-type": "text/event-stream"}


class Nothing(msgspec.Struct):
    """No input that must be given."""

    query: str = ""


class Note(Tool[Nothing]):
    """Counts how often it was run."""

    name: ClassVar[str] = "note"
    input_type = Nothing
    effect: ClassVar[Effect] = "idempotent"

    def __init__(self) -> None:
        self.runs = list[str]()

    async def run(self, given: Nothing) -> ToolAnswer:
        self.runs.append(given.query)
        return ToolAnswer(content="Noted.")


class Return(Tool[Nothing]):
    """Return the answer."""

    name: ClassVar[str] = "give_back"
    input_type = Nothing
    effect: ClassVar[Effect] = "idempotent"

    async def run(self, given: Nothing) -> ToolAnswer:  # noqa: ARG002 - asks for nothing
        return ToolAnswer(content="Accepted.", answer=b'"done"')


class Never(httpx2.AsyncByteStream):
    """A body of which nothing ever comes."""

    async def __aiter__(self) -> AsyncIterator[bytes]:
        await asyncio.Event().wait()
        yield b""


class Asked(Scripted):
    """Prepared responses, and what each request said last."""

    def __init__(self, *responses: httpx2.Response) -> None:
        super().__init__(*responses)
        self.last = list[Any]()

    async def handle_async_request(self, request: httpx2.Request) -> httpx2.Response:
        self.last.append(msgspec.json.decode(await request.aread())["messages"][-1])
        return await super().handle_async_request(request)


GIVES_BACK = (begun(), *tool(0, "give_back"), *ended("tool_use"))


def an_agent(world: World, *responses: httpx2.Response) -> tuple[Agent, Asked, list[str]]:
    """An agent on prepared responses, what it was asked, and the states that it showed."""
    asked, states = Asked(*responses), list[str]()
    agent = Agent(
        world,
        world.journal,
        Caller("rehearsal", asked),
        on_text=lambda _: None,
        on_state=lambda state, *_: states.append(state),
    )
    return agent, asked, states


def to_return(*tools: Any, **changes: Any) -> Assignment:
    return an_assignment(*tools, Return(), ends_with="give_back", **changes)


async def bodies(stream: RunStream, kind: type[Any]) -> list[Any]:
    return [record.body async for record in stream.read() if isinstance(record.body, kind)]


async def test_a_tool_call_that_was_cut_off_is_never_run(stream: RunStream) -> None:
    """What came whole before it is; and the model is told to be brief."""
    note = Note()
    agent, asked, _ = an_agent(
        await a_world(stream),
        answer(
            begun(),
            *tool(0, "note", '{"query": "whole"}'),
            *tool(1, "note", '{"query": "cut o'),
            *ended("max_tokens"),
        ),
        answer(*GIVES_BACK),
    )

    outcome = await agent.work(to_return(note))

    assert outcome.returned
    assert note.runs == ["whole"]
    whole, cut = asked.last[1]["content"]
    assert whole["content"] == "Noted."
    assert cut["is_error"] is True
    assert "note was not run: your reply was cut off in the midst of it" in cut["content"]


async def test_an_answer_that_was_cut_off_is_not_returned_and_may_be_given_whole(
    stream: RunStream,
) -> None:
    agent, _, _ = an_agent(
        await a_world(stream),
        answer(begun(), *tool(0, "give_back", '{"query": "x'), *ended("max_tokens")),
        answer(*GIVES_BACK),
    )

    assert (await agent.work(to_return())).returned
    ends = [body.ends for body in await bodies(stream, TurnActed)]
    assert ends == [False, True]


@pytest.mark.parametrize(
    ("blocks", "stop", "most", "said"),
    [
        (text(0, "And then"), "max_tokens", CUT_OFFS_MAX, "cut off at the limit of its output"),
        (tool(0, "note"), "max_tokens", CUT_OFFS_MAX, "cut off at the limit of its output"),
        (text(0, "I wait"), "pause_turn", PAUSES_MAX, "paused its turn"),
    ],
    ids=["text", "tool", "pause"],
)
async def test_cut_offs_and_pauses_are_borne_so_often_and_no_more(
    stream: RunStream, blocks: list[bytes], stop: str, most: int, said: str
) -> None:
    """Also where ending the turn would be enough: what was cut off has not ended."""
    note = Note()
    replies = [answer(begun(), *blocks, *ended(stop)) for _ in range(most + 1)]
    agent, asked, _ = an_agent(await a_world(stream), *replies)

    outcome = await agent.work(an_assignment(note, budget=a_budget(turns_max=30)))

    assert (outcome.returned, note.runs) == (False, [])
    assert f"{said} {most + 1} times" in outcome.reason
    assert len(asked.last) == most + 1


async def test_a_cut_off_text_is_told_to_be_brief(stream: RunStream) -> None:
    agent, asked, _ = an_agent(
        await a_world(stream),
        answer(begun(), *text(0, "And then"), *ended("max_tokens")),
        answer(*GIVES_BACK),
    )

    assert (await agent.work(to_return())).returned
    [told] = asked.last[1]["content"]
    assert told["text"] == "You were cut off. Be brief. Return now with `give_back`."


@pytest.mark.parametrize("stop", ["refusal", "something_new"])
async def test_after_a_refusal_or_an_unknown_reason_no_tool_is_run(
    stream: RunStream, stop: str
) -> None:
    """Unknown means no, even if the reply returns an answer."""
    details = {"type": "refusal", "category": "cyber", "explanation": "It may harm."}
    note = Note()
    agent, asked, _ = an_agent(
        await a_world(stream),
        answer(begun(), *tool(0, "note"), *tool(1, "give_back"), *ended(stop, details)),
    )

    outcome = await agent.work(to_return(note))

    assert (outcome.returned, note.runs, len(asked.last)) == (False, [], 1)
    assert outcome.reason == f"the model stopped: {stop} (cyber: It may harm.)"
    assert await bodies(stream, TurnActed) == []
    [closed] = await bodies(stream, ContextClosed)
    assert closed.reason == outcome.reason


async def test_what_broken_answers_took_is_in_the_turn_and_in_its_usage(stream: RunStream) -> None:
    agent, _, _ = an_agent(
        await a_world(stream),
        answer(begun(input_tokens=70), *text(0, "Let")),
        answer(*GIVES_BACK),
    )

    await agent.work(to_return())

    lost = TokenCounts(input=70, output=2)
    assert [body.lost for body in await bodies(stream, TurnReplied)] == [lost]
    assert [body.lost for body in await bodies(stream, UsageSpent)] == [lost]


async def test_what_a_call_took_that_never_gave_an_answer_is_told(stream: RunStream) -> None:
    broken = [answer(begun(input_tokens=70), *text(0, "Let")) for _ in range(3)]
    agent, _, _ = an_agent(await a_world(stream), *broken)

    outcome = await agent.work(to_return())

    assert not outcome.returned
    [usage] = await bodies(stream, UsageSpent)
    assert (usage.tokens, usage.lost) == (TokenCounts(), TokenCounts(input=210, output=6))


async def test_a_call_is_not_tried_again_past_what_its_slice_has_left(stream: RunStream) -> None:
    """A try in vain counts as the call itself: the budget holds."""
    agent, asked, _ = an_agent(
        await a_world(stream), answer(begun(input_tokens=8_000), *text(0, "Let"))
    )

    outcome = await agent.work(to_return(budget=a_budget(tokens_max=9_000)))

    assert (outcome.returned, len(asked.last)) == (False, 1)


@pytest.mark.parametrize("is_vital", [False, True])
async def test_when_a_busy_provider_outlasts_the_time_only_what_is_vital_stays_open(
    stream: RunStream, is_vital: bool
) -> None:
    """A teammate's task is not returned; a lead leaves its turn to `team resume`."""
    busy = failed(529, "overloaded_error", **{"retry-after": "300"})
    agent, _, states = an_agent(await a_world(stream), busy)
    assignment = to_return(budget=a_budget(seconds_max=60.0), is_vital=is_vital)

    if is_vital:
        with pytest.raises(ModelAwayError, match="529 overloaded_error"):
            await agent.work(assignment)
    else:
        assert not (await agent.work(assignment)).returned

    assert len(await bodies(stream, ContextClosed)) == (not is_vital)
    assert "waiting" not in states


async def test_a_stop_ends_the_wait_for_a_busy_provider_at_once(stream: RunStream) -> None:
    """And the context stays open, to be gone on with."""
    world = await a_world(stream)
    busy = failed(429, "rate_limit_error", **{"retry-after": "290"})
    waits = asyncio.Event()

    def on_state(state: str, *_: object) -> None:
        if state == "waiting":
            waits.set()

    agent = Agent(
        world,
        world.journal,
        Caller("rehearsal", Scripted(busy)),
        on_text=lambda _: None,
        on_state=on_state,
    )
    async with asyncio.timeout(10):
        working = asyncio.create_task(agent.work(to_return(budget=a_budget(seconds_max=9_000.0))))
        await waits.wait()
        world.inbox.stopped.set()
        with pytest.raises(StopRequestedError):
            await working

    assert await bodies(stream, ContextClosed) == []


async def test_a_member_that_is_forsaken_in_a_call_says_so_and_was_not_stopped(
    stream: RunStream,
) -> None:
    """The bus was away for too long: that is neither a stop nor a clean end."""
    world = await a_world(stream)
    agent, asked, _ = an_agent(world, httpx2.Response(200, headers=STREAMED, stream=Never()))
    work = asyncio.create_task(agent.work(to_return()))
    await until(lambda: bool(asked.last), "the call is made")

    world.inbox.fail(BusUnavailableError("nats://there", "it is away"))

    with pytest.raises(BusUnavailableError, match="it is away"):
        await work
