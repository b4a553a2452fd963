"""When two texts or two calls count as the same."""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import Any, Final

import msgspec

SHINGLE_WORDS: Final = 5
SAME_TEXT: Final = 0.9
"""Share of common shingles from which two texts count as one."""
_WORD: Final = re.compile(r"\w+")


def shingles(text: str) -> frozenset[tuple[str, ...]]:
    """All runs of five words of a text; a shorter text is one run."""
    words = _WORD.findall(text.lower())
    last = max(1, len(words) - SHINGLE_WORDS + 1)
    return (
        frozenset(tuple(words[at : at + SHINGLE_WORDS]) for at in range(last))
        if words
        else (frozenset())
    )


def overlap(one: frozenset[tuple[str, ...]], other: frozenset[tuple[str, ...]]) -> float:
    """How many shingles two texts share, of all that they have; 0 for an empty one."""
    return len(one & other) / len(one | other) if one and other else 0.0


def near_twins(texts: Sequence[str]) -> list[list[int]]:
    """Group texts that say nearly the same as the first of their group.

    Returns:
        Places in `texts`, in order; every group has at least one.
    """
    heads: list[frozenset[tuple[str, ...]]] = []
    groups: list[list[int]] = []
    for place, text in enumerate(texts):
        own = shingles(text)
        found = next((n for n, head in enumerate(heads) if overlap(own, head) >= SAME_TEXT), None)
        if found is None:
            heads.append(own)
            groups.append([place])
        else:
            groups[found].append(place)
    return groups


def canonical(arguments: bytes | str) -> str:
    """Arguments of a call in one spelling: keys sorted, white space in texts folded.

    What is no JSON stays as it is, white space aside.
    """
    try:
        decoded = msgspec.json.decode(arguments)
    except msgspec.DecodeError:
        text = arguments if isinstance(arguments, str) else arguments.decode(errors="replace")
        return " ".join(text.split())
    return msgspec.json.encode(_folded(decoded), order="sorted").decode()


def _folded(value: Any) -> Any:  # any JSON
    if isinstance(value, str):
        return " ".join(value.split())
    if isinstance(value, list):
        return [_folded(one) for one in value]
    if isinstance(value, dict):
        return {key: _folded(one) for key, one in value.items()}
    return value
