"""Pages read in a process of its own: what it says, and that it ends with who asked."""

from __future__ import annotations

import asyncio
import os
import signal

import pytest

from team.agent.web import reading
from team.agent.web.pages import page_text
from team.agent.web.reading import read_page
from team.errors import FetchError
from tests.support.web_site import POOLS

URL = "https://a.org/docs/pools"
HOSTILE = b"<a x='" * 250_000


async def test_a_page_says_there_what_it_says_here() -> None:
    assert await read_page(URL, "text/html", POOLS.encode(), 60) == page_text(
        URL, "text/html", POOLS.encode()
    )


@pytest.mark.parametrize(
    ("kind", "body", "reason"),
    [
        ("image/png", b"x", "it is image/png"),
        ("text/html", b"<p>x</p><![foo bar", "can't be read as text/html"),
    ],
)
async def test_what_is_not_read_there_says_why(kind: str, body: bytes, reason: str) -> None:
    with pytest.raises(FetchError, match=reason):
        await read_page(URL, kind, body, 60)


@pytest.mark.parametrize("is_cancelled", [True, False])
async def test_no_process_outlives_who_asked(
    monkeypatch: pytest.MonkeyPatch, *, is_cancelled: bool
) -> None:
    """Whether the time is over or the call is cancelled."""
    started: list[asyncio.subprocess.Process] = []
    begun, start = asyncio.Event(), asyncio.create_subprocess_exec

    async def start_noted(*given: object, **named: object) -> asyncio.subprocess.Process:
        started.append(await start(*given, **named))  # type: ignore[arg-type]
        begun.set()
        return started[-1]

    monkeypatch.setattr(reading.asyncio, "create_subprocess_exec", start_noted)
    asked = asyncio.create_task(read_page(URL, "text/html", HOSTILE, 60 if is_cancelled else 1))
    await begun.wait()
    if is_cancelled:
        asked.cancel()
    with pytest.raises(asyncio.CancelledError if is_cancelled else FetchError):
        await asked

    (process,) = started
    assert process.returncode == -signal.SIGKILL
    with pytest.raises(ProcessLookupError):
        os.kill(process.pid, 0)


async def test_the_process_is_told_no_secret(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("ANTHROPIC_API_KEY", "sk-secret")

    assert "sk-secret" not in str(reading._environment())
