"""A run's records as events: what members said, called and closed, from their journals."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import Final

import msgspec

from bus.messages import ContextClosed, ContextOpened, TurnActed, TurnReplied
from bus.run_stream import Record
from team.audit.likeness import canonical
from team.audit.trace import Effect, Event, Trace

RETURNS: Final = "submit_"
"""What the names of tools begin with that return an assignment's answer."""

_READS: Final = frozenset({"list_sources", "search_sources", "read_source"})
"""Tools that look at sources, which do not change during a run."""
_LOOKS: Final = frozenset({"search_decisions", "read_decision"})
"""Tools that look at the decisions log, which does."""


class Block(msgspec.Struct, frozen=True, kw_only=True):
    """A content block of a model, as far as the audit reads it."""

    type: str = ""
    text: str = ""
    id: str = ""
    name: str = ""
    input: msgspec.Raw = msgspec.field(default_factory=lambda: msgspec.Raw(b"{}"))


def blocks_of(turn: TurnReplied) -> tuple[Block, ...]:
    """The content of a turn; empty if it is nothing that a model would send."""
    try:
        return msgspec.json.decode(turn.content, type=tuple[Block, ...])
    except msgspec.DecodeError:
        return ()


def calls_of(turn: TurnReplied) -> tuple[Block, ...]:
    """Tools that a turn asks for."""
    return tuple(block for block in blocks_of(turn) if block.type == "tool_use")


def effect_of(tool: str) -> Effect:
    """What a tool of ours does to the world."""
    if tool.startswith(RETURNS):
        return "returns"
    return "reads" if tool in _READS | _LOOKS else "none"


def trace_of(records: Iterable[Record]) -> Trace:
    """Tell a run as events, in stream order."""
    return tuple(_events(records))


def _events(records: Iterable[Record]) -> Iterator[Event]:
    asked: dict[tuple[str, str, int, str], Block] = {}
    decisions = 0
    for record in records:
        decisions += record.subject.kind in ("decision", "rationale")
        agent, seq = record.subject.author, record.seq
        match record.body:
            case ContextOpened() as opened:
                yield Event(
                    seq=seq,
                    agent=agent,
                    kind="opened",
                    context=opened.context,
                    text=opened.opening,
                    tools=opened.tools,
                )
            case TurnReplied() as turn:
                for call in calls_of(turn):
                    asked[agent, turn.context, turn.turn, call.id] = call
                said = "\n".join(b.text for b in blocks_of(turn) if b.type == "text")
                yield Event(
                    seq=seq,
                    agent=agent,
                    kind="said",
                    context=turn.context,
                    turn=turn.turn,
                    text=said,
                )
            case TurnActed() as acted:
                yield from _calls(record, acted, asked, decisions)
            case ContextClosed(context=context, reason=reason, returned=returned):
                yield Event(
                    seq=seq,
                    agent=agent,
                    kind="closed",
                    context=context,
                    text=reason,
                    is_error=not returned,
                )
            case _:
                pass


def _calls(
    record: Record,
    acted: TurnActed,
    asked: dict[tuple[str, str, int, str], Block],
    decisions: int,
) -> Iterator[Event]:
    agent = record.subject.author
    for outcome in acted.outcomes:
        call = asked.get((agent, acted.context, acted.turn, outcome.call_id))
        effect = effect_of(outcome.tool)
        is_still = outcome.tool in _READS
        yield Event(
            seq=record.seq,
            agent=agent,
            kind="called",
            context=acted.context,
            turn=acted.turn,
            tool=outcome.tool,
            arguments=canonical(bytes(call.input)) if call is not None else "",
            outcome=outcome.content,
            is_error=outcome.is_error,
            effect=effect,
            world=0 if is_still else decisions,
        )
