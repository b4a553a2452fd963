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
from typing import Final, NamedTuple

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
_THINKING: Final = re.compile(r"^400 .*thinking", re.IGNORECASE | re.DOTALL)
"""How a provider words that it does not take thinking back as it was sent."""
_OVERLOADED: Final = frozenset(
    {
        *("overloaded_error", "rate_limit_error", "api_error", "timeout_error"),
        *("throttlingexception", "serviceunavailableexception", "internalserverexception"),
        *("modelstreamerrorexception", "modeltimeoutexception"),
    }
)
"""Errors in mid-answer that may pass, as Anthropic and Bedrock name them, in small letters."""
_FIX_OF_STATUS: Final = {
    401: "the key was refused: check {key}, then 'team resume'",
    402: "the account has no credit: add some, then 'team resume'",
    403: "the key may not do this: check {key}, its permissions and the model's name",
    404: "no such model or address: check the model's name and {address}",
}
_CLOUDS: Final = ("botocore", "boto3", "google.auth", "google.oauth2")
"""Libraries that find a cloud's credentials, and have errors of their own."""
_CLOUD_AWAY: Final = frozenset({"HTTPClientError", "ConnectionError", "TransportError"})
"""Those of them, with all that derive from them, that may pass."""
_UNRESOLVED: Final = "Could not resolve"
"""How the SDK begins to say that it has found no credentials."""
_LIMITS: Final = ("requests", "tokens", "input-tokens", "output-tokens")


class Place(NamedTuple):
    """What people have to look at when a provider refuses: its key and its address, in words."""

    key: str
    address: str


DEFAULT_PLACE: Final = Place(key="ANTHROPIC_API_KEY", address="ANTHROPIC_BASE_URL")


def model_error(model: str, error: Exception, place: Place = DEFAULT_PLACE) -> ModelError:
    """Say in words of the team what went wrong, and whether it may have cost something.

    Args:
        model: The model asked for.
        error: What the SDK, a cloud's library, or HTTP below them raised.
        place: What the errors name.
    """
    told = _told(model, error, place)
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


def _told(model: str, error: Exception, place: Place) -> ModelError:
    if isinstance(error, anthropic.APIStatusError):
        return _of_status(model, error, place)
    if _is_of_cloud(error):
        return _of_cloud(model, error, place)
    return _of_answer(model, error)


def is_thinking_refused(error: ModelError) -> bool:
    """Whether a call was refused for what a model had thought in it."""
    return isinstance(error, ModelRefusedError) and bool(_THINKING.search(error.reason))


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


def _of_answer(model: str, error: Exception) -> ModelError:
    """What went wrong on the way to an answer, or with it."""
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


def unusable(model: str, error: Exception, place: Place) -> ModelRefusedError:
    """The error of a provider whose client can't even be made."""
    said = str(error).partition("\n")[0] or type(error).__name__
    fix = f"check {place.key} and {place.address}, then 'team resume'"
    return ModelRefusedError(model, f"its provider can't be used ({said})", fix)


def _is_of_cloud(error: Exception) -> bool:
    is_theirs = type(error).__module__.startswith(_CLOUDS)
    return is_theirs or (
        isinstance(error, RuntimeError | ValueError) and str(error).startswith(_UNRESOLVED)
    )


def _of_cloud(model: str, error: Exception, place: Place) -> ModelError:
    said = str(error).partition("\n")[0] or type(error).__name__
    if any(kind.__name__ in _CLOUD_AWAY for kind in type(error).__mro__):
        return ModelBusyError(model, f"no connection to where its credentials come from ({said})")
    fix = f"check {place.key}, then 'team resume'"
    return ModelRefusedError(model, f"there are no usable credentials ({said})", fix)


def _of_status(model: str, error: anthropic.APIStatusError, place: Place) -> ModelError:
    status, headers = error.status_code, error.response.headers
    kind = _part(error.body, "type")
    said = _part(error.body, "message") or error.message
    may_pass = status in _BUSY_STATUS or status >= _SERVER_ERROR
    if may_pass and headers.get("x-should-retry") != "false":
        wait_s = retry_after_s(headers, time.time())
        return ModelBusyError(model, f"{status} {kind or said}", wait_s, is_asked=True)
    if status == _OK and kind.lower() in _OVERLOADED:
        # Real answers carry a retry-after too, which then means nothing.
        return ModelBusyError(model, f"{kind} in mid-answer", is_asked=True)
    if status == _OK:
        return ModelReplyError(model, f"an error came in mid-answer: {said}")
    if status == _TOO_LARGE or (status == _BAD_REQUEST and _TOO_LONG.search(said)):
        return ModelTooLongError(model, f"{status} {kind}: {said}")
    fix = _FIX_OF_STATUS.get(status, "mend the request; the provider said what is wrong")
    fix = fix.format(key=place.key, address=place.address)
    return ModelRefusedError(model, f"{f'{status} {kind}'.strip()}: {said}", fix)


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
