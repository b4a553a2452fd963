"""One model call: stream it, accept only a whole message, map what goes wrong.

A cut stream, a page of HTML or an empty body never passes for an answer.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Awaitable, Callable, Iterable, Mapping
from typing import Any, Final, Literal, Protocol

import anthropic
import httpx2
import msgspec

from bus.messages import TokenCounts
from team.agent.models.arguments import Keep, arguments
from team.agent.models.bound import Bound
from team.agent.models.cassette.environment import Tape
from team.agent.models.cassette.lane import Lane
from team.agent.models.client import REHEARSAL
from team.agent.models.endpoints import Endpoints
from team.agent.models.failures import exhausted_s, is_thinking_refused, model_error, pause_s
from team.agent.models.pictures import picture_tokens
from team.agent.models.priced import TABLE_ONLY, PriceBook
from team.agent.models.pricing import price_usd
from team.agent.models.reading import DELTAS, counted, problem_of_calls
from team.agent.thinking import has_thinking, without_thinking
from team.errors import (
    ModelBusyError,
    ModelError,
    ModelRefusedError,
    ModelReplyError,
    ModelTooLongError,
)
from team.policy import Provider
from team.rules.limits import CHARACTERS_PER_TOKEN

REPLY_TRIES: Final = 3
"""How many answers to one call may be broken, or no messages at all."""
BEGUN_TRIES: Final = 8
"""How many answers to one call may begin, and be paid, and then end in a busy provider."""
PATIENCE_S: Final = 600.0
"""How long a busy provider is waited for where nobody says otherwise, in seconds."""
COUNT_S: Final = 20.0
"""How long the provider may take to count a request, in seconds."""
COUNTED_FIELDS: Final = (
    "cache_control",
    "messages",
    "model",
    "output_config",
    "system",
    "thinking",
    "tool_choice",
    "tools",
)
"""What of a request the counting endpoint takes."""
NO_SUCH_ENDPOINT: Final = (404, 405, 501)
"""What a server answers that does not count."""
UNBOUND: Final = Bound(read=0, written=0)
"""Of a call that nobody has bounded, as tests make them."""
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
        unsettled_tokens: What these may have taken beyond that, at most.
        unsettled_usd: The same in US dollars; absent where the price is unknown.
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
    unsettled_tokens: int = 0
    unsettled_usd: float | None = 0.0
    model: str
    request_id: str
    cost_usd: float | None
    took_s: float
    is_estimated: bool


class Lost(msgspec.Struct, frozen=True, kw_only=True):
    """What tries in vain have taken.

    Attributes:
        tokens: As far as the provider has said.
        unsettled_tokens: What they may have taken beyond that, at most.
        unsettled_usd: The same in US dollars; absent where the price is unknown.
    """

    tokens: TokenCounts = TokenCounts()
    unsettled_tokens: int = 0
    unsettled_usd: float | None = 0.0

    def plus(self, other: Lost) -> Lost:
        """Both together."""
        known = self.unsettled_usd is not None and other.unsettled_usd is not None
        usd = (self.unsettled_usd or 0.0) + (other.unsettled_usd or 0.0)
        return Lost(
            tokens=self.tokens.plus(other.tokens),
            unsettled_tokens=self.unsettled_tokens + other.unsettled_tokens,
            unsettled_usd=usd if known else None,
        )


class Request(msgspec.Struct, frozen=True, kw_only=True):
    """What is asked of a model."""

    model: str
    system: str
    messages: list[dict[str, Any]]  # the Messages API's own shape
    tools: list[dict[str, Any]]
    max_tokens: int
    effort: str | None = None
    cache: Keep = "5m"
    pictures: Mapping[str, bytes] = {}
    searches: tuple[dict[str, Any], ...] = ()  # tools that the provider runs itself

    def estimated_input_tokens(self) -> int:
        """About how many tokens the call reads."""
        size = len(msgspec.json.encode((self.system, self.messages, self.tools)))
        return int(size / CHARACTERS_PER_TOKEN) + picture_tokens(self.messages)


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
        book: PriceBook = TABLE_ONLY,
        providers: Mapping[str, Provider] | None = None,
    ) -> None:
        """Make a caller.

        Args:
            provider: `anthropic` or `rehearsal`.
            transport: What stands below the SDK in place of all else.
            tape: The member's lane, where its calls are recorded or replayed.
            pacer: Who says when to call; absent, or in a replay: nobody is asked.
            book: The prices of the project, which go before the table's.
            providers: Those of the policy, by name; a model `NAME/model` is asked there.
        """
        self._provider = provider
        self._book = book
        self._endpoints = Endpoints(provider, providers or {}, transport, tape)
        self._lane = tape if isinstance(tape, Lane) else None
        self._pacer = pacer if self._lane is None else None
        self._without_counting: set[str] = set()

    def sees(self, models: Iterable[str]) -> bool:
        """Whether all of these models read pictures; one that can't be reached reads none."""
        try:
            return all(self._endpoints.of(model).can.images for model in models)
        except ModelRefusedError:
            return False

    @property
    def is_estimating(self) -> bool:
        """Whether tokens are estimated, not counted."""
        return self._provider == REHEARSAL

    async def close(self) -> None:
        """Close the connections to all providers."""
        await self._endpoints.close()

    def cost_usd(self, model: str, tokens: TokenCounts) -> float | None:
        """What a call has cost in US dollars, or nothing where the price is unknown."""
        return 0.0 if self._provider == REHEARSAL else price_usd(model, tokens, self._book)

    def asks_for_hour(self, request: Request) -> bool:
        """Whether a request has something kept in the cache for an hour, which costs more."""
        return b'"ttl":"1h"' in msgspec.json.encode(self._arguments(request))

    async def count(self, request: Request) -> int | None:
        """How many tokens a request has by its provider's count; nothing if that can't be had.

        A server without such an endpoint is not asked again by this process.

        Cancelling: safe.
        """
        endpoint = self._endpoints.of(request.model)
        may = endpoint.can.count or not endpoint.name  # what the default is, is not known
        if not may or endpoint.key in self._without_counting:
            return None
        asked = {k: v for k, v in self._arguments(request).items() if k in COUNTED_FIELDS}
        try:
            told = await endpoint.client.messages.count_tokens(**asked, timeout=COUNT_S)
        except anthropic.APIStatusError as error:
            if error.status_code in NO_SUCH_ENDPOINT:
                self._without_counting.add(endpoint.key)
            return None
        except (anthropic.AnthropicError, httpx2.HTTPError):
            return None  # the count is a help: without it the bound is a wider one
        tokens: Any = told.input_tokens  # the SDK does not check what a server says
        return tokens if isinstance(tokens, int) and tokens > 0 else None

    def _arguments(self, request: Request) -> dict[str, Any]:
        endpoint = self._endpoints.of(request.model)
        return arguments(request, endpoint.can, endpoint.model_there(request.model))

    async def call(
        self,
        request: Request,
        *,
        on_text: Callable[[str], None],
        on_wait: Callable[[str, float], None],
        patience_s: float = PATIENCE_S,
        may_lose: Callable[[Lost], bool] = lambda _: True,
        reserve: Callable[[Lost], Awaitable[None]] | None = None,
        bound: Bound = UNBOUND,
    ) -> Reply:
        """Make one call, again and again while that may help.

        Args:
            request: What is asked.
            on_text: Called with each piece of text as it comes, with an empty one for the rest;
                also told when it is void.
            on_wait: Called with a reason and seconds before each wait, and with 0 s after it.
            patience_s: For how long a busy provider is waited for, in seconds.
            may_lose: Asked with what tries in vain have taken whether there may be another.
            reserve: Awaited right before each try, with what those before it have taken.
            bound: What one try takes at most.

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
                if reserve is not None:
                    await reserve(tries.lost)
                reply = await self._try(request, on_text, attempt)
            except ModelError as error:
                if is_thinking_refused(error) and has_thinking(request.messages):
                    bare = without_thinking(request.messages)
                    request = msgspec.structs.replace(request, messages=bare)
                    continue
                tries.lost = tries.lost.plus(self._taken_by(attempt, error, request, bound))
                pause = tries.pause_s(error, attempt)
                if pause is None or not may_lose(tries.lost):
                    error.lost = tries.lost.tokens
                    error.unsettled_tokens = tries.lost.unsettled_tokens
                    error.unsettled_usd = tries.lost.unsettled_usd
                    raise
                if attempt.has_text:
                    on_text(DISCARDED)
                if self._lane is None:
                    await _wait(error.reason, pause, on_wait)
                continue
            return self._with_lost(request, reply, tries.lost)

    async def _may_call(
        self, model: str, deadline: float, on_wait: Callable[[str, float], None]
    ) -> None:
        """Wait for a place among the calls of the run's members."""
        while self._pacer is not None:
            wait_s = await self._pacer.ask(self._endpoints.of(model).key)
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
                key = self._endpoints.of(request.model).key
                await self._pacer.tell(key, ending, hold_s)

    async def _once(
        self, request: Request, on_text: Callable[[str], None], attempt: _Attempt | None = None
    ) -> Reply:
        began, attempt = time.monotonic(), attempt or _Attempt()
        endpoint = self._endpoints.of(request.model)
        given = self._arguments(request)
        attempt.is_sent = True
        try:
            async with endpoint.client.messages.stream(**given) as stream:
                async for event in stream:
                    attempt.take(event)
                    on_text(event.text if event.type == "text" else "")
                message = await stream.get_final_message()
                request_id = stream.request_id or ""
                attempt.exhausted_s = exhausted_s(stream.response.headers, time.time())
        except Exception as error:
            raise model_error(request.model, error, endpoint.place) from error
        if not attempt.is_whole:
            raise ModelReplyError(request.model, "the stream ended before the message did")
        took_s = time.monotonic() - began
        return self._reply(request, message, request_id, took_s, attempt.inputs)

    def _taken_by(
        self, attempt: _Attempt, error: ModelError, request: Request, bound: Bound
    ) -> Lost:
        """What a try in vain took, and may have taken.

        Until a provider has said how much it wrote, it may have written as much as it might.
        """
        said = attempt.tokens
        is_told = attempt.has_counted and 0 < said.output < said.total
        if is_told or not attempt.is_sent:
            return Lost(tokens=said)
        if error.is_free and not attempt.has_begun:
            return Lost()
        if not said.total - said.output or bound.searches:
            most, usd = bound.tokens, bound.usd
        else:
            whole = msgspec.structs.replace(said, output=max(said.output, request.max_tokens))
            most, usd = whole.total, self.cost_usd(request.model, whole)
        cost = self.cost_usd(request.model, said)
        return Lost(
            tokens=said,
            unsettled_tokens=max(0, most - said.total),
            unsettled_usd=None if usd is None or cost is None else max(0.0, usd - cost),
        )

    def _with_lost(self, request: Request, reply: Reply, lost: Lost) -> Reply:
        """A reply together with what was paid in vain before it."""
        if not (lost.tokens.total or lost.unsettled_tokens):
            return reply
        cost = self.cost_usd(self._book.name_of(request.model, reply.model), lost.tokens)
        return msgspec.structs.replace(
            reply,
            lost=lost.tokens,
            unsettled_tokens=lost.unsettled_tokens,
            unsettled_usd=lost.unsettled_usd,
            cost_usd=None if cost is None or reply.cost_usd is None else reply.cost_usd + cost,
        )

    def _reply(
        self,
        request: Request,
        message: Any,
        request_id: str,
        took_s: float,
        inputs: Mapping[int, str],
    ) -> Reply:
        stop_reason = getattr(message, "stop_reason", None)
        if not isinstance(message, anthropic.types.Message) or stop_reason is None:
            raise ModelReplyError(request.model, "the message does not say why it stopped")
        received = [_as_sent(block) for block in message.content]
        problem = problem_of_calls(received, inputs, stop_reason)
        if problem is not None:
            raise ModelReplyError(request.model, problem)
        blocks = [block for block in received if not _is_empty(block)]
        content, details = msgspec.json.encode(blocks), message.stop_details
        read = request.estimated_input_tokens
        tokens, is_estimated = counted(_tokens(message.usage), read=read, written=content)
        model = self._endpoints.of(request.model).model_here(request.model, message.model)
        return Reply(
            content=content,
            text="".join(block["text"] for block in blocks if block["type"] == "text"),
            calls=tool_calls(blocks),
            stop_reason=str(stop_reason),
            stop_details=_said_of(details.category, details.explanation) if details else "",
            tokens=tokens,
            model=model,
            request_id=request_id or message.id or "",
            cost_usd=self.cost_usd(self._book.name_of(request.model, model), tokens),
            took_s=took_s,
            is_estimated=is_estimated or self.is_estimating,
        )


class _Attempt:
    """What has come of one try, also of one that breaks off."""

    def __init__(self) -> None:
        self.is_sent = self.has_begun = self.has_text = self.is_whole = False
        self.has_counted = False
        self.tokens = TokenCounts()
        self.inputs: dict[int, str] = {}
        self.exhausted_s: float | None = None

    def take(self, event: Any) -> None:
        match event.type:
            case "message_start":
                self.has_begun = True
                self.tokens = _tokens(event.message.usage)
            case "text":
                self.has_text = True
            case "content_block_delta":
                self._take_delta(event.index, event.delta)
            case "message_delta":
                written = max(self.tokens.output, event.usage.output_tokens or 0)
                self.tokens = msgspec.structs.replace(self.tokens, output=written)
                self.has_counted = self.tokens.total > 0 and event.delta.stop_reason is not None
            case "message_stop":
                self.is_whole = True

    def _take_delta(self, index: int, delta: Any) -> None:
        if delta.type == "input_json_delta":
            self.inputs[index] = self.inputs.get(index, "") + delta.partial_json
        elif delta.type not in DELTAS:
            # The SDK passes over it: what it says would be missing from the answer.
            raise ValueError(f"a part of the answer is a {delta.type!r}, which can't be read")


class _Tries:
    """How often one call was tried in vain, and what that took.

    A replay has no clock of its own: there patience ends where the recorded tries do.
    """

    def __init__(self, deadline: float, lane: Lane | None = None) -> None:
        self.deadline = deadline
        self._lane = lane
        self.lost = Lost()
        self._failed = self._broken = self._begun = 0

    def pause_s(self, error: ModelError, attempt: _Attempt) -> float | None:
        """Count a failure: how long to wait before the next try; nothing: there is none."""
        self._failed += 1
        self._begun += attempt.has_begun
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
    kept, asked = usage.cache_creation, usage.server_tool_use
    return TokenCounts(
        input=usage.input_tokens or 0,
        cache_read=usage.cache_read_input_tokens or 0,
        cache_write=usage.cache_creation_input_tokens or 0,
        output=usage.output_tokens or 0,
        cache_write_hour=(kept.ephemeral_1h_input_tokens or 0) if kept is not None else 0,
        web_searches=(asked.web_search_requests or 0) if asked is not None else 0,
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
    sent: dict[str, Any] = block.to_dict(mode="json", exclude_unset=True, warnings=False)
    for ours in ("parsed_output", "parsed_arguments"):
        sent.pop(ours, None)
    if sent["type"] == "tool_use":
        sent["input"] = sent.get("input") or {}
    return sent


def _is_empty(block: dict[str, Any]) -> bool:
    return block["type"] == "text" and not block["text"].strip()
