"""The rehearsal model compares claims and rules on them: by words and by counting, no more."""

from __future__ import annotations

import pytest

from team.agent.briefing import Briefing, ConflictCase
from tests.support.builders import a_claim, an_evidence
from tests.support.rehearsed import SENTENCE, conversed


@pytest.mark.parametrize(
    ("first", "second", "outcome"),
    [
        (SENTENCE, SENTENCE.replace("ten", "twelve"), "contradict"),
        (SENTENCE, SENTENCE.replace("keeps", "never keeps"), "contradict"),
        (SENTENCE, SENTENCE.replace("open", "closed"), "contradict"),
        (SENTENCE, SENTENCE, "compatible"),
        (SENTENCE + " Ask Ada.", SENTENCE + " Ask Bea.", "compatible"),
        (f"In docs: {SENTENCE}", SENTENCE.replace("ten", "twelve"), "contradict"),
        (f"In docs: {SENTENCE}", "In code: " + SENTENCE.replace("ten", "twelve"), "compatible"),
    ],
)
def test_a_verifier_compares_by_opposite_words(first: str, second: str, outcome: str) -> None:
    material = (a_claim("first", first), a_claim("second", second))

    given_, called = conversed(Briefing(kind="compare", me="vera", material=material))

    assert called == ["submit_comparison"]
    assert given_["outcome"] == outcome
    assert given_["reason"]


@pytest.mark.parametrize(
    ("source", "stands"), [("docs/a.md", "second"), ("docs/pool.md", "neither")]
)
def test_the_lead_counts_the_files_that_say_what(source: str, stands: str) -> None:
    """The search shows the second claim's quote in docs/pool.md, cited or not."""
    claims = [
        a_claim(name, quote, evidence=(an_evidence(quote, source),))
        for name, quote, source in (
            ("first", SENTENCE.replace("ten", "twelve"), "docs/a.md"),
            ("second", SENTENCE, source),
        )
    ]
    case = ConflictCase(first=claims[0], second=claims[1], reason="10 against 12")

    given_, called = conversed(Briefing(kind="conflict", me="lead", conflict=case))

    assert called[-1] == "submit_conflict_ruling"
    assert given_["stands"] == stands
