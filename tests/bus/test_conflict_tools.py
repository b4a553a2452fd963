"""The tools for claims that contradict each other, on a real stream."""

from __future__ import annotations

import pytest

from bus.errors import ConflictError
from bus.ids import GATE, LEAD, PERSON
from bus.messages import (
    AnyMessage,
    ConflictJudged,
    ConflictRaised,
    ConflictRuled,
    TaskClaimed,
    TaskSettled,
    TaskState,
)
from bus.run_stream import Entry, RunStream
from bus.subjects import build
from team.agent.tools.conflict_tools import SubmitComparison, SubmitConflictRuling
from team.agent.world import World
from team.rules.conflicts import comparison_id
from team.state import RunState, Task, fold
from tests.support.builders import opens
from tests.support.decisions import a_world, call_tool

NAME = "x-0123456789abcdef"
TASK = comparison_id(NAME)
RAISED = ConflictRaised(first="t1.c1", second="t2.c1", reason="10 against 20")


async def write(stream: RunStream, author: str, kind: str, name: str, body: AnyMessage) -> int:
    return await stream.append(
        Entry(subject=build(stream.run, kind, name, author=author), body=body)
    )


async def caught_up(world: World) -> RunState:
    """Let a member's picture of the run include all that is stored."""
    async for record in world.stream.read(first_seq=world.state.last_seq + 1):
        world.state.apply(record)
    return world.state


async def a_comparison(stream: RunStream) -> tuple[World, Task]:
    """Vera has claimed the comparison of a conflict."""
    await write(stream, GATE, "conflict", NAME, RAISED)
    opened = opens("compare two claims", role="skeptic", purpose="compare", offered_to="vera")
    await write(stream, LEAD, "task", TASK, opened)
    await write(stream, "vera", "task", TASK, TaskClaimed())
    vera = await a_world(stream, "vera")
    return vera, (await caught_up(vera)).board.tasks[TASK]


async def the_state(stream: RunStream) -> RunState:
    return fold([record async for record in stream.read()])


async def test_a_comparison_is_stored_with_the_end_of_its_task(stream: RunStream) -> None:
    vera, task = await a_comparison(stream)

    answer = await call_tool(
        vera, SubmitComparison(vera, task), outcome="contradict", reason="one pool, two sizes"
    )

    assert not answer.is_error
    state = await the_state(stream)
    assert state.board.tasks[TASK].state is TaskState.submitted
    said = ConflictJudged(outcome="contradict", reason="one pool, two sizes")
    assert state.conflicts.all[NAME].judgements == (("vera", said),)


async def test_a_comparison_that_was_taken_back_stores_nothing(stream: RunStream) -> None:
    """The lead settles the task in between: known or not, neither message is kept."""
    vera, task = await a_comparison(stream)
    await write(stream, LEAD, "task", TASK, TaskSettled(state="failed"))
    tool = SubmitComparison(vera, task)

    with pytest.raises(ConflictError):
        await call_tool(vera, tool, outcome="compatible", reason="of two pools")
    await caught_up(vera)
    answer = await call_tool(vera, tool, outcome="compatible", reason="of two pools")

    assert answer.is_error
    assert not answer.entries
    assert (await the_state(stream)).conflicts.all[NAME].judgements == ()


@pytest.mark.parametrize("outcome", ["yes", "", "both"])
async def test_a_comparison_in_other_words_is_refused(stream: RunStream, outcome: str) -> None:
    vera, task = await a_comparison(stream)

    answer = await call_tool(vera, SubmitComparison(vera, task), outcome=outcome, reason="so")

    assert answer.is_error
    assert not answer.entries


async def test_the_lead_rules_and_the_ruling_ends_its_turn(stream: RunStream) -> None:
    await write(stream, GATE, "conflict", NAME, RAISED)
    lead = await a_world(stream, LEAD)
    await caught_up(lead)

    answer = await call_tool(
        lead, SubmitConflictRuling(lead, NAME), stands="second", reason="the newer source"
    )

    assert answer.answer is not None
    ruling = (await the_state(stream)).conflicts.all[NAME].ruling
    assert ruling == ConflictRuled(stands="second", reason="the newer source")


async def test_what_a_person_has_ruled_meanwhile_stays(stream: RunStream) -> None:
    """The lead that did not know is refused by the stream, and then told."""
    await write(stream, GATE, "conflict", NAME, RAISED)
    lead = await a_world(stream, LEAD)
    await caught_up(lead)
    persons = ConflictRuled(stands="first", reason="I know")
    await write(stream, PERSON, "conflict", NAME, persons)
    tool = SubmitConflictRuling(lead, NAME)

    with pytest.raises(ConflictError):
        await call_tool(lead, tool, stands="neither", reason="unclear")
    await caught_up(lead)
    answer = await call_tool(lead, tool, stands="neither", reason="unclear")

    assert not answer.entries
    assert answer.answer is not None
    assert (await the_state(stream)).conflicts.all[NAME].ruling == persons
