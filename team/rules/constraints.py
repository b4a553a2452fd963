"""Constraints of a goal: the clauses that bind, word for word.

Found by code, so that no lead can leave one out; and a constraint that a lead names
must stand in the goal. Not for judging whether an answer keeps them: that is the gate's.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from typing import Final

_DATE: Final = (
    r"(?:the (?:end|start|beginning) of )?(?:(?:early|mid|late)[ -])?(?:\d{4}\b|\d{1,2}[./]\d"
    r"|(?:\d{1,2}\.? )?(?:january|february|march|april|may|june|july|august|september|october"
    r"|november|december)\b|(?:version|release|v)\.? ?\d)"
)
_LANGUAGE: Final = (
    r"(?:english|german|french|spanish|italian|portuguese|dutch|polish|russian|ukrainian|turkish"
    r"|arabic|hindi|chinese|japanese|korean)\b"
)
_UNIT: Final = r"(?:word|sentence|paragraph|page|line|character|bullet|bullet point|point|item)s?"
_LENGTH: Final = (
    rf"(?:(?:under|below|within|fewer than|less than|up to|max(?:imum)?(?: of)?|in) [\w,-]+ {_UNIT}"
    rf"(?: or (?:less|fewer))?|[\w,-]+ {_UNIT} (?:max(?:imum)?|at most|or less|or fewer))"
)
_TAIL: Final = (
    rf"(?:without|except|excluding|ignoring|leaving out|nothing but|apart from|other than"
    rf"|using only|only (?:from|in|with|by|for|on|the|using)|at most|at least|no more than"
    rf"|not more than|no fewer than|no less than|no later than|limited to|restricted to"
    rf"|{_LENGTH}|(?:before|after|since|until|as of|prior to) {_DATE}|in {_LANGUAGE})(?!\w)"
)
"""What binds wherever it stands; the constraint begins there."""
_WHOLE: Final = (
    r"(?:only|must|must not|mustn['’]t|shall|do not|don['’]t|never|may not|is not to|are not to"
    r"|exclude|ignore|avoid|leave out|limit|restrict|required)(?!\w)"
)
"""What binds in a statement or an order: the constraint is all of its clause."""

WORDS_MIN: Final = 2
"""Words of the shortest constraint: a bare `without` binds nothing."""

_SENTENCE: Final = re.compile(r"(?<=[.?!])\s+|\s*\n+\s*|\s*;\s*")
_CLAUSE: Final = re.compile(
    rf"\s*,?\s+but\s+|\s*,\s+(?:and\s+)?(?={_TAIL})|\s*,?\s+and\s+(?={_WHOLE}|{_TAIL}"
    r"|(?:answer|write|give|say|keep|use|cite|quote|name)\b)",
    re.IGNORECASE,
)
_ASKED: Final = re.compile(
    r"\s*,\s+(?=(?:how|what|why|which|who|whom|whose|when|where|do|does|did|is|are|was|were|can"
    r"|could|should|will|would|compare|find|explain|describe|list)\b)",
    re.IGNORECASE,
)
_TAIL_AT: Final = re.compile(rf"(?<!\w){_TAIL}", re.IGNORECASE)
_ORDER: Final = re.compile(
    r"(?:please,?\s+)?(?:mention|stick to|use no|keep (?:it|this|the answer)|leave (?:\S+ ){1,4}out"
    r"|answer briefly)(?!\w)",
    re.IGNORECASE,
)
"""What binds where a clause begins with it."""
_WHOLE_AT: Final = re.compile(rf"(?<!\w){_WHOLE}", re.IGNORECASE)
_EDGES: Final = " \t\r\n.,;:?!-–"
_BULLET: Final = re.compile(r"^(?:[-*•]|\d+[.)])\s+")


def constraints_of(goal: str) -> tuple[str, ...]:
    """Find the clauses of a goal that bind, in order, each as it stands there."""
    found: dict[str, None] = {}
    for sentence in _SENTENCE.split(goal):
        is_question = sentence.rstrip().endswith("?")
        for part in _ASKED.split(sentence):
            for clause in _CLAUSE.split(part):
                bound = _bound(_BULLET.sub("", clause.strip()), is_question=is_question)
                if len(bound.split()) >= WORDS_MIN:
                    found[bound] = None
    return tuple(found)


def _bound(clause: str, *, is_question: bool) -> str:
    """What of a clause binds; nothing if it does not.

    In a question `must` and `never` are what is asked about.
    """
    if not is_question and (_WHOLE_AT.search(clause) or _ORDER.match(clause)):
        return clause.strip(_EDGES)
    tail = _TAIL_AT.search(clause)
    return clause[tail.start() :].strip(_EDGES) if tail else ""


def stands_in(goal: str, text: str) -> bool:
    """Whether a text stands in a goal word for word; case, white space and ends aside."""
    wanted = _folded(text)
    if not wanted:
        return False
    return re.search(rf"(?<!\w){re.escape(wanted)}(?!\w)", _folded(goal)) is not None


def carried(named: Iterable[str], goal: str) -> tuple[str, ...]:
    """The constraints that a lead has named, and those of the goal that it left out."""
    kept = list(dict.fromkeys(named))
    for constraint in constraints_of(goal):
        if not any(stands_in(other, constraint) for other in kept):
            kept.append(constraint)
    return tuple(kept)


def _folded(text: str) -> str:
    return " ".join(text.split()).strip(_EDGES).casefold()
