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
from team.agent.inbox import DECISIONS_TOKENS_MAX, MAIL_TOKENS_MAX, Inbox
from team.rules.world import teammate_filters
from team.state import RunState


async def _send(stream: RunStream, kind: str, *names: str, author: str, body: AnyMessage) -> int:
    subject = build(stream.run, kind, *names, author=author)
    return await stream.append(Entry(subject=subject, body=body))


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

    (block,) = inbox.take().blocks

    assert len(block) <= DECISIONS_TOKENS_MAX * 3.5 + 200
    assert "Choice 99" in block
    assert "more: use search_decisions" in block


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


async def test_mail_that_was_lost_on_its_way_is_taken_up_when_it_comes_late(
    connection: Connection, stream: RunStream
) -> None:
    """A cut may lose one delivery and not the next; the late one is folded in its place."""
    filters = teammate_filters(stream.run, "ada", ["t1"], ["api"])
    await create_feed(connection, stream.run, "ada", filters)
    seat = MemberSeated(role="researcher", filters=filters)
    await _send(stream, "member", "ada", author="lead", body=seat)
    first = await _send(stream, "mail", "ada", author="bea", body=Note(text="first"))
    lost = Feed(connection, stream.run, "ada")
    await lost.start()
    assert await lost.next(5.0) is not None
    assert (await lost.next(5.0)) is not None
    await lost.stop()
    inbox = Inbox(Feed(connection, stream.run, "ada"), RunState(), "ada")
    inbox._stream, inbox._filters = stream, filters
    await inbox.start()
    second = await _send(stream, "mail", "ada", author="bea", body=Note(text="second"))
    await inbox.reached(second)
    assert [letter.seq for letter in inbox.waiting] == [second]

    async with asyncio.timeout(15):
        while len(inbox.waiting) < 2:
            await inbox.wait_change(1.0)
    await inbox.stop()

    assert {letter.seq for letter in inbox.waiting} == {first, second}
    assert sorted(inbox.state.mail.letters[x.id].seq for x in inbox.waiting) == [first, second]


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
    assert inbox.take_wrap_up() == "time"
    assert inbox.take_wrap_up() is None

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
