"""Make the SDK client: real, or with the rehearsal transport or a cassette below it.

The SDK's own retries are off: a member that waits says so and keeps its heartbeat.
"""

from __future__ import annotations

import hashlib
import os
from typing import Final

import anthropic
import httpx2

from team.agent.models.cassette.environment import Tape, cassette_transport
from team.agent.models.rehearsal.transport import RehearsalTransport
from team.agent.models.silence import silent_from_environment
from team.agent.models.steady import SteadyTransport

REHEARSAL: Final = "rehearsal"
TIMEOUT: Final = httpx2.Timeout(300.0, connect=10.0)
"""How long the first byte may take, in seconds; a server of one's own may read for minutes."""


def make_client(
    provider: str,
    transport: httpx2.AsyncBaseTransport | None = None,
    *,
    tape: Tape = None,
) -> anthropic.AsyncAnthropic:
    """Make a client for `anthropic` (key and address from the environment) or `rehearsal`.

    Args:
        provider: Which of the two.
        transport: What stands below the client in place of all else.
        tape: The member's lane, where its calls are recorded or replayed.
    """
    below = _steady(transport) if transport else _below(provider, tape)
    if provider == REHEARSAL:
        return anthropic.AsyncAnthropic(
            api_key="none",
            base_url="http://rehearsal.invalid",
            max_retries=0,
            http_client=httpx2.AsyncClient(transport=below),
        )
    has_key = os.environ.get("ANTHROPIC_API_KEY") or os.environ.get("ANTHROPIC_AUTH_TOKEN")
    return anthropic.AsyncAnthropic(
        api_key=None if has_key else "none",
        max_retries=0,
        timeout=TIMEOUT,
        http_client=anthropic.DefaultAsyncHttpxClient(transport=below),
    )


def fingerprint(client: anthropic.AsyncAnthropic) -> str:
    """A name for whose limits a client's calls count against: it tells nothing of the key."""
    key = client.api_key or client.auth_token or ""
    return hashlib.sha256(f"{client.base_url} {key}".encode()).hexdigest()[:16]


def _steady(below: httpx2.AsyncBaseTransport) -> httpx2.AsyncBaseTransport:
    return SteadyTransport(below, silent_from_environment())


def _below(provider: str, tape: Tape) -> httpx2.AsyncBaseTransport:
    def model() -> httpx2.AsyncBaseTransport:
        is_rehearsal = provider == REHEARSAL
        return _steady(RehearsalTransport.from_environment() if is_rehearsal else _Network())

    # Silence is noticed below a recording: it is noted as such.
    return cassette_transport(tape, model) or model()


class _Network(httpx2.AsyncBaseTransport):
    """The way that the SDK's own HTTP client takes: its pool, its limits, its proxies."""

    def __init__(self) -> None:
        self._client = anthropic.DefaultAsyncHttpxClient(timeout=TIMEOUT)

    async def handle_async_request(self, request: httpx2.Request) -> httpx2.Response:
        """Send one request."""
        return await self._client.send(request, stream=True)

    async def aclose(self) -> None:
        """Close all connections."""
        await self._client.aclose()
