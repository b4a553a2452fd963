"""The rehearsal verifier: read the source at the locator, compare words, doubt the rest."""

from __future__ import annotations

from typing import Any

from bus.messages import Claim
from team.agent.models.rehearsal.conversation import Passage, Situation
from team.agent.models.rehearsal.extract import stems
from team.agent.models.rehearsal.leaps import leap
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
    judgements = [_judge(claim, situation) for claim in material]
    return [("submit_verdict", {"judgements": judgements})]


def _judge(claim: Claim, situation: Situation) -> dict[str, Any]:
    for evidence in claim.evidence:
        shown = _shown_at(evidence.source, evidence.locator, situation)
        if not any(fold(evidence.quote) in text for text in shown):
            return _verdict(claim, "refuted", "the quote was not found where it should stand")
    quoted = " ".join(evidence.quote for evidence in claim.evidence)
    said, shared = stems(claim.text), stems(claim.text) & stems(quoted)
    share = len(shared) / len(said) if said else 0.0
    if share < SUPPORT:
        return _verdict(claim, "refuted", f"only {share:.0%} of its words stand in what it quotes")
    problem = leap(_unnarrowed(claim.text, quoted), [e.quote for e in claim.evidence])
    if problem is not None:
        return _verdict(claim, "refuted", problem)
    return _verdict(claim, "upheld", f"read at its place; {share:.0%} of its words stand there")


def _unnarrowed(text: str, quoted: str) -> str:
    """A claim without the "In alpha: " that narrows it to a source, if the rest is quoted."""
    head, _, rest = text.partition(": ")
    return rest if head.startswith("In ") and rest and fold(rest) in fold(quoted) else text


def _shown_at(source: str, locator: str, situation: Situation) -> list[str]:
    """What reading a place has shown: that place of that source, no other."""
    asked = {"source": source, "locator": locator}
    calls = [call for call in situation.calls_of("read_source") if call.input == asked]
    passages: list[Passage] = [p for call in calls for p in situation.shown_by(call)]
    return [fold(" ".join(passage.lines)) for passage in passages]


def _verdict(claim: Claim, outcome: str, reason: str) -> dict[str, Any]:
    return {"claim": claim.id, "outcome": outcome, "reason": reason}
