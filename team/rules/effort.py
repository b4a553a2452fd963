"""How large a plan may be: read from the goal by code, never from the lead's word upwards.

The lead says how much work it takes the goal for. That word can make a plan smaller
than the goal would allow, and never larger.
"""

from __future__ import annotations

import re
from typing import Final, Literal

Effort = Literal["fact", "comparison", "broad"]
Mode = Literal["auto", "team", "solo"]

EFFORTS: Final[tuple[Effort, ...]] = ("fact", "comparison", "broad")

SIMPLE_WORDS_MAX: Final = 30
"""Words that a goal may have and still be read as simple."""

LISTED_MIN: Final = 3
"""Items from which an enumeration is one; two may be a figure of speech."""

_WIDE: Final = re.compile(
    r"\b(?:each|every|all|compar\w+|versus|vs|differ\w*|between|across|respectively|list|survey"
    r"|overview|audit|review|landscape|trade-?offs?|advantages|alternatives|options|hypothes\w+)\b",
    re.IGNORECASE,
)
_ENDED: Final = re.compile(r"[.?!;](?=\s)")
_ITEM: Final = r"[\w./-]*\w"
_LISTED: Final = re.compile(rf"((?:{_ITEM}, )+)({_ITEM})?,? ?\b(?:and|or|versus|vs) ({_ITEM})")


def listed(goal: str) -> tuple[str, ...]:
    """The items of enumerations such as `a, b and c`, as they stand in the goal."""
    found: dict[str, None] = {}
    for heads, middle, last in _LISTED.findall(goal):
        items = [item for item in (*heads.split(", "), middle, last) if item]
        if len(items) >= LISTED_MIN:
            found |= dict.fromkeys(items)
    return tuple(found)


def is_simple(goal: str) -> bool:
    """Whether a goal is one short question that asks for no list and compares nothing."""
    text = goal.strip()
    return (
        len(text.split()) <= SIMPLE_WORDS_MAX
        and "\n" not in text
        and text.count("?") <= 1
        and not _ENDED.search(text)
        and not _WIDE.search(text)
        and not listed(text)
    )


def lanes_cap(
    effort: Effort, goal: str, *, comparison_max: int, teammates_max: int, mode: Mode = "auto"
) -> int:
    """How many lanes a plan may have.

    Args:
        effort: What the lead takes the goal for.
        goal: The goal; one that is simple has no more lanes than a comparison.
        comparison_max: Lanes of a comparison, by the team's rules.
        teammates_max: Workers at once, by policy; nothing is above it.
        mode: Who asks for a team gets the lanes of a comparison even for a fact.
    """
    wanted = {"fact": 1, "comparison": comparison_max, "broad": teammates_max}[effort]
    if is_simple(goal):
        wanted = min(wanted, comparison_max)
    if mode == "team":
        wanted = max(wanted, comparison_max)
    return min(wanted, teammates_max)
