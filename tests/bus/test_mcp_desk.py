"""The tools of `team mcp` through the mcp package's client, on a real stream."""

from __future__ import annotations

import asyncio
import socket
from pathlib import Path
from typing import Any

import pytest
from mcp import Client
from mcp.server import MCPServer

from bus.access import Access
from bus.ids import LEAD
from bus.messages import ApprovalAsked, CancelRun, MemberSeated, Note, ResultPublished
from bus.run_stream import Entry, RunStream
from bus.subjects import approval, control, mail, member, pattern, result
from team.errors import SpecError
from team.mcp_server.bounds import bounds_of
from team.mcp_server.desk import Desk
from team.mcp_server.serve import serve_http
from team.mcp_server.server import build_server
from tests.support.mcp_clients import ask, ask_in_vain


@pytest.fixture
def desk(access: Access, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Desk:
    """A desk on the server of this session, in a project and a home of its own."""
    monkeypatch.setenv("PEERTEAM_HOME", str(tmp_path / "home"))
    project = tmp_path / "project"
    project.mkdir()
    (project / "notes.md").write_text("Pools close their connections when cancelled.\n")
    url = f"nats://{access.token}@{access.url.removeprefix('nats://')}"
    return Desk(bounds_of(project, []), url)


@pytest.fixture
def server(desk: Desk) -> MCPServer[Any]:
    """A server that lets clients approve."""
    return build_server(desk, may_approve=True)


async def _ask(server: MCPServer[Any], tool: str, **arguments: Any) -> dict[str, Any]:
    async with Client(server) as client:
        return await ask(client, tool, **arguments)


async def _ask_in_vain(server: MCPServer[Any], tool: str, **arguments: Any) -> str:
    async with Client(server) as client:
        return await ask_in_vain(client, tool, **arguments)


async def _seat(stream: RunStream, name: str) -> None:
    mailbox = pattern(stream.run, "mail", name)
    body = MemberSeated(role="researcher", filters=(mailbox,))
    entry = Entry(subject=member(stream.run, name, LEAD), body=body)
    await stream.append(entry)


async def test_clients_may_answer_for_a_person_only_where_the_owner_says_so(desk: Desk) -> None:
    async with (
        Client(build_server(desk)) as plain,
        Client(build_server(desk, may_approve=True)) as (trusted),
    ):
        listed = {tool.name for tool in (await plain.list_tools()).tools}
        more = {tool.name for tool in (await trusted.list_tools()).tools}

    assert more - listed == {"approve", "reject"}


async def test_every_tool_and_every_argument_says_what_it_is(server: MCPServer[Any]) -> None:
    async with Client(server) as client:
        tools = (await client.list_tools()).tools

    for tool in tools:
        assert tool.description, tool.name
        assert tool.annotations is not None, tool.name
        assert tool.output_schema is not None, tool.name
        for name, schema in tool.input_schema["properties"].items():
            assert schema.get("description"), f"{tool.name}.{name}"


async def test_a_follower_is_woken_by_news_and_told_where_to_go_on(
    server: MCPServer[Any], stream: RunStream
) -> None:
    await _seat(stream, "ada")
    first = await _ask(server, "follow_run", run=stream.run)
    waiting = asyncio.create_task(
        _ask(server, "follow_run", run=stream.run, after=first["next_after"], wait_seconds=60)
    )
    await asyncio.sleep(0)
    note = Entry(subject=mail(stream.run, "ada", LEAD), body=Note(text="Leave Windows out."))
    seq = await stream.append(note)

    news = await waiting

    assert [(one["seq"], one["by"], one["kind"]) for one in news["events"]] == [
        (seq, "lead", "mail")
    ]
    assert (news["next_after"], news["is_over"]) == (seq, False)


async def test_a_wait_without_news_ends_with_its_time(
    server: MCPServer[Any], stream: RunStream
) -> None:
    await _seat(stream, "ada")

    news = await _ask(server, "follow_run", run=stream.run, after=1, wait_seconds=0)

    assert (news["events"], news["next_after"], news["is_over"]) == ([], 1, False)
    assert news["status"] == "stopped"
    assert "resume_run" in news["next"]


async def test_a_sequence_that_is_yet_to_come_means_the_newest_there_is(
    server: MCPServer[Any], stream: RunStream
) -> None:
    await _seat(stream, "ada")

    news = await _ask(server, "follow_run", run=stream.run, after=10**15, wait_seconds=0)

    assert (news["events"], news["next_after"]) == ([], 1)


async def test_many_events_come_in_pages_and_none_is_left_out(
    server: MCPServer[Any], stream: RunStream
) -> None:
    await _seat(stream, "ada")
    for number in range(60):
        note = Note(text=f"Note {number}.")
        await stream.append(Entry(subject=mail(stream.run, "ada", LEAD), body=note))

    first = await _ask(server, "follow_run", run=stream.run)
    second = await _ask(server, "follow_run", run=stream.run, after=first["next_after"])

    seqs = [one["seq"] for page in (first, second) for one in page["events"]]
    assert seqs == list(range(1, 62))


async def test_waiting_for_the_end_stops_at_a_question_to_a_person(
    server: MCPServer[Any], stream: RunStream
) -> None:
    body = ApprovalAsked(what="result", text="The answer.")
    await stream.append(Entry(subject=approval(stream.run, "result", LEAD), body=body, expect=0))

    news = await _ask(server, "follow_run", run=stream.run, until="end", wait_seconds=60)
    status = await _ask(server, "run_status", run=stream.run)
    said = await _ask(server, "approve", run=stream.run, why="as we discussed")
    again = await _ask_in_vain(server, "approve", run=stream.run)

    assert (news["status"], news["is_over"]) == ("waiting", False)
    assert status["waits_for"] == [{"id": "result", "what": "result", "text": "The answer."}]
    assert said["did"] == "result is approved"
    assert "it waits for nobody" in again


async def test_a_refusal_without_a_reason_is_refused(
    server: MCPServer[Any], stream: RunStream
) -> None:
    said = await _ask_in_vain(server, "reject", run=stream.run, why=" ")

    assert "say why" in said


async def test_mail_is_stored_as_a_persons_and_an_unknown_member_is_named(
    server: MCPServer[Any], stream: RunStream
) -> None:
    await _seat(stream, "ada")

    await _ask(server, "send_message", run=stream.run, member="ada", text="Figures, please.")
    said = await _ask_in_vain(server, "send_message", run=stream.run, member="bob", text="Hi.")

    head = await stream.head(str(mail(stream.run, "ada", "person")))
    assert head is not None
    assert isinstance(head.body, Note)
    assert "there is: ada" in said


async def test_a_run_that_nobody_works_on_is_cancelled_at_once(
    server: MCPServer[Any], stream: RunStream
) -> None:
    done = await _ask(server, "cancel_run", run=stream.run, why="wrong goal")
    said = await _ask_in_vain(server, "cancel_run", run=stream.run)

    order = await stream.head(str(control(stream.run, LEAD, "person")))
    assert order is not None
    assert isinstance(order.body, CancelRun)
    assert done["did"] == "it is cancelled"
    assert "it has ended already: cancelled" in said


async def test_what_can_not_be_started_says_why_and_opens_nothing(server: MCPServer[Any]) -> None:
    asked = {"goal": "How do pools close?", "sources": ["notes.md"], "run": "never"}
    refused = {
        "outside what this server may read": {"sources": ["/etc/hostname"]},
        "there is no such team spec": {"team": "reserach"},
        "it is empty": {"goal": " "},
        "needs a key": {"model": "claude-opus-5-5"},
        "can't be used": {"run": "a b"},
        "dollars_max": {"dollars_max": 2e6, "model": "rehearsal"},
        "tokens_max: 1,000 tokens do not hold": {"tokens_max": 1_000, "model": "rehearsal"},
        "tokens_max": {"tokens_max": 10**20, "model": "rehearsal"},
        "or model rehearsal": {"model": "claude-opus-5-5"},
    }

    for reason, change in refused.items():
        assert reason in await _ask_in_vain(server, "start_run", **asked | change)

    assert "there is no run 'never'" in await _ask_in_vain(server, "run_status", run="never")


async def test_a_run_that_was_never_opened_or_has_ended_is_not_taken_up(
    server: MCPServer[Any], stream: RunStream
) -> None:
    said = await _ask_in_vain(server, "resume_run", run=stream.run)
    assert "it was never opened" in said
    body = ResultPublished(status="admitted", text="Done.")
    await stream.append(Entry(subject=result(stream.run), body=body, expect=0))

    page = await _ask(server, "run_result", run=stream.run)
    async with Client(server) as client:
        resource = await client.read_resource(f"peerteam://runs/{stream.run}/result")

    assert page["text"] == "Done."
    assert [part.text for part in resource.contents] == ["Done."]  # type: ignore[union-attr]


def test_a_port_that_is_taken_is_said_before_anything_is_served(desk: Desk) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        with pytest.raises(SpecError, match=f"--http: port {port}"):
            serve_http(desk.bounds, None, port, may_approve=False, on_listening=print)
