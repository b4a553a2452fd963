"""Files that people write: team specs, roles, policy."""

from __future__ import annotations

from typing import Final

from team.codes.entry import Rule

FILES: Final[tuple[Rule, ...]] = ()
