"""Whether what a user lets a run spend is enough to begin with, and how much would be.

Not for what policy lets it spend without an option: the run says that itself.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Final

import msgspec

from bus.messages import Budget
from team.errors import SpecError
from team.policy import Policy
from team.rules.grants import lane_budgets, why_empty
from team.runtime.budget import TOKENS_MAX, USD_MAX, Ask
from team.runtime.dry_run import least_budget, least_tokens
from team.spec import ResolvedSpec
from team.state import RunState

CENTS: Final = 100
FIRST_CALL: Final = "the lead's first call, which writes the plan"


def check_budget(spec: ResolvedSpec, ask: Ask) -> None:
    """Refuse an amount of which the lead could not make its first call, or no lane be granted any.

    Raises:
        SpecError: Names what sets the limit, and an amount that would do.
    """
    if ask.usd is not None and not _is_enough_usd(spec):
        raise _too_few_dollars(spec, ask.usd)
    if ask.tokens is not None and not _is_enough_tokens(spec):
        raise _too_few_tokens(spec, ask.tokens)


def _too_few_dollars(spec: ResolvedSpec, asked: float) -> SpecError:
    holds = spec.team.policy.run_dollars_max
    assert holds is not None
    short = FIRST_CALL if least_budget(spec) is not None else "one lane beside the lead's reserve"
    cents = _least(lambda n: _is_enough_usd(_with_usd(spec, n / CENTS)), round(USD_MAX * CENTS))
    least = None if cents is None else f"${cents / CENTS:,.2f}"
    reason = f"${holds:,.2f} does not pay for {short}"
    return _refusal("--budget", "run_dollars_max", reason, least, is_policys=holds < asked)


def _too_few_tokens(spec: ResolvedSpec, asked: int) -> SpecError:
    holds = spec.team.policy.run_tokens_max
    short = FIRST_CALL if least_tokens(spec) is not None else "one lane beside the lead's reserve"
    tokens = _least(lambda n: _is_enough_tokens(_with_tokens(spec, n)), TOKENS_MAX)
    least = None if tokens is None else f"{tokens:,}"
    reason = f"{holds:,} tokens do not hold {short}"
    return _refusal("--max-tokens", "run_tokens_max", reason, least, is_policys=holds < asked)


def _refusal(
    option: str, field: str, reason: str, least: str | None, *, is_policys: bool
) -> SpecError:
    """Where policy is stricter than the option, more by the option would not help."""
    lower = ", or lower policy.output_tokens_max" if FIRST_CALL in reason else ""
    if is_policys:
        to = "" if least is None else f" to {least} at least"
        fix = f"raise {field} of team and policy{to}{lower}"
        return SpecError("policy", field, f"{reason}, and it is stricter than {option}", fix)
    more = "more" if least is None else f"{least} at least"
    return SpecError(option, "", reason, f"give {more}{lower}")


def _is_enough_usd(spec: ResolvedSpec) -> bool:
    budget = _lane(spec)
    is_empty = budget.usd_max is not None and not budget.usd_max > 0
    return least_budget(spec) is None and not is_empty


def _is_enough_tokens(spec: ResolvedSpec) -> bool:
    budget = _lane(spec)
    for_dollars = budget.usd_max is not None and not budget.usd_max > 0
    return least_tokens(spec) is None and (for_dollars or why_empty(budget) is None)


def _lane(spec: ResolvedSpec) -> Budget:
    """The slice of a plan's only lane."""
    state = RunState()
    state.spec = spec
    [budget] = lane_budgets(state, 1)
    return budget


def _least(is_enough: Callable[[int], bool], most: int) -> int | None:
    """The least amount that is enough; more always is, too. Nothing if even the most is not."""
    if not is_enough(most):
        return None
    low, high = 0, most
    while high - low > 1:
        middle = (low + high) // 2
        low, high = (low, middle) if is_enough(middle) else (middle, high)
    return high


def _with_usd(spec: ResolvedSpec, usd: float) -> ResolvedSpec:
    """The spec with another limit of the run; a task's that was as high goes with it."""
    own = spec.team.policy
    each = usd if own.dollars_max == own.run_dollars_max else own.dollars_max
    return _with(spec, msgspec.structs.replace(own, run_dollars_max=usd, dollars_max=each))


def _with_tokens(spec: ResolvedSpec, tokens: int) -> ResolvedSpec:
    own = spec.team.policy
    each = tokens if own.tokens_max == own.run_tokens_max else own.tokens_max
    return _with(spec, msgspec.structs.replace(own, run_tokens_max=tokens, tokens_max=each))


def _with(spec: ResolvedSpec, policy: Policy) -> ResolvedSpec:
    team = msgspec.structs.replace(spec.team, policy=policy)
    return msgspec.structs.replace(spec, team=team)
