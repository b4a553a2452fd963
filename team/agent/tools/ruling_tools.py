"""The tool with which the lead rules on a decision that is disputed, or only proposed."""

from __future__ import annotations

from typing import ClassVar

import msgspec

from bus.messages import DecisionRuled, Premise, RulingOutcome
from team.agent.tools.base import Effect, Tool, ToolAnswer, refuse
from team.agent.tools.decision_tools import Instead, Reason
from team.agent.world import World
from team.state import Decision, Decisions
from team.state.decision import may_rule


class SubmitRulingInput(msgspec.Struct, frozen=True, kw_only=True):
    """A ruling."""

    outcome: RulingOutcome
    reason: Reason
    statement: Instead = ""


class SubmitRuling(Tool[SubmitRulingInput]):
    """Rule on the decision: it is upheld, superseded by your `statement`, or withdrawn.

    The ruling binds all members; your reason is kept with it.
    """

    name: ClassVar[str] = "submit_ruling"
    input_type = SubmitRulingInput
    effect: ClassVar[Effect] = "idempotent"

    def __init__(self, world: World, revision: int) -> None:
        self._world, self._revision = world, revision

    async def run(self, given: SubmitRulingInput) -> ToolAnswer:
        log = await self._world.log.read()
        decision = log.revision(self._revision)
        if decision is None or not _is_open(log, decision, self._world.me):
            answer = msgspec.json.encode(None)
            return ToolAnswer(content="Nothing is left to rule on here.", answer=answer)
        if (given.outcome == "superseded") != bool(given.statement.strip()):
            return refuse(
                "give `statement` if, and only if, the outcome is `superseded`: the one line that "
                "holds from now on"
            )
        ruled = DecisionRuled(
            revision=decision.seq,
            outcome=given.outcome,
            reason=given.reason,
            statement=given.statement.strip(),
            relied_on=remaining_premises(log, decision),
        )
        entry = self._world.entry(
            "decision",
            decision.area,
            decision.key,
            body=ruled,
            expect=log.head_seqs[decision.area, decision.key],
        )
        return ToolAnswer(content="Ruled.", entries=(entry,), answer=msgspec.json.encode(ruled))


def remaining_premises(log: Decisions, decision: Decision) -> tuple[Premise, ...]:
    """What a decision still rests on once it is ruled on: not on what has fallen."""
    return tuple(premise for premise in decision.relied_on if log.fall_of(premise) is None)


def _is_open(log: Decisions, decision: Decision, me: str) -> bool:
    """Whether there still is something to rule on, and the lead may."""
    is_fallen = decision.holds and log.fall_of(decision.as_premise()) is not None
    return may_rule(me, decision) and (decision.is_disputed or is_fallen)
