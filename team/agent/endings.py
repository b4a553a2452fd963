"""When an assignment is over, and what a member is told that should end it.

Pure: from the assignment and its transcript alone, so that a process that takes it up
comes to the same.
"""

from __future__ import annotations

from typing import Final

from bus.codec import MESSAGE_BYTES_MAX
from team.agent import stops
from team.agent.assignment import Assignment, Outcome
from team.agent.journal import Transcript

NUDGES_MAX: Final = 1
TOO_LARGE: Final = "(what this context was to begin with is too large for one message)"


def ended(transcript: Transcript) -> Outcome | None:
    """The outcome that the journal already has."""
    if transcript.closed is not None:
        return Outcome(returned=transcript.closed.returned, reason=transcript.closed.reason)
    if transcript.answer is not None:
        return Outcome(returned=True, reason="returned", answer=transcript.answer)
    return None


def too_many_repairs(assignment: Assignment, transcript: Transcript) -> Outcome | None:
    """An answer that was refused more than once has not been returned."""
    refused = [
        outcome
        for turn in transcript.turns
        if turn.acted is not None
        for outcome in turn.acted.outcomes
        if outcome.is_error and outcome.tool == assignment.ends_with
    ]
    if len(refused) <= assignment.repairs_max:
        return None
    return Outcome(returned=False, reason=f"not a clean answer: {refused[-1].content}")


def ended_at_once(transcript: Transcript) -> Outcome | None:
    """The outcome of an assignment that nobody can be told of."""
    if transcript.opened.opening != TOO_LARGE:
        return None
    return Outcome(returned=False, reason=f"what it begins with is over {MESSAGE_BYTES_MAX} bytes")


def ended_by_stop(transcript: Transcript) -> Outcome | None:
    """The outcome that the last reply's stop reason leads to, whatever else it says."""
    why = stops.why_over(transcript)
    return None if why is None else Outcome(returned=False, reason=why)


def ended_by_reply(assignment: Assignment, transcript: Transcript) -> Outcome | None:
    """The outcome that the last reply leads to, if the model asked for no tool."""
    last = transcript.turns[-1] if transcript.turns else None
    if last is None or last.calls:
        return None
    if last.replied.stop_reason in stops.UNENDED:
        return None
    if assignment.ends_with is None:
        return Outcome(returned=True, reason="done")
    done = [turn for turn in transcript.turns if turn.replied.stop_reason not in stops.UNENDED]
    idle = sum(not turn.calls for turn in done)
    if idle > NUDGES_MAX:
        return Outcome(returned=False, reason=f"it never called {assignment.ends_with}")
    return None


def nudge(assignment: Assignment, transcript: Transcript) -> list[str]:
    """What a member reads that ended its turn and returned nothing."""
    last = transcript.turns[-1] if transcript.turns else None
    if last is None or last.calls or last.replied.stop_reason == stops.PAUSED:
        return []
    if last.replied.stop_reason in (stops.CUT_OFF, stops.CUT_BY_WINDOW):
        return [f"You were cut off. Be brief. {_ending(assignment)}."]
    return [
        f"Nobody reads your text. Return with `{assignment.ends_with}`, or it has not returned."
    ]


def too_long(reason: str) -> Outcome:
    """No turn is left that could leave: what began the context is too much for it."""
    said = "its context does not fit into the model's window and no turn is left to leave it"
    return Outcome(returned=False, reason=f"{said}: {reason}")


def wrap_up(assignment: Assignment, reason: str) -> str:
    """What a member reads that is to return what it has."""
    return f"Wrap up: {reason}. {_ending(assignment)}; list the rest as open."


def _ending(assignment: Assignment) -> str:
    return f"Return now with `{assignment.ends_with}`" if assignment.ends_with else "End your turn"
