"""A journal gives back the very messages of a context, and the API takes them."""

from __future__ import annotations

from typing import Any, cast

import msgspec
from hypothesis import given
from hypothesis import strategies as st

from bus.codec import Envelope, as_stored, decode, encode
from bus.connection import Connection
from bus.messages import ContextClosed, DecisionTold, Intake, Message, TokenCounts, UsageSpent
from bus.run_stream import Record, RunStream
from bus.subjects import build
from team.agent import permits
from team.agent.journal import Journal, JournalBody, Transcript
from team.agent.models.rehearsal.transport import request_problem
from team.rules.stakes import Known
from tests.support.builders import (
    OPENED_AT,
    RUN,
    a_record,
    acts,
    begins,
    calls,
    compacts,
    ends,
    opens_context,
    replies,
    says,
)


def a_journal(*bodies: Message) -> Journal:
    """Ada's journal, folded from these entries; it never touches its stream."""
    journal = Journal(RunStream(cast(Connection, None), RUN), "ada")
    for seq, body in enumerate(bodies, start=1):
        kind = "usage" if isinstance(body, UsageSpent) else "journal"
        journal._take(a_record(seq, kind, author="ada", body=body))
    return journal


def a_transcript(*bodies: JournalBody | UsageSpent) -> Transcript:
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


LOST = TokenCounts(input=1_000, output=7)


def in_vain(turn: int, context: str = "task:t1:1") -> UsageSpent:
    return UsageSpent(context=context, turn=turn, model="m1", tokens=TokenCounts(), lost=LOST)


def dollars(_: str, tokens: TokenCounts) -> float | None:
    return float(tokens.total)


def test_what_tries_of_earlier_turns_took_counts() -> None:
    """In tokens and in dollars; the turn's own usage says it a second time, and adds nothing."""
    took = TokenCounts(input=50, output=3)
    paid = UsageSpent(context="task:t1:1", turn=1, model="m1", tokens=took, lost=LOST)
    transcript = a_transcript(
        replies(1, calls("a"), tokens=took, lost=LOST), paid, acts(1, "a"), replies(2, lost=LOST)
    )

    assert transcript.tokens == 53 + 2 * 1_007
    assert permits.cost_usd(transcript, dollars) == 53 + 2 * 1_007


def test_what_calls_without_an_answer_took_counts() -> None:
    """Before a turn, after it, and each time anew."""
    journal = a_journal(
        opens_context(),
        opens_context("mail:4", opening="Mail."),
        in_vain(1),
        replies(1, says("x"), tokens=TokenCounts(input=50)),
        in_vain(2),
        in_vain(2),
        in_vain(1, "mail:9"),
    )
    task, mail = journal.transcripts["task:t1:1"], journal.transcripts["mail:4"]

    assert (len(task.turns), task.tokens, mail.tokens) == (1, 50 + 3 * 1_007, 0)
    assert permits.cost_usd(task, dollars) == 50 + 3 * 1_007
    assert permits.cost_usd(mail, lambda *_: None) == 0.0


def test_a_paid_answer_of_no_tokens_is_not_in_vain() -> None:
    """Servers that count nothing exist: what its tries took is in its turn."""
    paid = msgspec.structs.replace(in_vain(1), request_id="req-1")

    assert a_transcript(replies(1, says("x"), lost=LOST), paid).tokens == 1_007


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


# --- what has left the context ----------------------------------------------------------


def test_what_stands_for_turns_that_left_comes_right_after_the_opening() -> None:
    transcript = a_transcript(
        replies(1, calls("a")),
        acts(1, "a"),
        replies(2, calls("b"), added=("Mail.",)),
        acts(2, "b"),
        compacts(1, "Turn 1 has left."),
    )

    messages = transcript.messages([])

    assert texts(messages) == [
        ["user", "Begin.", "Turn 1 has left.", "Mail."],
        ["assistant", "b"],
        ["user", "Noted."],
    ]
    assert is_taken(messages)


def test_a_context_that_all_turns_have_left_begins_anew() -> None:
    transcript = a_transcript(
        replies(1, calls("a")), acts(1, "a"), compacts(1, "All have left."), *FOLLOWING
    )

    messages = transcript.messages(["More."])

    assert texts(messages)[0] == ["user", "Begin.", "All have left.", "Mail."]
    assert is_taken(messages)


FOLLOWING = (replies(2, calls("b"), added=("Mail.",)), acts(2, "b"))


def test_of_several_compactions_the_last_one_holds() -> None:
    first, second = compacts(1, "One has left."), compacts(2, "Two have left.")

    transcript = a_transcript(
        replies(1, calls("a")), acts(1, "a"), first, *FOLLOWING, second, replies(3, says("Hm."))
    )

    assert texts(transcript.messages(["More."])) == [
        ["user", "Begin.", "Two have left."],
        ["assistant", "Hm."],
        ["user", "More."],
    ]
    assert [turn.replied.turn for turn in transcript.turns] == [1, 2, 3]


def test_what_was_told_in_turns_that_left_is_told_anew_and_may_still_be_relied_on() -> None:
    """Premises go by what was ever shown, the digest by what stands in the context."""
    told = tuple(DecisionTold(area="api", key=f"k{n}", revision=n, seq=n) for n in (1, 2))
    first = replies(1, calls("a"), told=told[:1], decisions_seq=1, decisions_heard=1)
    second = replies(2, calls("b"), told=told[1:], decisions_seq=2, decisions_heard=2)
    before = (first, acts(1, "a"), second, acts(2, "b"))

    left = a_transcript(*before, compacts(1))
    went_on = a_transcript(*before, compacts(1), replies(3, decisions_seq=2, decisions_heard=2))

    assert a_transcript(*before).known == Known(told={1: 1, 2: 2}, upto=2, heard=2)
    assert left.known == Known(told={2: 2})
    assert went_on.known == Known(told={2: 2}, upto=2, heard=2)
    assert left.told == list(told)


def test_what_left_the_context_stays_spent() -> None:
    tokens = TokenCounts(input=5, output=5)

    transcript = a_transcript(replies(1, calls("a"), tokens=tokens), acts(1, "a"), compacts(1))

    assert transcript.tokens == 10


def test_a_call_that_began_and_did_not_end_is_known() -> None:
    turn = a_transcript(replies(1, calls("a"), calls("b")), begins(1, "a"), ends(1, "a"))
    waiting = a_journal(opens_context(), replies(1, calls("a")), begins(1, "a")).transcripts

    assert turn.turns[0].ended["a"].content == "Deployed."
    assert turn.unfinished is turn.turns[0]
    [begun] = [t.turns[0].begun for t in waiting.values()]
    assert begun == {"a": OPENED_AT + 3}


# --- whatever was said ------------------------------------------------------------------

said = st.text(alphabet="ab “\n", min_size=1, max_size=5).filter(str.strip)


@st.composite
def journals(draw: st.DrawFn, *, compacted: bool = True) -> list[JournalBody]:
    """Turns as the loop commits them: each call is answered before the next turn."""
    bodies: list[JournalBody] = []
    upto = 0
    for turn in range(1, draw(st.integers(0, 6)) + 1):
        words = [says(text) for text in draw(st.lists(said, max_size=2))]
        ids = [f"toolu_{turn}_{n}" for n in range(draw(st.integers(0, 3)))]
        added = tuple(draw(st.lists(said, max_size=2)))
        bodies.append(replies(turn, *words, *map(calls, ids), added=added))
        if ids and draw(st.booleans()):
            bodies += [begins(turn, ids[0]), ends(turn, ids[0], draw(said))]
        if ids:
            bodies.append(acts(turn, *ids))
        if compacted and draw(st.integers(0, 3)) == 0:
            upto = draw(st.integers(upto + 1, turn)) if upto < turn else turn
            bodies.append(compacts(upto, draw(said)))
    return bodies


@given(bodies=journals(), added=st.lists(said, max_size=2))
def test_whatever_was_said_the_next_request_is_one_that_the_api_takes(
    bodies: list[JournalBody], added: list[str]
) -> None:
    messages = a_journal(opens_context(), *bodies).transcripts["task:t1:1"].messages(added)

    problem = request_problem({"model": "m1", "max_tokens": 9, "messages": messages})

    assert problem is None


anything = st.text(st.characters(exclude_categories=()), min_size=1, max_size=5).filter(str.strip)


@given(bodies=journals(), odd=anything, added=st.lists(said, max_size=2))
def test_after_every_entry_the_stream_gives_the_bytes_that_the_process_had(
    bodies: list[JournalBody], odd: str, added: list[str]
) -> None:
    """One journal applies what it commits, the other reads what was stored."""
    subject = build(RUN, "journal", author="ada")
    live, loaded = a_journal(), a_journal()
    for seq, body in enumerate([opens_context(opening=odd), *bodies], start=1):
        live._apply(as_stored(subject, body), at=float(seq))
        stored = decode(subject, encode(subject, Envelope(body=body)))
        loaded._take(Record(seq=seq, subject=subject, at=float(seq), envelope=stored))

        ours, theirs = (
            msgspec.json.encode(journal.transcripts["task:t1:1"].messages(added))
            for journal in (live, loaded)
        )
        assert ours == theirs


@given(bodies=journals(compacted=False), added=st.lists(said, min_size=1, max_size=2))
def test_a_request_only_grows_so_that_its_prefix_stays_cached(
    bodies: list[JournalBody], added: list[str]
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
