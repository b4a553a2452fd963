"""Our caller at implementations of the Messages API that nobody here wrote.

Run by hand, as docs/models.md says: each needs a command in a variable. Nothing is installed
for it, and without the variable the tests are skipped.
"""

from __future__ import annotations

import asyncio
import json
import os
import shlex
import signal
import socket
import subprocess
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager, suppress
from pathlib import Path
from typing import Any

import pytest

from team.agent.models.call import Caller, Reply
from team.errors import ModelBusyError, ModelError, ModelRefusedError
from team.policy import Provider
from tests.support.cassettes import asking
from tests.support.rehearsed import a_request

pytestmark = pytest.mark.slow

AIMOCK, MOCK_AI_API = "PEERTEAM_AIMOCK", "PEERTEAM_MOCK_AI_API"
FIXTURES = {
    "fixtures": [
        {
            "match": {"userMessage": "search"},
            "response": {
                "toolCalls": [{"name": "search_sources", "arguments": '{"query": "pool"}'}]
            },
        },
        {
            "match": {"userMessage": "busy"},
            "response": {
                "error": {"message": "Overloaded", "type": "overloaded_error"},
                "status": 529,
            },
        },
        {"match": {"userMessage": "hello"}, "response": {"content": "Hi there!"}},
    ]
}


def needs(variable: str) -> pytest.MarkDecorator:
    reason = f"{variable} does not name the command of that server"
    return pytest.mark.skipif(not os.environ.get(variable), reason=reason)


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


@asynccontextmanager
async def served(variable: str, **values: Any) -> AsyncIterator[Caller]:
    """The server of a command, and a caller at it; its process group is ended afterwards."""
    port = free_port()
    command = os.environ[variable].format(port=port, **values)
    process = await asyncio.create_subprocess_exec(
        *shlex.split(command),
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
        start_new_session=True,
    )
    caller = Caller("anthropic", providers={"m": Provider(base_url=f"http://127.0.0.1:{port}")})
    try:
        await _listens(port)
        yield caller
    finally:
        await caller.close()
        with suppress(ProcessLookupError):
            os.killpg(process.pid, signal.SIGINT)  # as a person would: it ends its own children
        await process.wait()


async def _listens(port: int) -> None:
    async with asyncio.timeout(60):
        while True:
            try:
                _, writer = await asyncio.open_connection("127.0.0.1", port)
            except OSError:
                await asyncio.sleep(0.05)
                continue
            writer.close()
            return


async def outcome(caller: Caller, said: str, model: str = "m/claude-x") -> Reply | ModelError:
    """What comes of one try."""
    try:
        request = asking(said, model=model, tools=a_request()["tools"])
        return await caller._once(request, lambda _: None)
    except ModelError as error:
        return error


@needs(AIMOCK)
async def test_aimock_is_understood(tmp_path: Path) -> None:
    (tmp_path / "fixtures.json").write_text(json.dumps(FIXTURES))
    async with served(AIMOCK, fixtures=tmp_path / "fixtures.json") as caller:
        words = await outcome(caller, "hello")
        call = await outcome(caller, "search")
        busy = await outcome(caller, "busy")

    assert isinstance(words, Reply)
    assert (words.text, words.stop_reason) == ("Hi there!", "end_turn")
    assert words.is_estimated  # it tells no tokens
    assert words.tokens.total > 0
    assert isinstance(call, Reply)
    assert [(one.name, one.input) for one in call.calls] == [("search_sources", {"query": "pool"})]
    assert isinstance(busy, ModelBusyError)


SCENARIOS: Mapping[str, type[ModelError] | str] = {
    "mock-text": "end_turn",
    "mock-anthropic-stream": "end_turn",
    "mock-tool-use": "tool_use",
    "mock-tool-stream": "tool_use",
    "mock-delay": "end_turn",
    "mock-stream-error": ModelBusyError,
    "mock-400": ModelRefusedError,
    "mock-401": ModelRefusedError,
    "mock-429": ModelBusyError,
    "mock-500": ModelBusyError,
    "mock-503": ModelBusyError,
}
"""The scenarios of mock-ai-api 0.1.1, and what each of them is to us."""


@needs(MOCK_AI_API)
async def test_mock_ai_api_is_understood() -> None:
    async with served(MOCK_AI_API, other=free_port()) as caller:
        found = {name: await outcome(caller, "Hello", f"m/claude-x:{name}") for name in SCENARIOS}

    said = {
        name: one.stop_reason if isinstance(one, Reply) else type(one)
        for name, one in found.items()
    }
    assert said == SCENARIOS
    for name in ("mock-tool-use", "mock-tool-stream"):
        reply = found[name]
        assert isinstance(reply, Reply)
        assert len(reply.calls) == 1
        assert reply.calls[0].input
