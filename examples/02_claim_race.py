"""Five members claim one task at the same time, and exactly one gets it.

Shows compare-and-set: a claim names the sequence it follows. The server stores
the first and refuses the others; there is no lock to hold, to renew or to lose.
"""

import asyncio
import tempfile
from pathlib import Path

from bus import subjects
from bus.access import Access
from bus.connection import connect
from bus.errors import ConflictError
from bus.messages import Budget, Contract, TaskClaimed, TaskOpened
from bus.run_stream import Entry, RunStream, create_run
from bus.server import start_server, stop_server
from team.state import Board

RUN, TASK = "claim-race", "t1"
CLAIMANTS = ("ada", "bea", "cleo", "dora", "emil")
CONTRACT = Contract(
    objective="Say how the cache is invalidated.",
    output_format="A finding.",
    sources=("src",),
    tools=("search_sources",),
    boundaries=("Nothing but src.",),
    budget=Budget(turns_max=10, tokens_max=100_000, seconds_max=600.0),
)


async def claims(stream: RunStream, name: str, head_seq: int) -> bool:
    """Claim the task as it stood at a sequence; says whether that was the first."""
    subject = subjects.task(RUN, TASK, name)
    try:
        await stream.append(Entry(subject=subject, body=TaskClaimed(), expect=head_seq))
    except ConflictError:
        return False
    return True


async def race(access: Access) -> None:
    """Open a task, let all claim it, and look at the board."""
    async with connect(access, name="example") as connection:
        stream = await create_run(connection, RUN, label="a race")
        opened = TaskOpened(title="cache", contract=CONTRACT, role="researcher")
        lead = Entry(subject=subjects.task(RUN, TASK, "lead"), body=opened, expect=0)
        head_seq = await stream.append(lead)

        won = await asyncio.gather(*(claims(stream, name, head_seq) for name in CLAIMANTS))
        print(f"{len(CLAIMANTS)} claims on sequence {head_seq}: {sum(won)} stored")

        board = Board()
        async for record in stream.read(subjects.pattern(RUN, "task")):
            board.apply(record)
        task = board.tasks[TASK]
        winner = CLAIMANTS[won.index(True)]
        print(f"the board: {TASK} is {task.state.value}, one holder: {task.holder == winner}")
        print(f"writes that did not fit the board: {len(board.anomalies)}")


def main() -> None:
    """Run on a server of its own, and leave nothing behind."""
    with tempfile.TemporaryDirectory() as folder:
        server = start_server(Path(folder))
        try:
            asyncio.run(race(Access(url=server.url, token=server.token)))
        finally:
            stop_server(Path(folder))


if __name__ == "__main__":
    main()
