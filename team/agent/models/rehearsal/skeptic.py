"""The rehearsal verifier: read the source at the locator, compare words, doubt the rest."""

from __future__ import annotations

from typing import Any

from bus.messages import Claim
from team.agent.models.rehearsal.conversation import Passage, Situation
from team.agent.models.rehearsal.extract import stems
from team.sources import fold

SUPPORT = 0.6
"""Share of a claim's telling words that its quotes must have."""

Calls = list[tuple[str, dict[str, Any]]]


def verify(situation: Situation) -> Calls:
    """Read every source that the claims cite, then judge."""
    material = situation.briefing.material
    if not situation.calls_of("read_source"):
        places = dict.fromkeys((e.source, e.locator) for c in material for e in c.evidence)
        if places:
            return [("read_source", {"source": s, "locator": at}) for s, at in places]
    judgements = [_judge(claim, situation.passages) for claim in material]
    return [("submit_verdict", {"judgements": judgements})]


def _judge(claim: Claim, passages: list[Passage]) -> dict[str, Any]:
    shown = [fold(" ".join(passage.lines)) for passage in passages]
    for evidence in claim.evidence:
        if not any(fold(evidence.quote) in text for text in shown):
            return _verdict(claim, "refuted", "the quote was not found where it should stand")
    said, quoted = stems(claim.text), stems(" ".join(e.quote for e in claim.evidence))
    share = len(said & quoted) / len(said) if said else 0.0
    if share < SUPPORT:
        return _verdict(claim, "refuted", f"only {share:.0%} of its words stand in what it quotes")
    return _verdict(claim, "upheld", f"read at its place; {share:.0%} of its words stand there")


def _verdict(claim: Claim, outcome: str, reason: str) -> dict[str, Any]:
    return {"claim": claim.id, "outcome": outcome, "reason": reason}
