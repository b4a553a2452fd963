"""A provider as dear as it may be, and its meter: what it has charged, by its own count.

Each byte that it reads is a token, and goes into the cache; each answer took all that it might
write, whatever came of it. It charges when it is asked: for answers that are cut, for pages in
their place, and for callers that are dead before they read them. An error in the API's own words
costs nothing.
"""

from __future__ import annotations

import random
from typing import Any

import httpx2
import msgspec

from bus.messages import TokenCounts
from team.agent.models.pricing import price_usd
from team.agent.models.rehearsal.brain import compose
from team.agent.models.rehearsal.transport import message_events
from tests.support.messages_api import _cut, _end, _streamed, error_response, page

OWN_BYTES_PER_TOKEN = 4
"""What the provider wrote itself, it reads at its own rate."""


class DearProvider:
    """Answers requests, and charges for them.

    Attributes:
        usd: What it has charged, in US dollars.
        tokens: The same in tokens.
        calls: How many tries it has charged for.
    """

    def __init__(self, seed: int, spoiled_share: float) -> None:
        """Make one that spoils a share of all tries, by a seed."""
        self.usd, self.tokens, self.calls = 0.0, 0, 0
        self._chance, self._share = random.Random(seed), spoiled_share

    def answer(self, body: dict[str, Any], _: int) -> httpx2.Response:
        """Serve one request, or spoil it."""
        is_spoiled = self._chance.random() < self._share
        way = self._chance.choice(["429", "500", "cut", "cut", "page"]) if is_spoiled else "whole"
        if way == "429":
            return error_response(429, "rate_limit_error", "slow down", **{"retry-after": "0.1"})
        if way == "500":
            return error_response(500, "api_error", "internal")
        self._charge(body)
        events = self._events(body)
        if way == "page":
            return page()
        if way == "cut":
            return _streamed(events[: self._chance.randrange(len(events))], _cut)
        return _streamed(events, _end)

    def count(self, body: dict[str, Any]) -> httpx2.Response:
        """Say how much a request would read."""
        return httpx2.Response(200, json={"input_tokens": tokens_read(body)})

    def _charge(self, body: dict[str, Any]) -> None:
        took = _taken(body)
        cost = price_usd(body["model"], took)
        assert cost is not None
        self.calls += 1
        self.usd += cost
        self.tokens += took.total

    def _events(self, body: dict[str, Any]) -> list[bytes]:
        """The rehearsal model's answer, with what it takes here."""
        took = _taken(body)
        first, *between, last, stop = message_events(body, compose(body))
        start = _data(first)
        usage = {"input_tokens": 0, "cache_creation_input_tokens": took.cache_write}
        start["message"] |= {"model": body["model"], "usage": usage | {"output_tokens": 1}}
        end = _data(last) | {"usage": {"output_tokens": took.output}}
        return [_event(start), *between, _event(end), stop]


def tokens_read(body: dict[str, Any]) -> int:
    """What a request has in it at a byte a token, what the model itself wrote apart."""
    own = [m for m in body["messages"] if m["role"] == "assistant"]
    others = [m["content"] for m in body["messages"] if m["role"] != "assistant"]
    rest = _size((body.get("system"), others, body.get("tools")))
    return rest + sum(_size(m["content"]) // OWN_BYTES_PER_TOKEN for m in own)


def _taken(body: dict[str, Any]) -> TokenCounts:
    return TokenCounts(cache_write=tokens_read(body), output=body["max_tokens"])


def _size(value: Any) -> int:
    return len(msgspec.json.encode(value))


def _data(event: bytes) -> dict[str, Any]:
    found: dict[str, Any] = msgspec.json.decode(event.partition(b"data: ")[2])
    return found


def _event(data: dict[str, Any]) -> bytes:
    return f"event: {data['type']}\ndata: ".encode() + msgspec.json.encode(data) + b"\n\n"
