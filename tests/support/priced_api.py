"""A script for the loopback Messages API whose answers have a price, and a cache.

Like the provider, it says what of a prompt came from the cache, what was written to it, and
what was fresh: what the same conversation has sent before comes from the cache.
"""

from __future__ import annotations

from typing import Any

import httpx2
import msgspec

from team.agent.models.rehearsal.brain import compose
from team.agent.models.rehearsal.transport import BYTES_PER_TOKEN, message_events


class CachingScript:
    """Answers as the rehearsal model does, under the name that was asked for."""

    def __init__(self, answers_as: str = "") -> None:
        """Make a script; `answers_as` stands for the model in every answer."""
        self._answers_as = answers_as
        self._sent: dict[bytes, int] = {}

    def __call__(self, body: dict[str, Any], _: int) -> httpx2.Response | None:
        first, *rest = message_events(body, compose(body))
        started = msgspec.json.decode(first.split(b"data: ", 1)[1])
        message = started["message"]
        message["model"] = self._answers_as or body["model"]
        message["usage"] |= self._usage(body)
        told = b"event: message_start\ndata: " + msgspec.json.encode(started) + b"\n\n"
        kind = {"content-type": "text/event-stream", "request-id": message["id"]}
        return httpx2.Response(200, headers=kind, content=told + b"".join(rest))

    def _usage(self, body: dict[str, Any]) -> dict[str, int]:
        conversation = msgspec.json.encode((body["model"], body["system"], body["messages"][0]))
        whole = len(msgspec.json.encode((body["system"], body["messages"], body["tools"])))
        tokens = whole // BYTES_PER_TOKEN
        before = min(self._sent.get(conversation, 0), tokens)
        self._sent[conversation] = tokens
        return {
            "input_tokens": 3,
            "cache_read_input_tokens": before,
            "cache_creation_input_tokens": tokens - before,
        }
