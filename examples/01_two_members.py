"""Two members talk through typed mail, on the embedded NATS server.

Shows the bus alone: a run is one stream; a member is sent what its consumer's
filter list lets in, and nothing else; a reply names the message it answers.
No roles, no models, no team.
"""

import asyncio
import tempfile
from pathlib import Path

from bus import subjects
from bus.access import Access
from bus.connection import connect
from bus.feed import Feed, create_feed
from bus.messages import Answer, Mail, Note, Question, type_name
from bus.run_stream import Entry, Record, create_run
from bus.server import start_server, stop_server

RUN = "two-members"
WAIT_S = 10.0


async def received(feed: Feed, name: str) -> Record:
    """Wait for the next mail of a member, show it, and say that it was taken in."""
    record = await feed.next(WAIT_S)
    assert record is not None, f"nothing came for {name}"
    assert isinstance(record.body, Mail)
    kind = type_name(record.body)
    print(f"{name} received {kind} from {record.subject.author}: {record.body.text}")
    await feed.ack([record.seq])
    return record


async def talk(access: Access) -> None:
    """Let ada ask and bea answer."""
    async with connect(access, name="example") as connection:
        stream = await create_run(connection, RUN, label="two members")
        for name in ("ada", "bea"):
            await create_feed(connection, RUN, name, [subjects.pattern(RUN, "mail", name)])
        async with Feed(connection, RUN, "ada") as ada, Feed(connection, RUN, "bea") as bea:
            to_bea = subjects.mail(RUN, "bea", "ada")
            to_ada = subjects.mail(RUN, "ada", "bea")

            question = Entry(subject=to_bea, body=Question(text="Do offsets count from zero?"))
            note = Entry(subject=to_bea, body=Note(text="I work on pagination."))
            await stream.commit([question, note])  # both are stored, or neither
            asked = await received(bea, "bea")
            await received(bea, "bea")

            answer = Answer(text="Yes, see api.md.", in_reply_to=asked.id)
            await stream.append(Entry(subject=to_ada, body=answer))
            replied = await received(ada, "ada")
            assert isinstance(replied.body, Answer)
            print(f"it answers ada's question: {replied.body.in_reply_to == question.id}")

            stored = [str(record.subject) async for record in stream.read()]
            print("the stream, in order:", *stored, sep="\n  ")


def main() -> None:
    """Run on a server of its own, and leave nothing behind."""
    with tempfile.TemporaryDirectory() as folder:
        server = start_server(Path(folder))
        try:
            asyncio.run(talk(Access(url=server.url, token=server.token)))
        finally:
            stop_server(Path(folder))


if __name__ == "__main__":
    main()
