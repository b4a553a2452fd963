"""What reaches a member between its turns, on a real feed: in order, within budgets, kept."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator

import pytest

from bus.connection import Connection
from bus.feed import Feed, create_feed, feed_position
from bus.messages import (
    AnyMessage,
    CancelRun,
    DecisionRecorded,
    MemberSeated,
    Note,
    StopMember,
    WrapUp,
)
from bus.run_stream import Entry, RunStream
from bus.subjects import build
from team.agent.decision_log import ContextDecisions
from team.agent.inbox import MAIL_TOKENS_MAX, Inbox
from team.agent.journal import Journal, Transcript
from team.rules.digest import Digest
from team.rules.limits import CHARACTERS_PER_TOKEN
from team.rules.world import teammate_filters
from team.state import RunState
from tests.support.builders import opens_context


async def _send(stream: RunStream, kind: str, *names: str, author: str, body: AnyMessage) -> int:
    subject = build(stream.run, kind, *names, author=author)
    return await stream.append(Entry(subject=subject, body=body))


DIGEST_TOKENS = 400


def _news(stream: RunStream, inbox: Inbox) -> Digest:
    """What a fresh context of ada's is told of decisions."""
    told = ContextDecisions("ada", Journal(stream, "ada"), DIGEST_TOKENS)
    fresh = Transcript(opened=opens_context(), at=0.0)
    return told.digest(fresh, inbox.state.decisions, "Find out about choice 99.")


@pytest.fixture
async def inbox(connection: Connection, stream: RunStream) -> AsyncIterator[Inbox]:
    """Ada's inbox, listening; she cares for the area `api`."""
    filters = teammate_filters(stream.run, "ada", ["t1"], ["api"])
    await create_feed(connection, stream.run, "ada", filters)
    seat = MemberSeated(role="researcher", filters=filters)
    await _send(stream, "member", "ada", author="lead", body=seat)
    made = Inbox(Feed(connection, stream.run, "ada"), RunState(), "ada")
    await made.load(stream, filters, ())
    await made.start()
    yield made
    await made.stop()


async def test_mail_enters_by_class_person_before_lead_before_peers(
    stream: RunStream, inbox: Inbox
) -> None:
    """The order in which it came counts only within a class."""
    for author in ("bea", "lead", "person"):
        seq = await _send(stream, "mail", "ada", author=author, body=Note(text=f"from {author}"))
    await inbox.reached(seq)

    taken = inbox.take()

    assert [intake.author for intake in taken.intake] == ["person", "lead", "bea"]
    assert 'from="person"' in taken.blocks[0]


async def test_what_was_taken_stays_until_its_turn_is_committed(
    connection: Connection, stream: RunStream, inbox: Inbox
) -> None:
    """A model call that fails loses no mail; once confirmed it is acked and gone."""
    seq = await _send(stream, "mail", "ada", author="bea", body=Note(text="hello"))
    await inbox.reached(seq)
    first = inbox.take()

    assert inbox.take() == first
    await inbox.confirm(first)

    assert not inbox.has_mail
    assert inbox.take().blocks == ()
    position = await feed_position(connection, stream.run, "ada")
    assert position is not None
    assert position.fetched_seq == seq


async def test_mail_beyond_the_budget_waits_for_the_next_turn(
    stream: RunStream, inbox: Inbox
) -> None:
    """One long message always enters; what no longer fits is not lost."""
    for n in range(6):
        body = Note(text=f"{n}" + "x" * 3_900)
        seq = await _send(stream, "mail", "ada", author="bea", body=body)
    await inbox.reached(seq)

    first = inbox.take()
    await inbox.confirm(first)
    second = inbox.take()

    assert sum(map(len, first.blocks)) <= MAIL_TOKENS_MAX * 3.5
    assert [*first.seqs, *second.seqs] == sorted([*first.seqs, *second.seqs])
    assert len(first.seqs) + len(second.seqs) == 6
    assert len(first.seqs) < 6


async def test_many_decisions_enter_as_a_digest_of_bounded_size(
    stream: RunStream, inbox: Inbox
) -> None:
    """A hundred choices of others cost no more than the budget; the rest is counted."""
    for n in range(100):
        body = DecisionRecorded(statement=f"Choice {n}: " + "y" * 200)
        seq = await _send(stream, "decision", "api", f"k{n}", author="bea", body=body)
    await inbox.reached(seq)

    news = _news(stream, inbox)

    assert inbox.take().blocks == ()
    assert len(news.text) <= DIGEST_TOKENS * CHARACTERS_PER_TOKEN
    assert "Choice 99" in news.text
    rest = 100 - len(news.told) - len(news.named)
    assert f"and {rest} in api: search_decisions" in news.text


async def test_decisions_of_other_areas_and_mail_of_others_never_come(
    stream: RunStream, inbox: Inbox
) -> None:
    """The filter list is the boundary."""
    other = DecisionRecorded(statement="Elsewhere.")
    await _send(stream, "decision", "ui", "k", author="bea", body=other)
    await _send(stream, "mail", "bea", author="cleo", body=Note(text="secret"))
    seq = await _send(stream, "mail", "ada", author="bea", body=Note(text="for ada"))
    await inbox.reached(seq)

    taken = inbox.take()

    assert len(taken.blocks) == 1
    assert "for ada" in taken.blocks[0]
    assert _news(stream, inbox).text == ""
    assert not inbox.state.decisions.history


async def test_a_decision_that_another_took_is_told_in_its_order(
    connection: Connection, stream: RunStream
) -> None:
    """The fold has no hole before what came after it."""
    filters = teammate_filters(stream.run, "ada", ["t1"], ["api"])
    await create_feed(connection, stream.run, "ada", filters)
    early = DecisionRecorded(statement="Cursors.")
    first = await _send(stream, "decision", "api", "paging", author="bea", body=early)
    await _take_as_a_twin(connection, stream, 1)
    inbox = Inbox(Feed(connection, stream.run, "ada"), RunState(), "ada")
    inbox._stream, inbox._filters = stream, filters
    await inbox.start()
    late = DecisionRecorded(statement="UTC.")
    second = await _send(stream, "decision", "api", "times", author="bea", body=late)
    await inbox.reached(second)
    await inbox.stop()
    journal = Journal(stream, "ada")
    told = ContextDecisions("ada", journal, DIGEST_TOKENS)
    await journal.commit(opens_context())

    news = told.digest(journal.transcripts["task:t1:1"], inbox.state.decisions, "")

    assert {one.revision for one in news.told} == {first, second}


async def _take_as_a_twin(connection: Connection, stream: RunStream, count: int) -> None:
    """A process that was thought dead takes from the same consumer, and acknowledges."""
    async with Feed(connection, stream.run, "ada") as twin:
        for _ in range(count):
            record = await twin.next(5.0)
            assert record is not None
            await twin.ack([record.seq])
        await stream.last_seq()  # the server has the acknowledgements by now


async def test_a_member_whose_world_is_widened_learns_what_was_decided_there_before(
    connection: Connection, stream: RunStream, inbox: Inbox
) -> None:
    """Its consumer does not go back; the fold does."""
    before = DecisionRecorded(statement="UTC.")
    seq = await _send(stream, "decision", "data", "times", author="bea", body=before)
    here = DecisionRecorded(statement="Cursors.")
    await inbox.reached(await _send(stream, "decision", "api", "k", author="bea", body=here))
    assert inbox.state.decisions.revision(seq) is None

    filters = teammate_filters(stream.run, "ada", ["t1"], ["api", "data"])
    await create_feed(connection, stream.run, "ada", filters)
    seat = MemberSeated(role="researcher", filters=filters, areas=("api", "data"))
    await inbox.reached(await _send(stream, "member", "ada", author="lead", body=seat))
    later = DecisionRecorded(statement="Integers.")
    await inbox.reached(await _send(stream, "decision", "data", "ids", author="bea", body=later))

    assert set(inbox.state.decisions.history) == {
        ("api", "k"),
        ("data", "times"),
        ("data", "ids"),
    }


async def test_what_a_consumer_is_ahead_with_counts_once_the_seat_says_so(
    connection: Connection, stream: RunStream, inbox: Inbox
) -> None:
    """The lead widens a consumer before it says so; a member's picture must not depend on when."""
    filters = teammate_filters(stream.run, "ada", ["t1"], ["api", "data"])
    await create_feed(connection, stream.run, "ada", filters)
    early = await _send(
        stream, "decision", "data", "ids", author="bea", body=DecisionRecorded(statement="UUIDs.")
    )
    await inbox.reached(early)
    assert inbox.state.decisions.revision(early) is None

    seat = MemberSeated(role="researcher", filters=filters, areas=("api", "data"))
    await inbox.reached(await _send(stream, "member", "ada", author="lead", body=seat))

    assert inbox.state.decisions.revision(early) is not None


async def test_between_two_looks_the_picture_is_one_and_the_same(
    stream: RunStream, inbox: Inbox
) -> None:
    """A cancel acts at once all the same."""
    before = inbox.state.last_seq
    await _send(stream, "mail", "ada", author="bea", body=Note(text="hello"))
    await _send(stream, "control", "ada", author="lead", body=CancelRun(reason="enough"))
    async with asyncio.timeout(5):
        await inbox.cancelled.wait()

    assert not inbox.has_mail
    assert inbox.state.last_seq == before

    await inbox.look()
    assert inbox.has_mail


@pytest.mark.parametrize("comes_more", [True, False])
async def test_what_another_took_from_the_same_consumer_is_read_all_the_same(
    connection: Connection, stream: RunStream, *, comes_more: bool
) -> None:
    """Seen by the gap before what comes next; or, if nothing does, after a moment."""
    filters = teammate_filters(stream.run, "ada", ["t1"], ["api"])
    await create_feed(connection, stream.run, "ada", filters)
    seat = MemberSeated(role="researcher", filters=filters)
    await _send(stream, "member", "ada", author="lead", body=seat)
    seqs = [await _send(stream, "mail", "ada", author="bea", body=Note(text="first"))]
    await _take_as_a_twin(connection, stream, 2)
    inbox = Inbox(Feed(connection, stream.run, "ada"), RunState(), "ada")
    inbox._stream, inbox._filters = stream, filters
    await inbox.start()

    if comes_more:
        seqs.append(await _send(stream, "mail", "ada", author="bea", body=Note(text="second")))
        await inbox.reached(seqs[-1])
    else:
        assert await inbox.wait_change(15.0)
    await inbox.stop()

    assert [letter.seq for letter in inbox.waiting] == seqs
    assert [inbox.state.mail.letters[x.id].seq for x in inbox.waiting] == seqs


async def test_control_acts_at_once_and_only_from_those_who_may(
    stream: RunStream, inbox: Inbox
) -> None:
    """A peer can neither cancel nor stop a member; the lead and a person can."""
    await _send(stream, "control", "ada", author="bea", body=CancelRun(reason="mutiny"))
    await _send(stream, "control", "ada", author="bea", body=StopMember(reason="mutiny"))
    seq = await _send(stream, "control", "ada", author="lead", body=WrapUp(reason="time"))
    await inbox.reached(seq)

    assert not inbox.cancelled.is_set()
    assert not inbox.stopped.is_set()
    taken = inbox.take()
    assert taken.wrap_up == inbox.take().wrap_up == "time"
    await inbox.confirm(taken)
    assert inbox.take().wrap_up is None

    seq = await _send(stream, "control", "ada", author="person", body=CancelRun(reason="enough"))
    await inbox.reached(seq)
    assert inbox.cancelled.is_set()
    assert inbox.was_told


async def test_mail_in_the_journal_is_not_taken_in_again_after_a_restart(
    connection: Connection, stream: RunStream, inbox: Inbox
) -> None:
    """A fresh process re-reads its world and leaves out what its journal has."""
    seq = await _send(stream, "mail", "ada", author="bea", body=Note(text="read"))
    await inbox.reached(seq)
    known = {intake.message_id for intake in inbox.take().intake}
    await inbox.stop()
    seq = await _send(stream, "mail", "ada", author="bea", body=Note(text="new"))
    again = Inbox(Feed(connection, stream.run, "ada"), RunState(), "ada")

    await again.load(stream, teammate_filters(stream.run, "ada", ["t1"], ["api"]), known)

    assert [letter.mail.text for letter in again.waiting] == ["new"]
