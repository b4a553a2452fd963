"""What went wrong with a model call, and how long to wait before the next try.

The one place where errors of the SDK and of HTTP become errors of the team.
"""

from __future__ import annotations

import math
import random
import re
import time
from collections.abc import Callable, Mapping
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from typing import Final

import anthropic
import httpx2

from team.agent.models.cassette.record import NOT_SENT
from team.errors import (
    ModelBusyError,
    ModelError,
    ModelRefusedError,
    ModelReplyError,
    ModelTooLongError,
)

BACKOFF_MAX_S: Final = 30.0
RETRY_AFTER_MAX_S: Final = 300.0
"""What a provider may ask us to wait at once, in seconds; then it is asked again."""

_BACKOFF_S: Final = 0.25
_OK: Final = 200
_SERVER_ERROR: Final = 500
_BUSY_STATUS: Final = frozenset({408, 409, 429, 500, 502, 503, 504, 529})
_BAD_REQUEST: Final = 400
_TIMED_OUT: Final = 408
_TOO_LARGE: Final = 413
_TOO_LONG: Final = re.compile(
    r"prompt is too long|input is too long|maximum context length"
    r"|exceeds?\b.{0,80}\bcontext (?:window|limit|length|size)",
    re.IGNORECASE,
)
"""How providers word that a call reads more than the model's window holds."""
_OVERLOADED: Final = ("overloaded_error", "rate_limit_error", "api_error", "timeout_error")
_FIX_OF_STATUS: Final = {
    401: "the key was refused: check ANTHROPIC_API_KEY, then 'team resume'",
    402: "the account has no credit: add some, then 'team resume'",
    403: "the key may not do this: check its permissions and the model's name",
    404: "no such model or address: check the model's name and ANTHROPIC_BASE_URL",
}
_LIMITS: Final = ("requests", "tokens", "input-tokens", "output-tokens")


def model_error(model: str, error: Exception) -> ModelError:
    """Say in words of the team what went wrong, and whether it may have cost something.

    Args:
        model: The model asked for.
        error: What the SDK, or HTTP below it, raised.
    """
    told = _told(model, error)
    told.is_free = _is_free(error)
    return told


def _is_free(error: Exception) -> bool:
    """Whether a try took nothing: the request never left, or the provider refused it.

    Of a server's error only the provider's own is taken at its word: what stands between may
    have lost an answer that was paid.
    """
    if isinstance(error, anthropic.APIStatusError):
        status = error.status_code
        is_refused = _BAD_REQUEST <= status < _SERVER_ERROR and status != _TIMED_OUT
        return is_refused or (status >= _SERVER_ERROR and bool(_part(error.body, "type")))
    return isinstance(error, anthropic.APIConnectionError) and isinstance(error.__cause__, NOT_SENT)


def _told(model: str, error: Exception) -> ModelError:
    if isinstance(error, anthropic.APIStatusError):
        return _of_status(model, error)
    if isinstance(error, anthropic.APIConnectionError):
        return ModelBusyError(model, f"no connection to the provider ({_cause(error)})")
    if isinstance(error, httpx2.TimeoutException):
        return ModelBusyError(model, f"the provider fell silent in mid-answer ({error})")
    if isinstance(error, httpx2.TransportError):
        return ModelReplyError(model, f"the answer was cut ({error})")
    if isinstance(error, anthropic.AnthropicError):
        return ModelReplyError(model, f"{type(error).__name__}: {error}")
    # The SDK asserts on bodies that are not event streams.
    return ModelReplyError(model, f"the reply is not a message ({type(error).__name__}: {error})")


def pause_s(tries: int, retry_after_s: float | None = None) -> float:
    """How long to wait after so many tries in vain, in seconds.

    Args:
        tries: 1 after the first.
        retry_after_s: What the provider asked for: never less, and at most `RETRY_AFTER_MAX_S`.
    """
    jitter = 0.75 + 0.5 * random.random()  # noqa: S311 - spreads retries
    if retry_after_s is not None:
        return min(max(retry_after_s, 0.0), RETRY_AFTER_MAX_S) + _BACKOFF_S * jitter
    return float(min(_BACKOFF_S * 2 ** min(tries, 10), BACKOFF_MAX_S) * jitter)


def retry_after_s(headers: Mapping[str, str], now: float) -> float | None:
    """What a response asks us to wait, in seconds; nothing if it does not say, or absurdly.

    Args:
        headers: Of a response that is an error.
        now: Seconds since 1970.
    """
    waits = (
        _number(headers.get("retry-after-ms", ""), 1_000.0),
        _number(headers.get("retry-after", ""), 1.0),
        _until(headers.get("retry-after", ""), now, parsedate_to_datetime),
    )
    return next((wait for wait in waits if wait is not None), None)


def exhausted_s(headers: Mapping[str, str], now: float) -> float | None:
    """For how long a limit that this very call has used up holds, in seconds; nothing if none.

    Args:
        headers: Of a response that is a message.
        now: Seconds since 1970.
    """
    waits = [
        _until(headers.get(f"anthropic-ratelimit-{name}-reset", ""), now, datetime.fromisoformat)
        for name in _LIMITS
        if headers.get(f"anthropic-ratelimit-{name}-remaining") == "0"
    ]
    return max((wait for wait in waits if wait is not None), default=None)


def _of_status(model: str, error: anthropic.APIStatusError) -> ModelError:
    status, headers = error.status_code, error.response.headers
    kind = _part(error.body, "type")
    said = _part(error.body, "message") or error.message
    may_pass = status in _BUSY_STATUS or status >= _SERVER_ERROR
    if may_pass and headers.get("x-should-retry") != "false":
        wait_s = retry_after_s(headers, time.time())
        return ModelBusyError(model, f"{status} {kind or said}", wait_s, is_asked=True)
    if status == _OK and kind in _OVERLOADED:
        # Real answers carry a retry-after too, which then means nothing.
        return ModelBusyError(model, f"{kind} in mid-answer", is_asked=True)
    if status == _OK:
        return ModelReplyError(model, f"an error came in mid-answer: {said}")
    if status == _TOO_LARGE or (status == _BAD_REQUEST and _TOO_LONG.search(said)):
        return ModelTooLongError(model, f"{status} {kind}: {said}")
    fix = _FIX_OF_STATUS.get(status, "mend the request; the provider said what is wrong")
    return ModelRefusedError(model, f"{status} {kind}: {said}", fix)


def _part(body: object, field: str) -> str:
    inner = body.get("error") if isinstance(body, dict) else None
    return str(inner.get(field, "")) if isinstance(inner, dict) else ""


def _cause(error: Exception) -> str:
    return str(error.__cause__ or error) or type(error.__cause__).__name__


def _number(text: str, of_a_second: float) -> float | None:
    try:
        wait = float(text) / of_a_second
    except ValueError:
        return None
    return wait if math.isfinite(wait) and wait >= 0 else None


def _until(text: str, now: float, read: Callable[[str], datetime]) -> float | None:
    try:
        at = read(text)
    except ValueError:
        return None
    aware = at if at.tzinfo is not None else at.replace(tzinfo=UTC)
    return max(0.0, aware.timestamp() - now)
