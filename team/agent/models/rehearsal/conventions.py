"""Conventions that sources state in so many words: decided, disputed, ruled on.

A source that says `Convention units/temperature: degrees Celsius` settles something
that lanes must not settle apart. The rehearsal member that reads it records it; one
that reads another convention for the same key challenges it with its quote; the
rehearsal lead counts in how many places the sources say which.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from typing import Any

import msgspec

from bus.ids import LEAD, PERSON
from bus.messages import Evidence
from team.agent.briefing import DecisionCase
from team.agent.models.rehearsal.conversation import Done, Passage, Situation
from team.sources import Locator

PATIENCE = 12

_CONVENTION = re.compile(r"Convention ([\w-]+)/([\w-]+): (.+?)\.?\s*$")
_DISTINCT = re.compile(r"distinct_from: ([^\n]+)")

Calls = list[tuple[str, dict[str, Any]]]


class Convention(msgspec.Struct, frozen=True, kw_only=True):
    """A convention as a source states it."""

    area: str
    key: str
    statement: str
    evidence: Evidence

    @property
    def name(self) -> tuple[str, str]:
        """Area and key."""
        return self.area, self.key


def conventions_in(passages: Iterable[Passage]) -> list[Convention]:
    """Every convention that passages state, each place once, in order."""
    found: dict[tuple[str, int], Convention] = {}
    for passage in passages:
        for number, line in enumerate(passage.lines, start=passage.locator.first):
            match = _CONVENTION.search(line)
            if match is None:
                continue
            locator = str(Locator(page=passage.locator.page, first=number, last=number))
            place = Evidence(source=passage.source, locator=locator, quote=line.strip())
            area, key, statement = match.groups()
            found.setdefault(
                (passage.source, number),
                Convention(area=area, key=key, statement=statement, evidence=place),
            )
    return list(found.values())


def is_one(text: str) -> bool:
    """Whether a text states a convention."""
    return _CONVENTION.search(text) is not None


def own_conventions(situation: Situation) -> list[Convention]:
    """What the member's own sources say, one for each key."""
    by_name: dict[tuple[str, str], Convention] = {}
    for convention in conventions_in(situation.passages):
        by_name.setdefault(convention.name, convention)
    return list(by_name.values())


def is_followed(situation: Situation, convention: Convention) -> bool:
    """Whether what a source says is what the team has decided, if it has decided."""
    known = situation.decisions.get(convention.name)
    return known is None or known.statement == convention.statement


def settle(situation: Situation) -> Calls:
    """Record what nobody has decided, challenge what was decided otherwise, await rulings."""
    for convention in own_conventions(situation):
        calls = _settle(situation, convention)
        if calls:
            return calls
    return []


def _settle(situation: Situation, convention: Convention) -> Calls:
    if "record_decision" not in situation.tools:
        return []
    if convention.name not in situation.decisions:
        return _record(situation, convention)
    binding = situation.decisions[convention.name].author in (LEAD, PERSON)
    if binding or is_followed(situation, convention):
        return []
    return _challenge(situation, convention)


def _record(situation: Situation, convention: Convention) -> Calls:
    """Record it, once more as distinct if only something similar holds."""
    tried = _calls_about(situation, "record_decision", convention)
    if not tried:
        return [("record_decision", _choice(convention))]
    similar = _DISTINCT.search(tried[-1].content)
    if similar is None or len(tried) > 1:
        return []
    names = {"distinct_from": similar.group(1).split(", ")}
    return [("record_decision", _choice(convention) | names)]


def _challenge(situation: Situation, convention: Convention) -> Calls:
    """Challenge it once, then wait for the ruling, with patience but not for ever."""
    tried = _calls_about(situation, "challenge_decision", convention)
    if not tried:
        objection = {
            "area": convention.area,
            "key": convention.key,
            "reason": f"My sources say otherwise: “{convention.evidence.quote}”",
            "instead": convention.statement,
            "evidence": [_plain(convention.evidence)],
        }
        return [("challenge_decision", objection)]
    is_ruled = tried[-1].is_error or situation.is_ruled(*convention.name)
    if is_ruled or len(situation.calls_of("wait_for_mail")) >= PATIENCE:
        return []
    return [("wait_for_mail", {"seconds": 10})]


def _calls_about(situation: Situation, tool: str, convention: Convention) -> list[Done]:
    calls = situation.calls_of(tool)
    return [c for c in calls if (c.input.get("area"), c.input.get("key")) == convention.name]


def answer_challenge(situation: Situation) -> Calls:
    """Keep to a decision of one's own, with the quote that it was taken from."""
    case = situation.briefing.case
    assert case is not None
    if situation.calls_of("rebut_challenge"):
        return []
    evidence = [_plain(one) for one in case.evidence]
    reason = f"My sources say so: “{case.evidence[0].quote}”" if case.evidence else case.statement
    name = {"area": case.area, "key": case.key}
    return [("rebut_challenge", name | {"reason": reason, "evidence": evidence})]


def rule(situation: Situation) -> Calls:
    """Count in how many places the sources say what; of equals, what was decided first holds."""
    case = situation.briefing.case
    assert case is not None
    if not situation.calls_of("search_sources"):
        query = f"Convention {case.area} {case.key}"
        return [("search_sources", {"query": query, "limit": 20})]
    return [("submit_ruling", _ruling(situation, case))]


def _ruling(situation: Situation, case: DecisionCase) -> dict[str, Any]:
    said = [c for c in conventions_in(situation.passages) if c.name == (case.area, case.key)]
    offered = dict.fromkeys([case.statement, *(o.instead for o in case.objections if o.instead)])
    places = {choice: sum(c.statement == choice for c in said) for choice in offered}
    best = max(offered, key=lambda choice: places[choice])
    counts = ", ".join(f"{count} for “{choice}”" for choice, count in places.items())
    reason = f"Places in the sources: {counts}."
    if best == case.statement:
        return {"outcome": "upheld", "reason": reason}
    return {"outcome": "superseded", "reason": reason, "statement": best}


def _choice(convention: Convention) -> dict[str, Any]:
    return {
        "area": convention.area,
        "key": convention.key,
        "statement": convention.statement,
        "rationale": "A source states it in so many words.",
        "evidence": [_plain(convention.evidence)],
    }


def _plain(evidence: Evidence) -> dict[str, str]:
    return {"source": evidence.source, "locator": evidence.locator, "quote": evidence.quote}
