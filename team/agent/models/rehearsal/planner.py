"""The rehearsal lead: lanes from the goal's words, an answer from admitted claims."""

from __future__ import annotations

import re
from typing import Any

from team.agent.briefing import Briefing, GroupBrief
from team.agent.models.rehearsal.conversation import Situation
from team.rules.effort import EFFORTS, Effort, listed
from team.rules.hosts import WEB
from team.rules.limits_of_text import limit_of

TITLE_CHARACTERS_MAX = 2_000

_LIST = re.compile(r"(?:[\w.\-/]+, )+(?:and )?[\w.\-/]+(?: and [\w.\-/]+)?|[\w.\-/]+ and [\w.\-/]+")

_STAGES = re.compile(r"\bfirst (.+?),? then ([^:?.]+)", re.I)


def plan(situation: Situation) -> dict[str, Any]:
    """One lane for each group of sources that the goal names; for all, if it names none.

    Where that is more lanes than the goal may have, one lane for all.
    """
    briefing = situation.briefing
    named = [group for group in briefing.groups if _named_as(briefing.goal, group)]
    groups = named or list(briefing.groups) or _on_the_web(briefing)
    areas = sorted({"terms", *(area.name for area in briefing.areas)})
    effort = _effort(briefing, len(groups))
    if effort is None:
        lane = _lane(briefing.goal, list(groups), areas) | {"covers": [briefing.goal]}
        return _plan(briefing, "fact", [briefing.goal], [lane])
    aspects = [_named_as(briefing.goal, group) for group in groups]
    if not all(aspects) or set(listed(briefing.goal)) - set(aspects):
        aspects = [briefing.goal] * len(groups)
    lanes = [
        _lane(briefing.goal, [group], areas) | {"covers": [aspect]}
        for group, aspect in zip(groups, aspects, strict=True)
    ]
    return _plan(briefing, effort, list(dict.fromkeys(aspects)), _staged(briefing.goal, lanes))


def _on_the_web(briefing: Briefing) -> list[GroupBrief]:
    """What stands for the sources where there are none but hosts."""
    return [GroupBrief(name=WEB + host, title=host, files=0) for host in briefing.hosts]


def _effort(briefing: Briefing, lanes: int) -> Effort | None:
    """The least effort that allows so many lanes; nothing if none does."""
    if briefing.triage is None:
        return "broad" if lanes <= briefing.teammates_max else None
    caps = briefing.triage.lanes_max
    return next((effort for effort in EFFORTS if lanes <= caps[effort]), None)


def synthesis(situation: Situation) -> dict[str, Any]:
    """One section for each lane, one sentence for each admitted claim.

    An aspect that no claim's lane covers is missing. Of a constraint it says what is so: that
    it can only pass on what the gate has admitted.
    """
    briefing = situation.briefing
    covered = {aspect for claim in briefing.claims for aspect in claim.covers}
    lanes = dict.fromkeys(claim.lane for claim in briefing.claims)
    return {
        "title": _answer_title(briefing),
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


def _answer_title(briefing: Briefing) -> str:
    """The goal, without what it wants to have mentioned nowhere."""
    title = " ".join(briefing.goal.split())
    for constraint in briefing.constraints:
        limit = limit_of(constraint)
        if limit is not None and limit.kind == "never":
            said = re.escape(" ".join(constraint.split()))
            title = re.sub(rf"{said}[.;,!]?\s*", "", title, flags=re.I)
    return title.strip() or "Answer"


def _plan(
    briefing: Briefing, effort: Effort, aspects: list[str], lanes: list[dict[str, Any]]
) -> dict[str, Any]:
    return {
        "title": briefing.goal[:TITLE_CHARACTERS_MAX],
        "effort": effort,
        "aspects": aspects,
        "lanes": lanes,
        "constraints": list(briefing.constraints),
    }


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
        "acceptance": [
            {"text": "A claim at least, with its quote.", "claims_min": 1, "sources_min": 1}
        ],
        "areas": areas,
    }


def _objective(goal: str, title: str) -> str:
    """The goal with its list of subjects narrowed to this lane's."""
    for found in _LIST.finditer(goal) if not _STAGES.search(goal) else ():
        if any(part and part in found.group() for part in (title, title.rpartition(".")[2])):
            narrowed = goal[: found.start()] + title + goal[found.end() :]
            return re.sub(r"^(How|What|Why|Where|When) do ", r"\1 does ", narrowed)
    return f"{goal} (as far as {title} says)"


def _named_as(goal: str, group: GroupBrief) -> str:
    """How a goal names a group, as it stands there; empty if it does not."""
    for name in (group.title, group.name):
        found = re.search(rf"(?<![\w.]){re.escape(name)}(?![\w])", goal, re.IGNORECASE)
        if found:
            return found.group()
    return ""
