"""What a policy gives to roles from the project's files: are instructions and skills sound?"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path

from roles import RoleError
from roles.given import find_skill, read_instructions, read_skill
from team.codes.lint import BROKEN_SKILL, NO_INSTRUCTIONS
from team.errors import SpecError
from team.lint.around import Around
from team.lint.limits import texts
from team.policy import ProjectPolicy
from team.runtime.given import instructions_of, skills_named
from team.written import Document, Keys, Problem


def given_problems(document: Document, policy: ProjectPolicy, around: Around) -> Iterator[Problem]:
    """Find files and skills that are not there, broken or too large."""
    path = around.cwd / document.path
    root = path.parent.resolve()
    for role, rules in policy.roles.items():
        found = [*_files(document, role, root, around), *_skills(document, role, root, around)]
        yield from found
        if not found:
            read: Callable[[], object] = partial(
                instructions_of, rules.instructions, root, path, role
            )
            yield from _too_much(document, NO_INSTRUCTIONS, ("roles", role, "instructions"), read)
            read = partial(skills_named, rules.skills, root, path, role)
            yield from _too_much(document, BROKEN_SKILL, ("roles", role, "skills"), read)


def _files(document: Document, role: str, root: Path, around: Around) -> Iterator[Problem]:
    for keys, named in texts(document, "roles", role, "instructions"):
        try:
            read_instructions(named, root)
        except RoleError as error:
            yield document.problem(NO_INSTRUCTIONS, keys, _said(error, around), error.fix)


def _skills(document: Document, role: str, root: Path, around: Around) -> Iterator[Problem]:
    for keys, named in texts(document, "roles", role, "skills"):
        try:
            read_skill(find_skill(named, root))
        except RoleError as error:
            yield _of_skill(document, keys, error, around)


def _too_much(
    document: Document, code: str, keys: Keys, read: Callable[[], object]
) -> Iterator[Problem]:
    """What is wrong with all that a role is given together."""
    try:
        read()
    except SpecError as error:
        yield document.problem(code, keys, error.reason, error.fix)


def _of_skill(document: Document, keys: Keys, error: RoleError, around: Around) -> Problem:
    """A problem of the skill's own file, where that is there; else of the line that names it."""
    if error.line is None:
        return document.problem(BROKEN_SKILL, keys, _said(error, around), error.fix)
    return Problem(
        code=BROKEN_SKILL,
        path=around.shown(Path(error.path)),
        line=error.line,
        field=error.field or "",
        reason=error.reason,
        fix=error.fix,
    )


def _said(error: RoleError, around: Around) -> str:
    return f"{around.shown(error.path)}: {error.reason}"
