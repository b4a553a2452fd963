"""The rehearsal model before two claims: compare by opposite words, rule by counting files.

It knows nothing of what is true. Two claims that their authors have narrowed to their own
lanes speak of these only and do not contradict each other.
"""

from __future__ import annotations

import re
from typing import Any

from bus.messages import Claim
from team.agent.models.rehearsal.conversation import Passage, Situation
from team.rules.contradictions import difference
from team.sources import fold

_NARROWED = re.compile(r"In [^:]{1,200}: ")

Calls = list[tuple[str, dict[str, Any]]]


def compare(situation: Situation) -> Calls:
    """Two claims contradict each other if they differ in a number, a denial, an opposite."""
    first, second = situation.briefing.material
    return [("submit_comparison", _comparison(first.text, second.text))]


def _comparison(first: str, second: str) -> dict[str, Any]:
    if _NARROWED.match(first) and _NARROWED.match(second):
        return {"outcome": "compatible", "reason": "Each speaks of its own part only."}
    differing = difference(first, second)
    if differing is None or not set(differing.kinds) - {"names"}:
        return {"outcome": "compatible", "reason": "No number, denial or opposite differs."}
    return {"outcome": "contradict", "reason": f"The same words with {differing.reason}."}


def rule(situation: Situation) -> Calls:
    """Count which files say what; of equals neither stands."""
    case = situation.briefing.conflict
    assert case is not None
    if not situation.calls_of("search_sources"):
        queries = dict.fromkeys((case.first.text, case.second.text))
        return [("search_sources", {"query": query, "limit": 20}) for query in queries]
    files = [_files_that_say(claim, situation.passages) for claim in (case.first, case.second)]
    counts = f"Files that say so: {files[0]} for the first, {files[1]} for the second."
    stands = "neither" if files[0] == files[1] else "first" if files[0] > files[1] else "second"
    return [("submit_conflict_ruling", {"stands": stands, "reason": counts})]


def _files_that_say(claim: Claim, passages: list[Passage]) -> int:
    """In how many files a claim's quotes stand word for word."""
    quotes = [fold(evidence.quote) for evidence in claim.evidence]
    cited = {evidence.source for evidence in claim.evidence}
    shown = {
        passage.source
        for passage in passages
        if any(quote in fold(" ".join(passage.lines)) for quote in quotes)
    }
    # What is read is shown by its short name, what is cited by its path.
    return len(shown) + sum(not source.endswith(tuple(shown)) for source in cited)
