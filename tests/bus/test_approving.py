"""A person answers what a run waits for, on a real stream."""

from __future__ import annotations

import asyncio

import pytest

from bus.ids import LEAD
from bus.messages import ApprovalAsked
from bus.run_stream import Entry, RunStream
from bus.subjects import approval
from team.errors import StateError
from team.runtime.approving import answer
from team.state import RunState, fold


async def _asked(stream: RunStream, *names: str) -> RunState:
    for name in names:
        body = ApprovalAsked(what="result", text="the answer")
        await stream.append(Entry(subject=approval(stream.run, name, LEAD), body=body, expect=0))
    return await _state(stream)


async def _state(stream: RunStream) -> RunState:
    return fold([record async for record in stream.read()])


async def test_the_only_thing_that_is_asked_needs_no_name(stream: RunStream) -> None:
    state = await _asked(stream, "result")

    said = await answer(stream, state, None, "approved", "")

    assert (said.id, said.outcome) == ("result", "approved")
    assert (await _state(stream)).approvals.all["result"].is_approved


async def test_of_several_one_has_to_be_named(stream: RunStream) -> None:
    state = await _asked(stream, "result", "result-2")

    with pytest.raises(StateError, match="name one of: result, result-2"):
        await answer(stream, state, None, "approved", "")


async def test_what_is_not_asked_can_not_be_answered(stream: RunStream) -> None:
    with pytest.raises(StateError, match="it waits for nobody"):
        await answer(stream, await _state(stream), "plan", "approved", "")
    state = await _asked(stream, "result")
    with pytest.raises(StateError, match="it does not wait for 'plan'; it waits for: result"):
        await answer(stream, state, "plan", "approved", "")


async def test_of_two_answers_the_first_counts_and_the_second_is_told(stream: RunStream) -> None:
    state = await _asked(stream, "result")

    said = await asyncio.gather(
        answer(stream, state, "result", "approved", ""),
        answer(stream, state, "result", "rejected", "too long"),
        return_exceptions=True,
    )

    refused = [one for one in said if isinstance(one, StateError)]
    assert len(refused) == 1
    assert "answered meanwhile" in str(refused[0])
