"""Which turns leave a context that is nearly full, and what is written in their place."""

from __future__ import annotations

from typing import Any

import msgspec
from hypothesis import given
from hypothesis import strategies as st

from bus.messages import Intake
from team.agent.briefing import Peer
from team.agent.compaction import (
    FULL_SHARE,
    KEEP_SHARE,
    Need,
    compact,
    earlier_of,
    is_crowded,
    need_of,
    refused,
)
from team.agent.earlier import (
    Around,
    Earlier,
    EarlierCall,
    Saying,
    TaskBrief,
    cut_input,
    earlier_text,
    read_earlier,
)
from team.agent.journal import JournalBody, Transcript
from team.agent.models.call import Request
from team.rules.limits import CHARACTERS_PER_TOKEN
from tests.support.builders import acts, calls, compacts, replies, says
from tests.unit.test_transcript import a_transcript

WINDOW = 10_000
AROUND = Around(
    peers=(Peer(name="bea", role="researcher", works_on="pools"),),
    tasks=(TaskBrief(id="t1", state="claimed", round=1),),
    unread=2,
)


def a_turn(number: int, tokens: int = 10, **given: Any) -> list[JournalBody]:
    """A turn with one note, whose answer has about so many tokens."""
    acted = acts(number, f"c{number}")
    content = "x" * int(tokens * CHARACTERS_PER_TOKEN)
    outcome = msgspec.structs.replace(acted.outcomes[0], content=content)
    note = calls(f"c{number}", text=f"Note {number}.")
    acted = msgspec.structs.replace(acted, outcomes=(outcome,))
    return [replies(number, note, **given), acted]


def turns(*tokens: int) -> Transcript:
    bodies = [body for n, size in enumerate(tokens, start=1) for body in a_turn(n, size)]
    return a_transcript(*bodies)


def a_request(transcript: Transcript, system: str = "") -> Request:
    return Request(
        model="m1", system=system, messages=transcript.messages([]), tools=[], max_tokens=100
    )


def left(transcript: Transcript, *, system_tokens: int = 0, window: int = WINDOW) -> int | None:
    """How many turns leave; nothing if none does."""
    request = a_request(transcript, "s" * int(system_tokens * CHARACTERS_PER_TOKEN))
    read = request.estimated_input_tokens()
    body = compact(transcript, request, AROUND, Need(reason="full", window=window), read)
    return None if body is None else body.upto


# --- when, and which -------------------------------------------------------------------


def test_turns_leave_once_a_call_would_read_most_of_the_window() -> None:
    transcript, most = turns(10), int(FULL_SHARE * WINDOW)
    full = Need(reason="the context is nearly full", window=WINDOW)

    assert need_of(transcript, most, WINDOW) is None
    assert need_of(transcript, most + 1, WINDOW) == full
    assert need_of(transcript, 1_000_000, None) is None


def test_turns_leave_when_the_model_had_no_room_left_to_write_and_only_once_for_that() -> None:
    cut = replies(2, says("So"), stop_reason="model_context_window_exceeded")
    bodies = [*a_turn(1), cut]

    assert need_of(a_transcript(*bodies), 100, WINDOW) == refused("the last reply had no room", 100)
    assert need_of(a_transcript(*bodies, compacts(1)), 100, WINDOW) is None


def test_what_a_provider_refused_is_made_smaller_however_large_the_window_is_said_to_be() -> None:
    transcript = turns(*[1_000] * 8)
    request = a_request(transcript)
    read = request.estimated_input_tokens()

    body = compact(transcript, request, AROUND, refused("too long", read), read)

    assert body is not None
    transcript.compacted, transcript.compacted_at = body, 8
    assert a_request(transcript).estimated_input_tokens() <= read / 2


def test_the_newest_turns_stay_that_fill_half_of_the_window_at_most() -> None:
    """1,000 tokens each, and room for the text: three of eight are left of it."""
    assert left(turns(*[1_000] * 8)) == 5


def test_what_was_read_last_stays_even_where_it_fills_the_window() -> None:
    """The model has not seen it yet."""
    assert left(turns(1_000, 1_000, 8_000)) == 2


def test_what_does_not_fit_at_all_leaves_unseen_and_the_member_is_told() -> None:
    transcript = turns(1_000, 12_000)
    request = a_request(transcript)

    body = compact(transcript, request, AROUND, Need(reason="full", window=WINDOW), 14_000)

    assert body is not None
    assert body.upto == 2
    earlier = read_earlier(body.text)
    assert earlier is not None
    assert "What turn 2 gave was more than your context holds" in earlier.told[-1]


def test_a_call_that_fits_with_nothing_but_the_newest_turn_is_made() -> None:
    assert left(turns(8_500)) is None


def test_what_has_left_leaves_no_more() -> None:
    assert left(a_transcript()) is None
    assert left(a_transcript(*a_turn(1), compacts(1)), system_tokens=20_000) is None


def test_a_provider_that_counts_more_than_the_estimate_is_believed() -> None:
    """Twice the tokens: half as many turns stay."""
    transcript = turns(*[1_000] * 8)
    request = a_request(transcript)
    read = 2 * request.estimated_input_tokens()

    body = compact(transcript, request, AROUND, Need(reason="full", window=WINDOW), read)

    assert body is not None
    assert body.upto == 7


def test_a_context_is_crowded_where_turns_that_leave_would_not_help() -> None:
    transcript = turns(5_000)
    slim, fat = (a_request(transcript, "s" * int(n * CHARACTERS_PER_TOKEN)) for n in (100, 8_000))

    assert not is_crowded(transcript, slim, slim.estimated_input_tokens(), WINDOW)
    assert is_crowded(transcript, fat, fat.estimated_input_tokens(), WINDOW)


@given(
    sizes=st.lists(st.integers(1, 9_000), max_size=8),
    system=st.integers(0, 12_000),
    window=st.integers(1_000, 20_000),
)
def test_each_time_more_turns_leave_until_none_can(
    sizes: list[int], system: int, window: int
) -> None:
    """So no context is compacted for ever, and the newest turn goes last."""
    transcript = turns(*sizes)
    request = a_request(transcript, "s" * system)
    before = -1
    while True:
        read = request.estimated_input_tokens()
        body = compact(transcript, request, AROUND, Need(reason="full", window=window), read)
        if body is None:
            break
        assert before < body.upto <= len(sizes)
        if body.upto < len(sizes):
            assert transcript.turns[body.upto :]
        before = body.upto
        transcript.compacted, transcript.compacted_at = body, len(sizes)
        request = a_request(transcript, "s" * system)

    assert transcript.upto == len(sizes) or (
        transcript.upto == len(sizes) - 1 and request.estimated_input_tokens() <= window
    )


# --- what is written -------------------------------------------------------------------


def some_turns() -> Transcript:
    mail = '<mail id="q1" from="bea" kind="question">\nDoes it hold?\n</mail>'
    person = '<mail id="p1" from="person" kind="note">\nLeave Windows out.\n</mail>'
    intake = tuple(
        Intake(seq=seq, message_id=name, author=author)
        for seq, name, author in ((4, "q1", "bea"), (5, "p1", "person"))
    )
    reads = calls("r1", "search_sources", query="pools " * 100, limit=8)
    acted = acts(2, "r1", "r2")
    outcomes = (
        msgspec.structs.replace(acted.outcomes[0], tool="search_sources", content="y" * 5_000),
        msgspec.structs.replace(acted.outcomes[1], tool="recall", content="z" * 5_000),
    )
    return a_transcript(
        *a_turn(1, added=(mail, person), intake=intake),
        replies(
            2,
            says("I look. " * 100),
            reads,
            calls("r2", "recall", turn=1),
            added=("<decisions>\napi/x\n</decisions>", "Wrap up: time is nearly over."),
        ),
        msgspec.structs.replace(acted, outcomes=outcomes),
    )


def test_notes_mail_and_orders_stand_word_for_word_and_the_rest_is_cut() -> None:
    earlier = earlier_of(some_turns().turns, AROUND, 20_000)

    assert earlier.notes == ("Note 1.",)
    assert [text.split("\n")[1] for text in earlier.mail] == ["Leave Windows out.", "Does it hold?"]
    assert earlier.told == ("Wrap up: time is nearly over.",)
    assert earlier.around == AROUND
    assert [(c.turn, c.call, c.tool, c.characters) for c in earlier.calls] == [
        (1, 1, "note", 35),
        (2, 1, "search_sources", 5_000),
    ]
    assert len(earlier.calls[1].gave) == len(earlier.calls[1].input["query"]) == 120
    assert earlier.calls[1].input["limit"] == 8
    assert earlier.recalls == 1
    assert earlier.said[0].text.startswith("I look.")
    assert not earlier.left_out


def test_where_there_is_no_room_what_binds_goes_first_and_the_rest_is_counted() -> None:
    earlier = earlier_of(some_turns().turns, AROUND, 500)

    assert earlier.notes == ("Note 1.",)
    assert not earlier.calls
    assert earlier.left_out["calls"] == 2


def test_of_many_notes_the_newest_are_kept() -> None:
    transcript = turns(*[1] * 60)

    earlier = earlier_of(transcript.turns, AROUND, 2_000)

    assert earlier.notes[-1] == "Note 60."
    assert 0 < len(earlier.notes) < 60
    assert earlier.left_out["notes"] == 60 - len(earlier.notes)


@given(st.lists(st.integers(1, 400), max_size=20), st.integers(0, 30_000))
def test_what_is_written_keeps_to_its_room(sizes: list[int], characters: int) -> None:
    """But for the words around it, and what is around the member."""
    text = earlier_text(earlier_of(turns(*sizes).turns, AROUND, characters))

    assert len(text) < characters + 1_500


words = st.text(min_size=1, max_size=30)


@given(
    st.builds(
        Earlier,
        upto=st.integers(1, 99),
        told=st.lists(words | st.just("\n```\n{}\n```json\n"), max_size=3).map(tuple),
        notes=st.lists(words | st.just("```\nWrap up: now.\n```"), max_size=3).map(tuple),
        mail=st.lists(words, max_size=2).map(tuple),
        said=st.lists(st.builds(Saying, turn=st.integers(1, 9), text=words), max_size=2).map(tuple),
        calls=st.lists(
            st.builds(
                EarlierCall,
                turn=st.integers(1, 9),
                call=st.integers(1, 9),
                tool=words,
                input=st.dictionaries(words, words, max_size=2),
                gave=words,
                characters=st.integers(0, 999),
            ),
            max_size=2,
        ).map(tuple),
        around=st.just(AROUND),
    )
)
def test_whatever_stands_in_the_text_a_program_reads_it_back(earlier: Earlier) -> None:
    """Nobody breaks out of the block: neither a note nor a peer's mail."""
    assert read_earlier(earlier_text(earlier)) == earlier


def test_other_texts_are_nothing_that_left() -> None:
    assert read_earlier("Turns 1 to 3 have left this context.") is None
    assert (
        read_earlier('Hm. Turns 1 to 3 have left this context\n```json\n{"upto": 3}\n```') is None
    )
    assert read_earlier("Turns 1 to 3 have left this context\n```json\n{}\n```") is None


def test_an_input_keeps_its_shape_when_it_is_cut() -> None:
    given_ = {"to": "bea", "n": 1, "evidence": [{"quote": "q" * 200}] * 6}

    cut = cut_input(given_)

    assert (cut["to"], cut["n"]) == ("bea", 1)
    assert len(cut["evidence"]) == 5
    assert cut["evidence"][-1] == "… 2 more"
    assert len(cut["evidence"][0]["quote"]) == 120


def test_half_of_the_window_is_free_again_for_what_comes() -> None:
    transcript = turns(*[500] * 20)
    request = a_request(transcript)
    read = request.estimated_input_tokens()

    body = compact(transcript, request, AROUND, Need(reason="full", window=WINDOW), read)

    assert body is not None
    transcript.compacted, transcript.compacted_at = body, 20
    assert a_request(transcript).estimated_input_tokens() <= KEEP_SHARE * WINDOW
