"""The audit: a run's stream folded again, after the act and without the runtime's word.

Which limits and permissions were broken, whether every claim of the result has a whole
chain of evidence and verdicts, and which failure modes of MAST can be seen. Not for
holding anything: that is the runtime's and the gate's business, before the act.
"""

from team.audit.looking import Detector, Seen
from team.audit.modes import DETECTORS
from team.audit.report import AuditReport, Chain, Remark
from team.audit.trace import Event, Trace
from team.audit.whole import PARTS, audit

__all__ = [
    "DETECTORS",
    "PARTS",
    "AuditReport",
    "Chain",
    "Detector",
    "Event",
    "Remark",
    "Seen",
    "Trace",
    "audit",
]
