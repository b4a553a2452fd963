"""Turns as transactions, on a real server: who loses a race learns it, and nothing is half done."""

from __future__ import annotations

import asyncio

import msgspec
import pytest

from bus import subjects
from bus.connection import Connection
from bus.errors import FencedError
from bus.messages import (
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
from team.agent.assignment import Assignment, Outcome
from team.agent.journal import Journal
from team.agent.loop import Agent
from team.agent.tools.decision_tools import RecordDecision
from team.agent.tools.peer_tools import NotePartial
from team.agent.world import World
from tests.support.decisions import CONTEXT, Scripted, a_world, an_agent, an_assignment


async def _agent(stream: RunStream, me: str, transport: Scripted) -> tuple[Agent, World]:
    world = await a_world(stream, me)
    return an_agent(world, transport), world


def _assignment(world: World) -> Assignment:
    return an_assignment(RecordDecision(world, CONTEXT), NotePartial(world, "t1"))


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

    outcomes = await asyncio.gather(*(_work(agent, world) for agent, world in agents.values()))

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
    assert f"api/offsets r{decided[0].seq} ({winner})" in told[0].content
    assert [one.revision for one in told[0].told] == [decided[0].seq]
    noted = [r.subject.author for r in records if r.subject.kind == "finding"]
    assert sorted(noted) == ["ada", "bea"]


async def test_two_decisions_on_one_key_in_one_turn_are_refused(stream: RunStream) -> None:
    """A batch may hold one expectation per key; the second call is told so."""
    calls = [
        ("record_decision", {"area": "api", "key": "k", "statement": text})
        for text in ("One.", "Two.")
    ]
    agent, world = await _agent(stream, "ada", Scripted(calls, meet=asyncio.Barrier(1)))

    await _work(agent, world)

    records = await _records(stream)
    assert [r.body.statement for r in records if isinstance(r.body, DecisionRecorded)] == ["One."]


async def test_a_twin_is_fenced_at_its_first_commit_and_leaves_nothing(stream: RunStream) -> None:
    """Both began from the same journal; the second to commit must exit."""
    meet = asyncio.Barrier(1)
    first, world = await _agent(stream, "ada", Scripted([("note", {"text": "a"})], meet=meet))
    twin, twin_world = await _agent(stream, "ada", Scripted([("note", {"text": "b"})], meet=meet))
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
    agent, world = await _agent(stream, "ada", dead)
    assignment = _assignment(world)
    transcript = await agent._open(assignment)
    await agent._next_turn(assignment, transcript)
    assert dead.asked == 1
    assert transcript.unfinished is not None

    fresh = Scripted(script, meet=meet)
    revived, world = await _agent(RunStream(connection, stream.run), "ada", fresh)
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
    agent, world = await _agent(stream, "ada", Scripted(*script, meet=asyncio.Barrier(1)))
    await _work(agent, world)
    again = Journal(stream, "ada")

    await again.load()

    def encode(of: Journal) -> bytes:
        return msgspec.json.encode(of.transcripts["task:t1:1"].messages(["next"]))

    assert encode(again) == encode(world.journal)
    assert not any(isinstance(r.body, Mail) for r in await _records(stream))
    assert (await stream.head(str(subjects.journal(stream.run, "ada")))) is not None


async def test_work_on_a_task_that_was_taken_back_ends_and_writes_nothing_to_it(
    stream: RunStream,
) -> None:
    """The lead has settled it meanwhile: no call is made, the stale failure is not stored."""
    meet = asyncio.Barrier(1)
    transport = Scripted([("note", {"text": "late"})], meet=meet)
    agent, world = await _agent(stream, "ada", transport)
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
    assert world.journal.transcripts[CONTEXT].closed is not None
    records = await _records(stream)
    assert not [record for record in records if isinstance(record.body, TaskFailed)]
