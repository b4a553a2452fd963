"""What a model call took that never gave an answer: told, kept, and counted against each limit."""

from __future__ import annotations

from contextlib import suppress
from types import SimpleNamespace
from typing import Any, cast

import httpx2
import msgspec
import pytest

from bus.messages import Budget, MemberSeated, TokenCounts, UsageSpent
from bus.run_stream import RunStream
from team.agent.assignment import Assignment, Outcome
from team.agent.journal import Journal
from team.agent.loop import Agent
from team.agent.models.call import Caller
from team.agent.world import World
from team.errors import ModelAwayError, ModelRefusedError
from team.members.mail import pocket_budget
from team.members.member import Member
from team.rules.grants import POCKET
from tests.support.builders import a_budget, a_story
from tests.support.cassettes import Scripted, failed
from tests.support.decisions import CONTEXT, a_world, an_assignment
from tests.support.minds import too_long
from tests.support.model_streams import answer, begun, text

LOST = TokenCounts(input=3_000, output=2)


def broken() -> httpx2.Response:
    """An answer that begins, and is paid, and breaks off."""
    return answer(begun(input_tokens=3_000), *text(0, "Let"))


def an_agent(world: World, *responses: httpx2.Response) -> Agent:
    return Agent(
        world,
        world.journal,
        Caller("rehearsal", Scripted(*responses)),
        on_text=lambda _: None,
        on_state=lambda *_: None,
    )


def to_return(**changes: Any) -> Assignment:
    return an_assignment(ends_with="give_back", **changes)


async def lost(stream: RunStream) -> list[TokenCounts]:
    """What the stream says that calls took in vain."""
    return [
        record.body.lost
        async for record in stream.read()
        if isinstance(record.body, UsageSpent) and record.body.is_in_vain
    ]


async def test_what_calls_took_in_vain_counts_after_a_restart_too(stream: RunStream) -> None:
    """At once for the process that made them; a fresh one reads them with its journal."""
    world = await a_world(stream)

    outcome = await an_agent(world, *[broken() for _ in range(3)]).work(to_return())

    again = Journal(stream, "ada")
    await again.load()
    assert not outcome.returned
    assert world.journal.transcripts[CONTEXT].tokens == 3 * LOST.total
    assert again.transcripts[CONTEXT].lost == world.journal.transcripts[CONTEXT].lost


async def test_a_lead_that_is_resumed_again_and_again_stays_within_its_budget(
    stream: RunStream,
) -> None:
    """Its turn stays open each time; what it took in vain before is not forgotten."""
    budget = a_budget(tokens_max=30_000, seconds_max=60.0)
    vital = to_return(budget=budget, is_vital=True, opening="x" * 15_000)
    outcome: Outcome | None = None
    for _ in range(9):
        busy = failed(529, "overloaded_error", **{"retry-after": "300"})
        agent = an_agent(await a_world(stream), broken(), busy)
        with suppress(ModelAwayError):
            outcome = await agent.work(vital)
            break

    assert outcome is not None, "it is still at it"
    assert not outcome.returned
    assert len(await lost(stream)) > 1
    assert sum(one.total for one in await lost(stream)) <= budget.tokens_max


@pytest.mark.parametrize("status", [401, 404])
async def test_what_was_paid_before_a_refusal_is_told(stream: RunStream, status: int) -> None:
    agent = an_agent(await a_world(stream), broken(), failed(status, "some_error"))

    with pytest.raises(ModelRefusedError):
        await agent.work(to_return())

    assert await lost(stream) == [LOST]


async def test_what_was_paid_before_a_context_was_too_long_is_told(stream: RunStream) -> None:
    agent = an_agent(await a_world(stream), broken(), too_long())

    outcome = await agent.work(to_return())

    assert "prompt is too long" in outcome.reason
    assert await lost(stream) == [LOST]


async def test_mail_that_is_tried_in_vain_uses_up_the_pocket(stream: RunStream) -> None:
    """Four letters, each answered in pieces three times: all that is counted for the fifth."""
    world = await a_world(stream)
    agent = an_agent(world, *[broken() for _ in range(12)])
    for letter in range(4):
        await agent.work(msgspec.structs.replace(to_return(), context=f"mail:{letter}"))
    story = a_story()
    story.tell("member", "ada", body=MemberSeated(role="researcher", filters=(), pocket=POCKET))
    member = SimpleNamespace(
        key=SimpleNamespace(name="ada"), state=story.state, journal=world.journal, agent=agent
    )

    budget: Budget = pocket_budget(cast(Member, member), "mail:9")

    at_most = LOST.input + to_return().output_tokens_max
    assert budget.tokens_max == POCKET.tokens_max - 12 * at_most
