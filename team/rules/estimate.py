"""About what a run will take, before it begins: low, likely, high; a stated model, no promise.

An assignment is so many turns. Turn `i` reads a context that begins with `base` tokens and grows
by what a turn brings and writes:

    C(i) = base + (i - 1) * (brought + written)

With a cache, turn `i` reads `C(i - 1)` from it and writes the rest to it; a share of that is
missed and paid as written again. Without one, all of `C(i)` is read fresh. How many turns, how
much a turn brings and writes, and what the cache misses, is in the tables below; a lane cannot
bring much more than its sources have. High is cut at the run's limits, so it never is above them.

Not for limits: these hold whatever is estimated.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Final, Literal

import msgspec

from bus.messages import TokenCounts

Case = Literal["low", "likely", "high"]
CASES: Final[tuple[Case, ...]] = ("low", "likely", "high")
PriceOf = Callable[[str, TokenCounts], float | None]

READ_AGAIN: Final = 1.5
"""How often a lane is taken to read its sources, overlaps of searches included."""
BESIDE_SOURCES: Final = 300
"""Tokens that a turn brings beside sources: receipts, mail, decisions."""
MISSED: Final[dict[Case, float]] = {"low": 0.0, "likely": 0.1, "high": 0.5}
"""Share of what could come from the cache that does not: it had expired, or was too short."""
ROUNDS: Final[dict[Case, float]] = {"low": 1.0, "likely": 1.25, "high": 2.0}
"""Rounds of a lane, its judgements with them; never more than policy lets it have."""
CLAIMS: Final[dict[Case, int]] = {"low": 100, "likely": 600, "high": 2_000}
"""Tokens of admitted claims that the synthesis is given for each lane."""


class Work(msgspec.Struct, frozen=True, kw_only=True):
    """One sort of assignment in one case.

    Attributes:
        times: How many assignments of it there are, for each lane or for the run.
        turns: Model calls.
        base: Tokens that the first one reads.
        brought: Tokens that a turn brings: what tools give back, what comes in.
        written: Tokens that a turn writes.
    """

    times: float
    turns: int
    base: int
    brought: int
    written: int


LEAD_WORK: Final[dict[str, dict[Case, Work]]] = {
    "plan": {
        "low": Work(times=1, turns=1, base=3_000, brought=0, written=200),
        "likely": Work(times=1, turns=2, base=5_000, brought=500, written=2_500),
        "high": Work(times=1, turns=4, base=10_000, brought=2_000, written=6_000),
    },
    "ruling": {
        "low": Work(times=0, turns=0, base=0, brought=0, written=0),
        "likely": Work(times=1, turns=2, base=3_500, brought=500, written=500),
        "high": Work(times=3, turns=4, base=6_000, brought=2_000, written=2_000),
    },
    "synthesis": {
        "low": Work(times=1, turns=1, base=3_000, brought=0, written=200),
        "likely": Work(times=1, turns=2, base=6_000, brought=500, written=3_000),
        "high": Work(times=1, turns=4, base=12_000, brought=2_000, written=6_000),
    },
}
LANE_WORK: Final[dict[str, dict[Case, Work]]] = {
    "research": {
        "low": Work(times=1, turns=4, base=4_000, brought=100, written=40),
        "likely": Work(times=1, turns=10, base=5_000, brought=2_500, written=500),
        "high": Work(times=1, turns=24, base=8_000, brought=6_000, written=1_500),
    },
    "verification": {
        "low": Work(times=1, turns=1, base=1_400, brought=0, written=80),
        "likely": Work(times=1, turns=3, base=2_500, brought=1_500, written=400),
        "high": Work(times=1, turns=6, base=5_000, brought=3_000, written=1_200),
    },
    "mail": {
        "low": Work(times=0, turns=0, base=0, brought=0, written=0),
        "likely": Work(times=1, turns=2, base=2_500, brought=500, written=300),
        "high": Work(times=3, turns=4, base=4_000, brought=1_500, written=1_000),
    },
}


class LaneJob(msgspec.Struct, frozen=True, kw_only=True):
    """A lane as it would be dispatched: the tokens of its sources, and its slice."""

    sources: int
    turns_max: int
    tokens_max: int


class Seat(msgspec.Struct, frozen=True, kw_only=True):
    """Who answers: a model, and whether its provider caches what is read again."""

    model: str
    is_cached: bool = True


class Job(msgspec.Struct, frozen=True, kw_only=True):
    """All that an estimate looks at.

    Attributes:
        lanes: What would be put on the board.
        lead: Who plans, rules and writes.
        worker: Who researches and answers mail.
        verifier: Who judges.
        verifiers: Verifiers for each finding.
        rounds_max: Rounds that a lane may have in all.
        output_tokens_max: Tokens that one call may write.
        window: Tokens that a context holds.
        run_tokens_max: Tokens of the whole run.
        run_dollars_max: US dollars of the whole run; absent: no limit.
    """

    lanes: tuple[LaneJob, ...]
    lead: Seat
    worker: Seat
    verifier: Seat
    verifiers: int = 1
    rounds_max: int = 3
    output_tokens_max: int = 8_000
    window: int = 200_000
    run_tokens_max: int = 8_000_000
    run_dollars_max: float | None = None


class Guess(msgspec.Struct, frozen=True, kw_only=True):
    """One case: tokens, and US dollars; absent where a price is unknown."""

    tokens: int
    usd: float | None


class Part(msgspec.Struct, frozen=True, kw_only=True):
    """What one purpose would take, before the run's limits; and which model works at it."""

    purpose: str
    model: str
    low: Guess
    likely: Guess
    high: Guess


class Estimate(msgspec.Struct, frozen=True, kw_only=True):
    """What a run would take.

    Attributes:
        parts: By purpose.
        low: The least that is to be expected.
        likely: What is likely.
        high: The most, never above the run's limits.
        is_likely_cut: Whether the limits are below what is likely: it may end partial.
    """

    parts: tuple[Part, ...]
    low: Guess
    likely: Guess
    high: Guess
    is_likely_cut: bool = False


def estimate(job: Job, price: PriceOf) -> Estimate:
    """Estimate a run.

    Args:
        job: What it would do.
        price: What tokens of a model cost in US dollars; nothing where that is unknown.
    """
    seats = {"research": job.worker, "verification": job.verifier}
    parts: list[Part] = []
    for purpose in ("plan", *LANE_WORK, "ruling", "synthesis"):
        of = _of_lanes if purpose in LANE_WORK else _of_lead
        seat = seats.get(purpose, job.worker if purpose in LANE_WORK else job.lead)
        low, likely, high = (of(job, purpose, case, price) for case in CASES)
        parts.append(Part(purpose=purpose, model=seat.model, low=low, likely=likely, high=high))
    whole = {case: _sum([getattr(part, case) for part in parts]) for case in CASES}
    cut = {case: _cut(guess, job) for case, guess in whole.items()}
    return Estimate(parts=tuple(parts), **cut, is_likely_cut=cut["likely"] != whole["likely"])


def turns_of(work: Work, seat: Seat, missed: float, window: int) -> tuple[TokenCounts, ...]:
    """What each turn of one assignment takes, by kind of token.

    Args:
        work: Its turns and how its context grows.
        seat: Whether what is read again comes from the cache.
        missed: Share of that which does not.
        window: Tokens that a context holds; what is older has left it.
    """
    turns: list[TokenCounts] = []
    before = 0
    for turn in range(work.turns):
        context = min(window, work.base + turn * (work.brought + work.written))
        again = int(min(before, context) * (1 - missed)) if seat.is_cached else 0
        rest = context - again
        turns.append(
            TokenCounts(
                input=0 if seat.is_cached else rest,
                cache_read=again,
                cache_write=rest if seat.is_cached else 0,
                output=work.written,
            )
        )
        before = context
    return tuple(turns)


def _of_lead(job: Job, name: str, case: Case, price: PriceOf) -> Guess:
    work = _written_within(job, LEAD_WORK[name][case])
    if name == "synthesis":  # it is given every admitted claim
        base = work.base + CLAIMS[case] * len(job.lanes)
        work = msgspec.structs.replace(work, base=base)
    return _cheapest(job, work, job.lead, case, price)


def _of_lanes(job: Job, name: str, case: Case, price: PriceOf) -> Guess:
    """All lanes together."""
    return _sum([_of_lane(job, lane, name, case, price) for lane in job.lanes])


def _of_lane(job: Job, lane: LaneJob, name: str, case: Case, price: PriceOf) -> Guess:
    work = _written_within(job, LANE_WORK[name][case])
    seat = job.verifier if name == "verification" else job.worker
    rounds = min(ROUNDS[case], job.rounds_max)
    if name == "research":
        times, work = work.times * rounds, _within_sources(work, lane)
    elif name == "verification":
        times = work.times * rounds * job.verifiers
    else:  # one who works alone has nobody to write to
        times = work.times if len(job.lanes) > 1 else 0.0
    work = msgspec.structs.replace(work, times=times)
    return _cheapest(job, work, seat, case, price, lane.tokens_max)


def _cheapest(
    job: Job, work: Work, seat: Seat, case: Case, price: PriceOf, tokens_max: int | None = None
) -> Guess:
    """What an assignment takes; low: with or without a cache, whichever costs less.

    A server that is not known to have one may have one.
    """
    ways = (seat.is_cached, not seat.is_cached) if case == "low" else (seat.is_cached,)
    guesses: list[Guess] = []
    for is_cached in ways:
        way = msgspec.structs.replace(seat, is_cached=is_cached)
        turns = turns_of(work, way, MISSED[case], job.window)
        while tokens_max is not None and len(turns) > 1 and _total(turns) > tokens_max:
            turns = turns[:-1]
        guesses.append(_guess(turns, seat, work.times, price))
    return min(guesses, key=lambda guess: guess.usd or 0.0)


def _total(turns: Sequence[TokenCounts]) -> int:
    return sum(turn.total for turn in turns)


def _within_sources(work: Work, lane: LaneJob) -> Work:
    """A lane's turns bring no more than its sources have, and there are only so many turns."""
    turns = min(work.turns, lane.turns_max)
    there = int(lane.sources * READ_AGAIN / max(1, turns)) + BESIDE_SOURCES
    return msgspec.structs.replace(work, turns=turns, brought=min(work.brought, there))


def _written_within(job: Job, work: Work) -> Work:
    return msgspec.structs.replace(work, written=min(work.written, job.output_tokens_max))


def _guess(turns: Sequence[TokenCounts], seat: Seat, times: float, price: PriceOf) -> Guess:
    """Turns, each at its own price: that may depend on how much it reads."""
    costs = [cost for turn in turns if (cost := price(seat.model, turn)) is not None]
    return Guess(
        tokens=round(_total(turns) * times),
        usd=sum(costs, 0.0) * times if len(costs) == len(turns) else None,
    )


def _sum(guesses: Sequence[Guess]) -> Guess:
    costs = [one.usd for one in guesses if one.usd is not None]
    return Guess(
        tokens=sum(one.tokens for one in guesses),
        usd=sum(costs) if len(costs) == len(guesses) else None,
    )


def _cut(guess: Guess, job: Job) -> Guess:
    usd, limit = guess.usd, job.run_dollars_max
    return Guess(
        tokens=min(guess.tokens, job.run_tokens_max),
        usd=usd if usd is None or limit is None else min(usd, limit),
    )
