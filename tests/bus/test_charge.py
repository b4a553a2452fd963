"""Who takes up a run says since when nobody worked on it, from the whole of its stream."""

from __future__ import annotations

from bus import subjects
from bus.connection import Connection
from bus.ids import LEAD, SUPERVISOR
from bus.messages import AnyMessage, MemberJoined, MemberLost
from bus.run_stream import Entry, Record, RunStream
from team.runtime.charge import take_charge
from tests.support.builders import a_usage


async def tell(stream: RunStream, subject: subjects.Subject, body: AnyMessage) -> Record:
    await stream.append(Entry(subject=subject, body=body))
    record = await stream.head(str(subject))
    assert record is not None
    return record


async def charged(connection: Connection, stream: RunStream) -> MemberJoined:
    """What a supervisor says that takes the run up now."""
    seq = await take_charge(connection, stream)
    record = await stream.head(str(subjects.member(stream.run, SUPERVISOR, SUPERVISOR)))
    assert record is not None
    assert record.seq == seq
    assert isinstance(record.body, MemberJoined)
    return record.body


async def test_a_run_that_is_taken_up_again_rested_since_the_last_word_of_anyones_work(
    connection: Connection, stream: RunStream
) -> None:
    """Also where few are sent it; a lead that gave up had not worked until then."""
    assert (await charged(connection, stream)).idle_since == 0.0

    spent = await tell(stream, subjects.usage(stream.run, "ada"), a_usage(input=1, output=1))
    gave_up = MemberLost(reason="busy")
    await tell(stream, subjects.member(stream.run, LEAD, LEAD), gave_up)

    assert (await charged(connection, stream)).idle_since == spent.at
