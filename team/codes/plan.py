"""Triage and contracts: what a plan must be before anything is dispatched."""

from __future__ import annotations

from typing import Final

from team.codes.entry import Rule

TRIAGE: Final[tuple[Rule, ...]] = ()
CONTRACTS: Final[tuple[Rule, ...]] = ()
