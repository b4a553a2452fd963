"""The audit: what the stream shows afterwards, and the failure modes of MAST."""

from __future__ import annotations

from typing import Final

from team.codes.entry import Rule

BREACHES: Final[tuple[Rule, ...]] = ()
MODES: Final[tuple[Rule, ...]] = ()
