"""The rehearsal lead: lanes from the goal's words, an answer from admitted claims."""

from __future__ import annotations

import re
from typing import Any

from team.agent.briefing import GroupBrief
from team.agent.models.rehearsal.conversation import Situation

_LIST = re.compile(r"(?:[\w.\-/]+, )+(?:and )?[\w.\-/]+(?: and [\w.\-/]+)?|[\w.\-/]+ and [\w.\-/]+")

_STAGES = re.compile(r"\bfirst (.+?),? then ([^:?.]+)", re.I)


def plan(situation: Situation) -> dict[str, Any]:
    """One lane for each group of sources that the goal names; for all, if it names none."""
    briefing = situation.briefing
    named = [group for group in briefing.groups if _names(briefing.goal, group)]
    groups = named or list(briefing.groups)
    areas = sorted({"terms", *(area.name for area in briefing.areas)})
    if len(groups) > max(briefing.teammates_max, 1):
        return _plan(briefing.goal, [_lane(briefing.goal, list(groups), areas)])
    lanes = [_lane(briefing.goal, [group], areas) for group in groups]
    return _plan(briefing.goal, _staged(briefing.goal, lanes))


def synthesis(situation: Situation) -> dict[str, Any]:
    """One section for each lane, one sentence for each admitted claim.

    An aspect that no claim's lane covers is missing. Of a constraint it says what is so: that
    it can only pass on what the gate has admitted.
    """
    briefing = situation.briefing
    covered = {aspect for claim in briefing.claims for aspect in claim.covers}
    lanes = dict.fromkeys(claim.lane for claim in briefing.claims)
    return {
        "title": briefing.goal,
        "sections": [
            {
                "heading": lane,
                "sentences": [
                    {"text": citable.claim.text, "cites": [citable.ref]}
                    for citable in briefing.claims
                    if citable.lane == lane
                ],
            }
            for lane in lanes
        ],
        "missing": [
            *briefing.missing,
            *(
                f"{aspect}: no lane covers it"
                for aspect in briefing.aspects
                if aspect not in covered
            ),
        ],
        "constraints": [
            {"constraint": constraint, "how": "Every lane's contract has it; I can't tell more."}
            for constraint in briefing.constraints
        ],
    }


def _plan(goal: str, lanes: list[dict[str, Any]]) -> dict[str, Any]:
    return {"title": goal, "lanes": lanes, "constraints": []}


def _staged(goal: str, lanes: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """Let a lane wait for another where the goal says `first …, then …`."""
    found = _STAGES.search(goal)
    if found is None:
        return lanes
    first, then = ([t for t in _titles(lanes) if _is_in(t, part)] for part in found.groups())
    return [
        lane | {"depends_on": first}
        if lane["title"] in then and lane["title"] not in first
        else lane
        for lane in lanes
    ]


def _titles(lanes: list[dict[str, Any]]) -> list[str]:
    return [str(lane["title"]) for lane in lanes]


def _is_in(title: str, text: str) -> bool:
    return re.search(rf"(?<!\w){re.escape(title)}(?!\w)", text, re.I) is not None


def _lane(goal: str, groups: list[GroupBrief], areas: list[str]) -> dict[str, Any]:
    titles = " and ".join(group.title for group in groups)
    return {
        "title": titles[:80],
        "output": f"Quotes from {titles} that bear on the goal.",
        "objective": _objective(goal, titles),
        "sources": [group.name for group in groups],
        "boundaries": [f"Nothing but {titles}."],
        "acceptance": ["Each claim quotes its source."],
        "areas": areas,
    }


def _objective(goal: str, title: str) -> str:
    """The goal with its list of subjects narrowed to this lane's."""
    for found in _LIST.finditer(goal) if not _STAGES.search(goal) else ():
        if any(part and part in found.group() for part in (title, title.rpartition(".")[2])):
            narrowed = goal[: found.start()] + title + goal[found.end() :]
            return re.sub(r"^(How|What|Why|Where|When) do ", r"\1 does ", narrowed)
    return f"{goal} (as far as {title} says)"


def _names(goal: str, group: GroupBrief) -> bool:
    lowered = goal.lower()
    return any(
        re.search(rf"(?<![\w.]){re.escape(name.lower())}(?![\w])", lowered)
        for name in (group.title, group.name)
    )
