"""Where a person must say yes: what is asked, what the run waits for, what was answered.

A run that waits makes no model call. What a person has refused goes back with the reason,
a bounded number of times; unknown means no, so nothing goes on without an answer.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterable
from typing import Final, Literal

import msgspec

from bus.messages import ApprovalAsked, PlanMade, TaskState
from team.state import Approval, Decision, RunState

What = Literal["plan", "spending", "result"]

STEP_USD: Final = 1.0
"""The least that a person is asked for, in US dollars."""
TEXT_CHARACTERS_MAX: Final = 400_000
"""How much of what is to be approved an ask carries; more would not fit into a message."""


class Awaited(msgspec.Struct, frozen=True, kw_only=True):
    """One thing that a run waits for a person to answer.

    Attributes:
        id: What `team approve` and `team reject` take: `plan`, `result`, `api/paging` …
        what: What it is.
        text: What is to be approved.
        asked_at: Since when, in seconds since 1970.
    """

    id: str
    what: Literal["plan", "spending", "result", "decision"]
    text: str
    asked_at: float


def awaited(state: RunState) -> tuple[Awaited, ...]:
    """All that a run waits for, in the order it was asked."""
    if state.result is not None:
        return ()
    asked = [
        Awaited(id=one.id, what=one.asked.what, text=one.asked.text, asked_at=one.asked_at)
        for one in state.approvals.pending()
        if not _is_dead(state, one)
    ]
    decisions = [
        Awaited(id=one.name, what="decision", text=one.statement, asked_at=one.at)
        for one in reserved_disputes(state)
    ]
    return tuple(sorted((*asked, *decisions), key=lambda one: one.asked_at))


def of_what(state: RunState, what: What) -> list[Approval]:
    """All that was asked of one sort, in order."""
    return [one for one in state.approvals.all.values() if one.asked.what == what]


def next_id(state: RunState, what: What) -> str:
    """The name of the next question of a sort: `plan`, `plan-2` and so on."""
    number = len(of_what(state, what)) + 1
    return what if number == 1 else f"{what}-{number}"


def refused(state: RunState, what: What) -> list[Approval]:
    """What of a sort a person has said no to, in order."""
    return [one for one in of_what(state, what) if not one.is_pending and not one.is_approved]


def refusals(state: RunState, what: What) -> tuple[str, ...]:
    """What of a sort a person has refused, a sentence each."""
    return tuple(
        f"a person has refused the {what}: {one.answer.reason}"
        for one in refused(state, what)
        if one.answer is not None
    )


def is_waiting(state: RunState) -> bool:
    """Whether the lead itself waits: for its plan, for money, or for the result."""
    return any(not _is_dead(state, one) for one in state.approvals.pending())


def _is_dead(state: RunState, approval: Approval) -> bool:
    """Whether an answer was asked for that is none any more: its claims have changed since."""
    if approval.asked.what != "result":
        return False
    heads = [task.head_seq for task in state.board.of_purpose("research")]
    heads += [conflict.head_seq for conflict in state.conflicts.all.values()]
    return max(heads, default=0) > approval.asked_seq


def waits_only(state: RunState) -> bool:
    """Whether a person is waited for and nobody has anything else to do meanwhile."""
    return bool(awaited(state)) and not any(
        task.state is TaskState.claimed or (task.state is TaskState.open and task.offered_to)
        for task in state.board.tasks.values()
    )


# --- decisions -------------------------------------------------------------------


def reserved_areas(state: RunState) -> tuple[str, ...]:
    """Decision areas in which only a person rules."""
    return state.spec.team.approve.areas if state.spec is not None else ()


def reserved_disputes(state: RunState) -> list[Decision]:
    """Decisions that are proposed or disputed in such an area, oldest first."""
    areas = reserved_areas(state)
    return [decision for decision in state.decisions.disputes() if decision.area in areas]


# --- the plan --------------------------------------------------------------------


def plan_answer(state: RunState) -> Literal["none needed", "ask", "wait", "approved", "refused"]:
    """How the present plan stands with the person who has to approve it."""
    assert state.spec is not None
    assert state.plan is not None
    if not state.spec.team.approve.plan:
        return "none needed"
    asked = of_what(state, "plan")
    if len(asked) < state.plan.round:
        return "ask"
    answer = asked[state.plan.round - 1]
    if answer.is_pending:
        return "wait"
    return "approved" if answer.is_approved else "refused"


def plan_ask(plan: PlanMade) -> ApprovalAsked:
    """What a person is shown of a plan: why, then lane by lane what each contract asks."""
    lines = [plan.title, f"{plan.mode}: {'; '.join(plan.reasons)}"]
    lines += [f"constraint: {one}" for one in plan.constraints]
    for planned in plan.tasks:
        opened, contract = planned.opened, planned.opened.contract
        budget = contract.budget
        dollars = "" if budget.usd_max is None else f", ${budget.usd_max:.2f}"
        lines += [
            "",
            f"{planned.id} {opened.title}",
            f"  objective: {contract.objective}",
            f"  returns: {contract.output_format}",
            f"  sources: {', '.join(contract.sources)}{_but(contract.sources_avoided)}",
            f"  tools: {', '.join(contract.tools)}",
            *(f"  boundary: {one}" for one in contract.boundaries),
            *(f"  done when: {one.text}" for one in contract.criteria),
            *(f"  after: {one}" for one in opened.depends_on),
            f"  budget: {budget.turns_max} turns, {budget.tokens_max:,} tokens, "
            f"{budget.seconds_max:g} s{dollars}",
        ]
    return ApprovalAsked(what="plan", text=cut("\n".join(lines)))


def _but(avoided: Iterable[str]) -> str:
    names = ", ".join(avoided)
    return f" but not {names}" if names else ""


# --- money -----------------------------------------------------------------------


def dollars_allowed(state: RunState) -> float | None:
    """US dollars that may be granted: policy's limit, or what a person has approved of it.

    Returns:
        Nothing if there is no limit in dollars.
    """
    assert state.spec is not None
    limit, unasked = state.spec.team.policy.run_dollars_max, state.spec.team.approve.over_dollars
    if unasked is None:
        return limit
    approved = [one.asked.usd or 0.0 for one in of_what(state, "spending") if one.is_approved]
    most = max((unasked, *approved))
    return most if limit is None else min(limit, most)


def next_amount(state: RunState) -> float | None:
    """Up to how many dollars a person may be asked for next; nothing if there is no more to ask.

    Twice what is allowed, within policy's limit; whoever has said no is not asked again.
    """
    assert state.spec is not None
    limit, allowed = state.spec.team.policy.run_dollars_max, dollars_allowed(state)
    if state.spec.team.approve.over_dollars is None or allowed is None:
        return None
    most = max(2 * allowed, STEP_USD)
    most = most if limit is None else min(limit, most)
    return most if most > allowed and not refused(state, "spending") else None


def spending_ask(state: RunState, usd: float) -> ApprovalAsked:
    """What a person is shown: how much is spent, granted, and asked for."""
    allowed, spent = dollars_allowed(state), state.ledger.total.cost_usd
    said = "an unknown amount" if spent is None else f"${spent:.2f}"
    left = f"too little is left of ${allowed or 0.0:.2f} for what comes next"
    text = f"{said} is spent, {left}; grant up to ${usd:.2f}?"
    return ApprovalAsked(what="spending", text=text, usd=usd)


# --- the result ------------------------------------------------------------------


def result_answer(state: RunState, text: str) -> Literal["ask", "approved"]:
    """Whether a person has approved exactly this text."""
    same = [one for one in of_what(state, "result") if one.asked.text == cut(text)]
    return "approved" if same and same[-1].is_approved else "ask"


def cut(text: str) -> str:
    """A text as an ask carries it."""
    if len(text) <= TEXT_CHARACTERS_MAX:
        return text
    rest = text[TEXT_CHARACTERS_MAX:]
    digest = hashlib.sha256(rest.encode()).hexdigest()
    return f"{text[:TEXT_CHARACTERS_MAX]}\n({len(rest)} characters more, sha256 {digest})"
