"""`load_skill`: a role's skills, read from where the run keeps them, on a real stream."""

from __future__ import annotations

import msgspec
import pytest

from bus.artifacts import create_artifacts, put_artifact
from bus.run_stream import RunStream
from roles.given import SKILL_FILE
from team.agent.tools.skill_tools import SHOWN_CHARACTERS_MAX, LoadSkill
from team.agent.world import World
from team.spec import SkillDoc
from tests.support.minds import Asked, a_mind

FILES = {SKILL_FILE: "Use few colours.", "reference.md": "x" * (SHOWN_CHARACTERS_MAX + 10)}


@pytest.fixture
async def world(stream: RunStream) -> World:
    """A member's world on that stream."""
    _, world = await a_mind(stream, Asked(), areas=None)
    return world


async def _tool(world: World, *, is_kept: bool = True) -> LoadSkill:
    await create_artifacts(world.stream.connection, world.run)
    ref = await put_artifact(world.stream.connection, world.run, msgspec.json.encode(FILES))
    if not is_kept:
        ref = msgspec.structs.replace(ref, sha256="0" * 64)
    skill = SkillDoc(name="charts", description="d", files=tuple(FILES), kept=ref)
    return LoadSkill(world, (skill,))


async def test_a_skill_is_read_and_names_its_further_files(world: World) -> None:
    answer = await (await _tool(world)).call({"name": "charts"})

    assert answer.content == "Use few colours.\n\n(further files: reference.md)"
    assert not answer.is_error


async def test_a_long_file_is_read_on_from_where_it_was_cut(world: World) -> None:
    tool = await _tool(world)

    first = await tool.call({"name": "charts", "file": "reference.md"})
    rest = await tool.call(
        {"name": "charts", "file": "./reference.md", "start": SHOWN_CHARACTERS_MAX}
    )

    assert first.content.endswith(f"(cut here: go on with start {SHOWN_CHARACTERS_MAX} of 24010)")
    assert rest.content == "x" * 10


@pytest.mark.parametrize(
    ("asked", "says"),
    [
        ({"name": "tables"}, "you have: charts"),
        ({"name": "charts", "file": "../secret.md"}, "it has: SKILL.md, reference.md"),
        ({"name": "charts", "file": "/etc/hostname"}, "has no file"),
        ({"file": "reference.md"}, "does not fit"),
    ],
)
async def test_what_a_role_was_not_given_is_refused(
    world: World, asked: dict[str, str], says: str
) -> None:
    answer = await (await _tool(world)).call(asked)

    assert answer.is_error
    assert says in answer.content


async def test_a_skill_that_is_lost_is_an_answer_and_no_crash(world: World) -> None:
    answer = await (await _tool(world, is_kept=False)).call({"name": "charts"})

    assert answer.is_error
    assert "go on without it" in answer.content
