"""What the tools of a turn gave back, as the journal keeps it."""

from __future__ import annotations

from typing import Final

import msgspec

from bus.messages import ToolOutcome, TurnActed
from team.agent.journal import Turn
from team.agent.room import shown_of_each
from team.agent.tools.base import ToolAnswer, refuse

TURN_BYTES_MAX: Final = 256 * 1024
"""What all tools of one turn may give back together."""
_TOO_MUCH: Final = "this turn has read too much already: ask for it in the next"


def acted(
    context: str, turn: Turn, answers: dict[str, ToolAnswer], room: int | None = None
) -> TurnActed:
    """The entry of a turn whose tools have run, with an answer for each call.

    Args:
        context: The transcript that it is a turn of.
        turn: What the model has said.
        answers: What the tools have given, by call.
        room: Characters of it that the context may show; absent: all.
    """
    answers = _within_turn(turn, answers)
    shown = shown_of_each({name: a.content for name, a in answers.items() if _may_cut(a)}, room)
    ending = next((a.answer for a in answers.values() if a.answer is not None), None)
    return TurnActed(
        context=context,
        turn=turn.replied.turn,
        outcomes=tuple(
            ToolOutcome(
                call_id=call.id,
                tool=call.name,
                content=answers[call.id].content,
                is_error=answers[call.id].is_error,
                told=answers[call.id].told,
                shown=shown.get(call.id),
                pictures=answers[call.id].pictures,
            )
            for call in turn.calls
        ),
        ends=ending is not None,
        answer=msgspec.Raw(ending or b"null"),
    )


def _may_cut(answer: ToolAnswer) -> bool:
    """What shows decisions is not cut: they would count as told."""
    return not answer.told and answer.answer is None


def _within_turn(turn: Turn, answers: dict[str, ToolAnswer]) -> dict[str, ToolAnswer]:
    """Refuse what would make the turn too large for one message; the model may ask again."""
    room = TURN_BYTES_MAX
    kept: dict[str, ToolAnswer] = {}
    for call in turn.calls:
        answer = answers[call.id]
        room -= len(answer.content.encode())
        is_read = not answer.entries and answer.answer is None and call.id not in turn.begun
        kept[call.id] = refuse(_TOO_MUCH) if room < 0 and is_read else answer
    return kept
