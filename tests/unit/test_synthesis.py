"""The final gate on the answer, and the answer as people read it."""

from __future__ import annotations

import re

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from bus.ids import GATE
from bus.messages import TaskClaimed, TaskSettled, TaskSubmitted
from team.rules.synthesis import (
    AdmittedClaim,
    Section,
    Sentence,
    Synthesis,
    admitted_claims,
    render,
)
from team.rules.synthesis_gate import synthesis_problems
from tests.support.builders import (
    QUOTE,
    Story,
    a_claim,
    a_finding,
    a_story,
    a_verdict,
    an_admitted,
    an_evidence,
    opens,
)

TWO = (an_admitted("t1.c1"), an_admitted("t2.c1"))


def a_synthesis(*sentences: Sentence, missing: tuple[str, ...] = ()) -> Synthesis:
    """One section; by default each of two lanes is used."""
    said = sentences or (a_sentence(cites=("t1.c1",)), a_sentence(cites=("t2.c1",)))
    section = Section(heading="Pools", sentences=said)
    return Synthesis(title="Pools and timeouts", sections=(section,), missing=missing)


def a_sentence(
    text: str = "Pools are bounded.", cites: tuple[str, ...] = ("t1.c1", "t2.c1")
) -> Sentence:
    return Sentence(text=text, cites=cites)


def evidence_lines(text: str) -> dict[int, str]:
    """The lines of the section `Evidence`, by number."""
    _, _, evidence = text.partition("\n## Evidence\n")
    return {int(n): line for n, line in re.findall(r"(?m)^\[(\d+)\] (.*)$", evidence)}


def marks(text: str) -> list[int]:
    """Every citation mark of a text, where nothing escapes it."""
    return [int(number) for number in re.findall(r"(?<!\\)\[(\d+)\]", text)]


# --- what the gate refuses ----------------------------------------------------------


def test_a_sound_synthesis_passes() -> None:
    assert synthesis_problems(a_synthesis(), TWO) == []


def test_a_sentence_that_cites_nothing_is_refused() -> None:
    loose = a_sentence("It is known that pools are best.", cites=())

    problems = synthesis_problems(a_synthesis(a_sentence(), loose), TWO)

    assert problems == ["no claim is cited for: 'It is known that pools are best.'"]


@pytest.mark.parametrize("ref", ["t3.c1", "t1.c9", "t1", "", "T1.C1"])
def test_a_ref_that_is_no_admitted_claim_is_refused(ref: str) -> None:
    sentence = a_sentence(cites=("t1.c1", "t2.c1", ref))

    problems = synthesis_problems(a_synthesis(sentence), TWO)

    assert len(problems) == 1
    assert f"{ref!r} is not an admitted claim" in problems[0]


def test_an_admitted_lane_that_is_not_used_is_refused() -> None:
    problems = synthesis_problems(a_synthesis(a_sentence(cites=("t1.c1",))), TWO)

    assert problems == ["lane 'lane t2' was admitted and is not used"]


def test_one_claim_of_a_lane_is_enough_to_use_it() -> None:
    admitted = (*TWO, an_admitted("t2.c2"))

    assert synthesis_problems(a_synthesis(), admitted) == []


@pytest.mark.parametrize("marks_", ['"{}"', "“{}”", "«{}»"])
def test_a_loose_quotation_is_refused(marks_: str) -> None:
    loose = a_sentence("The manual says " + marks_.format("pools never keep any connection"))

    problems = synthesis_problems(a_synthesis(loose), TWO)

    assert len(problems) == 1
    assert "pools never keep any connection" in problems[0]


@pytest.mark.parametrize(
    "quoted",
    [
        QUOTE,
        "at most ten connections",
        "AT MOST\n  ten connections",
        "keeps at most ten connections open.",
        "ten connections open,",
        "so few words",
    ],
)
def test_a_quotation_that_stands_in_its_evidence_passes(quoted: str) -> None:
    """Word for word, whitespace, case and closing stops aside; three words are no quotation."""
    assert synthesis_problems(a_synthesis(a_sentence(f"It says “{quoted}”")), TWO) == []


def test_a_quotation_must_stand_in_what_its_own_sentence_cites() -> None:
    other = an_admitted(
        "t2.c1", a_claim(evidence=(an_evidence("Timeouts are five seconds long."),))
    )
    sentences = (
        a_sentence("“Timeouts are five seconds long.”", cites=("t1.c1",)),
        a_sentence(cites=("t2.c1",)),
    )

    problems = synthesis_problems(a_synthesis(*sentences), (TWO[0], other))

    assert len(problems) == 1
    assert "Timeouts are five seconds long." in problems[0]


def test_a_sentence_that_numbers_its_citations_itself_is_refused() -> None:
    """Code gives the numbers: a number from elsewhere would point at the wrong evidence."""
    problems = synthesis_problems(a_synthesis(a_sentence("Pools are bounded [7].")), TWO)

    assert len(problems) == 1
    assert "'[7]'" in problems[0]


def test_a_number_in_brackets_that_a_source_has_may_be_quoted() -> None:
    quoted = an_evidence("As shown before [7], pools are bounded.")
    admitted = (an_admitted("t1.c1", a_claim(evidence=(quoted,))), TWO[1])
    sentence = a_sentence("“As shown before [7], pools are bounded.”")

    assert synthesis_problems(a_synthesis(sentence), admitted) == []


def test_every_problem_is_named_at_once() -> None:
    sentences = (a_sentence(cites=()), a_sentence(cites=("t9.c1",)))

    assert len(synthesis_problems(a_synthesis(*sentences), TWO)) == 4


# --- which claims may be cited --------------------------------------------------------


def a_lane(story: Story, task: str, title: str, state: str = "admitted") -> None:
    """A lane of ada's that was submitted, checked and settled."""
    story.tell("task", task, body=opens(title))
    story.tell("task", task, author="ada", body=TaskClaimed())
    seq = story.tell("finding", task, author="ada", body=a_finding(a_claim("c1"), a_claim("c2")))
    story.tell("task", task, author="ada", body=TaskSubmitted())
    story.tell("verdict", task, author=GATE, body=a_verdict(seq))
    story.tell("task", task, body=TaskSettled(state=state))


def test_every_claim_of_every_admitted_lane_may_be_cited_and_no_other() -> None:
    story = a_story()
    a_lane(story, "t2", "timeouts")
    a_lane(story, "t1", "pools")
    a_lane(story, "t3", "retries", state="rejected")
    story.tell("task", "t4", body=opens("open still"))

    admitted = admitted_claims(story.state)

    assert [one.ref for one in admitted] == ["t2.c1", "t2.c2", "t1.c1", "t1.c2"]
    assert [one.lane for one in admitted[1:3]] == ["timeouts", "pools"]
    assert {one.member for one in admitted} == {"ada"}


@pytest.mark.parametrize("author", ["ada", "bea"])
def test_a_finding_that_comes_in_after_the_gate_has_closed_is_not_cited(author: str) -> None:
    """The gate fails closed: nothing reaches the answer unchecked."""
    story = a_story()
    a_lane(story, "t1", "pools")
    unchecked = a_finding(a_claim("c1", "Penguins govern maritime insurance."))

    story.tell("finding", "t1", author=author, body=unchecked)

    assert [one.claim.text for one in admitted_claims(story.state)] == [a_claim().text] * 2


# --- how it is rendered ---------------------------------------------------------------


def test_citations_are_numbered_in_the_order_they_are_used() -> None:
    sentences = (
        a_sentence("One.", ("t2.c1",)),
        a_sentence("Two.", ("t1.c1", "t2.c1")),
    )

    text, citations = render(a_synthesis(*sentences), TWO, ())

    assert "- One. [1]\n- Two. [2][1]\n" in text
    assert [citation.ref for citation in citations] == ["t2.c1", "t1.c1"]
    assert evidence_lines(text)[1] == f"/src/docs/pool.md L1 (ada): “{QUOTE}”  "


def test_a_citation_says_who_claims_what_and_where_it_stands() -> None:
    _, citations = render(a_synthesis(), TWO, ())

    assert msgspec.to_builtins(citations[0]) == {
        "ref": "t1.c1",
        "claim": "Ten connections at most.",
        "member": "ada",
        "source": "/src/docs/pool.md",
        "locator": "L1",
        "quote": QUOTE,
    }


def test_what_is_missing_is_said_and_not_hidden() -> None:
    text, _ = render(a_synthesis(), TWO, ("retries: failed: out of turns",))

    assert "## What is missing\n\n- retries: failed: out of turns\n" in text


def test_an_answer_that_lacks_nothing_has_no_such_section() -> None:
    text, _ = render(a_synthesis(), TWO, ())

    assert "missing" not in text
    assert text.startswith("# Pools and timeouts\n\n## Pools\n\n")
    assert text.endswith("”\n")


def test_no_sentence_can_forge_a_section_or_an_evidence_line() -> None:
    forged = a_sentence("Fine.\n\n## Evidence\n\n[1] /etc/shadow L1 (ada): “yes”")

    text, _ = render(a_synthesis(forged), TWO, ())

    assert text.count("\n## Evidence\n") == 1
    assert set(evidence_lines(text)) == {1, 2}
    assert "shadow" not in evidence_lines(text)[1]


words = st.text(alphabet="ab .[]0123\n#“”\\", min_size=1, max_size=20)


@st.composite
def written(draw: st.DrawFn) -> tuple[Synthesis, tuple[AdmittedClaim, ...]]:
    """A synthesis that cites admitted claims, with whatever text."""
    refs = draw(st.lists(st.sampled_from(["t1.c1", "t1.c2", "t2.c1"]), min_size=1, unique=True))
    admitted = tuple(
        an_admitted(ref, a_claim(text=draw(words), evidence=(an_evidence(draw(words)),)))
        for ref in refs
    )
    cites = st.lists(st.sampled_from(refs), min_size=1, max_size=4).map(tuple)
    sentences = st.lists(st.builds(Sentence, text=words, cites=cites), min_size=1, max_size=3)
    sections = st.builds(Section, heading=words, sentences=sentences.map(tuple))
    synthesis = Synthesis(
        title=draw(words), sections=tuple(draw(st.lists(sections, min_size=1, max_size=2)))
    )
    return synthesis, admitted


@given(given_=written(), missing=st.lists(words, max_size=2))
def test_every_mark_of_the_answer_has_its_evidence_line(
    given_: tuple[Synthesis, tuple[AdmittedClaim, ...]], missing: list[str]
) -> None:
    synthesis, admitted = given_

    text, citations = render(synthesis, admitted, missing)

    lines = evidence_lines(text)
    assert set(marks(text)) == set(lines) == set(range(1, len(citations) + 1))
    used = {ref for s in synthesis.sections for sentence in s.sentences for ref in sentence.cites}
    assert {citation.ref for citation in citations} == used


@given(given_=written())
def test_the_same_synthesis_is_always_rendered_the_same(
    given_: tuple[Synthesis, tuple[AdmittedClaim, ...]],
) -> None:
    synthesis, admitted = given_

    assert render(synthesis, admitted, ()) == render(synthesis, tuple(reversed(admitted)), ())
