"""What tools give is cut to what a context has room for; the journal keeps all of it."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from bus.messages import ToolOutcome
from team.agent.room import SHOWN_MIN, labelled, room_of_turn, shown, shown_of_each
from team.rules.limits import CHARACTERS_PER_TOKEN

texts = st.lists(
    st.text("abc \n", max_size=2_000).map(lambda text: text * 3), min_size=1, max_size=8
)


def test_the_room_is_what_is_left_or_half_of_what_could_be_made_free() -> None:
    def tokens(window: int, first: int, used: int) -> int:
        room = room_of_turn(window, first, used)
        assert room is not None
        return round(room / CHARACTERS_PER_TOKEN)

    assert tokens(200_000, 4_000, 10_000) == 140_000
    assert tokens(200_000, 4_000, 149_000) == 98_000
    assert tokens(10_000, 5_000, 7_000) == 2_500
    assert tokens(10_000, 10_000, 9_000) == 500
    assert room_of_turn(None, 5, 5) is None


@given(contents=texts, room=st.integers(0, 20_000))
def test_what_is_shown_fits_and_a_short_answer_is_never_cut_for_a_long_one(
    contents: list[str], room: int
) -> None:
    named = {str(n): text for n, text in enumerate(contents)}

    cut = shown_of_each(named, room)

    whole = [len(text) for name, text in named.items() if name not in cut]
    assert sum(whole) + sum(cut.values()) <= max(room, SHOWN_MIN * len(named))
    assert all(cut[name] < len(named[name]) for name in cut)
    assert all(size <= max(min(len(named[n]) for n in cut), SHOWN_MIN) for size in whole if cut)


@given(contents=texts)
def test_where_there_is_room_nothing_is_cut(contents: list[str]) -> None:
    named = {str(n): text for n, text in enumerate(contents)}

    assert shown_of_each(named, sum(map(len, contents))) == {}
    assert shown_of_each(named, None) == {}


def test_an_answer_is_cut_between_lines_and_says_how_to_read_on() -> None:
    text = "\n".join(f"line {n:03}" for n in range(100))

    [(_, size)] = shown_of_each({"a": text}, 405).items()
    outcome = ToolOutcome(call_id="a", tool="look", content=text, shown=size)

    assert text[:size].endswith("\nline 044")
    said = shown(outcome, 3, 2)
    assert said.startswith("line 000\nline 001")
    assert f"`recall` with turn 3, call 2, start {size}" in said
    assert shown(ToolOutcome(call_id="a", tool="look", content=text), 3, 2) == text


OUTSIDE = '<outside source="snapshot:ab" origin="x">\nSaid.\nL1| one\nL2| two\n</outside>'


def test_each_part_has_the_mark_of_the_data_that_it_is_from() -> None:
    """As `recall` gives a turn: words of one's own, then two pages."""
    other = OUTSIDE.replace("ab", "cd").replace("two", "three")
    text = f"{'Own words. ' * 500}\n{OUTSIDE}\n\n{other}"
    at = text.index("three")

    assert labelled(text, at, at + 5) == (
        '<outside source="snapshot:cd" origin="x">\nthree\n</outside>'
    )
    assert labelled(text, 0, 40) == text[:40]


@given(st.integers(0, len(OUTSIDE)), st.integers(0, len(OUTSIDE)))
def test_data_from_outside_stays_between_its_marks_in_every_part(one: int, other: int) -> None:
    start, end = sorted((one, other))

    part = labelled(OUTSIDE, start, end)

    assert OUTSIDE[start:end] in part
    if "| " in part:
        assert part.rstrip().endswith("</outside>")
        assert part.startswith("<outside ") or OUTSIDE[start:].startswith(part)
