"""Which claims may contradict each other: facts that differ, and twins in wording."""

from __future__ import annotations

import ast
import importlib
import inspect
import re
from collections.abc import Callable
from functools import cache

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from bus.ids import check_token
from bus.messages import Claim, Fact
from team.rules.contradictions import (
    CANDIDATES_MAX,
    contradictions,
    difference,
    pair_id,
    task_of,
)
from tests.support.builders import a_claim


def claims_of(*texts: str) -> dict[str, Claim]:
    """A claim for each of some lanes."""
    return {f"t{number}.c1": a_claim("c1", text) for number, text in enumerate(texts, start=1)}


def facts_of(*values: tuple[str, str, str]) -> dict[str, Claim]:
    """A claim with a fact for each of some lanes; all in the same words."""
    return {
        f"t{number}.c1": msgspec.structs.replace(
            a_claim(), facts=(Fact(subject=subject, attribute=attribute, value=value),)
        )
        for number, (subject, attribute, value) in enumerate(values, start=1)
    }


# --- facts -----------------------------------------------------------------------


def test_different_values_of_one_attribute_are_a_conflict_for_certain() -> None:
    given_ = facts_of(("The pool", "size", "10"), ("the  pool", "Size", "20"))

    [pair] = contradictions(given_)

    assert (pair.first, pair.second, pair.is_certain) == ("t1.c1", "t2.c1", True)
    assert "10" in pair.reason
    assert "20" in pair.reason


@pytest.mark.parametrize(
    "other",
    [
        ("The pool", "size", " 10. "),
        ("The pool", "lifetime", "20"),
        ("The cache", "size", "20"),
    ],
)
def test_the_same_value_or_something_else_is_no_conflict(other: tuple[str, str, str]) -> None:
    assert contradictions(facts_of(("the pool", "size", "10"), other)) == []


def test_claims_that_share_one_of_several_values_agree() -> None:
    """A thing may have several values: what both name is no contradiction."""
    given_ = facts_of(("pool", "formats", "json"), ("pool", "formats", "csv"))
    both = (*given_["t1.c1"].facts, *given_["t2.c1"].facts)
    given_["t2.c1"] = msgspec.structs.replace(given_["t2.c1"], facts=both)

    assert contradictions(given_) == []


def test_claims_of_one_lane_are_not_compared() -> None:
    given_ = facts_of(("pool", "size", "10"), ("pool", "size", "20"))
    one_lane = {"t1.c1": given_["t1.c1"], "t1.c2": given_["t2.c1"]}

    assert contradictions(one_lane) == []


def test_a_pair_that_differs_in_facts_and_in_words_is_found_once() -> None:
    given_ = facts_of(("pool", "size", "10"), ("pool", "size", "20"))
    texts = ("The pool keeps 10 connections.", "The pool keeps 20 connections.")
    for ref, text in zip(given_, texts, strict=True):
        given_[ref] = msgspec.structs.replace(given_[ref], text=text)

    [pair] = contradictions(given_)

    assert pair.is_certain


# --- wording ---------------------------------------------------------------------


@pytest.mark.parametrize(
    ("text", "other", "kind"),
    [
        ("The default timeout is 30 seconds.", "The default timeout is 60 seconds.", "numbers"),
        ("A pool keeps ten connections.", "A pool keeps 12 connections.", "numbers"),
        ("A call can be cancelled.", "A call can't be cancelled.", "negation"),
        ("A call can be cancelled.", "A call cannot be cancelled.", "negation"),
        ("Retries are enabled by default.", "Retries are disabled by default.", "opposites"),
        ("The hook runs before a commit.", "The hook runs after a commit.", "opposites"),
        ("Writes are always in order.", "Writes are never in order.", "opposites"),
        ("Tuples here are mutable.", "Tuples here are immutable.", "opposites"),
        ("It waits ten seconds for mail.", "It waits ten minutes for mail.", "opposites"),
        ("Users of it run Redis for locks.", "Users of it run Postgres for locks.", "names"),
        ("Redis holds the open sessions now.", "Postgres holds the open sessions now.", "names"),
    ],
)
def test_twins_that_differ_are_found_with_what_differs(text: str, other: str, kind: str) -> None:
    found = difference(text, other)

    assert found is not None
    assert kind in found.kinds
    [pair] = contradictions(claims_of(text, other))
    assert not pair.is_certain
    assert pair.reason == found.reason


@pytest.mark.parametrize(
    ("text", "other"),
    [
        ("A pool keeps ten connections.", "A pool keeps ten connections."),
        ("A pool keeps ten connections.", "A pool keeps 10 connections."),
        ("The cache holds 1,000 entries.", "The cache holds 1000.0 entries."),
        ("A call can't be cancelled.", "A call cannot be cancelled."),
        ("A pool keeps ten connections.", "A pool keeps connections."),
        ("The pool keeps 10 connections.", "A parser of 20 lines is never fast."),
        ("Timeouts are counted.", "Retries are not counted."),
        ("", ""),
    ],
)
def test_what_is_no_twin_or_does_not_differ_is_left_alone(text: str, other: str) -> None:
    assert difference(text, other) is None
    assert contradictions(claims_of(text, other)) == []


def test_one_sentence_of_a_longer_claim_is_enough() -> None:
    text = "Much is said of pools. The default size is 10 connections."
    other = "The default size is 12 connections. That was measured on Linux."

    assert len(contradictions(claims_of(text, other))) == 1


def test_of_many_twins_the_likest_are_taken() -> None:
    near = claims_of(*(f"The pool keeps exactly {n} open connections." for n in range(20, 28)))
    less = "The pool keeps exactly {} open connections for workers today."
    given_ = near | {f"s{n}.c1": a_claim("c1", less.format(n)) for n in range(40, 44)}

    found = contradictions(given_)

    assert len(found) == CANDIDATES_MAX
    assert {pair.likeness for pair in found} == {1.0}


# --- names -----------------------------------------------------------------------


def test_the_id_is_that_of_the_words_and_may_stand_in_a_subject() -> None:
    one, other = a_claim("c1", "Ten."), a_claim("c1", "Twelve.")
    name = pair_id("t1.c1", one, "t2.c1", other)

    assert check_token("conflict", name) == name
    assert len(f"c-{name}") <= 64
    assert pair_id("t1.c1", one, "t2.c1", other) == name
    assert pair_id("t1.c1", one, "t2.c1", a_claim("c1", "Thirteen.")) != name
    assert pair_id("t1.c1", one, "t3.c1", other) != name


_WORDS = st.sampled_from(
    "the pool cache keeps drops ten 10 20 open closed connections not never Redis "
    "always before after a. seconds minutes enabled disabled".split()
)
_TEXTS = st.lists(_WORDS, max_size=9).map(" ".join)


@given(texts=st.lists(_TEXTS, max_size=8))
def test_looking_up_rare_words_finds_what_comparing_all_would(texts: list[str]) -> None:
    """The shortcut loses no twin, and of each lane nothing is compared with itself."""
    given_ = {f"t{n % 3}.c{n}": a_claim(f"c{n}", text) for n, text in enumerate(texts)}
    wanted = {
        (first, second)
        for at, first in enumerate(given_)
        for second in list(given_)[at + 1 :]
        if task_of(first) != task_of(second)
        and difference(given_[first].text, given_[second].text) is not None
    }

    found = {(pair.first, pair.second) for pair in contradictions(given_)}

    assert found <= wanted
    assert len(found) == min(len(wanted), CANDIDATES_MAX)


@given(text=st.text(max_size=80), other=st.text(max_size=80))
def test_any_text_can_be_compared_and_no_text_contradicts_itself(text: str, other: str) -> None:
    first, second = difference(text, other), difference(other, text)

    assert (first is None) == (second is None)
    assert contradictions(claims_of(text, text)) == []


# --- how much is found -----------------------------------------------------------

_MODULES = (
    "argparse asyncio.events asyncio.locks asyncio.streams asyncio.tasks collections datetime "
    "functools logging pathlib pickle queue random socket statistics string subprocess tempfile "
    "threading unittest.case urllib.request"
).split()
_SWAPS = (
    *(("before", "after"), ("always", "never"), ("first", "last"), ("more", "less")),
    *(("open", "closed"), ("must", "may"), ("start", "stop"), ("maximum", "minimum")),
)


@cache
def prose() -> list[str]:
    """Sentences of the standard library's own descriptions, each once."""
    found: dict[str, None] = {}
    for name in _MODULES:
        module = importlib.import_module(name)
        for part in ast.walk(ast.parse(inspect.getsource(module))):
            kinds = ast.Module | ast.ClassDef | ast.FunctionDef | ast.AsyncFunctionDef
            text = ast.get_docstring(part) if isinstance(part, kinds) else None
            for sentence in re.split(r"(?<=[.])\s+", " ".join((text or "").split())):
                letters = sum(c.isalpha() or c == " " for c in sentence)
                if 40 <= len(sentence) <= 300 and letters / len(sentence) > 0.85:
                    found[sentence] = None
    return list(found)


def denied(text: str) -> str:
    return re.sub(r"\b(is|are|can|will|must|should)\b(?! not)", r"\1 not", text, count=1)


def reversed_(text: str) -> str:
    for pair in _SWAPS:
        for word, opposite in (pair, pair[::-1]):
            if re.search(rf"\b{word}\b", text):
                return re.sub(rf"\b{word}\b", opposite, text, count=1)
    return text


def renumbered(text: str) -> str:
    return re.sub(r"\b(\d+|two|three|four|five|ten)\b", "17", text, count=1)


@pytest.mark.parametrize("alter", [denied, reversed_, renumbered])
def test_of_real_sentences_with_one_altered_word_nearly_all_are_found(
    alter: Callable[[str], str],
) -> None:
    """docs/conflicts.md, "Not promised": twins are found, and that is all that wording finds."""
    pairs = [(text, alter(text)) for text in prose() if alter(text) != text]

    found = sum(difference(text, altered) is not None for text, altered in pairs)

    assert len(pairs) >= 30
    assert found >= 0.9 * len(pairs), f"{found} of {len(pairs)}"


def test_of_real_sentences_that_differ_hardly_any_pair_is_raised() -> None:
    """Eight lanes with forty claims each, from prose in which nothing was altered."""
    texts = prose()[:320]
    given_ = {f"t{n % 8}.c{n}": a_claim(f"c{n}", text) for n, text in enumerate(texts)}

    assert len(given_) == 320
    assert len(contradictions(given_)) <= 10
