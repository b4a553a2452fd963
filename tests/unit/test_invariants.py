"""That the checks of the chaos suite can fail: each meets a stream that breaks it."""

from __future__ import annotations

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from bus.codec import Envelope
from bus.messages import (
    AnyMessage,
    ContextClosed,
    ContextOpened,
    DecisionRecorded,
    DecisionRuled,
    DecisionWithdrawn,
    FindingSubmitted,
    Mail,
    MemberSeated,
    Note,
    ResultPublished,
    RunOpened,
    TaskClaimed,
    TaskOpened,
    TaskSettled,
    TokenCounts,
    ToolOutcome,
    TurnActed,
    TurnReplied,
    UsageSpent,
    VerdictGiven,
)
from bus.run_stream import Record
from bus.subjects import build
from tests.support.builders import RUN, opens
from tests.support.chaos import assert_not_asked_again
from tests.support.invariants import AT_END, SAFETY, batches, broken
from tests.support.whole_run import a_whole_run

SOUND = a_whole_run()
PAID = TokenCounts(input=1, output=1)
LOST = TokenCounts(input=3_000, output=2)


def numbered(records: list[Record]) -> list[Record]:
    """The same records, as if nothing had been taken out or put in."""
    return [msgspec.structs.replace(r, seq=seq) for seq, r in enumerate(records, start=1)]


def at(kind: type, number: int = 0) -> int:
    """Where in the sound run the first message of a type stands, or a later one."""
    return [place for place, r in enumerate(SOUND) if isinstance(r.body, kind)][number]


def again(place: int, message_id: str = "again") -> Record:
    """A record as it would be stored a second time, under another id."""
    record = SOUND[place]
    assert record.envelope is not None
    envelope = msgspec.structs.replace(record.envelope, id=message_id)
    return msgspec.structs.replace(record, envelope=envelope)


def told(kind: str, *names: str, author: str, body: AnyMessage) -> Record:
    """A record that does not belong to the sound run."""
    envelope = Envelope(body=body, id="told")
    return Record(seq=0, subject=build(RUN, kind, *names, author=author), at=1.0, envelope=envelope)


def without(place: int) -> list[Record]:
    return numbered([*SOUND[:place], *SOUND[place + 1 :]])


def with_one(place: int, *records: Record) -> list[Record]:
    return numbered([*SOUND[:place], *records, *SOUND[place:]])


def changed(place: int, **fields: object) -> list[Record]:
    record = SOUND[place]
    assert record.envelope is not None
    body = msgspec.structs.replace(record.envelope.body, **fields)
    envelope = msgspec.structs.replace(record.envelope, body=body)
    return [*SOUND[:place], msgspec.structs.replace(record, envelope=envelope), *SOUND[place + 1 :]]


def names(records: list[Record]) -> set[str]:
    return {one.name for one in broken(records, has_ended=True)}


def decided(*bodies: AnyMessage) -> list[Record]:
    """The sound run with more said of the key that it decides, by the same author."""
    records = [told("decision", "terms", "pool", author="ada", body=body) for body in bodies]
    return with_one(at(DecisionRecorded) + 1, *records)


def in_vain(turn: int = 1) -> Record:
    """What a call of ada's first context took that never gave an answer."""
    first = SOUND[at(TurnReplied)]
    body = UsageSpent(
        context=first.body.context, turn=turn, model="m1", tokens=TokenCounts(), lost=LOST
    )
    return told("usage", author=first.subject.author, body=body)


ANEW = DecisionRecorded(statement="A pool is a queue.")
REPLACES = msgspec.structs.replace(ANEW, supersedes=SOUND[at(DecisionRecorded)].seq)
NARROW = MemberSeated(role="researcher", filters=("run.r1.mail.ada.*",))
DECIDED = ToolOutcome(call_id="a1", tool="record_decision", content="Recorded: terms/queue.")

SPOILED: dict[str, tuple[str, list[Record]]] = {
    "a gap": ("sequences are contiguous", [*SOUND[:5], *SOUND[6:]]),
    "a message of no version": (
        "every record can be read",
        [*SOUND[:-1], msgspec.structs.replace(SOUND[-1], envelope=None, problem="unknown type")],
    ),
    "a repeat": ("no message is stored twice", numbered([*SOUND, SOUND[3]])),
    "opened twice": ("a run is opened once and ends once", with_one(1, again(at(RunOpened)))),
    "two results": (
        "a run is opened once and ends once",
        numbered([*SOUND, again(len(SOUND) - 1)]),
    ),
    "a result by a teammate": (
        "a run is opened once and ends once",
        numbered([*SOUND, told("result", author="ada", body=ResultPublished(status="admitted"))]),
    ),
    "a context opened twice": ("journals are unbroken", with_one(20, again(at(ContextOpened)))),
    "a call made again": (
        "journals are unbroken",
        with_one(at(TurnReplied) + 2, again(at(TurnReplied)), again(at(UsageSpent), "paid")),
    ),
    "a call that is missing": ("journals are unbroken", without(at(TurnReplied))),
    "tools run twice": ("journals are unbroken", with_one(at(TurnActed) + 1, again(at(TurnActed)))),
    "tools that never ran": ("journals are unbroken", without(at(TurnActed))),
    "other tools": ("journals are unbroken", changed(at(TurnActed), outcomes=())),
    "a word after the end": (
        "journals are unbroken",
        with_one(at(ContextClosed) + 1, again(at(ContextClosed))),
    ),
    "a call nobody paid": ("every call is paid once", without(at(UsageSpent))),
    "a call paid twice": (
        "every call is paid once",
        with_one(at(UsageSpent), again(at(UsageSpent))),
    ),
    "another price": ("every call is paid once", changed(at(UsageSpent), tokens=PAID)),
    "tries at another price": ("every call is paid once", changed(at(UsageSpent), lost=PAID)),
    "a call in vain for a turn that was had": (
        "every call is paid once",
        with_one(at(UsageSpent) + 1, in_vain(1)),
    ),
    "a call in vain in place of what a turn took": (
        "every call is paid once",
        changed(at(UsageSpent), tokens=TokenCounts(), lost=LOST, request_id=""),
    ),
    "one answer for two turns": (
        "no answer is used twice",
        changed(at(TurnReplied), request_id="req-1"),
    ),
    "a second claim": (
        "tasks move as the board allows",
        with_one(at(TaskClaimed) + 1, again(at(TaskClaimed))),
    ),
    "settled twice": ("a task is settled once", numbered([*SOUND, again(at(TaskSettled))])),
    "claimed after it was settled": (
        "a task is settled once",
        numbered([*SOUND, again(at(TaskClaimed))]),
    ),
    "a seat laid out anew without the task": (
        "who is offered a task hears of it",
        with_one(at(TaskClaimed), told("member", "ada", author="lead", body=NARROW)),
    ),
    "no finding in the batch": ("no finding is lost or doubled", without(at(FindingSubmitted))),
    "two findings in a batch": (
        "no finding is lost or doubled",
        with_one(at(FindingSubmitted), again(at(FindingSubmitted))),
    ),
    "a finding that was returned and not submitted": (
        "no finding is lost or doubled",
        without(at(FindingSubmitted) + 1),
    ),
    "a verdict that is missing": ("no finding is lost or doubled", without(at(VerdictGiven, 1))),
    "a finding by no turn": (
        "tools send what their turn says",
        without(at(FindingSubmitted) - 1),
    ),
    "a decision by no turn": (
        "tools send what their turn says",
        numbered([*SOUND, again(at(DecisionRecorded))]),
    ),
    "a decision that is lost": (
        "tools send what their turn says",
        changed(at(TurnActed), outcomes=(DECIDED,)),
    ),
    "a letter that is lost": ("no letter is lost or doubled", without(at(Mail))),
    "a letter sent twice": ("no letter is lost or doubled", with_one(at(Mail), again(at(Mail)))),
    "a turn that sent it before": (
        "no letter is lost or doubled",
        with_one(at(Mail) + 1, again(at(Mail) - 1)),
    ),
    "read twice": (
        "a letter is read at most once",
        changed(at(TurnReplied, -1), intake=SOUND[at(ContextClosed) - 2].body.intake),
    ),
    "read before it was sent": (
        "a letter is read at most once",
        changed(at(TurnReplied), intake=SOUND[at(ContextClosed) - 2].body.intake),
    ),
    "a letter passed over": (
        "no letter is passed over",
        with_one(at(Mail), told("mail", "lead", author="person", body=Note(text="Look here."))),
    ),
    "two decisions for a key": ("no key has two decisions in force", decided(ANEW)),
    "a call beyond the budget": (
        "no budget is exceeded",
        changed(at(UsageSpent), tokens=TokenCounts(input=10_000_000, output=1)),
    ),
    "tries beyond the budget": (
        "no budget is exceeded",
        changed(at(UsageSpent), lost=TokenCounts(input=10_000_000)),
    ),
    "no result": ("the run has a result", SOUND[:-1]),
    "a task left open": ("every task is settled", without(at(TaskSettled))),
    "a task opened and left": (
        "every task is settled",
        numbered([*SOUND, told("task", "t9", author="lead", body=opens())]),
    ),
    "a finding nobody verified": ("the audit finds no breach", without(at(VerdictGiven, 1))),
}
"""What is wrong with a stream, which check has to see it, and the stream."""


def test_a_sound_run_breaks_nothing_whole_or_in_part() -> None:
    """At every whole batch of it, too: that is where a kill may leave it."""
    assert broken(SOUND, has_ended=True) == []
    whole = 0
    for batch in batches(SOUND):
        assert broken(SOUND[:whole], has_ended=False) == [] or _is_half(SOUND[:whole])
        whole += len(batch)


def _is_half(records: list[Record]) -> bool:
    """Whether a prefix ends between a reply and what it took: no kill leaves it so."""
    return isinstance(records[-1].body, TurnReplied)


@pytest.mark.parametrize("name", SPOILED)
def test_a_spoiled_run_is_seen(name: str) -> None:
    """By the check that is there for it."""
    check, records = SPOILED[name]

    found = broken(records, has_ended=True)

    assert check in {one.name for one in found}, [str(one) for one in found]
    assert all(one.what for one in found)


def test_each_check_has_a_stream_that_breaks_it() -> None:
    """A check that can't fail would be none."""
    assert {check for check, _ in SPOILED.values()} == {*SAFETY, *AT_END}


def test_what_broken_answers_took_breaks_nothing() -> None:
    """Of a call that was answered in the end, and of calls that never were."""
    reply, paid = at(TurnReplied), at(UsageSpent)
    assert paid == reply + 1
    tried = [changed(reply, lost=LOST)[reply], changed(paid, lost=LOST)[paid]]
    vain = msgspec.structs.replace(in_vain().envelope, id="vain")

    records = [
        *SOUND[:reply],
        in_vain(),
        msgspec.structs.replace(in_vain(), envelope=vain),
        *tried,
        *SOUND[paid + 1 :],
    ]

    payments = {"every call is paid once", "no budget is exceeded"}
    assert not payments & names(numbered(records)), broken(numbered(records), has_ended=True)


def test_a_decision_may_follow_what_it_names_or_what_no_longer_holds() -> None:
    """Two in force would be two that hold at once, not two in a row."""
    name = "no key has two decisions in force"
    before = SOUND[at(DecisionRecorded)].seq
    withdrawn = DecisionWithdrawn(revision=before, reason="It was wrong.")
    ruled = DecisionRuled(revision=before, outcome="withdrawn", reason="It was wrong.")

    assert name not in names(decided(REPLACES))
    assert name not in names(decided(withdrawn, ANEW))
    assert name in names(decided(REPLACES, ANEW))
    assert "is decided anew" not in str(broken(decided(ruled, ANEW), has_ended=False))


SENT = ("journal", "usage", "mail", "task")


@given(st.sampled_from([place for place, r in enumerate(SOUND) if r.subject.kind in SENT]))
def test_whatever_is_lost_is_missed(place: int) -> None:
    """Any one journal entry, payment, letter or move of a task; not by the audit alone."""
    found = names(without(place)) - {"the audit finds no breach"}

    assert found or isinstance(SOUND[place].body, ContextClosed)


@given(
    st.sampled_from([place for place, r in enumerate(SOUND) if r.subject.kind in SENT]),
    st.integers(0, len(SOUND)),
)
def test_whatever_is_doubled_is_seen(place: int, where: int) -> None:
    """Any one of these, stored a second time anywhere after it under another id."""
    records = with_one(max(where, place + 1), again(place))

    found = names(records) - {"the audit finds no breach"}

    assert found or isinstance(SOUND[place].body, TaskOpened)


def test_a_letter_read_by_another_is_seen() -> None:
    place = at(ContextClosed) - 2
    records = list(SOUND)
    thief = msgspec.structs.replace(records[place], subject=build(RUN, "journal", author="vera"))
    records[place] = thief

    whats = [one.what for one in broken(records, has_ended=False)]

    assert any(what.endswith("vera read run.r1.mail.lead.ada") for what in whats), whats


def test_a_call_that_is_asked_again_after_its_answer_was_stored_is_seen() -> None:
    """Before, it may be: who asked first may have died with the answer in hand."""
    stored = next(
        r for r in SOUND if isinstance(r.body, TurnReplied) and r.body.request_id == "req-1"
    )
    first, before, after = (
        (stored.at - 2, "req-1"),
        (stored.at - 1, "req-1"),
        (stored.at + 1, "req-1"),
    )

    assert_not_asked_again(SOUND, [first, before])
    with pytest.raises(AssertionError, match="was asked again"):
        assert_not_asked_again(SOUND, [first, after])
    with pytest.raises(AssertionError, match="never gave"):
        assert_not_asked_again(SOUND, [])
