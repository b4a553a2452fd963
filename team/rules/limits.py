"""May the next act be made? Code rules before it, from what was used up.

Each limit is a small rule of its own, under its code. What can't be known (a price, say)
and a rule that fails to run are a no.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from functools import partial
from typing import Final, Literal

import msgspec

from bus.messages import Budget
from team.codes.limits import (
    DOLLARS,
    MODEL,
    OUTPUT_TOKENS,
    SECONDS,
    TOKENS,
    TOOL_CALLS,
    TURNS,
)

CHARACTERS_PER_TOKEN: Final = 3.5
"""What a token is taken to be, where no provider counts."""
WRAP_UP_TURNS: Final = 3
WRAP_UP_SHARE: Final = 0.15
"""Share of each other limit that is kept back, so that work can be salvaged."""

TOO_DEAR: Final = "and the next call may cost"
"""Said of a call whose price is known and more than is left; more money would avert that."""


class Used(msgspec.Struct, frozen=True, kw_only=True):
    """What an assignment has used so far; US dollars are absent where a price is unknown.

    Tokens and dollars are what it may have taken at most: calls that nobody has settled count
    in full.
    """

    turns: int = 0
    tokens: int = 0
    seconds: float = 0.0
    tool_calls: int = 0
    usd: float | None = 0.0


class NextCall(msgspec.Struct, frozen=True, kw_only=True):
    """The model call that is to be made.

    Attributes:
        tokens: The most that it can read and write together; absent where nothing bounds it.
        usd: The most that it can cost at the listed price; absent where that is unknown.
        tokens_expected: What it will probably take, if that is less.
        usd_expected: What that would cost.
        output_tokens: What it may write.
        output_tokens_max: What policy lets one call write; absent: no word on it.
        model: The model asked for.
        is_model_allowed: Whether policy lets that model answer.
    """

    tokens: int | None
    usd: float | None = 0.0
    tokens_expected: int | None = None
    usd_expected: float | None = None
    output_tokens: int = 0
    output_tokens_max: int | None = None
    model: str = ""
    is_model_allowed: bool = True


class Ruling(msgspec.Struct, frozen=True, kw_only=True):
    """Go on, go on and wrap up, or stop; which limit says so, and its code."""

    verdict: Literal["go", "wrap up", "stop"]
    reason: str = ""
    code: str = ""


def tokens_of(size_bytes: int) -> int:
    """How many tokens a text of so many bytes is taken to have."""
    return math.ceil(size_bytes / CHARACTERS_PER_TOKEN)


Limit = Callable[[Budget, Used, NextCall], Ruling]

_GO: Final = Ruling(verdict="go")


def _model(_: Budget, __: Used, call: NextCall) -> Ruling:
    if call.is_model_allowed:
        return _GO
    return _stop(f"the policy does not let {call.model!r} answer for this role")


def _output_tokens(_: Budget, __: Used, call: NextCall) -> Ruling:
    most = call.output_tokens_max
    if most is None or call.output_tokens <= most:
        return _GO
    return _stop(f"the call may write {call.output_tokens} tokens, at most {most}")


def _turns(budget: Budget, used: Used, _: NextCall) -> Ruling:
    left = budget.turns_max - used.turns
    if left <= 0:
        return _stop(f"all {budget.turns_max} turns are used")
    if left <= min(WRAP_UP_TURNS, budget.turns_max // 2):
        return _wrap_up(f"{left} turns are left")
    return _GO


def _tokens(budget: Budget, used: Used, call: NextCall) -> Ruling:
    if call.tokens is None:
        return _stop("what the next call would read has no bound")
    if not used.tokens + call.tokens <= budget.tokens_max:
        return _stop(
            f"{used.tokens} of {budget.tokens_max} tokens are used and the next call "
            f"may take {call.tokens}"
        )
    expected = call.tokens if call.tokens_expected is None else call.tokens_expected
    if _is_near(used.tokens, expected, call.tokens, budget.tokens_max):
        return _wrap_up("tokens are nearly used up")
    return _GO


def _dollars(budget: Budget, used: Used, call: NextCall) -> Ruling:
    most = budget.usd_max
    if most is None:
        return _GO
    if used.usd is None or call.usd is None:
        return _stop(f"the price of {call.model!r} is unknown and there is a limit of ${most:.4f}")
    if not used.usd + call.usd <= most:  # what is no number is a no, too
        return _stop(f"${used.usd:.4f} of ${most:.4f} are spent {TOO_DEAR} ${call.usd:.4f}")
    expected = call.usd if call.usd_expected is None else call.usd_expected
    if _is_near(used.usd, expected, call.usd, most):
        return _wrap_up("the money is nearly spent")
    return _GO


def _is_near(used: float, expected: float, at_most: float, limit: float) -> bool:
    """Whether this may be the last call: little would be left, or not enough for one like it."""
    after = used + expected
    if not after > 0:
        return False
    has_estimate = expected < at_most
    return after > limit * (1 - WRAP_UP_SHARE) or (has_estimate and after + at_most > limit)


def _seconds(budget: Budget, used: Used, _: NextCall) -> Ruling:
    if used.seconds >= budget.seconds_max:
        return _stop(f"its {budget.seconds_max:g} s are over")
    if used.seconds > budget.seconds_max * (1 - WRAP_UP_SHARE):
        return _wrap_up("time is nearly over")
    return _GO


def _tool_calls(budget: Budget, used: Used, _: NextCall) -> Ruling:
    """Past this limit tools are refused one by one; a call that returns may still be made."""
    most = budget.tool_calls_max
    if most and used.tool_calls > most * (1 - WRAP_UP_SHARE):
        return _wrap_up(f"{max(0, most - used.tool_calls)} tool calls are left")
    return _GO


LIMITS: Final[dict[str, Limit]] = {
    MODEL: _model,
    OUTPUT_TOKENS: _output_tokens,
    TURNS: _turns,
    TOKENS: _tokens,
    DOLLARS: _dollars,
    SECONDS: _seconds,
    TOOL_CALLS: _tool_calls,
}
"""What each limit says of the next model call, by its code; the first no counts."""


def rule(
    budget: Budget, used: Used, call: NextCall, limits: Mapping[str, Limit] = LIMITS
) -> Ruling:
    """Rule on the next model call.

    Args:
        budget: What was granted.
        used: What was used.
        call: The call.
        limits: The rules, by code.
    """
    found = _GO
    for code, limit in limits.items():
        said = _say(code, partial(limit, budget, used, call))
        if said.verdict == "stop":
            return said
        if found.verdict == "go":
            found = said
    return found


def rule_tool_call(budget: Budget, called: int) -> Ruling:
    """Rule on a tool call that does not return.

    Args:
        budget: What was granted.
        called: How many such calls came before it in the transcript.
    """
    return _say(TOOL_CALLS, partial(_next_tool_call, budget, called))


def _next_tool_call(budget: Budget, called: int) -> Ruling:
    most = budget.tool_calls_max
    if most and not called < most:
        return _stop(f"all {most} tool calls are used")
    return _GO


def _say(code: str, limit: Callable[[], Ruling]) -> Ruling:
    """What a rule says, under its code; one that fails says stop."""
    try:
        said = limit()
    except Exception as error:
        said = _stop(f"the rule failed: {error!r}")
    return said if said.verdict == "go" else msgspec.structs.replace(said, code=code)


def _stop(reason: str) -> Ruling:
    return Ruling(verdict="stop", reason=reason)


def _wrap_up(reason: str) -> Ruling:
    return Ruling(verdict="wrap up", reason=reason)
