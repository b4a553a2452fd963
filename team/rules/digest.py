"""What of the decisions log enters a context between two turns: a digest, never a flood.

First what bears on the member's own work: a decision that it took, disputed, relied on
or was shown has changed. Then what is new, the most relevant to its contract first,
one line each. What has no room is named, and the rest counted by area. The budget is
fixed, so the cost of a turn does not grow with the log. A change to what the member has
built on is never only counted: what finds no room waits for the next turn.
"""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Callable, Collection, Sequence
from typing import Final

import msgspec

from bus.messages import Contract, DecisionTold
from team.rules.decision_lines import (
    COUNTS_CHARACTERS_MAX,
    NAMES,
    WAITING,
    change_line,
    count_line,
    line_of,
    names_line,
)
from team.rules.limits import CHARACTERS_PER_TOKEN
from team.rules.stakes import Change, Known, Stake, changes_of_stake
from team.state import Decision, Decisions

NAMES_SHARE: Final = 0.25
"""Share of the block in which decisions are only named, where not all can be told."""

_HEAD: Final = "<decisions>"
_FOOT: Final = "</decisions>"
_NO_REVISION_IS_HIGHER: Final = 1 << 62

Ranking = Callable[[Collection[int]], Sequence[int]]
"""Orders revisions by relevance, best first; may leave some out."""


class Digest(msgspec.Struct, frozen=True, kw_only=True):
    """A digest as it enters a context, and what that amounts to.

    Attributes:
        text: The block; empty if there is nothing to tell.
        told: The decisions in it.
        named: Revisions of which only the name is in it, for want of room.
        upto: Every change up to this sequence is told or counted now.
        heard: How many changes these are.
    """

    text: str
    told: tuple[DecisionTold, ...]
    upto: int
    heard: int = 0
    named: tuple[int, ...] = ()


def about(contract: Contract) -> str:
    """The words of a contract by which decisions are ranked for whoever works on it."""
    parts = (contract.objective, contract.output_format, *contract.acceptance)
    return " ".join((*parts, *contract.boundaries, *contract.constraints))


def digest(
    decisions: Decisions, known: Known, stake: Stake, ranking: Ranking, tokens_max: int
) -> Digest:
    """Write the digest of what is new to a context.

    Args:
        decisions: All that the member was sent, folded.
        known: What the context was told.
        stake: What the member has to do with them.
        ranking: Orders what is new.
        tokens_max: Size of the block, in tokens.
    """
    room = _Room(tokens_max)
    changed = changes_of_stake(decisions, known, stake)
    told = _tell_changes(room, decisions, changed)
    new = _new(decisions, known, {c.decision.seq for c in changed} | {t.revision for t in told})
    shown, named = _tell_new(room, _ranked(new, ranking))
    upto = decisions.changes[-1][0] if decisions.changes else 0
    return Digest(
        text=room.text,
        told=(*told, *(_told(decision) for decision in shown)),
        named=tuple(decision.seq for decision in named),
        upto=max(known.upto, upto),
        heard=len(decisions.changes),
    )


def _tell_changes(
    room: _Room, decisions: Decisions, changed: Sequence[Change]
) -> list[DecisionTold]:
    """Tell what has befallen decisions that the member built on; one at least, if there is any."""
    told: list[DecisionTold] = []
    is_whole = True
    for change in changed:
        line = change_line(decisions, change)
        leaves = len(WAITING) + 2 + COUNTS_CHARACTERS_MAX
        if room.take(line, leaves=leaves, is_cut=not told):
            told += _told_of(decisions, change)
        else:
            is_whole = False
    if not is_whole:
        room.add(WAITING)
    return told


def _tell_new(room: _Room, ranked: Sequence[Decision]) -> tuple[list[Decision], list[Decision]]:
    """Tell as much as there is room for, then name, then count; returns what was told and named."""
    lines = [line_of(decision) for decision in ranked]
    names_room = leaves = 0
    if not room.fits(lines):
        counts_room = len(count_line(ranked)) + 1
        names_room = max(0, min(int(NAMES_SHARE * room.size), room.left - counts_room - 1))
        can_name_all = len(_by_name(ranked, names_room)) == len(ranked)
        leaves = names_room + (0 if can_name_all else counts_room)
    shown: list[Decision] = []
    left_out: list[Decision] = []
    for decision, line in zip(ranked, lines, strict=True):
        (shown if room.take(line, leaves=leaves) else left_out).append(decision)
    named = _by_name(left_out, names_room)
    if named:
        room.add(names_line(named))
    if len(named) < len(left_out):
        room.add(count_line(left_out[len(named) :]))
    return shown, named


def _new(decisions: Decisions, known: Known, told: Collection[int]) -> list[Decision]:
    """Decisions that stand, have come since, and were not told; the member's own too.

    It learns so under which revision its own stand, and a fresh context that they do.
    """
    changes = decisions.changes
    first = bisect_right(changes, (known.upto, _NO_REVISION_IS_HIGHER))
    if first != known.heard:
        first = 0
    revisions = dict.fromkeys(revision for _, revision in changes[first:])
    found = [decisions.revision(r) for r in revisions if r not in known.told and r not in told]
    return [
        decision
        for decision in found
        if decision is not None
        and decision.holds
        and (
            not decision.relied_on or not decisions.fall_of(decision.as_premise(), knows_all=False)
        )
    ]


def _ranked(new: Sequence[Decision], ranking: Ranking) -> list[Decision]:
    """The most relevant first; what shares nothing with the contract last, the newest first."""
    by_revision = {decision.seq: decision for decision in reversed(new)}
    order = ranking(frozenset(by_revision)) if new else ()
    best = [by_revision.pop(revision) for revision in order]
    return [*best, *by_revision.values()]


def _by_name(left_out: Sequence[Decision], characters: int) -> list[Decision]:
    """As many as can be named, the most relevant first; a name says much for few tokens."""
    characters -= len(NAMES)
    areas: set[str] = set()
    found: list[Decision] = []
    for decision in left_out:
        is_first = decision.area not in areas
        characters -= len(f"{decision.key}, ") + (len(f"in {decision.area}: ") if is_first else 0)
        if characters < 0:
            break
        areas.add(decision.area)
        found.append(decision)
    return found


def _told_of(decisions: Decisions, change: Change) -> list[DecisionTold]:
    last = decisions.last_after(change.decision)
    one = _told(change.decision, change.seq)
    stands = last.holds and decisions.fall_of(last.as_premise(), knows_all=False) is None
    return [one, _told(last)] if last != change.decision and stands else [one]


def _told(decision: Decision, seq: int = 0) -> DecisionTold:
    return DecisionTold(
        area=decision.area,
        key=decision.key,
        revision=decision.seq,
        seq=max(seq, decision.changed_seq),
    )


class _Room:
    """The block as it grows, and what is left of its budget."""

    def __init__(self, tokens_max: int) -> None:
        frame = len(_HEAD) + len(_FOOT) + 1
        self.size = int(tokens_max * CHARACTERS_PER_TOKEN) - frame
        self.left = self.size
        self._lines: list[str] = []

    @property
    def text(self) -> str:
        """The block; empty without a line."""
        return "\n".join((_HEAD, *self._lines, _FOOT)) if self._lines else ""

    def fits(self, lines: Sequence[str]) -> bool:
        """Whether there is room for all of these."""
        return sum(_size(line) + 1 for line in lines) <= self.left

    def take(self, line: str, *, leaves: int, is_cut: bool = False) -> bool:
        """Take a line if there is room for it and for one more of size `leaves`.

        Args:
            line: The line.
            leaves: How much must be left for another line.
            is_cut: Whether it is cut to fit rather than left out.
        """
        most = self.left - leaves - 1
        if _size(line) > most and not is_cut:
            return False
        self.add(line if _size(line) <= most else _fitted(line, most))
        return True

    def add(self, line: str) -> None:
        """Take a line for which room was left."""
        self._lines.append(line)
        self.left -= _size(line) + 1


def _size(text: str) -> int:
    """How much room a text takes: its bytes, so that scripts of many tokens count for more."""
    return len(text.encode())


def _fitted(line: str, size: int) -> str:
    """The beginning of a line that has just that size at most."""
    mark = "…"
    return line.encode()[: size - _size(mark)].decode(errors="ignore") + mark
