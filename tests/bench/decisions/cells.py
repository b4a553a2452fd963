"""The figures of `tokens`, and the sizes that it measures: apart, to be drawn without it."""

from __future__ import annotations

from typing import Final

import msgspec

from team.policy import DecisionRules

FULL: Final = ((10, 100, 1_000, 10_000), (4, 16, 64), 40)
QUICK: Final = ((10, 1_000), (16,), 40)
"""Numbers of decisions, numbers of members, turns of each."""
TEAM_DECISIONS: Final = 60
"""Decisions a member, in the runs whose log grows with the team."""
WAYS: Final = {
    "ours": "our digest",
    "broadcast": "broadcast to all",
    "file": "shared file",
}
BUDGET_TOKENS: Final = DecisionRules().digest_tokens


class Cell(msgspec.Struct, frozen=True, kw_only=True):
    """One way of sharing in one recorded run; tokens are of one member's one turn.

    Attributes:
        way: One of `WAYS`.
        decisions: Entries in the log.
        members: Who took turns.
        measured: Of how many of them the turns were counted.
        mean: Tokens added to a turn, on average.
        p99: All but one in a hundred are at most this.
        most: The largest.
        whole: What one member's context was given in all its turns, on average.
        told: Share of the decisions in a member's areas that its context was told; the
            rest is named or counted, and found by a search.
        cpu_p50_ms: CPU time of making a digest; 0 where none is made.
        cpu_p99_ms: The slowest but one in a hundred.
    """

    way: str
    decisions: int
    members: int
    measured: int
    mean: float
    p99: int
    most: int
    whole: float
    told: float = 1.0
    cpu_p50_ms: float = 0.0
    cpu_p99_ms: float = 0.0


class Opening(msgspec.Struct, frozen=True, kw_only=True):
    """The first digest of a fresh context that was sent a whole log: the lead's, say.

    Attributes:
        decisions: Entries in the log.
        held: Decisions that hold, all new to the context.
        tokens: Size of the digest.
        index_ms: CPU time of filling the index.
        digest_ms: CPU time of making the digest.
    """

    decisions: int
    held: int
    tokens: int
    index_ms: float
    digest_ms: float


class Figures(msgspec.Struct, frozen=True, kw_only=True):
    """What was measured.

    Attributes:
        turns: Turns of each member in each run.
        cells: Every number of decisions with every number of members.
        teams: Runs whose log grows with the team, `TEAM_DECISIONS` a member.
        pooled: By way, all member-turns of `cells` together.
        openings: First digests, by number of decisions.
    """

    turns: int
    cells: tuple[Cell, ...]
    teams: tuple[Cell, ...]
    pooled: tuple[Cell, ...]
    openings: tuple[Opening, ...]
