"""Check policy, team specs and role files, each by itself and against the others."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import TypeVar

import msgspec

from team.lint.around import Around, look_around
from team.lint.files import Targets, find_targets
from team.lint.policies import Project, problems_of_policy
from team.lint.role_files import problems_of_role
from team.lint.teams import Team, problems_of_team
from team.policy import ProjectPolicy
from team.spec import BUILT_IN, TeamSpec, list_specs
from team.written import Document, Problem, check_document, read_document

T = TypeVar("T", bound=msgspec.Struct)


class Report(msgspec.Struct, frozen=True, kw_only=True):
    """What was found.

    Attributes:
        root: The root of the repository, to which tools for a repository name files.
        cwd: The folder to which the paths of problems are relative.
        checked: How many files were looked at.
        problems: By file and place, none twice.
    """

    root: Path
    cwd: Path
    checked: int
    problems: tuple[Problem, ...]

    @property
    def errors(self) -> int:
        """How many problems are errors."""
        return sum(problem.severity == "error" for problem in self.problems)


def check_files(
    cwd: Path, paths: tuple[str, ...] = (), policy: str | None = None, *, is_strict: bool = False
) -> Report:
    """Check files.

    Args:
        cwd: Where teams, roles and the policy are looked for.
        paths: Files and folders to check; otherwise all that can be found.
        policy: A policy in place of the one that is found.
        is_strict: Whether warnings are errors.

    Raises:
        SpecError: A path is not there.
    """
    around = look_around(cwd)
    targets = find_targets(around, paths, policy)
    problems = set(_Check(around, targets).problems())
    if is_strict:
        problems = {msgspec.structs.replace(one, severity="error") for one in problems}
    return Report(
        root=around.root,
        cwd=cwd,
        checked=targets.number,
        problems=tuple(sorted(problems, key=lambda problem: problem.order)),
    )


class _Check:
    """One check of all files, each of which is read once."""

    def __init__(self, around: Around, targets: Targets) -> None:
        self.around, self.targets = around, targets
        self.found: list[Problem] = []

    def problems(self) -> Iterator[Problem]:
        """Find all problems."""
        policies = [self._read(path, ProjectPolicy) for path in self.targets.policies]
        holding = policies[0][1] if policies and policies[0] else ProjectPolicy()
        specs = {path: self._read(path, TeamSpec) for path in self.targets.specs}
        teams = self._teams([spec for _, spec in filter(None, specs.values())])
        for read in filter(None, policies):
            document, policy = read
            project = Project(document=document, policy=policy, teams=teams, around=self.around)
            yield from problems_of_policy(project)
        for path, one in specs.items():
            if one is not None:
                yield from problems_of_team(self._team(path, *one, holding))
        yield from self._roles()
        yield from self.found

    def _read(self, path: Path, kind: type[T]) -> tuple[Document, T] | None:
        """Read a file, keep what is wrong with it, and give what is sound of it."""
        document = read_document(path, self.around.shown(path))
        if isinstance(document, Problem):
            self.found.append(document)
            return None
        checked = check_document(document, kind)
        self.found += checked.problems
        return None if checked.value is None else (document, checked.value)

    def _team(self, path: Path, document: Document, spec: TeamSpec, project: ProjectPolicy) -> Team:
        return Team(
            document=document,
            spec=spec,
            project=project,
            around=self.around,
            is_built_in=path.parent == BUILT_IN,
        )

    def _teams(self, checked: list[TeamSpec]) -> tuple[TeamSpec, ...]:
        """All teams of the project: those under check, and those that are not."""
        others = [p for p in list_specs(self.around.cwd).values() if p not in self.targets.specs]
        for path in others:
            document = read_document(path)
            if isinstance(document, Document):
                value = check_document(document, TeamSpec).value
                checked += [] if value is None else [value]
        return tuple(checked)

    def _roles(self) -> Iterator[Problem]:
        for path in self.targets.roles:
            yield from problems_of_role(path, self.around)
