"""Which files `team check` looks at, and what each of them is."""

from __future__ import annotations

from pathlib import Path
from typing import Final

import msgspec

from roles.given import SKILL_FILE
from team.errors import SpecError
from team.lint.around import Around
from team.project import POLICY_FILE, find_policy
from team.spec import list_specs

NO_ROLES: Final = frozenset({"README.md", "CLAUDE.md", "AGENTS.md"})
"""Markdown that is no role file, wherever it lies."""


class Targets(msgspec.Struct, frozen=True, kw_only=True):
    """The files to check.

    Attributes:
        policies: The policy that holds first, if there is one; then others that were named.
        specs: Team specs.
        roles: Role files.
    """

    policies: tuple[Path, ...]
    specs: tuple[Path, ...]
    roles: tuple[Path, ...]

    @property
    def number(self) -> int:
        """How many files there are."""
        return len(self.policies) + len(self.specs) + len(self.roles)


def find_targets(around: Around, paths: tuple[str, ...], policy: str | None) -> Targets:
    """Find the files that were named, or all that can be found from here.

    The policy that holds is always among them: what it says of the others counts.

    Raises:
        SpecError: A path is not there.
    """
    holding = find_policy(around.cwd) if policy is None else _named(around.cwd, policy)
    if not paths:
        roles = [Path(one.path) for one in around.found if Path(one.path).exists()]
        specs = list_specs(around.cwd).values()
        return _sorted([*specs, *roles], holding)
    chosen: list[Path] = []
    for text in paths:
        path = _named(around.cwd, text)
        if path.is_dir():
            inside = sorted([*path.rglob("*.toml"), *path.rglob("*.md")])
            chosen += [one for one in inside if not _is_other(one, path)]
        else:
            chosen.append(path)
    return _sorted(chosen, holding)


def _is_other(path: Path, top: Path) -> bool:
    """Whether a file in a folder is known to be something else: instructions, or of a skill."""
    above = [folder for folder in path.parents if folder == top or top in folder.parents]
    in_skill = path.suffix == ".md" and any((one / SKILL_FILE).exists() for one in above)
    return path.name in NO_ROLES or in_skill


def _named(cwd: Path, text: str) -> Path:
    path = cwd / text
    if not text or not path.exists():
        raise SpecError(text or "''", "", "there is no such file or folder", "check the path")
    return path


def _sorted(chosen: list[Path], holding: Path | None) -> Targets:
    policies = [] if holding is None else [holding]
    policies += [path for path in chosen if path.name == POLICY_FILE]
    policies = list({path.resolve(): path for path in policies}.values())
    known = {path.resolve() for path in policies}
    others = [path for path in dict.fromkeys(chosen) if path.resolve() not in known]
    return Targets(
        policies=tuple(policies),
        specs=tuple(path for path in others if path.suffix != ".md"),
        roles=tuple(path for path in others if path.suffix == ".md"),
    )
