"""The limit of a run in tokens and dollars, by the provider's own meter: never passed."""

from __future__ import annotations

import random
from typing import Any, Protocol, TypeVar

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from bus.ids import LEAD
from tests.support.builders import opens
from tests.support.paying_team import PayingTeam

T = TypeVar("T")
MEMBERS = 16


class Chance(Protocol):
    """Whoever chooses what happens next: Hypothesis, or a seed."""

    def pick(self, options: list[T]) -> T: ...

    def whole(self, low: int, high: int) -> int: ...


class Drawn:
    """Hypothesis chooses, and finds the shortest way to a failure."""

    def __init__(self, data: st.DataObject) -> None:
        self._data = data

    def pick(self, options: list[T]) -> T:
        return self._data.draw(st.sampled_from(options))

    def whole(self, low: int, high: int) -> int:
        return self._data.draw(st.integers(low, high))


class Seeded:
    """A seed chooses."""

    def __init__(self, seed: int) -> None:
        self._random = random.Random(seed)

    def pick(self, options: list[T]) -> T:
        return self._random.choice(options)

    def whole(self, low: int, high: int) -> int:
        return self._random.randint(low, high)


def happens(team: PayingTeam, chance: Chance) -> None:
    """One step of one process, of the provider, or of the lead."""
    deed = chance.whole(0, 13)
    if deed <= 4:
        if free := team.free():
            calls_once(team, chance, chance.pick(free))
    elif deed <= 9:
        if team.calls:
            goes_on(team, chance, deed)
    elif deed == 10:
        if team.calls:
            team.kill(chance.pick(sorted({member for member, _ in team.calls})))
    elif deed == 11:
        ends(team, chance)
    elif deed == 12:
        acts_once(team, chance)
    else:
        team.lead()


def acts_once(team: PayingTeam, chance: Chance) -> None:
    """Somebody who is in no call claims, submits or gives up; all claim what they can."""
    at_rest = [one for one in team.deeds() if one[1] not in {m for m, _ in team.calls}]
    claims = [one for one in at_rest if one[0] == "claim"]
    for one in claims:
        if one in team.deeds():
            team.act(*one)
    if at_rest and not claims:
        team.act(*chance.pick(at_rest))


def calls_once(team: PayingTeam, chance: Chance, place: tuple[str, str]) -> None:
    """A call of any size, as often as not as large as its slice lets it be."""
    room = team.budget(place).tokens_max - team.used(place).tokens
    most = max(1, room)
    tokens = chance.pick([3 * most, most, most // 2, chance.whole(1, 40_000)])
    written = chance.whole(0, min(tokens, 8_000))
    price = chance.whole(0, 100) / 1e6
    team.begin(place, max(0, tokens - written), written, price)


def goes_on(team: PayingTeam, chance: Chance, deed: int) -> None:
    """A call that is under way is charged, and then ends in one way or another."""
    place = chance.pick(sorted(team.calls))
    if not team.calls[place].charged.tokens:
        team.charge(place, chance.pick([1.0, 1.0, 0.5, 0.1]))
    elif deed == 9:
        team.break_off(place, is_tried_again=bool(chance.whole(0, 2)))
    else:
        team.finish(place)


def ends(team: PayingTeam, chance: Chance) -> None:
    """Somebody is lost for certain, is given up and goes on, or comes back; or time is over."""
    present = [seat.name for seat in team.state.roster.present() if seat.name != LEAD]
    gone = [seat.name for seat in team.state.roster.seats.values() if seat.lost and seat.is_gone]
    way = chance.whole(0, 29)
    if way <= 3 and present:
        team.lose(chance.pick(present))
    elif way <= 6 and present:
        team.replace(chance.pick(present))
    elif way <= 15 and gone:
        team.join_again(gone[0])
    elif way == 29:
        team.now += 10_000.0


def runs(chance: Chance, steps: int, *, lanes: int, without: str = "", **policy: Any) -> PayingTeam:
    """A run in which everything happens, until everybody has spent all that it may."""
    team = PayingTeam(
        [opens(f"lane {n}") for n in range(lanes)],
        without=without,
        teammates_max=MEMBERS,
        rounds_max=3,
        **policy,
    )
    team.refuses = lambda task: task.round == 1
    team.lead()
    for _ in range(steps):
        if team.state.result is not None:
            break
        happens(team, chance)
    team.finish_all()
    return team


def is_within(team: PayingTeam, tokens_max: int, usd_max: float | None) -> bool:
    is_paid = usd_max is None or team.meter.usd <= usd_max + 1e-6
    return is_paid and team.meter.tokens <= tokens_max


@settings(max_examples=60, deadline=None)
@given(
    data=st.data(),
    lanes=st.integers(1, MEMBERS),
    tokens_max=st.sampled_from([8_000_000, 2_000_000, 600_000, 150_000]),
    usd_max=st.one_of(st.none(), st.floats(0.05, 50)),
    reserve=st.floats(0.05, 0.9),
)
def test_whatever_breaks_dies_and_is_granted_again_the_provider_takes_no_more_than_the_limit(
    data: st.DataObject, lanes: int, tokens_max: int, usd_max: float | None, reserve: float
) -> None:
    """Calls of any price as large as their slices, tries that break off, kills at each step."""
    team = runs(
        Drawn(data),
        60,
        lanes=lanes,
        run_tokens_max=tokens_max,
        run_dollars_max=usd_max,
        reserve_share=reserve,
    )

    assert is_within(team, tokens_max, usd_max)


TOKENS_MAX, USD_MAX = 2_000_000, 2.0
SEEDS = range(30)


def runs_by(seed: int, without: str = "") -> PayingTeam:
    return runs(
        Seeded(seed),
        400,
        lanes=MEMBERS,
        without=without,
        run_tokens_max=TOKENS_MAX,
        run_dollars_max=USD_MAX,
        reserve_share=0.2,
    )


def test_sixteen_members_at_once_use_what_there_is_and_no_more() -> None:
    """Many steps by a seed; the limit is not kept by doing nothing."""
    teams = [runs_by(seed) for seed in SEEDS]

    assert all(is_within(team, TOKENS_MAX, USD_MAX) for team in teams)
    assert max(len({member for member, _ in team.granted}) for team in teams) >= MEMBERS
    assert max(team.meter.usd for team in teams) > USD_MAX / 2


@pytest.mark.parametrize("without", ["bound", "reservation"])
def test_without_one_half_of_it_the_same_runs_pass_the_limit(without: str) -> None:
    """The test of the tests above: 3.5 bytes a token; or a call that dies is forgotten."""
    over = [seed for seed in SEEDS if not is_within(runs_by(seed, without), TOKENS_MAX, USD_MAX)]

    assert over
