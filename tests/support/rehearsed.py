"""A conversation with the rehearsal model, without a transport."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from team.agent.briefing import Briefing, GroupBrief, Peer, opening
from team.agent.models.rehearsal.brain import compose
from team.agent.models.rehearsal.faults import Fault
from team.agent.models.rehearsal.transport import request_problem
from tests.support.builders import a_contract, says

SENTENCE = "A connection pool keeps at most ten connections open at once."
PAGE = f"== docs/pool.md L1-L2 (docs)\nL1| {SENTENCE}\nL2| It closes idle connections later."
TOOLS = (
    "list_sources search_sources read_source send_message wait_for_mail record_decision "
    "submit_finding submit_verdict submit_plan submit_synthesis "
    "submit_comparison submit_conflict_ruling"
).split()
ANSWERS = {
    "list_sources": "docs/pool.md (docs, 2 lines): Pools",
    "search_sources": PAGE,
    "read_source": PAGE,
    "record_decision": "Recorded terms/pool.",
    "send_message": "Sent to bea as q9.",
    "wait_for_mail": "No mail came in 5 s.",
}
RESEARCH = Briefing(
    kind="research",
    me="ada",
    contract=a_contract(objective="How are connections of a pool limited?"),
    peers=(Peer(name="bea", role="researcher", works_on="timeouts"),),
    groups=(GroupBrief(name="docs", title="docs", files=3),),
)


def a_request(briefing: Briefing = RESEARCH, *added: str) -> dict[str, Any]:
    content = [says(opening(briefing)), *(says(text) for text in added)]
    return {
        "model": "m1",
        "max_tokens": 1_000,
        "system": "You are ada.",
        "messages": [{"role": "user", "content": content}],
        "tools": [{"name": name, "input_schema": {"type": "object"}} for name in TOOLS],
    }


def conversed(
    briefing: Briefing, faults: Sequence[Fault] = (), *added: str
) -> tuple[dict[str, Any], list[str]]:
    """Talk with the model until it returns: what it returned, and all tools that it called."""
    request, called = a_request(briefing, *added), list[str]()
    for _ in range(20):
        assert request_problem(request) is None
        blocks = compose(request, faults).blocks
        called += [block["name"] for block in blocks]
        if called[-1].startswith("submit_"):
            return blocks[-1]["input"], called
        results = [
            {"type": "tool_result", "tool_use_id": b["id"], "content": ANSWERS[b["name"]]}
            for b in blocks
        ]
        request["messages"] += [
            {"role": "assistant", "content": blocks},
            {"role": "user", "content": results},
        ]
    raise AssertionError(f"it never returned: {called}")
