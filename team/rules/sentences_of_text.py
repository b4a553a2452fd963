"""How many sentences a text has, and which parts of it may say something by themselves.

Over words only: a stop, then a word that may begin a sentence. Not for quoting from sources:
that is `team.sources.sentences`.
"""

from __future__ import annotations

import re
from functools import lru_cache
from typing import Final

_STOP: Final = re.compile(
    r"[.!?…][\"'”’»)\]*_`]*\s+(?=[\"'“‘«(\[*_`]*(\w))|[\u3002\uff01\uff1f]\s*(?=\S)"
)
_ABBREVIATION: Final = re.compile(
    r"\(?(?:e\.g|i\.e|etc|vs|cf|al|approx|resp|incl|fig|sec|ch|pp|vol|no|mr|mrs|ms|dr|prof|st"
    r"|[a-z])\.",
    re.IGNORECASE,
)
_CLAUSE: Final = re.compile(
    r"(?<=[.!?;:…])[\"'”’»)\]*_`]*\s+|(?<=[\u3002\uff01\uff1f\uff1b])|\n+|\s+[-–]+\s+|—|[()]"
    r"|,\s+(?:and|but|while|whereas|so)\s+",
    re.IGNORECASE,
)


def sentences_of(text: str) -> list[str]:
    """Cut a text into its sentences, in order; white space is folded."""
    told = " ".join(text.split())
    found, start = list[str](), 0
    for stop in _STOP.finditer(told):
        begins = stop.group(1)
        word = told[start : stop.end()].split()[-1]
        if begins is None or not (begins.islower() or _ABBREVIATION.fullmatch(word)):
            found.append(told[start : stop.end()].strip())
            start = stop.end()
    return [*found, told[start:]] if told[start:] else found


@lru_cache(maxsize=4_096)
def parts_of(text: str) -> tuple[str, ...]:
    """A text, its sentences and its clauses, each once: whatever may say a thing by itself."""
    lines = "\n".join(" ".join(line.split()) for line in text.splitlines())
    clauses = (clause.strip() for clause in _CLAUSE.split(lines))
    every = (" ".join(text.split()), *sentences_of(text), *clauses)
    return tuple(part for part in dict.fromkeys(every) if part)
