"""Make the SDK client: real, or with the rehearsal transport below it.

The SDK's own retries are off: a member that waits says so and keeps its heartbeat.
"""

from __future__ import annotations

import os
from typing import Final

import anthropic
import httpx2

from team.agent.models.rehearsal.transport import RehearsalTransport

REHEARSAL: Final = "rehearsal"
TIMEOUT: Final = httpx2.Timeout(600.0, connect=10.0)


def make_client(
    provider: str, transport: httpx2.AsyncBaseTransport | None = None
) -> anthropic.AsyncAnthropic:
    """Make a client for `anthropic` (key and address from the environment) or `rehearsal`.

    Args:
        provider: Which of the two.
        transport: What stands in for the rehearsal model's, below the client.
    """
    if provider == REHEARSAL:
        return anthropic.AsyncAnthropic(
            api_key="none",
            base_url="http://rehearsal.invalid",
            max_retries=0,
            http_client=httpx2.AsyncClient(
                transport=transport or RehearsalTransport.from_environment()
            ),
        )
    has_key = os.environ.get("ANTHROPIC_API_KEY") or os.environ.get("ANTHROPIC_AUTH_TOKEN")
    return anthropic.AsyncAnthropic(
        api_key=None if has_key else "none", max_retries=0, timeout=TIMEOUT
    )


def is_first_party() -> bool:
    """Whether calls go to Anthropic itself, which has features that stand-ins may lack."""
    return not os.environ.get("ANTHROPIC_BASE_URL")
