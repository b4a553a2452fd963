"""The run's members within one provider's limit: never too many at once, and nobody left out."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, precondition, rule

from team.rules.pace import (
    ASK_AGAIN_S,
    BACKOFF_MAX_S,
    CALL_S,
    GRACE_S,
    HOLD_MAX_S,
    SEEN_S,
    WINDOW_MAX,
    WINDOW_START,
    Pace,
)

NAMES = [f"m{number}" for number in range(WINDOW_MAX + 20)]


def closed(now: float = 0.0, hold_s: float | None = 10.0) -> Pace:
    """A pace that the provider has just asked to slow down."""
    pace = Pace()
    assert pace.ask("ada", now) == 0.0
    pace.ended("ada", "busy", hold_s, now)
    return pace


def test_members_call_at_once_while_nobody_asked_for_less() -> None:
    pace = Pace()

    assert [pace.ask(name, 0.0) for name in NAMES[:WINDOW_START]] == [0.0] * WINDOW_START
    assert pace.ask("late", 0.0) == ASK_AGAIN_S


def test_nobody_calls_before_the_time_that_the_provider_named() -> None:
    pace = closed(hold_s=10.0)

    assert pace.ask("bea", 4.0) == 6.0
    assert pace.ask("cleo", 9.9) == ASK_AGAIN_S
    assert pace.ask("bea", 10.0) == 0.0


def test_after_a_hold_there_is_one_call_then_two_then_four() -> None:
    """Slow start: what the provider bears is found from below."""
    pace, now = closed(), 10.0
    for calls in (1, 2, 4, 8):
        asked = [name for name in NAMES[:20] if pace.ask(name, now) == 0.0]
        assert len(asked) == calls
        for name in asked:
            pace.ended(name, "ok", None, now)
        pace.waiting.clear()
        now += 1.0


def test_past_half_of_what_was_too_much_the_window_grows_by_one_a_round() -> None:
    pace = closed()
    for _ in range(WINDOW_START // 2 - 1):
        pace.ended("ada", "ok", None, 20.0)
    half = pace.window
    for _ in range(int(half)):
        pace.ended("ada", "ok", None, 20.0)

    assert half == WINDOW_START / 2
    assert half < pace.window <= half + 1


def test_many_refusals_of_one_burst_close_the_window_once() -> None:
    pace = Pace()
    for name in NAMES[:20]:
        pace.ask(name, 0.0)
    for name in NAMES[:20]:
        pace.ended(name, "busy", None, 1.0)

    assert (pace.window, pace.held_until) == (1.0, 2.0)


def test_calls_that_were_in_flight_when_it_closed_do_not_open_it() -> None:
    pace = Pace()
    for name in NAMES[:20]:
        pace.ask(name, 0.0)
    pace.ended(NAMES[0], "busy", 10.0, 1.0)
    for name in NAMES[1:20]:
        pace.ended(name, "ok", None, 2.0)

    assert (pace.window, pace.held_until) == (1.0, 11.0)


def test_without_a_time_each_refusal_holds_longer_and_success_forgets_them() -> None:
    pace, now, holds = Pace(), 0.0, list[float]()
    for _ in range(12):
        assert pace.ask("ada", now) == 0.0
        pace.ended("ada", "busy", None, now)
        holds.append(pace.held_until - now)
        now = pace.held_until

    assert holds == sorted(holds)
    assert holds[:3] == [1.0, 2.0, 4.0]
    assert holds[-1] == BACKOFF_MAX_S

    pace.ask("ada", now)
    pace.ended("ada", "ok", None, now)
    pace.ask("ada", now)
    pace.ended("ada", "busy", None, now)
    assert pace.held_until - now == 1.0


@given(st.floats(allow_nan=False))
def test_no_word_of_a_provider_holds_longer_than_bound(hold_s: float) -> None:
    assert 0.0 <= closed(hold_s=hold_s).held_until <= HOLD_MAX_S


def test_a_call_that_failed_otherwise_changes_nothing_for_the_others() -> None:
    pace = Pace()
    pace.ask("ada", 0.0)
    pace.ended("ada", "failed", None, 1.0)

    assert (pace.window, pace.held_until, pace.calling) == (WINDOW_START, 0.0, {})


def test_who_asked_first_calls_first() -> None:
    pace = closed()
    for name in ("bea", "cleo", "dora"):
        pace.ask(name, 5.0)

    assert pace.ask("dora", 10.0) > 0
    assert pace.ask("cleo", 10.0) > 0
    assert pace.ask("bea", 10.0) == 0.0


@pytest.mark.parametrize("ending", ["forgotten", "asks anew", "expired"])
def test_the_place_of_a_member_that_died_comes_back(ending: str) -> None:
    pace = closed()
    assert pace.ask("bea", 10.0) == 0.0
    assert pace.ask("cleo", 10.0) > 0
    match ending:
        case "forgotten":
            pace.forget("bea")
            assert pace.ask("cleo", 10.1) == 0.0
        case "asks anew":
            assert pace.ask("bea", 10.1) > 0
            assert pace.ask("cleo", 10.1) == 0.0
        case _:
            assert pace.ask("cleo", 10.0 + CALL_S) == 0.0


def test_a_member_that_is_seen_at_rest_after_it_was_let_call_has_its_place_taken() -> None:
    """The word that its call has ended was lost, and it may not ask again for long."""
    pace = closed()
    assert pace.ask("bea", 10.0) == 0.0

    pace.free({"bea": 10.0 + SEEN_S, "cleo": 60.0})
    assert pace.ask("cleo", 20.0) > 0
    pace.free({"bea": 10.1 + SEEN_S})
    assert pace.ask("cleo", 20.2) == 0.0


def test_a_member_that_died_in_the_queue_keeps_nobody_waiting_for_long() -> None:
    pace = closed()
    pace.ask("bea", 5.0)
    pace.ask("cleo", 5.0)

    assert pace.ask("cleo", 10.0) > 0
    assert pace.ask("cleo", 10.0 + GRACE_S + ASK_AGAIN_S) == 0.0


class Paced(RuleBasedStateMachine):
    """Members that ask again when told to, calls that end in any way, deaths at any time."""

    def __init__(self) -> None:
        super().__init__()
        self.pace, self.now = Pace(), 0.0
        self.in_flight = set[str]()

    @rule(name=st.sampled_from(NAMES))
    def asks(self, name: str) -> None:
        self.in_flight.discard(name)
        room = int(self.pace.window) - len(self.in_flight)
        held_until = self.pace.held_until
        wait_s = self.pace.ask(name, self.now)
        if wait_s == 0.0:
            assert room > 0
            assert self.now >= held_until
            self.in_flight.add(name)
        else:
            assert ASK_AGAIN_S <= wait_s <= HOLD_MAX_S

    @precondition(lambda self: self.in_flight)
    @rule(
        data=st.data(),
        how=st.sampled_from(["ok", "ok", "ok", "busy", "failed"]),
        hold_s=st.none() | st.floats(-1, 1e6),
    )
    def ends(self, data: st.DataObject, how: str, hold_s: float | None) -> None:
        name = data.draw(st.sampled_from(sorted(self.in_flight)))
        self.in_flight.discard(name)
        self.pace.ended(name, how, hold_s if how == "busy" else None, self.now)

    @rule(name=st.sampled_from(NAMES))
    def dies(self, name: str) -> None:
        self.in_flight.discard(name)
        self.pace.forget(name)

    @rule(seconds=st.floats(0, 30))
    def time_passes(self, seconds: float) -> None:
        self.now += seconds
        self.in_flight = {n for n in self.in_flight if self.now - self.pace.calling[n] < CALL_S}

    @invariant()
    def a_call_in_flight_has_a_place_and_nobody_else(self) -> None:
        assert self.in_flight <= set(self.pace.calling)
        assert 1 <= self.pace.window <= WINDOW_MAX
        assert not set(self.pace.calling) & set(self.pace.waiting)

    def teardown(self) -> None:
        """However it came: who keeps asking is let call, and all places come back."""
        for name in sorted(self.in_flight):
            self.pace.ended(name, "ok", None, self.now)
        asking, now = ["ada", "bea", "cleo"], self.now + CALL_S
        for _ in range(4_000):
            now += max(self.pace.ask(name, now) for name in asking) if asking else 0.0
            for name in sorted(self.pace.calling.keys() & set(asking)):
                self.pace.ended(name, "ok", None, now)
                asking.remove(name)
        assert not asking
        assert not self.pace.calling


TestPaced = Paced.TestCase
