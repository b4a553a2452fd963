"""`peerteam.toml`: where a project's policy is found, and how it is read.

Not for what it says (`team.policy`), and not for holding it: that is the runtime's business.
"""

from __future__ import annotations

import os
from pathlib import Path
from typing import Final

from team.errors import SpecError
from team.policy import ProjectPolicy
from team.written import Problem, check_document, read_document

POLICY_FILE: Final = "peerteam.toml"


def find_policy(cwd: Path) -> Path | None:
    """Find the policy that holds here: the nearest one, up to the root of the repository.

    Outside a repository only the folder itself is looked at: whoever owns the folders above
    it may be somebody else. A name that leads nowhere is found too; reading it is an error.
    """
    here = cwd.resolve()
    for folder in folders_up(here):
        if os.path.lexists(folder / POLICY_FILE):
            return folder / POLICY_FILE
    return None


def repository_root(cwd: Path) -> Path:
    """The folder with `.git`, from here upward; the folder itself if there is none."""
    return folders_up(cwd.resolve())[-1]


def load_policy(path: Path) -> ProjectPolicy:
    """Read a policy.

    Raises:
        SpecError: The first thing that is wrong with it; `team check` tells all of them.
    """
    document = read_document(path)
    if isinstance(document, Problem):
        raise document.error()
    checked = check_document(document, ProjectPolicy)
    if checked.problems or checked.value is None:
        raise checked.problems[0].error()
    return checked.value


def the_policy(cwd: Path, named: str | None) -> tuple[ProjectPolicy, Path | None]:
    """Read the policy that the user names, or the one that is found; without one nothing is held.

    Raises:
        SpecError: It is not there, or something is wrong with it.
    """
    if named is not None and not named.strip():
        raise SpecError("--policy", "", "it names no file", "give the path of a policy")
    path = find_policy(cwd) if named is None else cwd / named
    return (ProjectPolicy(), None) if path is None else (load_policy(path), path)


def folders_up(here: Path) -> tuple[Path, ...]:
    """The folders from here up to that with `.git`; only the first if there is none."""
    folders = (here, *here.parents)
    for number, folder in enumerate(folders):
        if os.path.lexists(folder / ".git"):
            return folders[: number + 1]
    return folders[:1]
