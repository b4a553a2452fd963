"""The index of decisions: what is nearly the same, what is relevant, whatever was written."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from bus.ids import LEAD
from bus.run_stream import Record
from team.rules.decision_index import NEAR_MAX, DecisionIndex
from team.state import Decisions
from tests.support.builders import decisions_of
from tests.support.decisions import (
    PLACES,
    challenges,
    decides,
    logs,
    proposes,
    rules,
    withdraws,
)

CHOICES = (
    "List endpoints use cursor pagination, never offsets.",
    "Timestamps are stored and sent as UTC in RFC 3339.",
    "Retries back off exponentially with jitter, five attempts at most.",
    "Errors are returned as JSON with a code and a message.",
    "Connection pools hold ten connections at most.",
    "Money amounts are integers in cents with a currency code.",
    "Log lines are written as JSON to stdout.",
    "Primary keys are random UUIDs, version 7.",
    "Feature flags are read once at start from one TOML file.",
    "Passwords are hashed with argon2id.",
    "Database migrations only add columns, they never drop any.",
    "Every request carries an idempotency key.",
)
AGAIN = (
    "We paginate list endpoints with cursors instead of offsets.",
    "All timestamps shall be sent in UTC as RFC 3339.",
    "A retry backs off exponentially with jitter.",
    "Return errors as JSON: a message and a code.",
    "A connection pool must hold at most ten connections.",
    "Store money amounts as integers, in cents.",
    "Write each log line as JSON on stdout.",
    "Use random UUIDs (version 7) as primary keys.",
    "Read feature flags from a single TOML file once, at start.",
    "Hash passwords using argon2id.",
    "Migrations of the database may add columns but never drop columns.",
    "Each request must carry an idempotency key.",
)
"""The same choices in other words, one by one."""
UNRELATED = (
    "Search results are ranked by BM25.",
    "The image is built from a distroless base.",
    "Metrics are exposed for Prometheus under /metrics.",
    "Public functions have docstrings in Google style.",
    "Uploads above five megabytes go to object storage.",
    "Sessions expire after thirty minutes of idleness.",
    "The command line is parsed with argparse.",
    "Translations live next to the templates that use them.",
    "Queues are drained before a worker exits.",
    "Charts are drawn in SVG on the server.",
    "Coverage of branches must be ninety percent.",
    "Caches are invalidated by events, not by age.",
)


@pytest.fixture
def index() -> Iterator[DecisionIndex]:
    made = DecisionIndex()
    yield made
    made.close()


def a_log(*statements: str, area: str = "api") -> Decisions:
    """One decision on a key of its own for each statement, from revision 1."""
    return decisions_of(
        *(decides(n, place=(area, f"k{n}"), says=says) for n, says in enumerate(statements, 1))
    )


# --- near ----------------------------------------------------------------------------


@pytest.mark.parametrize(("revision", "statement"), list(enumerate(AGAIN, start=1)))
def test_the_same_in_other_words_is_found(
    index: DecisionIndex, revision: int, statement: str
) -> None:
    near = index.sync(a_log(*CHOICES)).near("api", statement)

    assert [decision.seq for decision in near] == [revision]


@pytest.mark.parametrize("statement", UNRELATED)
def test_what_is_about_something_else_is_left_in_peace(
    index: DecisionIndex, statement: str
) -> None:
    assert index.sync(a_log(*CHOICES)).near("api", statement) == []


@pytest.mark.parametrize("size", [1, 2, 3])
def test_the_same_is_found_in_a_log_of_hardly_any_decision(index: DecisionIndex, size: int) -> None:
    """No word counts as common only because there is nothing else."""
    log = a_log(*CHOICES[:size])

    assert [d.seq for d in index.sync(log).near("api", AGAIN[0])] == [1]


def test_the_same_is_found_among_a_thousand_that_share_its_common_words(
    index: DecisionIndex,
) -> None:
    log = a_log(*CHOICES, *(f"The api of part {n} returns its own thing{n}." for n in range(1_000)))

    assert [d.seq for d in index.sync(log).near("api", AGAIN[0])][:1] == [1]
    assert index.near("api", UNRELATED[0]) == []


def test_a_decision_of_another_area_is_not_near(index: DecisionIndex) -> None:
    assert index.sync(a_log(*CHOICES, area="data")).near("api", AGAIN[0]) == []


def test_at_most_a_few_are_shown_the_nearest_first(index: DecisionIndex) -> None:
    same = [f"List endpoints use cursor pagination {word}." for word in "a one two three".split()]

    near = index.sync(a_log(*same)).near("api", "List endpoints use cursor pagination two.")

    assert len(near) == NEAR_MAX
    assert near[0].seq == 3


@pytest.mark.parametrize(
    "end",
    [
        [withdraws(2)],
        [rules(2, LEAD, 1, "withdrawn")],
        [decides(2, "ada", 1, says="Something else entirely.")],
        [challenges(2), rules(3, LEAD, 1, "superseded", says="Something else entirely.")],
    ],
)
def test_what_holds_no_longer_is_neither_near_nor_ranked(
    index: DecisionIndex, end: list[Record]
) -> None:
    decisions = decisions_of(decides(1, says=CHOICES[0]))
    assert index.sync(decisions).rank(AGAIN[0]) == [1]

    for record in end:
        decisions.apply(record)
    index.sync(decisions)

    assert 1 not in index.rank(AGAIN[0])
    assert index.near("api", AGAIN[0]) == []


def test_what_is_contested_still_holds_and_what_is_proposed_does_not_yet(
    index: DecisionIndex,
) -> None:
    contested = decisions_of(decides(1, says=CHOICES[0]), challenges(2))
    proposed = decisions_of(proposes(1, says=CHOICES[0]))

    assert index.sync(contested).rank(AGAIN[0]) == [1]
    assert index.sync(proposed).rank(AGAIN[0]) == []


# --- rank ------------------------------------------------------------------------------


def test_rare_words_count_more_and_the_older_comes_first_among_equals(
    index: DecisionIndex,
) -> None:
    log = a_log("Pools are small.", "Pools are bounded.", "Pools are bounded.", "Nothing here.")

    assert index.sync(log).rank("bounded pools") == [2, 3, 1]


def test_a_decision_is_found_by_its_name_too(index: DecisionIndex) -> None:
    log = decisions_of(decides(1, place=("storage", "page-size"), says="Fifty."))

    assert index.sync(log).rank("How large is a page?") == [1]
    assert index.rank("storage") == [1]


def test_only_what_was_asked_for_is_returned(index: DecisionIndex) -> None:
    log = a_log("Pools are small.", "Pools are bounded.", "Pools are slow.")

    assert set(index.sync(log).rank("pools", {2, 3, 99})) == {2, 3}
    assert index.rank("pools", set()) == []


# --- whatever is written -----------------------------------------------------------------

any_text = st.text(alphabet=st.characters(exclude_categories=["Cs"]), max_size=300)


@settings(max_examples=400)
@given(query=any_text, statement=any_text)
@example(query='"', statement="x")
@example(query='a" OR statement:x', statement="x")
@example(query="statement : pools", statement="pools")
@example(query="NEAR(pools small, 2) AND NOT pools*", statement="pools small")
@example(query="a\x00b", statement="a\x00b")
@example(query="^pools -small {name statement}: +x", statement="pools")
@example(query="_ __ ___", statement="_")
@example(query="\u0345 ᾳ ﬁ İ ǅ ꟸ 𞤀 ² Ⅳ", statement="İ")
@example(query="OR AND NOT", statement="OR")
def test_any_text_is_a_query_and_any_a_statement(query: str, statement: str) -> None:
    index = DecisionIndex().sync(a_log(statement, "Pools are small."))

    assert set(index.rank(query)) <= {1, 2}
    assert {d.seq for d in index.near("api", query)} <= {1, 2}
    index.near("api", statement)
    index.close()


def test_a_very_long_query_is_answered(index: DecisionIndex) -> None:
    log = a_log("Pools are small.")

    assert index.sync(log).rank(" ".join(f"w{n}" for n in range(20_000)) + " pools") == [1]


def test_a_statement_is_found_by_itself_in_any_script(index: DecisionIndex) -> None:
    statements = ("Seiten werden über Cursor geblättert.", "分页使用游标", "Страницы по курсору")

    index.sync(a_log(*statements))

    assert [index.rank(says)[:1] for says in statements] == [[1], [2], [3]]


WORDS = ("pools", "cursors", "pages", "retries", "json", "small", "slow", "utc")
sentences = st.lists(st.sampled_from(WORDS), min_size=1, max_size=6).map(" ".join)


@settings(max_examples=200)
@given(log=logs(sentences, places=PLACES[:4]), cuts=st.sets(st.integers(0, 40)), asked=sentences)
def test_kept_in_step_it_answers_as_one_that_was_built_anew(
    log: list[Record], cuts: set[int], asked: str
) -> None:
    """Whenever it was looked at in between, and whatever it held before."""
    step_by_step, decisions = DecisionIndex().sync(a_log(*CHOICES)), Decisions()
    for number, record in enumerate(log):
        decisions.apply(record)
        if number in cuts:
            step_by_step.sync(decisions)
    step_by_step.sync(decisions)
    anew = DecisionIndex().sync(decisions_of(*log))

    assert step_by_step.rank(asked) == anew.rank(asked)
    for area in ("api", "data"):
        assert step_by_step.near(area, asked) == anew.near(area, asked)
    step_by_step.close()
    anew.close()


@settings(max_examples=200)
@given(log=logs(sentences, places=PLACES[:4]), asked=sentences)
def test_only_what_holds_is_ever_returned_and_always_in_the_same_order(
    log: list[Record], asked: str
) -> None:
    decisions = decisions_of(*log)
    index = DecisionIndex().sync(decisions)
    holding = {decision.seq for decision in decisions.all_in_force()}

    ranked = index.rank(asked)

    assert set(ranked) <= holding
    assert len(set(ranked)) == len(ranked)
    assert ranked == index.rank(asked) == index.sync(decisions).rank(asked)
    assert all(d.seq in holding and d.area == "data" for d in index.near("data", asked))
    index.close()
