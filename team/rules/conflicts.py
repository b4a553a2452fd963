"""What the conflicts of a run come to: which are open, and which claims they strike out.

    raised ──facts differ, or not judged compatible──▶ open ──ruled──▶ ruled
       └──judged compatible by who was asked──▶ compatible

What is never ruled on stands for neither: unknown means no. A conflict is about the words
that its claims had; a claim that was revised since is compared anew.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final, Literal

from bus.messages import Claim, ConflictJudged, TaskState
from team.rules.contradictions import Pair, contradictions, pair_id
from team.state import Conflict, RunState, Task

RULINGS_MAX: Final = 40
"""Conflicts that the lead rules on; of further ones neither claim stands."""
RAISED_AT_ONCE: Final = 100
"""Conflicts that are written in one batch."""
FIRST, SECOND = "first", "second"
"""What the claims of a conflict are called before whoever judges them."""

Claims = Mapping[str, Claim]
"""Claims of admitted findings by their refs, in board order."""
Standing = Literal["raised", "open", "compatible", "ruled"]


def unraised(state: RunState, claims: Claims) -> tuple[Pair, ...]:
    """Pairs that may contradict each other and that nobody has written down yet."""
    found = [pair for pair in contradictions(claims) if pair.id not in state.conflicts.all]
    return tuple(found[:RAISED_AT_ONCE])


def current(state: RunState, claims: Claims) -> list[Conflict]:
    """Conflicts between claims that still say what they said when these were raised."""
    return [one for one in state.conflicts.all.values() if _is_current(one, claims)]


def _is_current(conflict: Conflict, claims: Claims) -> bool:
    first, second = conflict.refs
    if first not in claims or second not in claims:
        return False
    return pair_id(first, claims[first], second, claims[second]) == conflict.id


# --- what a verifier says --------------------------------------------------------


def comparison_id(conflict: str) -> str:
    """The task in which a verifier compares the two claims of a conflict."""
    return f"c-{conflict}"


def compared_by(task: str) -> str:
    """The conflict that a task of purpose `compare` is about."""
    return task.removeprefix("c-")


def comparison_of(state: RunState, conflict: Conflict) -> Task | None:
    """The task in which the claims of a conflict are compared, if it was opened."""
    return state.board.tasks.get(comparison_id(conflict.id))


def judgement_on(state: RunState, conflict: Conflict) -> ConflictJudged | None:
    """What the verifier said that was asked; nobody else's word counts."""
    task = comparison_of(state, conflict)
    if task is None or task.state not in (TaskState.submitted, TaskState.admitted):
        return None
    said = [judged for author, judged in conflict.judgements if author == task.holder]
    return said[-1] if said else None


def standing(state: RunState, conflict: Conflict) -> Standing:
    """Where a conflict stands: to be judged, to be ruled on, none after all, ruled."""
    if conflict.ruling is not None:
        return "ruled"
    if conflict.raised.is_certain:
        return "open"
    judged = judgement_on(state, conflict)
    if judged is not None:
        return "compatible" if judged.outcome == "compatible" else "open"
    task = comparison_of(state, conflict)
    return "open" if task is not None and task.is_settled else "raised"


# --- what is struck out ----------------------------------------------------------


def struck_claims(state: RunState, claims: Claims) -> dict[str, str]:
    """Which claims may not be cited, by ref, each with the reason."""
    here = current(state, claims)
    struck: dict[str, str] = {}
    for conflict in here:
        if conflict.ruling is not None:
            for ref in _losers(conflict):
                struck[ref] = (
                    f"G301: it contradicts {_rival(conflict, ref)}: {conflict.ruling.reason}"
                )
    for conflict in _unsettled(state, here):
        for ref in _losers(conflict):
            seen = f"{conflict.raised.reason}, and nobody has ruled on it"
            struck.setdefault(ref, f"G302: it may contradict {_rival(conflict, ref)}: {seen}")
    return struck


def _losers(conflict: Conflict) -> tuple[str, ...]:
    first, second = conflict.refs
    stands = conflict.ruling.stands if conflict.ruling is not None else "neither"
    return {"first": (second,), "second": (first,), "both": (), "neither": (first, second)}[stands]


def to_settle(state: RunState, claims: Claims) -> list[Conflict]:
    """Conflicts that are neither ruled on nor none after all, nor moot."""
    return _unsettled(state, current(state, claims))


def _unsettled(state: RunState, here: list[Conflict]) -> list[Conflict]:
    """Those of some conflicts of which no ruling has struck a claim: then the other may stand."""
    ruled_out = {ref for one in here if one.ruling is not None for ref in _losers(one)}
    return [
        one
        for one in here
        if standing(state, one) in ("raised", "open") and not ruled_out & {*one.refs}
    ]


def may_be_ruled(state: RunState) -> bool:
    """Whether the lead may rule on one more conflict."""
    ruled = sum(one.ruling is not None for one in state.conflicts.all.values())
    return ruled < RULINGS_MAX


def _rival(conflict: Conflict, ref: str) -> str:
    """The other claim of a conflict."""
    return conflict.raised.second if ref == conflict.raised.first else conflict.raised.first
