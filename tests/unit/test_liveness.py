"""Who is silent, who gets nowhere, who waits in a circle, and how often somebody died."""

from __future__ import annotations

from collections.abc import Iterable

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bus.live import Beat, Presence
from team.agent.models.silence import SILENT_S as MODEL_SILENT_S
from team.policy import Liveness
from team.rules.liveness import (
    CIRCLE_S,
    FROZEN_S,
    LATE_S,
    SILENT_S,
    START_S,
    Deaths,
    Seen,
    Vigil,
    Watched,
    in_circles,
)

STUCK_S = 30.0
TICK_S = 0.25
NOBODY: dict[str, frozenset[str]] = {}


def a_member(heard_at: float | None = 0.0, *, pid: int = 1, **beat: str | int) -> Watched:
    """A process that was started at 0 and last heard then."""
    fields = {"pid": pid, "state": "working"} | beat
    last = None if heard_at is None else Presence(beat=Beat(**fields), heard_at=heard_at)  # type: ignore[arg-type]
    return Watched(pid=1, started_at=0.0, last=last)


def ticks(until: float, since: float = 0.0) -> Iterable[float]:
    """Times of looks, a tick apart."""
    return (since + number * TICK_S for number in range(int((until - since) / TICK_S) + 1))


class Watch:
    """Looks at ada, tick for tick, and remembers when what was seen."""

    def __init__(self, stuck_s: float = STUCK_S) -> None:
        self.vigil = Vigil(stuck_s)
        self.silent: list[float] = []
        self.frozen: list[float] = []
        self.stuck: list[float] = []

    def look(self, now: float, ada: Watched, *, is_connected: bool = True) -> Seen:
        seen = self.vigil.look(now, {"ada": ada}, NOBODY, is_connected=is_connected)
        self.silent += [now] * ("ada" in seen.silent)
        self.frozen += [now] * ("ada" in seen.frozen)
        self.stuck += [now] * ("ada" in seen.stuck)
        return seen


# --- silence -------------------------------------------------------------------------


def test_a_member_that_falls_silent_is_seen_once_and_then_frozen() -> None:
    watch = Watch()
    for now in ticks(FROZEN_S + 1):
        watch.look(now, a_member())

    assert watch.silent == [SILENT_S + TICK_S]
    assert watch.frozen[0] == FROZEN_S + TICK_S


def test_a_member_that_is_heard_again_may_fall_silent_again() -> None:
    watch = Watch()
    for now in ticks(6):
        watch.look(now, a_member(0.0 if now < 3 else 3.0))

    assert watch.silent == [SILENT_S + TICK_S, 3.0 + SILENT_S + TICK_S]
    assert watch.frozen == []


@pytest.mark.parametrize("last", [a_member(None), a_member(0.0, pid=7)], ids=["never", "before it"])
def test_a_process_that_was_not_heard_yet_has_longer(last: Watched) -> None:
    """What its predecessor sent says nothing of it."""
    watch = Watch()
    for now in ticks(START_S + TICK_S):
        watch.look(now, last)

    assert watch.silent == []
    assert watch.frozen == [START_S + TICK_S]


def test_who_could_not_look_holds_nothing_against_anyone() -> None:
    """The machine slept, or the one who looks did: all clocks start anew."""
    watch = Watch()
    watch.look(0.0, a_member())
    wakes_at = FROZEN_S + LATE_S
    for now in ticks(wakes_at + FROZEN_S, since=wakes_at):
        watch.look(now, a_member())

    assert watch.silent == [wakes_at + SILENT_S + TICK_S]
    assert watch.frozen == []


def test_nobody_is_silent_while_heartbeats_can_not_arrive() -> None:
    watch = Watch()
    for now in ticks(60):
        assert watch.look(now, a_member(), is_connected=False) == Seen()
    for now in ticks(60 + SILENT_S, since=60.25):
        watch.look(now, a_member())

    assert watch.silent == watch.frozen == watch.stuck == []


# --- progress ------------------------------------------------------------------------


def test_a_member_that_works_and_does_not_move_is_seen_again_and_again() -> None:
    watch = Watch()
    for now in ticks(2.5 * STUCK_S):
        seen = watch.look(now, a_member(now, steps=4, doing="thinking (task:t1:1)"))
        if seen.stuck:
            reason = seen.stuck["ada"].reason

    assert watch.stuck == [STUCK_S, 2 * STUCK_S]
    assert reason == "nothing has moved for 30 s while it was thinking (task:t1:1)"


@pytest.mark.parametrize("state", ["idle", "waiting", "listening"])
def test_a_member_that_does_not_work_need_not_move(state: str) -> None:
    watch = Watch()
    for now in ticks(3 * STUCK_S):
        watch.look(now, a_member(now, state=state))

    assert watch.stuck == []


def test_whatever_moves_starts_the_clock_anew() -> None:
    watch = Watch()
    for now in ticks(3 * STUCK_S):
        watch.look(now, a_member(now, steps=int(now // (STUCK_S - 1))))

    assert watch.stuck == []


@pytest.mark.parametrize(
    ("stuck_s", "is_seen"), [(Liveness().stuck_seconds, False), (MODEL_SILENT_S / 2, True)]
)
def test_a_model_that_is_asked_again_before_the_time_is_over_is_not_stuck(
    stuck_s: float, is_seen: bool
) -> None:
    """Each try in vain shows that the member waits, and then that it asks again."""
    watch = Watch(stuck_s)
    for now in ticks(15 * 60):
        tries, since = divmod(now, MODEL_SILENT_S)
        state = "waiting" if tries and since < 1 else "working"
        watch.look(now, a_member(now, state=state, steps=int(2 * tries)))

    assert bool(watch.stuck) is is_seen


def test_a_silent_member_is_not_called_stuck_as_well() -> None:
    watch = Watch()
    for now in ticks(2 * STUCK_S):
        watch.look(now, a_member())

    assert watch.stuck == []


@given(
    looks=st.lists(
        st.tuples(st.floats(0.0, 5.0), st.booleans(), st.booleans(), st.booleans()), max_size=60
    )
)
def test_nobody_is_accused_of_a_time_in_which_nobody_looked(
    looks: list[tuple[float, bool, bool, bool]],
) -> None:
    """Each accusation is backed by so many seconds of looks that came in time."""
    vigil, now, heard_at, steps = Vigil(3.0), 0.0, 0.0, 0
    quiet_s = still_s = 0.0
    for pause, is_connected, is_heard, has_moved in looks:
        now += pause
        is_fair = pause <= LATE_S and is_connected
        steps += has_moved
        heard_at = now if is_heard else heard_at
        quiet_s = 0.0 if is_heard or not is_fair else quiet_s + pause
        still_s = 0.0 if has_moved or not is_fair else still_s + pause
        member = a_member(heard_at, steps=steps)
        seen = vigil.look(now, {"ada": member}, NOBODY, is_connected=is_connected)

        assert not seen.silent or quiet_s > SILENT_S - 1e-6
        assert not seen.frozen or quiet_s > FROZEN_S - 1e-6
        assert not seen.stuck or still_s > 3.0 - 1e-6


# --- circles -------------------------------------------------------------------------


def waits(**for_whom: str) -> dict[str, frozenset[str]]:
    return {name: frozenset(others.split()) for name, others in for_whom.items()}


@pytest.mark.parametrize(
    ("listening", "caught"),
    [
        (waits(ada="bea", bea="ada"), {"ada", "bea"}),
        (waits(ada="bea", bea="cleo", cleo="ada"), {"ada", "bea", "cleo"}),
        (waits(ada="bea", bea="ada", cleo="ada"), {"ada", "bea", "cleo"}),
        (waits(ada="bea", bea="ada dora"), set()),
        (waits(ada="bea"), set()),
        (waits(ada="bea", bea=""), set()),
        (waits(ada="bea", bea="ada", cleo="dora", dora="lead"), {"ada", "bea"}),
        ({}, set()),
    ],
)
def test_who_waits_only_for_those_who_wait_is_caught(
    listening: dict[str, frozenset[str]], caught: set[str]
) -> None:
    assert set(in_circles(listening)) == caught


@given(
    listening=st.dictionaries(
        st.sampled_from("abcdef"), st.frozensets(st.sampled_from("abcdefgh"), max_size=3)
    )
)
def test_exactly_those_are_caught_whom_no_reply_can_reach(
    listening: dict[str, frozenset[str]],
) -> None:
    """The others are woken: by somebody who does not wait, or by one who is woken so."""
    awake = {*"abcdefgh"} - {name for name, asked in listening.items() if asked}
    while woken := {n for n, asked in listening.items() if n not in awake and asked & awake}:
        awake |= woken

    assert set(in_circles(listening)) == set(listening) - awake


def a_circle(vigil: Vigil, now: float, state: str = "listening") -> Seen:
    members = {name: a_member(now, state=state) for name in ("ada", "bea")}
    return vigil.look(now, members, waits(ada="bea", bea="ada"))


def test_a_circle_that_lasts_is_seen_for_each_of_its_members_once() -> None:
    vigil = Vigil(STUCK_S)
    seen = {now: found.stuck for now in ticks(STUCK_S) if (found := a_circle(vigil, now)).stuck}

    assert list(seen) == [CIRCLE_S]
    assert {name: body.waits_for for name, body in seen[CIRCLE_S].items()} == {
        "ada": ("bea",),
        "bea": ("ada",),
    }
    assert seen[CIRCLE_S]["bea"].reason.startswith(
        "members wait for each other: bea waits for ada; ada waits for bea."
    )


def test_a_circle_that_opens_for_a_moment_is_a_new_one() -> None:
    vigil, times = Vigil(STUCK_S), list[float]()
    for now in ticks(20.0):
        is_open = now % 2.0 == 0.0
        if a_circle(vigil, now, "working" if is_open else "listening").stuck:
            times.append(now)

    assert times == []


def test_a_circle_that_goes_on_although_it_was_told_is_seen_again() -> None:
    vigil = Vigil(STUCK_S)
    times = [now for now in ticks(CIRCLE_S + STUCK_S) if a_circle(vigil, now).stuck]

    assert times == [CIRCLE_S, CIRCLE_S + STUCK_S]


# --- deaths --------------------------------------------------------------------------


def test_deaths_are_counted_within_the_window() -> None:
    deaths = Deaths(60.0)

    assert [deaths.note("ada", at, 0.0) for at in (0.0, 30.0, 59.0, 61.0, 200.0)] == [1, 2, 3, 3, 1]
    assert deaths.note("bea", 200.0, 0.0) == 1


def test_waiting_to_see_a_death_does_not_make_it_rare() -> None:
    """Whoever gets stuck at every start dies once in five minutes, and is given up all the same."""
    deaths = Deaths(60.0)

    assert [deaths.note("lead", 301.0 * n, 300.0) for n in (1, 2, 3, 4)] == [1, 2, 3, 4]
