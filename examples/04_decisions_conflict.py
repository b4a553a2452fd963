"""Two members decide the same thing at once; the second reads what the first decided.

Shows the decisions log: one key, one decision in force. A stale write is refused,
not merged; replacing a decision means naming the revision that it replaces.
"""

import asyncio
import tempfile
from pathlib import Path

from bus import subjects
from bus.access import Access
from bus.connection import connect
from bus.errors import ConflictError
from bus.messages import DecisionRecorded
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


async def decide(
    stream: RunStream, author: str, statement: str, head_seq: int, supersedes: int | None = None
) -> bool:
    """Record a decision if the key still stands as it was read; says whether it was."""
    body = DecisionRecorded(statement=statement, supersedes=supersedes)
    subject = subjects.decision(RUN, AREA, KEY, author)
    try:
        await stream.append(Entry(subject=subject, body=body, expect=head_seq))
    except ConflictError:
        print(f"{author} is refused: {statement}")
        return False
    print(f"{author} decides: {statement}")
    return True


async def conflict(access: Access) -> None:
    """Let both decide, then let the second replace the first on purpose."""
    async with connect(access, name="example") as connection:
        stream = await create_run(connection, RUN, label="decisions")
        print("ada and bea have both read that nothing is decided")
        await decide(stream, "ada", "Offsets count from zero.", 0)
        if not await decide(stream, "bea", "Offsets count from one.", 0):
            current = (await folded(stream)).in_force(AREA, KEY)
            assert current is not None
            print(f"bea reads {current.name} of {current.author}: {current.statement}")
            text = "Offsets count from zero; pages from one."
            await decide(stream, "bea", text, current.seq, supersedes=current.seq)
        for revision in (await folded(stream)).history[AREA, KEY]:
            print(f"  revision {revision.seq} of {revision.author}: {revision.state}")


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
