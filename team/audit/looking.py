"""What a mode's detector is given and what it gives back.

A detector looks at events; what only our own streams tell stands in `run`, and is absent
where the trace of another system is looked at.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from itertools import groupby

import msgspec

from team.audit.case import Case
from team.audit.report import Chain, Remark, Weight
from team.audit.trace import Event, Trace


class Seen(msgspec.Struct, frozen=True, kw_only=True):
    """A trace, and the run that it was made from if it is one of ours.

    Attributes:
        trace: What was done, in order.
        goal: What was asked; empty if the trace does not say.
        run: The run, for what no event says.
        chains: The chains of its claims.
    """

    trace: Trace
    goal: str = ""
    run: Case | None = None
    chains: tuple[Chain, ...] = ()


Detector = Callable[[Seen], Iterator[Remark]]


def remark(
    code: str, seqs: list[int] | tuple[int, ...], member: str, what: str, weight: Weight = "sign"
) -> Remark:
    """One thing that a detector has seen."""
    where = tuple(sorted(set(seqs)))
    return Remark(code=code, seqs=where, member=member, what=what, weight=weight)


def by_context(trace: Trace) -> Iterator[tuple[tuple[str, str], list[Event]]]:
    """The events of each transcript of each agent, in order."""
    ordered = sorted(trace, key=lambda event: (event.agent, event.context))
    for place, events in groupby(ordered, key=lambda event: (event.agent, event.context)):
        yield place, list(events)


def by_agent(trace: Trace) -> Iterator[tuple[str, list[Event]]]:
    """The events of each agent, in order."""
    for agent, events in groupby(sorted(trace, key=lambda e: e.agent), key=lambda e: e.agent):
        yield agent, list(events)


def short(text: str, most: int = 80) -> str:
    """A text on one line, cut."""
    line = " ".join(text.split())
    return line if len(line) <= most else f"{line[: most - 1]}…"
