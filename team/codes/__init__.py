"""The catalogue of rules: what each code means, why it is there, and what to do about it.

One module for each family: limits and permissions (`P`), triage and contracts (`T`, `C`), the
gate (`G`), files that people write (`L`), the audit (`A`, and `M` for the modes of MAST).
"""

from __future__ import annotations

from typing import Final

from team.codes import audit, gate, limits, lint, plan
from team.codes.entry import Rule

__all__ = ["RULES", "Rule"]

RULES: Final[dict[str, Rule]] = {
    rule.code: rule
    for rule in (
        *limits.LIMITS,
        *limits.PERMISSIONS,
        *limits.APPROVALS,
        *plan.TRIAGE,
        *plan.CONTRACTS,
        *gate.CHECKS,
        *gate.SYNTHESIS,
        *lint.FILES,
        *audit.BREACHES,
        *audit.MODES,
    )
}
"""Every rule by its code."""
