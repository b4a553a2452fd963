"""The fourteen modes of MAST, one detector each."""

from __future__ import annotations

from typing import Final

from team.audit import misalignment, specification, verification
from team.audit.looking import Detector

DETECTORS: Final[dict[str, Detector]] = {
    "M1.1": specification.disobeys_task,
    "M1.2": specification.disobeys_role,
    "M1.3": specification.repeats_steps,
    "M1.4": specification.loses_history,
    "M1.5": specification.does_not_stop,
    "M2.1": misalignment.starts_over,
    "M2.2": misalignment.does_not_ask,
    "M2.3": misalignment.derails,
    "M2.4": misalignment.withholds,
    "M2.5": misalignment.ignores_peers,
    "M2.6": misalignment.says_other_than_did,
    "M3.1": verification.ends_too_early,
    "M3.2": verification.does_not_verify,
    "M3.3": verification.verifies_wrongly,
}
"""The detector of each mode; what other breaches are instances of it, `report` says."""
