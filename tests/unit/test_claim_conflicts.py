"""Conflicts of a run: the fold of what was said, and which claims they strike out."""

from __future__ import annotations

from typing import Literal

import msgspec
import pytest

from bus.ids import GATE
from bus.messages import (
    Claim,
    ConflictJudged,
    ConflictRaised,
    ConflictRuled,
    TaskClaimed,
    TaskSettled,
    TaskState,
    TaskSubmitted,
)
from team.codes import RULES
from team.rules.conflicts import (
    comparison_id,
    current,
    standing,
    struck_claims,
    to_settle,
    unraised,
)
from team.rules.contradictions import pair_id
from team.rules.synthesis import admitted_claims, struck_lines, upheld_claims
from team.state import RunState
from team.views.lines import story_line
from team.views.report import report_page
from team.views.run_object import run_object
from team.views.text import show_text
from tests.support.builders import Story, a_claim, a_finding, a_judgement, a_story, a_verdict, opens

ONE = a_claim("c1", "The pool keeps 10 connections.")
OTHER = a_claim("c1", "The pool keeps 20 connections.")
NAME = pair_id("t1.c1", ONE, "t2.c1", OTHER)
RULED = ConflictRuled(stands="first", reason="two files say so")
COMPATIBLE = ConflictJudged(outcome="compatible", reason="of two pools")


def admits(story: Story, task: str, *claims: Claim, member: str = "ada") -> None:
    """A lane is worked on, judged by the gate, and admitted."""
    story.tell("task", task, body=opens(task))
    story.tell("task", task, author=member, body=TaskClaimed())
    seq = story.tell("finding", task, author=member, body=a_finding(*claims))
    story.tell("task", task, author=member, body=TaskSubmitted())
    story.tell("verdict", task, author=GATE, body=a_verdict(seq, a_judgement(check="quotes")))
    story.tell("task", task, body=TaskSettled(state="admitted"))


def a_conflict(*, is_certain: bool = True) -> Story:
    """Two admitted lanes whose claims contradict each other, and that is written down."""
    story = a_story()
    admits(story, "t1", ONE)
    admits(story, "t2", OTHER, a_claim("c2"), member="bea")
    raised = ConflictRaised(
        first="t1.c1", second="t2.c1", reason="10 against 20", is_certain=is_certain
    )
    story.tell("conflict", NAME, author=GATE, body=raised)
    return story


def compares(story: Story, judged: ConflictJudged, *, by: str = "vera") -> None:
    """A verifier is asked, and somebody says something."""
    task = comparison_id(NAME)
    story.tell(
        "task", task, body=opens("compare", role="skeptic", purpose="compare", offered_to="vera")
    )
    story.tell("task", task, author="vera", body=TaskClaimed())
    story.tell("conflict", NAME, author=by, body=judged)
    story.tell("task", task, author="vera", body=TaskSubmitted())


def claims_of(state: RunState) -> dict[str, Claim]:
    return {one.ref: one.claim for one in upheld_claims(state)}


def struck(story: Story) -> set[str]:
    return set(struck_claims(story.state, claims_of(story.state)))


def standing_of(story: Story) -> str:
    state = story.state
    return standing(state, state.conflicts.all[NAME])


# --- the fold --------------------------------------------------------------------


def test_only_the_gate_raises_a_conflict_and_only_once() -> None:
    story = a_story()
    raised = ConflictRaised(first="t1.c1", second="t2.c1", reason="first")
    for author in ("ada", "lead", "person"):
        story.tell("conflict", NAME, author=author, body=raised)

    assert not story.state.conflicts.all

    story.tell("conflict", NAME, author=GATE, body=raised)
    again = msgspec.structs.replace(raised, reason="second")
    story.tell("conflict", NAME, author=GATE, body=again)
    assert story.state.conflicts.all[NAME].raised.reason == "first"


@pytest.mark.parametrize(("author", "counts"), [("lead", True), ("person", True), ("ada", False)])
def test_only_the_lead_or_a_person_rules(author: str, counts: bool) -> None:
    story = a_conflict()
    seq = story.tell("conflict", NAME, author=author, body=RULED)

    conflict = story.state.conflicts.all[NAME]
    assert (conflict.ruling is not None) is counts
    assert conflict.head_seq == seq


def test_the_lead_rules_once_and_a_person_over_it() -> None:
    story = a_conflict()
    rulings: tuple[tuple[str, Literal["first", "second", "both"]], ...]
    rulings = (("lead", "first"), ("lead", "both"), ("person", "second"), ("lead", "both"))
    lost: list[set[str]] = []
    for author, stands in rulings:
        story.tell("conflict", NAME, author=author, body=ConflictRuled(stands=stands, reason="so"))
        lost.append(struck(story))

    assert lost == [{"t2.c1"}, {"t2.c1"}, {"t1.c1"}, {"t1.c1"}]


def test_the_next_write_follows_what_nobody_could_read() -> None:
    story = a_conflict()
    seq = story.tell("conflict", NAME, author=GATE)

    assert story.state.conflicts.all[NAME].head_seq == seq


# --- where it stands -------------------------------------------------------------


def test_facts_that_differ_are_open_at_once_and_twins_are_to_be_judged() -> None:
    assert standing_of(a_conflict()) == "open"
    assert standing_of(a_conflict(is_certain=False)) == "raised"


def test_what_the_verifier_that_was_asked_calls_compatible_is_no_conflict() -> None:
    story = a_conflict(is_certain=False)
    compares(story, COMPATIBLE)

    assert standing_of(story) == "compatible"
    assert struck(story) == set()


@pytest.mark.parametrize("outcome", ["contradict", "unsure"])
def test_any_other_answer_leaves_it_open(outcome: str) -> None:
    story = a_conflict(is_certain=False)
    compares(story, ConflictJudged(outcome=outcome, reason="one pool"))  # type: ignore[arg-type]

    assert standing_of(story) == "open"
    assert struck(story) == {"t1.c1", "t2.c1"}


@pytest.mark.parametrize("by", ["ada", "walt", "person"])
def test_the_word_of_who_was_not_asked_does_not_count(by: str) -> None:
    story = a_conflict(is_certain=False)
    compares(story, COMPATIBLE, by=by)

    assert standing_of(story) != "compatible"
    assert struck(story) == {"t1.c1", "t2.c1"}


def test_certain_conflicts_are_not_called_compatible_by_anybody() -> None:
    story = a_conflict(is_certain=True)
    compares(story, COMPATIBLE)

    assert standing_of(story) == "open"


# --- what is struck out ----------------------------------------------------------


@pytest.mark.parametrize(
    ("stands", "lost"),
    [
        ("first", {"t2.c1"}),
        ("second", {"t1.c1"}),
        ("both", set()),
        ("neither", {"t1.c1", "t2.c1"}),
    ],
)
def test_a_ruling_strikes_out_what_does_not_stand(stands: str, lost: set[str]) -> None:
    story = a_conflict()
    ruled = ConflictRuled(stands=stands, reason="so")  # type: ignore[arg-type]
    story.tell("conflict", NAME, body=ruled)

    assert struck(story) == lost
    refs = {one.ref for one in admitted_claims(story.state)}
    assert refs == {"t1.c1", "t2.c1", "t2.c2"} - lost
    assert len(struck_lines(story.state)) == len(lost)


def test_of_what_nobody_has_ruled_on_neither_stands() -> None:
    assert struck(a_conflict()) == {"t1.c1", "t2.c1"}
    assert struck(a_conflict(is_certain=False)) == {"t1.c1", "t2.c1"}


def test_the_reason_names_the_rival_and_the_ruling() -> None:
    story = a_conflict()
    story.tell("conflict", NAME, body=RULED)

    [line] = struck_lines(story.state)
    assert "claim t2.c1 of bea" in line
    assert "t1.c1" in line
    assert "two files say so" in line
    assert OTHER.text in line


def test_a_conflict_is_not_raised_again_for_the_same_words() -> None:
    story = a_story()
    admits(story, "t1", ONE)
    admits(story, "t2", OTHER, member="bea")
    [pair] = unraised(story.state, claims_of(story.state))
    assert pair.id == NAME

    story = a_conflict()
    assert unraised(story.state, claims_of(story.state)) == ()


def test_a_ruling_does_not_meet_a_claim_that_was_revised() -> None:
    """Its lane was worked on again: other words, so another conflict, raised anew."""
    story = a_conflict()
    story.tell("conflict", NAME, body=RULED)
    revised = a_claim("c1", "The pool keeps 30 connections.")
    story.tell("task", "t2", body=opens("t2", round=2))
    story.tell("task", "t2", author="bea", body=TaskClaimed())
    seq = story.tell("finding", "t2", author="bea", body=a_finding(revised, round=2))
    story.tell("task", "t2", author="bea", body=TaskSubmitted())
    story.tell("verdict", "t2", author=GATE, body=a_verdict(seq, a_judgement(check="quotes")))
    story.tell("task", "t2", body=TaskSettled(state="admitted"))

    state = story.state
    assert state.board.tasks["t2"].state is TaskState.admitted
    assert current(state, claims_of(state)) == []
    assert struck(story) == set()
    [pair] = unraised(state, claims_of(state))
    assert pair.id == pair_id("t1.c1", ONE, "t2.c1", revised)


def test_a_finding_that_nobody_judged_does_not_lift_a_ruling() -> None:
    """Whoever submits after the lane was settled changes nothing."""
    story = a_conflict()
    story.tell("conflict", NAME, body=RULED)
    late = a_finding(a_claim("c1", "The pool keeps 30 connections."))
    story.tell("finding", "t2", author="bea", body=late)

    assert struck(story) == {"t2.c1"}


def test_a_conflict_with_a_claim_that_is_ruled_out_is_settled() -> None:
    story = a_conflict()
    third = a_claim("c1", "The pool keeps 40 connections.")
    admits(story, "t3", third, member="cleo")
    for first, claim in (("t1.c1", ONE), ("t2.c1", OTHER)):
        name = pair_id(first, claim, "t3.c1", third)
        raised = ConflictRaised(first=first, second="t3.c1", reason="40", is_certain=True)
        story.tell("conflict", name, author=GATE, body=raised)
    story.tell("conflict", NAME, body=RULED)

    state = story.state
    assert [one.raised.first for one in to_settle(state, claims_of(state))] == ["t1.c1"]
    assert struck(story) == {"t1.c1", "t2.c1", "t3.c1"}
    story.tell("conflict", pair_id("t1.c1", ONE, "t3.c1", third), body=RULED)
    assert struck(story) == {"t2.c1", "t3.c1"}


def test_each_reason_names_the_rule_that_the_catalogue_explains() -> None:
    """What lost a ruling, and what nobody settled, are told apart."""
    story = a_conflict()
    unsettled = struck_lines(story.state)
    story.tell("conflict", NAME, body=RULED)
    ruled = struck_lines(story.state)

    assert all("G302" in line for line in unsettled)
    assert all("G301" in line for line in ruled)
    assert {"G301", "G302", "G303"} <= RULES.keys()


# --- how it is shown -------------------------------------------------------------


def test_a_run_shows_its_conflicts_with_what_was_said_and_struck() -> None:
    story = a_conflict(is_certain=False)
    compares(story, ConflictJudged(outcome="contradict", reason="one pool"))
    story.tell("conflict", NAME, body=RULED)
    state = story.state

    shown = run_object("r1", state, is_live=False)

    [row] = shown.conflicts
    assert (row.first, row.second, row.state, row.ruling) == ("t1.c1", "t2.c1", "ruled", "first")
    assert (row.judged, row.struck) == ("contradict: one pool", ("t2.c1",))
    assert [line for line in shown.rejected if "t2.c1" in line]
    page = report_page(shown, state)
    for said in ("10 against 20", "A verifier: contradict: one pool", "Struck out: t2.c1"):
        assert said in page
    assert "t1.c1 / t2.c1" in show_text(shown)


def test_a_conflict_of_claims_that_have_changed_is_shown_as_outdated() -> None:
    story = a_conflict()
    story.tell("task", "t2", body=opens("t2", round=2))

    [row] = run_object("r1", story.state, is_live=False).conflicts

    assert (row.state, row.struck) == ("outdated", ())


def test_each_message_of_a_conflict_is_told_in_a_line() -> None:
    story = a_conflict()
    story.tell("conflict", NAME, author="vera", body=COMPATIBLE)
    story.tell("conflict", NAME, body=RULED)

    told = [story_line(record) or "" for record in story.records[-3:]]

    assert "t1.c1 and t2.c1 contradict each other: 10 against 20" in told[0]
    assert "compatible: of two pools" in told[1]
    assert "first stands. two files say so" in told[2]
