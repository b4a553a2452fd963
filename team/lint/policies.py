"""Policies: what in one of them does not fit together, or not with roles, teams and files."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path, PurePath, PurePosixPath
from typing import Final

import msgspec

from team.codes.lint import (
    AREA_OF_NOBODY,
    NO_SUCH_SOURCE,
    OUTSIDE,
    SEAT_TOOLS,
    TOOL_REFUSED,
    UNKNOWN_ROLE,
    UNKNOWN_TOOL,
    UNUSED_ROLE,
)
from team.lint.around import READING, Around
from team.lint.limits import (
    contradictions,
    never_asked,
    texts,
    too_many_upheld,
    triage_contradictions,
    unknown_checks,
)
from team.policy import ProjectPolicy
from team.sources.locators import is_covered
from team.spec import TeamSpec
from team.tool_names import TOOL_NAMES
from team.written import Document, Problem
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


def problems_of_policy(project: Project) -> Iterator[Problem]:
    """Find what does not fit."""
    document, policy = project.document, project.policy
    yield from contradictions(document, "limits", policy.limits)
    yield from triage_contradictions(document, policy.triage)
    yield from never_asked(document, "limits", policy.approve, policy.limits)
    yield from too_many_upheld(document, policy.gate)
    yield from unknown_checks(document, project.around.checks)
    yield from _areas(project)
    paths = _Paths(project.around.root)
    for name in policy.roles:
        yield from _role(project, name)
        yield from _tools(project, name)
        yield from _sources(project, name, paths)
        yield from _writes(project, name)


# --- roles -----------------------------------------------------------------------


def _role(project: Project, name: str) -> Iterator[Problem]:
    known = project.around.role_names
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


def _tools(project: Project, name: str) -> Iterator[Problem]:
    for keys, tool in texts(project.document, "roles", name, "tools"):
        if tool not in TOOL_NAMES:
            fix = near(tool, sorted(TOOL_NAMES))
            yield project.document.problem(UNKNOWN_TOOL, keys, f"there is no tool {tool!r}", fix)
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
    refused = [tool for tool in asked if tool not in allowed]
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


def _writes(project: Project, name: str) -> Iterator[Problem]:
    for keys, path in texts(project.document, "roles", name, "writes"):
        pure = PurePosixPath(path.replace("\\", "/"))
        if not path.strip() or pure.is_absolute() or ".." in pure.parts or path.startswith("~"):
            yield project.document.problem(
                OUTSIDE,
                keys,
                f"{path!r} is no path inside the project",
                "write it from the project's root, without `..`",
            )


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


def _sources(project: Project, name: str, paths: _Paths) -> Iterator[Problem]:
    for keys, pattern in texts(project.document, "roles", name, "sources"):
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
