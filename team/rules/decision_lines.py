"""How decisions, and what has befallen them, are worded for members: one line each.

Whatever people or models wrote is escaped, cut, and kept on its line.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Collection, Sequence
from html import escape
from typing import Final

from team.rules.stakes import Change
from team.state import Decision, Decisions, DecisionState

STATEMENT_CHARACTERS_MAX: Final = 280
"""How much of a statement stands in a line, once it is escaped."""
REASON_CHARACTERS_MAX: Final = 160
"""How much of a reason stands in a line; the rest is read with a tool."""
COUNTS_CHARACTERS_MAX: Final = 160
"""How long the line is at most that counts what was left out."""
WAITING: Final = "more changes to what you built on come before the next turn"
NAMES: Final = "more, by name only: "

_COUNTS_FRAME: Final = "and : search_decisions, 10000 in 1000 other areas"


def line_of(decision: Decision) -> str:
    """One decision in one line, as members read it."""
    standing = ", standing" if decision.standing else ""
    contested = " [contested]" if decision.state is DecisionState.contested else ""
    statement = _cut(decision.statement, STATEMENT_CHARACTERS_MAX)
    return f"{decision.name} r{decision.seq} ({decision.author}{standing}){contested}: {statement}"


def change_line(decisions: Decisions, change: Change) -> str:
    """What has befallen a decision, in one line; what was only shown is struck out."""
    decision = change.decision
    named = f"{decision.name} r{decision.seq}"
    head = f"~~{named}~~" if change.stake == "shown" else f"! {named} ({change.stake})"
    if decision.replaced_by is None:
        return f"{head} {_why(decision, change)}"
    last = decisions.last_after(decision)
    fall = decisions.fall_of(last.as_premise(), knows_all=False)
    if not last.holds:
        return f"{head} is superseded, and r{last.seq} {_cut(decisions.end_of(last))}"
    if fall is not None:
        return f"{head} is superseded, and r{last.seq} stands no longer: {_cut(fall.reason)}"
    if change.stake == "shown":
        return f"{head} now {line_of(last)}"
    reason = f" Why: {_cut(last.ruling.reason)}" if last.ruling else ""
    return f"{head} is superseded, now {line_of(last)}{reason}"


def _why(decision: Decision, change: Change) -> str:
    """How a decision stands and by whose word."""
    if decision.holds and change.fall:
        return f"stands no longer: {_cut(change.fall, 2 * REASON_CHARACTERS_MAX)}"
    if decision.is_disputed and decision.objections:
        return _dispute(decision, change)
    if decision.state is DecisionState.withdrawn:
        return f"is withdrawn by {decision.changed_by}: {_cut(decision.end_reason)}"
    reason = f": {_cut(decision.ruling.reason)}" if decision.ruling else ""
    return f"is {decision.state}, by {decision.changed_by}{reason}"


def _dispute(decision: Decision, change: Change) -> str:
    """The newest word in an open dispute, and to the author how to answer."""
    if decision.changed_by == decision.author and decision.replies:
        return f"is defended by {decision.author}: {_cut(decision.replies[-1].reason)}"
    last = decision.objections[-1]
    instead = f" Instead: {_cut(last.instead)}" if last.instead else ""
    answer = " Answer: rebut_challenge or withdraw_decision." if change.stake == "yours" else ""
    return f"is contested by {last.author}: {_cut(last.reason)}{instead}{answer}"


def names_line(named: Sequence[Decision]) -> str:
    """Decisions by name only, area by area."""
    keys: dict[str, list[str]] = {}
    for decision in named:
        keys.setdefault(decision.area, []).append(decision.key)
    parts = [f"in {area}: {', '.join(names)}" for area, names in keys.items()]
    return NAMES + "; ".join(parts)


def count_line(left_out: Collection[Decision]) -> str:
    """How many more there are, by area; the smallest areas together, if there are many."""
    by_area = Counter(decision.area for decision in left_out)
    named: dict[str, int] = {}
    rest = COUNTS_CHARACTERS_MAX - len(_COUNTS_FRAME)
    for area, count in sorted(by_area.items(), key=lambda item: (-item[1], item[0])):
        rest -= len(f"{count} in {area}, ")
        if rest < 0:
            break
        named[area] = count
    counts = [f"{count} in {area}" for area, count in sorted(named.items())]
    others = len(left_out) - sum(named.values())
    counts += [f"{others} in {len(by_area) - len(named)} other areas"] if others else []
    return f"and {', '.join(counts)}: search_decisions"


def _cut(text: str, characters: int = REASON_CHARACTERS_MAX) -> str:
    line = escape(" ".join(text.split()), quote=False)
    return line if len(line) <= characters else line[: characters - 1] + "…"
