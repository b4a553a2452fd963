"""A member's way to ask whether it may call the model, so that a run keeps one limit."""

from __future__ import annotations

import structlog

from bus.connection import Connection
from bus.errors import BusError
from bus.pace import CallEnded, ask_to_call, tell_ended
from team.agent.models.call import Ending

log = structlog.get_logger()


class RunPacer:
    """Asks the run's supervisor; where it does not answer, a member goes on by itself."""

    def __init__(self, connection: Connection, run: str, me: str) -> None:
        self._connection = connection
        self._run = run
        self._me = me

    async def ask(self, key: str) -> float:
        """Ask to call: 0 means now, else ask again after so many seconds."""
        try:
            return await ask_to_call(self._connection, self._run, self._me, key)
        except BusError as error:
            log.debug("pace.unanswered", error=str(error))
            return 0.0

    async def tell(self, key: str, how: Ending, hold_s: float | None) -> None:
        """Say that a call has ended, and for how long the provider wants no other."""
        ended = CallEnded(key=key, how=how, hold_s=hold_s)
        try:
            await tell_ended(self._connection, self._run, self._me, ended)
        except BusError as error:
            log.debug("pace.untold", error=str(error))
