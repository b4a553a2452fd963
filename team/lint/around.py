"""What a file is checked against: the roles, the checks and the files that there are.

Looked at once for all files of one `team check`.
"""

from __future__ import annotations

from importlib import metadata
from pathlib import Path
from typing import Final

import msgspec

from roles import FoundRole, Role, RoleError, find_roles, get_role
from team.policy import CHECKS_GROUP, CORE_CHECKS, OPTIONAL_CHECKS
from team.project import repository_root
from team.tool_names import TOOL_NAMES

READING: Final = ("read_source", "search_sources")
"""Tools of which a worker and a verifier need one."""


class Around(msgspec.Struct, frozen=True, kw_only=True):
    """What there is.

    Attributes:
        cwd: Where teams and roles are looked for, and relative paths begin.
        root: The root of the repository, or `cwd`.
        found: Every role file.
        checks: The names of all checks, built in or installed.
    """

    cwd: Path
    root: Path
    found: tuple[FoundRole, ...]
    checks: tuple[str, ...]

    @property
    def role_names(self) -> list[str]:
        """The names of all roles."""
        return sorted({one.name for one in self.found})

    def file_of(self, name: str) -> FoundRole | None:
        """The role file that a name means."""
        return next((one for one in self.found if one.wins and one.name == name), None)

    def role(self, name: str) -> Role | RoleError:
        """The role that a name means, or why there is none."""
        one = self.file_of(name)
        if one is not None and one.role is not None:
            return one.role
        try:
            return get_role(name, self.cwd, TOOL_NAMES)
        except RoleError as error:
            return error

    def shown(self, path: Path | str) -> str:
        """A path from here if it lies below, else whole; as text that can be written anywhere."""
        whole = Path(path)
        bases = (base for base in (self.cwd, self.cwd.resolve()) if whole.is_relative_to(base))
        base = next(bases, None)
        shown = str(whole if base is None else whole.relative_to(base))
        return shown.encode(errors="replace").decode()  # a name on disk need not be UTF-8


def look_around(cwd: Path) -> Around:
    """Find what there is."""
    installed = {one.name for one in metadata.entry_points(group=CHECKS_GROUP)}
    return Around(
        cwd=cwd,
        root=repository_root(cwd),
        found=find_roles(cwd, TOOL_NAMES),
        checks=tuple(dict.fromkeys((*CORE_CHECKS, *OPTIONAL_CHECKS, *sorted(installed)))),
    )
