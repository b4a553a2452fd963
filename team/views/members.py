"""How a member stands, in one word, from the stream and from its heartbeats."""

from __future__ import annotations

from bus.live import Beat
from team.state import Seat


def state_of(seat: Seat, beat: Beat | None, *, is_live: bool = True) -> str:
    """Say how a member stands.

    Args:
        seat: The member as the stream has it.
        beat: Its last heartbeat, if one was heard lately.
        is_live: Whether anybody works on the run.

    Returns:
        `lost`, `left`, `stopped` (nobody works on the run), `starting`, `silent` (its process
        is not heard), `stuck`, or what its heartbeat says: `working`, `idle`, `waiting`,
        `listening`.
    """
    if seat.lost is not None:
        return "lost"
    if seat.left is not None:
        return "left"
    if not is_live:
        return "stopped"
    if beat is None:
        return "silent" if seat.incarnation else "starting"
    return "stuck" if seat.stuck is not None else beat.state
