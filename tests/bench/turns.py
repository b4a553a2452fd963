"""What the runtime adds to a model turn, beside the bare SDK on the very same transport.

Three loops do the same conversation in turn: the real member (seat, feed, heartbeat,
journal, agent loop), the bare SDK, and the bare SDK with the two durable writes that
a turn needs. A turn is the time from one request's arrival at the model to the next.
"""

from __future__ import annotations

import asyncio
import itertools
import secrets
from collections.abc import AsyncIterator, Sequence
from pathlib import Path
from time import perf_counter
from typing import Any, ClassVar, Final

import anthropic
import httpx2
import msgspec
import nats

from bus import subjects
from bus.access import Access
from bus.connection import connect
from bus.feed import create_feed
from bus.ids import LEAD, new_message_id
from bus.messages import Budget, MemberSeated
from bus.run_stream import Entry
from team.agent.assignment import Assignment
from team.agent.loop import Agent
from team.agent.models.call import Caller
from team.agent.models.client import REHEARSAL
from team.agent.models.rehearsal.brain import Composed
from team.agent.models.rehearsal.transport import message_events
from team.agent.tools.base import Effect, Tool, ToolAnswer, schema_of
from team.agent.tools.recall_tools import Recall, RecallInput
from team.members.member import Member, seated
from team.members.seat import SeatKey
from team.rules.world import teammate_filters
from team.runtime.run import RunRequest, index_sources, open_new_run, prepare
from tests.bench.kit import Report, Row, median, milliseconds, quantile, row, say, served_home

SYSTEM: Final = "You look things up. " * 60
OPENING: Final = "Look up all that there is about shutting down. " * 20
FOUND: Final = "The pool joins its workers before it closes the queue. " * 37
THOUGHT: Final = "I look up what happens to work that is queued when the pool is closed. " * 3
MODEL: Final = "scripted-1"
TOKENS_MAX: Final = 1_000
ME: Final = "ada"
RECALL: Final[dict[str, Any]] = {
    "name": Recall.name,
    "description": " ".join(str(Recall.__doc__).split()),
    "input_schema": schema_of(RecallInput),
}
"""Every member has it: without it, the floor would send less."""


class ScriptedModel(httpx2.AsyncBaseTransport):
    """Asks for the same tool `turns` times, then ends; knows when each request came."""

    def __init__(self, turns: int, latency_s: float) -> None:
        self.asked_at: list[float] = []
        self.request_bytes = 0
        self._latency_s = latency_s
        self._replies = [_events(number, turns) for number in range(turns + 1)]

    def begin(self) -> None:
        """Start the script again."""
        self.asked_at, self.request_bytes = [], 0

    @property
    def turn_seconds(self) -> list[float]:
        """How long each turn took, from request to request."""
        return [after - before for before, after in itertools.pairwise(self.asked_at)]

    async def handle_async_request(self, request: httpx2.Request) -> httpx2.Response:
        self.asked_at.append(perf_counter())
        self.request_bytes += len(await request.aread())
        await asyncio.sleep(self._latency_s)
        events = self._replies[len(self.asked_at) - 1]
        headers = {"content-type": "text/event-stream", "request-id": secrets.token_hex(8)}
        return httpx2.Response(200, headers=headers, stream=_Stream(events))


class _Stream(httpx2.AsyncByteStream):
    def __init__(self, events: Sequence[bytes]) -> None:
        self._events = events

    async def __aiter__(self) -> AsyncIterator[bytes]:
        for event in self._events:
            yield event


def _events(number: int, turns: int) -> list[bytes]:
    text = {"type": "text", "text": THOUGHT}
    if number == turns:
        composed = Composed(blocks=[text], stop_reason="end_turn")
    else:
        call = {"type": "tool_use", "id": f"toolu_{number:06d}", "name": "look_up"}
        given = {"input": {"query": "shut down", "page": number}}
        composed = Composed(blocks=[text, call | given], stop_reason="tool_use")
    return message_events({"messages": [number]}, composed)


def client_of(model: ScriptedModel) -> anthropic.AsyncAnthropic:
    """The SDK's client, as the runtime makes it, on the scripted model."""
    return anthropic.AsyncAnthropic(
        api_key="none",
        base_url="http://scripted.invalid",
        max_retries=0,
        http_client=httpx2.AsyncClient(transport=model),
    )


class LookUpInput(msgspec.Struct, frozen=True, kw_only=True):
    """What to look for."""

    query: str
    page: int


class LookUp(Tool[LookUpInput]):
    """Look something up; answers 2 KB of text at once."""

    name: ClassVar[str] = "look_up"
    input_type = LookUpInput
    effect: ClassVar[Effect] = "read-only"

    async def run(self, given: LookUpInput) -> ToolAnswer:
        return ToolAnswer(content=f"{given.query} {given.page}: {FOUND}")


class Durable:
    """The two durable writes of a turn by bare nats-py: a batch of two, then one."""

    def __init__(self, client: Any, run: str, name: str) -> None:
        self._client = client
        self._journal = f"run.{run}.journal.{name}"
        self._usage = f"run.{run}.usage.{name}"
        self._head = 0

    async def replied(self, blocks: list[dict[str, Any]]) -> None:
        """Store a reply and its usage, both or neither."""
        batch = {"Nats-Batch-Id": new_message_id()}
        first = self._expected() | batch | {"Nats-Batch-Sequence": "1"}
        await self._client.publish(self._journal, msgspec.json.encode(blocks), headers=first)
        last = {"Nats-Msg-Id": new_message_id(), "Nats-Batch-Sequence": "2"} | batch
        last["Nats-Batch-Commit"] = "1"
        answer = await self._client.request(self._usage, b'{"in":1}', timeout=5, headers=last)
        self._head = msgspec.json.decode(answer.data)["seq"] - 1

    async def acted(self, results: list[dict[str, Any]]) -> None:
        """Store what the tools answered."""
        data, headers = msgspec.json.encode(results), self._expected()
        answer = await self._client.request(self._journal, data, timeout=5, headers=headers)
        self._head = msgspec.json.decode(answer.data)["seq"]

    def _expected(self) -> dict[str, str]:
        return {
            "Nats-Msg-Id": new_message_id(),
            "Nats-Expected-Last-Subject-Sequence": str(self._head),
        }


async def bare(client: anthropic.AsyncAnthropic, durable: Durable | None = None) -> None:
    """The floor: the SDK in a loop, the history in a list."""
    tool = LookUp()
    tools: Any = [tool.definition, RECALL]
    messages: list[Any] = [{"role": "user", "content": OPENING}]
    while True:
        async with client.messages.stream(
            model=MODEL, max_tokens=TOKENS_MAX, system=SYSTEM, messages=messages, tools=tools
        ) as stream:
            message = await stream.get_final_message()
        blocks = [block.to_dict(mode="json", exclude_unset=True) for block in message.content]
        messages.append({"role": "assistant", "content": blocks})
        if durable is not None:
            await durable.replied(blocks)
        results = [
            {
                "type": "tool_result",
                "tool_use_id": block["id"],
                "content": (await tool.call(block["input"])).content,
            }
            for block in blocks
            if block["type"] == "tool_use"
        ]
        if not results:
            return
        messages.append({"role": "user", "content": results})
        if durable is not None:
            await durable.acted(results)


def assignment(number: int) -> Assignment:
    """The same conversation as an assignment of the runtime's."""
    return Assignment(
        context=f"bench:{number}",
        system=SYSTEM,
        opening=OPENING,
        tools=(LookUp(),),
        model=MODEL,
        budget=Budget(turns_max=10_000, tokens_max=10**9, seconds_max=3_600.0),
        output_tokens_max=TOKENS_MAX,
    )


async def seat_key(access: Access, folder: Path) -> SeatKey:
    """Open a run as `team run` does, and lay out one seat as the lead would."""
    (folder / "notes.md").write_text(FOUND)
    request = RunRequest(
        team="research", goal=OPENING, sources=("notes.md",), cwd=folder, model=REHEARSAL
    )
    prepared = prepare(request)
    library, _ = index_sources(prepared.collection)
    run = prepared.run
    async with connect(access, name="bench") as connection:
        stream = await open_new_run(connection, prepared, library)
        filters = teammate_filters(run, ME, (), ())
        await create_feed(connection, run, ME, filters)
        body = MemberSeated(role="researcher", filters=filters)
        await stream.append(Entry(subject=subjects.member(run, ME, LEAD), body=body))
    return SeatKey(
        run=run,
        name=ME,
        access=access,
        provider=REHEARSAL,
        cache_dir=str(folder / "cache"),
        log_path=str(folder / "member.log"),
    )


def agent_of(member: Member, model: ScriptedModel) -> Agent:
    """The member's own agent, but on the scripted model."""
    return Agent(
        member.world,
        member.journal,
        Caller(REHEARSAL, model),
        on_text=member._write,
        on_state=member.show,
    )


class Times(msgspec.Struct):
    """Seconds of each turn, by loop."""

    member: list[float] = []
    bare: list[float] = []
    durable: list[float] = []
    first: list[float] = []
    last: list[float] = []


async def measure(
    access: Access, folder: Path, *, latency_s: float, turns: int, rounds: int
) -> Times:
    """Let the three loops have the conversation in turn; the first round warms up."""
    key = await seat_key(access, folder)
    model = ScriptedModel(turns, latency_s)
    client = client_of(model)
    raw = await nats.connect(access.url, token=access.token)
    times = Times()
    try:
        async with seated(key) as member:
            agent = agent_of(member, model)
            for number in range(rounds + 1):
                model.begin()
                outcome = await agent.work(assignment(number))
                assert outcome.returned, outcome.reason
                ours, sent = model.turn_seconds, model.request_bytes
                model.begin()
                await bare(client)
                floor = model.turn_seconds
                assert abs(model.request_bytes - sent) < 0.02 * sent, "not the same work"
                model.begin()
                await bare(client, Durable(raw, key.run, f"bare{number}"))
                if number:
                    _keep(times, ours, floor, model.turn_seconds)
    finally:
        await raw.close()
        await client.close()
    return times


def _keep(
    times: Times, ours: list[float], floor: list[float], durable: list[float], ends: int = 5
) -> None:
    times.member += ours
    times.bare += floor
    times.durable += durable
    times.first += [a - b for a, b in zip(ours[:ends], floor[:ends], strict=True)]
    times.last += [a - b for a, b in zip(ours[-ends:], floor[-ends:], strict=True)]


def rows_of(case: str, times: Times) -> list[Row]:
    """The figures of one latency."""
    ours, floor, durable = map(milliseconds, (times.member, times.bare, times.durable))
    rows: list[Row] = []
    for label, share in (("p50", 0.5), ("p99", 0.99)):
        mine, bare_, stored = (quantile(values, share) for values in (ours, floor, durable))
        rows += [
            row(case, f"a turn, {label}", "ms", mine, bare_, "bare SDK"),
            row(case, f"a turn, {label}", "ms", mine, stored, "bare SDK + 2 durable writes"),
            row(case, f"added to a turn, {label}", "ms", mine - bare_, stored - bare_, "2 writes"),
        ]
    growth = median(milliseconds(times.last)), median(milliseconds(times.first))
    rows.append(row(case, "added, last 5 turns", "ms", *growth, "first 5 turns"))
    return rows


def run(*, is_quick: bool) -> Report:
    """Measure at 0 and 50 ms a model call."""
    turns = 10 if is_quick else 40
    rows: list[Row] = []
    with served_home() as (folder, access):
        for latency_ms, rounds in ((0, 3 if is_quick else 12), (50, 1 if is_quick else 4)):
            say(f"turns: {rounds} x 3 conversations of {turns} turns at {latency_ms} ms")
            work = measure(access, folder, latency_s=latency_ms / 1_000, turns=turns, rounds=rounds)
            rows += rows_of(f"{latency_ms} ms a call", asyncio.run(work))
    return Report(
        name="turns",
        how=(
            f"One conversation of {turns} tool turns (2 KB of tool result each, the history\n"
            "grows), by a seated member, by the bare SDK, and by the bare SDK with the two\n"
            "durable writes of a turn; in one process beside the server, in turn."
        ),
        rows=tuple(rows),
        notes=("the model is a transport below the SDK: no socket, so the floor is at its lowest",),
    )
