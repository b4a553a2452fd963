"""A tool that changes the world, and a process that dies while it does.

`python -m tests.support.effectful URL TOKEN RUN FILE WHEN` works as ada and kills itself
with SIGKILL at an instant: `intent` (stored, nothing has happened), `effect` (it has
happened, nobody was told) or `outcome` (stored, the turn has not acted).
"""

from __future__ import annotations

import asyncio
import os
import signal
import sys
from collections.abc import Callable
from pathlib import Path
from typing import ClassVar, Final

import msgspec

from bus.access import Access
from bus.connection import connect
from bus.run_stream import RunStream
from team.agent.assignment import Assignment
from team.agent.tools.base import Effect, Tool, ToolAnswer
from team.agent.tools.peer_tools import NotePartial
from team.agent.world import World
from tests.support.decisions import Calls, an_assignment
from tests.support.minds import Asked, a_mind

INSTANTS: Final = ("intent", "effect", "outcome")


class DeployInput(msgspec.Struct, frozen=True, kw_only=True):
    """What to deploy."""

    what: str


class Deploy(Tool[DeployInput]):
    """Deploy something: a line in a file, which nothing takes back."""

    name: ClassVar[str] = "deploy"
    input_type = DeployInput
    effect: ClassVar[Effect] = "effectful"

    def __init__(self, file: Path, at: Callable[[str], None] = lambda instant: None) -> None:
        self._file, self._at = file, at

    async def run(self, given: DeployInput) -> ToolAnswer:
        self._at("intent")
        with self._file.open("a") as file:
            file.write(f"{given.what}\n")
        self._at("effect")
        return ToolAnswer(content=f"Deployed {given.what}.")


class Linger(Tool[DeployInput]):
    """Do nothing, where a process may die."""

    name: ClassVar[str] = "linger"
    input_type = DeployInput
    effect: ClassVar[Effect] = "idempotent"

    def __init__(self, at: Callable[[str], None] = lambda instant: None) -> None:
        self._at = at

    async def run(self, given: DeployInput) -> ToolAnswer:
        self._at("outcome")
        return ToolAnswer(content=f"Lingered over {given.what}.")


SCRIPT: Final[Calls] = [("deploy", {"what": "pools"}), ("linger", {"what": "pools"})]


def effects(file: Path) -> list[str]:
    """What was deployed, as often as it was."""
    return file.read_text().splitlines() if file.exists() else []


def an_errand(
    world: World, file: Path, at: Callable[[str], None] = lambda instant: None
) -> Assignment:
    return an_assignment(Deploy(file, at), Linger(at), NotePartial(world, "t1"))


async def _work(url: str, token: str, run: str, file: Path, when: str) -> None:
    def at(instant: str) -> None:
        if instant == when:
            os.kill(os.getpid(), signal.SIGKILL)

    async with connect(Access(url=url, token=token), name="ada") as connection:
        agent, world = await a_mind(RunStream(connection, run), Asked(SCRIPT, "Done."), areas=None)
        await agent.work(an_errand(world, file, at))


if __name__ == "__main__":
    _, url, token, run, file, when = sys.argv
    asyncio.run(_work(url, token, run, Path(file), when))
