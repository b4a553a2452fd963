"""Request in, content blocks out: the whole rehearsal model as a pure function."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Sequence
from typing import Any

import msgspec

from team.agent.briefing import Kind
from team.agent.models.rehearsal import conflicts, conventions, planner, researcher, skeptic
from team.agent.models.rehearsal.conversation import Situation, read_request
from team.agent.models.rehearsal.faults import Fault
from team.tool_names import RECALL

MODEL = "rehearsal-1"
RECALLS_MAX = 24
"""How often it recalls in vain what has left its context; then it goes on with what it has."""

Calls = list[tuple[str, dict[str, Any]]]


class Composed(msgspec.Struct, frozen=True, kw_only=True):
    """A reply before it is put on the wire."""

    blocks: list[dict[str, Any]]  # Messages API content blocks
    stop_reason: str
    fault: str | None = None


def compose(request: dict[str, Any], faults: Sequence[Fault] = ()) -> Composed:
    """Answer one request; the same request always gets the same answer."""
    situation = read_request(request)
    if situation is None:
        return _said("I am the rehearsal model, no language model; I can't read this request.")
    briefing = situation.briefing
    fault = next((f.name for f in faults if f.strikes(briefing.me, briefing.round)), None)
    if fault == "garbage":
        return _said("Lorem ipsum dolor sit amet.")
    if fault == "refusal":
        return Composed(blocks=[{"type": "text", "text": "No."}], stop_reason="refusal")
    planned = _circling(situation, fault) or _next_calls(situation)
    calls = [_spoil(name, given, fault) for name, given in planned]
    if not calls:
        return _said("Done.", fault)
    if fault == "truncated-tool" and not situation.was_cut_off:
        return _truncated(calls, request)
    return Composed(blocks=_tool_uses(calls, request), stop_reason="tool_use", fault=fault)


def _truncated(calls: Calls, request: dict[str, Any]) -> Composed:
    """A reply as it is when it runs into `max_tokens`: of its last call there is only a part."""
    *whole, last = _tool_uses(calls, request)
    return Composed(blocks=[*whole, last | {"input": {}}], stop_reason="max_tokens")


def _tool_uses(calls: Calls, request: dict[str, Any]) -> list[dict[str, Any]]:
    seed = hashlib.sha256(msgspec.json.encode(request["messages"], order="sorted")).hexdigest()
    return [
        {"type": "tool_use", "id": f"toolu_{seed[:20]}{n:02d}", "name": name, "input": given}
        for n, (name, given) in enumerate(calls)
    ]


def _next_calls(situation: Situation) -> Calls:
    """What it does next; first it recalls what it has read and can't see any more."""
    if RECALL in situation.tools and situation.recalls < RECALLS_MAX and situation.out_of_sight:
        return [(RECALL, {"turn": turn, "call": call}) for turn, call in situation.out_of_sight]
    return _RULES[situation.briefing.kind](situation)


def _circling(situation: Situation, fault: str | None) -> Calls:
    """What a member does that goes round in circles on its lane."""
    if situation.briefing.kind != "research" or situation.is_wrapping_up:
        return []
    if fault == "wait":
        return researcher.wait_for_ever(situation)
    return researcher.search_for_ever(situation) if fault == "repeat" else []


_RULES: dict[Kind, Callable[[Situation], Calls]] = {
    "plan": lambda situation: [("submit_plan", planner.plan(situation))],
    "research": researcher.research,
    "verify": skeptic.verify,
    "compare": conflicts.compare,
    "mail": researcher.answer_mail,
    "challenge": conventions.answer_challenge,
    "ruling": conventions.rule,
    "conflict": conflicts.rule,
    "synthesis": lambda situation: [("submit_synthesis", planner.synthesis(situation))],
}


def _spoil(name: str, given: dict[str, Any], fault: str | None) -> tuple[str, dict[str, Any]]:
    """Apply a fault to what a returning tool is given."""
    if fault == "bad-input" and name.startswith("submit_"):
        return name, {"claims": "many"}
    if name != "submit_finding" or not given["claims"]:
        return name, given
    first, *rest = given["claims"]
    if fault == "alter-quote":
        evidence = first["evidence"][0]
        altered = evidence | {"quote": _altered(evidence["quote"])}
        return name, given | {"claims": [first | {"evidence": [altered]}, *rest]}
    if fault == "unsupported":
        claim = first | {"text": "Penguins govern maritime insurance throughout Antarctica."}
        return name, given | {"claims": [claim, *rest]}
    return name, given


def _altered(quote: str) -> str:
    head, _, tail = quote.partition(" ")
    return f"{head} never {tail}"


def _said(text: str, fault: str | None = None) -> Composed:
    return Composed(blocks=[{"type": "text", "text": text}], stop_reason="end_turn", fault=fault)
