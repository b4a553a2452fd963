"""What was spent, as a fold: tokens and money by member and by assignment."""

from __future__ import annotations

import msgspec

from bus.messages import TokenCounts, UsageSpent
from bus.run_stream import Record


class Spent(msgspec.Struct, frozen=True, kw_only=True):
    """A sum of model calls.

    Attributes:
        calls: How many.
        input_tokens: All tokens read, cached ones included.
        output_tokens: All tokens written.
        cost_usd: US dollars; absent as soon as one call's price is unknown.
        is_estimated: Whether any of it was estimated.
    """

    calls: int = 0
    input_tokens: int = 0
    output_tokens: int = 0
    cost_usd: float | None = 0.0
    is_estimated: bool = False

    @property
    def tokens(self) -> int:
        """Input and output together."""
        return self.input_tokens + self.output_tokens

    def plus(self, usage: UsageSpent) -> Spent:
        """This sum and one call more."""
        known = self.cost_usd is not None and usage.cost_usd is not None
        return Spent(
            calls=self.calls + 1,
            input_tokens=self.input_tokens + read_tokens(usage.tokens),
            output_tokens=self.output_tokens + usage.tokens.output,
            cost_usd=(self.cost_usd or 0.0) + (usage.cost_usd or 0.0) if known else None,
            is_estimated=self.is_estimated or usage.is_estimated,
        )


def read_tokens(tokens: TokenCounts) -> int:
    """All tokens that a call read, wherever they came from."""
    return tokens.input + tokens.cache_read + tokens.cache_write


class Ledger:
    """All spending of a run."""

    def __init__(self) -> None:
        self.total = Spent()
        self.by_member: dict[str, Spent] = {}
        self.by_context: dict[tuple[str, str], Spent] = {}
        self.models: list[str] = []

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

    def of_member(self, member: str) -> Spent:
        """What one member has spent."""
        return self.by_member.get(member, Spent())
