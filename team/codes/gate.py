"""The gate: what a finding, and then the synthesis, must pass."""

from __future__ import annotations

from typing import Final

from team.codes.entry import Rule

CHECKS: Final[tuple[Rule, ...]] = ()
SYNTHESIS: Final[tuple[Rule, ...]] = ()
