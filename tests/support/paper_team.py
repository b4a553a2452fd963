"""A whole team on paper: what the lead and its members commit for each step.

The deeds follow team/members/lead.py and team/members/teammate.py, without a bus,
so that the rules can be driven through a run from its start to its result.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Literal

from bus.ids import GATE, LEAD, SUPERVISOR
from bus.messages import (
    CancelRun,
    Claim,
    ConflictJudged,
    ConflictRaised,
    ConflictRuled,
    Judgement,
    MemberLost,
    MemberStuck,
    Outcome,
    PlanMade,
    PlannedTask,
    ResultPublished,
    RunTriaged,
    TaskClaimed,
    TaskFailed,
    TaskOpened,
    TaskSettled,
    TaskState,
    TaskSubmitted,
    VerdictGiven,
    WrapUp,
)
from team.rules import steps
from team.rules.conflicts import compared_by, comparison_id
from team.rules.gate import barred_from, is_void, with_canary
from team.state import RunState, Submission, Task
from tests.support.builders import (
    OPENED_AT,
    Story,
    a_finding,
    a_judgement,
    a_story,
    a_verdict,
    opens,
)

Deed = tuple[str, str, str]
"""What somebody may do now: a verb, a member, a task."""


COMPARED = ("contradict", "compatible", "unsure", "fail")
"""What a verifier may do with two claims."""


class PaperTeam:
    """A run whose lead does what the rules say, and whose members do what a test says."""

    def __init__(
        self, lanes: Sequence[TaskOpened] = (), *, verifiers: int = 1, **policy: int | float
    ) -> None:
        self.story: Story = a_story(verifiers=verifiers, **policy)
        self.lanes = lanes or (opens("pools"), opens("timeouts"))
        self.now = OPENED_AT + 1.0
        self.done: list[steps.AnyStep] = []
        self.canaries = False
        self.refuses: Callable[[Task], bool] = lambda _: False
        self.claims: Callable[[Task], tuple[Claim, ...]] = lambda _: ()
        self.stands: Callable[[str], Literal["first", "second", "both", "neither"]] = lambda _: (
            "first"
        )
        self._state = RunState()

    @property
    def state(self) -> RunState:
        """How the run stands; the same object each time, told of what is new."""
        for record in self.story.records[self._state.last_seq :]:
            self._state.apply(record)
        return self._state

    def task(self, task: str) -> Task:
        return self.state.board.tasks[task]

    def next(self) -> steps.AnyStep:
        """What the rules say now."""
        return steps.next_step(self.state, self.now)

    def lead(self) -> steps.AnyStep:
        """Let the lead do its steps until it waits or has ended the run; gives that step."""
        for _ in range(200):
            step = self.next()
            self.done.append(step)
            if isinstance(step, steps.Wait | steps.Dismiss):
                return step
            self._do(step)
        raise AssertionError(f"the lead goes round in circles: {self.done[-4:]}")

    # --- what the lead commits ---

    def _do(self, step: steps.AnyStep) -> None:  # noqa: C901, PLR0912 - one case a step
        match step:
            case steps.MakePlan():
                self._plan()
            case steps.Dispatch():
                self._dispatch()
            case steps.Recruit(seat=seat, count=count):
                self._recruit("researcher" if seat == "worker" else "skeptic", count)
            case steps.CheckFinding(task=task):
                self._check(task)
            case steps.Verify(task=task):
                self._verify(task)
            case steps.Reopen():
                self._reopen(step)
            case steps.Offer(task=task, member=member):
                was = self.task(task)
                self._open(was, was.round, was.reasons, member, was.not_by)
            case steps.Settle():
                self._settle(step)
            case steps.RaiseConflicts() | steps.Compare() | steps.RuleConflict():
                self._conflict(step)
            case steps.AskToWrapUp(member=member):
                self.story.tell("control", member, body=WrapUp(reason="time is nearly over"))
            case steps.TellStuck(member=member, reason=reason, stuck_seq=seq):
                body = WrapUp(reason=reason, stuck_seq=seq)
                self.story.tell("control", member, body=body)
            case steps.Replace(member=member, reason=reason):
                self.story.tell("member", member, body=MemberLost(reason=reason))
            case _:
                self._end(step)

    def _conflict(self, step: steps.RaiseConflicts | steps.Compare | steps.RuleConflict) -> None:
        if isinstance(step, steps.RaiseConflicts):
            for pair in step.pairs:
                raised = ConflictRaised(
                    first=pair.first,
                    second=pair.second,
                    reason=pair.reason,
                    is_certain=pair.is_certain,
                )
                self.story.tell("conflict", pair.id, author=GATE, body=raised)
        elif isinstance(step, steps.Compare):
            opened = opens("compare two claims", role="skeptic", purpose="compare")
            self.story.tell("task", comparison_id(step.conflict), body=opened)
        else:
            ruled = ConflictRuled(stands=self.stands(step.conflict), reason="better sources")
            self.story.tell("conflict", step.conflict, body=ruled)

    def _settle(self, step: steps.Settle) -> None:
        self._close_verifications(step.verifications)
        body = TaskSettled(state=step.state, reasons=step.reasons)
        self.story.tell("task", step.task, body=body)

    def _end(self, step: steps.AnyStep) -> None:
        assert isinstance(step, steps.Synthesize | steps.Finish), step
        status = step.status if isinstance(step, steps.Finish) else "admitted"
        self.story.tell("result", body=ResultPublished(status=status))

    def _plan(self) -> None:
        tasks = tuple(
            PlannedTask(id=f"t{number}", opened=lane)
            for number, lane in enumerate(self.lanes, start=1)
        )
        self.story.tell("spec", body=PlanMade(mode="team", reasons=("two lanes",), tasks=tasks))

    def _dispatch(self) -> None:
        made = self.state.plan
        assert made is not None
        self.story.tell("spec", body=RunTriaged(mode=made.mode, reasons=made.reasons))
        for task in made.tasks:
            self.story.tell("task", task.id, body=task.opened)

    def _recruit(self, role: str, count: int) -> None:
        names = ("ada", "bea", "cleo") if role == "researcher" else ("vera", "walt", "xena")
        taken = sum(seat.role == role for seat in self.state.roster.seats.values())
        for number in range(taken, taken + count):
            extra = "" if number < 3 else str(number)
            self.story.seat(names[number % 3] + extra, role=role)

    def _check(self, task: str) -> None:
        submission = self.state.findings.latest(task)
        assert submission is not None
        outcome: Outcome = "refuted" if self.refuses(self.task(task)) else "upheld"
        verdict = a_verdict(submission.seq, a_judgement(outcome, check="quotes"))
        self.story.tell("verdict", task, author=GATE, body=verdict)

    def _verify(self, task: str) -> None:
        state, lane = self.state, self.task(task)
        submission = state.findings.latest(task)
        assert submission is not None
        assert state.spec is not None
        barred = barred_from(state, task)
        free = [s for s in state.roster.present("skeptic") if s.name not in barred]
        for number, seat in enumerate(free[: state.spec.team.gate.verifiers], start=1):
            opened = opens(
                f"verify {lane.title}",
                contract=lane.contract,
                role="skeptic",
                purpose="verify",
                subject_task=task,
                subject_seq=submission.seq,
                material=self._material(f"v-{task}-{lane.round}-{number}", submission),
                offered_to=seat.name,
            )
            self.story.tell("task", f"v-{task}-{lane.round}-{number}", body=opened)

    def _material(self, verification: str, submission: Submission) -> tuple[Claim, ...]:
        """What a verifier is asked about."""
        claims = submission.finding.claims
        if not self.canaries:
            return claims
        taken = frozenset(claim.id for claim in claims)
        return with_canary(verification, claims, taken, lambda _: "it stands nowhere")

    def _reopen(self, step: steps.Reopen) -> None:
        task, seats = self.task(step.task), self.state.roster.seats
        last = seats.get(task.holder or task.offered_to or "")
        if task.purpose == "verify" and is_void(self.state, task):
            last = None
        self._close_verifications(step.verifications)
        may = last is not None and last.is_in and last.name not in step.not_by
        to = last.name if last is not None and may else None
        self._open(task, step.round, step.reasons, to, step.not_by)

    def _close_verifications(self, names: tuple[str, ...]) -> None:
        for name in names:
            has_judged = self.task(name).state is TaskState.submitted
            body = TaskSettled(state="admitted" if has_judged else "failed")
            self.story.tell("task", name, body=body)

    def _open(
        self,
        task: Task,
        number: int,
        reasons: tuple[str, ...],
        to: str | None,
        not_by: tuple[str, ...],
    ) -> None:
        body = opens(
            task.title,
            contract=task.contract,
            role=task.role,
            purpose=task.purpose,
            depends_on=task.depends_on,
            subject_task=task.subject_task,
            subject_seq=task.subject_seq,
            material=task.material,
            round=number,
            reasons=reasons,
            offered_to=to,
            not_by=not_by,
        )
        self.story.tell("task", task.id, body=body)

    # --- what members do ---

    def deeds(self) -> list[Deed]:
        """All that members may do now, without losses."""
        found: list[Deed] = []
        for seat in self.state.roster.present():
            held = self.state.board.held_by(seat.name)
            if held is not None and held.purpose == "verify":
                found += [(verb, seat.name, held.id) for verb in ("uphold", "refute", "fail")]
                if self.canaries:
                    found.append(("see", seat.name, held.id))
            elif held is not None and held.purpose == "compare":
                found += [(verb, seat.name, held.id) for verb in COMPARED]
            elif held is not None:
                found += [(verb, seat.name, held.id) for verb in ("submit", "fail")]
            else:
                offered = self.state.board.offered(seat.name)
                found += [("claim", seat.name, task.id) for task in offered]
        return found

    def act(self, verb: str, member: str, task: str) -> None:
        """A member does something."""
        tell = self.story.tell
        match verb:
            case "claim":
                tell("task", task, author=member, body=TaskClaimed())
            case "submit":
                held = self.task(task)
                finding = a_finding(*self.claims(held), round=held.round)
                tell("finding", task, author=member, body=finding)
                tell("task", task, author=member, body=TaskSubmitted())
            case "fail":
                tell("task", task, author=member, body=TaskFailed(reason="out of turns"))
            case "see":
                self._judge(member, task, "upheld", sees=True)
            case "uphold" | "refute":
                self._judge(member, task, "upheld" if verb == "uphold" else "refuted")
            case "contradict" | "compatible" | "unsure":
                judged = ConflictJudged(outcome=verb, reason="so it is")
                tell("conflict", compared_by(task), author=member, body=judged)
                tell("task", task, author=member, body=TaskSubmitted())
            case _:
                raise AssertionError(verb)

    def _judge(self, member: str, task: str, outcome: Outcome, *, sees: bool = False) -> None:
        """Judge all alike; who sees refutes what is not in the finding."""
        held = self.task(task)
        assert held.subject_task is not None
        assert held.subject_seq is not None
        canaries = self.state.findings.canaries_of(held.subject_seq) if sees else ()
        judgements = tuple(
            Judgement(
                check="verification",
                outcome="refuted" if claim.id in canaries else outcome,
                reason="so it is",
                claim=claim.id,
            )
            for claim in held.material
        )
        verdict = VerdictGiven(finding_seq=held.subject_seq, judgements=judgements)
        self.story.tell("verdict", held.subject_task, author=member, body=verdict)
        self.story.tell("task", task, author=member, body=TaskSubmitted())

    def lose(self, member: str) -> None:
        """The supervisor gives a member up."""
        self.story.tell("member", member, author=SUPERVISOR, body=MemberLost(reason="kill -9"))

    def stick(self, member: str) -> None:
        """The supervisor sees a member get nowhere."""
        stuck = MemberStuck(reason="nothing has moved")
        self.story.tell("member", member, author=SUPERVISOR, body=stuck)

    def cancel(self, reason: str = "enough") -> None:
        """A person cancels the run."""
        self.story.tell("control", LEAD, author="person", body=CancelRun(reason=reason))

    def work(self, task: str) -> None:
        """Whoever is offered a lane claims it and submits a finding."""
        member = self.task(task).offered_to
        assert member is not None
        self.act("claim", member, task)
        self.act("submit", member, task)

    def judge(self, task: str, verb: str = "uphold") -> None:
        """Every verifier of a lane's present round claims its task and judges."""
        for verification in steps.verifications_of(self.state, self.task(task)):
            if verification.state is TaskState.open and verification.offered_to is not None:
                self.act("claim", verification.offered_to, verification.id)
                self.act(verb, verification.offered_to, verification.id)
