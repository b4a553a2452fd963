"""What a run's money went into, as folds: by purpose, by lane, for each claim that was admitted.

Every model call is counted once under a purpose. A lane has what was spent on its task and on
judging it; what serves the whole run (plan, rulings, synthesis, comparing lanes) is no lane's.
Not for limits: `grants` and `limits` hold these.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable
from typing import Final, Literal

import msgspec

from team.codes.limits import DOLLARS, RUN_DOLLARS, RUN_TOKENS, TOKENS
from team.rules.synthesis import admitted_claims
from team.state import RunState, Spent, Task

PURPOSES: Final = ("plan", "research", "verification", "ruling", "synthesis", "mail", "other")
"""What a model call may be for, in the order in which a run comes to it."""

_OF_CONTEXT: Final = {
    "plan": "plan",
    "synthesis": "synthesis",
    "ruling": "ruling",
    "conflict": "ruling",
    "mail": "mail",
    "challenge": "mail",
}
"""Purposes by how the name of a context begins; a task's is the task's own."""
_CODE: Final = re.compile(r"\bP\d{3}\b")
_OF_TASK: Final = {"research": "research", "verify": "verification", "compare": "verification"}


class LaneSpent(msgspec.Struct, frozen=True, kw_only=True):
    """What one lane took: work on it in all rounds, and judging it.

    Attributes:
        task: The lane's task.
        title: What it is called.
        work: What its researchers took.
        checks: What its verifiers took.
        claims: How many of its claims were admitted.
    """

    task: str
    title: str
    work: Spent
    checks: Spent
    claims: int

    @property
    def total(self) -> Spent:
        """Work and checks together."""
        return sum_of((self.work, self.checks))


def sum_of(parts: Iterable[Spent]) -> Spent:
    """Sums together; what one does not know of its cost, the whole does not."""
    total = Spent()
    for one in parts:
        is_known = total.cost_usd is not None and one.cost_usd is not None
        rest_known = total.unsettled_usd is not None and one.unsettled_usd is not None
        rest_usd = (total.unsettled_usd or 0.0) + (one.unsettled_usd or 0.0)
        total = Spent(
            calls=total.calls + one.calls,
            input_tokens=total.input_tokens + one.input_tokens,
            output_tokens=total.output_tokens + one.output_tokens,
            cost_usd=(total.cost_usd or 0.0) + (one.cost_usd or 0.0) if is_known else None,
            is_estimated=total.is_estimated or one.is_estimated,
            cache_read_tokens=total.cache_read_tokens + one.cache_read_tokens,
            cache_write_tokens=total.cache_write_tokens + one.cache_write_tokens,
            lost_tokens=total.lost_tokens + one.lost_tokens,
            web_searches=total.web_searches + one.web_searches,
            unsettled_tokens=total.unsettled_tokens + one.unsettled_tokens,
            unsettled_usd=rest_usd if rest_known else None,
        )
    return total


def purpose_of(state: RunState, context: str) -> str:
    """What the calls of a context are for."""
    kind, _, rest = context.partition(":")
    if kind == "task":
        task = state.board.tasks.get(rest.partition(":")[0])
        return _OF_TASK[task.purpose] if task is not None else "other"
    return _OF_CONTEXT.get(kind, "other")


def by_purpose(state: RunState) -> dict[str, Spent]:
    """What was spent for each purpose that had a call, in the order of `PURPOSES`."""
    contexts = {context: purpose_of(state, context) for _, context in state.ledger.by_context}
    found: dict[str, Spent] = {}
    for purpose in PURPOSES:
        inside = {context for context, its in contexts.items() if its == purpose}
        if inside:
            found[purpose] = _spent_where(state, inside.__contains__)
    return found


def by_lane(state: RunState) -> tuple[LaneSpent, ...]:
    """What each lane took, in the order of the board."""
    claims = [one.task for one in admitted_claims(state)]
    return tuple(
        LaneSpent(
            task=task.id,
            title=task.title,
            work=_of_tasks(state, [task]),
            checks=_of_tasks(
                state, [t for t in state.board.of_purpose("verify") if t.subject_task == task.id]
            ),
            claims=claims.count(task.id),
        )
        for task in state.board.of_purpose("research")
    )


def cache_share(spent: Spent) -> float | None:
    """Which share of the tokens read came from the cache, 0 to 1; nothing if none were read."""
    return spent.cache_read_tokens / spent.input_tokens if spent.input_tokens else None


def usd_per_claim(spent: Spent, claims: int) -> float | None:
    """US dollars for each claim; nothing if there is none, or the cost is not known."""
    return spent.cost_usd / claims if claims and spent.cost_usd is not None else None


def stopped_for(state: RunState) -> Literal["dollars", "tokens"] | None:
    """Of what a run that has ended had too little to do all that was asked; nothing if it had.

    Read from the codes of what was refused and of what the result says is missing.
    """
    if state.result is None or state.result.status not in ("partial", "rejected"):
        return None
    codes = {one.refused.code for one in state.refusals.all}
    codes |= {code for line in state.result.missing for code in _CODE.findall(line)}
    if codes & {DOLLARS, RUN_DOLLARS}:
        return "dollars"
    return "tokens" if codes & {TOKENS, RUN_TOKENS} else None


def _of_tasks(state: RunState, tasks: Iterable[Task]) -> Spent:
    starts = tuple(f"task:{task.id}:" for task in tasks)
    return _spent_where(state, lambda context: context.startswith(starts))


def _spent_where(state: RunState, is_wanted: Callable[[str], bool]) -> Spent:
    """All that was spent in some contexts; in an order, since dollars are summed."""
    places = sorted(state.ledger.by_context)
    return sum_of(state.ledger.by_context[place] for place in places if is_wanted(place[1]))
