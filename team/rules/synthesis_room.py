"""From which admitted claims an answer is written, where not all fit into one context."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import zip_longest
from typing import Final

import msgspec

from team.rules.limits import CHARACTERS_PER_TOKEN
from team.rules.synthesis import AdmittedClaim

CLAIMS_BYTES_MAX: Final = 200_000
"""Size of the claims from which an answer is written: what fits into one message, and a model."""
CLAIMS_SHARE: Final = 0.4
"""Share of the lead's window that they may fill."""


class Room(msgspec.Struct, frozen=True, kw_only=True):
    """What the lead is shown of the admitted claims.

    Attributes:
        claims: Those that it is shown, in board order; where there is little room, bare of
            their evidence.
        left_out: What is to be reported as missing, a line for each lane that lost claims.
    """

    claims: tuple[AdmittedClaim, ...]
    left_out: tuple[str, ...] = ()


def room_for(admitted: Sequence[AdmittedClaim], window_tokens: int) -> Room:
    """Show all claims, all without their evidence, or of each lane as many as there is room for.

    In the last case the lanes take turns, each with its claims in the order of its finding,
    until one does not fit: no lane goes without as long as there is room for one of each.

    Args:
        admitted: All that may be cited.
        window_tokens: Tokens that the lead's context holds.
    """
    room = min(CLAIMS_BYTES_MAX, int(CLAIMS_SHARE * window_tokens * CHARACTERS_PER_TOKEN))
    if sum(map(_size, admitted)) <= room:
        return Room(claims=tuple(admitted))
    bare = [_bare(one) for one in admitted]
    kept: set[str] = set()
    for one in _in_turn(bare):
        room -= _size(one)
        if room < 0:
            break
        kept.add(one.ref)
    return Room(claims=tuple(c for c in bare if c.ref in kept), left_out=_left_out(bare, kept))


def _in_turn(claims: Sequence[AdmittedClaim]) -> list[AdmittedClaim]:
    """The first claim of each lane, then the second of each, and so on."""
    lanes: dict[str, list[AdmittedClaim]] = {}
    for one in claims:
        lanes.setdefault(one.task, []).append(one)
    return [one for row in zip_longest(*lanes.values()) for one in row if one is not None]


def _left_out(claims: Sequence[AdmittedClaim], kept: set[str]) -> tuple[str, ...]:
    lines: list[str] = []
    for lane, task in dict.fromkeys((one.lane, one.task) for one in claims):
        refs = [one.ref for one in claims if one.task == task]
        lost = sum(ref not in kept for ref in refs)
        if lost:
            lines.append(f"{lane}: {lost} of {len(refs)} admitted claims had no room in the answer")
    return tuple(lines)


def _bare(one: AdmittedClaim) -> AdmittedClaim:
    replace = msgspec.structs.replace
    return replace(one, claim=replace(one.claim, evidence=()))


def _size(one: AdmittedClaim) -> int:
    return len(msgspec.json.encode(one))
