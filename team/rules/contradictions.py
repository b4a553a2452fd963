"""Find claims that may contradict each other: by their facts for certain, by wording as a guess.

Pure and deterministic. Wording finds twins only: two sentences that share most of their words
and differ in a number, a name, a negation or an opposite. Two sentences that contradict each
other in other words are not found here; facts are there for these.
"""

from __future__ import annotations

import hashlib
import re
from collections import Counter, defaultdict
from collections.abc import Iterator, Mapping, Sequence
from functools import lru_cache
from typing import Final, Literal

import msgspec

from bus.messages import Claim
from team.rules.plan import words

TWIN_LIKENESS: Final = 0.6
"""Share of common telling words from which two sentences count as twins."""
CANDIDATES_MAX: Final = 24
"""Pairs found by wording that are put to a verifier, the likest first."""
SENTENCES_MAX: Final = 8
"""Sentences of a claim that are compared; a claim is one statement."""
TEXTS_KEPT_MAX: Final = 4_096
"""Texts and words of which it is kept how they are compared: the lead asks again and again."""

_SENTENCE_END: Final = re.compile(r"(?<=[.!?;])\s+")
_TOKEN: Final = re.compile(r"\d+(?:[.,]\d+)*|[^\W\d_][\w']*")
_NUMBER_WORDS: Final = "zero one two three four five six seven eight nine ten eleven twelve".split()
_NEGATIONS: Final = frozenset(
    "not no never none nor neither nothing nobody without cannot non".split()
)
_OPPOSITES: Final[tuple[tuple[tuple[str, ...], ...], ...]] = (
    (("always", "every", "all"), ("never", "none"), ("sometimes", "some")),
    (("allow", "permit"), ("forbid", "forbad", "prohibit", "deny", "denie")),
    (("must", "require", "mandatory"), ("may", "optional")),
    (("before", "earlier"), ("after", "later")),
    (("first",), ("last",)),
    (("enabl",), ("disabl",)),
    (("open",), ("clos",)),
    (("on",), ("off",)),
    (("true", "yes"), ("false",)),
    (("start", "begin"), ("stop", "end")),
    (("accept",), ("reject", "refus")),
    (("increas", "rais"), ("decreas", "lower", "reduc")),
    (("more", "above", "over", "exceed"), ("less", "fewer", "below", "under")),
    (("maximum", "most", "max"), ("minimum", "least", "min")),
    (("succe",), ("fail",)),
    (("public",), ("private",)),
    (("sync",), ("async",)),
    (("immediate", "instantly"), ("eventually", "delay", "defer")),
    (("keep", "kept", "retain"), ("delet", "remov", "discard", "drop")),
    (("ascending",), ("descending",)),
    (("ms", "millisecond"), ("second",), ("minute",), ("hour",), ("day",), ("week",)),
)
"""Words that can't both hold of one thing, each by the beginnings of its forms."""
_EXACT: Final = frozenset("on off may over under end all some min max ms yes first last".split())
"""Beginnings that only count as whole words: too many others begin so."""
_REVERSING: Final = re.compile(r"(?:un|in|im|ir|il|non|dis)(?=\w{4})")
"""What turns a word into its opposite when it stands before it."""
_STEM_MIN: Final = 4


DifferenceKind = Literal["negation", "opposites", "numbers", "names"]


class Pair(msgspec.Struct, frozen=True, kw_only=True):
    """Two claims that may not both be true, by their refs `<task>.<claim>`.

    Attributes:
        id: A name that only these two claims with these words have.
        first: The one that comes first on the board.
        second: The other.
        reason: What was seen.
        is_certain: Whether their facts differ.
        likeness: How like their wordings are, 0 to 1.
    """

    id: str
    first: str
    second: str
    reason: str
    is_certain: bool
    likeness: float


class Difference(msgspec.Struct, frozen=True, kw_only=True):
    """In what two sentences differ that are alike otherwise.

    Attributes:
        likeness: How like they are, 0 to 1.
        kinds: In what sort of words.
        reason: In which words.
    """

    likeness: float
    kinds: tuple[DifferenceKind, ...]
    reason: str


class Sentence(msgspec.Struct, frozen=True, kw_only=True):
    """A sentence as it is compared.

    Attributes:
        core: Its telling words but for numbers and opposites.
        numbers: Its numbers, written one way, as often as they stand there.
        names: Its telling words with a capital, the first one too.
        sides: Which opposites it has, as (group, side).
        denials: How many words of denial it has.
        tokens: All its words.
    """

    core: frozenset[str]
    numbers: tuple[str, ...]
    names: frozenset[str]
    sides: frozenset[tuple[int, int]]
    denials: int
    tokens: frozenset[str]


def contradictions(claims: Mapping[str, Claim]) -> list[Pair]:
    """Every pair of different tasks whose facts differ, and the likest twins beside these.

    Args:
        claims: Claims by their refs, in board order.

    Returns:
        The certain ones first, then at most `CANDIDATES_MAX` others, the likest first.
    """
    certain = {pair.id: pair for pair in _differing_facts(claims)}
    twins = [pair for pair in _twins(claims) if pair.id not in certain]
    order = {ref: place for place, ref in enumerate(claims)}
    twins.sort(key=lambda pair: (-pair.likeness, order[pair.first], order[pair.second]))
    return [*certain.values(), *twins[:CANDIDATES_MAX]]


def pair_id(first: str, one: Claim, second: str, other: Claim) -> str:
    """Name two claims with the words that they have; revised claims get another name."""
    said = (first, one.text, one.facts, second, other.text, other.facts)
    return f"x-{hashlib.sha256(msgspec.json.encode(said)).hexdigest()[:16]}"


def task_of(ref: str) -> str:
    """The task of a claim's ref."""
    return ref.partition(".")[0]


def difference(text: str, other: str) -> Difference | None:
    """In what two texts differ where they have twin sentences; nothing if they have none."""
    found = [
        differing
        for one in sentences(text)
        for two in sentences(other)
        if (differing := _difference(one, two)) is not None
    ]
    return max(found, key=lambda differing: differing.likeness, default=None)


# --- facts -----------------------------------------------------------------------


def _differing_facts(claims: Mapping[str, Claim]) -> Iterator[Pair]:
    """Pairs that give one attribute of one subject no value in common."""
    values: dict[tuple[str, str], dict[str, dict[str, str]]] = defaultdict(dict)
    for ref, claim in claims.items():
        for fact in claim.facts:
            about = values[plain(fact.subject), plain(fact.attribute)]
            about.setdefault(ref, {}).setdefault(plain(fact.value), fact.value)
    for (subject, attribute), by_ref in values.items():
        refs = list(by_ref)
        for place, first in enumerate(refs):
            for second in refs[place + 1 :]:
                if task_of(first) != task_of(second) and not by_ref[first].keys() & by_ref[second]:
                    said = [" and ".join(by_ref[ref].values()) for ref in (first, second)]
                    reason = f"{attribute} of {subject}: “{said[0]}” against “{said[1]}”"
                    yield _pair(claims, first, second, reason, 1.0, is_certain=True)


def plain(text: str) -> str:
    """A part of a fact as it is compared: case, spaces and marks at its ends do not count."""
    return " ".join(text.casefold().split()).strip(" .,;:!\"'“”")


# --- wording ---------------------------------------------------------------------


def _twins(claims: Mapping[str, Claim]) -> Iterator[Pair]:
    """Pairs with a sentence each that are alike and differ, once each."""
    parts = [(ref, one) for ref, claim in claims.items() for one in sentences(claim.text)]
    best: dict[tuple[str, str], Difference] = {}
    for (first, one), (second, other) in _may_be_alike(parts):
        differing = _difference(one, other)
        known = best.get((first, second))
        if differing and (known is None or differing.likeness > known.likeness):
            best[first, second] = differing
    for (first, second), differing in best.items():
        yield _pair(claims, first, second, differing.reason, differing.likeness, is_certain=False)


def _may_be_alike(
    parts: Sequence[tuple[str, Sentence]],
) -> Iterator[tuple[tuple[str, Sentence], tuple[str, Sentence]]]:
    """Pairs of sentences of different tasks that can reach the likeness of twins at all.

    Two sets that share enough share one of their rarest words, so only those are looked up.
    """
    uses = Counter(word for _, part in parts for word in part.core)
    by_word: dict[str, list[int]] = defaultdict(list)
    for place, (ref, part) in enumerate(parts):
        rarest = sorted(part.core, key=lambda word: (uses[word], word))
        prefix = rarest[: len(rarest) - int(TWIN_LIKENESS * len(rarest)) + 1]
        for earlier in sorted({at for word in prefix for at in by_word[word]}):
            if task_of(parts[earlier][0]) != task_of(ref):
                yield parts[earlier], parts[place]
        for word in prefix:
            by_word[word].append(place)


def _difference(one: Sentence, other: Sentence) -> Difference | None:
    """In what two twins differ that may make one of them false."""
    likeness = _twin_likeness(one, other)
    seen = dict(_differences(one, other)) if likeness else {}
    if not seen:
        return None
    return Difference(likeness=likeness, kinds=tuple(seen), reason="; ".join(seen.values()))


def _twin_likeness(one: Sentence, other: Sentence) -> float:
    """Share of the words that two sentences have in common; 0 below that of twins."""
    common, both = one.core & other.core, one.core | other.core
    is_short = len(common) == 1 and len(both) > 1
    likeness = len(common) / len(both) if common and not is_short else 0.0
    return likeness if likeness >= TWIN_LIKENESS else 0.0


def _differences(one: Sentence, other: Sentence) -> Iterator[tuple[DifferenceKind, str]]:
    if one.denials != other.denials:
        yield "negation", "one denies what the other does not"
    opposites = _opposites(one, other)
    if opposites:
        yield "opposites", "; ".join(opposites)
    kinds: tuple[tuple[DifferenceKind, Counter[str], Counter[str]], ...] = (
        ("numbers", Counter(one.numbers), Counter(other.numbers)),
        ("names", Counter(one.names), Counter(other.names)),
    )
    for kind, ours, theirs in kinds:
        # Who only says less does not contradict.
        if ours - theirs and theirs - ours:
            said = (", ".join(sorted(only)) for only in (ours - theirs, theirs - ours))
            yield kind, f"{kind}: {' against '.join(said)}"


def _opposites(one: Sentence, other: Sentence) -> list[str]:
    """Opposites of which each sentence has one side only."""
    found: list[str] = []
    for group in range(len(_OPPOSITES)):
        ours = {side for of, side in one.sides if of == group}
        theirs = {side for of, side in other.sides if of == group}
        if ours and theirs and not ours & theirs:
            found.append(f"“{_word_of(one, group)}” against “{_word_of(other, group)}”")
    found += [
        f"“{word}” against “{opposite}”"
        for ours, theirs in ((one, other), (other, one))
        for word in sorted(ours.tokens - theirs.tokens)
        for opposite in sorted(theirs.tokens - ours.tokens)
        if opposite != word and _REVERSING.sub("", opposite, count=1) == word
    ]
    return found


def _word_of(sentence: Sentence, group: int) -> str:
    """The word with which a sentence takes a side in a group of opposites."""
    return min(word for word in sentence.tokens if any(of == group for of, _ in _sides(word)))


@lru_cache(maxsize=TEXTS_KEPT_MAX)
def sentences(text: str) -> tuple[Sentence, ...]:
    """The sentences of a claim as they are compared, at most `SENTENCES_MAX`."""
    parts = _SENTENCE_END.split(text.strip())[:SENTENCES_MAX]
    return tuple(_sentence(part) for part in parts if part)


def _sentence(text: str) -> Sentence:
    tokens = [token.rstrip(".,'") for token in _TOKEN.findall(text.replace("’", "'"))]
    lowered = [_spelt(token.lower()) for token in tokens]
    sides = {word: _sides(word) for word in lowered}
    bare = [w for w in lowered if not _number(w) and not sides[w] and w not in _NEGATIONS]
    return Sentence(
        core=frozenset(_stem(_REVERSING.sub("", w, count=1)) for w in words(" ".join(bare))),
        numbers=tuple(number for word in lowered if (number := _number(word))),
        names=frozenset(token for token in tokens if token != token.lower() and words(token)),
        sides=frozenset[tuple[int, int]]().union(*sides.values()),
        denials=sum(word in _NEGATIONS for word in lowered),
        tokens=frozenset(lowered),
    )


def _spelt(word: str) -> str:
    """A word of a negation in one spelling."""
    return "not" if word.endswith("n't") else word


@lru_cache(maxsize=TEXTS_KEPT_MAX)
def _sides(word: str) -> frozenset[tuple[int, int]]:
    """On which side of which opposites a word is."""
    return frozenset(
        (group, side)
        for group, sides in enumerate(_OPPOSITES)
        for side, beginnings in enumerate(sides)
        if any(word == b or (b not in _EXACT and word.startswith(b)) for b in beginnings)
    )


def _number(word: str) -> str:
    """A number in one spelling; empty for what is none."""
    if word in _NUMBER_WORDS:
        return str(_NUMBER_WORDS.index(word))
    if not word[:1].isdigit():
        return ""
    return re.sub(r"\.0+$", "", word.replace(",", ""))


def _stem(word: str) -> str:
    """A word without its plainest endings, so that `cancels` meets `cancel`."""
    for ending in ("ing", "ed", "es", "s"):
        if word.endswith(ending) and len(word) - len(ending) >= _STEM_MIN:
            return word[: -len(ending)]
    return word


def _pair(
    claims: Mapping[str, Claim],
    first: str,
    second: str,
    reason: str,
    likeness: float,
    *,
    is_certain: bool,
) -> Pair:
    return Pair(
        id=pair_id(first, claims[first], second, claims[second]),
        first=first,
        second=second,
        reason=reason,
        is_certain=is_certain,
        likeness=likeness,
    )
