"""One model call: stream it, accept only a whole message, map what goes wrong.

A cut stream, a page of HTML or an empty body never passes for an answer.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable
from typing import Any, Final, Literal, Protocol

import anthropic
import httpx2
import msgspec

from bus.messages import TokenCounts
from team.agent.models.cassette.environment import Tape, is_first_party
from team.agent.models.cassette.lane import Lane
from team.agent.models.client import REHEARSAL, fingerprint, make_client
from team.agent.models.failures import exhausted_s, model_error, pause_s
from team.agent.models.pricing import price_ceiling_usd, price_usd
from team.errors import (
    ModelBusyError,
    ModelError,
    ModelRefusedError,
    ModelReplyError,
    ModelTooLongError,
)
from team.rules.limits import CHARACTERS_PER_TOKEN

REPLY_TRIES: Final = 3
"""How many answers to one call may be broken, or no messages at all."""
BEGUN_TRIES: Final = 8
"""How many answers to one call may begin, and be paid, and then end in a busy provider."""
PATIENCE_S: Final = 600.0
"""How long a busy provider is waited for where nobody says otherwise, in seconds."""
DISCARDED: Final = "\n[this answer broke off: it does not count, and is asked for again]\n"

Ending = Literal["ok", "busy", "failed"]
"""How a try ended: in a message, in being asked to call less, otherwise."""


class ToolCall(msgspec.Struct, frozen=True, kw_only=True):
    """A tool that the model wants to be run."""

    id: str
    name: str
    input: dict[str, Any]  # whatever JSON object the model wrote; the tool decodes it


class Reply(msgspec.Struct, frozen=True, kw_only=True):
    """A whole reply of a model.

    Attributes:
        content: Its content blocks as JSON, ready to be sent back.
        text: Its text blocks together.
        calls: Tools that it wants to be run, in order.
        stop_reason: Why it stopped.
        stop_details: What the provider says of that, if anything.
        tokens: What the call took.
        lost: What tries before it took, whose answer broke off.
        cost_usd: US dollars of all that; absent where the price is unknown.
        took_s: From request to last byte, in seconds.
    """

    content: bytes
    text: str
    calls: tuple[ToolCall, ...]
    stop_reason: str
    stop_details: str = ""
    tokens: TokenCounts
    lost: TokenCounts = TokenCounts()
    model: str
    request_id: str
    cost_usd: float | None
    took_s: float
    is_estimated: bool


class Request(msgspec.Struct, frozen=True, kw_only=True):
    """What is asked of a model."""

    model: str
    system: str
    messages: list[dict[str, Any]]  # the Messages API's own shape
    tools: list[dict[str, Any]]
    max_tokens: int
    effort: str | None = None
    searches: tuple[dict[str, Any], ...] = ()  # tools that the provider runs itself

    def estimated_input_tokens(self) -> int:
        """About how many tokens the call reads."""
        size = len(msgspec.json.encode((self.system, self.messages, self.tools)))
        return int(size / CHARACTERS_PER_TOKEN)


class Pacer(Protocol):
    """Who says when the members of a run may call, so that they keep one provider's limit."""

    async def ask(self, key: str) -> float:
        """Ask to call: 0 means now, else ask again after so many seconds."""

    async def tell(self, key: str, how: Ending, hold_s: float | None) -> None:
        """Say that a call has ended, and for how long the provider wants no other."""


class Caller:
    """Makes model calls, waits where the provider asks to, and says so."""

    def __init__(
        self,
        provider: str,
        transport: httpx2.AsyncBaseTransport | None = None,
        *,
        tape: Tape = None,
        pacer: Pacer | None = None,
    ) -> None:
        """Make a caller.

        Args:
            provider: `anthropic` or `rehearsal`.
            transport: What stands below the SDK in place of all else.
            tape: The member's lane, where its calls are recorded or replayed.
            pacer: Who says when to call; absent, or in a replay: nobody is asked.
        """
        self._provider = provider
        self._is_first_party = is_first_party(tape)
        self._client = make_client(provider, transport, tape=tape)
        self._lane = tape if isinstance(tape, Lane) else None
        self._pacer = pacer if self._lane is None else None
        self._key = fingerprint(self._client)

    @property
    def is_estimating(self) -> bool:
        """Whether tokens are estimated, not counted."""
        return self._provider == REHEARSAL

    async def close(self) -> None:
        """Close the connections to the provider."""
        await self._client.close()

    def cost_usd(self, model: str, tokens: TokenCounts) -> float | None:
        """What a call has cost in US dollars, or nothing where the price is unknown."""
        return 0.0 if self._provider == REHEARSAL else price_usd(model, tokens)

    def ceiling_usd(self, model: str, input_tokens: int, output_tokens: int) -> float | None:
        """The most that a call can cost in US dollars, or nothing where that is unknown."""
        if self._provider == REHEARSAL:
            return 0.0
        return price_ceiling_usd(model, input_tokens, output_tokens)

    async def call(
        self,
        request: Request,
        *,
        on_text: Callable[[str], None],
        on_wait: Callable[[str, float], None],
        patience_s: float = PATIENCE_S,
        may_lose: Callable[[TokenCounts], bool] = lambda _: True,
    ) -> Reply:
        """Make one call, again and again while that may help.

        Args:
            request: What is asked.
            on_text: Called with each piece of text as it comes, with an empty one for the rest;
                also told when it is void.
            on_wait: Called with a reason and seconds before each wait, and with 0 s after it.
            patience_s: For how long a busy provider is waited for, in seconds.
            may_lose: Asked with what tries in vain have taken whether there may be another.

        Raises:
            ModelRefusedError: It would fail the same way again.
            ModelTooLongError: It has more in it than the model's window takes.
            ModelBusyError: Still not served after `patience_s`.
            ModelReplyError: `REPLY_TRIES` replies were not whole messages.

        Cancelling: safe; the HTTP stream is closed.
        """
        tries = _Tries(time.monotonic() + patience_s, self._lane)
        while True:
            attempt = _Attempt()
            try:
                await self._may_call(request.model, tries.deadline, on_wait)
                reply = await self._try(request, on_text, attempt)
            except ModelError as error:
                pause = tries.pause_s(error, attempt)
                if pause is None or not may_lose(tries.lost):
                    error.lost = tries.lost
                    raise
                if attempt.has_text:
                    on_text(DISCARDED)
                if self._lane is None:
                    await _wait(error.reason, pause, on_wait)
                continue
            return self._with_lost(reply, tries.lost)

    async def _may_call(
        self, model: str, deadline: float, on_wait: Callable[[str, float], None]
    ) -> None:
        """Wait for a place among the calls of the run's members."""
        while self._pacer is not None:
            wait_s = await self._pacer.ask(self._key)
            if wait_s <= 0:
                return
            left_s = deadline - time.monotonic()
            if left_s <= 0:
                raise ModelBusyError(model, "the provider's limit leaves no room for this call")
            reason = "the run's members share the provider's limit"
            await _wait(reason, min(wait_s, left_s), on_wait)

    async def _try(
        self, request: Request, on_text: Callable[[str], None], attempt: _Attempt
    ) -> Reply:
        """Try once, and tell the pacer how it ended, whatever way that was."""
        ending: Ending = "failed"
        hold_s: float | None = None
        try:
            reply = await self._once(request, on_text, attempt)
            ending, hold_s = "ok", attempt.exhausted_s
            return reply
        except ModelBusyError as error:
            if error.is_asked:
                ending, hold_s = "busy", error.retry_after_s
            raise
        finally:
            if self._pacer is not None:
                await self._pacer.tell(self._key, ending, hold_s)

    async def _once(
        self, request: Request, on_text: Callable[[str], None], attempt: _Attempt | None = None
    ) -> Reply:
        began, attempt = time.monotonic(), attempt or _Attempt()
        try:
            async with self._client.messages.stream(**self._arguments(request)) as stream:
                async for event in stream:
                    attempt.take(event)
                    on_text(event.text if event.type == "text" else "")
                message = await stream.get_final_message()
                request_id = stream.request_id or ""
                attempt.exhausted_s = exhausted_s(stream.response.headers, time.time())
        except Exception as error:
            raise model_error(request.model, error) from error
        if not attempt.is_whole:
            raise ModelReplyError(request.model, "the stream ended before the message did")
        return self._reply(request, message, request_id, time.monotonic() - began)

    def _with_lost(self, reply: Reply, lost: TokenCounts) -> Reply:
        """A reply together with what was paid in vain before it."""
        cost = self.cost_usd(reply.model, lost)
        total = None if cost is None or reply.cost_usd is None else reply.cost_usd + cost
        return msgspec.structs.replace(reply, lost=lost, cost_usd=total) if lost.total else reply

    def _arguments(self, request: Request) -> dict[str, Any]:
        arguments: dict[str, Any] = {
            "model": request.model,
            "max_tokens": request.max_tokens,
            "system": request.system,
            "messages": request.messages,
            "tools": request.tools,
        }
        if self._provider != REHEARSAL and self._is_first_party:
            arguments["cache_control"] = {"type": "ephemeral"}
            arguments["tools"] = [*request.tools, *request.searches]
            if request.effort:
                arguments["output_config"] = {"effort": request.effort}
        return arguments

    def _reply(self, request: Request, message: Any, request_id: str, took_s: float) -> Reply:
        stop_reason = getattr(message, "stop_reason", None)
        if not isinstance(message, anthropic.types.Message) or stop_reason is None:
            raise ModelReplyError(request.model, "the message does not say why it stopped")
        blocks = [block for block in map(_as_sent, message.content) if not _is_empty(block)]
        tokens = _tokens(message.usage)
        details = message.stop_details
        return Reply(
            content=msgspec.json.encode(blocks),
            text="".join(block["text"] for block in blocks if block["type"] == "text"),
            calls=tool_calls(blocks),
            stop_reason=str(stop_reason),
            stop_details=_said_of(details.category, details.explanation) if details else "",
            tokens=tokens,
            model=message.model,
            request_id=request_id or message.id,
            cost_usd=self.cost_usd(message.model, tokens),
            took_s=took_s,
            is_estimated=self.is_estimating,
        )


class _Attempt:
    """What has come of one try, also of one that breaks off."""

    def __init__(self) -> None:
        self.has_begun = self.has_text = self.is_whole = False
        self.tokens = TokenCounts()
        self.exhausted_s: float | None = None

    def take(self, event: Any) -> None:
        match event.type:
            case "message_start":
                self.has_begun = True
                self.tokens = _tokens(event.message.usage)
            case "text":
                self.has_text = True
            case "message_delta":
                written = max(self.tokens.output, event.usage.output_tokens or 0)
                self.tokens = msgspec.structs.replace(self.tokens, output=written)
            case "message_stop":
                self.is_whole = True


class _Tries:
    """How often one call was tried in vain, and what that took.

    A replay has no clock of its own: there patience ends where the recorded tries do.
    """

    def __init__(self, deadline: float, lane: Lane | None = None) -> None:
        self.deadline = deadline
        self._lane = lane
        self.lost = TokenCounts()
        self._failed = self._broken = self._begun = 0

    def pause_s(self, error: ModelError, attempt: _Attempt) -> float | None:
        """Count a failure: how long to wait before the next try; nothing: there is none."""
        self._failed += 1
        self._begun += attempt.has_begun
        self.lost = self.lost.plus(attempt.tokens)
        if isinstance(error, ModelBusyError):
            pause = pause_s(self._failed, error.retry_after_s)
            is_over = self._begun >= BEGUN_TRIES or not self._has_time(pause)
            return None if is_over else pause
        self._broken += 1
        is_final = isinstance(error, ModelRefusedError | ModelTooLongError)
        is_over = is_final or self._broken >= REPLY_TRIES
        return None if is_over else pause_s(self._broken)

    def _has_time(self, pause: float) -> bool:
        if self._lane is not None:
            return self._lane.is_tried_again
        return time.monotonic() + pause <= self.deadline


async def _wait(reason: str, seconds: float, on_wait: Callable[[str, float], None]) -> None:
    on_wait(reason, seconds)
    await asyncio.sleep(seconds)
    on_wait(reason, 0.0)


def _tokens(usage: Any) -> TokenCounts:
    """What a provider says that a call took; what it leaves out is nothing."""
    searched = getattr(usage, "server_tool_use", None)
    return TokenCounts(
        input=usage.input_tokens or 0,
        cache_read=usage.cache_read_input_tokens or 0,
        cache_write=usage.cache_creation_input_tokens or 0,
        output=usage.output_tokens or 0,
        web_searches=searched.web_search_requests if searched is not None else 0,
    )


def _said_of(category: str | None, explanation: str | None) -> str:
    return ": ".join(part for part in (category, explanation) if part)


def tool_calls(blocks: list[dict[str, Any]]) -> tuple[ToolCall, ...]:
    """The tools that content blocks ask for, in order."""
    return tuple(
        ToolCall(id=block["id"], name=block["name"], input=block.get("input") or {})
        for block in blocks
        if block["type"] == "tool_use"
    )


def _as_sent(block: Any) -> dict[str, Any]:
    """A received block in the shape in which it may be sent back."""
    sent: dict[str, Any] = block.to_dict(mode="json", exclude_unset=True)
    for ours in ("parsed_output", "parsed_arguments"):
        sent.pop(ours, None)
    return sent


def _is_empty(block: dict[str, Any]) -> bool:
    return block["type"] == "text" and not block["text"].strip()
