"""What was granted and spent, as a fold: tokens and money by member and by assignment.

A contract's budget is a slice of the run's. It waits with an open task; whoever claims the
task holds it, for the context in which that round is worked on:

    waiting ──claim──▶ held ──submit, fail──▶ ended
                        └──the lead takes the task back──▶ taken ──its next claim,
                                                     its leaving or its loss──▶ ended

What was taken from a member that is still in counts as granted until that member is known
to be past it: it may be in the middle of a call.
"""

from __future__ import annotations

from typing import Literal

import msgspec

from bus.messages import Budget, TaskState, TokenCounts, UsageSpent
from bus.run_stream import Record
from team.state.board import Task
from team.state.roster import Roster


class Spent(msgspec.Struct, frozen=True, kw_only=True):
    """A sum of model calls.

    Attributes:
        calls: How many gave an answer: the turns.
        input_tokens: All tokens read, cached ones included.
        output_tokens: All tokens written.
        cost_usd: US dollars; absent as soon as one call's price is unknown.
        is_estimated: Whether any of it was estimated.
        cache_read_tokens: Those of the tokens read that came from the cache.
        cache_write_tokens: Those of them that were written to the cache.
        lost_tokens: Those of all tokens that went to tries whose answer broke off.
        web_searches: Searches that the provider made.
    """

    calls: int = 0
    input_tokens: int = 0
    output_tokens: int = 0
    cost_usd: float | None = 0.0
    is_estimated: bool = False
    cache_read_tokens: int = 0
    cache_write_tokens: int = 0
    lost_tokens: int = 0
    web_searches: int = 0

    @property
    def tokens(self) -> int:
        """Input and output together."""
        return self.input_tokens + self.output_tokens

    def plus(self, usage: UsageSpent) -> Spent:
        """This sum and one call more; a call gives nothing back, whatever it says."""
        took = (usage.tokens, usage.lost)
        known = self.cost_usd is not None and usage.cost_usd is not None
        cost = (self.cost_usd or 0.0) + max(0.0, usage.cost_usd or 0.0)
        return Spent(
            calls=self.calls + (not usage.is_in_vain),
            input_tokens=self.input_tokens + sum(read_tokens(one) for one in took),
            output_tokens=self.output_tokens + sum(max(0, one.output) for one in took),
            cost_usd=cost if known else None,
            is_estimated=self.is_estimated or usage.is_estimated,
            cache_read_tokens=self.cache_read_tokens + sum(max(0, o.cache_read) for o in took),
            cache_write_tokens=self.cache_write_tokens + sum(max(0, o.cache_write) for o in took),
            lost_tokens=self.lost_tokens + read_tokens(usage.lost) + max(0, usage.lost.output),
            web_searches=self.web_searches + sum(max(0, o.web_searches) for o in took),
        )


class Slice(msgspec.Struct, frozen=True, kw_only=True):
    """What one context was granted.

    Attributes:
        task: The task that is worked on in it.
        round: Which round of it.
        budget: What the contract granted.
        state: Whether its member still may use it.
    """

    task: str
    round: int
    budget: Budget
    state: Literal["held", "taken", "ended"] = "held"


def read_tokens(tokens: TokenCounts) -> int:
    """All tokens that a call read, wherever they came from."""
    return sum(max(0, part) for part in (tokens.input, tokens.cache_read, tokens.cache_write))


class Ledger:
    """All grants to tasks and all spending of a run.

    Attributes:
        waiting: Budgets of tasks that nobody has claimed yet.
        slices: What was granted by claim, by member and context.
    """

    def __init__(self) -> None:
        self.total = Spent()
        self.by_member: dict[str, Spent] = {}
        self.by_context: dict[tuple[str, str], Spent] = {}
        self.models: list[str] = []
        self.waiting: dict[str, Budget] = {}
        self.slices: dict[tuple[str, str], Slice] = {}
        self._holding: dict[str, tuple[str, str]] = {}

    def apply(self, record: Record) -> None:
        """Take one record of kind `usage` into account."""
        usage = record.body
        if not isinstance(usage, UsageSpent):
            return
        member = record.subject.author
        self.total = self.total.plus(usage)
        self.by_member[member] = self.by_member.get(member, Spent()).plus(usage)
        place = (member, usage.context)
        self.by_context[place] = self.by_context.get(place, Spent()).plus(usage)
        if usage.model not in self.models:
            self.models.append(usage.model)

    def follow(self, task: Task, roster: Roster) -> None:
        """Take into account how a task of the board stands now, and who is in."""
        holder, _ = self._holding.get(task.id, ("", ""))
        taken: Literal["taken", "ended"] = "taken" if roster.is_in(holder) else "ended"
        self.waiting.pop(task.id, None)
        match task.state:
            case TaskState.open:
                self._end(task.id, taken)
                self.waiting[task.id] = task.contract.budget
            case TaskState.claimed if not task.is_settled:
                self._claimed(task)
            case _:
                # Its holder has ended it, unless the lead has settled it before.
                self._end(task.id, taken if task.is_settled else "ended")

    def give_back(self, member: str) -> None:
        """A member is gone: what was taken from it, it uses no more."""
        for key, one in self.slices.items():
            if key[0] == member and one.state == "taken":
                self.slices[key] = msgspec.structs.replace(one, state="ended")

    def _claimed(self, task: Task) -> None:
        assert task.holder is not None
        self.give_back(task.holder)
        key = (task.holder, task.context)
        self._holding[task.id] = key
        self.slices[key] = Slice(task=task.id, round=task.round, budget=task.contract.budget)

    def _end(self, task: str, state: Literal["taken", "ended"]) -> None:
        """Whoever held a task holds it no longer."""
        key = self._holding.pop(task, None)
        if key is not None:
            self.slices[key] = msgspec.structs.replace(self.slices[key], state=state)

    def of_member(self, member: str) -> Spent:
        """What one member has spent."""
        return self.by_member.get(member, Spent())
