"""A journal gives back the very messages of a context, and the API takes them."""

from __future__ import annotations

from typing import Any, cast

import msgspec
from hypothesis import given
from hypothesis import strategies as st

from bus.connection import Connection
from bus.messages import ContextClosed, Intake, Message, TokenCounts
from bus.run_stream import RunStream
from team.agent.journal import Journal, JournalBody, Transcript
from team.agent.models.rehearsal.transport import request_problem
from tests.support.builders import (
    RUN,
    a_record,
    acts,
    calls,
    opens_context,
    replies,
    says,
)


def a_journal(*bodies: Message) -> Journal:
    """Ada's journal, folded from these entries; it never touches its stream."""
    journal = Journal(RunStream(cast(Connection, None), RUN), "ada")
    for seq, body in enumerate(bodies, start=1):
        journal._take(a_record(seq, "journal", author="ada", body=body))
    return journal


def a_transcript(*bodies: JournalBody) -> Transcript:
    return a_journal(opens_context(), *bodies).transcripts["task:t1:1"]


def texts(messages: list[dict[str, Any]]) -> list[list[str]]:
    """The messages as roles and words, for reading."""
    return [
        [message["role"], *(b.get("text") or b.get("content") or b["id"] for b in blocks)]
        for message in messages
        for blocks in [message["content"]]
    ]


def is_taken(messages: list[dict[str, Any]]) -> bool:
    return request_problem({"model": "m1", "max_tokens": 9, "messages": messages}) is None


def test_a_fresh_context_is_its_opening_and_what_enters_with_it() -> None:
    messages = a_transcript().messages(["Mail."])

    assert texts(messages) == [["user", "Begin.", "Mail."]]


def test_turns_come_back_as_they_were_sent_and_received() -> None:
    transcript = a_transcript(
        replies(1, says("Hm."), calls("a"), calls("b")),
        acts(1, "a", "b"),
        replies(2, says("Done."), added=("Mail.",)),
    )

    messages = transcript.messages(["Nobody reads your text."])

    assert texts(messages) == [
        ["user", "Begin."],
        ["assistant", "Hm.", "a", "b"],
        ["user", "Noted.", "Noted.", "Mail."],
        ["assistant", "Done."],
        ["user", "Nobody reads your text."],
    ]
    assert is_taken(messages)


def test_the_models_blocks_are_kept_word_for_word() -> None:
    """Thinking blocks and their signatures must go back unchanged."""
    thinking = {"type": "thinking", "thinking": "…", "signature": "c2ln"}

    transcript = a_transcript(replies(1, thinking, calls("a", text="“x”")), acts(1, "a"))

    assert transcript.messages([])[1]["content"] == [thinking, calls("a", text="“x”")]


def test_a_failed_tool_is_marked_as_an_error() -> None:
    acted = acts(1, "a")
    failed = msgspec.structs.replace(acted.outcomes[0], is_error=True)
    acted = msgspec.structs.replace(acted, outcomes=(failed,))

    messages = a_transcript(replies(1, calls("a")), acted).messages([])

    assert messages[-1]["content"][0]["is_error"] is True
    assert is_taken(messages)


def test_an_empty_reply_is_not_sent_back() -> None:
    """Models end a turn without a word now and then; the API takes no empty message."""
    transcript = a_transcript(
        replies(1, calls("a")), acts(1, "a"), replies(2, added=("Mail.",)), replies(3)
    )

    messages = transcript.messages(["Return with `submit_finding`."])

    assert texts(messages) == [
        ["user", "Begin."],
        ["assistant", "a"],
        ["user", "Noted.", "Mail.", "Return with `submit_finding`."],
    ]
    assert is_taken(messages)


def test_a_turn_whose_tools_have_not_run_is_unfinished() -> None:
    waiting = a_transcript(replies(1, calls("a")))
    said = a_transcript(replies(1, says("Hm.")))
    acted = a_transcript(replies(1, calls("a")), acts(1, "a"))

    assert waiting.unfinished is waiting.turns[0]
    assert said.unfinished is None
    assert acted.unfinished is None
    assert a_transcript().unfinished is None


def test_the_answer_is_that_of_the_turn_that_ends_the_assignment() -> None:
    turn = replies(1, calls("a"))
    answered = acts(1, "a", ends=True, answer=msgspec.Raw(b'{"summary":"s"}'))

    assert a_transcript(turn, answered).answer == b'{"summary":"s"}'
    assert a_transcript(turn, acts(1, "a")).answer is None
    assert a_transcript(turn).answer is None
    assert a_transcript().answer is None


def test_the_tokens_of_all_calls_are_counted() -> None:
    tokens = TokenCounts(input=1, cache_read=2, cache_write=3, output=4)

    transcript = a_transcript(replies(1, tokens=tokens), replies(2, tokens=tokens))

    assert transcript.tokens == 20


# --- the journal ----------------------------------------------------------------------


def test_contexts_are_kept_apart() -> None:
    closed = ContextClosed(context="mail:4", returned=True, reason="done")
    journal = a_journal(
        opens_context(),
        opens_context("mail:4", opening="Mail."),
        replies(1, says("x")),
        replies(1, says("y"), context="mail:4"),
        closed,
    )

    assert set(journal.transcripts) == {"task:t1:1", "mail:4"}
    assert journal.transcripts["mail:4"].closed == closed
    assert journal.transcripts["task:t1:1"].closed is None
    assert [len(t.turns) for t in journal.transcripts.values()] == [1, 1]


def test_what_was_taken_in_is_known_over_all_contexts() -> None:
    def intake(message_id: str) -> tuple[Intake, ...]:
        return (Intake(seq=1, message_id=message_id, author="bea"),)

    journal = a_journal(
        opens_context(),
        opens_context("mail:4"),
        replies(1, intake=intake("q1")),
        replies(1, intake=intake("q2"), context="mail:4"),
    )

    assert journal.taken_in == {"q1", "q2"}


def test_an_entry_that_cannot_be_read_changes_no_context() -> None:
    journal = a_journal(opens_context())

    journal._take(a_record(9, "journal", author="ada"))

    assert len(journal.transcripts) == 1


# --- whatever was said ------------------------------------------------------------------

said = st.text(alphabet="ab “\n", min_size=1, max_size=5).filter(str.strip)


@st.composite
def journals(draw: st.DrawFn) -> list[Message]:
    """Turns as the loop commits them: each call is answered before the next turn."""
    bodies: list[Message] = []
    for turn in range(1, draw(st.integers(0, 6)) + 1):
        words = [says(text) for text in draw(st.lists(said, max_size=2))]
        ids = [f"toolu_{turn}_{n}" for n in range(draw(st.integers(0, 3)))]
        added = tuple(draw(st.lists(said, max_size=2)))
        bodies.append(replies(turn, *words, *map(calls, ids), added=added))
        if ids:
            bodies.append(acts(turn, *ids))
    return bodies


@given(bodies=journals(), added=st.lists(said, max_size=2))
def test_whatever_was_said_the_next_request_is_one_that_the_api_takes(
    bodies: list[Message], added: list[str]
) -> None:
    messages = a_journal(opens_context(), *bodies).transcripts["task:t1:1"].messages(added)

    problem = request_problem({"model": "m1", "max_tokens": 9, "messages": messages})

    assert problem is None


@given(bodies=journals(), added=st.lists(said, max_size=2))
def test_the_same_journal_gives_the_same_bytes(bodies: list[Message], added: list[str]) -> None:
    first, second = (
        msgspec.json.encode(
            a_journal(opens_context(), *bodies).transcripts["task:t1:1"].messages(added)
        )
        for _ in range(2)
    )

    assert first == second


@given(bodies=journals(), added=st.lists(said, min_size=1, max_size=2))
def test_a_request_only_grows_so_that_its_prefix_stays_cached(
    bodies: list[Message], added: list[str]
) -> None:
    """What was sent before is sent again, byte for byte, before anything new."""
    transcript = a_journal(opens_context(), *bodies).transcripts["task:t1:1"]
    before = transcript.messages(added)

    turn = len(transcript.turns) + 1
    reply = replies(turn, says("Hm."), added=tuple(added))
    after = a_journal(opens_context(), *bodies, reply).transcripts["task:t1:1"].messages(["More."])

    assert after[: len(before)] == before


def test_reading_the_blocks_of_a_turn_gives_its_calls() -> None:
    turn = a_transcript(replies(1, says("x"), calls("a", "note", text="y"))).turns[0]

    assert [(c.id, c.name, c.input) for c in turn.calls] == [("a", "note", {"text": "y"})]
