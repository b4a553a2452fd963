"""Calls of tools that bring something from outside the run: recorded, and not made in a replay.

A page may be gone tomorrow, a server may answer otherwise. So what such a call gave (the text
for the model, the messages it sends, the bytes that were kept) is part of a recording, and a
replay has it from there: nothing outside is asked.

Source: docs/record-and-replay.md.
"""

from __future__ import annotations

import asyncio

import structlog

from bus import subjects
from bus.artifacts import get_artifact
from bus.errors import BusError
from bus.messages import ArtifactRef, SnapshotKept
from bus.run_stream import Entry
from team.agent.arrivals import TURN_WAIT_S
from team.agent.models.call import ToolCall
from team.agent.models.cassette.format import Brought, Sent
from team.agent.models.cassette.lane import Lane, LaneFile
from team.agent.tools.base import ToolAnswer, refuse
from team.agent.tools.toolbox import AnyTool
from team.agent.world import World
from team.errors import ReplayError, StopRequestedError

log = structlog.get_logger()


async def make_call(world: World, context: str, tool: AnyTool, call: ToolCall) -> ToolAnswer:
    """Call a tool, or give what it gave when the run was recorded.

    Args:
        world: The member's world.
        context: The transcript.
        tool: The tool.
        call: What the model asks of it.

    What a tool that reaches out did not expect is an answer that says so, never the member's end.

    Raises:
        ReplayError: The recording does not hold the call.
        BusUnavailableError: What was brought could not be kept in time.
    """
    if not tool.reaches_out:
        return await _look(world, tool, call)
    match world.tape:
        case Lane() as lane:
            return await _again(world, lane, context, call)
        case LaneFile() as file:
            answer = await _reach_out(tool, call)
            await _record(world, file, context, call, answer)
            return answer
        case _:
            return await _reach_out(tool, call)


async def _reach_out(tool: AnyTool, call: ToolCall) -> ToolAnswer:
    """Call a tool that meets what others made; what it says of an error may be theirs, too."""
    try:
        return await tool.call(call.input)
    except (BusError, StopRequestedError):
        raise
    except Exception as error:
        kind = type(error).__name__
        log.warning("tool.failed", tool=tool.name, call_id=call.id, error=kind)
        unknown = "; whether it took effect is unknown" if tool.effect == "effectful" else ""
        return refuse(f"{tool.name} failed: {kind}{unknown}. Try otherwise, or go on without it.")


async def _look(world: World, tool: AnyTool, call: ToolCall) -> ToolAnswer:
    """Call a tool that stays within the run.

    What it looks up is noted in its order, so those of a turn look one after another there.
    """
    if world.tape is None:
        return await tool.call(call.input)
    async with world.looks:
        return await tool.call(call.input)


async def _record(
    world: World, file: LaneFile, context: str, call: ToolCall, answer: ToolAnswer
) -> None:
    """Note what a call gave, and what it kept."""
    for ref in (ref for entry in answer.entries for ref in _refs(entry)):
        file.keep(ref.sha256, await get_artifact(world.stream.connection, world.run, ref))
    within = f"run.{world.run}."
    file.append(
        Brought(
            context=context,
            call_id=call.id,
            content=answer.content,
            is_error=answer.is_error,
            refusal=answer.refusal,
            sent=tuple(
                Sent(subject=str(entry.subject).removeprefix(within), body=entry.body)
                for entry in answer.entries
            ),
        )
    )


async def _again(world: World, lane: Lane, context: str, call: ToolCall) -> ToolAnswer:
    """What a call gave in the recorded run; one that was cut short there waits to be, here too."""
    brought = lane.take_brought(context, call.id)
    if brought is None:
        await asyncio.sleep(TURN_WAIT_S)
        raise ReplayError(str(lane.path), lane.member, f"call {call.id} was not cut short")
    for sent in brought.sent:
        if isinstance(sent.body, SnapshotKept):
            text, raw = sent.body.text, sent.body.raw
            await world.snapshots.keep_again(
                sent.body, lane.kept(text.sha256), None if raw is None else lane.kept(raw.sha256)
            )
    return ToolAnswer(
        content=brought.content,
        is_error=brought.is_error,
        refusal=brought.refusal,
        entries=tuple(
            Entry(subject=subjects.parse(f"run.{world.run}.{sent.subject}"), body=sent.body)
            for sent in brought.sent
        ),
    )


def _refs(entry: Entry) -> list[ArtifactRef]:
    body = entry.body
    if not isinstance(body, SnapshotKept):
        return []
    return [body.text] if body.raw is None else [body.text, body.raw]
