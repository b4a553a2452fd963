"""Policies: what in one of them does not fit together, or not with roles, teams and files."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator
from pathlib import Path, PurePath, PurePosixPath
from typing import Final

import msgspec

from roles.tool_patterns import covers
from team.codes.lint import (
    AREA_OF_NOBODY,
    BAD_SERVER,
    BROKEN_JSON,
    BROKEN_SKILL,
    CONTRADICTION,
    NO_INSTRUCTIONS,
    NO_SUCH_SOURCE,
    NO_VARIABLE,
    OUTSIDE,
    SEAT_TOOLS,
    TOOL_REFUSED,
    UNKNOWN_CHECK,
    UNKNOWN_ROLE,
    UNKNOWN_SERVER,
    UNKNOWN_TOOL,
    UNUSED_ROLE,
    UPHELD,
)
from team.lint.around import READING, Around
from team.lint.asking import Codes
from team.lint.given import given_problems
from team.lint.limits import (
    contradictions,
    never_asked,
    texts,
    too_many_upheld,
    triage_contradictions,
    unknown_checks,
)
from team.lint.servers import unknown_tools, wrong_servers
from team.policy import ProjectPolicy
from team.sources.locators import is_covered
from team.spec import TeamSpec
from team.written import Document, Keys, Problem
from team.written.words import names, near

SCANNED_MAX: Final = 5_000
"""Files that are looked at for a pattern; in a larger project no pattern is doubted."""
RETURNING: Final = "submit_"
"""How the tools begin that a member returns with; it always has the one of its assignment."""
_SKIPPED: Final = frozenset({"__pycache__", "node_modules"})


class Project(msgspec.Struct, frozen=True, kw_only=True):
    """A policy under check, with what it is checked against.

    Attributes:
        document: Its file.
        policy: What the file says.
        teams: All teams of the project that are sound, built in or its own.
        around: Roles, checks and files.
    """

    document: Document
    policy: ProjectPolicy
    teams: tuple[TeamSpec, ...]
    around: Around


def _limits(project: Project) -> Iterator[Problem]:
    document, policy = project.document, project.policy
    yield from contradictions(document, "limits", policy.limits)
    yield from triage_contradictions(document, policy.triage)
    yield from never_asked(document, "limits", policy.approve, policy.limits)


# --- roles -----------------------------------------------------------------------


def _roles(project: Project) -> Iterator[Problem]:
    known = project.around.role_names
    for name in project.policy.roles:
        if name not in known:
            yield project.document.problem(
                UNKNOWN_ROLE, ("roles", name), f"there is no role {name!r}", near(name, known)
            )
        elif project.teams and name not in _used(project.teams):
            yield project.document.problem(
                UNUSED_ROLE,
                ("roles", name),
                f"no team here fills a seat from {name!r}",
                "mend the name, or delete the table",
            )


def _used(teams: tuple[TeamSpec, ...]) -> set[str]:
    return {
        name for team in teams for name in (team.roles.lead, team.roles.worker, team.roles.verifier)
    }


def _tools(project: Project) -> Iterator[Problem]:
    for name in project.policy.roles:
        yield from _tools_of(project, name)


def _tools_of(project: Project, name: str) -> Iterator[Problem]:
    allowed, found = project.policy.of_role(name).tools, project.around.file_of(name)
    if allowed is None or found is None or found.role is None:
        return
    keys = ("roles", name, "tools")
    needed = [tool for tool in found.role.allowed(READING) if name in _reading(project.teams)]
    if needed and not set(needed) & set(allowed):
        yield project.document.problem(
            SEAT_TOOLS, keys, f"role {name!r} is left without {names(needed)}", "add one of them"
        )
    asked = [tool for tool in found.role.tools or () if not tool.startswith(RETURNING)]
    refused = [tool for tool in asked if not covers(allowed, tool)]
    if refused and found.origin != "built-in":
        yield project.document.problem(
            TOOL_REFUSED,
            keys,
            f"{project.around.shown(found.path)} asks for {names(refused)} too",
            "add it here, or delete it there",
        )


def _reading(teams: tuple[TeamSpec, ...]) -> set[str]:
    """The roles whose members must read sources."""
    return {name for team in teams for name in (team.roles.worker, team.roles.verifier)}


def _writes(project: Project) -> Iterator[Problem]:
    for keys, path in _texts_of_roles(project, "writes"):
        pure = PurePosixPath(path.replace("\\", "/"))
        if not path.strip() or pure.is_absolute() or ".." in pure.parts or path.startswith("~"):
            yield project.document.problem(
                OUTSIDE,
                keys,
                f"{path!r} is no path inside the project",
                "write it from the project's root, without `..`",
            )


def _texts_of_roles(project: Project, field: str) -> Iterator[tuple[Keys, str]]:
    """The elements of a list that each role's table may have."""
    for name in project.policy.roles:
        yield from texts(project.document, "roles", name, field)


# --- areas -----------------------------------------------------------------------


def _areas(project: Project) -> Iterator[Problem]:
    """Areas that wait for a person, and in which no role may decide."""
    rules = [project.policy.of_role(name) for name in _deciding(project.teams)]
    if not rules or any(rule.areas is None for rule in rules):
        return
    reached = {area for rule in rules for area in rule.areas or ()}
    for keys, area in texts(project.document, "approve", "areas"):
        if area not in reached:
            yield project.document.problem(
                AREA_OF_NOBODY,
                keys,
                f"no role may decide in {area!r}, so nobody asks",
                near(area, sorted(reached)) if reached else "name it in `[roles.NAME] areas`",
            )


def _deciding(teams: tuple[TeamSpec, ...]) -> set[str]:
    """The roles whose members may decide something."""
    return {name for team in teams for name in (team.roles.lead, team.roles.worker)}


# --- sources ---------------------------------------------------------------------


def _sources(project: Project) -> Iterator[Problem]:
    paths = _Paths(project.around.root)
    for keys, pattern in _texts_of_roles(project, "sources"):
        if not paths.has(pattern.removeprefix("!")):
            yield project.document.problem(
                NO_SUCH_SOURCE,
                keys,
                f"{pattern!r} matches no file of the project",
                "mend the pattern, unless the sources come from elsewhere",
            )


class _Paths:
    """The files below the project's root, listed when first asked for."""

    def __init__(self, root: Path) -> None:
        self._root = root
        self._listed: list[tuple[PurePath, ...]] | None = None

    def has(self, pattern: str) -> bool:
        """Whether a pattern covers a file, as it does in a run, whatever folder is its source."""
        if self._listed is None:
            self._listed = list(_below(self._root))
        if len(self._listed) >= SCANNED_MAX:
            return True
        return any(is_covered(views, pattern) for views in self._listed)


def _below(root: Path) -> Iterator[tuple[PurePath, ...]]:
    """Each file as it is seen from the root and from each folder on the way to it."""
    count = 0
    for folder, folders, files in os.walk(root):
        folders[:] = sorted(n for n in folders if not n.startswith(".") and n not in _SKIPPED)
        parts = Path(folder).relative_to(root).parts
        for name in files:
            yield tuple(PurePath(*parts[at:], name) for at in range(len(parts) + 1))
            count += 1
            if count >= SCANNED_MAX:
                return


# --- all of them -----------------------------------------------------------------

PolicyRule = Callable[[Project], Iterator[Problem]]

POLICY_RULES: Final[dict[Codes, PolicyRule]] = {
    (CONTRADICTION,): _limits,
    (UPHELD,): lambda project: too_many_upheld(project.document, project.policy.gate),
    (UNKNOWN_CHECK,): lambda project: unknown_checks(project.document, project.around.checks),
    (AREA_OF_NOBODY,): _areas,
    (UNKNOWN_ROLE, UNUSED_ROLE): _roles,
    (UNKNOWN_TOOL,): lambda project: unknown_tools(project.document, project.policy),
    (BROKEN_JSON, BAD_SERVER, UNKNOWN_SERVER, NO_VARIABLE): lambda project: wrong_servers(
        project.document, project.policy, project.around
    ),
    (SEAT_TOOLS, TOOL_REFUSED): _tools,
    (NO_SUCH_SOURCE,): _sources,
    (OUTSIDE,): _writes,
    (NO_INSTRUCTIONS, BROKEN_SKILL): lambda project: given_problems(
        project.document, project.policy, project.around
    ),
}
"""What does not fit in a policy, by the codes under which it is told."""
