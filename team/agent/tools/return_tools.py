"""Tools that end an assignment: only what goes through one of these has returned."""

from __future__ import annotations

from typing import Annotated, Any, ClassVar

import msgspec

from bus.messages import (
    Claim,
    Evidence,
    FindingSubmitted,
    Judgement,
    Outcome,
    Premise,
    TaskSubmitted,
    VerdictGiven,
)
from team.agent.tools.base import Effect, Tool, ToolAnswer, refuse
from team.agent.world import World, task_context
from team.errors import SourceError
from team.rules.gate import LINE_CHARACTERS_MAX, LINES_MAX
from team.rules.plan import REQUIRED, Plan, PlanFacts, plan_problems
from team.rules.synthesis import AdmittedClaim, Synthesis, render
from team.rules.synthesis_gate import Asked, synthesis_problems
from team.state import Task

FINDING_BYTES_MAX = 48 * 1024
RESULT_BYTES_MAX = 384 * 1024
"""Size of an answer with its evidence: what is missing and was rejected has to go with it."""

Line = Annotated[str, msgspec.Meta(max_length=LINE_CHARACTERS_MAX)]
Lines = Annotated[tuple[Line, ...], msgspec.Meta(max_length=LINES_MAX)]


class SubmitFindingInput(msgspec.Struct, frozen=True, kw_only=True):
    """A finding."""

    summary: Annotated[str, msgspec.Meta(min_length=1, max_length=4_000)]
    claims: Annotated[tuple[Claim, ...], msgspec.Meta(min_length=1, max_length=40)]
    open_questions: Lines = ()
    relied_on: Annotated[
        tuple[Premise, ...],
        msgspec.Meta(
            description="Decisions that all of it rests on; what rests on one for a single "
            "claim belongs into that claim. Leave `revision` out: it is the one you were shown."
        ),
    ] = ()
    dropped: Annotated[
        Lines, msgspec.Meta(description="Claims given up since the last round, and why.")
    ] = ()


class ClaimVerdict(msgspec.Struct, frozen=True, kw_only=True):
    """What was found of one claim."""

    claim: str
    outcome: Outcome
    reason: Annotated[str, msgspec.Meta(min_length=1, max_length=2_000)]


class SubmitVerdictInput(msgspec.Struct, frozen=True, kw_only=True):
    """Verdicts, one per claim."""

    judgements: Annotated[tuple[ClaimVerdict, ...], msgspec.Meta(min_length=1)]


def is_ours(world: World, task: Task) -> bool:
    """Whether a member still holds a task under the claim that it began with."""
    current = world.state.board.tasks.get(task.id)
    return current is not None and current.claim_seq == task.claim_seq and not current.is_settled


class SubmitFinding(Tool[SubmitFindingInput]):
    """Return your finding and end the task.

    Each claim needs evidence: source, locator and a quote that stands there word for word.
    """

    name: ClassVar[str] = "submit_finding"
    input_type = SubmitFindingInput
    effect: ClassVar[Effect] = "idempotent"

    def __init__(self, world: World, task: Task) -> None:
        self._world, self._task = world, task

    async def run(self, given: SubmitFindingInput) -> ToolAnswer:
        if not is_ours(self._world, self._task):
            return refuse("the task was settled or given to another meanwhile")
        context, log = task_context(self._task), await self._world.log.read()
        relied_on = self._world.premises(context, given.relied_on, log)
        if isinstance(relied_on, str):
            return refuse(relied_on)
        claims: list[Claim] = []
        for claim in given.claims:
            premises = self._world.premises(context, claim.relied_on, log)
            if isinstance(premises, str):
                return refuse(f"claim {claim.id}: {premises}")
            claims.append(msgspec.structs.replace(self._with_paths(claim), relied_on=premises))
        in_context = self._world.in_context(context, log)
        finding = FindingSubmitted(
            summary=given.summary,
            claims=tuple(claims),
            round=self._task.round,
            open_questions=given.open_questions,
            relied_on=relied_on,
            in_context=tuple(sorted(in_context, key=lambda premise: premise.revision)),
            dropped=given.dropped,
        )
        answer = msgspec.json.encode(finding)
        if len(answer) > FINDING_BYTES_MAX:
            return refuse(f"{len(answer)} bytes, at most {FINDING_BYTES_MAX}: return a digest")
        task = self._task.id
        entries = (
            self._world.entry("finding", task, body=finding),
            self._world.entry("task", task, body=TaskSubmitted(), expect=self._task.claim_seq),
        )
        return ToolAnswer(content="Submitted.", entries=entries, answer=answer)

    def _with_paths(self, claim: Claim) -> Claim:
        """Name each source by its absolute path; what is unknown stays, for the gate to refuse."""
        evidence = tuple(self._with_path(one) for one in claim.evidence)
        return msgspec.structs.replace(claim, evidence=evidence)

    def _with_path(self, evidence: Evidence) -> Evidence:
        if self._world.library is None:
            return evidence
        try:
            path = self._world.library.find(evidence.source).path
        except SourceError:
            return evidence
        return msgspec.structs.replace(evidence, source=path)


class SubmitVerdict(Tool[SubmitVerdictInput]):
    """Return your verdict on each claim and end the task. `unsure` counts as not upheld."""

    name: ClassVar[str] = "submit_verdict"
    input_type = SubmitVerdictInput
    effect: ClassVar[Effect] = "idempotent"

    def __init__(self, world: World, task: Task) -> None:
        self._world, self._task = world, task

    async def run(self, given: SubmitVerdictInput) -> ToolAnswer:
        if not is_ours(self._world, self._task):
            return refuse("the task was settled or given to another meanwhile")
        wanted = {claim.id for claim in self._task.material}
        judged = {judgement.claim for judgement in given.judgements}
        if judged != wanted or len(judged) != len(given.judgements):
            return refuse(f"give one verdict for each of: {', '.join(sorted(wanted))}")
        assert self._task.subject_task is not None
        assert self._task.subject_seq is not None
        verdict = VerdictGiven(
            finding_seq=self._task.subject_seq,
            judgements=tuple(
                Judgement(check="verification", outcome=j.outcome, reason=j.reason, claim=j.claim)
                for j in given.judgements
            ),
        )
        expect = self._task.claim_seq
        entries = (
            self._world.entry("verdict", self._task.subject_task, body=verdict),
            self._world.entry("task", self._task.id, body=TaskSubmitted(), expect=expect),
        )
        answer = msgspec.json.encode(verdict)
        return ToolAnswer(content="Submitted.", entries=entries, answer=answer)


class SubmitPlan(Tool[Plan]):
    """Propose how the goal is divided into lanes that can be worked on apart.

    A plan that leaves out a part is refused with all that is missing.
    """

    name: ClassVar[str] = "submit_plan"
    input_type = Plan
    effect: ClassVar[Effect] = "idempotent"

    def __init__(self, facts: PlanFacts) -> None:
        self._facts = facts

    @property
    def definition(self) -> dict[str, Any]:
        """As of any tool, with all that a plan is refused without marked as required."""
        told = super().definition
        schema = dict(told["input_schema"])
        parts = {name: dict(part) for name, part in schema["$defs"].items()}
        schema["required"] = list(REQUIRED["Plan"])
        parts["Lane"]["required"] = list(REQUIRED["Lane"])
        return told | {"input_schema": schema | {"$defs": parts}}

    async def run(self, given: Plan) -> ToolAnswer:
        problems = plan_problems(given, self._facts)
        if problems:
            return refuse("The plan can't be used yet: " + "; ".join(problems))
        return ToolAnswer(content="Accepted.", answer=msgspec.json.encode(given))


class SubmitSynthesis(Tool[Synthesis]):
    """Return the answer, written from the admitted claims only.

    Each sentence cites the claims that it rests on by their `ref`. Every aspect of the goal is
    answered from a lane that covers it, or named in `missing`. Of each constraint that code
    can't check, `constraints` says how it is met.
    """

    name: ClassVar[str] = "submit_synthesis"
    input_type = Synthesis
    effect: ClassVar[Effect] = "idempotent"

    def __init__(self, admitted: tuple[AdmittedClaim, ...], asked: Asked) -> None:
        self._admitted, self._asked = admitted, asked

    async def run(self, given: Synthesis) -> ToolAnswer:
        problems = synthesis_problems(given, self._admitted, self._asked)
        if problems:
            return refuse("The gate stays shut: " + "; ".join(problems[:20]))
        text, citations = render(given, self._admitted, given.missing)
        size = len(msgspec.json.encode((text, citations)))
        if size > RESULT_BYTES_MAX:
            said = f"{size} bytes with its evidence, at most {RESULT_BYTES_MAX}"
            return refuse(f"The answer is too large: {said}; cite fewer claims")
        return ToolAnswer(content="Accepted.", answer=msgspec.json.encode(given))
