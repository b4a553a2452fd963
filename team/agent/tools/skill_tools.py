"""A tool to read the skills that the policy gives to a role, from where the run keeps them."""

from __future__ import annotations

from typing import Annotated, ClassVar, Final

import msgspec

from bus.artifacts import get_artifact
from bus.errors import ArtifactError
from roles import Role
from roles.given import SKILL_FILE
from team.agent.tools.base import Effect, Tool, ToolAnswer, refuse
from team.agent.world import World
from team.spec import SkillDoc
from team.tool_names import LOAD_SKILL

SHOWN_CHARACTERS_MAX: Final = 24_000
"""What one call may add to a context, about 7,000 tokens; the rest is read on demand."""


class LoadSkillInput(msgspec.Struct, frozen=True, kw_only=True):
    """Which skill, or which file of it."""

    name: Annotated[str, msgspec.Meta(description="The skill's name, as in the list of skills.")]
    file: Annotated[
        str,
        msgspec.Meta(description="A further file of it, as the skill names it; empty: the skill."),
    ] = ""
    start: Annotated[int, msgspec.Meta(ge=0, description="From which character on.")] = 0


class LoadSkill(Tool[LoadSkillInput]):
    """Read a skill that you were given, or a further file of it.

    Load one when its description fits what you are about to do. Nothing of it is executed here,
    and it gives you no tool that you do not have.
    """

    name: ClassVar[str] = LOAD_SKILL
    input_type = LoadSkillInput
    effect: ClassVar[Effect] = "read-only"

    def __init__(self, world: World, skills: tuple[SkillDoc, ...]) -> None:
        self._world, self._skills = world, {skill.name: skill for skill in skills}

    async def run(self, given: LoadSkillInput) -> ToolAnswer:
        skill = self._skills.get(given.name)
        if skill is None:
            return refuse(f"there is no skill {given.name!r}; you have: {', '.join(self._skills)}")
        file = given.file.strip().removeprefix("./") or SKILL_FILE
        if file not in skill.files:
            return refuse(f"{given.name} has no file {file!r}; it has: {', '.join(skill.files)}")
        try:
            data = await get_artifact(self._world.stream.connection, self._world.run, skill.kept)
            files = msgspec.json.decode(data, type=dict[str, str])
        except (ArtifactError, msgspec.DecodeError) as error:
            return refuse(f"{given.name} can't be read: {error}; go on without it")
        others = [name for name in skill.files if name != SKILL_FILE]
        more = f"\n\n(further files: {', '.join(others)})" if file == SKILL_FILE and others else ""
        return ToolAnswer(content=_page(files[file] + more, given.start))


def skill_tools(world: World, role: Role) -> tuple[LoadSkill, ...]:
    """The tool, for a role that the policy gives skills to, unless its file refuses the tool."""
    spec = world.state.spec
    assert spec is not None, "nobody is seated without a spec"
    skills = spec.given_to(role.name).skills
    is_given = bool(skills) and LOAD_SKILL not in role.disallowed_tools
    return (LoadSkill(world, skills),) if is_given else ()


def _page(text: str, start: int) -> str:
    end = start + SHOWN_CHARACTERS_MAX
    if end >= len(text):
        return text[start:] or f"(there are {len(text)} characters)"
    return f"{text[start:end]}\n(cut here: go on with start {end} of {len(text)})"
