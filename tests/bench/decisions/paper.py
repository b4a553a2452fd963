"""A member's view of the decisions log on paper: its own code, without a bus or a model."""

from __future__ import annotations

import math
from typing import Any, Final

import msgspec

from bus.messages import ContextOpened, TurnReplied
from bus.run_stream import RunStream
from team.agent.decision_log import ContextDecisions
from team.agent.journal import Journal, Transcript, Turn
from team.rules.digest import Digest
from team.rules.limits import CHARACTERS_PER_TOKEN
from team.state import Decisions
from tests.bench.decisions.cells import BUDGET_TOKENS
from tests.bench.decisions.recorded import RUN

_NO_BLOCKS: Final = msgspec.Raw(b"[]")


def tokens(characters: int) -> int:
    """What so many characters count, rounded up."""
    return math.ceil(characters / CHARACTERS_PER_TOKEN)


class PaperMember:
    """A member's view of the log, without a bus: its fold, its context, its digests."""

    def __init__(self, name: str, about: str, tokens_max: int = BUDGET_TOKENS) -> None:
        nowhere: Any = None  # a journal that is never committed needs no connection
        journal = Journal(RunStream(nowhere, RUN), name)
        opened = ContextOpened(context="bench", system="", opening="", tools=(), model="")
        self.decisions = Decisions()
        self.transcript = Transcript(opened=opened, at=0.0, turns=[])
        journal.transcripts["bench"] = self.transcript
        self._mind = ContextDecisions(name, journal, tokens_max)
        self._about = about

    def turn(self) -> Digest:
        """Write the next digest and keep what it told, as a committed turn does."""
        digest = self._mind.digest(self.transcript, self.decisions, self._about)
        self.keep(digest)
        return digest

    def fill_index(self) -> None:
        """Take what has come into the full-text index, as the next turn would."""
        self._mind._index.sync(self.decisions)

    def keep(self, digest: Digest) -> None:
        """Take a digest for told."""
        replied = TurnReplied(
            context="bench",
            turn=len(self.transcript.turns) + 1,
            content=_NO_BLOCKS,
            stop_reason="tool_use",
            told=digest.told,
            decisions_seq=digest.upto,
            decisions_heard=digest.heard,
        )
        self.transcript.turns.append(Turn(replied=replied))
