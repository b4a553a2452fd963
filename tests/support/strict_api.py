"""A provider that is as strict as the real one, for the stand-in of the Messages API.

It keeps a prompt cache and charges by it. It thinks before it answers, signs its thinking
together with all that stood before it, and refuses a request in which a thinking block was
changed, moved, left out where it belongs, or put behind another beginning.
"""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from typing import Any

import httpx2
import msgspec

from team.agent.models.rehearsal.brain import Composed
from team.agent.models.rehearsal.transport import message_events, request_problem
from team.agent.thinking import THINKING
from tests.support.decisions import Calls
from tests.support.messages_api import error_response, streamed_events
from tests.support.model_streams import block
from tests.support.prompt_cache import PromptCache

Answer = Calls | str
"""What a model does next: calls, or a text that ends the turn."""


class StrictProvider:
    """Answers by a script, one answer a request; the same request again gets the same answer.

    Attributes:
        cache: What it keeps of requests.
        refused: What it has refused, and why.
        bodies: The requests that it has answered, each once.
    """

    def __init__(
        self,
        *answers: Answer,
        thinks: bool = False,
        may_miss: bool = False,
        cache: PromptCache | None = None,
    ) -> None:
        """Make one.

        Args:
            answers: What it answers, in order.
            thinks: Whether it thinks before each answer.
            may_miss: Whether it takes a turn that goes on without the thinking that began it.
            cache: What it keeps of requests, if others share that.
        """
        self.cache = cache or PromptCache()
        self.refused: list[str] = []
        self.bodies: list[dict[str, Any]] = []
        self._answers, self._thinks, self._may_miss = answers, thinks, may_miss
        self._thought: dict[str, tuple[str, list[dict[str, Any]]]] = {}
        self._given: dict[bytes, Composed] = {}

    def __call__(self, body: dict[str, Any], _: int) -> httpx2.Response:
        """Answer one request."""
        problem = request_problem(body) or self.cache.problem(body) or self._thinking_problem(body)
        if problem is not None:
            self.refused.append(problem)
            return error_response(400, "invalid_request_error", problem)
        key = msgspec.json.encode(body)
        composed = self._given.get(key)
        if composed is None:
            composed = self._compose(body, len(self.bodies))
            self._given[key] = composed
            self.bodies.append(body)
        return streamed_events(_events(body, composed, self.cache.usage(body)))

    def _compose(self, body: dict[str, Any], number: int) -> Composed:
        answer = self._answers[number]
        blocks: list[dict[str, Any]] = []
        if self._thinks:
            blocks += _thoughts(body, f"What is due in answer {number}?", number)
        if isinstance(answer, str):
            blocks.append({"type": "text", "text": answer})
            return Composed(blocks=blocks, stop_reason="end_turn")
        said = [
            {"type": "tool_use", "id": f"toolu_{number}_{n}", "name": name, "input": given}
            for n, (name, given) in enumerate(answer)
        ]
        for call in said:
            self._thought[call["id"]] = (_signed(_before(body)), list(blocks))
        return Composed(blocks=[*blocks, *said], stop_reason="tool_use")

    def _thinking_problem(self, body: dict[str, Any]) -> str | None:
        for number, message in enumerate(body["messages"]):
            if message["role"] != "assistant":
                continue
            blocks = message["content"]
            if blocks[-1]["type"] in THINKING:
                return f"messages.{number}: the final block in an assistant message is thinking"
            before = {**body, "messages": body["messages"][:number]}
            for at, one in enumerate(blocks):
                if one["type"] in THINKING and not _holds(before, blocks[:at], one):
                    return f"messages.{number}.content.{at}: thinking blocks cannot be modified"
        return None if self._may_miss else self._missing(body)

    def _missing(self, body: dict[str, Any]) -> str | None:
        """Whether the turn that goes on now has lost thinking that would still hold."""
        at = max((n for n, m in enumerate(body["messages"]) if m["role"] == "assistant"), default=0)
        blocks = body["messages"][at]["content"]
        before = _signed(_before({**body, "messages": body["messages"][:at]}))
        for call in (one for one in blocks if one["type"] == "tool_use"):
            signed, thoughts = self._thought.get(call["id"], ("", []))
            if signed == before and blocks[: len(thoughts)] != thoughts:
                return f"messages.{at}: expected the thinking that came before {call['id']}"
        return None


def _thoughts(body: dict[str, Any], text: str, number: int) -> list[dict[str, Any]]:
    """Thinking as it is given: some of it redacted."""
    open_part = {"type": "thinking", "thinking": text}
    first = open_part | {"signature": _signed(_before(body), open_part)}
    if number % 3 != 1:
        return [first]
    hidden = {"type": "redacted_thinking"}
    return [first, hidden | {"data": _signed(_before(body), first, hidden)}]


def _holds(before: dict[str, Any], said: Sequence[dict[str, Any]], one: dict[str, Any]) -> bool:
    """Whether a block is as it was given, behind what it was given behind."""
    signature = one.get("signature") or one.get("data")
    bare = {key: value for key, value in one.items() if key not in ("signature", "data")}
    return signature == _signed(_before(before), *said, bare)


def _before(body: dict[str, Any]) -> list[Any]:
    """All that stands before an answer, without the marks, which say nothing."""
    system = body.get("system") or ""
    if isinstance(system, list):
        system = "".join(part["text"] for part in system)
    turns = [
        [message["role"], [_bare(one) for one in message["content"]]]
        for message in body["messages"]
    ]
    return [system, body.get("tools"), turns]


def _bare(part: dict[str, Any]) -> dict[str, Any]:
    return {key: value for key, value in part.items() if key != "cache_control"}


def _signed(*parts: Any) -> str:
    return hashlib.sha256(msgspec.json.encode(parts, order="sorted")).hexdigest()


def _events(body: dict[str, Any], composed: Composed, usage: dict[str, Any]) -> list[bytes]:
    """An answer as it is streamed, charged as the cache says."""
    start, *others = message_events(body, msgspec.structs.replace(composed, blocks=[]))
    head, _, data = start.partition(b"data: ")
    message = msgspec.json.decode(data)
    message["message"]["usage"] |= usage
    blocks = [piece for n, one in enumerate(composed.blocks) for piece in _block(n, one)]
    return [head + b"data: " + msgspec.json.encode(message) + b"\n\n", *blocks, *others]


def _block(index: int, one: dict[str, Any]) -> list[bytes]:
    match one["type"]:
        case "thinking":
            empty = {"type": "thinking", "thinking": "", "signature": ""}
            text = {"type": "thinking_delta", "thinking": one["thinking"]}
            signature = {"type": "signature_delta", "signature": one["signature"]}
            return block(index, empty, text, signature)
        case "redacted_thinking":
            return block(index, one)
        case "text":
            return block(index, one | {"text": ""}, {"type": "text_delta", "text": one["text"]})
        case _:
            given = msgspec.json.encode(one["input"]).decode()
            delta = {"type": "input_json_delta", "partial_json": given}
            return block(index, one | {"input": {}}, delta)
