"""What code does to lanes before dispatch: merge, let wait, split. Each says why.

Every function takes lanes in the order of the plan and gives back lanes and reasons;
the same lanes always give the same. What any of the lanes may read, some lane may
read afterwards, and nothing else.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Collection, Iterable, Mapping, Sequence
from itertools import combinations
from pathlib import PurePosixPath
from typing import Final

import msgspec

from bus.messages import Criterion
from team.rules.plan import Lane, Plan, PlanFacts, Size, folded, has_circle, likeness, words

SAME_LANE: Final = 0.8
"""Share of common words from which two objectives count as one."""
DISTINCT_WORDS_MIN: Final = 2
"""Words of another lane's own, beside its title, by which an output leans on it."""
TITLE_CHARACTERS_MAX: Final = 80
PART_TITLE_MAX: Final = 60
"""Characters of a lane's title that its parts keep; a number follows."""

Shaped = tuple[list[Lane], list[str]]

_ANY_LANE: Final = re.compile(
    r"\b(?:other|another|previous|preceding|earlier|neighbou?ring) lanes?\b", re.IGNORECASE
)
_LEANS: Final = re.compile(
    r"\b(?:based on|building on|builds on|depend\w*|given|using|with the help of|from the"
    r" (?:findings?|results?|outputs?)|findings? (?:of|on)|results? (?:of|on)|according to"
    r"|in light of|once|after|compared? (?:with|to)|merged with|combined with|derived from)\b",
    re.IGNORECASE,
)
_OF_ONE: Final = "As for "


# --- lanes that ask the same -----------------------------------------------------


def merge_same(lanes: Sequence[Lane], facts: PlanFacts) -> Shaped:
    """Merge lanes that ask the same, where one reads nothing that the other does not."""
    kept, reasons = list(lanes), list[str]()
    while True:
        reads = {lane.title: _reads(lane, facts) for lane in kept}
        twins = next((p for p in combinations(kept, 2) if _is_same(*p, reads)), None)
        if twins is None:
            return kept, reasons
        first, twin = twins
        wider = max(twins, key=lambda lane: len(reads[lane.title]))
        merged = msgspec.structs.replace(
            joined(first, twin, facts),
            title=first.title,
            output=first.output,
            objective=first.objective,
            sources=wider.sources,
            sources_avoided=wider.sources_avoided,
            boundaries=_union(first.boundaries, twin.boundaries),
        )
        both = _fused(kept, first, twin, merged)
        if has_circle(both):  # merging closed it: what was merged is waited for no more
            alone = msgspec.structs.replace(merged, depends_on=first.depends_on)
            both = _fused(kept, first, twin, alone, waits_for_gone=False)
        kept = both
        reasons.append(f"lane {twin.title!r} says the same as {first.title!r} and was merged")


def _is_same(a: Lane, b: Lane, reads: Mapping[str, frozenset[str]]) -> bool:
    ours, theirs = reads[a.title], reads[b.title]
    is_inside = ours <= theirs or theirs <= ours
    return is_inside and likeness(a.objective, b.objective) >= SAME_LANE


# --- lanes that write the same ---------------------------------------------------


def merge_writers(lanes: Sequence[Lane], facts: PlanFacts) -> Shaped:
    """Merge lanes that may write to the same files, and what waits between them."""
    kept, reasons = list(lanes), list[str]()
    while True:
        pair = next((p for p in combinations(kept, 2) if _write_same(*p)), None)
        if pair is None:
            return kept, reasons
        kept = _merged_pair(kept, *pair, facts)
        names = " and ".join(repr(lane.title) for lane in pair)
        reasons.append(f"lanes {names} may write to the same files and were merged")


def _write_same(a: Lane, b: Lane) -> bool:
    return any(_may_meet(one, other) for one in a.writes for other in b.writes)


def _may_meet(one: str, other: str) -> bool:
    """Whether two path patterns may name the same file; if in doubt, they do."""
    ours, theirs = _fixed(one), _fixed(other)
    shared = min(len(ours), len(theirs))
    return ours[:shared] == theirs[:shared]


def _fixed(pattern: str) -> tuple[str, ...]:
    """The parts of a pattern before the first that is no plain name."""
    parts = PurePosixPath(pattern).parts
    ends = (n for n, part in enumerate(parts) if set("*?[") & set(part))
    return parts[: next(ends, len(parts))]


# --- lanes that need each other --------------------------------------------------


def let_wait(lanes: Sequence[Lane], facts: PlanFacts) -> Shaped:
    """Let a lane wait for those that its output leans on; merge those that lean on each other."""
    kept, reasons = list(lanes), list[str]()
    for title in [lane.title for lane in lanes]:
        for other in [lane.title for lane in lanes]:
            at = {lane.title: lane for lane in kept}
            if title not in at or other not in at or other in _awaited(kept, title):
                continue
            lane, needed = at[title], at[other]
            if lane is needed or not leans_on(lane, needed, facts.goal):
                continue
            said = f"the output of {title!r} can't be said without {other!r}"
            if title in _awaited(kept, other):
                kept = _merged_pair(kept, lane, needed, facts)
                reasons.append(f"{said}, which waits for it: they were merged")
            else:
                waits = msgspec.structs.replace(lane, depends_on=(*lane.depends_on, other))
                kept = [waits if one is lane else one for one in kept]
                reasons.append(f"{said}, and waits for it")
    return kept, reasons


def leans_on(lane: Lane, other: Lane, goal: str) -> bool:
    """Whether a lane's output can't be said without another's.

    It names the other's title, or another lane at large, or has words that are the other's
    alone together with a wording of dependence.
    """
    own, title = folded(lane.title), folded(other.title)
    text = folded(lane.output)
    text = re.sub(_as_words(own), " ", text) if own else text
    if _ANY_LANE.search(text):
        return True
    if title and title not in own and re.search(_as_words(title), text):
        return True
    if not _LEANS.search(text):
        return False
    ours = words(f"{lane.title} {lane.objective}") | words(goal)
    theirs = words(text) & (words(f"{other.title} {other.objective}") - ours)
    return bool(theirs & words(other.title)) or len(theirs) >= DISTINCT_WORDS_MIN


def _as_words(text: str) -> str:
    return rf"(?<![\w.]){re.escape(text)}(?!\w|\.\w)"


def _awaited(lanes: Sequence[Lane], title: str) -> set[str]:
    """All that a lane waits for, directly or not."""
    needs = {lane.title: lane.depends_on for lane in lanes}
    found: set[str] = set()
    ahead = list(needs.get(title, ()))
    while ahead:
        needed = ahead.pop()
        if needed not in found:
            found.add(needed)
            ahead += needs.get(needed, ())
    return found


# --- lanes that are too short ----------------------------------------------------


def merge_short(lanes: Sequence[Lane], facts: PlanFacts) -> Shaped:
    """Merge lanes whose sources are too few to pay for dispatch, the shortest first."""
    kept, reasons = list(lanes), list[str]()
    least = facts.rules.lane_tokens_min
    while len(kept) > 1:
        sizes = {lane.title: facts.tokens(lane) for lane in kept}
        by_size = sorted(kept, key=lambda lane: (bool(lane.web), sizes[lane.title]))
        short = by_size[0]
        if sizes[short.title] >= least or short.web:  # what a page holds is known once it is there
            break
        tries = ((other, _tried(kept, short, other, facts)) for other in by_size[1:])
        other, merged = next((tried for tried in tries if tried[1]), (short, None))
        if merged is None:
            break
        reasons.append(
            f"lane {short.title!r} has {sizes[short.title]} tokens of sources, fewer than"
            f" {least}: one lane with {other.title!r}"
        )
        kept = merged
    return kept, reasons


def _tried(lanes: Sequence[Lane], a: Lane, b: Lane, facts: PlanFacts) -> list[Lane] | None:
    """Two lanes merged, in the place of the first of them; nothing if that closes a circle."""
    first, second = sorted((a, b), key=lanes.index)
    fused = _fused(lanes, first, second, _named_apart(lanes, joined(first, second, facts)))
    return None if has_circle(fused) else fused


# --- lanes that are too broad ----------------------------------------------------


def split_broad(lanes: Sequence[Lane], facts: PlanFacts, cap: int) -> Shaped:
    """Split lanes whose sources outgrow a context by documents, while the cap leaves room."""
    kept, reasons = list(lanes), list[str]()
    for title in [lane.title for lane in lanes]:
        lane = next(lane for lane in kept if lane.title == title)
        sizes = facts.covered(lane.within)
        tokens = sum(size.tokens for size in sizes)
        if tokens <= facts.window:
            continue
        said = f"lane {lane.title!r} has {tokens} tokens of sources, more than {facts.window}"
        packed = packs(sizes, facts.window)
        why = _whole_because(lane, len(packed), cap - len(kept))
        if why:
            reasons.append(f"{said}; it stays whole: {why}")
            continue
        kept = _in_parts(kept, lane, packed, facts)
        reasons.append(f"{said}, and was split into {len(packed)} parts")
    return kept, reasons


def _whole_because(lane: Lane, parts: int, room: int) -> str:
    if lane.writes:
        return "its parts would write to the same files"
    if parts == 1:
        return "it is one document"
    return f"{parts} parts, and room for {room + 1}" if parts - 1 > room else ""


def packs(sizes: Sequence[Size], limit: int) -> list[list[Size]]:
    """Documents in their order, in as few runs as fit a limit; a larger one is a run alone."""
    packed: list[list[Size]] = []
    held = 0
    for size in sizes:
        if packed and held + size.tokens <= limit:
            packed[-1].append(size)
            held += size.tokens
        else:
            packed.append([size])
            held = size.tokens
    return packed


def _in_parts(
    lanes: Sequence[Lane], lane: Lane, packed: Sequence[Sequence[Size]], facts: PlanFacts
) -> list[Lane]:
    every = [size.source for size in facts.covered(None)]
    parts = [
        msgspec.structs.replace(
            lane,
            title=f"{lane.title[:PART_TITLE_MAX]} ({number} of {len(packed)})",
            output=f"{lane.output} This lane has part {number} of {len(packed)} of the sources.",
            sources=(*exact_names([size.source for size in part], every), *lane.web),
            sources_avoided=(),
            boundaries=(*lane.boundaries, "The other parts of the sources are other lanes'."),
            acceptance=tuple(_of_a_part(one, len(part)) for one in lane.acceptance),
        )
        for number, part in enumerate(packed, start=1)
    ]
    others = [other for other in lanes if other is not lane]
    parts = [_named_apart(others, part) for part in parts]
    titles = tuple(part.title for part in parts)
    split: list[Lane] = []
    for other in lanes:
        waits = tuple(
            title
            for needed in other.depends_on
            for title in (titles if needed == lane.title else (needed,))
        )
        new = parts if other is lane else [msgspec.structs.replace(other, depends_on=waits)]
        split += new
    return split


def _of_a_part(whole: Criterion, sources: int) -> Criterion:
    """What can be asked of each part: what all of them meet together, none may meet alone.

    The text says what the whole lane was for; of what code checks a claim is left, and as many
    sources as the part has.
    """
    sources_min = min(whole.sources_min, sources)
    claims_min = min(whole.claims_min, 1) if sources_min else 1
    return msgspec.structs.replace(
        whole, claims_min=claims_min, sources_min=sources_min, mentions=()
    )


def exact_names(wanted: Collection[str], every: Collection[str]) -> tuple[str, ...]:
    """Name some sources and no others: whole groups and folders by one name each.

    Args:
        wanted: Sources, as `<group>/<path>`.
        every: All sources of the run.
    """
    here, there = (Counter(f for s in some for f in _folders(s)) for some in (wanted, every))
    found: dict[str, None] = {}
    for source in wanted:
        whole = next((f for f in _folders(source) if here[f] == there[f]), source)
        found[whole.rstrip("/") if whole.count("/") == 1 and whole.endswith("/") else whole] = None
    return tuple(found)


def _folders(source: str) -> list[str]:
    """The group and the folders that a source lies in, the widest first, each with a `/`."""
    parts = source.split("/")[:-1]
    return ["/".join(parts[: n + 1]) + "/" for n in range(len(parts))]


# --- two lanes as one ------------------------------------------------------------


def one_lane(lanes: Sequence[Lane], plan: Plan, facts: PlanFacts) -> Lane:
    """The whole plan as a single lane, for a run that needs no team."""
    whole = lanes[0]
    for lane in lanes[1:]:
        whole = joined(whole, lane, facts)
    return msgspec.structs.replace(
        whole,
        title=plan.title[:TITLE_CHARACTERS_MAX],
        output="One finding that covers the whole goal.",
        objective=facts.goal,
        covers=plan.aspects or whole.covers,
        depends_on=(),
    )


def joined(a: Lane, b: Lane, facts: PlanFacts) -> Lane:
    """One lane that asks and may do what two did."""
    sources, avoided = _joint_sources(a, b, facts)
    needs = (*a.depends_on, *b.depends_on)
    return Lane(
        title=f"{a.title} and {b.title}"[:TITLE_CHARACTERS_MAX],
        output=_said_once(a.output, b.output),
        objective=_said_once(a.objective, b.objective),
        sources=sources,
        sources_avoided=avoided,
        boundaries=_joint_boundaries(a, b),
        acceptance=tuple(dict.fromkeys((*a.acceptance, *b.acceptance))),
        covers=_union(a.covers, b.covers),
        areas=_union(a.areas, b.areas),
        depends_on=_union(n for n in needs if n not in (a.title, b.title)),
        tools_avoided=_joint_tools(a, b, facts),
        writes=_union(a.writes, b.writes),
    )


def _joint_sources(a: Lane, b: Lane, facts: PlanFacts) -> tuple[tuple[str, ...], tuple[str, ...]]:
    """What either may read: by their own names if that says just that, else by exact ones."""
    sources = _union(a.sources, b.sources)
    either = _union(a.sources_avoided, b.sources_avoided)
    if not either:
        return sources, ()
    wanted = (_reads(a, facts) | _reads(b, facts)) - {*a.web, *b.web}
    avoided = tuple(one for one in either if not _named(facts, (one,)) & wanted)
    both = Lane(sources=sources, sources_avoided=avoided)
    if _named(facts, both.within) == wanted:
        return sources, avoided
    every = [size.source for size in facts.covered(None)]
    exact = exact_names([source for source in every if source in wanted], every)
    return (*exact, *_union(a.web, b.web)), avoided


def _joint_tools(a: Lane, b: Lane, facts: PlanFacts) -> tuple[str, ...]:
    """What either avoids; if nothing were left, what both do."""
    either = _union(a.tools_avoided, b.tools_avoided)
    if set(facts.worker.tools) - set(either):
        return either
    return tuple(tool for tool in a.tools_avoided if tool in b.tools_avoided)


def _joint_boundaries(a: Lane, b: Lane) -> tuple[str, ...]:
    """The bounds of both; one that only one of them has is said to be of that one."""
    lines = [
        line
        if line in other.boundaries or line.startswith(_OF_ONE)
        else f"{_OF_ONE}{lane.title}: {line}"
        for lane, other in ((a, b), (b, a))
        for line in lane.boundaries
    ]
    return _union(lines)


def _merged_pair(lanes: Sequence[Lane], a: Lane, b: Lane, facts: PlanFacts) -> list[Lane]:
    """Two lanes as one, with whatever would then wait for it and be waited for by it."""
    kept = list(lanes)
    pair: tuple[Lane, Lane] | None = (a, b)
    while pair is not None:
        first, second = sorted(pair, key=kept.index)
        both = _named_apart(kept, joined(first, second, facts))
        kept = _fused(kept, first, second, both)
        waits = {lane.title: _awaited(kept, lane.title) for lane in kept}
        pair = next(
            (
                (x, y)
                for x, y in combinations(kept, 2)
                if x.title in waits[y.title] and y.title in waits[x.title]
            ),
            None,
        )
    return kept


def _fused(
    lanes: Sequence[Lane], first: Lane, gone: Lane, merged: Lane, *, waits_for_gone: bool = True
) -> list[Lane]:
    """Put a merged lane in the place of the first; what waited for either waits for it."""
    names = {first.title: merged.title, gone.title: merged.title if waits_for_gone else None}
    kept = [merged if lane is first else lane for lane in lanes if lane is not gone]
    return [_needing(lane, names) for lane in kept]


def _needing(lane: Lane, names: Mapping[str, str | None]) -> Lane:
    """A lane that waits for others under their new names; for nothing where there is none."""
    needs = dict.fromkeys(names.get(needed, needed) for needed in lane.depends_on)
    depends_on = tuple(needed for needed in needs if needed not in (None, lane.title))
    return msgspec.structs.replace(lane, depends_on=depends_on)


def _named_apart(lanes: Sequence[Lane], merged: Lane) -> Lane:
    """The lane under a title that no other has."""
    taken = {lane.title for lane in lanes}
    title, number = merged.title, 2
    while title in taken:
        end = f" ({number})"
        title = merged.title[: TITLE_CHARACTERS_MAX - len(end)] + end
        number += 1
    return msgspec.structs.replace(merged, title=title)


def _reads(lane: Lane, facts: PlanFacts) -> frozenset[str]:
    return _named(facts, lane.within) | frozenset(lane.web)


def _named(facts: PlanFacts, within: tuple[str, ...]) -> frozenset[str]:
    return frozenset(size.source for size in facts.covered(within))


def _said_once(one: str, other: str) -> str:
    return one if other in one else f"{one} {other}"


def _union(*parts: Iterable[str]) -> tuple[str, ...]:
    return tuple(dict.fromkeys(text for part in parts for text in part))
