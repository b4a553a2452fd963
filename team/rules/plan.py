"""A plan as the lead proposes it, and what code makes of it: lanes to contracts.

The lead says which lanes there are; code sends an incomplete plan back, merges
lanes that say the same, and fills in tools and limits from policy.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from typing import Annotated, Final

import msgspec

from bus.messages import Budget, Contract
from team.policy import Policy
from team.spec import SourceGroupDoc

SAME_LANE: Final = 0.8
"""Share of common words from which two objectives count as one."""

COMMON_AREA: Final = "team"
"""The decision area that every lane is told of."""

_WORD: Final = re.compile(r"\w+")
_COMMON: Final = frozenset(
    "a all an and any are as at be but by can do does down for from has have how if in into is "
    "it its may more no not of off on only or other out over should so than that the their them "
    "then there these they this those to up was we were what when where which while who why "
    "will with work works would you".split()
)

Line = Annotated[str, msgspec.Meta(min_length=1, max_length=2_000)]


class Lane(msgspec.Struct, frozen=True, kw_only=True):
    """One independent part of the goal.

    Attributes:
        title: A few words; unique in the plan.
        output: What it will return, in one sentence that names no other lane.
        objective: What is to be found out.
        sources: Source groups or path patterns that it may use.
        boundaries: What is out of bounds for it.
        acceptance: How one can tell that it is done.
        areas: Decision areas that concern it.
        depends_on: Titles of lanes whose findings must be admitted first.
    """

    title: Annotated[str, msgspec.Meta(min_length=1, max_length=80)]
    output: Line
    objective: Line
    sources: Annotated[tuple[str, ...], msgspec.Meta(min_length=1)]
    boundaries: Annotated[tuple[Line, ...], msgspec.Meta(min_length=1)]
    acceptance: tuple[Line, ...] = ()
    areas: tuple[str, ...] = ()
    depends_on: tuple[str, ...] = ()


class Plan(msgspec.Struct, frozen=True, kw_only=True):
    """How the goal is divided.

    Attributes:
        title: What the answer will be called.
        lanes: Its parts.
        constraints: Constraints of the goal, word for word; every lane carries them.
    """

    title: Line
    lanes: Annotated[tuple[Lane, ...], msgspec.Meta(min_length=1, max_length=64)]
    constraints: tuple[Line, ...] = ()


def words(text: str) -> frozenset[str]:
    """The telling words of a text, lower-cased."""
    return frozenset(_WORD.findall(text.lower())) - _COMMON


def likeness(a: str, b: str) -> float:
    """How much two texts share: common telling words over all of them, 0 to 1."""
    ours, theirs = words(a), words(b)
    return len(ours & theirs) / len(ours | theirs) if ours | theirs else 1.0


def plan_problems(plan: Plan, groups: Sequence[SourceGroupDoc]) -> list[str]:
    """Say what must be mended before a plan can be used; empty if nothing."""
    problems: list[str] = []
    titles = [lane.title for lane in plan.lanes]
    names = {group.name for group in groups}
    for lane in plan.lanes:
        if titles.count(lane.title) > 1:
            problems.append(f"lane title {lane.title!r} is used twice")
        problems += [
            f"lane {lane.title!r}: source {source!r} is not one of {', '.join(sorted(names))}"
            for source in lane.sources
            if source not in names and not set("*?/") & set(source)
        ]
        problems += [
            f"lane {lane.title!r} depends on {needed!r}, which is no other lane"
            for needed in lane.depends_on
            if needed not in titles or needed == lane.title
        ]
        problems += [
            f"lane {lane.title!r}: area {area!r} is not a token of letters, digits, '_', '-'"
            for area in lane.areas
            if not re.fullmatch(r"[A-Za-z0-9_-]{1,64}", area)
        ]
    if not problems and _has_circle(plan.lanes):
        problems.append("the lanes depend on each other in a circle")
    return problems


def merge_same(lanes: Sequence[Lane]) -> tuple[list[Lane], list[str]]:
    """Drop lanes that say what an earlier one says, over the same sources.

    Returns:
        The lanes that stay, and a reason for each that went.
    """
    kept: list[Lane] = []
    reasons: list[str] = []
    twins: dict[str, str] = {}
    for lane in lanes:
        twin = next((other for other in kept if _is_same(lane, other)), None)
        if twin is None:
            kept.append(lane)
        else:
            twins[lane.title] = twin.title
            reasons.append(f"lane {lane.title!r} says the same as {twin.title!r} and was merged")
    merged = [_needing(lane, twins) for lane in kept]
    if _has_circle(merged):  # merging closed it: what was merged is waited for no more
        merged = [_needing(lane, dict.fromkeys(twins)) for lane in kept]
    return merged, reasons


def one_lane(plan: Plan, goal: str) -> Lane:
    """The whole plan as a single lane, for a run that needs no team."""
    return Lane(
        title=plan.title[:80],
        output="One finding that covers the whole goal.",
        objective=goal,
        sources=tuple(dict.fromkeys(source for lane in plan.lanes for source in lane.sources)),
        boundaries=tuple(dict.fromkeys(line for lane in plan.lanes for line in lane.boundaries)),
        acceptance=tuple(dict.fromkeys(line for lane in plan.lanes for line in lane.acceptance)),
        areas=tuple(dict.fromkeys(area for lane in plan.lanes for area in lane.areas)),
    )


def contract_of(
    lane: Lane,
    plan: Plan,
    tools: Sequence[str],
    policy: Policy,
    turns_max: int | None = None,
    budget: Budget | None = None,
) -> Contract:
    """Make the contract of a lane: what the lead said, and its slice or the limits of policy."""
    return Contract(
        objective=lane.objective,
        output_format=f"A finding submitted with submit_finding. {lane.output}",
        sources=lane.sources,
        tools=tuple(tools),
        boundaries=lane.boundaries,
        acceptance=lane.acceptance,
        areas=tuple(dict.fromkeys((*lane.areas, COMMON_AREA))),
        constraints=plan.constraints,
        budget=budget
        or Budget(
            turns_max=min(policy.turns_max, turns_max or policy.turns_max),
            tokens_max=policy.tokens_max,
            seconds_max=policy.seconds_max,
            tool_calls_max=policy.tool_calls_max,
            usd_max=policy.dollars_max,
        ),
    )


def _is_same(a: Lane, b: Lane) -> bool:
    return set(a.sources) == set(b.sources) and likeness(a.objective, b.objective) >= SAME_LANE


def _needing(lane: Lane, twins: Mapping[str, str | None]) -> Lane:
    """A lane that depends on the twins of what it depended on; on nothing for no twin."""
    needs = dict.fromkeys(twins.get(needed, needed) for needed in lane.depends_on)
    depends_on = tuple(needed for needed in needs if needed not in (None, lane.title))
    return msgspec.structs.replace(lane, depends_on=depends_on)


def _has_circle(lanes: Sequence[Lane]) -> bool:
    needs = {lane.title: set(lane.depends_on) for lane in lanes}
    while needs:
        free = [title for title, needed in needs.items() if not needed & needs.keys()]
        if not free:
            return True
        for title in free:
            del needs[title]
    return False
