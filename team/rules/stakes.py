"""What a member has to do with decisions, and what has befallen these since it was told."""

from __future__ import annotations

from collections.abc import Mapping

import msgspec

from bus.messages import Premise
from team.state import Decision, Decisions, DecisionState


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
