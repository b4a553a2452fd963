"""Check policy, team specs and role files, each by itself and against the others."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Final, TypeVar

import msgspec

from team.codes.lint import (
    BAD_NAME,
    BROKEN_TOML,
    MISSING_FIELD,
    NO_CHOICE,
    NO_KEY,
    OUT_OF_RANGE,
    UNKNOWN_FIELD,
    UNREADABLE,
    WRONG_TYPE,
)
from team.lint.around import Around, look_around
from team.lint.asking import Codes, ask, failed
from team.lint.files import Targets, find_targets
from team.lint.policies import POLICY_RULES, PolicyRule, Project
from team.lint.role_files import ROLE_RULES, RoleFile, RoleRule
from team.lint.teams import TEAM_RULES, Team, TeamRule
from team.policy import ProjectPolicy
from team.spec import BUILT_IN, TeamSpec, list_specs
from team.written import Checked, Document, Problem, check_document, read_document

T = TypeVar("T", bound=msgspec.Struct)

READS: Final[Codes] = (BROKEN_TOML, UNREADABLE)
FIELDS: Final[Codes] = (UNKNOWN_FIELD, WRONG_TYPE, OUT_OF_RANGE, MISSING_FIELD, BAD_NAME, NO_CHOICE)


class Rules(msgspec.Struct, frozen=True, kw_only=True):
    """What is asked of the files.

    Attributes:
        read: Reads a policy or a spec; tells `READS`.
        fields: Compares it with its type; tells `FIELDS`.
        role: The rules for a role file, by their codes.
        policy: Those for what a policy says, if it is sound by itself.
        team: Those for a team spec that is.
    """

    read: Callable[[Path, str], Document | Problem] = read_document
    fields: Callable[[Document, type[msgspec.Struct]], Checked[msgspec.Struct]] = check_document
    role: Mapping[Codes, RoleRule] = msgspec.field(default_factory=lambda: ROLE_RULES)
    policy: Mapping[Codes, PolicyRule] = msgspec.field(default_factory=lambda: POLICY_RULES)
    team: Mapping[Codes, TeamRule] = msgspec.field(default_factory=lambda: TEAM_RULES)


ALL: Final = Rules()


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
    cwd: Path,
    paths: tuple[str, ...] = (),
    policy: str | None = None,
    *,
    is_strict: bool = False,
    rules: Rules = ALL,
) -> Report:
    """Check files. A rule that fails is a problem of the file, and the others are asked.

    Args:
        cwd: Where teams, roles and the policy are looked for.
        paths: Files and folders to check; otherwise all that can be found.
        policy: A policy in place of the one that is found.
        is_strict: Whether warnings are errors.
        rules: What is asked of them.

    Raises:
        SpecError: A path is not there.
    """
    around = look_around(cwd)
    targets = find_targets(around, paths, policy)
    problems = set(_Check(around, targets, rules).problems())
    if is_strict:
        problems = {_strictly(one) for one in problems}
    return Report(
        root=around.root,
        cwd=cwd,
        checked=targets.number,
        problems=tuple(sorted(problems, key=lambda problem: problem.order)),
    )


def _strictly(problem: Problem) -> Problem:
    """A warning as an error; but what is missing on this machine is no fault of the files."""
    if problem.code == NO_KEY:
        return problem
    return msgspec.structs.replace(problem, severity="error")


class _Check:
    """One check of all files, each of which is read once."""

    def __init__(self, around: Around, targets: Targets, rules: Rules) -> None:
        self.around, self.targets, self.rules = around, targets, rules
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
            yield from ask(self.rules.policy, project, document.path)
        for path, one in specs.items():
            if one is not None:
                yield from ask(self.rules.team, self._team(path, *one, holding), one[0].path)
        yield from self._roles()
        yield from self.found

    def _read(self, path: Path, kind: type[T]) -> tuple[Document, T] | None:
        """Read a file, keep what is wrong with it, and give what is sound of it."""
        shown, codes = self.around.shown(path), READS
        try:
            document = self.rules.read(path, shown)
            if isinstance(document, Problem):
                self.found.append(document)
                return None
            codes = FIELDS
            checked = self.rules.fields(document, kind)
        except Exception as error:
            self.found.append(failed(codes, shown, error))
            return None
        self.found += checked.problems
        return (document, checked.value) if isinstance(checked.value, kind) else None

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
        unchecked = _Check(self.around, self.targets, self.rules)  # what it finds is not asked for
        sound = filter(None, (unchecked._read(path, TeamSpec) for path in others))
        return (*checked, *(spec for _, spec in sound))

    def _roles(self) -> Iterator[Problem]:
        for path in self.targets.roles:
            given = RoleFile(path=path, around=self.around)
            yield from ask(self.rules.role, given, self.around.shown(path))
