"""The rehearsal lead: lanes from the goal's words, an answer from admitted claims."""

from __future__ import annotations

import re
from typing import Any

from team.agent.briefing import GroupBrief
from team.agent.models.rehearsal.conversation import Situation

_LIST = re.compile(r"(?:[\w.\-/]+, )+(?:and )?[\w.\-/]+(?: and [\w.\-/]+)?|[\w.\-/]+ and [\w.\-/]+")


def plan(situation: Situation) -> dict[str, Any]:
    """One lane for each group of sources that the goal names; for all, if it names none."""
    briefing = situation.briefing
    named = [group for group in briefing.groups if _names(briefing.goal, group)]
    groups = named or list(briefing.groups)
    if len(groups) > max(briefing.teammates_max, 1):
        return _plan(briefing.goal, [_lane(briefing.goal, list(groups))])
    return _plan(briefing.goal, [_lane(briefing.goal, [group]) for group in groups])


def synthesis(situation: Situation) -> dict[str, Any]:
    """One section for each lane, one sentence for each admitted claim."""
    briefing = situation.briefing
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
        "missing": list(briefing.missing),
    }


def _plan(goal: str, lanes: list[dict[str, Any]]) -> dict[str, Any]:
    return {"title": goal, "lanes": lanes, "constraints": []}


def _lane(goal: str, groups: list[GroupBrief]) -> dict[str, Any]:
    titles = " and ".join(group.title for group in groups)
    return {
        "title": titles[:80],
        "output": f"Quotes from {titles} that bear on the goal.",
        "objective": _objective(goal, titles),
        "sources": [group.name for group in groups],
        "boundaries": [f"Nothing but {titles}."],
        "acceptance": ["Each claim quotes its source."],
        "areas": ["terms"],
    }


def _objective(goal: str, title: str) -> str:
    """The goal with its list of subjects narrowed to this lane's."""
    for found in _LIST.finditer(goal):
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
