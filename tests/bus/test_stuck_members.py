"""Members that were given up, told to return, or repeat themselves, on a real server."""

from __future__ import annotations

import asyncio

import pytest

from bus.connection import Connection
from bus.errors import ConflictError
from bus.feed import Feed, create_feed
from bus.ids import LEAD, SUPERVISOR
from bus.messages import (
    AnyMessage,
    Budget,
    MemberJoined,
    MemberLost,
    MemberSeated,
    MemberStuck,
    TaskClaimed,
    TaskOpened,
    TaskSubmitted,
    TurnActed,
    WrapUp,
)
from bus.run_stream import Entry, RunStream
from bus.subjects import build
from team.agent.inbox import Inbox
from team.agent.loop import Agent
from team.agent.models.call import Caller
from team.agent.tools.peer_tools import NotePartial, WaitForMail
from team.rules.world import teammate_filters
from team.state import RunState
from tests.support.builders import opens, opens_context, replies
from tests.support.decisions import (
    CONTEXT,
    Scripted,
    a_world,
    an_agent,
    an_assignment,
    call_tool,
)

STUCK = MemberStuck(reason="nothing has moved")


async def tell(
    stream: RunStream,
    kind: str,
    name: str,
    *,
    author: str = LEAD,
    body: AnyMessage,
    expect: int | None = None,
) -> int:
    subject = build(stream.run, kind, name, author=author)
    return await stream.append(Entry(subject=subject, body=body, expect=expect))


async def a_told_member(stream: RunStream) -> int:
    """Ada has a seat, was seen to get nowhere, and was told; gives where that stands."""
    filters = teammate_filters(stream.run, "ada", ["t1"], [])
    await tell(stream, "member", "ada", body=MemberSeated(role="researcher", filters=filters))
    await tell(stream, "member", "ada", author="ada", body=MemberJoined(pid=1, host="h"))
    seq = await tell(stream, "member", "ada", author=SUPERVISOR, body=STUCK)
    return await tell(stream, "control", "ada", body=WrapUp(reason="so", stuck_seq=seq))


async def an_inbox(connection: Connection, stream: RunStream) -> Inbox:
    """What a new process of ada's reads."""
    filters = teammate_filters(stream.run, "ada", ["t1"], [])
    made = Inbox(Feed(connection, stream.run, "ada"), RunState(), "ada")
    await made.load(stream, filters, ())
    return made


async def test_what_a_replaced_holder_submits_late_is_refused_whole(stream: RunStream) -> None:
    """A claim is void when its holder is lost: its commit names a claim that is no more."""
    world = await a_world(stream)
    await world.journal.commit(opens_context(CONTEXT))
    await world.journal.commit(replies(1))
    opened = await tell(stream, "task", "t1", body=opens("pools"), expect=0)
    claim = await tell(stream, "task", "t1", author="ada", body=TaskClaimed(), expect=opened)
    await tell(stream, "member", "ada", body=MemberLost(reason="it did not move"))
    again: TaskOpened = opens("pools")
    opened = await tell(stream, "task", "t1", body=again, expect=claim)
    await tell(stream, "task", "t1", author="bea", body=TaskClaimed(), expect=opened)
    before = await stream.last_seq()

    late = world.entry("task", "t1", body=TaskSubmitted(), expect=claim)
    with pytest.raises(ConflictError):
        await world.journal.commit(TurnActed(context=CONTEXT, turn=1, outcomes=()), [late])

    assert await stream.last_seq() == before


async def test_a_new_process_reads_that_it_was_told_and_one_that_moved_does_not(
    connection: Connection, stream: RunStream
) -> None:
    """What was said of an earlier task is not said of the next."""
    await a_told_member(stream)
    assert (await an_inbox(connection, stream)).take().wrap_up == "so"

    await tell(stream, "task", "t1", body=opens("pools"))
    await tell(stream, "task", "t1", author="ada", body=TaskClaimed())
    assert (await an_inbox(connection, stream)).take().wrap_up is None


async def test_what_was_not_heard_before_a_task_ended_is_not_said_in_the_next(
    connection: Connection, stream: RunStream
) -> None:
    """Its call came back after all, and returned; the word was about that."""
    await create_feed(
        connection, stream.run, "ada", teammate_filters(stream.run, "ada", ["t1"], [])
    )
    await tell(stream, "task", "t1", body=opens("pools"))
    await tell(stream, "task", "t1", author="ada", body=TaskClaimed())
    told_seq = await a_told_member(stream)
    inbox = await an_inbox(connection, stream)
    await inbox.start()
    try:
        assert inbox.state.last_seq == told_seq
        assert inbox.is_wrapping_up
        seq = await tell(stream, "task", "t1", author="ada", body=TaskSubmitted())
        await inbox.reached(seq)
    finally:
        await inbox.stop()

    assert not inbox.is_wrapping_up
    assert inbox.take().wrap_up is None


async def test_who_waits_for_mail_is_woken_when_told_to_return(stream: RunStream) -> None:
    world = await a_world(stream, areas=[])
    try:
        await world.journal.commit(opens_context(CONTEXT))
        waiting = asyncio.create_task(call_tool(world, WaitForMail(world, CONTEXT), seconds=50))
        await world.inbox.reached(await a_told_member(stream))
        answer = await asyncio.wait_for(waiting, 10)
    finally:
        await world.inbox.stop()

    assert answer.content == "The lead asks you to wrap up."


async def test_a_member_that_repeats_itself_is_told_and_then_has_not_returned(
    stream: RunStream,
) -> None:
    world = await a_world(stream)
    transport = Scripted(*[[("note", {"text": "again"})]] * 20)

    ample = Budget(turns_max=50, tokens_max=1_000_000, seconds_max=60.0)
    assignment = an_assignment(NotePartial(world, "t1"), budget=ample)
    outcome = await an_agent(world, transport).work(assignment)

    assert not outcome.returned
    assert outcome.reason == "it called note 8 times in a row with the same input and answer"
    assert transport.asked == 8
    added = [turn.replied.added for turn in world.journal.transcripts[CONTEXT].turns]
    assert [number for number, blocks in enumerate(added, start=1) if blocks] == [5]
    assert added[4][0].startswith("You go round in circles: 4 turns in a row you have called note")


async def test_a_member_says_when_it_does_nothing_but_wait_for_mail(stream: RunStream) -> None:
    """By that alone a circle of members can be seen."""
    world = await a_world(stream, areas=[])
    shown: list[str] = []
    agent = Agent(
        world,
        world.journal,
        Caller(
            "rehearsal",
            Scripted([("wait_for_mail", {"seconds": 0.1})], [("note", {"text": "x"})]),
        ),
        on_text=lambda _: None,
        on_state=lambda state, *_: shown.append(state),
    )
    try:
        await agent.work(an_assignment(WaitForMail(world, CONTEXT), NotePartial(world, "t1")))
    finally:
        await world.inbox.stop()

    assert shown == ["working", "listening", "working", "working", "working"]
