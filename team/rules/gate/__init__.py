"""The gate on one finding: exact checks, then what verifiers said. Unknown means no.

Each exact check is a class with a code and a name; those of installed packages stand beside
ours. Not for loading or timing them: that is `team.members.checks`.
"""

from team.rules.gate.canaries import planted, with_canary
from team.rules.gate.check import (
    Check,
    CheckFailed,
    GateInput,
    as_reason,
    judge,
    judgements_of,
    refuted,
    unsure,
)
from team.rules.gate.exact import (
    CLAIM_CHARACTERS_MAX,
    CLAIMS_MAX,
    LINE_CHARACTERS_MAX,
    LINES_MAX,
    Budget,
    Contract,
    Premises,
    Quotes,
    Shape,
    Sources,
)
from team.rules.gate.standing import Acceptance, Status
from team.rules.gate.verification import (
    VERIFICATION,
    barred_from,
    carried_verdicts,
    is_void,
    unverified_claims,
    verification_problems,
)
from team.rules.gate.wording import Authority, Instructions

CHECKS: dict[str, type[Check]] = {
    check.name: check
    for check in (
        Shape,
        Contract,
        Sources,
        Quotes,
        Premises,
        Budget,
        Status,
        Acceptance,
        Authority,
        Instructions,
    )
}
"""Our own exact checks by name, in their order."""

__all__ = [
    "CHECKS",
    "CLAIMS_MAX",
    "CLAIM_CHARACTERS_MAX",
    "LINES_MAX",
    "LINE_CHARACTERS_MAX",
    "VERIFICATION",
    "Acceptance",
    "Authority",
    "Budget",
    "Check",
    "CheckFailed",
    "Contract",
    "GateInput",
    "Instructions",
    "Premises",
    "Quotes",
    "Shape",
    "Sources",
    "Status",
    "as_reason",
    "barred_from",
    "carried_verdicts",
    "is_void",
    "judge",
    "judgements_of",
    "planted",
    "refuted",
    "unsure",
    "unverified_claims",
    "verification_problems",
    "with_canary",
]
