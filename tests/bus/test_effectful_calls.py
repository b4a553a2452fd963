"""Calls that change the world: their intent comes first, and none is ever made twice."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from bus.connection import Connection
from bus.errors import FencedError
from bus.messages import CallBegun, CallEnded, DecisionRecorded, ToolOutcome, TurnActed, TurnReplied
from bus.run_stream import Entry, RunStream
from bus.subjects import build
from team.agent.tools.base import ToolAnswer
from team.agent.tools.decision_tools import RecordDecision
from tests.support.decisions import CONTEXT, an_assignment
from tests.support.effectful import SCRIPT, Deploy, DeployInput, an_errand, effects
from tests.support.minds import Asked, a_mind


class DiedError(Exception):
    """The process ends here, as far as the journal can tell."""


def dies_at(when: str) -> Any:
    def at(instant: str) -> None:
        if instant == when:
            raise DiedError

    return at


async def kinds(stream: RunStream) -> list[str]:
    return [type(r.body).__name__ async for r in stream.read() if r.subject.kind == "journal"]


async def outcomes(stream: RunStream) -> list[ToolOutcome]:
    """What the first turn gave back, once it has acted."""
    [acted] = [r.body async for r in stream.read() if isinstance(r.body, TurnActed)]
    return list(acted.outcomes)


async def revive(stream: RunStream, connection: Connection, file: Path) -> Asked:
    """A fresh process goes on; gives the model that it asked."""
    model = Asked("Done.")
    agent, world = await a_mind(RunStream(connection, stream.run), model, areas=None)
    outcome = await agent.work(an_errand(world, file))
    assert outcome.returned
    return model


async def test_the_intent_is_stored_before_the_effect_and_the_outcome_right_after(
    stream: RunStream, tmp_path: Path
) -> None:
    file = tmp_path / "deployed"
    seen: list[tuple[str, list[str]]] = []
    agent, world = await a_mind(stream, Asked(SCRIPT, "Done."), areas=None)

    await agent.work(an_errand(world, file, lambda instant: seen.append((instant, effects(file)))))

    assert seen == [("intent", []), ("effect", ["pools"]), ("outcome", ["pools"])]
    assert await kinds(stream) == [
        "ContextOpened",
        "TurnReplied",
        "CallBegun",
        "CallEnded",
        "TurnActed",
        "TurnReplied",
        "ContextClosed",
    ]


@pytest.mark.parametrize(("when", "deployed"), [("intent", []), ("effect", ["pools"])])
async def test_a_call_that_was_cut_short_is_not_made_again_and_the_model_is_told(
    stream: RunStream, connection: Connection, tmp_path: Path, when: str, deployed: list[str]
) -> None:
    """Whether it took effect, code can't know: in one case it has, in the other it has not."""
    file = tmp_path / "deployed"
    agent, world = await a_mind(stream, Asked(SCRIPT), areas=None)
    with pytest.raises(DiedError):
        await agent.work(an_errand(world, file, dies_at(when)))

    await revive(stream, connection, file)

    assert effects(file) == deployed
    unknown, lingered = await outcomes(stream)
    assert unknown.is_error
    assert "whether it took effect is unknown" in unknown.content
    assert "Find out what it has changed before you repeat it" in unknown.content
    assert " UTC" in unknown.content
    assert lingered.content == "Lingered over pools."
    assert sum(kind == "CallBegun" for kind in await kinds(stream)) == 1


async def test_an_outcome_that_was_stored_outlives_a_crash_in_a_later_call(
    stream: RunStream, connection: Connection, tmp_path: Path
) -> None:
    file = tmp_path / "deployed"
    agent, world = await a_mind(stream, Asked(SCRIPT), areas=None)
    with pytest.raises(DiedError):
        await agent.work(an_errand(world, file, dies_at("outcome")))

    model = await revive(stream, connection, file)

    assert effects(file) == ["pools"]
    assert [o.content for o in await outcomes(stream)] == [
        "Deployed pools.",
        "Lingered over pools.",
    ]
    assert b"Deployed pools." in model.bodies[0]


async def test_a_call_that_was_cut_short_is_told_of_though_its_tool_is_gone(
    stream: RunStream, connection: Connection, tmp_path: Path
) -> None:
    """A policy may take the tool away meanwhile; what it may have done is still unknown."""
    agent, world = await a_mind(stream, Asked(SCRIPT), areas=None)
    with pytest.raises(DiedError):
        await agent.work(an_errand(world, tmp_path / "deployed", dies_at("effect")))

    model = Asked("Done.")
    agent, world = await a_mind(RunStream(connection, stream.run), model, areas=None)
    await agent.work(an_assignment())

    unknown, gone = await outcomes(stream)
    assert "whether it took effect is unknown" in unknown.content
    assert "you have no tool 'linger'" in gone.content


async def test_calls_of_one_turn_are_begun_one_after_the_other(
    stream: RunStream, tmp_path: Path
) -> None:
    script = [("deploy", {"what": name}) for name in ("pools", "timeouts")]
    agent, world = await a_mind(stream, Asked(script, "Done."), areas=None)

    await agent.work(an_errand(world, tmp_path / "deployed"))

    assert (await kinds(stream))[2:6] == ["CallBegun", "CallEnded", "CallBegun", "CallEnded"]


async def test_a_turn_that_is_overtaken_makes_no_such_call_again(
    stream: RunStream, tmp_path: Path
) -> None:
    """Somebody decides the key meanwhile: what writes runs again, what was deployed stays."""
    file = tmp_path / "deployed"
    place = {"area": "api", "key": "paging"}
    script = [
        ("record_decision", place | {"statement": "By cursor."}),
        ("deploy", {"what": "pools"}),
    ]

    class Overtaken(Deploy):
        async def run(self, given: DeployInput) -> ToolAnswer:
            subject = build(stream.run, "decision", "api", "paging", author="bea")
            body = DecisionRecorded(statement="By offset.")
            await stream.append(Entry(subject=subject, body=body, expect=0))
            return await super().run(given)

    agent, world = await a_mind(stream, Asked(script, "Done."), areas=None)
    await agent.work(an_assignment(RecordDecision(world, CONTEXT), Overtaken(file)))

    assert effects(file) == ["pools"]
    decided, deployed = await outcomes(stream)
    assert "By offset." in decided.content
    assert deployed.content == "Deployed pools."


async def test_a_twin_is_fenced_before_it_changes_anything(
    stream: RunStream, tmp_path: Path
) -> None:
    """Both have the same reply in their journal; the second may not even begin."""
    first, world = await a_mind(stream, Asked(SCRIPT, "Done."), areas=None)
    assignment = an_errand(world, tmp_path / "first")
    await first._next_turn(assignment, await first._open(assignment))
    twin, twin_world = await a_mind(stream, Asked("Done."), areas=None)
    await first.work(assignment)

    with pytest.raises(FencedError):
        await twin.work(an_errand(twin_world, tmp_path / "twin"))

    assert effects(tmp_path / "first") == ["pools"]
    assert effects(tmp_path / "twin") == []
    assert sum([isinstance(r.body, CallBegun | CallEnded) async for r in stream.read()]) == 2
    assert sum([isinstance(r.body, TurnReplied) async for r in stream.read()]) == 2
