"""One model call: stream it, accept only a whole message, map what goes wrong.

A cut stream, a page of HTML or an empty body never passes for an answer.
"""

from __future__ import annotations

import asyncio
import random
import time
from collections.abc import Callable
from typing import Any, Final

import anthropic
import httpx2
import msgspec

from bus.messages import TokenCounts
from team.agent.models.cassette.environment import Tape, is_first_party
from team.agent.models.client import REHEARSAL, make_client
from team.agent.models.pricing import price_ceiling_usd, price_usd
from team.errors import ModelBusyError, ModelError, ModelRefusedError, ModelReplyError
from team.rules.limits import CHARACTERS_PER_TOKEN

BUSY_TRIES: Final = 8
REPLY_TRIES: Final = 3
BACKOFF_MAX_S: Final = 30.0
RETRY_AFTER_MAX_S: Final = 300.0

_OK: Final = 200
_SERVER_ERROR: Final = 500
_BUSY_STATUS: Final = frozenset({408, 409, 429, 500, 502, 503, 504, 529})
_OVERLOADED: Final = ("overloaded_error", "rate_limit_error", "api_error", "timeout_error")
_FIX_OF_STATUS: Final = {
    401: "the key was refused: check ANTHROPIC_API_KEY, then 'team resume'",
    402: "the account has no credit: add some, then 'team resume'",
    403: "the key may not do this: check its permissions and the model's name",
    404: "no such model or address: check the model's name and ANTHROPIC_BASE_URL",
    413: "the request is too large: narrow the sources or the goal",
}


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
        tokens: What the call took.
        cost_usd: US dollars; absent where the price is unknown.
        took_s: From request to last byte, in seconds.
    """

    content: bytes
    text: str
    calls: tuple[ToolCall, ...]
    stop_reason: str
    tokens: TokenCounts
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

    def estimated_input_tokens(self) -> int:
        """About how many tokens the call reads."""
        size = len(msgspec.json.encode((self.system, self.messages, self.tools)))
        return int(size / CHARACTERS_PER_TOKEN)


class Caller:
    """Makes model calls, waits where the provider asks to, and says so."""

    def __init__(
        self,
        provider: str,
        transport: httpx2.AsyncBaseTransport | None = None,
        *,
        tape: Tape = None,
    ) -> None:
        """Make a caller.

        Args:
            provider: `anthropic` or `rehearsal`.
            transport: What stands below the SDK in place of all else.
            tape: The member's lane, where its calls are recorded or replayed.
        """
        self._provider = provider
        self._is_first_party = is_first_party(tape)
        self._client = make_client(provider, transport, tape=tape)

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
    ) -> Reply:
        """Make one call, again and again while that may help.

        Args:
            request: What is asked.
            on_text: Called with each piece of text as it comes.
            on_wait: Called with a reason and seconds before each wait.

        Raises:
            ModelRefusedError: It would fail the same way again.
            ModelBusyError: Still not served after `BUSY_TRIES` tries.
            ModelReplyError: `REPLY_TRIES` replies were not whole messages.

        Cancelling: safe; the HTTP stream is closed.
        """
        tries = 0
        while True:
            tries += 1
            try:
                return await self._once(request, on_text)
            except ModelBusyError as error:
                if tries >= BUSY_TRIES:
                    raise
                pause = _pause_s(tries, error.retry_after_s)
                reason = error.reason
            except ModelReplyError as error:
                if tries >= REPLY_TRIES:
                    raise
                pause, reason = _pause_s(tries, None), error.reason
            on_wait(reason, pause)
            await asyncio.sleep(pause)

    async def _once(self, request: Request, on_text: Callable[[str], None]) -> Reply:
        began = time.monotonic()
        try:
            async with self._client.messages.stream(**self._arguments(request)) as stream:
                async for event in stream:
                    if event.type == "text":
                        on_text(event.text)
                message = await stream.get_final_message()
                request_id = stream.request_id or ""
        except anthropic.AnthropicError as error:
            raise _mapped(request.model, error) from error
        except Exception as error:
            # The SDK asserts on bodies that are not event streams.
            raise ModelReplyError(
                request.model, f"the reply is not a message ({type(error).__name__}: {error})"
            ) from error
        return self._reply(request, message, request_id, time.monotonic() - began)

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
            if request.effort:
                arguments["output_config"] = {"effort": request.effort}
        return arguments

    def _reply(self, request: Request, message: Any, request_id: str, took_s: float) -> Reply:
        stop_reason = getattr(message, "stop_reason", None)
        if not isinstance(message, anthropic.types.Message) or stop_reason is None:
            raise ModelReplyError(request.model, "the stream ended before the message did")
        blocks = [block for block in map(_as_sent, message.content) if not _is_empty(block)]
        tokens = TokenCounts(
            input=message.usage.input_tokens,
            cache_read=message.usage.cache_read_input_tokens or 0,
            cache_write=message.usage.cache_creation_input_tokens or 0,
            output=message.usage.output_tokens,
        )
        is_rehearsal = self._provider == REHEARSAL
        return Reply(
            content=msgspec.json.encode(blocks),
            text="".join(block["text"] for block in blocks if block["type"] == "text"),
            calls=tool_calls(blocks),
            stop_reason=str(stop_reason),
            tokens=tokens,
            model=message.model,
            request_id=request_id or message.id,
            cost_usd=self.cost_usd(message.model, tokens),
            took_s=took_s,
            is_estimated=is_rehearsal,
        )


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


def _pause_s(tries: int, retry_after_s: float | None) -> float:
    if retry_after_s is not None:
        return min(retry_after_s, RETRY_AFTER_MAX_S)
    return float(min(0.25 * 2**tries, BACKOFF_MAX_S) * (0.75 + 0.5 * random.random()))  # noqa: S311 - spreads retries


def _mapped(model: str, error: anthropic.AnthropicError) -> ModelError:
    if isinstance(error, anthropic.APIConnectionError):
        return ModelBusyError(model, f"no connection to the provider ({error})")
    if not isinstance(error, anthropic.APIStatusError):
        return ModelReplyError(model, f"{type(error).__name__}: {error}")
    status = error.status_code
    kind = _error_part(error.body, "type")
    if status in _BUSY_STATUS or status >= _SERVER_ERROR or (status == _OK and kind in _OVERLOADED):
        return ModelBusyError(model, f"{status} {kind or error.message}", _retry_after(error))
    if status == _OK:
        return ModelReplyError(model, f"an error came in mid-stream: {error.message}")
    fix = _FIX_OF_STATUS.get(status, "mend the request; the provider said what is wrong")
    said = _error_part(error.body, "message") or error.message
    return ModelRefusedError(model, f"{status} {kind}: {said}", fix)


def _error_part(body: object, field: str) -> str:
    inner = body.get("error") if isinstance(body, dict) else None
    return str(inner.get(field, "")) if isinstance(inner, dict) else ""


def _retry_after(error: anthropic.APIStatusError) -> float | None:
    try:
        return float(error.response.headers.get("retry-after", ""))
    except ValueError:
        return None
