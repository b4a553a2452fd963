"""What was granted and spent, as a fold: tokens and money by member and by assignment.

A contract's budget is a slice of the run's. It waits with an open task; whoever claims the
task holds it, for the context in which that round is worked on:

    waiting ──claim──▶ held ──submit, fail──▶ ended
                        └──the lead takes the task back──▶ taken ──its next claim,
                                                     its end──▶ ended

What was taken from a member counts as granted until that member is known to be past it, or its
process to have ended: it may be in the middle of a call. A call that was reserved and never settled
counts as spent in full.
"""

from __future__ import annotations

from typing import Literal

import msgspec

from bus.messages import Budget, TaskState, TokenCounts, UsageReserved, UsageSpent
from bus.run_stream import Record
from team.state.board import Task
from team.state.roster import Roster
from team.state.unsettled import Unsettled


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
        unsettled_tokens: What calls may have taken beyond that, at most: they were reserved,
            and nobody has said.
        unsettled_usd: The same in US dollars; absent as soon as one call's price is unknown.
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
    unsettled_tokens: int = 0
    unsettled_usd: float | None = 0.0

    @property
    def tokens(self) -> int:
        """Input and output together."""
        return self.input_tokens + self.output_tokens

    @property
    def tokens_at_most(self) -> int:
        """With what calls may have taken that nobody has settled: what limits count."""
        return self.tokens + self.unsettled_tokens

    @property
    def usd_at_most(self) -> float | None:
        """The same in US dollars; absent where a price is unknown."""
        if self.cost_usd is None or self.unsettled_usd is None:
            return None
        return self.cost_usd + self.unsettled_usd

    def beside(self, unsettled: Unsettled) -> Spent:
        """This sum, with what was not settled beside it."""
        return msgspec.structs.replace(
            self, unsettled_tokens=unsettled.tokens, unsettled_usd=unsettled.usd
        )

    def plus(self, usage: UsageSpent) -> Spent:
        """This sum and one call more; a call gives nothing back, whatever it says."""
        took = (usage.tokens, usage.lost)
        known = self.cost_usd is not None and usage.cost_usd is not None
        cost = (self.cost_usd or 0.0) + max(0.0, usage.cost_usd or 0.0)
        return msgspec.structs.replace(
            self,
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
        total: What was spent in all, as far as it is known.
        by_member: The same by member.
        by_context: The same by member and context, and what may be gone beside it.
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
        self._holders: dict[str, tuple[str, str]] = {}
        self._unsettled: dict[tuple[str, str], Unsettled] = {}

    def apply(self, record: Record) -> None:
        """Take one record of kind `usage` into account."""
        usage, member = record.body, record.subject.author
        if not isinstance(usage, UsageReserved | UsageSpent):
            return
        place = (member, usage.context)
        rest, spent = self._unsettled.get(place, Unsettled()), self.by_context.get(place, Spent())
        if isinstance(usage, UsageReserved):
            rest = rest.reserve(usage)
        else:
            rest, spent = rest.settle(usage), spent.plus(usage)
            self._add(member, usage)
        self._unsettled[place] = rest
        self.by_context[place] = spent.beside(rest)

    def _add(self, member: str, usage: UsageSpent) -> None:
        self.total = self.total.plus(usage)
        self.by_member[member] = self.by_member.get(member, Spent()).plus(usage)
        if usage.model not in self.models:
            self.models.append(usage.model)

    @property
    def unsettled(self) -> Spent:
        """What calls of all members may have taken beside the total, at most."""
        every = [self._unsettled[place] for place in sorted(self._unsettled)]
        known = [one.usd for one in every if one.usd is not None]
        return Spent(
            unsettled_tokens=sum(one.tokens for one in every),
            unsettled_usd=sum(known) if len(known) == len(every) else None,
        )

    def follow(self, task: Task, roster: Roster) -> None:
        """Take into account how a task of the board stands now, and who is in."""
        holder, _ = self._holders.get(task.id, ("", ""))
        taken: Literal["taken", "ended"] = "ended" if roster.is_gone(holder) else "taken"
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
        self._holders[task.id] = key
        self.slices[key] = Slice(task=task.id, round=task.round, budget=task.contract.budget)

    def _end(self, task: str, state: Literal["taken", "ended"]) -> None:
        """Whoever held a task holds it no longer."""
        key = self._holders.pop(task, None)
        if key is not None:
            self.slices[key] = msgspec.structs.replace(self.slices[key], state=state)

    def of_member(self, member: str) -> Spent:
        """What one member has spent."""
        return self.by_member.get(member, Spent())
