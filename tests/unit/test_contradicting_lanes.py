"""Pairs of lanes through the real gate: of claims that contradict each other never both get in."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator

import pytest

from team.rules.conflicts import comparison_id
from team.sources import Library
from team.state import Conflict
from tests.support.adversarial_sources import a_library_of_all
from tests.support.contradicting_cases import (
    TwoLanes,
    agreeing,
    contradicting,
    misjudged_pairs,
    unseen_pairs,
)
from tests.unit.test_adversarial import Played, play
from tests.unit.test_docs import DOCS, rows

PAIRS = 4
HEADS = ("pair", "pairs", "both reached the result", "one", "neither", "found by")


class PlayedPair:
    """What became of two lanes of a run."""

    def __init__(self, run: Played, pair: TwoLanes, place: int) -> None:
        self.run, self.pair = run, pair
        self.refs = (f"t{2 * place + 1}.c1", f"t{2 * place + 2}.c1")

    @property
    def cited(self) -> list[str]:
        """Which of the two claims the result cites."""
        return [c.ref for c in self.run.result.citations if c.ref in self.refs]

    @property
    def conflict(self) -> Conflict | None:
        """The conflict between the two, if one was raised."""
        for one in self.run.team.state.conflicts.all.values():
            if (one.raised.first, one.raised.second) == self.refs:
                return one
        return None

    @property
    def found_by(self) -> str:
        conflict = self.conflict
        if conflict is None:
            return "nothing"
        return "facts" if conflict.raised.is_certain else "wording"

    def text_of(self, ref: str) -> str:
        return (self.pair.first if ref == self.refs[0] else self.pair.second).text


@pytest.fixture(scope="module")
def library(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Library]:
    with a_library_of_all(tmp_path_factory.mktemp("corpora")) as opened:
        yield opened


@pytest.fixture(scope="module")
def played(library: Library) -> list[PlayedPair]:
    """Contradicting and agreeing pairs mixed, so that each run has some of both."""
    bad, good = contradicting(), agreeing()
    ordered: list[TwoLanes] = []
    while bad or good:
        ordered += [pairs.pop(0) for pairs in (bad, good) if pairs]
    return play_pairs(library, ordered)


def play_pairs(library: Library, pairs: list[TwoLanes]) -> list[PlayedPair]:
    """Play runs of some pairs each, to the end."""
    batches = [pairs[at : at + PAIRS] for at in range(0, len(pairs), PAIRS)]
    runs = play(library, [[one for pair in batch for one in pair.cases] for batch in batches])
    return [
        PlayedPair(run, pair, place)
        for run, batch in zip(runs, batches, strict=True)
        for place, pair in enumerate(batch)
    ]


def test_of_a_contradicting_pair_never_both_claims_reach_the_result(
    played: list[PlayedPair],
) -> None:
    for one in played:
        if not one.pair.is_sound:
            assert len(one.cited) < 2, one.pair
            texts = [one.text_of(ref) for ref in one.refs]
            assert sum(text in one.run.answer for text in texts) == len(one.cited), texts


def test_each_finding_was_sound_by_itself(played: list[PlayedPair]) -> None:
    """Else something else would have kept it out."""
    for one in played:
        for ref in one.refs:
            assert one.run.admitted(int(ref.split(".")[0][1:])), one.text_of(ref)


def test_the_result_says_what_was_struck_out_and_why(played: list[PlayedPair]) -> None:
    for one in played:
        struck = [ref for ref in one.refs if ref not in one.cited]
        for ref in struck:
            rival = one.refs[1 - one.refs.index(ref)]
            [line] = [line for line in one.run.result.rejected if one.text_of(ref) in line]
            assert f"G301: it contradicts {rival}: " in line
            assert "Files that say so" in line
            assert line in one.run.result.text or one.run.result.status == "rejected"


def test_the_claim_that_more_files_state_is_the_one_that_stands(played: list[PlayedPair]) -> None:
    """So that keeping both out of every pair is not what makes the others hold."""
    notes = "700 litres", "not tested", "forbidden", "Current from"
    for one in played:
        if not one.pair.is_sound:
            has_two = any(words in one.pair.second.text for words in notes)
            assert one.cited == ([one.refs[1]] if has_two else []), one.pair.second.text


def test_wording_is_put_to_a_verifier_and_facts_are_not(played: list[PlayedPair]) -> None:
    for one in played:
        if one.conflict is not None:
            task = one.run.team.state.board.tasks.get(comparison_id(one.conflict.id))
            assert (task is None) == one.conflict.raised.is_certain
            assert [author for author, _ in one.conflict.judgements] == ["vera"] * (
                not one.conflict.raised.is_certain
            )


def test_what_a_lane_says_besides_is_used(played: list[PlayedPair]) -> None:
    """A lane that lost one claim still answers with its others."""
    for one in played:
        if one.pair.beside is not None:
            ref = one.refs[1].replace(".c1", ".c2")
            assert ref in [citation.ref for citation in one.run.result.citations]


def test_both_claims_of_every_sound_pair_reach_the_result(played: list[PlayedPair]) -> None:
    kept_out = [
        (one.pair.kind, one.pair.first.text, one.run.result.rejected)
        for one in played
        if one.pair.is_sound and len(one.cited) != 2
    ]

    assert not kept_out, "\n".join(map(str, kept_out))


def test_the_set_of_pairs_is_as_large_as_it_should_be() -> None:
    assert len(contradicting()) >= 8
    assert len(agreeing()) >= 6
    assert len({pair.kind for pair in contradicting()}) == 4


def figures(played: list[PlayedPair]) -> list[tuple[str, ...]]:
    """By kind: how many pairs, of how many both, one or neither got in, and what saw them."""
    kinds: dict[str, list[PlayedPair]] = {}
    for one in played:
        kinds.setdefault(one.pair.kind, []).append(one)
    table = []
    for kind in sorted(kinds, key=lambda kind: (kind.startswith("sound"), kind)):
        pairs = kinds[kind]
        cited = Counter(len(one.cited) for one in pairs)
        found = sorted(Counter(one.found_by for one in pairs).items())
        by = ", ".join(f"{name} {count}" for name, count in found)
        table.append((kind, *map(str, (len(pairs), cited[2], cited[1], cited[0])), by))
    return table


def test_the_figures_on_pairs_in_the_documents_are_those_of_the_run(
    played: list[PlayedPair],
) -> None:
    wanted = figures(played)

    said = rows(DOCS / "gate.md", *HEADS)

    assert said == wanted, "\n" + "\n".join(f"| {' | '.join(row)} |" for row in wanted)


def test_what_the_documents_say_of_pairs_that_are_misjudged_holds(library: Library) -> None:
    """Contradictions of which both get in, and sound pairs of which not both do."""
    pairs = [*unseen_pairs(), *misjudged_pairs()]

    both = [len(one.cited) == 2 for one in play_pairs(library, pairs)]

    assert both == [True] * len(unseen_pairs()) + [False] * len(misjudged_pairs())
    text = " ".join((DOCS / "gate.md").read_text().split())
    for pair in pairs:
        assert f"“{pair.first.text}” beside “{pair.second.text}”" in text
