"""Writers that race are recorded, and replayed in the order in which they were stored."""

from __future__ import annotations

import asyncio
import random
from collections.abc import Callable
from pathlib import Path
from secrets import token_hex

import pytest

from bus import subjects
from bus.codec import MESSAGE_BYTES_MAX
from bus.connection import Connection
from bus.errors import BatchTooLargeError, ConflictError, MessageTooLargeError
from bus.ids import new_run_id
from bus.messages import DecisionRecorded, Note
from bus.run_stream import BATCH_MESSAGES_MAX, Entry, RunStream, create_run
from team.agent.arrivals import Arrivals, OrderedStream, RecordingArrivals, ReplayingArrivals
from team.agent.decision_log import WholeLog
from team.agent.models.cassette.lane import Lane, LaneFile
from team.agent.models.cassette.recording import Kept, kept_of
from team.errors import ReplayError, StopRequestedError

WRITERS = ("ada", "bea", "cleo", "dora")
WRITES = 6


async def _race(stream: RunStream, arrivals: Arrivals, me: str, seed: int) -> list[str]:
    """Write mail and fight for one decision; what is written says what was read before."""
    chance, read = random.Random(f"{me} {seed}"), WholeLog(stream, arrivals)
    met: list[str] = []
    for number in range(WRITES):
        for _ in range(chance.randrange(20)):
            await asyncio.sleep(0)  # lets the others overtake
        log = await read.read()
        head = log.head_seqs.get(("api", "paging"), 0)
        said = f"{me} {number}: has read {head} at {arrivals.now}"
        decision = Entry(
            subject=subjects.decision(stream.run, "api", "paging", me),
            body=DecisionRecorded(statement=said),
            expect=head,
        )
        mail = Entry(subject=subjects.mail(stream.run, "lead", me), body=Note(text=said))
        try:
            await stream.commit([mail, decision])
            met.append("stored")
        except ConflictError:
            key = await stream.head(decision.subject.key)
            met.append(f"refused at {key.seq if key else 0}")
    return met


async def _all(
    connection: Connection, arrivals_of: Callable[[str, RunStream], Arrivals], seed: int
) -> tuple[list[list[str]], list[Kept]]:
    """Let all race in a new run; gives what each met, and the stream."""
    plain = await create_run(connection, f"{new_run_id()}-{token_hex(4)}")

    async def one(me: str) -> list[str]:
        arrivals = arrivals_of(me, plain)
        return await _race(OrderedStream(connection, plain.run, arrivals), arrivals, me, seed)

    met = await asyncio.gather(*map(one, WRITERS))
    return met, [kept_of(record) async for record in plain.read()]


def _said(kept: list[Kept]) -> list[tuple[str, object]]:
    return [(one.subject, one.envelope.body) for one in kept]


async def test_writers_that_raced_do_so_in_the_same_order_again(
    connection: Connection, tmp_path: Path
) -> None:
    """Whoever was refused is refused again; times are those of the recording."""

    def recording(me: str, _: RunStream) -> Arrivals:
        return RecordingArrivals(LaneFile(tmp_path / f"{me}.jsonl"))

    met, kept = await _all(connection, recording, seed=0)
    assert any(one.startswith("refused") for of_one in met for one in of_one)

    def replaying(me: str, plain: RunStream) -> Arrivals:
        return ReplayingArrivals(Lane.open(tmp_path / f"{me}.jsonl"), kept, plain)

    for seed in range(1, 4):
        again, stored = await _all(connection, replaying, seed)
        assert again == met
        assert _said(stored) == _said(kept)


async def _replaying(
    connection: Connection, stream: RunStream, tmp_path: Path
) -> tuple[OrderedStream, Entry]:
    """Ada's stream in the replay of a run in which she wrote one mail."""
    entry = Entry(subject=subjects.mail(stream.run, "lead", "ada"), body=Note(text="Hello."))
    path = tmp_path / "ada.jsonl"
    arrivals = RecordingArrivals(LaneFile(path))
    first = await create_run(connection, f"{new_run_id()}-{token_hex(4)}")
    recorded = Entry(subject=subjects.mail(first.run, "lead", "ada"), body=entry.body)
    await OrderedStream(connection, first.run, arrivals).append(recorded)
    kept = [kept_of(record) async for record in first.read()]
    replay = ReplayingArrivals(Lane.open(path), kept, stream)
    return OrderedStream(connection, stream.run, replay), entry


async def test_another_write_than_the_recorded_is_refused(
    connection: Connection, stream: RunStream, tmp_path: Path
) -> None:
    ordered, entry = await _replaying(connection, stream, tmp_path)
    other = Entry(subject=subjects.mail(stream.run, "bea", "ada"), body=entry.body)

    with pytest.raises(ReplayError) as caught:
        await ordered.append(other)

    said = "at sequence 1 there was mail.note on mail.lead.ada, now comes mail.note on mail.bea.ada"
    assert said in str(caught.value)
    assert await stream.last_seq() == 0


async def test_a_place_that_is_taken_is_refused(
    connection: Connection, stream: RunStream, tmp_path: Path
) -> None:
    ordered, entry = await _replaying(connection, stream, tmp_path)
    await stream.append(entry)

    with pytest.raises(ReplayError, match="sequence 1 is taken, the stream is at 1"):
        await ordered.append(entry)


async def test_a_write_that_is_too_large_takes_no_turn(
    connection: Connection, stream: RunStream, tmp_path: Path
) -> None:
    """Nothing of it was recorded: what is noted next is the smaller one that followed."""
    ordered, entry = await _replaying(connection, stream, tmp_path)
    subject = entry.subject
    large = Entry(subject=subject, body=Note(text="x" * MESSAGE_BYTES_MAX))

    with pytest.raises(MessageTooLargeError):
        await ordered.append(large)
    with pytest.raises(BatchTooLargeError):
        await ordered.commit([Entry(subject=subject, body=entry.body)] * (BATCH_MESSAGES_MAX + 1))

    assert await ordered.append(entry) == 1


async def test_who_was_ended_when_all_was_done_is_ended_again(
    connection: Connection, stream: RunStream, tmp_path: Path
) -> None:
    ordered, entry = await _replaying(connection, stream, tmp_path)
    await ordered.append(entry)

    with pytest.raises(StopRequestedError):
        await ordered.append(entry)
