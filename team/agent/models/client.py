"""Make the SDK client: real, or with the rehearsal transport or a cassette below it.

The SDK's own retries are off: a member that waits says so and keeps its heartbeat.
"""

from __future__ import annotations

import hashlib
import os
from typing import Final

import anthropic
import httpx2

from team.agent.models.cassette.environment import Tape, cassette_transport, is_first_party
from team.agent.models.filling import FillingTransport
from team.agent.models.rehearsal.transport import RehearsalTransport
from team.agent.models.silence import SILENT_S, silent_from_environment
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
    transport = below(provider, tape, transport)
    if provider == REHEARSAL:
        return anthropic.AsyncAnthropic(
            api_key="none",
            base_url="http://rehearsal.invalid",
            max_retries=0,
            http_client=httpx2.AsyncClient(transport=transport),
        )
    if not is_first_party(tape):
        transport = FillingTransport(transport)
    has_key = os.environ.get("ANTHROPIC_API_KEY") or os.environ.get("ANTHROPIC_AUTH_TOKEN")
    return anthropic.AsyncAnthropic(
        api_key=None if has_key else "none",
        max_retries=0,
        timeout=TIMEOUT,
        http_client=anthropic.DefaultAsyncHttpxClient(transport=transport),
    )


def fingerprint(client: anthropic.AsyncAnthropic) -> str:
    """A name for whose limits a client's calls count against: it tells nothing of the key."""
    key = client.api_key or client.auth_token or ""
    return hashlib.sha256(f"{client.base_url} {key}".encode()).hexdigest()[:16]


def below(
    provider: str,
    tape: Tape,
    transport: httpx2.AsyncBaseTransport | None,
    silent_s: float = SILENT_S,
) -> httpx2.AsyncBaseTransport:
    """What stands below a client: a recording, watched for silence, or the network or a model.

    Args:
        provider: `anthropic` or `rehearsal`.
        tape: The member's lane, where its calls are recorded or replayed.
        transport: What stands there in place of recording and network.
        silent_s: How long an answer may be silent if the environment does not say, in seconds.
    """

    def steady(inner: httpx2.AsyncBaseTransport) -> httpx2.AsyncBaseTransport:
        return SteadyTransport(inner, silent_from_environment(silent_s))

    def model() -> httpx2.AsyncBaseTransport:
        is_rehearsal = provider == REHEARSAL
        return steady(RehearsalTransport.from_environment() if is_rehearsal else _Network())

    if transport is not None:
        return steady(transport)
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
