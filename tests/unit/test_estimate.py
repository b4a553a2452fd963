"""What a run would take: the formula as the documentation has it, and what always holds of it."""

from __future__ import annotations

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from bus.messages import TokenCounts
from team.agent.models.pricing import price_usd
from team.rules.estimate import (
    CASES,
    LANE_WORK,
    LEAD_WORK,
    Estimate,
    Job,
    LaneJob,
    Seat,
    Work,
    estimate,
    turns_of,
)
from tests.support.documents import DOCS, rows

WORK = Work(times=1, turns=3, base=1_000, brought=200, written=50)
CACHED, FRESH = Seat(model="claude-sonnet-5-5"), Seat(model="local/qwen", is_cached=False)


def a_job(*sources: int, seat: Seat = CACHED, **changes: object) -> Job:
    lanes = tuple(LaneJob(sources=n, turns_max=24, tokens_max=400_000) for n in sources)
    job = Job(lanes=lanes, lead=seat, worker=seat, verifier=seat)
    return msgspec.structs.replace(job, **changes)


def test_a_turn_reads_from_the_cache_what_the_one_before_has_read() -> None:
    """C(i) = base + (i - 1) * (brought + written): 1,000, 1,250, 1,500."""
    turns = turns_of(WORK, CACHED, 0.0, 200_000)

    assert [turn.cache_read for turn in turns] == [0, 1_000, 1_250]
    assert [turn.cache_write for turn in turns] == [1_000, 250, 250]
    assert {turn.input for turn in turns} == {0}
    assert sum(turn.output for turn in turns) == 150


def test_what_the_cache_misses_is_written_again() -> None:
    turns = turns_of(WORK, CACHED, 0.5, 200_000)

    assert [(turn.cache_read, turn.cache_write) for turn in turns] == [
        (0, 1_000),
        (500, 750),
        (625, 875),
    ]


def test_without_a_cache_every_turn_reads_all_of_it_fresh() -> None:
    turns = turns_of(WORK, FRESH, 0.5, 200_000)

    assert [turn.input for turn in turns] == [1_000, 1_250, 1_500]
    assert not any(turn.cache_read or turn.cache_write for turn in turns)


def test_no_context_is_larger_than_the_window() -> None:
    turns = turns_of(WORK, FRESH, 0.0, 1_100)

    assert [turn.input for turn in turns] == [1_000, 1_100, 1_100]


def test_turns_are_priced_one_by_one_since_a_price_may_depend_on_what_is_read() -> None:
    """Else ten small calls of a model with tiers would pass for one large call."""
    seat = Seat(model="claude-haiku-5-5", is_cached=False)
    asked: list[TokenCounts] = []

    def price(model: str, tokens: TokenCounts) -> float | None:
        asked.append(tokens)
        return price_usd(model, tokens)

    estimate(a_job(50_000, 50_000, seat=seat), price)

    assert max(one.input for one in asked) < 200_000
    assert len(asked) > 50


def test_an_unknown_price_leaves_tokens_and_says_so() -> None:
    found = estimate(a_job(10_000, 10_000, seat=FRESH), lambda _, __: None)

    assert found.likely.tokens > 0
    assert {getattr(found, case).usd for case in CASES} == {None}


def test_one_seat_without_a_price_makes_the_whole_unknown_and_leaves_the_others() -> None:
    job = a_job(10_000, 10_000, lead=FRESH)

    found = estimate(job, price_usd)

    by_purpose = {part.purpose: part for part in found.parts}
    assert by_purpose["plan"].likely.usd is None
    assert by_purpose["research"].likely.usd is not None
    assert found.likely.usd is None


def test_limits_below_what_is_likely_are_said() -> None:
    job = a_job(50_000, 50_000, 50_000)

    assert not estimate(job, price_usd).is_likely_cut
    for changes in ({"run_dollars_max": 0.1}, {"run_tokens_max": 10_000}):
        assert estimate(msgspec.structs.replace(job, **changes), price_usd).is_likely_cut


def test_one_who_works_alone_has_no_mail() -> None:
    found = {part.purpose: part for part in estimate(a_job(10_000), price_usd).parts}

    assert found["mail"].high.tokens == 0


@pytest.mark.parametrize("more", [{"verifiers": 3}, {"lanes": 4}])
def test_more_of_it_costs_more(more: dict[str, int]) -> None:
    few = estimate(a_job(20_000, 20_000), price_usd)
    lanes = [20_000] * more.pop("lanes", 2)
    many = estimate(a_job(*lanes, **more), price_usd)

    assert few.likely.usd is not None
    assert many.likely.usd is not None
    assert many.likely.tokens > few.likely.tokens
    assert many.likely.usd > few.likely.usd


JOBS = st.builds(
    Job,
    lanes=st.lists(
        st.builds(
            LaneJob,
            sources=st.integers(0, 2_000_000),
            turns_max=st.integers(1, 200),
            tokens_max=st.integers(0, 1_000_000),
        ),
        min_size=1,
        max_size=8,
    ).map(tuple),
    lead=st.sampled_from([CACHED, Seat(model="claude-opus-5-5", is_cached=False)]),
    worker=st.sampled_from([CACHED, Seat(model="claude-haiku-5-5")]),
    verifier=st.just(CACHED),
    verifiers=st.integers(1, 5),
    rounds_max=st.integers(1, 8),
    output_tokens_max=st.integers(100, 64_000),
    window=st.integers(1_000, 1_000_000),
    run_tokens_max=st.integers(1, 10_000_000),
    run_dollars_max=st.none() | st.floats(0.01, 100.0),
)


@given(JOBS)
def test_low_likely_and_high_are_in_order_and_high_is_within_the_limits(job: Job) -> None:
    found: Estimate = estimate(job, price_usd)

    assert found.low.tokens <= found.likely.tokens <= found.high.tokens <= job.run_tokens_max
    costs = [found.low.usd, found.likely.usd, found.high.usd]
    known = [cost for cost in costs if cost is not None]
    assert len(known) == 3
    assert known == sorted(known)
    if job.run_dollars_max is not None:
        assert known[-1] <= job.run_dollars_max


def test_the_table_in_the_documentation_is_the_one_in_the_code() -> None:
    said = {
        row[0].partition(",")[0]: row[1:]
        for row in rows(
            DOCS / "cost.md",
            "assignment",
            "low: turns, base, brought, written",
            "likely",
            "high",
        )
    }

    assert said == {
        name: tuple(_told(works[case]) for case in CASES)
        for name, works in {**LEAD_WORK, **LANE_WORK}.items()
    }


def _told(work: Work) -> str:
    if not work.times:
        return "none"
    times = f"{work.times:g} times " if work.times != 1 else ""
    numbers = (work.turns, work.base, work.brought, work.written)
    return times + ", ".join(f"{number:,}" for number in numbers)
