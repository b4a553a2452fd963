"""Decisions: the first on a key holds until one that names it replaces it."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from bus.messages import DecisionContested, DecisionRecorded
from bus.run_stream import Record
from team.state import Decisions
from tests.support.builders import a_record, decisions_of


def records_(
    seq: int, author: str, supersedes: int | None = None, *, key: str = "paging"
) -> Record:
    body = DecisionRecorded(
        statement=f"{author} at {seq}", rationale="because", supersedes=supersedes
    )
    return a_record(seq, "decision", "api", key, author=author, body=body)


def contests(seq: int, author: str, revision: int) -> Record:
    body = DecisionContested(reason="too slow", revision=revision)
    return a_record(seq, "decision", "api", "paging", author=author, body=body)


def test_of_two_records_on_one_key_the_first_wins() -> None:
    decisions = decisions_of(records_(1, "ada"), records_(2, "bea"))

    current = decisions.in_force("api", "paging")

    assert current is not None
    assert (current.author, current.seq, current.state) == ("ada", 1, "in force")
    assert len(decisions.anomalies) == 1


def test_the_head_moves_even_where_the_decision_does_not() -> None:
    """The next write must follow the last record, whatever that was."""
    decisions = decisions_of(
        records_(1, "ada"), records_(2, "bea"), a_record(3, "decision", "api", "paging")
    )

    assert decisions.head_seqs["api", "paging"] == 3


def test_a_decision_is_replaced_by_one_that_names_it() -> None:
    decisions = decisions_of(records_(1, "ada"), records_(2, "bea", 1), records_(3, "ada", 2))

    first, second, third = (decisions.revision(seq) for seq in (1, 2, 3))

    assert first is not None
    assert second is not None
    assert first.state == second.state == "superseded"
    assert decisions.in_force("api", "paging") == third
    assert not decisions.anomalies


def test_a_decision_that_replaces_what_is_replaced_already_does_not_count() -> None:
    decisions = decisions_of(records_(1, "ada"), records_(2, "bea", 1), records_(3, "cleo", 1))

    current = decisions.in_force("api", "paging")

    assert current is not None
    assert current.author == "bea"
    assert decisions.revision(3) is None


def test_a_first_decision_that_claims_to_replace_one_does_not_count() -> None:
    decisions = decisions_of(records_(4, "ada", supersedes=2))

    assert decisions.in_force("api", "paging") is None
    assert not decisions.all_in_force()
    assert len(decisions.anomalies) == 1


def test_a_contested_decision_stays_in_force_with_the_objections() -> None:
    decisions = decisions_of(records_(1, "ada"), contests(2, "bea", 1), contests(3, "cleo", 1))

    current = decisions.in_force("api", "paging")

    assert current is not None
    assert (current.state, current.seq) == ("contested", 1)
    assert current.contests == ("bea: too slow", "cleo: too slow")
    assert decisions.all_in_force() == [current]


def test_an_objection_to_what_is_replaced_does_not_count() -> None:
    decisions = decisions_of(records_(1, "ada"), records_(2, "bea", 1), contests(3, "cleo", 1))

    current = decisions.in_force("api", "paging")

    assert current is not None
    assert current.state == "in force"
    assert len(decisions.anomalies) == 1


def test_a_contested_decision_may_be_replaced() -> None:
    decisions = decisions_of(records_(1, "ada"), contests(2, "bea", 1), records_(3, "lead", 1))

    old, current = decisions.revision(1), decisions.in_force("api", "paging")

    assert old is not None
    assert (old.state, old.contests) == ("superseded", ("bea: too slow",))
    assert current is not None
    assert (current.author, current.supersedes) == ("lead", 1)


def test_what_is_in_force_comes_oldest_first_and_by_area() -> None:
    decisions = decisions_of(
        records_(1, "ada", key="b"),
        records_(2, "bea", key="a"),
        a_record(3, "decision", "data", "x", body=DecisionRecorded(statement="s")),
        records_(4, "ada", 1, key="b"),
    )

    assert [d.name for d in decisions.all_in_force()] == ["api/a", "data/x", "api/b"]
    assert [d.name for d in decisions.all_in_force(("data",))] == ["data/x"]
    assert decisions.all_in_force(()) == []


def test_an_unknown_key_or_revision_is_nothing() -> None:
    decisions = decisions_of(records_(1, "ada"))

    assert decisions.in_force("api", "other") is None
    assert decisions.revision(99) is None


written = st.lists(
    st.tuples(
        st.sampled_from(["ada", "bea", "cleo", "lead"]),
        st.sampled_from(["a", "b"]),
        st.none() | st.integers(min_value=1, max_value=20),
        st.booleans(),
    ),
    max_size=30,
)


def told(writes: list[tuple[str, str, int | None, bool]]) -> list[Record]:
    return [
        a_record(
            seq,
            "decision",
            "api",
            key,
            author=author,
            body=DecisionContested(reason="no", revision=names or 1)
            if is_objection
            else DecisionRecorded(statement=f"{author} {seq}", supersedes=names),
        )
        for seq, (author, key, names, is_objection) in enumerate(writes, start=1)
    ]


@given(writes=written)
def test_any_interleaving_leaves_at_most_one_decision_in_force_on_a_key(
    writes: list[tuple[str, str, int | None, bool]],
) -> None:
    decisions = Decisions()
    for record in told(writes):
        decisions.apply(record)

        for key, revisions in decisions.history.items():
            current = [d for d in revisions if d.state != "superseded"]
            assert len(current) == (1 if revisions else 0)
            assert decisions.in_force(*key) == (current[0] if current else None)
            # Each replaces the one before it: nothing was lost or reordered.
            before: list[int | None] = [None, *(d.seq for d in revisions)]
            assert [d.supersedes for d in revisions] == before[:-1]


@given(writes=written)
def test_no_decision_is_changed_by_what_comes_after_it(
    writes: list[tuple[str, str, int | None, bool]],
) -> None:
    decisions, said = Decisions(), dict[int, tuple[str, str]]()
    for record in told(writes):
        decisions.apply(record)
        known = {d.seq: (d.author, d.statement) for r in decisions.history.values() for d in r}

        assert said.items() <= known.items()
        said = known


@given(writes=written)
def test_folding_the_same_records_twice_gives_the_same(
    writes: list[tuple[str, str, int | None, bool]],
) -> None:
    once, twice = decisions_of(*told(writes)), decisions_of(*told(writes))

    assert once.history == twice.history
    assert once.head_seqs == twice.head_seqs
    assert once.anomalies == twice.anomalies
