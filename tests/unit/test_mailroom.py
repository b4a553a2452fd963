"""Mail and its receipts: stored, fetched, in context at turn n, answered."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bus.messages import (
    Answer,
    AnyMail,
    Challenge,
    Intake,
    Note,
    Question,
    Rebuttal,
)
from bus.run_stream import Record
from team.state import Mailroom
from tests.support.builders import a_record, replies, says


def mail(seq: int, author: str, to: str, body: AnyMail, message_id: str | None = None) -> Record:
    return a_record(seq, "mail", to, author=author, body=body, message_id=message_id)


def takes_in(seq: int, author: str, message_id: str, turn: int) -> Record:
    intake = (Intake(seq=1, message_id=message_id, author="bea"),)
    body = replies(turn, says("Hm."), intake=intake)
    return a_record(seq, "journal", author=author, body=body)


def room_with(*records: Record) -> Mailroom:
    room = Mailroom()
    for record in records:
        room.apply(record)
    return room


ASKED = mail(1, "bea", "ada", Question(text="Does it hold?"), "q1")


def test_a_receipt_goes_from_stored_to_fetched_to_context_to_answered() -> None:
    room = room_with(ASKED)
    receipts = [room.letters["q1"].receipt(), room.letters["q1"].receipt(fetched_seq=1)]

    room.apply(takes_in(2, "ada", "q1", turn=4))
    receipts.append(room.letters["q1"].receipt())
    room.apply(mail(3, "ada", "bea", Answer(text="Yes.", in_reply_to="q1")))
    receipts.append(room.letters["q1"].receipt())

    assert receipts == ["stored", "fetched", "in context at turn 4", "answered (read at turn 4)"]


def test_a_message_behind_what_was_fetched_is_only_stored() -> None:
    room = room_with(mail(7, "bea", "ada", Note(text="By the way.")))

    assert room.letters["m7"].receipt(fetched_seq=6) == "stored"


def test_an_answer_without_a_recorded_reading_is_an_answer_all_the_same() -> None:
    """The lead is sent no journals: it knows of answers only."""
    room = room_with(ASKED, mail(2, "ada", "bea", Answer(text="Yes.", in_reply_to="q1")))

    assert room.letters["q1"].receipt() == "answered"


@pytest.mark.parametrize(
    ("body", "is_owed"),
    [
        (Question(text="?"), True),
        (Challenge(text="!"), True),
        (Answer(text="."), False),
        (Rebuttal(text="."), False),
        (Note(text="."), False),
    ],
)
def test_only_questions_and_challenges_want_a_reply(body: AnyMail, is_owed: bool) -> None:
    room = room_with(mail(1, "bea", "ada", body))

    assert [letter.id for letter in room.unanswered("ada")] == (["m1"] if is_owed else [])
    assert room.unanswered("bea") == []


def test_a_letter_knows_its_kind_author_and_reader() -> None:
    letter = room_with(ASKED).letters["q1"]

    assert (letter.kind, letter.author, letter.to, letter.seq) == ("question", "bea", "ada", 1)


@pytest.mark.parametrize("reply", [Answer, Challenge, Rebuttal])
def test_a_question_is_answered_by_any_kind_of_reply(reply: type[AnyMail]) -> None:
    room = room_with(ASKED, mail(2, "ada", "bea", reply(text="So.", in_reply_to="q1")))

    assert room.letters["q1"].answered_by == "m2"
    assert not room.letters["q1"].wants_reply


@pytest.mark.parametrize(
    ("author", "to", "body"),
    [
        ("cleo", "bea", Answer(text="Yes.", in_reply_to="q1")),  # was not asked
        ("ada", "cleo", Answer(text="Yes.", in_reply_to="q1")),  # tells somebody else
        ("ada", "bea", Note(text="Later.", in_reply_to="q1")),  # a note is no answer
        ("ada", "bea", Answer(text="Yes.", in_reply_to="q9")),  # answers nothing
        ("ada", "bea", Question(text="Why?", in_reply_to="q1")),  # asks back
    ],
)
def test_a_question_stays_open_until_who_was_asked_replies_to_who_asked(
    author: str, to: str, body: AnyMail
) -> None:
    room = room_with(ASKED, mail(2, author, to, body))

    assert room.letters["q1"].wants_reply


def test_only_its_reader_takes_a_message_in() -> None:
    room = room_with(ASKED, takes_in(2, "cleo", "q1", turn=1))

    assert room.letters["q1"].turn is None


def test_the_first_reading_is_the_one_that_counts() -> None:
    room = room_with(ASKED, takes_in(2, "ada", "q1", turn=3), takes_in(3, "ada", "q1", turn=5))

    assert room.letters["q1"].turn == 3
    assert room.letters["q1"].context == "task:t1:1"


def test_an_intake_of_an_unknown_message_changes_nothing() -> None:
    room = room_with(takes_in(1, "ada", "q1", turn=1))

    assert room.letters == {}


def test_a_message_that_is_stored_twice_keeps_its_receipt() -> None:
    """Acting twice on one message changes nothing, nor does another's use of its id."""
    room = room_with(ASKED, takes_in(2, "ada", "q1", turn=1))
    before = dict(room.letters)

    room.apply(mail(3, "bea", "ada", Question(text="Does it hold?"), "q1"))
    room.apply(mail(4, "cleo", "ada", Question(text="Obey me."), "q1"))

    assert room.letters == before


def test_of_whom_a_reply_is_awaited_is_known_until_it_comes() -> None:
    room = room_with(
        ASKED,
        mail(2, "bea", "cleo", Challenge(text="No."), "q2"),
        mail(3, "bea", "dora", Note(text="By the way.")),
        mail(4, "cleo", "bea", Question(text="Why?"), "q3"),
    )
    assert room.awaited() == {"bea": {"ada", "cleo"}, "cleo": {"bea"}}

    room.apply(mail(5, "ada", "bea", Answer(text="Yes.", in_reply_to="q1")))
    room.apply(mail(6, "bea", "cleo", Note(text="Later.", in_reply_to="q3")))
    assert room.awaited() == {"bea": {"cleo"}, "cleo": {"bea"}}


def test_mail_to_a_member_comes_in_the_order_it_was_stored() -> None:
    room = room_with(
        ASKED, mail(2, "ada", "bea", Note(text="x")), mail(3, "cleo", "ada", Note(text="y"))
    )

    assert [letter.id for letter in room.to_member("ada")] == ["q1", "m3"]


def test_a_record_that_cannot_be_read_is_no_mail() -> None:
    assert room_with(a_record(1, "mail", "ada", author="bea")).letters == {}


ORDER = ("stored", "in context", "answered")


@given(
    acts=st.lists(
        st.tuples(
            st.sampled_from(["read", "answer", "again", "note"]),
            st.sampled_from(["ada", "bea", "cleo"]),
        ),
        max_size=12,
    )
)
def test_a_receipt_never_goes_back(acts: list[tuple[str, str]]) -> None:
    room = room_with(ASKED)
    reached = 0
    for seq, (act, author) in enumerate(acts, start=2):
        match act:
            case "read":
                room.apply(takes_in(seq, author, "q1", turn=seq))
            case "answer":
                room.apply(mail(seq, author, "bea", Answer(text="Yes.", in_reply_to="q1")))
            case "again":
                room.apply(mail(seq, author, "ada", Question(text="?"), "q1"))
            case _:
                room.apply(mail(seq, author, "bea", Note(text="x", in_reply_to="q1")))
        now = room.letters["q1"].receipt()
        place = next(n for n, stage in enumerate(ORDER) if now.startswith(stage))

        assert place >= reached
        reached = place
