"""One run's stream: stored whole or refused, once, in one order.

Promises: `bus.run_stream`; docs/protocol.md, "Turns".
"""

from __future__ import annotations

import asyncio
from typing import cast
from urllib.parse import urlsplit

import msgspec
import pytest

from bus import subjects
from bus.access import Access
from bus.codec import MESSAGE_BYTES_MAX, WIRE_VERSION, Envelope, encode
from bus.connection import Connection, connect
from bus.errors import (
    BatchTooLargeError,
    BusUnavailableError,
    ConflictError,
    MessageTooLargeError,
    RefusedError,
    RunExistsError,
    RunNotFoundError,
)
from bus.ids import new_run_id
from bus.messages import Note
from bus.run_stream import (
    BATCH_MESSAGES_MAX,
    READ_MESSAGES,
    Entry,
    Record,
    RunStream,
    create_run,
    list_runs,
    open_run,
)
from bus.testing import Proxy
from tests.support.wire import a_claim, a_note, all_of, sent_by, until


def texts(records: list[Record]) -> list[str]:
    """What was said in some records of notes."""
    return [cast("Note", record.body).text for record in records]


# --- runs ------------------------------------------------------------------------


async def test_run_that_exists_is_not_created_again(stream: RunStream) -> None:
    await stream.append(a_note(stream.run))

    with pytest.raises(RunExistsError, match=stream.run):
        await create_run(stream.connection, stream.run, label="a test")


async def test_run_of_another_label_is_not_created_again(stream: RunStream) -> None:
    with pytest.raises(RunExistsError, match=stream.run):
        await create_run(stream.connection, stream.run, label="another")


async def test_run_in_which_nothing_was_said_may_be_created_again(stream: RunStream) -> None:
    """A launch whose acknowledgement was lost is the same launch."""
    again = await create_run(stream.connection, stream.run, label="a test")

    assert await again.last_seq() == 0


async def test_run_that_is_missing_is_not_opened(connection: Connection) -> None:
    run = new_run_id()

    with pytest.raises(RunNotFoundError, match=run) as missing:
        await open_run(connection, run)

    assert missing.value.url == connection.url


async def test_opened_run_holds_what_was_stored(stream: RunStream, access: Access) -> None:
    await stream.append(a_note(stream.run, "before"))

    async with connect(access, name="other") as other:
        opened = await open_run(other, stream.run)

        assert texts(await all_of(opened.read())) == ["before"]


async def test_runs_are_listed_with_their_labels_oldest_first(connection: Connection) -> None:
    runs = [new_run_id() for _ in range(3)]
    for number, run in enumerate(runs):
        await create_run(connection, run, label=f"run {number}" + "x" * 500)

    listed = [info for info in await list_runs(connection) if info.run in runs]

    assert [info.run for info in listed] == runs
    assert [info.label[:5] for info in listed] == ["run 0", "run 1", "run 2"]
    assert {len(info.label) for info in listed} == {200}


# --- one message -----------------------------------------------------------------


async def test_appended_messages_are_numbered_from_one_and_read_in_order(
    stream: RunStream,
) -> None:
    entries = [a_note(stream.run, text) for text in "abc"]

    seqs = [await stream.append(entry) for entry in entries]
    records = await all_of(stream.read())

    assert seqs == [1, 2, 3]
    assert [record.seq for record in records] == seqs
    assert [record.id for record in records] == [entry.id for entry in entries]
    assert [record.subject for record in records] == [entry.subject for entry in entries]
    assert [record.body for record in records] == [entry.body for entry in entries]
    assert await stream.last_seq() == 3


async def test_time_cause_and_wire_version_are_kept(stream: RunStream) -> None:
    entry = msgspec.structs.replace(a_note(stream.run), cause="m0")

    await stream.append(entry)
    (record,) = await all_of(stream.read())

    assert record.envelope is not None
    assert (record.envelope.cause, record.envelope.v) == ("m0", WIRE_VERSION)
    assert abs(record.at - record.envelope.at) < 60  # the same machine's clock


async def test_write_on_a_key_that_moved_on_stores_nothing(stream: RunStream) -> None:
    await stream.append(a_claim(stream.run, "t1", "ada"))

    with pytest.raises(ConflictError) as lost:
        await stream.append(a_claim(stream.run, "t1", "bob"))

    assert lost.value.keys == (f"run.{stream.run}.task.t1.*",)
    assert lost.value.keys[0] in str(lost.value)
    assert await stream.last_seq() == 1


async def test_write_that_names_the_head_of_its_key_follows_it(stream: RunStream) -> None:
    """The author of the head does not matter, and other keys don't either."""
    first = await stream.append(a_claim(stream.run, "t1", "ada"))
    await stream.append(a_claim(stream.run, "t2", "ada"))

    second = await stream.append(a_claim(stream.run, "t1", "bob", expect=first))

    with pytest.raises(ConflictError):
        await stream.append(a_claim(stream.run, "t1", "ada", expect=first))
    assert await stream.append(a_claim(stream.run, "t1", "ada", expect=second)) == 4


async def test_expectation_ahead_of_the_key_is_a_conflict_too(stream: RunStream) -> None:
    with pytest.raises(ConflictError):
        await stream.append(a_claim(stream.run, "t1", expect=7))

    assert await stream.last_seq() == 0


@pytest.mark.parametrize("expect", [None, 0])
async def test_message_appended_twice_is_stored_once(stream: RunStream, expect: int | None) -> None:
    """A retry after a lost acknowledgement is told where the first one stands."""
    entry = a_claim(stream.run, "t1", expect=expect)

    seqs = [await stream.append(entry) for _ in range(3)]

    assert seqs == [1, 1, 1]
    assert await stream.last_seq() == 1


async def test_repeat_is_recognized_after_others_wrote_the_key(stream: RunStream) -> None:
    entry = a_claim(stream.run, "t1", "ada")
    seq = await stream.append(entry)
    await stream.append(a_claim(stream.run, "t1", "bob", expect=seq))

    assert await stream.append(entry) == seq
    assert await stream.last_seq() == 2


async def test_message_as_large_as_allowed_is_stored(stream: RunStream) -> None:
    """The limit of the codec is within that of the stream, headers included."""
    subject = subjects.task(stream.run, "t" * 64, "a" * 64)
    mail = subjects.mail(stream.run, "b" * 64, "a" * 64)
    room = MESSAGE_BYTES_MAX - 200
    entries = [
        msgspec.structs.replace(a_claim(stream.run, "t" * 64, "a" * 64), subject=subject),
        Entry(subject=mail, body=Note(text="x" * room), expect=0, cause="c" * 32),
    ]

    seq = await stream.commit(entries)
    head = await stream.head(str(mail))

    assert head is not None
    assert head.seq == seq
    assert len(cast("Note", head.body).text) == room


async def test_message_that_is_too_large_is_refused_before_it_is_sent(stream: RunStream) -> None:
    with pytest.raises(MessageTooLargeError):
        await stream.commit([a_note(stream.run), a_note(stream.run, "x" * MESSAGE_BYTES_MAX)])

    assert await stream.last_seq() == 0


async def test_write_to_a_missing_run_says_so(connection: Connection) -> None:
    """Without the stream nobody answers: the write is retried, then given up."""
    stream = RunStream(connection, new_run_id())

    with pytest.raises(BusUnavailableError, match="responders"):
        await stream.append(a_note(stream.run), retry_s=0.1)


# --- batches ---------------------------------------------------------------------


async def test_batch_is_stored_without_gaps_while_another_writes(
    stream: RunStream, access: Access
) -> None:
    async with connect(access, name="other") as connection:
        other = await open_run(connection, stream.run)
        batches = [[a_note(stream.run, f"{n}.{i}") for i in range(5)] for n in range(20)]
        singles = [a_note(stream.run, "between", author="bob") for _ in range(50)]

        lasts, _ = await asyncio.gather(
            asyncio.gather(*(stream.commit(batch) for batch in batches)),
            asyncio.gather(*(other.append(single) for single in singles)),
        )

    records = await all_of(stream.read())
    assert len(records) == 150
    for last, batch in zip(lasts, batches, strict=True):
        stored = records[last - 5 : last]
        assert [record.id for record in stored] == [entry.id for entry in batch]


@pytest.mark.parametrize("stale", range(5))
async def test_batch_with_one_stale_expectation_stores_nothing(
    stream: RunStream, stale: int
) -> None:
    for number in range(5):
        await stream.append(a_claim(stream.run, f"t{number}"))
    entries = [
        a_claim(stream.run, f"t{number}", "bob", expect=0 if number == stale else number + 1)
        for number in range(5)
    ]

    with pytest.raises(ConflictError, match=f"task.t{stale}"):
        await stream.commit(entries)

    assert await stream.last_seq() == 5


async def test_batch_that_is_refused_can_be_made_right_with_the_same_messages(
    stream: RunStream,
) -> None:
    """A refusal does not use the ids up."""
    seq = await stream.append(a_claim(stream.run, "t1", "ada"))
    note = a_note(stream.run)
    wrong = a_claim(stream.run, "t1", "bob", expect=0)
    with pytest.raises(ConflictError):
        await stream.commit([note, wrong])

    last = await stream.commit([note, msgspec.structs.replace(wrong, expect=seq)])

    assert last == 3
    assert [r.id for r in await all_of(stream.read(first_seq=2))] == [note.id, wrong.id]


@pytest.mark.parametrize("keyed", [None, 0, 2, 4])
async def test_batch_committed_twice_is_stored_once(stream: RunStream, keyed: int | None) -> None:
    """With an expectation on any of its messages, or on none."""
    await stream.append(a_note(stream.run, "before"))
    entries = [
        a_claim(stream.run, f"t{number}", expect=0 if number == keyed else None)
        for number in range(5)
    ]

    last = await stream.commit(entries)
    await stream.append(a_note(stream.run, "after"))

    assert last == 6
    assert await stream.commit(entries) == last
    assert await stream.last_seq() == 7


async def test_batch_is_recognized_after_others_wrote_its_key(stream: RunStream) -> None:
    entries = [a_note(stream.run), a_claim(stream.run, "t1", "ada"), a_note(stream.run)]
    last = await stream.commit(entries)
    await stream.append(a_claim(stream.run, "t1", "bob", expect=2))

    assert await stream.commit(entries) == last == 3
    assert await stream.last_seq() == 4


@pytest.mark.parametrize("position", [0, 1])
async def test_batch_of_which_only_a_part_is_stored_is_not_taken_for_stored(
    stream: RunStream, position: int
) -> None:
    """Nobody does that on purpose; said to be stored, the rest would be lost silently."""
    old = a_note(stream.run, "old")
    await stream.append(old)
    entries = [a_note(stream.run, "new")]
    entries.insert(position, old)

    with pytest.raises(RefusedError):
        await stream.commit(entries)

    assert await stream.last_seq() == 1


async def test_largest_batch_is_stored(stream: RunStream) -> None:
    entries = [a_note(stream.run, str(number)) for number in range(BATCH_MESSAGES_MAX)]

    assert await stream.commit(entries) == BATCH_MESSAGES_MAX
    assert texts(await all_of(stream.read())) == [str(n) for n in range(BATCH_MESSAGES_MAX)]


async def test_batch_of_no_messages_is_our_own_mistake(stream: RunStream) -> None:
    with pytest.raises(AssertionError):
        await stream.commit([])


async def test_batch_of_too_many_messages_is_refused_before_anything_is_sent(
    stream: RunStream,
) -> None:
    """What a model stages in one turn may be that many: it can be told to do less."""
    with pytest.raises(BatchTooLargeError, match="1001"):
        await stream.commit([a_note(stream.run) for _ in range(BATCH_MESSAGES_MAX + 1)])

    assert await stream.last_seq() == 0


# --- races -----------------------------------------------------------------------


async def test_of_two_writers_that_race_for_a_key_one_wins_each_round(
    access: Access, stream: RunStream
) -> None:
    """Both writes are on their way, held by a proxy, before either can arrive."""
    address = urlsplit(access.url)
    async with Proxy(address.hostname or "", address.port or 0) as proxy:
        key = msgspec.structs.replace(access, url=proxy.url)
        async with connect(key, name="ada") as one, connect(key, name="bob") as other:
            writers = {"ada": RunStream(one, stream.run), "bob": RunStream(other, stream.run)}
            for number in range(30):
                winner = await raced(writers, f"t{number}", proxy)

                head = await stream.head(f"run.{stream.run}.task.t{number}.*")
                assert head is not None
                assert head.subject.author == winner
    assert await stream.last_seq() == 30


async def raced(writers: dict[str, RunStream], task: str, proxy: Proxy) -> str:
    """Have all claim one task at once; gives the one that did, when the others lost."""
    sent = {name: sent_by(writer.connection) for name, writer in writers.items()}
    proxy.freeze()
    claims = [
        asyncio.create_task(writer.append(a_claim(writer.run, task, name)))
        for name, writer in writers.items()
    ]
    await until(
        lambda: all(sent_by(writer.connection) > sent[name] for name, writer in writers.items()),
        "every writer has sent its claim",
    )
    proxy.heal()
    ends = await asyncio.gather(*claims, return_exceptions=True)
    won = [name for name, end in zip(writers, ends, strict=True) if isinstance(end, int)]
    lost = [end for end in ends if isinstance(end, ConflictError)]
    assert (len(won), len(lost)) == (1, len(writers) - 1), ends
    return won[0]


async def test_of_many_turns_that_race_on_one_journal_each_stored_one_is_whole(
    access: Access, stream: RunStream
) -> None:
    """Eight batches expect the same head; seven leave nothing behind."""
    batches = [
        [a_claim(stream.run, "t1", f"m{n}"), *(a_note(stream.run, f"{n}") for _ in range(4))]
        for n in range(8)
    ]

    ends = await asyncio.gather(*(stream.commit(b) for b in batches), return_exceptions=True)

    assert sorted(type(end).__name__ for end in ends) == ["ConflictError"] * 7 + ["int"]
    assert await stream.last_seq() == 5


# --- reading ---------------------------------------------------------------------


async def test_long_run_is_read_whole_in_order(stream: RunStream) -> None:
    """More than the server hands out at once, with a filter and from any place."""
    count = 2 * READ_MESSAGES + 90
    for start in range(0, count, 300):
        names = ["ada" if n % 3 else "bob" for n in range(start, min(start + 300, count))]
        await stream.commit(
            [a_note(stream.run, str(start + at), to=name) for at, name in enumerate(names)]
        )

    every = await all_of(stream.read())
    to_ada = await all_of(stream.read(subjects.pattern(stream.run, "mail", "ada")))
    late = await all_of(
        stream.read(subjects.pattern(stream.run, "mail", "ada"), first_seq=READ_MESSAGES + 2)
    )

    assert texts(every) == [str(n) for n in range(count)]
    assert [record.seq for record in every] == list(range(1, count + 1))
    assert texts(to_ada) == [str(n) for n in range(count) if n % 3]
    assert late == [record for record in to_ada if record.seq >= READ_MESSAGES + 2]


async def test_read_stops_at_what_it_was_given(stream: RunStream) -> None:
    await stream.append(a_note(stream.run))

    assert await all_of(stream.read(subjects.pattern(stream.run, "mail", "bob"))) == []
    assert await all_of(stream.read(first_seq=2)) == []
    assert await all_of(stream.read(first_seq=99)) == []


async def test_empty_run_reads_as_nothing(stream: RunStream) -> None:
    assert await all_of(stream.read()) == []
    assert await stream.last_seq() == 0
    assert await stream.heads([subjects.everything(stream.run)]) == []


async def test_head_is_the_newest_of_a_key_whoever_wrote_it(stream: RunStream) -> None:
    claim = a_claim(stream.run, "t1", "ada")
    await stream.append(claim)
    second = await stream.append(a_claim(stream.run, "t1", "bob", expect=1))
    await stream.append(a_claim(stream.run, "t2", "ada"))

    head = await stream.head(claim.subject.key)
    own = await stream.head(str(claim.subject))

    assert head is not None
    assert own is not None
    assert (head.seq, head.subject.author) == (second, "bob")
    assert (own.seq, own.id) == (1, claim.id)


async def test_key_that_nobody_wrote_has_no_head(stream: RunStream) -> None:
    assert await stream.head(f"run.{stream.run}.task.t1.*") is None


async def test_heads_are_the_newest_of_each_subject_in_order(stream: RunStream) -> None:
    run = stream.run
    for _ in range(3):
        await stream.commit([a_note(run, to="bob"), a_note(run, to="ada")])
    await stream.append(a_claim(run, "t1"))

    mail, tasks = subjects.pattern(run, "mail"), subjects.pattern(run, "task")

    assert [record.seq for record in await stream.heads([mail])] == [5, 6]
    assert [record.seq for record in await stream.heads([tasks, mail])] == [5, 6, 7]


async def test_heads_of_more_subjects_than_the_server_counts_are_all_there(
    stream: RunStream,
) -> None:
    """It refuses above 1,024; then the stream itself is read."""
    for start in range(0, 1200, 400):
        entries = [a_claim(stream.run, f"t{start + n}", expect=None) for n in range(400)]
        await stream.commit(entries)
    await stream.append(a_claim(stream.run, "t0", expect=None))

    heads = await stream.heads([subjects.pattern(stream.run, "task")])

    assert [record.seq for record in heads] == list(range(2, 1202))


# --- what can't be read ----------------------------------------------------------


@pytest.mark.parametrize(
    ("data", "why"),
    [
        pytest.param(b"\xff\x00", "can't be read", id="no text"),
        pytest.param(b"", "can't be read", id="nothing"),
        pytest.param(b'{"body":{"type":"mail.sung"}}', "mail.sung", id="an unknown type"),
        pytest.param(b'{"body":{"type":"task.claimed"}}', "may not stand", id="a wrong type"),
    ],
)
async def test_message_that_cant_be_read_becomes_a_record_with_the_reason(
    stream: RunStream, data: bytes, why: str
) -> None:
    """It takes its place in the order, and reading goes on behind it."""
    await stream.append(a_note(stream.run, "before"))
    subject = subjects.mail(stream.run, "ada", "bob")
    await stream.connection.ask(str(subject), data)
    await stream.append(a_note(stream.run, "after"))

    before, broken, after = await all_of(stream.read())

    assert texts([before, after]) == ["before", "after"]
    assert (broken.seq, broken.subject, broken.body, broken.id) == (2, subject, None, "")
    assert broken.problem is not None
    assert why in broken.problem
    assert await stream.head(str(subject)) == broken
    assert broken in await stream.heads([subjects.pattern(stream.run, "mail")])


async def test_subject_that_is_not_ours_becomes_a_record_with_the_reason(
    stream: RunStream,
) -> None:
    odd = f"run.{stream.run}.gossip.bob"
    await stream.connection.ask(odd, encode(a_note("r").subject, Envelope(body=Note(text="t"))))

    (record,) = await all_of(stream.read())

    assert record.problem is not None
    assert odd in record.problem
    assert (record.seq, record.subject.kind, record.body) == (1, "unknown", None)
