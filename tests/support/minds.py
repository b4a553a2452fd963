"""A member's mind on a bus, before a model that answers by a script and keeps what it was asked."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import httpx2
import msgspec

from bus.ids import LEAD
from bus.messages import MemberSeated, RunOpened
from bus.run_stream import Entry, RunStream
from bus.subjects import build
from team.agent.loop import Agent
from team.agent.models.call import Caller
from team.agent.models.rehearsal.brain import Composed
from team.agent.models.rehearsal.transport import message_events, request_problem
from team.agent.world import World
from team.policy import TriageRules
from tests.support.builders import a_resolved_spec
from tests.support.decisions import Calls, a_world

Answer = Calls | str | httpx2.Response
"""What a model does next: calls, a text that ends the turn, or what comes in place of a reply."""


class Asked(httpx2.AsyncBaseTransport):
    """Gives one answer a request, by a script, and keeps the requests byte by byte."""

    def __init__(self, *answers: Answer, stops: dict[int, str] | None = None) -> None:
        self.bodies: list[bytes] = []
        self._answers, self._stops = answers, stops or {}

    @property
    def requests(self) -> list[dict[str, Any]]:
        """What was asked, decoded."""
        return [msgspec.json.decode(body) for body in self.bodies]

    async def handle_async_request(self, request: httpx2.Request) -> httpx2.Response:
        """Answer the next request."""
        raw = await request.aread()
        body = msgspec.json.decode(raw)
        assert request_problem(body) is None, request_problem(body)
        number = len(self.bodies)
        self.bodies.append(raw)
        answer = self._answers[number]
        if isinstance(answer, httpx2.Response):
            return answer
        blocks = _blocks(number, answer)
        usual = "end_turn" if isinstance(answer, str) else "tool_use"
        composed = Composed(blocks=blocks, stop_reason=self._stops.get(number, usual))
        events = b"".join(message_events(body, composed))
        return httpx2.Response(200, headers={"content-type": "text/event-stream"}, content=events)


def _blocks(number: int, answer: Calls | str) -> list[dict[str, Any]]:
    if isinstance(answer, str):
        return [{"type": "text", "text": answer}]
    return [
        {"type": "tool_use", "id": f"toolu_{number}_{n}", "name": name, "input": given}
        for n, (name, given) in enumerate(answer)
    ]


def too_long() -> httpx2.Response:
    """How the API refuses a call that reads more than the window."""
    message = "prompt is too long: 208310 tokens > 200000 maximum"
    error = {"type": "invalid_request_error", "message": message}
    return httpx2.Response(400, json={"type": "error", "error": error})


async def a_seat(stream: RunStream, window_tokens: int) -> None:
    """Open a run in which ada has a seat, on a model with such a window."""
    spec = a_resolved_spec()
    triage = TriageRules(window_tokens=window_tokens)
    spec = msgspec.structs.replace(spec, team=msgspec.structs.replace(spec.team, triage=triage))
    opened = RunOpened(goal="Compare.", spec=msgspec.Raw(msgspec.json.encode(spec)))
    seated = MemberSeated(role="researcher", filters=())
    await stream.append(Entry(subject=build(stream.run, "spec", author=LEAD), body=opened))
    await stream.append(Entry(subject=build(stream.run, "member", "ada", author=LEAD), body=seated))


async def a_mind(
    stream: RunStream, transport: httpx2.AsyncBaseTransport, *, areas: Sequence[str] | None = ()
) -> tuple[Agent, World]:
    """Ada's mind as a fresh process has it; whoever gives areas stops the inbox."""
    world = await a_world(stream, "ada", areas=areas)
    caller = Caller("rehearsal", transport)
    agent = Agent(world, world.journal, caller, on_text=lambda _: None, on_state=lambda *_: None)
    return agent, world
