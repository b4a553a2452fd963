"""Is this an orchestration problem or a prompt problem? Code decides, by rules.

A plan that is complete comes in; lanes that are ready for dispatch come out, or one
lane for all, with every reason. A rule that can't be asked counts against a team.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Final, Literal

import msgspec

from team.codes import plan as codes
from team.rules.effort import Effort, Mode
from team.rules.lanes import (
    Shaped,
    let_wait,
    merge_same,
    merge_short,
    merge_writers,
    one_lane,
    split_broad,
)
from team.rules.plan import Ability, Lane, Plan, PlanFacts
from team.tool_names import PEER_TOOLS, RETURNING_TOOLS

__all__ = ["Mode", "Triage", "triage"]


class Triage(msgspec.Struct, frozen=True, kw_only=True):
    """The ruling.

    Attributes:
        mode: A team, or one context.
        reasons: Why, a sentence each: the ruling, what was merged, let wait, split.
        lanes: What will be put on the board.
    """

    mode: Literal["team", "solo"]
    reasons: tuple[str, ...]
    lanes: tuple[Lane, ...]


Shape = Callable[[Sequence[Lane], PlanFacts], Shaped]
TriageRule = Callable[[Sequence[Lane], PlanFacts], str | None]


def too_few(lanes: Sequence[Lane], facts: PlanFacts) -> str | None:
    """A team needs lanes that can begin apart."""
    least = facts.rules.lanes_min
    independent = sum(not lane.depends_on for lane in lanes)
    if len(lanes) == 1:
        return "there is one lane only"
    if independent < least:
        return (
            f"{independent} of {len(lanes)} lanes can begin without another's output, not {least}"
        )
    return None


def _alone(ability: Ability) -> frozenset[str]:
    """The tools that are of use to one who works alone."""
    return frozenset(ability.tools) - {*PEER_TOOLS, *RETURNING_TOOLS}


def nothing_gained(lanes: Sequence[Lane], facts: PlanFacts) -> str | None:
    """A team needs something that the lead's context has not: a model, a tool, or room."""
    lead, worker = facts.lead, facts.worker
    if lead.model != worker.model or _alone(lead) != _alone(worker):
        return None
    sizes = {size.source: size.tokens for lane in lanes for size in facts.covered(lane.within)}
    total = sum(sizes.values())
    if total > facts.window:
        return None
    return (
        f"lead and workers have the same model and tools, and all {total} tokens of sources fit"
        f" into one context ({facts.window})"
    )


SHAPES: Final[dict[str, Shape]] = {
    codes.OVERLAP: merge_same,
    codes.SAME_WRITES: merge_writers,
    codes.NEEDS_ANOTHER: let_wait,
}
"""What is done to lanes in any mode."""

RULES: Final[dict[str, TriageRule]] = {
    codes.LANES_MIN: too_few,
    codes.NOTHING_GAINED: nothing_gained,
}
"""What speaks against a team; `--mode team` overrules it."""


def triage(
    plan: Plan,
    facts: PlanFacts,
    shapes: Mapping[str, Shape] = SHAPES,
    rules: Mapping[str, TriageRule] = RULES,
) -> Triage:
    """Rule whether a plan is worked on by a team or in one context, and make its lanes ready."""
    if facts.mode == "solo":
        return _solo(plan.lanes, plan, facts, ["you asked for --mode solo"])
    lanes, reasons, failed = _shaped(plan.lanes, facts, shapes)
    if failed:
        return _solo(plan.lanes, plan, facts, [*failed, *reasons])
    effort: Effort = plan.effort or "broad"
    cap = facts.cap(effort)
    if len(lanes) > cap:
        said = f"{codes.LANES_MAX}: {len(lanes)} lanes, at most {cap} for effort {effort!r}"
        return _solo(lanes, plan, facts, [said, *reasons])
    merged, shorts, failed = _shaped(lanes, facts, {codes.TOO_SHORT: merge_short})
    if facts.mode == "auto":
        lanes, reasons = merged, [*reasons, *shorts]
    against = [*failed, *_against(lanes, facts, rules)]
    if against and facts.mode == "auto":
        return _solo(lanes, plan, facts, [*against, *reasons])
    parts, splits, failed = _shaped(
        lanes, facts, {codes.TOO_BROAD: lambda given, known: split_broad(given, known, cap)}
    )
    if failed and facts.mode == "auto":
        return _solo(lanes, plan, facts, [*failed, *reasons])
    if facts.mode == "team":
        said = "you asked for --mode team"
        asides = [f"left aside, {reason}" for reason in (*shorts, *against, *failed)]
        first = [said, *asides]
    else:
        independent = sum(not lane.depends_on for lane in parts)
        first = [f"{len(parts)} lanes, {independent} of which need no other's output"]
    return Triage(mode="team", reasons=(*first, *reasons, *splits), lanes=tuple(parts))


def _shaped(
    lanes: Sequence[Lane], facts: PlanFacts, shapes: Mapping[str, Shape]
) -> tuple[list[Lane], list[str], list[str]]:
    """Lanes after all that is done to them, why, and which of it failed."""
    kept, reasons, failed = list(lanes), list[str](), list[str]()
    for code, shape in shapes.items():
        try:
            kept, found = shape(kept, facts)
        except Exception as error:
            failed.append(f"{code}: the check failed: {error!r}")
        else:
            reasons += [f"{code}: {reason}" for reason in found]
    return kept, reasons, failed


def _against(lanes: Sequence[Lane], facts: PlanFacts, rules: Mapping[str, TriageRule]) -> list[str]:
    """Every rule that speaks against a team; one that can't be asked does."""
    found: list[str] = []
    for code, rule in rules.items():
        try:
            reason = rule(lanes, facts)
        except Exception as error:
            reason = f"the check failed: {error!r}"
        if reason is not None:
            found.append(f"{code}: {reason}")
    return found


def _solo(lanes: Sequence[Lane], plan: Plan, facts: PlanFacts, reasons: Sequence[str]) -> Triage:
    whole = [one_lane(lanes, plan, facts)]
    broad = {codes.TOO_BROAD: lambda given, known: split_broad(given, known, 1)}
    _, said, failed = _shaped(whole, facts, broad)
    return Triage(mode="solo", reasons=(*reasons, *said, *failed), lanes=tuple(whole))
