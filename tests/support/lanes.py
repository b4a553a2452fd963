"""One lane of research as a member has it: role, contract, sources, tools, peers that write."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import httpx2
import msgspec

import roles
from bus.ids import LEAD
from bus.messages import (
    AnyMessage,
    Budget,
    MemberSeated,
    Question,
    RunOpened,
    TaskClaimed,
)
from bus.run_stream import Entry, RunStream
from bus.subjects import build
from roles import Role
from team.agent.assignment import Assignment
from team.agent.briefing import HOUSE_RULES, Briefing, Peer, opening
from team.agent.loop import Agent
from team.agent.models.call import Caller
from team.agent.tools.toolbox import research_tools
from team.agent.world import World, task_context
from team.policy import TriageRules
from team.sources import Library, build_library, collect
from team.spec import Models
from team.state import Task
from team.tool_names import RESEARCH_TOOLS, TOOL_NAMES
from tests.support.builders import a_contract, a_resolved_spec, opens
from tests.support.decisions import a_world, send

MODEL = "claude-sonnet-5-5"
LINE = "Clause {n} of {name}: a pool keeps {n} connections, and gives the oldest back first."
BUDGET = Budget(turns_max=24, tokens_max=10_000_000, seconds_max=120.0)

Happening = Callable[[], Any]
"""What peers do before a turn; awaited."""


class Onto(httpx2.AsyncBaseTransport):
    """Brings what is sent to Anthropic's own address to a stand-in, over real HTTP."""

    def __init__(self, url: str) -> None:
        self._url = httpx2.URL(url)
        self._client = httpx2.AsyncClient()

    async def handle_async_request(self, request: httpx2.Request) -> httpx2.Response:
        """Send one request on."""
        url = request.url.copy_with(
            scheme=self._url.scheme, host=self._url.host, port=self._url.port
        )
        headers = {**dict(request.headers), "host": self._url.netloc.decode()}
        sent = self._client.build_request(
            request.method, url, headers=headers, content=await request.aread()
        )
        return await self._client.send(sent, stream=True)

    async def aclose(self) -> None:
        """Close all connections."""
        await self._client.aclose()


def a_researcher() -> Role:
    """The role that comes with the package."""
    path = Path(roles.__file__).parent / "researcher.md"
    return roles.load_role(path, frozenset(TOOL_NAMES))


async def a_lane_opened(
    stream: RunStream, *, cache: str = "5m", window_tokens: int = 200_000
) -> None:
    """Open a run with one lane, which ada has claimed; bea and the lead are there, too."""
    spec = a_resolved_spec()
    models = msgspec.convert({"worker": MODEL, "cache": cache}, Models)
    triage = TriageRules(window_tokens=window_tokens)
    team = msgspec.structs.replace(spec.team, models=models, triage=triage)
    spec = msgspec.structs.replace(spec, team=team, provider="anthropic")
    contract = a_contract(tools=RESEARCH_TOOLS, budget=BUDGET, areas=("api",))
    said: list[tuple[str, tuple[str, ...], str, AnyMessage]] = [
        ("spec", (), LEAD, RunOpened(goal="Compare.", spec=msgspec.Raw(msgspec.json.encode(spec)))),
        ("member", ("ada",), LEAD, MemberSeated(role="researcher", filters=())),
        ("member", ("bea",), LEAD, MemberSeated(role="researcher", filters=())),
        ("task", ("t1",), LEAD, opens(contract=contract)),
    ]
    for kind, names, author, body in said:
        await stream.append(
            Entry(subject=build(stream.run, kind, *names, author=author), body=body)
        )
    claim = build(stream.run, "task", "t1", author="ada")
    await stream.append(Entry(subject=claim, body=TaskClaimed()))


def some_sources(folder: Path) -> Library:
    """A library of three sources of 150 lines each, about 3,000 tokens a source."""
    (folder / "docs").mkdir(exist_ok=True)
    for name in ("pools", "limits", "order"):
        lines = (LINE.format(n=n, name=name) for n in range(1, 151))
        (folder / f"docs/{name}.md").write_text("\n".join(lines) + "\n")
    build_library(collect(["docs"], folder), folder / "library.sqlite")
    return Library.open(folder / "library.sqlite")


@asynccontextmanager
async def at_work(
    stream: RunStream, library: Library, url: str, *, sees: bool = True
) -> AsyncIterator[tuple[Agent, World, Assignment]]:
    """Ada in her lane, as a fresh process has it, before a provider at an address."""
    world = await a_world(stream, "ada", areas=["api"], library=library)
    world = msgspec.structs.replace(world, sees=sees)
    caller = Caller("anthropic", Onto(url))
    agent = Agent(world, world.journal, caller, on_text=lambda _: None, on_state=lambda *_: None)
    try:
        yield agent, world, an_assignment(world, world.state.board.tasks["t1"])
    finally:
        await caller.close()
        await world.inbox.stop()


def an_assignment(world: World, task: Task) -> Assignment:
    """The lane as a teammate sets about it."""
    role = a_researcher()
    briefing = Briefing(
        kind="research",
        me=world.me,
        contract=task.contract,
        task=task.id,
        peers=(Peer(name="bea", role="researcher"),),
    )
    return Assignment(
        context=task_context(task),
        system=f"{role.instructions.strip()}\n\n{HOUSE_RULES}",
        opening=opening(briefing),
        tools=research_tools(world, role, task),
        model=MODEL,
        effort=role.effort,
        budget=BUDGET,
        output_tokens_max=8_000,
        ends_with="submit_finding",
        claim_seq=task.claim_seq,
        about="how pools behave",
    )


async def work(
    agent: Agent, world: World, assignment: Assignment, before: dict[int, Happening]
) -> None:
    """Work turn by turn; before some of the turns, peers do something that reaches the member."""
    transcript = await agent._open(assignment)
    while transcript.answer is None and transcript.closed is None:
        if transcript.unfinished is not None:
            await agent._act(assignment, transcript, transcript.unfinished)
            continue
        happening = before.pop(len(transcript.turns) + 1, None)
        if happening is not None:
            await world.inbox.reached(await happening())
        end = await agent._next_turn(assignment, transcript)
        assert end is None, end


def asks(stream: RunStream, text: str) -> Happening:
    """Bea asks ada something."""
    subject = build(stream.run, "mail", "ada", author="bea")
    return lambda: stream.append(Entry(subject=subject, body=Question(text=text)))


def decides(stream: RunStream, key: str, body: AnyMessage) -> Happening:
    """Bea decides something in ada's area."""
    return lambda: send(stream, "bea", body, ("api", key))
