"""Pure folds of a run's stream: the same records always give the same state.

No I/O, no clock, no chance. Whoever wants to know how a run stands folds it.
"""

from team.state.approvals import Approval, Approvals
from team.state.board import Board, Task
from team.state.conflicts import Conflict, Conflicts
from team.state.decision import Decision, DecisionState
from team.state.decisions import Decisions, Fall
from team.state.findings import Findings, Submission
from team.state.ledger import Ledger, Spent
from team.state.mailroom import Letter, Mailroom
from team.state.refusals import Refusal, Refusals
from team.state.roster import Roster, Seat
from team.state.run import RunState, fold
from team.state.snapshots import Snapshot, Snapshots

__all__ = [
    "Approval",
    "Approvals",
    "Board",
    "Conflict",
    "Conflicts",
    "Decision",
    "DecisionState",
    "Decisions",
    "Fall",
    "Findings",
    "Ledger",
    "Letter",
    "Mailroom",
    "Refusal",
    "Refusals",
    "Roster",
    "RunState",
    "Seat",
    "Snapshot",
    "Snapshots",
    "Spent",
    "Submission",
    "Task",
    "fold",
]
