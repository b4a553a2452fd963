"""Slices of a run's tokens and dollars: what may still be granted, to whom, how much.

Only the lead grants, from its own fold, so the run's limit holds without a counter that
all would have to ask. At any time

    exposure = the reserve + what live contexts may use up + what all others have spent

and nothing is granted that would lift it above the run's limit. Each grant takes at most
half of its lane's equal share of what is left, so that verification, a further round and a
lost member's successor still find something. Not for holding a slice: `limits` does.
"""

from __future__ import annotations

from collections.abc import Iterable
from math import floor, inf
from typing import Final

import msgspec

from bus.ids import LEAD
from bus.messages import Budget
from team.codes.limits import RUN_DOLLARS, RUN_TOKENS
from team.policy import Policy
from team.rules.approvals import dollars_allowed
from team.state import Ledger, RunState, Spent, Task

FLOOR_TOKENS: Final = 20_000
"""Tokens below which a slice is not worth granting: two calls that say little."""
FLOOR_USD: Final = 0.01
"""US dollars below which a slice is not worth granting."""
GRAIN_USD: Final = 1e-9
"""What the order in which dollars are summed may make of them."""
LATER_SHARE: Final = 0.5
"""Share of a lane's part of what is left that is kept for what comes after."""
POCKETS_SHARE: Final = 0.1
"""Share of what is left that new pockets may take together."""
POCKET: Final = Budget(turns_max=6, tokens_max=120_000, seconds_max=300.0)
"""What a member may use up beside its tasks: turns and seconds each time it answers mail or
a challenge, tokens all these times together."""


class Amount(msgspec.Struct, frozen=True, kw_only=True):
    """Tokens and US dollars; infinite dollars stand for what is not known."""

    tokens: int = 0
    usd: float = 0.0

    def plus(self, other: Amount) -> Amount:
        """Both together."""
        return Amount(tokens=self.tokens + other.tokens, usd=self.usd + other.usd)

    def at_least(self, other: Amount) -> Amount:
        """The larger of each."""
        return Amount(tokens=max(self.tokens, other.tokens), usd=max(self.usd, other.usd))


class Purse(msgspec.Struct, frozen=True, kw_only=True):
    """What may still be granted; dollars are absent where the run has no limit in dollars."""

    tokens: int
    usd: float | None = None


class Denied(msgspec.Struct, frozen=True, kw_only=True):
    """Nothing is granted: which rule says so, and why."""

    code: str
    why: str

    @property
    def reason(self) -> str:
        """As people read it, with the code."""
        return f"{self.code}: {self.why}"


class Account(msgspec.Struct, frozen=True, kw_only=True):
    """How one of a run's limits stands, in its unit; absent: no limit, or not known.

    Attributes:
        limit: What policy lets the run spend.
        granted: What was given out: spent, or still open to a member.
        spent: What was spent.
        unsettled: What calls may have taken beyond that, at most.
        left: What was not given out yet, the lead's reserve included.
    """

    limit: float | None
    granted: float | None
    spent: float | None
    unsettled: float | None
    left: float | None


# --- how a run stands ------------------------------------------------------------


def exposure(state: RunState, back: str | None = None) -> Amount:
    """The most that a run can have spent once all that was granted is used up.

    Args:
        state: The lead's fold of the run, or the fold of its whole stream.
        back: A task that is taken from a holder whose process has ended: what that one has
            not used of it is not counted.
    """
    return given_out(state, back).plus(_reserve_left(state))


def given_out(state: RunState, back: str | None = None) -> Amount:
    """What the lead has spent, and what others have spent or may still use up."""
    total = _spent_by(state, LEAD)
    for budget in state.ledger.waiting.values():
        total = total.plus(_amount_of(budget))
    for member in _others(state):
        total = total.plus(_exposure_of(state, member, back))
    return total


def purse(state: RunState, back: str | None = None) -> Purse:
    """What may be granted now, some task perhaps taken back, within the run's limits."""
    policy, used = _policy(state), exposure(state, back)
    tokens = max(0, policy.run_tokens_max - used.tokens)
    if policy.run_dollars_max is None:
        return Purse(tokens=tokens)
    return Purse(tokens=tokens, usd=max(0.0, policy.run_dollars_max - used.usd))


def accounts(state: RunState) -> tuple[Account, Account] | None:
    """How the run's tokens and dollars stand; nothing for a run whose spec can't be read."""
    if state.spec is None:
        return None
    policy, out, total = _policy(state), given_out(state), state.ledger.total
    rest = state.ledger.unsettled
    limit = policy.run_dollars_max
    known = out.usd if out.usd < inf else None
    return (
        Account(
            limit=policy.run_tokens_max,
            granted=out.tokens,
            spent=total.tokens,
            unsettled=rest.unsettled_tokens,
            left=max(0, policy.run_tokens_max - out.tokens),
        ),
        Account(
            limit=limit,
            granted=known if limit is not None else None,
            spent=total.cost_usd,
            unsettled=rest.unsettled_usd,
            left=max(0.0, limit - known) if limit is not None and known is not None else None,
        ),
    )


# --- slices for tasks ------------------------------------------------------------


def lane_budgets(state: RunState, lanes: int, turns_max: int | None = None) -> tuple[Budget, ...]:
    """The slices of a plan's lanes, all alike; of those that find nothing left, empty ones.

    Args:
        state: How the run stands; nothing of the plan is on the board.
        lanes: How many lanes there are.
        turns_max: What the role asks for, if it does; never more than policy has.
    """
    policy = _policy(state)
    turns = min(policy.turns_max, turns_max or policy.turns_max)
    full = msgspec.structs.replace(_whole(policy), turns_max=turns)
    left = _less_pockets(purse(state))
    empty = _empty(full)
    for count in range(lanes, 0, -1):
        found = _slice(policy, full, left, parts=count, now=count)
        if isinstance(found, Budget):
            return (*[found] * count, *[empty] * (lanes - count))
        empty = _empty(full, found)
    return (empty,) * lanes


def next_budget(
    state: RunState, purpose: str, *, now: int = 1, again: Task | None = None
) -> Budget | Denied:
    """The slice of one more grant: a verification, a further round, a successor.

    Args:
        state: How the run stands.
        purpose: What the task is for.
        now: How many such grants are made together; each gets as much.
        again: The task, if it is on the board: its turns, seconds and tool calls stay.
    """
    assert state.spec is not None
    policy = _policy(state)
    open_lanes = sum(not task.is_settled for task in state.board.of_purpose("research"))
    each = 1 if purpose == "research" else state.spec.team.gate.verifiers
    parts = max(1, open_lanes) * max(1, each, now)
    like = again.contract.budget if again is not None else _whole(policy)
    left = purse(state, again.id if again is not None else None)
    return _slice(policy, like, left, parts=parts, now=now)


def why_not(
    state: RunState, purpose: str, *, now: int = 1, again: Task | None = None
) -> Denied | None:
    """Why nothing can be granted for a purpose; nothing if it can. A check that fails is a no."""
    try:
        found = next_budget(state, purpose, now=now, again=again)
    except Exception as error:
        return Denied(code=RUN_TOKENS, why=f"what is left can't be told: {error!r}")
    return found if isinstance(found, Denied) else None


def why_empty(budget: Budget) -> Denied | None:
    """Why an open task can't be worked on: nothing was left for it."""
    if budget.usd_max is not None and not budget.usd_max > 0:
        return Denied(code=RUN_DOLLARS, why="nothing was left of the run's dollars for it")
    if budget.tokens_max <= 0:
        return Denied(code=RUN_TOKENS, why="nothing was left of the run's tokens for it")
    return None


# --- pockets and the reserve -----------------------------------------------------


def pocket_of(state: RunState, member: str) -> Budget | None:
    """What a member gets to use up beside its tasks: what it has, else a new one, if any."""
    seat = state.roster.seats.get(member)
    if seat is not None and seat.pocket is not None:
        return seat.pocket
    policy, left = _policy(state), purse(state)
    share = POCKETS_SHARE / policy.teammates_max
    tokens = min(POCKET.tokens_max, floor(left.tokens * share))
    usd = None if left.usd is None else _cents(left.usd * share)
    if tokens < FLOOR_TOKENS or (usd is not None and usd < FLOOR_USD):
        return None
    return msgspec.structs.replace(POCKET, tokens_max=tokens, usd_max=usd)


def from_pocket(pocket: Budget | None, spent: Amount) -> Budget:
    """What one context beside the tasks may use up: what is left in the pocket.

    Args:
        pocket: What the member was given, if it was.
        spent: What all others of these contexts have used up.
    """
    if pocket is None:
        return _empty(POCKET)
    return _within(pocket, pocket.tokens_max, pocket.usd_max, spent)


def lead_budget(state: RunState, context: str, cap: Budget) -> Budget:
    """What one context of the lead's may use up: of what is left of the reserve.

    The synthesis may have all of it, any other at most half, so that the run can end well.
    """
    spent = _spent_by(state, LEAD, but=context)
    reserve = _reserve(state)
    share = 1.0 if context.startswith("synthesis") else LATER_SHARE
    has_dollars = _policy(state).run_dollars_max is not None
    tokens = floor(max(0, reserve.tokens - spent.tokens) * share)
    usd = _cents(max(0.0, reserve.usd - spent.usd) * share) if has_dollars else None
    return _within(cap, tokens, usd, Amount())


# --- afterwards ------------------------------------------------------------------


class Granted(msgspec.Struct, frozen=True, kw_only=True):
    """One round of a task: who worked on it, what was granted and what was spent."""

    member: str
    round: int
    budget: Budget
    spent: Spent


def granted(ledger: Ledger, task: str) -> tuple[Granted, ...]:
    """All that was granted for a task and claimed, in order, with what was spent of it."""
    return tuple(
        Granted(
            member=member,
            round=held.round,
            budget=held.budget,
            spent=ledger.by_context.get((member, context), Spent()),
        )
        for (member, context), held in ledger.slices.items()
        if held.task == task
    )


def overspent(
    ledger: Ledger, task: str, member: str | None = None, number: int | None = None
) -> tuple[str, ...]:
    """Where a task's calls have passed what was granted for their round, a sentence each.

    Args:
        ledger: What was granted and spent.
        task: The task.
        member: Whose calls are looked at; absent: everybody's.
        number: In which round; absent: in all.
    """
    found = granted(ledger, task)
    return tuple(
        f"round {one.round}: {problem}"
        for one in found
        if member in (None, one.member) and number in (None, one.round)
        for problem in _overspent(one.budget, one.spent)
    )


def _overspent(budget: Budget, spent: Spent) -> Iterable[str]:
    """What was reserved and never settled counts: no reservation is made beyond a slice."""
    if not spent.tokens_at_most <= budget.tokens_max:
        held = f" and {spent.unsettled_tokens} not settled" if spent.unsettled_tokens else ""
        yield f"{spent.tokens} tokens{held}, granted were {budget.tokens_max}"
    if not spent.calls <= budget.turns_max:
        yield f"{spent.calls} turns, granted were {budget.turns_max}"
    if budget.usd_max is None:
        return
    usd = spent.usd_at_most
    if usd is None:
        yield f"an unknown price, granted were ${budget.usd_max:.4f}"
    elif not usd <= budget.usd_max + GRAIN_USD:
        held = f" and ${spent.unsettled_usd:.4f} not settled" if spent.unsettled_usd else ""
        yield f"${spent.cost_usd:.4f}{held}, granted were ${budget.usd_max:.4f}"


# --- within ----------------------------------------------------------------------


def _policy(state: RunState) -> Policy:
    """The team's limits; of dollars only what a person has approved, where one has to."""
    assert state.spec is not None
    policy = state.spec.team.policy
    return msgspec.structs.replace(policy, run_dollars_max=dollars_allowed(state))


def _reserve(state: RunState) -> Amount:
    policy = _policy(state)
    share = policy.reserve_share
    usd = 0.0 if policy.run_dollars_max is None else policy.run_dollars_max * share
    return Amount(tokens=floor(policy.run_tokens_max * share), usd=usd)


def _reserve_left(state: RunState) -> Amount:
    """What only the lead may still use; its own calls are counted where they are spent."""
    reserve, spent = _reserve(state), _spent_by(state, LEAD)
    return Amount(
        tokens=max(0, reserve.tokens - spent.tokens), usd=max(0.0, reserve.usd - spent.usd)
    )


def _others(state: RunState) -> list[str]:
    """Everyone but the lead that was granted something or has spent something, by name.

    In an order, since dollars are summed: a sum of floats depends on it.
    """
    ledger = state.ledger
    names = {member for member, _ in (*ledger.by_context, *ledger.slices)}
    return sorted({*names, *state.roster.seats} - {LEAD})


def _exposure_of(state: RunState, member: str, back: str | None) -> Amount:
    """What a member has spent, or may still use up: slice by slice, and its pocket."""
    ledger, seat = state.ledger, state.roster.seats.get(member)
    back = back if state.roster.is_gone(member) else None
    spent = {c: _amount_spent(s) for (name, c), s in ledger.by_context.items() if name == member}
    total = _beside_tasks(spent)
    if seat is not None and seat.pocket is not None:
        total = total.at_least(_amount_of(seat.pocket))
    tasks = {c for c in spent if c.startswith("task:")}
    for context in sorted(tasks | {c for name, c in ledger.slices if name == member}):
        part = spent.get(context, Amount())
        held = ledger.slices.get((member, context))
        if held is not None and held.state != "ended" and held.task != back:
            part = part.at_least(_amount_of(held.budget))
        total = total.plus(part)
    return total


def _beside_tasks(spent: dict[str, Amount]) -> Amount:
    total = Amount()
    for context, part in spent.items():
        if not context.startswith("task:"):
            total = total.plus(part)
    return total


def _spent_by(state: RunState, member: str, but: str | None = None) -> Amount:
    """What a member has spent, one of its contexts perhaps left out."""
    total = Amount()
    for (name, context), spent in state.ledger.by_context.items():
        if name == member and context != but:
            total = total.plus(_amount_spent(spent))
    return total


def _amount_spent(spent: Spent) -> Amount:
    """What is gone for certain or perhaps: a call that was not settled counts in full."""
    usd = spent.usd_at_most
    return Amount(tokens=spent.tokens_at_most, usd=inf if usd is None else usd)


def _amount_of(budget: Budget) -> Amount:
    """A budget at its fullest; one without a limit in dollars may cost anything."""
    return Amount(tokens=budget.tokens_max, usd=inf if budget.usd_max is None else budget.usd_max)


def _whole(policy: Policy) -> Budget:
    """What policy lets one task use up, were there no limit of the run."""
    return Budget(
        turns_max=policy.turns_max,
        tokens_max=policy.tokens_max,
        seconds_max=policy.seconds_max,
        tool_calls_max=policy.tool_calls_max,
        usd_max=policy.dollars_max,
    )


def _slice(policy: Policy, like: Budget, left: Purse, *, parts: int, now: int) -> Budget | Denied:
    """One of `now` equal slices, each at most half of one of `parts` parts of what is left.

    What is too small to work with is made larger, as long as there is enough for all.
    """
    lowest = min(FLOOR_TOKENS, policy.tokens_max)
    share = floor(left.tokens / parts * LATER_SHARE)
    tokens = min(policy.tokens_max, max(share, lowest))
    if tokens * now > left.tokens:
        return Denied(
            code=RUN_TOKENS,
            why=f"of the run's {policy.run_tokens_max:,} tokens {left.tokens:,} are left to "
            f"grant, and {tokens * now:,} are needed",
        )
    usd = policy.dollars_max
    if left.usd is not None:
        usd = _cents(min(left.usd / parts * LATER_SHARE, inf if usd is None else usd))
        if not usd >= min(FLOOR_USD, inf if policy.dollars_max is None else policy.dollars_max):
            return Denied(
                code=RUN_DOLLARS,
                why=f"of the run's ${policy.run_dollars_max:,.2f} ${left.usd:,.4f} are left to "
                f"grant, ${usd:,.4f} for each of what is still to do",
            )
    return msgspec.structs.replace(like, tokens_max=tokens, usd_max=usd)


def _less_pockets(left: Purse) -> Purse:
    """What a plan's lanes may have: pockets are granted in the same batch."""
    share = 1 - POCKETS_SHARE
    return Purse(
        tokens=floor(left.tokens * share),
        usd=None if left.usd is None else left.usd * share,
    )


def _within(cap: Budget, tokens: int, usd: float | None, spent: Amount) -> Budget:
    """A cap lowered to what is left."""
    left = None if usd is None else max(0.0, usd - spent.usd)
    if left is not None and cap.usd_max is not None:
        left = min(left, cap.usd_max)
    return msgspec.structs.replace(
        cap,
        tokens_max=max(0, min(cap.tokens_max, tokens - spent.tokens)),
        usd_max=left if left is not None else cap.usd_max,
    )


def _empty(like: Budget, denied: Denied | None = None) -> Budget:
    """A budget that allows nothing; of dollars neither, if it is for want of these."""
    is_for_dollars = denied is not None and denied.code == RUN_DOLLARS
    usd = 0.0 if is_for_dollars else like.usd_max
    return msgspec.structs.replace(like, tokens_max=0, usd_max=usd)


def _cents(usd: float) -> float:
    """Dollars, rounded down so that shares never sum to more than what was shared."""
    return floor(usd * 1e6) / 1e6 if usd < inf else inf
