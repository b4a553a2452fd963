"""What `team prune` chooses: by age, by size, and never what anybody works on."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from team.errors import SpecError
from team.runtime.pruning import Kept, choose, parse_age, parse_size

NOW = 1_000_000.0
STATUSES = ("admitted", "partial", "rejected", "cancelled", "stalled", "running", "stopped")


def a_run(run: str, *, age_s: float = 0.0, size: int = 10, status: str = "admitted") -> Kept:
    return Kept(run=run, goal="", newest_at=NOW - age_s, last_seq=1, size_bytes=size, status=status)


def chosen(kept: list[Kept], **limits: object) -> list[str]:
    given = {"older_than_s": None, "keep_bytes": None, "stopped": False} | limits
    return [one.run for one in choose(kept, now=NOW, **given).removed]  # type: ignore[arg-type]


def test_by_age_goes_what_has_ended_and_is_older() -> None:
    kept = [
        a_run("new", age_s=10),
        a_run("old", age_s=90),
        a_run("at-work", age_s=90, status="running"),
        a_run("half", age_s=90, status="stopped"),
    ]

    assert chosen(kept, older_than_s=60.0) == ["old"]
    assert chosen(kept, older_than_s=60.0, stopped=True) == ["half", "old"]


def test_by_size_the_oldest_go_until_the_rest_fits() -> None:
    kept = [a_run(name, age_s=age) for name, age in (("c", 1), ("a", 3), ("b", 2))]

    assert chosen(kept, keep_bytes=30) == []
    assert chosen(kept, keep_bytes=29) == ["a"]
    assert chosen(kept, keep_bytes=10) == ["a", "b"]
    assert chosen(kept, keep_bytes=0) == ["a", "b", "c"]


def test_both_limits_hold() -> None:
    kept = [a_run("a", age_s=300), a_run("b", age_s=20), a_run("c", age_s=10)]

    assert chosen(kept, older_than_s=100.0, keep_bytes=10) == ["a", "b"]


runs = st.lists(
    st.tuples(
        st.floats(0, 1e6),
        st.integers(0, 1000),
        st.sampled_from(STATUSES),
    ),
    max_size=12,
).map(
    lambda drawn: [
        a_run(f"r{n}", age_s=age, size=size, status=status)
        for n, (age, size, status) in enumerate(drawn)
    ]
)


@given(
    runs,
    st.none() | st.floats(0, 1e6),
    st.none() | st.integers(0, 6000),
    st.booleans(),
)
def test_what_stays_fits_or_could_not_go(
    kept: list[Kept], older: float | None, keep: int | None, stopped: bool
) -> None:
    """Nothing that goes on goes; nothing goes for nothing; the younger never before the older."""
    choice = choose(kept, now=NOW, older_than_s=older, keep_bytes=keep, stopped=stopped)

    stays = [one for one in kept if one not in choice.removed]
    assert choice.kept_bytes == sum(one.size_bytes for one in stays)
    fixed = {"running"} if stopped else {"running", "stopped"}
    assert not fixed & {one.status for one in choice.removed}
    may_go = [one for one in stays if one.status not in fixed]
    if keep is not None and choice.kept_bytes > keep:
        assert not may_go
    if older is not None:
        assert all(NOW - one.newest_at <= older for one in may_go)
    if choice.removed and may_go:
        youngest = max(one.newest_at for one in choice.removed)
        assert all(one.newest_at >= youngest for one in may_go)
    if older is None and keep is None:
        assert not choice.removed


@pytest.mark.parametrize(
    ("text", "seconds"),
    [("30d", 30 * 86400), ("12h", 43200), ("90m", 5400), ("2w", 14 * 86400), (" 1.5 H ", 5400)],
)
def test_ages(text: str, seconds: float) -> None:
    assert parse_age(text) == seconds


@pytest.mark.parametrize(
    ("text", "size"),
    [("2GB", 2 * 10**9), ("500mb", 5 * 10**8), ("0B", 0), ("1.5 KB", 1500), ("3tb", 3 * 10**12)],
)
def test_sizes(text: str, size: int) -> None:
    assert parse_size(text) == size


@pytest.mark.parametrize(
    "text", ["", "30", "-3d", "d", "3 years", "1e9d", "nan", "inf d", "30d4h", "٣d", "9" * 20 + "d"]
)
def test_what_is_no_age_is_refused_with_examples(text: str) -> None:
    with pytest.raises(SpecError, match="write 30d, 12h, 90m or 2w"):
        parse_age(text)


@pytest.mark.parametrize("text", ["", "2", "-2GB", "GB", "2 apples", "1e3GB", "nanB", "2GiB2"])
def test_what_is_no_size_is_refused_with_examples(text: str) -> None:
    with pytest.raises(SpecError, match="write 2GB, 500MB or 0B"):
        parse_size(text)
