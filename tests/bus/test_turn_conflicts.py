"""Turns as transactions, on a real server: who loses a race learns it, and nothing is half done."""

from __future__ import annotations

import asyncio
from typing import Any

import httpx2
import msgspec
import pytest

from bus import subjects
from bus.connection import Connection
from bus.errors import FencedError
from bus.feed import Feed
from bus.messages import (
    Budget,
    DecisionRecorded,
    Mail,
    TaskClaimed,
    TaskFailed,
    TaskSettled,
    TurnActed,
    TurnReplied,
    UsageSpent,
)
from bus.run_stream import Entry, Record, RunStream
from team.agent.inbox import Inbox
from team.agent.journal import Journal
from team.agent.loop import Agent, Assignment, Outcome
from team.agent.models.call import Caller
from team.agent.models.rehearsal.brain import Composed
from team.agent.models.rehearsal.transport import message_events
from team.agent.tools.decision_tools import RecordDecision
from team.agent.tools.peer_tools import NotePartial
from team.agent.world import World
from team.state import RunState

BUDGET = Budget(turns_max=8, tokens_max=1_000_000, seconds_max=60.0)


class Scripted(httpx2.AsyncBaseTransport):
    """A model that calls tools by script, one list of calls a turn, then ends its turn."""

    def __init__(self, *turns: list[tuple[str, dict[str, Any]]], meet: asyncio.Barrier) -> None:
        self.turns, self.meet, self.asked = turns, meet, 0

    async def handle_async_request(self, request: httpx2.Request) -> httpx2.Response:
        """Answer the next turn, once every model in the test has been asked."""
        body = msgspec.json.decode(await request.aread())
        turn = sum(message["role"] == "assistant" for message in body["messages"])
        self.asked += 1
        if turn < len(self.turns):
            await self.meet.wait()
            blocks = [
                {"type": "tool_use", "id": f"toolu_{turn}_{n}", "name": name, "input": given}
                for n, (name, given) in enumerate(self.turns[turn])
            ]
            composed = Composed(blocks=blocks, stop_reason="tool_use")
        else:
            blocks = [{"type": "text", "text": "Done."}]
            composed = Composed(blocks=blocks, stop_reason="end_turn")
        events = b"".join(message_events(body, composed))
        headers = {"content-type": "text/event-stream"}
        return httpx2.Response(200, headers=headers, content=events)


async def _agent(stream: RunStream, me: str, transport: Scripted) -> tuple[Agent, World, Journal]:
    journal = Journal(stream, me)
    await journal.load()
    inbox = Inbox(Feed(stream.connection, stream.run, me), RunState(), me)
    world = World(me=me, stream=stream, inbox=inbox)
    caller = Caller("rehearsal", transport)
    agent = Agent(world, journal, caller, on_text=lambda _: None, on_state=lambda *_: None)
    return agent, world, journal


def _assignment(world: World) -> Assignment:
    return Assignment(
        context="task:t1:1",
        system="Do as the script says.",
        opening="Begin.",
        tools=(RecordDecision(world), NotePartial(world, "t1")),
        model="rehearsal-1",
        budget=BUDGET,
        output_tokens_max=1_000,
    )


async def _work(agent: Agent, world: World) -> Outcome:
    return await agent.work(_assignment(world))


async def _records(stream: RunStream) -> list[Record]:
    return [record async for record in stream.read()]


async def test_two_that_decide_one_key_at_once_one_wins_and_the_other_reads_its_text(
    stream: RunStream,
) -> None:
    """The loser's tool result is the winner's decision; its other tools still took effect."""
    meet = asyncio.Barrier(2)
    choices = {"ada": "Offsets count from zero.", "bea": "Offsets count from one."}
    agents = {
        me: await _agent(
            stream,
            me,
            Scripted(
                [
                    ("note", {"text": f"{me} was here"}),
                    ("record_decision", {"area": "api", "key": "offsets", "statement": text}),
                ],
                meet=meet,
            ),
        )
        for me, text in choices.items()
    }

    outcomes = await asyncio.gather(*(_work(agent, world) for agent, world, _ in agents.values()))

    assert all(outcome.returned for outcome in outcomes)
    records = await _records(stream)
    decided = [r for r in records if isinstance(r.body, DecisionRecorded)]
    assert len(decided) == 1
    winner = decided[0].subject.author
    loser = "bea" if winner == "ada" else "ada"
    told = [
        outcome
        for record in records
        if record.subject.author == loser and isinstance(record.body, TurnActed)
        for outcome in record.body.outcomes
        if outcome.tool == "record_decision"
    ]
    assert len(told) == 1
    assert told[0].is_error
    assert choices[winner] in told[0].content
    assert f"revision {decided[0].seq}" in told[0].content
    noted = [r.subject.author for r in records if r.subject.kind == "finding"]
    assert sorted(noted) == ["ada", "bea"]


async def test_two_decisions_on_one_key_in_one_turn_are_refused(stream: RunStream) -> None:
    """A batch may hold one expectation per key; the second call is told so."""
    calls = [
        ("record_decision", {"area": "api", "key": "k", "statement": text})
        for text in ("One.", "Two.")
    ]
    agent, world, _ = await _agent(stream, "ada", Scripted(calls, meet=asyncio.Barrier(1)))

    await _work(agent, world)

    records = await _records(stream)
    assert [r.body.statement for r in records if isinstance(r.body, DecisionRecorded)] == ["One."]


async def test_a_twin_is_fenced_at_its_first_commit_and_leaves_nothing(stream: RunStream) -> None:
    """Both began from the same journal; the second to commit must exit."""
    meet = asyncio.Barrier(1)
    first, world, _ = await _agent(stream, "ada", Scripted([("note", {"text": "a"})], meet=meet))
    twin, twin_world, _ = await _agent(
        stream, "ada", Scripted([("note", {"text": "b"})], meet=meet)
    )
    await _work(first, world)
    before = [record.id for record in await _records(stream)]

    with pytest.raises(FencedError, match="another process acts as this member"):
        await _work(twin, twin_world)

    assert [record.id for record in await _records(stream)] == before


async def test_a_member_that_died_between_reply_and_tools_does_not_pay_again(
    stream: RunStream, connection: Connection
) -> None:
    """The reply is in the journal: its tools are run, its call is not made again."""
    meet = asyncio.Barrier(1)
    script = [("note", {"text": "kept"})]
    dead = Scripted(script, meet=meet)
    agent, world, _ = await _agent(stream, "ada", dead)
    assignment = _assignment(world)
    transcript = await agent._open(assignment)
    await agent._next_turn(assignment, transcript)
    assert dead.asked == 1
    assert transcript.unfinished is not None

    fresh = Scripted(script, meet=meet)
    revived, world, _ = await _agent(RunStream(connection, stream.run), "ada", fresh)
    outcome = await _work(revived, world)

    assert outcome.returned
    assert fresh.asked == 1
    records = await _records(stream)
    turns = [r.body.turn for r in records if isinstance(r.body, TurnReplied)]
    assert turns == [1, 2]
    assert sum(isinstance(r.body, UsageSpent) for r in records) == 2
    notes = [r for r in records if r.subject.kind == "finding"]
    assert len(notes) == 1


async def test_a_rebuilt_context_has_the_same_bytes(stream: RunStream) -> None:
    """What a fresh process would send next is what the old one would have sent."""
    script = [("note", {"text": "one"})], [("note", {"text": "two"})]
    agent, world, journal = await _agent(stream, "ada", Scripted(*script, meet=asyncio.Barrier(1)))
    await _work(agent, world)
    again = Journal(stream, "ada")

    await again.load()

    def encode(of: Journal) -> bytes:
        return msgspec.json.encode(of.transcripts["task:t1:1"].messages(["next"]))

    assert encode(again) == encode(journal)
    assert not any(isinstance(r.body, Mail) for r in await _records(stream))
    assert (await stream.head(str(subjects.journal(stream.run, "ada")))) is not None


async def test_work_on_a_task_that_was_taken_back_ends_and_writes_nothing_to_it(
    stream: RunStream,
) -> None:
    """The lead has settled it meanwhile: no call is made, the stale failure is not stored."""
    meet = asyncio.Barrier(1)
    transport = Scripted([("note", {"text": "late"})], meet=meet)
    agent, world, journal = await _agent(stream, "ada", transport)
    claim = await stream.append(world.entry("task", "t1", body=TaskClaimed(), expect=0))
    settled = TaskSettled(state="failed", reasons=("time is over",))
    subject = subjects.task(stream.run, "t1", "lead")
    await stream.append(Entry(subject=subject, body=settled, expect=claim))
    assignment = msgspec.structs.replace(_assignment(world), is_wanted=lambda: False)

    outcome = await agent.work(
        assignment,
        lambda reason: [world.entry("task", "t1", body=TaskFailed(reason=reason), expect=claim)],
    )

    assert not outcome.returned
    assert transport.asked == 0
    assert journal.transcripts["task:t1:1"].closed is not None
    records = await _records(stream)
    assert not [record for record in records if isinstance(record.body, TaskFailed)]
