"""A tool to look at turns that have left the context; they are still in the journal."""

from __future__ import annotations

from typing import Annotated, ClassVar, Final

import msgspec

from team.agent.compaction import window_of
from team.agent.journal import Transcript, Turn
from team.agent.room import labelled, whole_lines
from team.agent.tools.base import Effect, Tool, ToolAnswer, refuse
from team.agent.tools.source_tools import SHOWN_CHARACTERS_MAX
from team.agent.world import World
from team.rules.limits import CHARACTERS_PER_TOKEN
from team.tool_names import RECALL

RECALL_SHARE: Final = 0.2
"""Share of the window that one answer may fill."""


class RecallInput(msgspec.Struct, frozen=True, kw_only=True):
    """Which turn, or which part of it."""

    turn: Annotated[
        int,
        msgspec.Meta(
            ge=1, description="A turn that has left the context, or whose answer was cut."
        ),
    ]
    call: Annotated[int, msgspec.Meta(ge=0, description="Which call of it, from 1; 0: all.")] = 0
    start: Annotated[int, msgspec.Meta(ge=0, description="From which character on.")] = 0


class Recall(Tool[RecallInput]):
    """Give back a turn that has left your context, word for word, or one call of it.

    What is longer than an answer may be is read on from `start`; so is an answer that was cut.
    """

    name: ClassVar[str] = RECALL
    input_type = RecallInput
    effect: ClassVar[Effect] = "read-only"

    def __init__(self, world: World, context: str) -> None:
        self._world, self._context = world, context

    async def run(self, given: RecallInput) -> ToolAnswer:
        transcript = self._world.journal.transcripts[self._context]
        cut = _cut_answer(transcript, given)
        if cut is not None:
            return ToolAnswer(content=self._cut(cut, given.start))
        if given.turn > transcript.upto:
            left = f"turns 1 to {transcript.upto} have" if transcript.upto else "none has"
            return refuse(f"turn {given.turn} has not left your context: {left}")
        turn = transcript.turns[given.turn - 1]
        if not given.call:
            return ToolAnswer(content=self._cut("\n\n".join(_parts(turn)), given.start))
        if given.call > len(turn.calls):
            return refuse(f"turn {given.turn} has {len(turn.calls)} calls, not {given.call}")
        return ToolAnswer(content=self._cut(_call(turn, given.call), given.start))

    def _cut(self, text: str, start: int) -> str:
        """As much of a text as one answer may have, and where it goes on."""
        window = window_of(self._world)
        share = SHOWN_CHARACTERS_MAX if window is None else RECALL_SHARE * window
        most = min(SHOWN_CHARACTERS_MAX, int(share * CHARACTERS_PER_TOKEN))
        if start + most >= len(text):
            return labelled(text, start, len(text)) or f"(there are {len(text)} characters)"
        end = start + whole_lines(text[start:], most)
        return f"{labelled(text, start, end)}\n(cut here: go on with start {end} of {len(text)})"


def recalls(world: World, transcript: Transcript) -> tuple[Recall, ...]:
    """The tool, from the beginning: one that came when turns leave would change all before it.

    No allow-list hides it. A context that was opened without it gets it when turns have left.
    """
    opened = transcript.opened
    is_there = RECALL in opened.tools or transcript.compacted is not None
    return (Recall(world, opened.context),) if is_there else ()


def _cut_answer(transcript: Transcript, given: RecallInput) -> str | None:
    """The whole of an answer that the context shows only the beginning of."""
    if not transcript.upto < given.turn <= len(transcript.turns):
        return None
    acted = transcript.turns[given.turn - 1].acted
    if acted is None or not 1 <= given.call <= len(acted.outcomes):
        return None
    outcome = acted.outcomes[given.call - 1]
    return None if outcome.shown is None else outcome.content


def _parts(turn: Turn) -> list[str]:
    """All of a turn: what entered before it, what was said, what was called."""
    said = [block["text"] for block in turn.blocks if block["type"] == "text"]
    calls = [_call(turn, number) for number in range(1, len(turn.calls) + 1)]
    return [*turn.replied.added, *said, *calls] or ["(nothing was said or done)"]


def _call(turn: Turn, number: int) -> str:
    """One call of a turn: a line of what was asked, then the answer word for word."""
    call = turn.calls[number - 1]
    gave = (
        next((o for o in turn.acted.outcomes if o.call_id == call.id), None) if turn.acted else None
    )
    asked = msgspec.json.encode(call.input).decode()
    failed = " (failed)" if gave is not None and gave.is_error else ""
    head = f"turn {turn.replied.turn}, call {number}: {call.name} {asked}{failed}"
    return f"{head}\n{gave.content if gave is not None else '(no answer)'}"
