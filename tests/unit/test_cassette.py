"""Cassettes: what was recorded is replayed to the byte, and what went wrong goes wrong again.

All calls go through the real SDK client; what stands below it records or replays.
"""

from __future__ import annotations

import asyncio
import gzip
import json
from itertools import permutations
from pathlib import Path

import httpx2
import msgspec
import pytest

from team.agent.models.call import Caller, Reply
from team.agent.models.cassette.environment import (
    RECORD_VARIABLE,
    REPLAY_VARIABLE,
    cassette_transport,
    check_cassette,
    open_tape,
    refuse_cassette,
)
from team.agent.models.cassette.format import FORMAT, Met, read_header, read_lane
from team.agent.models.cassette.lane import Lane, LaneFile
from team.agent.models.cassette.recording import lane_path
from team.agent.models.cassette.replay import ReplayTransport
from team.agent.models.rehearsal.transport import RehearsalTransport
from team.errors import ModelBusyError, ModelReplyError, ReplayError, SpecError
from tests.support.builders import says
from tests.support.cassettes import (
    SECRET,
    Pieces,
    Scripted,
    ask,
    asking,
    assistant,
    body_of,
    events,
    failed,
    never_waits,
    once,
    player,
    read_calls,
    record,
    recorder,
    refused,
    replay,
    replied,
    streamed,
    user,
)
from tests.support.messages_api import KEY, messages_api


@pytest.fixture
def tape(tmp_path: Path) -> Path:
    return tmp_path / "ada.jsonl"


# --- the same again ----------------------------------------------------------------------


async def test_what_the_rehearsal_model_said_is_replayed_to_the_byte(tape: Path) -> None:
    requests = [asking("Hello."), asking("Hello.", assistant(says("Hi.")), "And then?")]

    live = await ask(recorder(RehearsalTransport(), tape), *requests)
    again = await replay(tape, *requests)

    same = [msgspec.structs.replace(reply, took_s=0.0) for reply in live]
    assert [msgspec.structs.replace(reply, took_s=0.0) for reply in again] == same


async def test_a_body_comes_back_in_the_pieces_it_came_in(tape: Path) -> None:
    """Also where a piece ends in the middle of a character."""
    whole = b"".join(events([says("Größe")]))
    middle = whole.index("ö".encode()) + 1
    pieces = [whole[:7], whole[7:middle], whole[middle:]]
    request = httpx2.Request("POST", "http://x/v1/messages", json={"messages": []})

    await body_of(recorder(Scripted(streamed(*pieces)), tape), request)
    response = await player(tape).handle_async_request(request)

    assert [piece async for piece in response.aiter_raw()] == pieces


async def test_a_piece_that_is_not_utf_8_is_kept(tape: Path) -> None:
    request = httpx2.Request("POST", "http://x/v1/messages", json={"messages": []})
    response = httpx2.Response(200, stream=Pieces(b"\xff\xfe", b"plain"))

    assert await body_of(recorder(Scripted(response), tape), request) == b"\xff\xfeplain"

    assert read_calls(tape)[0].pieces == (b"\xff\xfe", b"plain")


async def test_a_compressed_body_is_recorded_as_the_text_that_it_holds(tape: Path) -> None:
    packed = gzip.compress(b"".join(events([says("Small.")])))
    headers = {"content-type": "text/event-stream", "content-encoding": "gzip"}
    response = httpx2.Response(200, headers=headers, stream=Pieces(packed[:20], packed[20:]))

    live = await record(tape, (asking("Pack."), response))
    again = await replay(tape, asking("Pack."))

    assert live[0].text == again[0].text == "Small."
    assert b"message_start" in tape.read_bytes()


async def test_the_same_request_twice_needs_two_recordings(tape: Path) -> None:
    await record(
        tape, (asking("Again."), replied(says("One."))), (asking("Again."), replied(says("Two.")))
    )

    replies = await replay(tape, asking("Again."), asking("Again."))
    reason = await refused(tape, *[asking("Again.")] * 3)

    assert [reply.text for reply in replies] == ["One.", "Two."]
    assert "call 2 is the same and was used already; all of it is used" in reason


async def test_recordings_of_a_member_answer_in_their_order_only(tape: Path) -> None:
    """A member meets the same in the same order, so another order is another run."""
    asked = [asking(f"Part {word}.") for word in ("one", "two", "three")]
    await record(tape, *((r, replied(says(f"Reply {n}."))) for n, r in enumerate(asked)))

    for order in permutations(range(3)):
        wanted = next((n for n, m in enumerate(order) if n != m), None)
        requests = [asked[n] for n in order]
        if wanted is None:
            replies = await replay(tape, *requests)
            assert [reply.text for reply in replies] == ["Reply 0.", "Reply 1.", "Reply 2."]
        else:
            reason = await refused(tape, *requests[: wanted + 1])
            assert "is the same and comes later; next is line" in reason


async def test_a_recording_goes_on_in_the_same_file_after_a_restart(tape: Path) -> None:
    await record(tape, (asking("One."), replied(says("1"))))
    await record(tape, (asking("Two."), replied(says("2"))))

    lines = [json.loads(line)["type"] for line in tape.read_text().splitlines()]
    assert lines == ["header", "call", "call"]
    assert [reply.text for reply in await replay(tape, asking("One."), asking("Two."))] == [
        "1",
        "2",
    ]


async def test_what_a_member_met_stands_between_its_calls(tape: Path) -> None:
    """A lane goes on in its order only: a call where something else was met is refused."""
    lane = LaneFile(tape)
    lane.append(Met(kind="inbox", seq=7, at=1.5))
    await record(tape, (asking("Hello."), replied(says("Hi."))))
    lane.append(Met(kind="stored", seq=9, at=2.5, count=2))

    assert [type(line).__name__ for line in read_lane(tape)] == ["Met", "Call", "Met"]
    assert "next is line 2, inbox 7" in await refused(tape, asking("Hello."))
    again = Lane.open(tape)
    assert again.take("inbox").seq == 7
    with pytest.raises(ReplayError, match="line 3 is a model call, now comes stored"):
        again.take("stored")


# --- what went wrong, goes wrong again ---------------------------------------------------


async def test_a_call_that_was_cancelled_is_kept_as_far_as_it_came(tape: Path) -> None:
    hangs = asyncio.Event()
    whole = events([says("A long story.")])
    response = streamed(*whole[:6], then=hangs)

    task = asyncio.create_task(record(tape, (asking("Tell."), response)))
    await asyncio.wait_for(hangs.wait(), 5)
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task

    (call,) = read_calls(tape)
    assert call.end == "left"
    assert call.pieces == tuple(whole[:6])
    with pytest.raises(ModelReplyError, match="this call was cut here"):
        await once(player(tape), asking("Tell."))


@pytest.mark.parametrize("then", [None, httpx2.ReadError("the connection broke")])
async def test_a_stream_that_ended_too_soon_does_so_again(
    tape: Path, then: Exception | None
) -> None:
    """As live: a reply that is no whole message, worth another try."""
    response = streamed(*events([says("A long story.")])[:6], then=then)

    with pytest.raises(ModelReplyError):
        await once(recorder(Scripted(response), tape), asking("Tell."))

    assert read_calls(tape)[0].end == ("whole" if then is None else "cut")
    with pytest.raises(ModelReplyError):
        await once(player(tape), asking("Tell."))


@pytest.mark.parametrize("status", [429, 529])
async def test_a_busy_provider_is_busy_again_in_the_same_words(tape: Path, status: int) -> None:
    headers = {"retry-after": "7", "anthropic-ratelimit-requests-remaining": "0"}
    busy = Scripted(failed(status, "overloaded_error", **headers))

    with pytest.raises(ModelBusyError) as live:
        await once(recorder(busy, tape), asking("Hello."))
    with pytest.raises(ModelBusyError) as again:
        await once(player(tape), asking("Hello."))

    assert str(again.value) == str(live.value)
    assert headers.items() <= read_calls(tape)[0].headers.items()


@pytest.mark.parametrize("content", [b"", b"[]", b"{}", b"{"])
async def test_what_is_no_call_of_a_model_is_neither_recorded_nor_answered(
    tape: Path, content: bytes
) -> None:
    request = httpx2.Request("POST", "http://x/v1/other", content=content)

    passed = await recorder(Scripted(failed(404, "x")), tape).handle_async_request(request)
    answer = await ReplayTransport(Lane(tape, ())).handle_async_request(request)

    assert passed.status_code == 404
    assert not tape.exists()
    assert answer.json()["error"]["message"] == f"cassette {tape} answers model calls only"


# --- a file that can't be used ----------------------------------------------------------


def test_a_member_that_was_not_recorded_is_told_so(tape: Path) -> None:
    with pytest.raises(ReplayError, match="the recorded run had no member 'ada'"):
        Lane.open(tape)


@pytest.mark.parametrize(
    ("line", "said"),
    [
        (b"{", "line 3: no line of a cassette"),
        (b'{"type":"call"}', "line 3: no line of a cassette"),
        (b'{"type":"other"}', "line 3: no line of a cassette"),
        (b"\xff", "line 3: no line of a cassette"),
    ],
)
async def test_a_broken_line_is_named(tape: Path, line: bytes, said: str) -> None:
    await record(tape, (asking("Hello."), replied(says("Hi."))))
    with tape.open("ab") as file:
        file.write(line + b"\n")

    with pytest.raises(SpecError) as caught:
        read_calls(tape)
    assert str(caught.value).startswith(f"{tape}: {said}")


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("", "line 1: the file is empty"),
        ('{"type":"header","format":9,"anthropic":"","peerteam":"","member":""}', "format is 9"),
    ],
)
def test_a_file_that_is_no_cassette_is_refused(tape: Path, text: str, said: str) -> None:
    tape.write_text(text)

    for read in (read_calls, read_header):
        with pytest.raises(SpecError, match=said):
            read(tape)


def test_a_file_that_can_not_be_read_is_refused(tape: Path) -> None:
    tape.mkdir()

    with pytest.raises(SpecError, match="it can't be read"):
        read_calls(tape)


async def test_a_file_that_holds_no_calls_says_so(tape: Path) -> None:
    await record(tape, (asking("Hello."), replied(says("Hi."))))
    tape.write_bytes(tape.read_bytes().split(b"\n", 1)[0] + b"\n")

    assert "; it holds no calls" in await refused(tape, asking("Hello."))


async def test_a_file_without_its_header_is_refused(tape: Path) -> None:
    await record(tape, (asking("Hello."), replied(says("Hi."))))
    tape.write_bytes(tape.read_bytes().split(b"\n", 1)[1])

    with pytest.raises(SpecError, match="line 1: a cassette begins with its header"):
        read_calls(tape)


# --- what is in a file -------------------------------------------------------------------


async def test_nothing_secret_is_in_the_file(tape: Path) -> None:
    headers = {
        "content-type": "application/json",
        "set-cookie": f"session={SECRET}",
        "anthropic-organization-id": SECRET,
        "anthropic-ratelimit-requests-limit": "50",
        "request-id": "req_1",
        "x-echo": SECRET,
    }
    said = {"error": {"type": "x", "message": f"bad key {SECRET}"}}
    inner = Scripted(httpx2.Response(401, headers=headers, json=said))
    request = httpx2.Request(
        "POST",
        "http://x/v1/messages",
        headers={"x-api-key": SECRET, "authorization": f"Bearer {SECRET}", "cookie": SECRET},
        json={"messages": [user(f"My key is {SECRET}.")], "metadata": {"user_id": SECRET}},
    )

    await body_of(recorder(inner, tape), request)

    assert SECRET not in tape.read_text()
    (call,) = read_calls(tape)
    assert sorted(call.headers) == [
        "anthropic-ratelimit-requests-limit",
        "content-type",
        "request-id",
    ]
    assert list(call.request) == ["messages"]


async def test_the_first_line_says_what_the_file_is(tape: Path) -> None:
    await record(tape, (asking("Hello."), replied(says("Hi."))))

    header = read_header(tape)
    assert (header.format, header.member) == (FORMAT, "ada")
    assert header.anthropic.startswith("2.")
    assert "says nothing of how good a model is" in header.proves


async def test_a_request_is_stored_with_its_hash_keys_in_order(tape: Path) -> None:
    await record(tape, (asking("Hello."), replied(says("1"))), (asking("Bye."), replied(says("2"))))
    await record(tape, (asking("Hello."), replied(says("3"))))

    first, second, third = read_calls(tape)
    assert first.sha256 == third.sha256 != second.sha256
    stored = json.loads(tape.read_text().splitlines()[1])["request"]
    assert list(stored) == sorted(stored)
    assert "stream" not in stored


# --- which cassette ----------------------------------------------------------------------


@pytest.fixture
def variables(monkeypatch: pytest.MonkeyPatch) -> pytest.MonkeyPatch:
    for name in (RECORD_VARIABLE, REPLAY_VARIABLE, "ANTHROPIC_BASE_URL", "ANTHROPIC_API_KEY"):
        monkeypatch.delenv(name, raising=False)
    return monkeypatch


def test_without_a_variable_there_is_no_cassette(variables: pytest.MonkeyPatch) -> None:
    assert check_cassette() is None
    assert open_tape("ada", "rehearsal") is None
    assert cassette_transport(None, RehearsalTransport) is None


def test_a_run_records_or_replays(variables: pytest.MonkeyPatch, tmp_path: Path) -> None:
    variables.setenv(RECORD_VARIABLE, str(tmp_path))
    variables.setenv(REPLAY_VARIABLE, str(tmp_path))

    for check in (check_cassette, refuse_cassette):
        with pytest.raises(SpecError, match=r"a run records or replays, not both; unset one"):
            check()


@pytest.mark.parametrize("variable", [RECORD_VARIABLE, REPLAY_VARIABLE])
def test_a_run_that_is_resumed_does_neither(
    variables: pytest.MonkeyPatch, tmp_path: Path, variable: str
) -> None:
    variables.setenv(variable, str(tmp_path))

    with pytest.raises(SpecError, match=f"environment: {variable}: a run that is resumed"):
        refuse_cassette()


def test_a_folder_to_record_to_is_made_and_must_be_empty(
    variables: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    folder = tmp_path / "new" / "tapes"
    variables.setenv(RECORD_VARIABLE, str(folder))
    check_cassette()
    (folder / "stream.jsonl").touch()

    with pytest.raises(SpecError, match="holds files already; name an empty folder"):
        check_cassette()


def test_a_file_is_no_folder(variables: pytest.MonkeyPatch, tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    variables.setenv(RECORD_VARIABLE, str(tmp_path / "file"))

    with pytest.raises(SpecError, match=r"environment: PEERTEAM_RECORD.*; mend or unset it"):
        check_cassette()


@pytest.mark.parametrize("provider", ["rehearsal", "anthropic"])
async def test_a_members_calls_are_recorded_and_replayed_where_the_environment_says(
    variables: pytest.MonkeyPatch, tmp_path: Path, provider: str
) -> None:
    """Over real HTTP too; the replay has neither a key nor an address."""
    request = asking("Hello.")

    async def call() -> Reply:
        caller = Caller(provider, tape=open_tape("ada", provider))
        reply = await caller.call(request, on_text=lambda _: None, on_wait=never_waits)
        await caller.close()
        return msgspec.structs.replace(reply, took_s=0.0)

    async with messages_api() as api:
        variables.setenv(RECORD_VARIABLE, str(tmp_path))
        variables.setenv("ANTHROPIC_BASE_URL", api.url)
        variables.setenv("ANTHROPIC_API_KEY", KEY)
        live = await call()
    for name in (RECORD_VARIABLE, "ANTHROPIC_BASE_URL", "ANTHROPIC_API_KEY"):
        variables.delenv(name)
    variables.setenv(REPLAY_VARIABLE, str(tmp_path))
    again = await call()

    assert len(api.requests) == (provider == "anthropic")
    assert again == live
    lane = lane_path(tmp_path, "ada")
    assert KEY not in lane.read_text()
    assert read_header(lane).provider == provider
