"""May the next model call be made? Code rules before the act, from what was spent."""

from __future__ import annotations

import math
from typing import Final, Literal

import msgspec

from bus.messages import Budget

CHARACTERS_PER_TOKEN: Final = 3.5
"""What a token is taken to be, where no provider counts."""
WRAP_UP_TURNS: Final = 3
WRAP_UP_SHARE: Final = 0.15
"""Share of the tokens and seconds that is kept back, so that work can be salvaged."""


class Used(msgspec.Struct, frozen=True, kw_only=True):
    """What an assignment has used so far: calls, tokens, seconds."""

    turns: int
    tokens: int
    seconds: float


class Ruling(msgspec.Struct, frozen=True, kw_only=True):
    """Go on, go on and wrap up, or stop; and which limit says so."""

    verdict: Literal["go", "wrap up", "stop"]
    reason: str = ""


def tokens_of(size_bytes: int) -> int:
    """How many tokens a text of so many bytes is taken to have."""
    return math.ceil(size_bytes / CHARACTERS_PER_TOKEN)


def rule(budget: Budget, used: Used, next_call_tokens: int) -> Ruling:
    """Rule on the next model call.

    Args:
        budget: What the contract grants.
        used: What was used.
        next_call_tokens: What the call will read and may write, estimated.
    """
    if used.turns >= budget.turns_max:
        return Ruling(verdict="stop", reason=f"all {budget.turns_max} turns are used")
    if used.tokens + next_call_tokens > budget.tokens_max:
        return Ruling(
            verdict="stop",
            reason=f"{used.tokens} of {budget.tokens_max} tokens are used and the next call "
            f"may take {next_call_tokens}",
        )
    if used.seconds >= budget.seconds_max:
        return Ruling(verdict="stop", reason=f"its {budget.seconds_max:g} s are over")
    if budget.turns_max - used.turns <= min(WRAP_UP_TURNS, budget.turns_max // 2):
        return Ruling(verdict="wrap up", reason=f"{budget.turns_max - used.turns} turns are left")
    if used.tokens + next_call_tokens > budget.tokens_max * (1 - WRAP_UP_SHARE):
        return Ruling(verdict="wrap up", reason="tokens are nearly used up")
    if used.seconds > budget.seconds_max * (1 - WRAP_UP_SHARE):
        return Ruling(verdict="wrap up", reason="time is nearly over")
    return Ruling(verdict="go")
