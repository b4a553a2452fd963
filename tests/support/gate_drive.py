"""A team on paper whose gate is the real one: checks, verifiers, conflicts, final gate.

Verifiers and the lead are the rehearsal model behind the real client; only the bus is
missing. What the lead and its members commit is told to the story instead.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Sequence
from types import SimpleNamespace
from typing import Any

import msgspec

from bus.ids import GATE, LEAD
from bus.messages import (
    Claim,
    FindingSubmitted,
    PlanMade,
    ResultPublished,
    RunTriaged,
    TaskOpened,
    TaskState,
    TaskSubmitted,
    VerdictGiven,
)
from team.agent.briefing import Briefing, opening
from team.agent.models.call import Caller, Request
from team.agent.tools.base import ToolAnswer
from team.agent.tools.toolbox import (
    AnyTool,
    compare_tools,
    conflict_tools,
    synthesis_tools,
    verify_tools,
)
from team.agent.world import World
from team.members.conflicts import comparison_task, conflict_case
from team.members.gating import judgements_on, material_for
from team.members.synthesis import _citable
from team.rules import steps
from team.rules.conflicts import comparison_id
from team.rules.synthesis import Synthesis, admitted_claims, rejected_claims, render
from team.rules.synthesis_gate import asked_of
from team.sources import Library
from team.state import Submission, Task
from tests.support.builders import a_contract, a_finding, a_premise, a_role, opens
from tests.support.paper_team import PaperTeam

CONSTRAINT = "Use nothing but the sources that were given."
GOAL = "What do the sources say?"
TURNS_MAX = 8


class Case(msgspec.Struct, frozen=True, kw_only=True):
    """One finding, how it comes about, and whether it should reach the result.

    Attributes:
        kind: What is planted in it, or that it is sound.
        claims: What it says.
        group: The source group that its contract allows.
        contract: What of its contract is unusual.
        finding: What else of the finding is unusual.
        before: What happens after the claim and before the finding.
        in_each_round: Whether it happens in later rounds too.
        after: What happens once it is submitted.
        rests_on: Key of the decision that it rests on, recorded by `before`.
        is_lax: Whether its verifier upholds whatever it is asked.
    """

    kind: str
    claims: tuple[Claim, ...]
    group: str
    contract: dict[str, Any] = {}
    finding: dict[str, Any] = {}
    before: Callable[[GateDrive, str], None] | None = None
    in_each_round: bool = False
    after: Callable[[GateDrive, str], None] | None = None
    rests_on: str = ""
    is_lax: bool = False

    @property
    def is_sound(self) -> bool:
        """Whether nothing is planted in it."""
        return self.kind.startswith("sound")

    def opened(self, number: int) -> TaskOpened:
        """The task that it answers."""
        sound = {"sources": (self.group,), "constraints": (CONSTRAINT,)}
        return opens(f"lane {number}", contract=a_contract(**(sound | self.contract)))


class GateDrive(PaperTeam):
    """One run in which each lane answers with the finding of one case."""

    def __init__(
        self,
        library: Library,
        cases: Sequence[Case],
        caller: Caller,
        runner: asyncio.Runner,
        checks: tuple[str, ...],
    ) -> None:
        """Lay out a run with a lane for each case."""
        lanes = [case.opened(number) for number, case in enumerate(cases, start=1)]
        super().__init__(lanes, rounds_max=1)
        self._ask_for(checks)
        self.library, self.cases = library, cases
        self.decided: dict[str, int] = {}
        self._caller, self._run = caller, runner.run

    def _ask_for(self, checks: tuple[str, ...]) -> None:
        """Have the gate run these exact checks."""
        spec, change = self.state.spec, msgspec.structs.replace
        assert spec is not None
        gate = change(spec.team.gate, checks=checks)
        self.state.spec = change(spec, team=change(spec.team, gate=gate))

    def play(self) -> ResultPublished:
        """Let everybody do its part, to the end."""
        self.lead()
        for number, case in enumerate(self.cases, start=1):
            self._answer(case, f"t{number}")
        for _ in range(4 * len(self.cases)):
            if isinstance(self.lead(), steps.Dismiss):
                break
            for number, case in enumerate(self.cases, start=1):
                if self.task(f"t{number}").state is TaskState.open:
                    self._answer(case, f"t{number}")
            for task in self.state.board.of_purpose("verify"):
                if task.state is TaskState.open and task.offered_to and not task.is_settled:
                    self._verify_one(task)
            for task in self.state.board.of_purpose("compare"):
                if task.state is TaskState.open and task.offered_to and not task.is_settled:
                    self._compare_one(task)
        stand = [(t.id, t.state.value, t.offered_to) for t in self.state.board.tasks.values()]
        assert self.state.result is not None, f"the run did not end: {stand}"
        return self.state.result

    def _answer(self, case: Case, task: str) -> None:
        member = self.task(task).offered_to
        assert member is not None
        self.act("claim", member, task)
        number = self.task(task).round
        if case.before is not None and (number == 1 or case.in_each_round):
            case.before(self, task)
        finding: FindingSubmitted = a_finding(*case.claims, **({"round": number} | case.finding))
        finding = msgspec.structs.replace(finding, claims=case.claims)
        if case.rests_on:
            premise = a_premise(self.decided[case.rests_on], area="terms", key=case.rests_on)
            shown = (premise,)
            finding = msgspec.structs.replace(finding, relied_on=shown, in_context=shown)
        self.story.tell("finding", task, author=member, body=finding)
        self.story.tell("task", task, author=member, body=TaskSubmitted())
        if case.after is not None:
            case.after(self, task)

    # --- what the lead commits, as team/members does ---

    def _plan(self) -> None:
        made = PlanMade(mode="team", reasons=(), tasks=(), constraints=(CONSTRAINT,))
        self.story.tell("spec", body=made)
        self.story.tell("spec", body=RunTriaged(mode="team", reasons=("so many lanes",)))
        for number, lane in enumerate(self.lanes, start=1):
            self.story.tell("task", f"t{number}", body=lane)

    def _check(self, task: str) -> None:
        submission = self.state.findings.latest(task)
        assert submission is not None
        said = self._run(judgements_on(self.state, self.library, self.task(task), submission))
        verdict = VerdictGiven(finding_seq=submission.seq, judgements=said)
        self.story.tell("verdict", task, author=GATE, body=verdict)

    def _material(self, verification: str, submission: Submission) -> tuple[Claim, ...]:
        return material_for(self.state, self.library, verification, submission)

    def _conflict(self, step: steps.RaiseConflicts | steps.Compare | steps.RuleConflict) -> None:
        if isinstance(step, steps.Compare):
            opened = comparison_task(self.state, step.conflict)
            self.story.tell("task", comparison_id(step.conflict), body=opened)
        elif isinstance(step, steps.RuleConflict):
            case = conflict_case(self.state, step.conflict)
            briefing = Briefing(kind="conflict", me=LEAD, goal=GOAL, conflict=case)
            tools = conflict_tools(self._world(LEAD), a_role("lead"), step.conflict)
            self._told(LEAD, self._run(self._converse(briefing, tools)))
        else:
            super()._conflict(step)

    def _end(self, step: steps.AnyStep) -> None:
        if isinstance(step, steps.Synthesize):
            self.story.tell("result", body=self._run(self._synthesize()))
        elif isinstance(step, steps.Finish):
            rejected = rejected_claims(self.state)
            body = ResultPublished(status=step.status, missing=step.reasons, rejected=rejected)
            self.story.tell("result", body=body)
        else:
            super()._end(step)

    async def _synthesize(self) -> ResultPublished:
        admitted, asked = admitted_claims(self.state), asked_of(self.state)
        briefing = Briefing(
            kind="synthesis",
            me=LEAD,
            goal=GOAL,
            claims=_citable(admitted, asked),
            missing=steps.missing_lanes(self.state),
            aspects=asked.aspects,
            constraints=asked.constraints,
        )
        tools = synthesis_tools(tuple(admitted), asked)
        answer = await self._converse(briefing, tools)
        assert answer.answer is not None, answer.content
        synthesis = msgspec.json.decode(answer.answer, type=Synthesis)
        rejected = rejected_claims(self.state)
        text, citations = render(synthesis, admitted, synthesis.missing, rejected)
        return ResultPublished(
            status="partial" if synthesis.missing else "admitted",
            text=text,
            citations=citations,
            missing=synthesis.missing,
            rejected=rejected,
        )

    # --- what a verifier does, as team/members/teammate.py does ---

    def _verify_one(self, task: Task) -> None:
        verifier, lane = task.offered_to, task.subject_task
        assert verifier is not None
        assert lane is not None
        self.act("claim", verifier, task.id)
        if self.cases[int(lane[1:]) - 1].is_lax:
            self.act("uphold", verifier, task.id)
        else:
            self._run(self._judge_it(verifier, task.id))

    async def _judge_it(self, verifier: str, task_id: str) -> None:
        task = self.task(task_id)
        tools = verify_tools(self._world(verifier), a_role("skeptic"), task)
        briefing = Briefing(kind="verify", me=verifier, task=task.id, material=task.material)
        self._told(verifier, await self._converse(briefing, tools))

    def _compare_one(self, task: Task) -> None:
        verifier = task.offered_to
        assert verifier is not None
        self.act("claim", verifier, task.id)
        held = self.task(task.id)
        tools = compare_tools(self._world(verifier), a_role("skeptic"), held)
        briefing = Briefing(kind="compare", me=verifier, task=held.id, material=held.material)
        self._told(verifier, self._run(self._converse(briefing, tools)))

    def _told(self, author: str, answer: ToolAnswer) -> None:
        """Tell the story what a returning tool would have committed."""
        assert answer.entries, answer.content
        for entry in answer.entries:
            subject = entry.subject
            self.story.tell(subject.kind, *subject.names, author=author, body=entry.body)

    def _world(self, me: str) -> World:
        """What a member's tools touch: its picture of the run, and the sources."""
        world: Any = World  # stand-ins for the bus: nothing is sent through them
        return world(
            me=me,
            stream=SimpleNamespace(run="r1"),
            inbox=SimpleNamespace(state=self.state),
            journal=None,
            log=None,
            decisions=None,
            snapshots=None,
            library=self.library,
        )

    async def _converse(self, briefing: Briefing, tools: Sequence[AnyTool]) -> ToolAnswer:
        """Talk with the model until one of its calls has returned the answer."""
        by_name = {tool.name: tool for tool in tools}
        messages: list[dict[str, Any]] = [{"role": "user", "content": opening(briefing)}]
        answer = ToolAnswer(content="it never returned")
        for _ in range(TURNS_MAX):
            request = Request(
                model="rehearsal-1",
                system="You are a member of a team.",
                messages=messages,
                tools=[tool.definition for tool in tools],
                max_tokens=8_000,
            )
            reply = await self._caller.call(request, on_text=lambda _: None, on_wait=_never)
            results = []
            for call in reply.calls:
                answer = await by_name[call.name].call(call.input)
                if answer.answer is not None:
                    return answer
                results.append(
                    {
                        "type": "tool_result",
                        "tool_use_id": call.id,
                        "content": answer.content,
                        "is_error": answer.is_error,
                    }
                )
            messages += [
                {"role": "assistant", "content": msgspec.json.decode(reply.content)},
                {"role": "user", "content": results},
            ]
        return answer


def _never(reason: str, pause_s: float) -> None:
    raise AssertionError(f"the rehearsal model asks to wait {pause_s} s: {reason}")
