"""What of the decisions log enters a context between two turns: a digest, never a flood.

First what bears on the member's own work: a decision that it took, disputed, relied on
or was shown has changed. Then what is new, the most relevant to its contract first,
one line each. What has no room is named, and the rest counted by area. The budget is
fixed, so the cost of a turn does not grow with the log. A change to what the member has
built on is never only counted: what finds no room waits for the next turn.
"""

from __future__ import annotations

from bisect import bisect_right
from collections import Counter
from collections.abc import Callable, Collection, Mapping, Sequence
from html import escape
from typing import Final

import msgspec

from bus.messages import Contract, DecisionTold, Premise
from team.rules.limits import CHARACTERS_PER_TOKEN
from team.state import Decision, Decisions, DecisionState

STATEMENT_CHARACTERS_MAX: Final = 280
"""How much of a statement stands in a line, once it is escaped."""
REASON_CHARACTERS_MAX: Final = 160
"""How much of a reason stands in a line; the rest is read with a tool."""

_HEAD: Final = "<decisions>"
_FOOT: Final = "</decisions>"
NAMES_SHARE: Final = 0.25
"""Share of the block in which decisions are only named, where not all can be told."""
_COUNTS_FRAME: Final = "and : search_decisions, 10000 in 1000 other areas"
_COUNTS_CHARACTERS_MAX: Final = 160
_NO_REVISION_IS_HIGHER: Final = 1 << 62
_NAMES: Final = "more, by name only: "
_WAITING: Final = "more changes to what you built on come before the next turn"

Ranking = Callable[[Collection[int]], Sequence[int]]
"""Orders revisions by relevance, best first; may leave some out."""


class Known(msgspec.Struct, frozen=True, kw_only=True):
    """What a context has been told so far.

    Attributes:
        told: By revision, the newest change of it that was told.
        upto: Every change up to this sequence was told or counted.
        heard: How many changes these were. If there are more now, some came late, or the
            member is told of more areas than before.
    """

    told: Mapping[int, int] = {}
    upto: int = 0
    heard: int = 0


class Stake(msgspec.Struct, frozen=True, kw_only=True):
    """What a member has to do with decisions.

    Attributes:
        me: The member's name.
        relied_on: What its findings and its own decisions rest on.
    """

    me: str
    relied_on: frozenset[Premise] = frozenset()


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
    told: list[DecisionTold] = []
    changed = changes_of_stake(decisions, known, stake)
    waiting = {change.decision.seq for change in changed}
    for change in changed:
        line = _change_line(decisions, change)
        if room.take(line, leaves=len(_WAITING) + 2 + _COUNTS_CHARACTERS_MAX, is_cut=not told):
            told += _told_of(decisions, change)
            waiting.discard(change.decision.seq)
    if waiting:
        room.add(_WAITING)
    new = _new(decisions, known, {c.decision.seq for c in changed} | {t.revision for t in told})
    ranked = _ranked(new, ranking)
    lines = [line_of(decision) for decision in ranked]
    names_room = 0 if room.fits(lines) else int(NAMES_SHARE * room.size)
    leaves = names_room
    if names_room and len(_by_name(ranked, names_room - len(_NAMES))) < len(ranked):
        leaves += 1 + len(_count_line(ranked))
    shown = [d for d, line in zip(ranked, lines, strict=True) if room.take(line, leaves=leaves)]
    told += [_told(decision) for decision in shown]
    left_out = [decision for decision in ranked if decision not in shown]
    named = _by_name(left_out, names_room - len(_NAMES))
    if named:
        room.add(_names_line(named))
    if len(named) < len(left_out):
        room.add(_count_line([decision for decision in left_out if decision not in named]))
    upto = max(known.upto, decisions.changes[-1][0] if decisions.changes else 0)
    return Digest(
        text=room.text,
        told=tuple(told),
        named=tuple(decision.seq for decision in named),
        upto=upto,
        heard=len(decisions.changes),
    )


class Change(msgspec.Struct, frozen=True, kw_only=True):
    """Something has befallen a decision that a member has to do with.

    Attributes:
        decision: The revision.
        seq: The newest change that bears on it: its own, or that of what it rests on.
        stake: What the member has to do with it: `yours`, `relied on`, `disputed`, `shown`.
        fall: Why it stands no longer, if it does not.
    """

    decision: Decision
    seq: int
    stake: str
    fall: str | None = None


def changes_of_stake(decisions: Decisions, known: Known, stake: Stake) -> list[Change]:
    """What has befallen decisions that a member built on, since its context was told.

    Those that it took, disputed or relied on come first, then those it was only shown.
    """
    relied_on = {premise.revision for premise in stake.relied_on}
    mine = decisions.involving.get(stake.me, ())
    found: list[Change] = []
    for revision in dict.fromkeys((*relied_on, *mine, *known.told)):
        decision = decisions.revision(revision)
        if decision is None:
            continue
        fall = decisions.fall_of(decision.as_premise(), knows_all=False)
        change = Change(
            decision=decision,
            seq=max(decision.changed_seq, fall.seq if fall else 0),
            stake=_stake_in(decision, stake.me, revision in relied_on),
            fall=fall.reason if fall else None,
        )
        if change.seq > known.told.get(revision, 0) and _is_to_be_told(change, stake.me):
            found.append(change)
    return sorted(found, key=lambda c: (c.stake == "shown", c.seq, c.decision.seq))


def _stake_in(decision: Decision, me: str, is_relied_on: bool) -> str:
    if decision.author == me:
        return "yours"
    if is_relied_on:
        return "relied on"
    is_disputed = any(objection.author == me for objection in decision.objections)
    return "disputed" if is_disputed else "shown"


def _is_to_be_told(change: Change, me: str) -> bool:
    """Whether something has befallen a decision that its member can act on."""
    decision = change.decision
    if change.fall is not None:
        return decision.holds or decision.changed_by != me
    if decision.changed_seq == decision.seq or decision.changed_by == me:
        return False
    is_contested = decision.state is DecisionState.contested
    return change.stake != "shown" and not (is_contested and change.stake == "disputed")


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
    best = [by_revision.pop(revision) for revision in ranking(frozenset(by_revision))]
    return [*best, *by_revision.values()]


def about(contract: Contract) -> str:
    """The words of a contract by which decisions are ranked for whoever works on it."""
    parts = (contract.objective, contract.output_format, *contract.acceptance)
    return " ".join((*parts, *contract.boundaries, *contract.constraints))


def line_of(decision: Decision) -> str:
    """One decision in one line, as members read it."""
    standing = ", standing" if decision.standing else ""
    contested = " [contested]" if decision.state is DecisionState.contested else ""
    statement = _cut(decision.statement, STATEMENT_CHARACTERS_MAX)
    return f"{decision.name} r{decision.seq} ({decision.author}{standing}){contested}: {statement}"


def _change_line(decisions: Decisions, change: Change) -> str:
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


def _by_name(left_out: Sequence[Decision], characters: int) -> list[Decision]:
    """As many as can be named, the most relevant first; a name says much for few tokens."""
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


def _names_line(named: Sequence[Decision]) -> str:
    keys: dict[str, list[str]] = {}
    for decision in named:
        keys.setdefault(decision.area, []).append(decision.key)
    parts = [f"in {area}: {', '.join(names)}" for area, names in keys.items()]
    return _NAMES + "; ".join(parts)


def _count_line(left_out: Collection[Decision]) -> str:
    """How many more there are, by area; the smallest areas together, if there are many."""
    by_area = Counter(decision.area for decision in left_out)
    named: dict[str, int] = {}
    rest = _COUNTS_CHARACTERS_MAX - len(_COUNTS_FRAME)
    for area, count in sorted(by_area.items(), key=lambda item: (-item[1], item[0])):
        rest -= len(f"{count} in {area}, ")
        if rest < 0:
            break
        named[area] = count
    counts = [f"{count} in {area}" for area, count in sorted(named.items())]
    others = len(left_out) - sum(named.values())
    counts += [f"{others} in {len(by_area) - len(named)} other areas"] if others else []
    return f"and {', '.join(counts)}: search_decisions"


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


def _cut(text: str, characters: int = REASON_CHARACTERS_MAX) -> str:
    line = escape(" ".join(text.split()), quote=False)
    return line if len(line) <= characters else line[: characters - 1] + "…"


class _Room:
    """The block as it grows, and what is left of its budget."""

    def __init__(self, tokens_max: int) -> None:
        frame = len(_HEAD) + len(_FOOT) + 1
        self.size = int(tokens_max * CHARACTERS_PER_TOKEN) - frame
        self._left = self.size
        self._lines: list[str] = []

    @property
    def text(self) -> str:
        """The block; empty without a line."""
        return "\n".join((_HEAD, *self._lines, _FOOT)) if self._lines else ""

    def fits(self, lines: Sequence[str]) -> bool:
        """Whether there is room for all of these."""
        return sum(_size(line) + 1 for line in lines) <= self._left

    def take(self, line: str, *, leaves: int, is_cut: bool = False) -> bool:
        """Take a line if there is room for it and for one more of size `leaves`.

        Args:
            line: The line.
            leaves: How much must be left for another line.
            is_cut: Whether it is cut to fit rather than left out.
        """
        most = self._left - leaves - 1
        if _size(line) > most and not is_cut:
            return False
        self.add(line if _size(line) <= most else _fitted(line, most))
        return True

    def add(self, line: str) -> None:
        """Take a line for which room was left."""
        self._lines.append(line)
        self._left -= _size(line) + 1


def _size(text: str) -> int:
    """How much room a text takes: its bytes, so that scripts of many tokens count for more."""
    return len(text.encode())


def _fitted(line: str, size: int) -> str:
    """The beginning of a line that has just that size at most."""
    mark = "…"
    return line.encode()[: size - _size(mark)].decode(errors="ignore") + mark
