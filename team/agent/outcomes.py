"""What the tools of a turn gave back, as the journal keeps it."""

from __future__ import annotations

from typing import Final

import msgspec

from bus.messages import ToolOutcome, TurnActed
from team.agent.journal import Turn
from team.agent.tools.base import ToolAnswer, refuse

TURN_BYTES_MAX: Final = 256 * 1024
"""What all tools of one turn may give back together."""
_TOO_MUCH: Final = "this turn has read too much already: ask for it in the next"


def acted(context: str, turn: Turn, answers: dict[str, ToolAnswer]) -> TurnActed:
    """The entry of a turn whose tools have run, with an answer for each call."""
    answers = _within_turn(turn, answers)
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
            )
            for call in turn.calls
        ),
        ends=ending is not None,
        answer=msgspec.Raw(ending or b"null"),
    )


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
