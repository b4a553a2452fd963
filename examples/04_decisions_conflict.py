"""Two members decide the same thing at once; the second challenges, the lead rules.

Shows the decisions log: of one key, one decision holds. A stale write is refused, not
merged. Members do not overwrite each other, and what rested on the loser is named.
"""

import asyncio
import tempfile
from pathlib import Path

from bus import subjects
from bus.access import Access
from bus.connection import connect
from bus.errors import ConflictError
from bus.messages import (
    DecisionChallenged,
    DecisionRebutted,
    DecisionRecorded,
    DecisionRuled,
    type_name,
)
from bus.run_stream import Entry, RunStream, create_run
from bus.server import start_server, stop_server
from team.state import Decisions

RUN, AREA, KEY = "decisions", "api", "offsets"


async def folded(stream: RunStream) -> Decisions:
    """Fold what is stored for the area."""
    decisions = Decisions()
    async for record in stream.read(subjects.pattern(RUN, "decision", AREA)):
        decisions.apply(record)
    return decisions


async def write(
    stream: RunStream,
    author: str,
    body: DecisionRecorded | DecisionChallenged | DecisionRebutted | DecisionRuled,
    head_seq: int,
) -> bool:
    """Write about a decision if its key still stands as it was read; says whether it did."""
    subject = subjects.decision(RUN, AREA, KEY, author)
    try:
        await stream.append(Entry(subject=subject, body=body, expect=head_seq))
    except ConflictError:
        print(f"{author} is refused: the key has moved on")
        return False
    print(f"{author}: {type_name(body)}")
    return True


async def conflict(access: Access) -> None:
    """Let both decide, the second challenge, the first defend, and the lead rule."""
    async with connect(access, name="example") as connection:
        stream = await create_run(connection, RUN, label="decisions")
        print("ada and bea have both read that nothing is decided")
        await write(stream, "ada", DecisionRecorded(statement="Offsets count from zero."), 0)
        await write(stream, "bea", DecisionRecorded(statement="Offsets count from one."), 0)
        first = (await folded(stream)).in_force(AREA, KEY)
        assert first is not None
        print(f"bea reads {first.name} of {first.author}: {first.statement}")
        objection = DecisionChallenged(revision=first.seq, reason="Pages are shown from one.")
        await write(stream, "bea", objection, first.seq)
        answer = DecisionRebutted(revision=first.seq, reason="Offsets are not pages.")
        await write(stream, "ada", answer, first.seq + 1)
        ruling = DecisionRuled(
            revision=first.seq,
            outcome="superseded",
            statement="Offsets count from zero; pages from one.",
            reason="Both are right about their own.",
        )
        await write(stream, "lead", ruling, first.seq + 2)
        decisions = await folded(stream)
        for revision in decisions.history[AREA, KEY]:
            print(f"  r{revision.seq} of {revision.author}: {revision.state}: {revision.statement}")
        fall = decisions.fall_of(first.as_premise())
        assert fall is not None
        print(f"to a finding that rested on r{first.seq} the gate says:")
        print(f"  {fall.reason.partition(':')[0]}")


def main() -> None:
    """Run on a server of its own, and leave nothing behind."""
    with tempfile.TemporaryDirectory() as folder:
        server = start_server(Path(folder))
        try:
            asyncio.run(conflict(Access(url=server.url, token=server.token)))
        finally:
            stop_server(Path(folder))


if __name__ == "__main__":
    main()
