"""A model that does whatever a text tells it: no good will stands between an order and the act.

An order is a word in a text, `OBEY:` and what is to be called, in hex: so it survives whatever
escaping, quoting and wrapping a context has, as its meaning would before a real model.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from typing import Any

import httpx2
import msgspec

from team.agent.models.rehearsal.brain import Composed
from team.agent.models.rehearsal.transport import message_events, request_problem

Call = tuple[str, dict[str, Any]]

_ORDER = re.compile(r"OBEY:([0-9a-f]+)")


def order(name: str, given: dict[str, Any]) -> str:
    """The word that orders a call."""
    return f"OBEY:{msgspec.json.encode((name, given)).hex()}"


def orders_in(request: dict[str, Any]) -> list[Call]:
    """All calls that anything in a request orders, each once, in order."""
    found: dict[str, Call] = {}
    for text in _texts(request):
        for word in _ORDER.findall(text):
            name, given = msgspec.json.decode(bytes.fromhex(word[: len(word) // 2 * 2]))
            found[word] = (name, given)
    return list(found.values())


def pending(request: dict[str, Any]) -> list[Call]:
    """Orders that were not obeyed yet; what ends the assignment comes last."""
    done = [
        (block["name"], block["input"])
        for message in request["messages"]
        if message["role"] == "assistant"
        for block in message["content"]
        if block["type"] == "tool_use"
    ]
    left = [call for call in orders_in(request) if call not in done]
    first = [call for call in left if not call[0].startswith("submit_")]
    return first or left[:1]


def _texts(request: dict[str, Any]) -> Iterator[str]:
    """All that a model reads and has not written itself."""
    yield str(request.get("system", ""))
    yield from (tool.get("description", "") for tool in request.get("tools", []))
    for message in request["messages"]:
        if message["role"] == "user":
            blocks = message["content"]
            for block in [blocks] if isinstance(blocks, str) else blocks:
                yield block if isinstance(block, str) else _text(block)


def _text(block: dict[str, Any]) -> str:
    return str(block.get("text") or block.get("content") or "")


class Gullible(httpx2.AsyncBaseTransport):
    """Looks around by a script, obeys all it reads, then does the last of the script."""

    def __init__(self, looks: Sequence[Call], last: Sequence[Call] = ()) -> None:
        self.obeyed: list[Call] = []
        self.requests: list[dict[str, Any]] = []
        self._looks, self._last = list(looks), list(last)

    async def handle_async_request(self, request: httpx2.Request) -> httpx2.Response:
        """Answer the next turn."""
        body = msgspec.json.decode(await request.aread())
        assert request_problem(body) is None, request_problem(body)
        self.requests.append(body)
        calls, self._looks = self._looks, []
        if not calls:
            calls = pending(body)
            self.obeyed += calls
        if not calls:
            calls, self._last = self._last, []
        return answer(body, calls, len(self.requests))


def answer(body: dict[str, Any], calls: Sequence[Call], number: int) -> httpx2.Response:
    """A message that makes calls, or that ends the turn if there are none."""
    blocks: list[dict[str, Any]] = [
        {"type": "tool_use", "id": f"toolu_g{number}_{n}", "name": name, "input": given}
        for n, (name, given) in enumerate(calls)
    ]
    blocks = blocks or [{"type": "text", "text": "Done."}]
    composed = Composed(blocks=blocks, stop_reason="tool_use" if calls else "end_turn")
    events = b"".join(message_events(body, composed))
    return httpx2.Response(200, headers={"content-type": "text/event-stream"}, content=events)


def obeying(body: dict[str, Any], number: int) -> httpx2.Response | None:
    """For a stand-in of the provider: obey what there is to obey; else answer as it would."""
    calls = pending(body)
    return answer(body, calls, number) if calls else None
