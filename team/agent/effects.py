"""Calls that change the world outside the stream: begun once, ended once, never repeated.

    intent stored ──▶ the tool runs ──▶ outcome stored ──▶ the turn acts

A process that dies after the first and before the third leaves an intent without an
outcome. Nobody in the run can tell whether the call took effect, so it is not made again:
the model is told what is unknown, and looks.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from datetime import UTC, datetime
from typing import Final

import msgspec

from bus.messages import CallBegun, CallEnded, ToolOutcome
from team.agent.journal import Journal, Turn
from team.agent.models.call import ToolCall
from team.agent.tools.base import ToolAnswer, refuse

OUTCOME_CHARACTERS_MAX: Final = 16_000
"""What is kept of what such a call gives back: it can't be asked for again."""
_CLOSED: Final = "\n</outside>"
"""What a text from outside ends in; cut or not, it is closed."""


async def run_once(
    journal: Journal,
    context: str,
    turn: Turn,
    call: ToolCall,
    run: Callable[[], Awaitable[ToolAnswer]],
) -> ToolAnswer:
    """Make a call that changes the world, unless it was begun before.

    Args:
        journal: Where intent and outcome are kept.
        context: The transcript.
        turn: The turn that asks for the call.
        call: The call.
        run: Makes it; what its answer would send expects nothing of any key.

    Raises:
        FencedError: Another process acts as this member; the call was not made.

    Cancelling: what was begun has an unknown outcome then.
    """
    number = turn.replied.turn
    if call.id in turn.begun:
        return known_of(turn)[call.id]
    await journal.commit(CallBegun(context=context, turn=number, call_id=call.id, tool=call.name))
    answer = await run()
    outcome = ToolOutcome(
        call_id=call.id,
        tool=call.name,
        content=_cut(answer.content),
        is_error=answer.is_error,
        told=answer.told,
    )
    ended = CallEnded(context=context, turn=number, outcome=outcome)
    await journal.commit(ended, answer.entries)
    return msgspec.structs.replace(_answer_of(outcome), refusal=answer.refusal)


def known_of(turn: Turn) -> dict[str, ToolAnswer]:
    """What is known of the calls of a turn that were begun, whoever asks for them now."""
    return {
        call.id: _answer_of(turn.ended[call.id])
        if call.id in turn.ended
        else _unknown(call, turn.begun[call.id])
        for call in turn.calls
        if call.id in turn.begun
    }


def _answer_of(outcome: ToolOutcome) -> ToolAnswer:
    return ToolAnswer(content=outcome.content, is_error=outcome.is_error, told=outcome.told)


def _unknown(call: ToolCall, began: float) -> ToolAnswer:
    at = datetime.fromtimestamp(began, UTC).strftime("%Y-%m-%d %H:%M:%S UTC")
    return refuse(
        f"{call.name} began at {at} and was cut short: whether it took effect is unknown. "
        "It was not run again. Find out what it has changed before you repeat it."
    )


def _cut(text: str) -> str:
    if len(text) <= OUTCOME_CHARACTERS_MAX:
        return text
    end = _CLOSED if text.endswith(_CLOSED) else ""
    return f"{text[:OUTCOME_CHARACTERS_MAX]}\n(cut here: {len(text)} characters in all){end}"
