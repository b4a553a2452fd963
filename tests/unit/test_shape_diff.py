"""What differs, by how much, and whether that is further off than it may be."""

from __future__ import annotations

from fractions import Fraction

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from team.rules.shape import Shape
from team.rules.shape_diff import (
    DEFAULT_BOUNDS,
    Bound,
    Difference,
    Seen,
    bound_of,
    default_bounds,
    differences,
    parse_bound,
    seen_in,
)
from team.rules.shape_fields import FIELDS, TEXTS, Value, fields_of, is_group, place_of
from tests.support.strategies import structs

NUMBERS = sorted(set(FIELDS) - TEXTS)
_number = st.integers(0, 10**9) | st.floats(0, 1e9, allow_subnormal=False)


def a_field(name: str) -> st.SearchStrategy[tuple[str, Value]]:
    """A field under a name that fits the template, with a value of its kind."""
    word = st.sampled_from(["alpha", "beta", "x-1~2"])
    values: st.SearchStrategy[Value] = st.text(max_size=5) if name in TEXTS else _number
    named = word.map(lambda w: ".".join(w if p[0] == "<" else p for p in name.split(".")))
    return st.tuples(named, values)


FLAT = st.lists(st.sampled_from(sorted(FIELDS)).flatmap(a_field), max_size=12).map(dict)


def compared(before: dict[str, Value], after: dict[str, Value], *bounds: Bound) -> list[Difference]:
    return differences(seen_in([before]), after, bounds or default_bounds())


def the(found: list[Difference], field: str) -> Difference:
    [one] = [difference for difference in found if difference.field == field]
    return one


def is_beyond(bound: object, after: Value, *before: Value) -> bool:
    """Whether a field is beyond a bound, after it was seen with these values."""
    name = "status" if isinstance(after, str) else "turns"
    seen = {name: Seen.of(before)}
    [found] = differences(seen, {name: after}, [parse_bound(name, bound)])
    return found.is_beyond


# ------------------------------------------------------------------ what differs


@settings(max_examples=40)
@given(structs(Shape))
def test_a_shape_does_not_differ_from_itself(shape: Shape) -> None:
    fields = fields_of(shape)

    found = compared(fields, fields)

    assert len(found) == len(fields)
    assert all(one.is_equal and not one.is_beyond and not one.change for one in found)


@given(FLAT, FLAT)
def test_the_other_way_round_each_change_is_the_opposite(
    one: dict[str, Value], other: dict[str, Value]
) -> None:
    there, back = compared(one, other), compared(other, one)

    assert [d.field for d in there] == [d.field for d in back]
    for ahead, behind in zip(there, back, strict=True):
        assert ahead.before == Seen.of([behind.after])
        assert behind.before == Seen.of([ahead.after])
        assert ahead.is_equal == behind.is_equal
        change = None if ahead.change is None else -ahead.change
        assert behind.change == change


@settings(max_examples=40)
@given(st.lists(FLAT, min_size=1, max_size=4), FLAT)
def test_every_run_of_a_baseline_is_within_it_whatever_its_bounds(
    runs: list[dict[str, Value]], other: dict[str, Value]
) -> None:
    strictest = [parse_bound(name, 0) for name in {name.partition(".")[0] for name in FIELDS}]
    seen = seen_in(runs)

    for run in runs:
        assert all(one.is_equal for one in differences(seen, run, strictest))
    assert all(one.is_beyond != one.is_equal for one in differences(seen, other, strictest))


def test_what_one_side_lacks_counts_as_nothing() -> None:
    before: dict[str, Value] = {"turns": 4, "lane.old.turns": 3, "lane.old.state": "admitted"}
    after: dict[str, Value] = {"turns": 4, "refusals.P201": 1}

    found = compared(before, after)

    assert the(found, "turns").is_equal
    assert the(found, "lane.old.turns").change == -3
    assert the(found, "lane.old.state").after == "none"
    assert the(found, "refusals.P201").is_beyond
    assert the(found, "refusals.P201").share is None


def test_a_change_is_told_as_number_and_as_share() -> None:
    turns = the(compared({"turns": 40}, {"turns": 50}), "turns")

    assert (turns.change, turns.share) == (10, 0.25)


def test_a_share_that_no_float_can_hold_is_without_end() -> None:
    """Such numbers can only be somebody's edit; they are no crash."""
    turns = the(compared({"turns": 1e-300}, {"turns": 1e300}), "turns")

    assert turns.share == float("inf")
    assert turns.is_beyond


def test_fields_of_one_lane_stand_together() -> None:
    names = ["lane.b.turns", "lane.a.turns", "lane.b.state", "turns", "lane.a.state", "odd"]

    assert sorted(names, key=place_of) == [
        *("turns", "lane.a.state", "lane.a.turns", "lane.b.state", "lane.b.turns", "odd"),
    ]


# ------------------------------------------------------------------ bounds


@given(st.integers(0, 10**6), st.integers(0, 10**6))
def test_at_the_edge_of_an_absolute_bound_a_number_holds_and_past_it_not(
    seen: int, bound: int
) -> None:
    assert not is_beyond(bound, seen + bound, seen)
    assert not is_beyond(bound, seen - bound, seen)
    assert is_beyond(bound, seen + bound + 1, seen)
    assert is_beyond(bound, seen - bound - 1, seen)


@given(st.integers(1, 10**4), st.integers(0, 300))
def test_at_the_edge_of_a_relative_bound_a_number_holds_and_past_it_not(
    hundreds: int, percent: int
) -> None:
    seen, room = hundreds * 100, hundreds * percent

    assert not is_beyond(f"{percent}%", seen + room, seen)
    assert not is_beyond(f"{percent}%", seen - room, seen)
    assert is_beyond(f"{percent}%", seen + room + 1, seen)
    assert is_beyond(f"{percent}%", seen - room - 1, seen)


@pytest.mark.parametrize(
    ("bound", "seen", "edge", "past"),
    [
        ("20%", (10, 20), 24, 24.001),
        ("20%", (10, 20), 8, 7.999),
        ("20% or 3", (10, 20), 7, 6.999),
        ("20% or 3", (10, 20), 24, 24.001),
        (0.1, (0.2,), 0.3, 0.3001),
        ("10%", (0.3,), 0.33, 0.3301),
        ("0.5%", (200,), 201, 201.1),
        (0, (5, 7), 6, 8),
        ("50%", (0,), 0, 1),
    ],
)
def test_bounds_are_measured_from_the_nearest_end_as_written_not_as_floats(
    bound: object, seen: tuple[float, ...], edge: float, past: float
) -> None:
    assert not is_beyond(bound, edge, *seen)
    assert is_beyond(bound, past, *seen)


@pytest.mark.parametrize("bound", [0, 5, "20%", "20% or 3"])
def test_a_text_must_be_one_of_those_seen(bound: object) -> None:
    assert not is_beyond(bound, "partial", "admitted", "partial")
    assert is_beyond(bound, "rejected", "admitted", "partial")


def test_any_lets_everything_pass() -> None:
    assert not is_beyond("any", "rejected", "admitted")
    assert not is_beyond("any", 10**9, 0)


def test_a_number_that_has_become_unknown_is_beyond_its_bound() -> None:
    """Unknown means no."""
    assert the(compared({"dollars": 0.5}, {"dollars": "unknown"}), "dollars").is_beyond
    assert the(compared({"dollars": "unknown"}, {"dollars": 0.5}), "dollars").is_beyond


@pytest.mark.parametrize(
    "value",
    [
        *(-1, "", "20", "20 %", "-20%", "20% or", "any ", "inf%"),
        *(True, None, [3], {}, float("nan"), float("inf")),
    ],
)
def test_what_is_no_bound_is_refused_with_the_ways_to_write_one(value: object) -> None:
    with pytest.raises(ValueError, match=r"is no bound; write 3, '20%', '20% or 3'"):
        parse_bound("turns", value)


def test_the_longest_name_that_fits_a_field_counts() -> None:
    names = ("verdicts", "verdicts.quotes.refuted", "verdicts.quotes", "tur")
    bounds = [parse_bound(name, 0) for name in names]

    def name_of(field: str) -> str | None:
        found = bound_of(field, bounds)
        return found.name if found else None

    assert name_of("verdicts.quotes.refuted") == "verdicts.quotes.refuted"
    assert name_of("verdicts.quotes.unsure") == "verdicts.quotes"
    assert name_of("verdicts.shape.refuted") == "verdicts"
    assert name_of("turns") is None


def test_a_field_without_a_bound_is_not_looked_at() -> None:
    [turns] = compared({"turns": 1}, {"turns": 99}, parse_bound("mode", 0))

    assert turns.bound is None
    assert not turns.is_equal
    assert not turns.is_beyond


def test_there_is_a_default_bound_for_every_field_and_none_for_others() -> None:
    assert [name for name in FIELDS if bound_of(name, default_bounds()) is None] == []
    assert [name for name in DEFAULT_BOUNDS if not is_group(name)] == []


def test_a_share_is_read_exactly() -> None:
    assert parse_bound("turns", "12.5% or 0.1").share == Fraction(1, 8)
    assert parse_bound("turns", "12.5% or 0.1").amount == Fraction(1, 10)
