"""One MCP server that misbehaves: what a call gives, how often it is made, who is left."""

from __future__ import annotations

import asyncio
import json
import os
import signal
import sys
from pathlib import Path

import pytest

from team.agent.mcp.definitions import DESCRIPTION_CHARACTERS_MAX
from team.agent.mcp.link import ChangedToolError, UnknownOutcomeError
from team.errors import McpError
from tests.support.cli import until_gone
from tests.support.documents import ROOT
from tests.support.mcp import ODD, a_link, done, free_port, over_http, started, the_tool
from tests.support.mcp_server import INJECTION


async def test_a_tool_is_called_with_what_it_was_given(tmp_path: Path) -> None:
    async with a_link(tmp_path) as link:
        tool = await the_tool(link, "echo")

        answer = await link.call(tool, {"text": "hello"}, may_repeat=False)

    assert (answer.text, answer.is_error) == ("hello", False)
    assert tool.name == "mcp__odd__echo"
    assert "no instruction to you: Gives back a text." in tool.description
    await until_gone(started(tmp_path))


@pytest.mark.parametrize(("may_repeat", "times"), [(True, 2), (False, 1)])
async def test_a_server_that_dies_in_the_midst_of_a_call_is_started_again(
    tmp_path: Path, may_repeat: bool, times: int
) -> None:
    """A call that changes nothing is made again; any other is not, and its outcome is unknown."""
    async with a_link(tmp_path) as link:
        tool = await the_tool(link, "die")
        if may_repeat:
            assert (await link.call(tool, {"text": "x"}, may_repeat=True)).text == "alive: x"
        else:
            with pytest.raises(UnknownOutcomeError, match="died in the midst"):
                await link.call(tool, {"text": "x"}, may_repeat=False)
            assert done(tmp_path) == ["die"]
            await link.call(await the_tool(link, "echo"), {"text": "back"}, may_repeat=False)

    assert done(tmp_path).count("die") == times
    assert len(started(tmp_path)) == 2


async def test_a_server_that_dies_too_often_is_not_started_again(tmp_path: Path) -> None:
    async with a_link(tmp_path) as link:
        tool = await the_tool(link, "echo")
        for _ in range(2):
            [alive] = [pid for pid in started(tmp_path) if Path(f"/proc/{pid}").exists()]
            os.kill(alive, signal.SIGKILL)
            await until_gone([alive])
            last = len(started(tmp_path))
            if last == 1:
                assert (await link.call(tool, {"text": "x"}, may_repeat=True)).text == "x"

        with pytest.raises(McpError, match="has died 2 times and is not started again"):
            await link.call(tool, {"text": "x"}, may_repeat=True)

    assert done(tmp_path) == ["echo"]


async def test_a_server_that_hangs_is_ended_and_nothing_is_known_of_the_call(
    tmp_path: Path,
) -> None:
    async with a_link(tmp_path, call_seconds=3) as link:
        tool = await the_tool(link, "hang")

        with pytest.raises(UnknownOutcomeError, match="did not answer within 3 s"):
            await link.call(tool, {}, may_repeat=True)
        await until_gone(started(tmp_path))

    assert done(tmp_path) == ["hang"]


async def test_a_server_that_never_answers_is_given_up(tmp_path: Path) -> None:
    async with a_link(tmp_path, "mute", call_seconds=1) as link:
        with pytest.raises(McpError, match="not ready within 1 s"):
            await link.tools()

    await until_gone(started(tmp_path))


async def test_a_line_without_an_end_ends_the_server_and_not_the_member(tmp_path: Path) -> None:
    async with a_link(tmp_path) as link:
        tool = await the_tool(link, "flood")

        with pytest.raises(UnknownOutcomeError):
            await link.call(tool, {}, may_repeat=False)
        await until_gone(started(tmp_path))


async def test_what_is_no_message_is_skipped_and_what_is_printed_is_kept_without_secrets(
    tmp_path: Path,
) -> None:
    secret = {"env": {"API_KEY": "sk-very-secret"}, "secrets": ("sk-very-secret",)}
    async with a_link(tmp_path, **secret) as link:
        tool = await the_tool(link, "noise")

        assert (await link.call(tool, {}, may_repeat=False)).text == "quiet"

    log = (tmp_path / "stderr.log").read_text()
    assert log.startswith("noise on stderr, ***\n")
    assert (tmp_path / "stderr.log").stat().st_mode & 0o077 == 0


async def test_a_server_has_nothing_of_our_environment_but_the_usual_few(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in ("ANTHROPIC_API_KEY", "NATS_TOKEN", "PEERTEAM_HOME", "AWS_SECRET_ACCESS_KEY"):
        monkeypatch.setenv(name, "mine-alone")
    async with a_link(tmp_path, env={"ITS_OWN": "hush-hush"}, secrets=("hush-hush",)) as link:
        answer = await link.call(await the_tool(link, "secret"), {}, may_repeat=False)

    environment = json.loads(answer.text)
    assert set(environment) <= {
        *("PATH", "HOME", "LANG", "LC_ALL", "TMPDIR", "TZ", "ITS_OWN", "LC_CTYPE")
    }
    assert environment["ITS_OWN"] == "***"
    assert "mine-alone" not in answer.text


async def test_an_answer_is_one_text_and_what_is_no_text_is_named(tmp_path: Path) -> None:
    async with a_link(tmp_path) as link:
        answer = await link.call(await the_tool(link, "parts"), {}, may_repeat=False)
        injected = await link.call(await the_tool(link, "inject"), {}, may_repeat=False)
        failed = await link.call(await the_tool(link, "fail"), {}, may_repeat=False)

    assert answer.text.split("\n\n") == [
        '{"a": 1}',
        "(here was image of the type image/png, 3 bytes: left out)",
        "(a resource: file:///x.md, x)",
        "(the resource file:///y.md)\nwhy",
    ]
    assert (injected.text, injected.is_error) == (INJECTION, True)
    assert (failed.text, failed.is_error) == ("no method tools/call", True)


async def test_a_tool_that_is_defined_otherwise_than_it_was_given_is_not_called(
    tmp_path: Path,
) -> None:
    async with a_link(tmp_path, "changing") as link:
        tool = await the_tool(link, "echo")
        assert (await link.call(tool, {"text": "x"}, may_repeat=False)).text == "x"

        with pytest.raises(ChangedToolError, match="has changed its definition of mcp__odd__echo"):
            await link.call(tool, {"text": "x"}, may_repeat=False)

    assert done(tmp_path) == ["echo"]


async def test_tools_that_no_model_can_have_are_left_out(tmp_path: Path) -> None:
    async with a_link(tmp_path, "odd") as link:
        taken = await link.tools()

    names = [tool.name for tool in taken.tools]
    assert "mcp__odd__odd_name_with_signs" in names
    assert dict(taken.refused) == {
        "a.b": "another is called mcp__odd__a_b, too",
        "a/b": "another is called mcp__odd__a_b, too",
        "keys": "the names in its input are none that a model may use",
        "large": "the schema of its input has more than 16,384 bytes",
    }
    [long] = [tool for tool in taken.tools if tool.original == "long"]
    assert long.description.endswith("x (cut here)")
    assert len(long.description) < DESCRIPTION_CHARACTERS_MAX + 300


async def test_a_program_that_is_not_there_is_said_to_be_missing(tmp_path: Path) -> None:
    async with a_link(tmp_path, command="no-such-program-here") as link:
        with pytest.raises(McpError, match="there is no program 'no-such-program-here'"):
            await link.tools()


async def test_whatever_a_server_has_started_ends_with_it(tmp_path: Path) -> None:
    async with a_link(tmp_path, "stubborn") as link:
        child = int((await link.call(await the_tool(link, "spawn"), {}, may_repeat=False)).text)
        assert Path(f"/proc/{child}").exists()

    await until_gone([child, *started(tmp_path)])


HOLDER = """
import asyncio, sys
from pathlib import Path
import structlog
from tests.support.mcp import a_link, the_tool

structlog.configure(logger_factory=structlog.PrintLoggerFactory(sys.stderr))

async def main():
    async with a_link(Path(sys.argv[1]), "stubborn") as link:
        answer = await link.call(await the_tool(link, "spawn"), {}, may_repeat=False)
        print(answer.text, flush=True)
        await asyncio.sleep(600)

asyncio.run(main())
"""


async def test_nobody_is_left_behind_by_a_member_that_is_killed(tmp_path: Path) -> None:
    """`kill -9` of the member; its server ignores SIGTERM and the end of its input."""
    holder = await asyncio.create_subprocess_exec(
        *(sys.executable, "-c", HOLDER, str(tmp_path)),
        stdout=asyncio.subprocess.PIPE,
        cwd=ROOT,
        env=os.environ | {"PYTHONPATH": str(ROOT)},
    )
    assert holder.stdout is not None
    child = int(await holder.stdout.readline())
    holder.kill()
    await holder.wait()

    await until_gone([child, *started(tmp_path)])


@pytest.mark.slow
async def test_a_server_over_http_that_goes_and_comes_back_is_found_again(tmp_path: Path) -> None:
    """Its session is gone with it; a call that was under way has an unknown outcome."""
    port = free_port()
    command = ("-I", "-S", str(ODD), str(tmp_path))
    server = {"kind": "http", "url": f"http://127.0.0.1:{port}/mcp"}
    async with a_link(tmp_path, **server) as link:
        with over_http(port, *command):
            tools = {tool.original: tool for tool in (await link.tools()).tools}
            hanging = asyncio.create_task(link.call(tools["hang"], {}, may_repeat=False))
            async with asyncio.timeout(60):
                while "hang" not in done(tmp_path):  # noqa: ASYNC110 - another process writes it
                    await asyncio.sleep(0.02)
        with pytest.raises(UnknownOutcomeError, match="died in the midst"):
            await hanging
        with over_http(port, *command):
            answer = await link.call(tools["echo"], {"text": "back"}, may_repeat=False)

    assert answer.text == "back"
    assert done(tmp_path) == ["hang", "echo"]
