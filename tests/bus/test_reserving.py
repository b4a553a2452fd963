"""A call is reserved at its most before it is made, and settled by what it took."""

from __future__ import annotations

from typing import Any

import msgspec
import pytest

from bus.errors import FencedError
from bus.messages import TokenCounts, UsageReserved, UsageSpent
from bus.run_stream import RunStream
from team.agent import paying
from team.agent.loop import Agent
from team.agent.models.call import Caller
from team.agent.world import World
from team.codes.limits import TOKENS
from tests.support.builders import a_budget, replies
from tests.support.cassettes import Scripted, failed
from tests.support.decisions import CONTEXT, a_world, an_assignment
from tests.support.messages_api import page
from tests.support.model_streams import SHAPES, answer, begun, text

WHOLE = SHAPES["text"]
ROOM = an_assignment().output_tokens_max
READ = 3_000


def broken() -> Any:
    """An answer that begins, and is paid, and breaks off."""
    return answer(begun(input_tokens=READ), *text(0, "Let"))


def an_agent(world: World, *responses: Any) -> Agent:
    caller = Caller("rehearsal", Scripted(*responses))
    return Agent(world, world.journal, caller, on_text=lambda _: None, on_state=lambda *_: None)


async def usage(stream: RunStream) -> list[UsageReserved | UsageSpent]:
    return [
        record.body
        async for record in stream.read()
        if isinstance(record.body, UsageReserved | UsageSpent)
    ]


def reserves(tokens: int, turn: int = 1) -> UsageReserved:
    return UsageReserved(context=CONTEXT, turn=turn, model="m1", tokens=tokens, usd=0.0)


async def test_each_try_is_reserved_before_it_is_made_and_the_answer_settles_them(
    stream: RunStream,
) -> None:
    """What a broken try may have written stays beside what it is known to have read."""
    world = await a_world(stream)

    await an_agent(world, broken(), answer(*WHOLE)).work(an_assignment())

    first, second, spent = await usage(stream)
    assert isinstance(first, UsageReserved)
    assert isinstance(second, UsageReserved)
    assert isinstance(spent, UsageSpent)
    assert second.tokens == first.tokens + READ + ROOM
    assert spent.lost == TokenCounts(input=READ, output=2)
    assert spent.unsettled_tokens == ROOM - 2
    assert world.journal.transcripts[CONTEXT].unsettled.tokens == ROOM - 2


async def test_a_page_in_place_of_an_answer_may_have_cost_the_whole_call(stream: RunStream) -> None:
    world = await a_world(stream)

    await an_agent(world, page(), answer(*WHOLE)).work(an_assignment())

    first, second, spent = await usage(stream)
    assert isinstance(first, UsageReserved)
    assert isinstance(spent, UsageSpent)
    assert (second, spent.unsettled_tokens) == (reserves_twice(first), first.tokens)


def reserves_twice(first: UsageReserved) -> UsageReserved:
    return msgspec.structs.replace(first, tokens=2 * first.tokens)


@pytest.mark.parametrize("status", [429, 500, 529])
async def test_an_error_in_the_providers_own_words_takes_nothing(
    stream: RunStream, status: int
) -> None:
    refusal = failed(status, "some_error", **{"retry-after": "0"})
    world = await a_world(stream)

    await an_agent(world, refusal, answer(*WHOLE)).work(an_assignment())

    first, second, spent = await usage(stream)
    assert isinstance(spent, UsageSpent)
    assert (second, spent.unsettled_tokens) == (first, 0)


async def test_a_call_that_died_counts_in_full_for_whoever_takes_the_turn_up(
    stream: RunStream,
) -> None:
    """And in the turn's own settlement: a later process knows it as well."""
    died = await a_world(stream)
    agent = an_agent(died)
    await agent._open(an_assignment())
    await died.journal.pay(reserves(7_000))
    world = await a_world(stream)
    assert world.journal.transcripts[CONTEXT].tokens_at_most == 7_000

    await an_agent(world, answer(*WHOLE)).work(an_assignment())

    _, again, spent = await usage(stream)
    assert isinstance(again, UsageReserved)
    assert isinstance(spent, UsageSpent)
    assert 7_000 + ROOM < again.tokens < 7_000 + ROOM + 2_000
    assert spent.unsettled_tokens == 7_000
    last = (await a_world(stream)).journal.transcripts[CONTEXT]
    assert last.tokens_at_most == spent.tokens.total + 7_000


async def test_a_call_that_died_leaves_its_slice_no_room_for_another(stream: RunStream) -> None:
    budget = a_budget(tokens_max=9_000)
    died = await a_world(stream)
    await an_agent(died)._open(an_assignment())
    await died.journal.pay(reserves(8_500))

    agent = an_agent(await a_world(stream))
    outcome = await agent.work(an_assignment(budget=budget, ends_with="give_back"))

    assert not outcome.returned
    assert TOKENS in outcome.reason
    assert "8500 of 9000 tokens are used" in outcome.reason


async def test_a_twin_can_not_pay_a_call_unseen(stream: RunStream) -> None:
    """Both have read the same; one reserves; the other exits before it has called."""
    first, second = await a_world(stream), await a_world(stream)
    await an_agent(first)._open(an_assignment())
    second = await a_world(stream)
    await second.journal.pay(reserves(10))

    with pytest.raises(FencedError):
        await an_agent(first).work(an_assignment())

    assert len(await usage(stream)) == 1


async def test_a_reply_that_came_after_a_twin_has_reserved_is_not_stored(stream: RunStream) -> None:
    """Else it would settle what the twin is about to pay."""
    first = await a_world(stream)
    await an_agent(first)._open(an_assignment())
    await first.journal.pay(reserves(10))
    second = await a_world(stream)
    await second.journal.pay(reserves(20))
    spent = UsageSpent(context=CONTEXT, turn=1, model="m1", tokens=TokenCounts(input=5))

    entry = first.entry("usage", body=spent)

    with pytest.raises(FencedError):
        await first.journal.commit(replies(1, context=CONTEXT), [entry])

    assert await usage(stream) == [reserves(10), reserves(20)]


async def test_near_the_end_of_a_slice_an_answer_is_given_less_room(
    stream: RunStream, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The rehearsal counts a quarter of the bytes; the call is made, with what is left."""
    monkeypatch.setattr(paying, "ANSWER_TOKENS_MIN", 100)
    world = await a_world(stream)
    counted = Counting(answer(*WHOLE))
    agent = Agent(
        world,
        world.journal,
        Caller("rehearsal", counted),
        on_text=lambda _: None,
        on_state=lambda *_: None,
    )

    await agent.work(an_assignment(budget=a_budget(tokens_max=1_000), opening="x" * 2_000))

    [asked] = counted.asked
    assert 100 < asked["max_tokens"] < ROOM
    reserved, _ = await usage(stream)
    assert isinstance(reserved, UsageReserved)
    assert reserved.tokens == 1_000


class Counting(Scripted):
    """Counts a token for four bytes, and keeps what it was asked to answer."""

    def __init__(self, *responses: Any) -> None:
        super().__init__(*responses)
        self.asked: list[dict[str, Any]] = []

    async def handle_async_request(self, request: Any) -> Any:
        from team.agent.models.rehearsal.transport import COUNTING, counted

        body = msgspec.json.decode(await request.aread())
        if request.url.path.endswith(COUNTING):
            return counted(body)
        self.asked.append(body)
        return await super().handle_async_request(request)
