"""Canaries: a claim that is surely false, slipped to a verifier among true ones.

Made from the batch itself: a claim in which one word of a quote was changed, so that the
quote does not stand at its locator any more. Everything about it (which claim, which word,
which place in the batch) follows from the name of the verification task: no chance.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Sequence
from hashlib import sha256
from typing import Final

import msgspec

from bus.messages import Claim, Evidence

_NUMBER: Final = re.compile(r"\b\d+\b")
_ID: Final = re.compile(r"(.*?)(\d+)")
_SWAPS: Final = {
    "not": "",
    "never": "always",
    "always": "never",
    "no": "every",
    "all": "no",
    "every": "no",
    "before": "after",
    "after": "before",
    "more": "less",
    "less": "more",
    "most": "least",
    "least": "most",
    "first": "last",
    "last": "first",
    "is": "is not",
    "are": "are not",
    "can": "can not",
    "may": "may not",
    "must": "must not",
    "will": "will not",
    "has": "has no",
    "have": "have no",
}
_SWAP: Final = re.compile(rf"\b({'|'.join(_SWAPS)})\b")


def with_canary(
    task_id: str,
    claims: Sequence[Claim],
    taken: frozenset[str],
    quote_problem: Callable[[Evidence], str | None],
) -> tuple[Claim, ...]:
    """Put a canary among the claims of a verification, and all in an order that tells nothing.

    Args:
        task_id: The verification's id; all choices follow from it.
        claims: What is to be judged.
        taken: Ids of all claims of the finding.
        quote_problem: Says why a quote does not stand at its place, or nothing.

    Returns:
        The claims as they are if none can be made into a canary.
    """
    canary = planted(task_id, claims, taken, quote_problem)
    if canary is None:
        return tuple(claims)
    return tuple(sorted((*claims, canary), key=lambda claim: _hash(f"{task_id}/{claim.id}")))


def planted(
    task_id: str,
    claims: Sequence[Claim],
    taken: frozenset[str],
    quote_problem: Callable[[Evidence], str | None],
) -> Claim | None:
    """A claim of the batch with a word changed, so that its quote does not stand."""
    for claim in sorted(claims, key=lambda claim: _hash(f"{task_id}:{claim.id}")):
        for evidence in claim.evidence[:1]:
            for old, new in _changes(task_id, evidence.quote):
                altered = msgspec.structs.replace(evidence, quote=_put(evidence.quote, old, new))
                if quote_problem(altered) is not None:
                    return msgspec.structs.replace(
                        claim,
                        id=_id_like(claim.id, taken),
                        text=_put(claim.text, old, new),
                        evidence=(altered, *claim.evidence[1:]),
                        facts=(),
                    )
    return None


def _changes(task_id: str, quote: str) -> Iterator[tuple[str, str]]:
    """Words of a quote and what to put in their place, the most telling first."""
    for number in dict.fromkeys(_NUMBER.findall(quote)):
        yield number, str(int(number) + 1 + _hash(task_id) % 7)
    for word in dict.fromkeys(_SWAP.findall(quote)):
        yield word, _SWAPS[word]
    for word in quote.split()[1:2]:
        yield word, f"never {word}"


def _put(text: str, old: str, new: str) -> str:
    """A text with one word changed wherever it stands; unchanged without it."""
    changed = re.sub(rf"(?<!\w){re.escape(old)}(?!\w)", lambda _: new, text)
    return re.sub(r"  +", " ", changed)


def _id_like(name: str, taken: frozenset[str]) -> str:
    """An id that nobody has and that looks like the others: the next number after them."""
    match = _ID.fullmatch(name)
    prefix = match.group(1) if match else f"{name}-"
    numbers = [
        int(found.group(2))
        for other in taken
        if (found := _ID.fullmatch(other)) and found.group(1) == prefix
    ]
    return f"{prefix}{max(numbers, default=1) + 1}"


def _hash(text: str) -> int:
    return int.from_bytes(sha256(text.encode()).digest()[:8], "big")
