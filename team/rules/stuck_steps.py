"""What comes next for a member that was seen to get nowhere: it is told, then replaced.

The supervisor sees it by its heartbeats and stores `member.stuck`. Whatever the member
commits afterwards shows that it moves again; then there is nothing to do.
"""

from __future__ import annotations

from bus.ids import LEAD
from team.rules.step_types import Replace, TellStuck
from team.state import RunState


def of_stuck(state: RunState) -> TellStuck | Replace | None:
    """The first member to tell or to replace; the lead itself is the supervisor's to end."""
    for seat in state.roster.present():
        if seat.stuck is None or seat.name == LEAD:
            continue
        if not seat.told_seq:
            return TellStuck(member=seat.name, reason=seat.stuck.reason, stuck_seq=seat.stuck_seq)
        if seat.stuck_seq > seat.told_seq:
            reason = f"it was told and did not move: {seat.stuck.reason}"
            return Replace(member=seat.name, reason=reason)
    return None
