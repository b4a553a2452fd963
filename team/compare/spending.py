"""What an arm has spent: a sum over the streams of its runs, kind by kind.

Everything is charged: planning, work, verification, synthesis, rounds that were refused, and
calls that gave no answer. What a call may have taken and nobody could say stands apart, at most.
"""

from __future__ import annotations

from collections.abc import Iterable

import msgspec

from bus.ids import LEAD
from bus.messages import UsageSpent
from bus.run_stream import Record
from team.compare.arms import Column
from team.state import Ledger


class Spending(msgspec.Struct, frozen=True, kw_only=True):
    """A sum of model calls, in columns.

    Attributes:
        input: Tokens read that came neither from a cache nor went into it.
        cache_write: Tokens written to the cache.
        cache_read: Tokens read from the cache.
        output: Tokens written, thinking included.
        usd: US dollars; absent as soon as one price is unknown.
        seconds: Wall time of the runs; of runs that could go side by side, the longest.
        calls: Model calls, those without an answer too.
        peak_context: The most tokens that one call has read.
        around: Tokens of these that the lead and the verifiers took.
        is_estimated: Whether tokens were estimated, not counted.
        unsettled: Tokens that calls may have taken beyond all this, at most: nobody has said.
        unsettled_usd: The same in US dollars; absent as soon as one price is unknown.
    """

    input: int = 0
    cache_write: int = 0
    cache_read: int = 0
    output: int = 0
    usd: float | None = 0.0
    seconds: float = 0.0
    calls: int = 0
    peak_context: int = 0
    around: int = 0
    is_estimated: bool = False
    unsettled: int = 0
    unsettled_usd: float | None = 0.0

    @property
    def tokens(self) -> int:
        """All tokens."""
        return self.input + self.cache_write + self.cache_read + self.output

    def plus(self, other: Spending, *, side_by_side: bool = False) -> Spending:
        """Both together."""
        seconds = max(self.seconds, other.seconds) if side_by_side else self.seconds + other.seconds
        return Spending(
            input=self.input + other.input,
            cache_write=self.cache_write + other.cache_write,
            cache_read=self.cache_read + other.cache_read,
            output=self.output + other.output,
            usd=_together(self.usd, other.usd),
            seconds=seconds,
            calls=self.calls + other.calls,
            peak_context=max(self.peak_context, other.peak_context),
            around=self.around + other.around,
            is_estimated=self.is_estimated or other.is_estimated,
            unsettled=self.unsettled + other.unsettled,
            unsettled_usd=_together(self.unsettled_usd, other.unsettled_usd),
        )


def _together(one: float | None, other: float | None) -> float | None:
    return None if one is None or other is None else one + other


def spending_of(records: Iterable[Record], workers: set[str], seconds: float) -> Spending:
    """Sum the calls of one run.

    Args:
        records: Of its stream.
        workers: Members that work on lanes; what all others take is `around`.
        seconds: How long the run was at work.
    """
    total, ledger = Spending(seconds=seconds), Ledger()
    for record in records:
        ledger.apply(record)
        if isinstance(record.body, UsageSpent):
            is_around = record.subject.author == LEAD or record.subject.author not in workers
            total = total.plus(_call(record.body, is_around=is_around))
    rest = ledger.unsettled
    return msgspec.structs.replace(
        total, unsettled=rest.unsettled_tokens, unsettled_usd=rest.unsettled_usd
    )


def _call(usage: UsageSpent, *, is_around: bool) -> Spending:
    both = usage.tokens.plus(usage.lost)
    read = usage.tokens.input + usage.tokens.cache_read + usage.tokens.cache_write
    return Spending(
        input=both.input,
        cache_write=both.cache_write,
        cache_read=both.cache_read,
        output=both.output,
        usd=usage.cost_usd,
        calls=1,
        peak_context=read,
        around=both.total if is_around else 0,
        is_estimated=usage.is_estimated,
    )


def in_column(spent: Spending, column: Column, unit_usd: float | None) -> float:
    """What was spent in the column that the budget is counted in.

    Calls without a price count with all their tokens, where dollars are what is counted.
    """
    if column == "weighted" and unit_usd and spent.usd is not None:
        return spent.usd / unit_usd
    return float(spent.tokens)
