"""The chain of records that a run's end waited for, read from its stream.

Walk back from the result: what did this record wait for? Its author's record before
it, or, where the author stood waiting, the other member's record that set it going,
whichever came later. The links add up to the time from the first record to the last.

Not exact: a link ends when the server has stored a record, so the time it took to
travel to the one that waited counts to the link after it.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Final, Literal

import msgspec

from bus.ids import GATE, LEAD
from bus.messages import (
    ContextOpened,
    Mail,
    MemberJoined,
    MemberSeated,
    ResultPublished,
    TaskClaimed,
    TaskFailed,
    TaskOpened,
    TaskSettled,
    TaskSubmitted,
    TurnActed,
    TurnReplied,
    UsageSpent,
    VerdictGiven,
)
from bus.run_stream import Record

Kind = Literal["model", "around the call", "tools", "hand-over", "start", "between"]
KINDS: Final[dict[Kind, str]] = {
    "model": "model calls, from request to last byte",
    "around the call": "a turn's own work before and after its call, and its commit",
    "tools": "tools, and the commit of what they send",
    "hand-over": "from one member's record to the record it sets another to write",
    "start": "from a seat, or the run's first record, to a member that is ready",
    "between": "other steps of one member: rules, claims, gate, new contexts",
}
"""The parts of a critical path, and what is in each."""

Trigger = Callable[[Record], bool]


class Path(msgspec.Struct, frozen=True, kw_only=True):
    """A run's critical path.

    Attributes:
        total_s: From the first record to the result.
        parts: Seconds by kind; they add up to the total.
        calls: Model calls on it.
        members: Authors along it, in order, without repeats in a row.
    """

    total_s: float
    parts: dict[Kind, float]
    calls: int
    members: tuple[str, ...]


def critical_path(records: Sequence[Record]) -> Path:
    """Find what the result waited for.

    Args:
        records: A whole run, in the order of its stream, with a result.
    """
    took = {
        (r.subject.author, r.body.context, r.body.turn): r.body.took_s
        for r in records
        if isinstance(r.body, UsageSpent)
    }
    own = [record for record in records if not isinstance(record.body, UsageSpent)]
    at = next(n for n, record in enumerate(own) if isinstance(record.body, ResultPublished))
    parts: dict[Kind, float] = dict.fromkeys(KINDS, 0.0)
    end, calls, members = own[at], 0, [author_of(own[at])]
    while (before := _cause(own, at)) is not None:
        record, cause = own[at], own[before]
        seconds = record.at - cause.at
        if isinstance(record.body, TurnReplied):
            key = (record.subject.author, record.body.context, record.body.turn)
            model = min(seconds, took[key])
            parts["model"] += model
            parts["around the call"] += seconds - model
            calls += 1
        else:
            parts[_kind(record, cause)] += seconds
        if author_of(cause) != members[0]:
            members.insert(0, author_of(cause))
        at = before
    total_s = end.at - own[at].at
    return Path(total_s=total_s, parts=parts, calls=calls, members=tuple(members))


def author_of(record: Record) -> str:
    """Whose process wrote a record: the gate is the lead's."""
    return LEAD if record.subject.author == GATE else record.subject.author


def _cause(records: Sequence[Record], at: int) -> int | None:
    """The index of the record that this one waited for; none for the first."""
    record = records[at]
    sets_going = _trigger(record)
    for before in range(at - 1, -1, -1):
        other = records[before]
        if author_of(other) == author_of(record) or sets_going(other):
            return before
    return None


def _trigger(record: Record) -> Trigger:
    """Which records of others could have set the author going."""
    me, names = author_of(record), record.subject.names
    match record.body:
        case MemberJoined():
            return lambda other: (
                isinstance(other.body, MemberSeated) and other.subject.names == (me,)
            )
        case TaskClaimed():
            return lambda other: isinstance(other.body, TaskOpened) and other.subject.names == names
        case TurnActed(outcomes=outcomes) if any(o.tool == "wait_for_mail" for o in outcomes):
            return lambda other: isinstance(other.body, Mail) and other.subject.names == (me,)
        case VerdictGiven() | TaskOpened() | TaskSettled() | ContextOpened() if me == LEAD:
            return lambda other: isinstance(other.body, TaskSubmitted | TaskFailed)
        case _:
            return lambda other: False


def _kind(record: Record, cause: Record) -> Kind:
    if isinstance(record.body, MemberJoined):
        return "start"
    if author_of(record) != author_of(cause):
        return "hand-over"
    return "tools" if isinstance(record.body, TurnActed) else "between"
