"""Locators and quotes: a quote stands where it was taken from, and an altered one does not.

Promises: docs of `team.sources.locators`; the gate and every member rely on them.
"""

from __future__ import annotations

from pathlib import Path, PurePath

import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

from team.errors import LocatorError, TeamError
from team.sources import LOCATOR_LINES_MAX, Locator, find_quote, fold, parse_locator, quote_stands
from team.sources.locators import group_names, is_covered, near_names

WORDS = st.text(st.sampled_from("abcdefgXYZ0129.,#_é中"), min_size=1, max_size=9)
GAPS = st.text(st.sampled_from(" \t\f\u00a0\u2028"), min_size=1, max_size=3)
LINES = st.lists(
    st.lists(st.tuples(GAPS, WORDS), max_size=6).map(
        lambda pairs: "".join(gap + word for gap, word in pairs)
    ),
    min_size=1,
    max_size=30,
)


def at(first: int, last: int | None = None, page: int | None = None) -> Locator:
    return Locator(page=page, first=first, last=last or first)


# ------------------------------------------------------------------ locators


@pytest.mark.parametrize(
    ("text", "locator"),
    [("L12", at(12)), ("L12-L19", at(12, 19)), ("p3:L1-L4", at(1, 4, 3)), (" p1:L7 ", at(7, 7, 1))],
)
def test_a_locator_is_read_as_it_is_written(text: str, locator: Locator) -> None:
    assert parse_locator(text) == locator
    assert str(locator) == text.strip()


@given(st.none() | st.integers(1, 9999), st.integers(1, 10**8), st.integers(0, 500))
def test_every_locator_survives_being_written_and_read(
    page: int | None, first: int, more: int
) -> None:
    locator = Locator(page=page, first=first, last=first + more)

    assert parse_locator(str(locator)) == locator


@pytest.mark.parametrize(
    "text",
    [
        "",
        "12",
        "L",
        "l12",
        "L12-19",
        "L12 - L19",
        "L0",
        "p0:L1",
        "L9-L3",
        "p3",
        "L-1",
        "L1\nL2",
        "L" + "9" * 5000,
        "L\u0661",
        "L1-L2-L3",
        "../L1",
        "p3:",
    ],
)
def test_what_is_no_locator_is_refused_in_words(text: str) -> None:
    with pytest.raises(LocatorError, match="write 'L12', 'L12-L19' or 'p3:L1-L4'") as caught:
        parse_locator(text)

    assert isinstance(caught.value, ValueError)
    assert isinstance(caught.value, TeamError)
    assert len(str(caught.value)) < 300


@given(st.text(max_size=30))
def test_reading_any_text_gives_a_locator_or_a_locator_error(text: str) -> None:
    try:
        locator = parse_locator(text)
    except LocatorError:
        return

    assert 1 <= locator.first <= locator.last


# ------------------------------------------------------------------ quotes


@st.composite
def quoted(draw: st.DrawFn) -> tuple[list[str], int, int, str]:
    lines = draw(LINES)
    first = draw(st.integers(1, len(lines)))
    last = draw(st.integers(first, len(lines)))
    text = fold(" ".join(lines[first - 1 : last]))
    start = draw(st.integers(0, max(0, len(text) - 12)))
    end = draw(st.integers(min(start + 12, len(text)), len(text)))
    quote = text[start:end].strip()
    assume(len("".join(quote.split())) >= 8)
    return lines, first, last, quote


@given(quoted())
def test_every_slice_of_a_text_stands_at_its_lines(case: tuple[list[str], int, int, str]) -> None:
    lines, first, last, quote = case

    assert quote_stands(lines, at(first, last), quote)
    assert quote_stands(lines, at(first, last), "\n  " + quote.replace(" ", " \t\n") + " ")


@given(quoted(), st.data())
def test_a_quote_with_one_altered_character_does_not_stand(
    case: tuple[list[str], int, int, str], data: st.DataObject
) -> None:
    lines, first, last, quote = case
    places = [index for index, char in enumerate(quote) if not char.isspace()]
    index = data.draw(st.sampled_from(places))
    new = data.draw(st.characters(exclude_categories=["Cs"]).filter(lambda c: not c.isspace()))
    altered = quote[:index] + new + quote[index + 1 :]
    located = fold(" ".join(lines[first - 1 : last]))

    assert quote_stands(lines, at(first, last), altered) == (altered in located)
    if new not in located:
        assert not quote_stands(lines, at(first, last), altered)


@given(quoted())
def test_a_found_quote_stands_there_and_on_no_fewer_lines(
    case: tuple[list[str], int, int, str],
) -> None:
    lines, first, last, quote = case

    found = find_quote(lines, quote, page=4)

    assert found is not None
    assert found.page == 4
    assert quote_stands(lines, found, quote)
    assert found.last - found.first <= last - first
    every = [
        (end - begin, begin)
        for begin in range(1, len(lines) + 1)
        for end in range(begin, len(lines) + 1)
        if quote_stands(lines, at(begin, end), quote)
    ]
    assert (found.last - found.first, found.first) == min(every)


@given(LINES, WORDS)
def test_what_is_found_nowhere_stands_nowhere(lines: list[str], quote: str) -> None:
    if find_quote(lines, quote) is None:
        assert not quote_stands(lines, at(1, len(lines)), quote)


def test_the_shorter_of_two_places_is_found() -> None:
    lines = ["one two", "three four", "", "x one two three four"]

    assert find_quote(lines, "one two three four") == at(4)


def test_a_repeated_phrase_is_found_on_the_fewest_lines() -> None:
    lines = ["ab cd ab", "cd ab cd", "ab cd ab cd ab"]

    assert find_quote(lines, "ab cd ab cd") == at(3)


@pytest.mark.parametrize("quote", ["", "   ", "short", "a b c d e f g"])
def test_a_quote_that_is_too_short_proves_nothing(quote: str) -> None:
    assert not quote_stands(["a b c d e f g short"], at(1), quote)
    assert find_quote(["a b c d e f g short"], quote) is None


def test_a_locator_outside_the_text_proves_nothing() -> None:
    assert not quote_stands(["long enough", "to be quoted"], at(2, 3), "to be quoted")
    assert not quote_stands([], at(1), "to be quoted")


def test_a_span_over_the_limit_proves_nothing() -> None:
    lines = ["to be quoted"] + ["x"] * LOCATOR_LINES_MAX

    assert quote_stands(lines, at(1, LOCATOR_LINES_MAX), "to be quoted")
    assert not quote_stands(lines, at(1, LOCATOR_LINES_MAX + 1), "to be quoted")
    assert find_quote(lines, fold(" ".join(lines))) is None


def test_case_and_punctuation_are_part_of_a_quote() -> None:
    lines = ["The gate fails closed."]

    assert quote_stands(lines, at(1), "gate fails closed.")
    assert not quote_stands(lines, at(1), "Gate fails closed.")
    assert not quote_stands(lines, at(1), "gate fails closed!")


# ------------------------------------------------------------------ names


def test_groups_are_named_by_their_last_part_and_by_more_where_that_clashes() -> None:
    places = ["/l/asyncio", "/l/concurrent/futures", "/a/docs", "/b/docs", "/a/docs", "/", "/x/é!"]

    names = group_names([Path(place) for place in places])

    assert names == ["asyncio", "futures", "a_docs", "b_docs", "a_docs-2", "files", "x"]


@given(st.lists(st.text(st.sampled_from("ab-_é ./"), max_size=70), max_size=8))
def test_group_names_are_unique_and_fit_a_subject(places: list[str]) -> None:
    names = group_names([Path("/", place.strip("/")) for place in places])

    assert len(set(names)) == len(places)
    assert all(0 < len(name) <= 64 for name in names)
    assert all(char.isascii() and (char.isalnum() or char in "_-") for n in names for char in n)


@pytest.mark.parametrize(
    ("pattern", "is_in"),
    [
        ("asyncio/*.py", True),
        ("*.py", True),
        ("tasks.py", True),
        ("/l/asyncio", True),
        ("/l/**/tasks.py", True),
        ("**", True),
        ("**/**/tasks.*", True),
        ("./asyncio/", True),
        ("*.md", False),
        ("/l/*.py", False),
        ("sync/tasks.py", False),
        ("/l/asyncio/../asyncio/tasks.py", False),
        ("asyncio/tasks.py/more", False),
        ("", False),
        ("/".join(["**", "x"] * 200), False),
    ],
)
def test_a_glob_covers_what_it_matches_and_what_lies_below(pattern: str, is_in: bool) -> None:
    views = [PurePath("asyncio/tasks.py"), PurePath("/l/asyncio/tasks.py"), PurePath("tasks.py")]

    assert is_covered(views, pattern) == is_in


def test_near_names_put_the_same_file_name_first() -> None:
    names = ["docs/guide.md", "asyncio/tasks.py", "other/tasks.py", "asyncio/task.py"]

    assert near_names("x/tasks.py", names)[:2] == ("asyncio/tasks.py", "other/tasks.py")
    assert near_names("/etc/passwd", names) == ()
