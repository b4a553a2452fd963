"""Texts from outside: kept, quoted by their name, read by others, and never another text."""

from __future__ import annotations

import asyncio
import hashlib
from pathlib import Path
from typing import ClassVar

import msgspec
import pytest
from structlog.testing import capture_logs

from bus.artifacts import create_artifacts, put_artifact
from bus.errors import BusUnavailableError
from bus.messages import ArtifactRef, Evidence, SnapshotKept, TaskClaimed, TaskSubmitted
from bus.run_stream import Entry, RunStream
from bus.subjects import build
from team.agent.models.call import ToolCall
from team.agent.models.cassette.format import Brought
from team.agent.models.cassette.lane import Lane, LaneFile
from team.agent.outward import make_call
from team.agent.snapshots import TEXT_BYTES_MAX, Snapshots
from team.agent.tools.base import Effect, Tool, ToolAnswer
from team.agent.tools.outside import SHOWN_CHARACTERS_MAX
from team.agent.tools.source_tools import ReadSource
from team.agent.world import World
from team.audit.case import Case
from team.errors import ReplayError
from team.members.gating import judgements_on
from team.rules.outside import may_cite
from team.sources import Library, snapshot_name
from team.state import fold
from tests.support.builders import a_claim, a_contract, a_finding, a_story, opens
from tests.support.decisions import CONTEXT, a_world, call_tool
from tests.support.outside_tool import Bring, BringInput

TEXT = "Pools keep ten connections.\nThey close idle ones."


@pytest.fixture(autouse=True)
async def _a_place_for_artifacts(stream: RunStream, other_stream: RunStream) -> None:
    for one in (stream, other_stream):
        await create_artifacts(one.connection, one.run)


async def brings(world: World, text: str = TEXT) -> str:
    """A member brings a text from outside; gives its name."""
    answer = await call_tool(world, Bring(world, CONTEXT), text=text)
    assert not answer.is_error, answer
    (entry,) = answer.entries
    assert isinstance(entry.body, SnapshotKept)
    return snapshot_name(entry.body.text.sha256)


def quote(name: str, text: str = "They close idle ones.") -> Evidence:
    return Evidence(source=name, locator="L2", quote=text)


async def test_a_member_quotes_its_own_and_a_peer_quotes_it_by_its_name(
    stream: RunStream, library: Library, tmp_path: Path
) -> None:
    """The peer was only told the name; a fresh process of either can, too."""
    name = await brings(await a_world(stream, "ada", library=library))

    for member in ("ada", "bea"):
        other = Library.open(tmp_path / "library.sqlite")
        world = await a_world(stream, member, library=other)
        assert await world.first_quote_problem([quote(name)]) is None
        problem = await world.first_quote_problem([quote(name, "They keep idle ones.")])
        assert problem is not None
        other.close()


async def test_a_verifier_reads_what_it_may_not_fetch(
    stream: RunStream, library: Library, tmp_path: Path
) -> None:
    """Whatever sources its contract allows; list and search don't give it."""
    name = await brings(await a_world(stream, "ada", library=library))
    with Library.open(tmp_path / "library.sqlite") as other:
        vera = await a_world(stream, "vera", library=other)
        answer = await call_tool(vera, ReadSource(other, (), vera.snapshots), source=name)
        assert other.documents() == library.documents()
        assert not other.search("idle connections", None, 5) or all(
            hit.source != name for hit in other.search("idle connections", None, 5)
        )

    assert not answer.is_error
    assert "L2| They close idle ones." in answer.content


@pytest.mark.parametrize(
    "name", ["snapshot:" + "0" * 20, "snapshot:", "snapshot:a b", "snapshot:*"]
)
async def test_a_name_that_was_never_kept_is_no_source(
    stream: RunStream, library: Library, name: str
) -> None:
    world = await a_world(stream, "ada", library=library)
    await brings(world)

    assert await world.first_quote_problem([quote(name)]) is not None
    answer = await call_tool(world, ReadSource(library, None, world.snapshots), source=name)
    assert answer.is_error


async def says_kept(stream: RunStream, name: str, text: ArtifactRef) -> None:
    """Somebody says that a text goes by that name."""
    subject = build(stream.run, "snapshot", name, author="eve")
    body = SnapshotKept(tool="fetch", origin="https://a.org/", text=text, lines=2)
    await stream.append(Entry(subject=subject, body=body))


async def test_a_text_under_another_texts_name_is_not_taken(
    stream: RunStream, library: Library
) -> None:
    """A name is the beginning of its text's hash: whoever says otherwise is not believed."""
    real = snapshot_name(hashlib.sha256(TEXT.encode()).hexdigest())
    forged = await put_artifact(stream.connection, stream.run, b"They keep\nidle ones for ever.")
    await says_kept(stream, real.removeprefix("snapshot:"), forged)
    world = await a_world(stream, "ada", library=library)

    assert await world.first_quote_problem([quote(real, "idle ones for ever.")]) is not None
    records = [record async for record in stream.read()]
    assert not fold(records).snapshots.all
    assert not may_cite(fold(records).snapshots, real[9:], a_contract(tools=("fetch",)))


async def test_a_text_whose_bytes_are_gone_is_unknown_and_said_to_be(
    stream: RunStream, library: Library
) -> None:
    sha256 = hashlib.sha256(b"gone").hexdigest()
    await says_kept(stream, sha256[:20], ArtifactRef(sha256=sha256, size_bytes=4))
    world = await a_world(stream, "ada", library=library)

    with capture_logs() as logs:
        problem = await world.first_quote_problem([quote(snapshot_name(sha256))])

    assert problem is not None
    assert [one["event"] for one in logs] == ["snapshot.missing"]


async def test_only_a_contract_with_the_tool_may_cite_it(
    stream: RunStream, library: Library
) -> None:
    name = await brings(await a_world(stream, "ada", library=library))
    snapshots = fold([record async for record in stream.read()]).snapshots
    may = {
        tools: may_cite(snapshots, name.removeprefix("snapshot:"), a_contract(tools=tools))
        for tools in (("bring",), ("read_source",), ())
    }
    avoiding = a_contract(tools=("bring",), tools_avoided=("bring",))

    assert may == {("bring",): True, ("read_source",): False, (): False}
    assert not may_cite(snapshots, name.removeprefix("snapshot:"), avoiding)
    assert not may_cite(snapshots, "0" * 20, a_contract(tools=("bring",)))


@pytest.mark.parametrize(
    ("tools", "text", "refused"),
    [
        (("bring",), "They close idle ones.", []),
        (("read_source",), "They close idle ones.", ["sources"]),
        (("bring",), "They keep idle ones.", ["quotes"]),
    ],
)
async def test_the_gate_admits_a_true_quote_of_what_the_contract_lets_be_brought(
    stream: RunStream, library: Library, tools: tuple[str, ...], text: str, refused: list[str]
) -> None:
    """And the audit names the same when it is cited all the same."""
    name = await brings(await a_world(stream, "ada", library=library))
    claim = a_claim(text=text, evidence=(quote(name, text),))
    story = a_story()
    story.seat("ada")
    contract = a_contract(tools=tools)
    story.tell("task", "t1", body=opens(contract=contract, offered_to="ada"))
    story.tell("task", "t1", author="ada", body=TaskClaimed())
    async for record in stream.read():
        if isinstance(record.body, SnapshotKept):
            story.tell("snapshot", name.removeprefix("snapshot:"), author="ada", body=record.body)
    story.tell("finding", "t1", author="ada", body=a_finding(claim))
    story.tell("task", "t1", author="ada", body=TaskSubmitted())
    state = story.state
    submission = state.findings.latest("t1")
    assert submission is not None

    judged = await judgements_on(state, library, state.board.tasks["t1"], submission)

    found = {one.check for one in judged if one.outcome != "upheld"}
    assert found & {"sources", "quotes"} == set(refused)
    case = Case(story.records, library)
    assert case.is_outside(name, contract) == ("sources" in refused)
    assert (case.quote_problem(claim.evidence[0]) is not None) == ("quotes" in refused)


async def test_what_is_too_long_is_shown_in_part_and_kept_to_its_limit(
    stream: RunStream, library: Library
) -> None:
    """Whole lines are shown; the rest is read on by lines; past the limit it is cut, and said."""
    world = await a_world(stream, "ada", library=library)
    text = "\n".join(f"Line {number} of many." for number in range(400_000))
    answer = await call_tool(world, Bring(world, CONTEXT), text=text)
    kept = answer.entries[0].body
    assert isinstance(kept, SnapshotKept)

    assert len(answer.content) < SHOWN_CHARACTERS_MAX + 500
    assert "more lines: read them with `read_source`" in answer.content
    assert kept.text.size_bytes < TEXT_BYTES_MAX + 100
    reading = ReadSource(library, (), world.snapshots)
    name = snapshot_name(kept.text.sha256)
    last = await call_tool(world, reading, source=name, locator=f"L{kept.lines}-L{kept.lines}")
    assert "cut here" in last.content


async def test_without_a_library_a_text_is_kept_and_can_not_be_quoted(stream: RunStream) -> None:
    world = await a_world(stream, "ada")
    name = await brings(world)

    await Snapshots("ada", stream, None).load([name])
    assert await world.first_quote_problem([quote(name)]) is not None


# --- recorded and replayed ---------------------------------------------------------


async def test_what_was_brought_is_had_from_the_recording_and_nobody_is_asked(
    stream: RunStream, other_stream: RunStream, library: Library, tmp_path: Path
) -> None:
    """In whatever order the calls are made again; also what failed; also the bytes."""
    path = tmp_path / "tape" / "members" / "ada.jsonl"
    calls = [ToolCall(id=f"c{n}", name="bring", input={"text": f"{TEXT} {n}"}) for n in range(3)]
    calls.append(ToolCall(id="c3", name="bring", input={"text": "fail"}))
    live = msgspec.structs.replace(await a_world(stream, "ada"), tape=LaneFile(path))
    tool = Bring(live, CONTEXT)
    first = [await make_call(live, CONTEXT, tool, call) for call in calls]
    assert tool.asked == 4

    world = await a_world(other_stream, "ada", library=library)
    again = msgspec.structs.replace(world, tape=Lane.open(path))
    tool = Bring(again, CONTEXT)
    second = [await make_call(again, CONTEXT, tool, call) for call in reversed(calls)]

    assert tool.asked == 0
    for before, after in zip(first, reversed(second), strict=True):
        assert (before.content, before.is_error) == (after.content, after.is_error)
        assert [e.body for e in before.entries] == [e.body for e in after.entries]
        assert all(entry.subject.run == other_stream.run for entry in after.entries)
        for entry in after.entries:
            await other_stream.append(entry)
    name = snapshot_name(hashlib.sha256(f"{TEXT} 1".encode()).hexdigest())
    fresh = await a_world(other_stream, "bea", library=library)
    assert await fresh.first_quote_problem([quote(name, "They close idle ones. 1")]) is None


class _Breaks(Bring):
    """A tool that meets what it did not expect."""

    error: Exception = RuntimeError("a word of the page")

    async def run(self, given: BringInput) -> ToolAnswer:
        del given
        self.asked += 1
        raise self.error


async def test_what_a_tool_did_not_expect_is_an_answer_and_no_member_s_end(
    stream: RunStream, tmp_path: Path
) -> None:
    """Logged by its kind, recorded, and had again; what the bus says still ends the turn."""
    path = tmp_path / "tape" / "members" / "ada.jsonl"
    call = ToolCall(id="c1", name="bring", input={"text": TEXT})
    live = await a_world(stream, "ada")
    tool = _Breaks(live, CONTEXT)
    with capture_logs() as logs:
        answers = [
            await make_call(live, CONTEXT, tool, call),
            await make_call(
                msgspec.structs.replace(live, tape=LaneFile(path)), CONTEXT, tool, call
            ),
        ]
    again = msgspec.structs.replace(live, tape=Lane.open(path))
    answers.append(await make_call(again, CONTEXT, tool, call))

    assert tool.asked == 2
    assert [(one["event"], one["error"]) for one in logs] == [("tool.failed", "RuntimeError")] * 2
    assert all(answer.is_error for answer in answers)
    assert {answer.content for answer in answers} == {
        "bring failed: RuntimeError. Try otherwise, or go on without it."
    }
    tool.error = BusUnavailableError("nats://there", "it is away")
    with pytest.raises(BusUnavailableError):
        await make_call(live, CONTEXT, tool, call)


async def test_a_call_that_the_recording_does_not_hold_ends_the_replay(
    stream: RunStream, tmp_path: Path
) -> None:
    """Nothing is asked in its place; nor where the bytes are gone, or others."""
    path = tmp_path / "tape" / "members" / "ada.jsonl"
    call = ToolCall(id="c1", name="bring", input={"text": TEXT})
    live = msgspec.structs.replace(await a_world(stream, "ada"), tape=LaneFile(path))
    answer = await make_call(live, CONTEXT, Bring(live, CONTEXT), call)
    assert isinstance(answer, ToolAnswer)
    other = msgspec.structs.replace(call, id="c2")

    async def replayed(one: ToolCall) -> None:
        again = msgspec.structs.replace(live, tape=Lane.open(path))
        tool = Bring(again, CONTEXT)
        try:
            await make_call(again, CONTEXT, tool, one)
        finally:
            assert not tool.asked

    with pytest.raises(ReplayError, match="holds nothing that call c2"):
        await replayed(other)
    (file,) = (tmp_path / "tape" / "outside").iterdir()
    file.write_bytes(b"other")
    with pytest.raises(ReplayError, match="not what it was"):
        await replayed(call)
    file.unlink()
    with pytest.raises(ReplayError, match="can't be read"):
        await replayed(call)
    with pytest.raises(ReplayError):
        Lane(path, [Brought(context="x", call_id="c1", content="")]).take_brought("y", "c1")


class Nothing(msgspec.Struct):
    """No input."""


class Look(Tool[Nothing]):
    """Look at the run, as long as others look at the same time."""

    name: ClassVar[str] = "look"
    input_type = Nothing
    effect: ClassVar[Effect] = "read-only"

    def __init__(self) -> None:
        self.looking = self.most = 0

    async def run(self, given: Nothing) -> ToolAnswer:  # noqa: ARG002 - asks for nothing
        self.looking += 1
        self.most = max(self.most, self.looking)
        await asyncio.sleep(0)
        self.looking -= 1
        return ToolAnswer(content="Seen.")


@pytest.mark.parametrize("is_recorded", [True, False])
async def test_where_the_order_of_looks_is_recorded_they_come_one_after_another(
    stream: RunStream, tmp_path: Path, is_recorded: bool
) -> None:
    """A replay asks in the order of the calls; so it must have been noted in that order."""
    tape = LaneFile(tmp_path / "tape" / "members" / "ada.jsonl") if is_recorded else None
    world = msgspec.structs.replace(await a_world(stream, "ada"), tape=tape)
    tool, call = Look(), ToolCall(id="c", name="look", input={})

    await asyncio.gather(*(make_call(world, CONTEXT, tool, call) for _ in range(3)))

    assert tool.most == (1 if is_recorded else 3)
