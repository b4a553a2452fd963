"""Tools for claims that may contradict each other: a verifier compares, the lead rules."""

from __future__ import annotations

from typing import Annotated, ClassVar, Literal

import msgspec

from bus.messages import ConflictJudged, ConflictRuled, TaskSubmitted
from team.agent.tools.base import Effect, Tool, ToolAnswer, refuse
from team.agent.tools.decision_tools import Reason
from team.agent.tools.return_tools import is_ours
from team.agent.world import World
from team.rules.conflicts import compared_by
from team.state import Task


class SubmitComparisonInput(msgspec.Struct, frozen=True, kw_only=True):
    """What a comparison found."""

    outcome: Annotated[
        Literal["contradict", "compatible", "unsure"],
        msgspec.Meta(description="`compatible` only if both can be true as they stand."),
    ]
    reason: Reason


class SubmitConflictRulingInput(msgspec.Struct, frozen=True, kw_only=True):
    """A ruling on two claims."""

    stands: Annotated[
        Literal["first", "second", "both", "neither"],
        msgspec.Meta(description="What may be cited; `both` if each holds for its own part."),
    ]
    reason: Reason


class SubmitComparison(Tool[SubmitComparisonInput]):
    """Return whether both claims can be true, and end the task. `unsure` counts as a no."""

    name: ClassVar[str] = "submit_comparison"
    input_type = SubmitComparisonInput
    effect: ClassVar[Effect] = "idempotent"

    def __init__(self, world: World, task: Task) -> None:
        self._world, self._task = world, task

    async def run(self, given: SubmitComparisonInput) -> ToolAnswer:
        if not is_ours(self._world, self._task):
            return refuse("the task was settled or given to another meanwhile")
        judged = ConflictJudged(outcome=given.outcome, reason=given.reason)
        expect = self._task.claim_seq
        entries = (
            self._world.entry("conflict", compared_by(self._task.id), body=judged),
            self._world.entry("task", self._task.id, body=TaskSubmitted(), expect=expect),
        )
        answer = msgspec.json.encode(judged)
        return ToolAnswer(content="Submitted.", entries=entries, answer=answer)


class SubmitConflictRuling(Tool[SubmitConflictRulingInput]):
    """Rule which of the two claims may be cited. Of what you strike out nothing is used."""

    name: ClassVar[str] = "submit_conflict_ruling"
    input_type = SubmitConflictRulingInput
    effect: ClassVar[Effect] = "idempotent"

    def __init__(self, world: World, conflict: str) -> None:
        self._world, self._conflict = world, conflict

    async def run(self, given: SubmitConflictRulingInput) -> ToolAnswer:
        conflict = self._world.state.conflicts.all[self._conflict]
        if conflict.ruling is not None:
            answer = msgspec.json.encode(conflict.ruling)
            return ToolAnswer(content="It was ruled on meanwhile.", answer=answer)
        ruled = ConflictRuled(stands=given.stands, reason=given.reason)
        entry = self._world.entry("conflict", conflict.id, body=ruled, expect=conflict.head_seq)
        return ToolAnswer(content="Ruled.", entries=(entry,), answer=msgspec.json.encode(ruled))
