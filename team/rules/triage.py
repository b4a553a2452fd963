"""Is this an orchestration problem or a prompt problem? Code decides, by rules.

A team pays where there are at least two lanes that can be worked on apart.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final, Literal

import msgspec

from team.rules.plan import Lane

LANES_MIN: Final = 2

Mode = Literal["auto", "team", "solo"]


class Triage(msgspec.Struct, frozen=True, kw_only=True):
    """The ruling: which mode, and why, a sentence each."""

    mode: Literal["team", "solo"]
    reasons: tuple[str, ...]


def triage(lanes: Sequence[Lane], asked: Mode) -> Triage:
    """Rule whether lanes are worked on by a team or in one context."""
    if asked != "auto":
        return Triage(mode=asked, reasons=(f"you asked for --mode {asked}",))
    independent = [lane for lane in lanes if not lane.depends_on]
    if len(lanes) < LANES_MIN:
        return Triage(mode="solo", reasons=("there is one lane only",))
    if len(independent) < LANES_MIN:
        return Triage(
            mode="solo", reasons=("fewer than two lanes can begin without another's output",)
        )
    named = [_names_another(lane, lanes) for lane in lanes]
    entangled = [reason for reason in named if reason]
    if len(lanes) - len(entangled) < LANES_MIN:
        return Triage(mode="solo", reasons=tuple(entangled))
    return Triage(
        mode="team",
        reasons=(f"{len(lanes)} lanes, {len(independent)} of which need no other's output",),
    )


def _names_another(lane: Lane, lanes: Sequence[Lane]) -> str | None:
    for other in lanes:
        if other.title != lane.title and f"lane {other.title.lower()}" in lane.output.lower():
            return f"the output of {lane.title!r} can't be said without {other.title!r}"
    return None
