"""Tools to record, search and read decisions: choices that others must share."""

from __future__ import annotations

from typing import Annotated, ClassVar

import msgspec

from bus import subjects
from bus.errors import InvalidNameError
from bus.messages import DecisionRecorded
from bus.run_stream import Entry
from team.agent.tools.base import Tool, ToolAnswer, refuse
from team.agent.world import World
from team.rules.plan import words
from team.state import Decision, Decisions

STATEMENT_CHARACTERS_MAX = 280
RATIONALE_CHARACTERS_MAX = 4_000
FOUND_MAX = 10

Token = Annotated[str, msgspec.Meta(pattern="^[A-Za-z0-9_-]{1,64}$")]


class RecordDecisionInput(msgspec.Struct, frozen=True, kw_only=True):
    """A choice that others must share."""

    area: Token
    key: Token
    statement: Annotated[
        str,
        msgspec.Meta(
            min_length=1,
            max_length=STATEMENT_CHARACTERS_MAX,
            pattern=r"^[^\n\r]*$",
            description="The choice in one line.",
        ),
    ]
    rationale: Annotated[str, msgspec.Meta(max_length=RATIONALE_CHARACTERS_MAX)] = ""
    supersedes: Annotated[
        int | None, msgspec.Meta(description="Revision of the decision that this replaces.")
    ] = None


class SearchDecisionsInput(msgspec.Struct, frozen=True, kw_only=True):
    """What to look for."""

    query: str
    area: Token | None = None


class ReadDecisionInput(msgspec.Struct, frozen=True, kw_only=True):
    """Which decision to read."""

    area: Token
    key: Token


class RecordDecision(Tool[RecordDecisionInput]):
    """Record a decision that others must share.

    If the key is decided already, you get that decision back: follow it, or give its
    revision as `supersedes` if you must replace it.
    """

    name: ClassVar[str] = "record_decision"
    input_type = RecordDecisionInput

    def __init__(self, world: World) -> None:
        self._world = world

    async def run(self, given: RecordDecisionInput) -> ToolAnswer:
        body = DecisionRecorded(
            statement=given.statement, rationale=given.rationale, supersedes=given.supersedes
        )
        try:
            subject = subjects.decision(self._world.run, given.area, given.key, self._world.me)
        except InvalidNameError as error:
            return refuse(str(error))
        decisions = await _read(self._world, given.area, given.key)
        current = decisions.in_force(given.area, given.key)
        if current is None and given.supersedes is not None:
            return refuse(f"{given.area}/{given.key} is not decided: leave `supersedes` out")
        if current is not None and given.supersedes != current.seq:
            return refuse(
                f"{current.name} is decided already, by {current.author}, revision "
                f"{current.seq}: {current.statement}\nFollow it and list it in `relied_on`, or "
                f"record with supersedes={current.seq} and a reason."
            )
        head = decisions.head_seqs.get((given.area, given.key), 0)
        entry = Entry(subject=subject, body=body, expect=head)
        return ToolAnswer(content=f"Recorded {given.area}/{given.key}.", entries=(entry,))


class SearchDecisions(Tool[SearchDecisionsInput]):
    """Search the decisions in force by their words."""

    name: ClassVar[str] = "search_decisions"
    input_type = SearchDecisionsInput
    is_read_only: ClassVar[bool] = True

    def __init__(self, world: World) -> None:
        self._world = world

    async def run(self, given: SearchDecisionsInput) -> ToolAnswer:
        decisions = await _read(self._world, given.area or "*", "*")
        wanted = words(given.query)
        scored = [
            (len(wanted & words(f"{d.area} {d.key} {d.statement}")), d)
            for d in decisions.all_in_force()
        ]
        found = sorted(
            (pair for pair in scored if pair[0] or not wanted), key=lambda p: (-p[0], p[1].seq)
        )
        lines = [_show(decision) for _, decision in found[:FOUND_MAX]]
        return ToolAnswer(content="\n".join(lines) or "No decision in force has these words.")


class ReadDecision(Tool[ReadDecisionInput]):
    """Read one decision: its statement, its rationale and its revision."""

    name: ClassVar[str] = "read_decision"
    input_type = ReadDecisionInput
    is_read_only: ClassVar[bool] = True

    def __init__(self, world: World) -> None:
        self._world = world

    async def run(self, given: ReadDecisionInput) -> ToolAnswer:
        decisions = await _read(self._world, given.area, given.key)
        current = decisions.in_force(given.area, given.key)
        if current is None:
            return refuse(f"{given.area}/{given.key} is not decided")
        return ToolAnswer(content=f"{_show(current)}\nWhy: {current.rationale or 'not said'}")


async def _read(world: World, area: str, key: str) -> Decisions:
    """Fold what is stored for an area and key at this moment."""
    decisions = Decisions()
    pattern = subjects.pattern(world.run, "decision", area, key)
    async for record in world.stream.read(pattern):
        decisions.apply(record)
    return decisions


def _show(decision: Decision) -> str:
    return f"{decision.name} (revision {decision.seq}, {decision.author}): {decision.statement}"
