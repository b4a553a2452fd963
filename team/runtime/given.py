"""What a policy gives to roles from the project's files: instructions and skills.

Read once, when a run is opened, and kept with it: the texts of instructions in its spec,
each skill as an artifact by its hash. A run that is resumed elsewhere needs no file of them.
"""

from __future__ import annotations

import hashlib
from pathlib import Path
from typing import Final

import msgspec

from bus.messages import ArtifactRef
from roles import Role, RoleError
from roles.given import GivenFile, Skill, find_skill, read_instructions, read_skill
from team.errors import SpecError
from team.policy import ProjectPolicy
from team.rules.limits import tokens_of
from team.spec import RoleGiven, SkillDoc

INSTRUCTION_TOKENS_MAX: Final = 10_000
"""What the instruction files of one role may add to each of its calls, about."""
CATALOGUE_TOKENS_MAX: Final = 4_000
"""What the names and descriptions of one role's skills may add, about."""


class Given(msgspec.Struct, frozen=True, kw_only=True):
    """What roles are given, and the bytes that are to be kept with the run."""

    roles: dict[str, RoleGiven] = {}
    artifacts: tuple[bytes, ...] = ()


def given_to(roles: dict[str, Role], project: ProjectPolicy, policy: Path | None) -> Given:
    """Read what the policy gives to the roles of a team.

    Args:
        roles: The roles, by name.
        project: The policy.
        policy: Its file; paths are relative to its folder, and stay inside of it.

    Raises:
        SpecError: A file or skill is not there, broken or too large; names table and field.
    """
    if policy is None:
        return Given()
    root = policy.parent.resolve()
    artifacts: dict[str, bytes] = {}
    given: dict[str, RoleGiven] = {}
    for name, role in roles.items():
        rules = project.of_role(name)
        one = RoleGiven(
            instructions=instructions_of(rules.instructions, root, policy, name),
            skills=_skills_of(role, rules.skills, root, policy, artifacts),
        )
        if one != RoleGiven():
            given[name] = one
    return Given(roles=given, artifacts=tuple(artifacts.values()))


def instructions_of(
    named: tuple[str, ...], root: Path, policy: Path, role: str
) -> tuple[GivenFile, ...]:
    """Read the instruction files of a role, each with what it imports."""
    found: dict[str, GivenFile] = {}
    for one in named:
        try:
            found |= {file.path: file for file in read_instructions(one, root)}
        except RoleError as error:
            raise _refused(policy, role, "instructions", error) from error
    tokens = sum(tokens_of(len(file.text.encode())) for file in found.values())
    if tokens > INSTRUCTION_TOKENS_MAX:
        reason = f"about {tokens:,} tokens with all they import, at most {INSTRUCTION_TOKENS_MAX:,}"
        fix = "shorten them: each call of the role reads them"
        raise SpecError(str(policy), f"roles.{role}.instructions", reason, fix)
    return tuple(found.values())


def skills_named(named: tuple[str, ...], root: Path, policy: Path, role: str) -> list[Skill]:
    """Read the skills that a policy names for a role."""
    skills: dict[str, Skill] = {}
    for one in named:
        try:
            skill = read_skill(find_skill(one, root))
        except RoleError as error:
            raise _refused(policy, role, "skills", error) from error
        if skill.name in skills:
            reason = f"{one!r}: there is another skill named {skill.name!r} among them"
            raise SpecError(str(policy), f"roles.{role}.skills", reason, "name one of them")
        skills[skill.name] = skill
    tokens = sum(tokens_of(len(skill.description)) for skill in skills.values())
    if tokens > CATALOGUE_TOKENS_MAX:
        reason = (
            f"their descriptions have about {tokens:,} tokens, at most {CATALOGUE_TOKENS_MAX:,}"
        )
        raise SpecError(str(policy), f"roles.{role}.skills", reason, "name fewer")
    return list(skills.values())


def _skills_of(
    role: Role, named: tuple[str, ...], root: Path, policy: Path, artifacts: dict[str, bytes]
) -> tuple[SkillDoc, ...]:
    """The skills that the policy names for a role, and of these those that its file asks for."""
    kept: list[SkillDoc] = []
    for skill in skills_named(named, root, policy, role.name):
        if role.skills is not None and skill.name not in role.skills:
            continue
        data = msgspec.json.encode(skill.files, order="sorted")
        sha256 = hashlib.sha256(data).hexdigest()
        artifacts[sha256] = data
        kept.append(
            SkillDoc(
                name=skill.name,
                description=skill.description,
                files=tuple(skill.files),
                kept=ArtifactRef(sha256=sha256, size_bytes=len(data), name=f"skill {skill.name}"),
            )
        )
    return tuple(kept)


def _refused(policy: Path, role: str, field: str, error: RoleError) -> SpecError:
    place = error.path if error.line is None else f"{error.path}:{error.line}"
    said = f"{place}: {error.field}: {error.reason}" if error.field else f"{place}: {error.reason}"
    return SpecError(str(policy), f"roles.{role}.{field}", said, error.fix)
