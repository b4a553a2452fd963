"""Why a model stopped, and what that means for its assignment. Unknown means no."""

from __future__ import annotations

from typing import Final

from team.agent.briefing import CUT_OFF_SAID
from team.agent.journal import Transcript, Turn
from team.agent.models.call import ToolCall

CUT_OFFS_MAX: Final = 2
"""How often a reply may reach the limit of its output before its assignment ends."""
PAUSES_MAX: Final = 10
"""How often the provider may pause a turn, to be asked to go on with it."""

WINDOW_CUTS_MAX: Final = 4
"""How often a reply may find no room left in the model's window."""

CUT_OFF: Final = "max_tokens"
CUT_BY_WINDOW: Final = "model_context_window_exceeded"
PAUSED: Final = "pause_turn"
_CLEAN: Final = frozenset({"end_turn", "tool_use", "stop_sequence"})
_BOUNDS: Final = {
    CUT_OFF: (CUT_OFFS_MAX, "its reply was cut off at the limit of its output"),
    CUT_BY_WINDOW: (WINDOW_CUTS_MAX, "its reply found no room in the model's window"),
    PAUSED: (PAUSES_MAX, "the provider paused its turn"),
}
UNENDED: Final = frozenset(_BOUNDS)
"""Reasons with which a turn has not ended of itself."""


def why_over(transcript: Transcript) -> str | None:
    """Why no tool of the last reply may be run, nor another call be made; nothing if they may."""
    if not transcript.turns:
        return None
    last = transcript.turns[-1].replied
    if last.stop_reason in _CLEAN:
        return None
    most, said = _BOUNDS.get(last.stop_reason, (0, ""))
    times = sum(turn.replied.stop_reason == last.stop_reason for turn in transcript.turns)
    if times <= most:
        return None
    if said:
        return f"{said} {times} times"
    details = f" ({last.stop_details})" if last.stop_details else ""
    return f"the model stopped: {last.stop_reason}{details}"


def cut_off_call(turn: Turn) -> ToolCall | None:
    """The call in the midst of which a reply was cut off: what it says is not whole."""
    blocks = turn.blocks
    is_cut = turn.replied.stop_reason == CUT_OFF and bool(blocks)
    return turn.calls[-1] if is_cut and blocks[-1]["type"] == "tool_use" else None


def said_of_cut_off(turn: Turn, call: ToolCall) -> str:
    """What a model is told of a call that was cut off."""
    written = turn.replied.tokens.output
    return (
        f"{call.name} was not run: {CUT_OFF_SAID}, after {written} "
        "tokens. Be brief, and do less in one turn."
    )
