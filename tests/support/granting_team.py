"""A team on paper whose lead grants slices, and whose members spend what they were granted.

What a member may spend is counted here from the contracts it was given, not by the code
under test: its slice of the task that it works on, and its pocket beside that.
"""

from __future__ import annotations

from collections.abc import Sequence
from math import inf

import msgspec

from bus.ids import LEAD
from bus.messages import Budget, MemberJoined, MemberSeated, RunTriaged, TaskOpened, TaskState
from team.rules import steps
from team.rules.grants import lane_budgets, lead_budget, next_budget, pocket_of
from team.state import Task
from tests.support.builders import a_contract, a_usage, opens
from tests.support.paper_team import PaperTeam

Place = tuple[str, str]
"""A member and one of its contexts."""

LEAD_CAP = Budget(turns_max=12, tokens_max=400_000, seconds_max=1_800.0)


class GrantingTeam(PaperTeam):
    """A run on paper with real grants; the lead follows team/members/planning.py, gating.py."""

    def __init__(
        self, lanes: Sequence[TaskOpened] = (), *, verifiers: int = 1, **policy: float | None
    ) -> None:
        super().__init__(lanes, verifiers=verifiers, **policy)  # type: ignore[arg-type]
        self.verifiers = verifiers
        self.at_work: dict[str, Place] = {}
        self.granted: dict[Place, Budget] = {}
        self._budget: Budget | None = None

    # --- the lead grants ---

    def _plan(self) -> None:
        budgets = lane_budgets(self.state, len(self.lanes))
        self.story.tell("spec", body=RunTriaged(mode="team", reasons=("two lanes",)))
        for number, (lane, budget) in enumerate(zip(self.lanes, budgets, strict=True), start=1):
            contract = msgspec.structs.replace(lane.contract, budget=budget)
            opened = msgspec.structs.replace(lane, contract=contract)
            self.story.tell("task", f"t{number}", body=opened)

    def _recruit(self, role: str, count: int) -> None:
        before = set(self.state.roster.seats)
        super()._recruit(role, count)
        new = [name for name in self.state.roster.seats if name not in before]
        pockets = [pocket_of(self.state, name) for name in new] if role == "researcher" else []
        for name, pocket in zip(new, pockets, strict=False):
            self.story.tell("member", name, body=MemberSeated(role=role, filters=(), pocket=pocket))

    def _verify(self, task: str) -> None:
        lane, submission = self.task(task), self.state.findings.latest(task)
        assert submission is not None
        contract = a_contract(budget=self._next("verify", self.verifiers))
        for number, seat in enumerate(self.state.roster.present("skeptic")[: self.verifiers], 1):
            opened = opens(
                f"verify {lane.title}",
                contract=contract,
                role="skeptic",
                purpose="verify",
                subject_task=task,
                subject_seq=submission.seq,
                material=submission.finding.claims,
                offered_to=seat.name,
            )
            self.story.tell("task", f"v-{task}-{lane.round}-{number}", body=opened)

    def _reopen(self, step: steps.Reopen) -> None:
        task = self.task(step.task)
        self._budget = self._next(task.purpose, 1, task)
        super()._reopen(step)
        self._budget = None

    def _open(
        self,
        task: Task,
        number: int,
        reasons: tuple[str, ...],
        to: str | None,
        not_by: tuple[str, ...],
    ) -> None:
        budget = self._budget or task.contract.budget
        contract = msgspec.structs.replace(task.contract, budget=budget)
        super()._open(msgspec.structs.replace(task, contract=contract), number, reasons, to, not_by)

    def _next(self, purpose: str, now: int, again: Task | None = None) -> Budget:
        """The rules take no step that grants what is not there."""
        budget = next_budget(self.state, purpose, now=now, again=again)
        assert isinstance(budget, Budget), budget
        return budget

    # --- members spend ---

    def act(self, verb: str, member: str, task: str) -> None:
        """A member does something; by what it was granted it may spend afterwards."""
        super().act(verb, member, task)
        if verb == "claim":
            place = (member, self.task(task).context)
            self.at_work[member] = place
            self.granted[place] = self.task(task).contract.budget
        else:
            self.at_work.pop(member, None)

    def lose(self, member: str) -> None:
        super().lose(member)
        self.at_work.pop(member, None)

    def join_again(self, member: str) -> None:
        """A member that was given up comes back, and goes on with what it still holds."""
        self.story.tell("member", member, author=member, body=MemberJoined(pid=2, host="h"))
        held = self.state.board.held_by(member)
        if held is not None:
            self.at_work[member] = (member, held.context)

    def places(self) -> list[Place]:
        """Where somebody may make a call now: tasks at hand, pockets, the lead's own turns."""
        pockets = [
            (seat.name, f"mail:{len(seat.name)}")
            for seat in self.state.roster.present()
            if seat.pocket is not None and seat.name not in self.at_work
        ]
        lead = [(LEAD, context) for context in ("plan", "ruling:1", "synthesis:1")]
        return [*self.at_work.values(), *pockets, *lead]

    def room(self, place: Place) -> tuple[int, float]:
        """How many tokens and dollars a context may still spend."""
        member, context = place
        if member == LEAD:
            budget = lead_budget(self.state, context, LEAD_CAP)
        elif place in self.granted:
            budget = self.granted[place]
        else:
            pocket = self.state.roster.seats[member].pocket
            assert pocket is not None
            budget = pocket
        spent = self.state.ledger.by_context.get(place)
        tokens, usd = (spent.tokens, spent.cost_usd or 0.0) if spent else (0, 0.0)
        most = inf if budget.usd_max is None else budget.usd_max
        return max(0, budget.tokens_max - tokens), max(0.0, most - usd)

    def could_spend(self) -> tuple[int, float]:
        """What everybody may still spend without asking anyone, beside the lead's reserve.

        Slices at hand, those of whoever is gone and may come back, offers, and pockets.
        """
        board, seats = self.state.board.tasks.values(), self.state.roster.present()
        claimed = {(t.holder or "", t.context) for t in board if t.state is TaskState.claimed}
        at_hand = {*self.at_work.values(), *(place for place in claimed if place in self.granted)}
        rooms = [self.room(place) for place in at_hand]
        rooms += [self.room((s.name, f"mail:{len(s.name)}")) for s in seats if s.pocket is not None]
        rooms += [
            (t.contract.budget.tokens_max, t.contract.budget.usd_max or 0.0)
            for t in board
            if t.state is TaskState.open
        ]
        return sum(tokens for tokens, _ in rooms), sum(usd for _, usd in rooms)

    def spend(self, place: Place, tokens: int, usd: float) -> None:
        """One model call."""
        body = a_usage(context=place[1], cost_usd=usd, input=tokens)
        self.story.tell("usage", author=place[0], body=body)

    def spend_all(self) -> None:
        """Everybody uses up all that it has, the lead its reserve."""
        for place in self.places():
            tokens, usd = self.room(place)
            self.spend(place, tokens, usd if usd < inf else 0.0)
