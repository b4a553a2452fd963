"""The rehearsal teammate: search, decide, ask, answer, concede, submit.

Each rule below looks at the situation and names the next calls; the first that has
any is taken. That is all the "thinking" there is.
"""

from __future__ import annotations

import re
from typing import Any

from bus.messages import Claim
from team.agent.models.rehearsal import conventions
from team.agent.models.rehearsal.conversation import Mail, Situation
from team.agent.models.rehearsal.extract import Quote, quotes_for, stem, stems
from team.rules.plan import words
from team.tool_names import FETCH

CLAIMS = 5
PATIENCE = 3
AREA = "terms"

_URL = re.compile(r"https?://[^\s<>\"']*[\w/]")

Calls = list[tuple[str, dict[str, Any]]]


def research(situation: Situation) -> Calls:
    """Say what the teammate does next on its lane."""
    for rule in (_search, _answer, _concede, conventions.settle, _decide, _ask, _wait):
        calls = rule(situation) if not situation.is_wrapping_up else []
        if calls:
            return calls
    return [("submit_finding", finding(situation))]


def wait_for_ever(situation: Situation) -> Calls:
    """Ask a peer, and wait for its reply whatever else comes."""
    return _search(situation) or _ask(situation) or [("wait_for_mail", {"seconds": 60})]


def search_for_ever(situation: Situation) -> Calls:
    """Search for the same again and again, whatever is found."""
    contract = situation.briefing.contract
    assert contract is not None
    return [("search_sources", {"query": contract.objective, "limit": 8})]


def answer_mail(situation: Situation) -> Calls:
    """Say what the teammate does about mail that came after its task was done."""
    return _answer(situation)


def finding(situation: Situation) -> dict[str, Any]:
    """Turn the best quotes into claims, narrowed where a peer has challenged them."""
    quotes = _quotes(situation)
    conceded = _challenges(situation)
    claims = [
        _claim(situation, quote, number, conceded.get(number))
        for number, quote in enumerate(quotes, start=1)
    ]
    stated = conventions.own_conventions(situation)
    kept = [one for one in stated if conventions.is_followed(situation, one)]
    claims += [_convention_claim(situation, one, n) for n, one in enumerate(kept, start=1)]
    contract = situation.briefing.contract
    assert contract is not None
    lacking = sorted(stems(_subject(situation)) - {t for q in quotes for t in q.terms})
    return {
        "summary": f"{len(claims)} passages of {_group(situation)} bear on: {contract.objective}",
        "claims": claims,
        "open_questions": [f"Nothing was quoted for: {', '.join(lacking)}"] if lacking else [],
        "relied_on": _relied_on(situation),
        "dropped": [
            f"{one.evidence.quote} (the team has decided otherwise)"
            for one in stated
            if one not in kept
        ],
    }


def _search(situation: Situation) -> Calls:
    if situation.calls_of("search_sources"):
        return []
    contract = situation.briefing.contract
    assert contract is not None
    subject = sorted(words(_subject(situation)))
    queries = dict.fromkeys([contract.objective, *subject[:3]])
    searches: Calls = [("search_sources", {"query": query, "limit": 8}) for query in queries]
    return [("list_sources", {}), *searches, *_fetches(situation)]


def _fetches(situation: Situation) -> Calls:
    """The addresses that the objective names, if pages may be fetched."""
    contract = situation.briefing.contract
    if contract is None or FETCH not in situation.tools:
        return []
    return [(FETCH, {"url": url}) for url in dict.fromkeys(_URL.findall(contract.objective))]


def _answer(situation: Situation) -> Calls:
    """Reply to every open question: object if the same word means something else here."""
    open_mail = [mail for mail in situation.unanswered if mail.kind == "question"]
    for mail in open_mail:
        asked = [call.input.get("query") for call in situation.calls_of("search_sources")]
        query = _asked_words(mail)
        if query and query not in asked:
            return [("search_sources", {"query": query, "limit": 8})]
    return [("send_message", _reply(situation, mail)) for mail in open_mail]


def _reply(situation: Situation, mail: Mail) -> dict[str, Any]:
    theirs = " ".join(evidence.quote for evidence in mail.evidence) or mail.text
    asked = _asked_words(mail)
    found = quotes_for(asked, situation.passages, 3)
    ours = [q for q in found if q.text not in theirs and not conventions.is_one(q.text)]
    base = {"to": mail.author, "in_reply_to": mail.id}
    if not ours:
        text = f"Nothing in my sources speaks of: {asked}."
        return base | {"kind": "answer", "text": text}
    best = ours[0]
    return base | {
        "kind": "challenge" if mail.evidence else "answer",
        "text": f"In {_group(situation)} the same words ({', '.join(sorted(best.terms))}) "
        f"stand for: “{best.text}” State for which part your claim holds.",
        "about": mail.evidence[0].quote if mail.evidence else None,
        "evidence": [_plain(best)],
    }


def _concede(situation: Situation) -> Calls:
    """Accept each challenge by narrowing the claim, and say so."""
    return [
        (
            "send_message",
            {
                "to": mail.author,
                "kind": "rebuttal",
                "in_reply_to": mail.id,
                "text": "Conceded: my claim is narrowed to my own sources.",
            },
        )
        for mail in situation.unanswered
        if mail.kind == "challenge"
    ]


def _decide(situation: Situation) -> Calls:
    """Settle, once for the team, which words of the sources count as the goal's first word."""
    term = _shared_term(situation)
    if term is None or situation.calls_of("record_decision"):
        return []
    if (AREA, term) in situation.decisions:
        return []
    if "record_decision" not in situation.tools:
        return []
    text = " ".join(line for passage in situation.passages for line in passage.lines)
    family = sorted({w for w in words(text) if w.startswith(stem(term)) and w.isalpha()})
    if not family:
        return []
    return [
        (
            "record_decision",
            {
                "area": AREA,
                "key": term,
                "statement": f"Count as “{term}”: {', '.join(family[:8])}."[:280],
                "rationale": f"Words found in {_group(situation)}.",
            },
        )
    ]


def _ask(situation: Situation) -> Calls:
    """Show the strongest claim to the next peer in the roster: does it hold there too?"""
    peers = sorted(
        peer.name for peer in situation.briefing.peers if peer.works_on and peer.name != "lead"
    )
    quotes = _quotes(situation)
    is_asked = any(c.input.get("kind") == "question" for c in situation.calls_of("send_message"))
    can_ask = "send_message" in situation.tools and situation.briefing.round == 1
    if not peers or not quotes or is_asked or not can_ask:
        return []
    me = situation.briefing.me
    peer = next((name for name in peers if name > me), peers[0])
    return [
        (
            "send_message",
            {
                "to": peer,
                "kind": "question",
                "text": f"My sources ({_group(situation)}) say this of "
                f"{', '.join(sorted(quotes[0].terms))}. Does it hold in yours?",
                "about": quotes[0].text,
                "evidence": [_plain(quotes[0])],
            },
        )
    ]


def _wait(situation: Situation) -> Calls:
    """Wait for the reply to our own question, with patience but not for ever."""
    asked = any(c.input.get("kind") == "question" for c in situation.calls_of("send_message"))
    is_answered = any(m.kind in ("answer", "challenge") and m.in_reply_to for m in situation.mail)
    waits = situation.calls_of("wait_for_mail")
    if not asked or is_answered or len(waits) >= PATIENCE:
        return []
    return [("wait_for_mail", {"seconds": 5})]


def _claim(
    situation: Situation, quote: Quote, number: int, challenge: Mail | None
) -> dict[str, Any]:
    text = quote.text
    claim: dict[str, Any] = {
        "id": f"c{number}",
        "text": text if challenge is None else f"In {_group(situation)}: {text}",
        "confidence": "high" if challenge is None else "medium",
        "evidence": [_plain(quote)],
    }
    return claim if challenge is None else claim | {"revised_after": challenge.id}


def _convention_claim(
    situation: Situation, convention: conventions.Convention, number: int
) -> dict[str, Any]:
    """A convention that a source states and the team follows."""
    shown = {"source", "locator", "quote"}
    claim: dict[str, Any] = {
        "id": f"v{number}",
        "text": convention.evidence.quote,
        "confidence": "high",
        "evidence": [{name: getattr(convention.evidence, name) for name in sorted(shown)}],
    }
    is_decided = "record_decision" in situation.tools
    premise = {"area": convention.area, "key": convention.key}
    return claim | {"relied_on": [premise]} if is_decided else claim


def _challenges(situation: Situation) -> dict[int, Mail]:
    """Which of our claims, by number, a peer has challenged."""
    found: dict[int, Mail] = {}
    quotes = _quotes(situation)
    for mail in situation.mail:
        if mail.kind == "challenge" and quotes:
            found.setdefault(1, mail)
    return found


def _quotes(situation: Situation) -> list[Quote]:
    """Our quotes: from what was shown before the first message was sent, so they stay put."""
    contract = situation.briefing.contract
    assert contract is not None
    refused = _refused(situation)
    found = quotes_for(_subject(situation), _own_passages(situation), 2 * CLAIMS + len(refused))
    kept = [q for q in found if q.text not in refused and not conventions.is_one(q.text)]
    return kept[:CLAIMS]


def _own_passages(situation: Situation) -> list[Any]:
    own = sum(tool == "search_sources" for tool, _ in _search(_without_history(situation)))
    shown = Situation(
        briefing=situation.briefing,
        done=(*situation.calls_of("search_sources")[:own], *situation.calls_of(FETCH)),
        mail=(),
        texts=(),
        tools=situation.tools,
    )
    return shown.passages


def _without_history(situation: Situation) -> Situation:
    return Situation(briefing=situation.briefing, done=(), mail=(), texts=(), tools=situation.tools)


def _refused(situation: Situation) -> set[str]:
    """Quotes of claims that the last round's reasons name as not upheld."""
    previous = situation.briefing.previous
    claims: tuple[Claim, ...] = previous.claims if previous else ()
    named = {
        found.group(1)
        for reason in situation.briefing.reasons
        if (found := re.match(r"claim (\S+): verification", reason))
    }
    return {e.quote for claim in claims if claim.id in named for e in claim.evidence}


def _relied_on(situation: Situation) -> list[dict[str, Any]]:
    """Decisions of our area that were in the context: told at first, or given as an answer."""
    known = situation.decisions.get((AREA, _shared_term(situation) or ""))
    terms = [] if known is None else [{"area": AREA, "key": known.key}]
    # What was dropped for a decision rests on that decision, as the whole finding does.
    overruled = [
        {"area": one.area, "key": one.key}
        for one in conventions.own_conventions(situation)
        if not conventions.is_followed(situation, one) and "record_decision" in situation.tools
    ]
    return [*terms, *overruled]


def _shared_term(situation: Situation) -> str | None:
    """The first telling word that the whole team's goal is about."""
    subject = _subject(situation)
    ordered = [w for w in re.findall(r"[a-z]+", subject.lower()) if w in words(subject)]
    return ordered[0] if ordered else None


def _subject(situation: Situation) -> str:
    """The objective without the names of the lane's own sources."""
    contract = situation.briefing.contract
    assert contract is not None
    names = [*contract.sources, *(g.title for g in situation.briefing.groups)]
    subject = _URL.sub(" ", contract.objective)
    for name in sorted({*names, *(n.split(".")[-1] for n in names)}, key=len, reverse=True):
        subject = re.sub(rf"(?<![\w.]){re.escape(name)}(?!\w)", " ", subject, flags=re.I)
    return subject if words(subject) else contract.objective


def _asked_words(mail: Mail) -> str:
    """What a question is about: the words it puts between `say this of` and the full stop."""
    found = re.search(r"of ([\w, ]+)\. ", mail.text)
    return " ".join(sorted(words(found.group(1) if found else mail.text)))


def _group(situation: Situation) -> str:
    titles = [group.title for group in situation.briefing.groups]
    return ", ".join(titles) or "my sources"


def _plain(quote: Quote) -> dict[str, str]:
    return {"source": quote.source, "locator": quote.locator, "quote": quote.text}
