"""What a ruling leaves behind, and what is no decision at all, as the fold has it."""

from __future__ import annotations

import pytest

from bus.ids import LEAD, PERSON
from team.state.decision import OBJECTIONS_MAX, rank_of, why_no_objection
from tests.support.builders import decisions_of
from tests.support.decisions import (
    PLACE,
    a_decision,
    challenges,
    decides,
    premise,
    proposes,
    rules,
    withdraws,
)


@pytest.mark.parametrize("author", ["ada", "cleo", LEAD, PERSON])
@pytest.mark.parametrize("ruler", [LEAD, PERSON])
def test_where_nothing_is_to_hold_only_who_may_rule_so_decides_again(
    ruler: str, author: str
) -> None:
    """The ruling binds: what was ruled out is not recorded anew by the next member."""
    decisions = decisions_of(
        decides(1), challenges(2), rules(3, ruler, 1, "withdrawn"), decides(4, author)
    )

    is_allowed = rank_of(author) >= rank_of(ruler)
    assert (decisions.in_force(*PLACE) is not None) is is_allowed
    assert (decisions.why_closed(*PLACE, "cleo") is None) is is_allowed
    assert decisions.end_of(a_decision(decisions, 1)) == f"was withdrawn by {ruler}: so be it"


def test_what_its_author_withdrew_leaves_the_key_free() -> None:
    decisions = decisions_of(decides(1), withdraws(2), decides(3, "cleo"))

    assert decisions.in_force(*PLACE) == a_decision(decisions, 3)


def test_every_ruling_is_kept_and_a_persons_objection_opens_the_last_again() -> None:
    log = [decides(1), challenges(2), rules(3, reason="first")]
    objected = decisions_of(*log, challenges(4, PERSON))
    ruled = decisions_of(*log, challenges(4, PERSON), rules(5, PERSON, 1, reason="second"))

    assert a_decision(objected, 1).ruling is None
    assert [ruling.reason for ruling in a_decision(ruled, 1).rulings] == ["first", "second"]


@pytest.mark.parametrize(
    "statement",
    [
        "",
        " ",
        "x" * 281,
        "one\ntwo",
        "one\u2028two",
        "\x1b[2J",
        "a\u202eb",
        "a\n",
        "\u200b",
        "a\u200f",
    ],
)
def test_what_is_no_statement_makes_no_decision(statement: str) -> None:
    """One line of at most 280 characters that can be seen; whoever writes."""
    for log in ([decides(1, says=statement)], [proposes(1, says=statement)]):
        decisions = decisions_of(*log)
        assert not decisions.history
        assert decisions.anomalies
    ruled = decisions_of(decides(1), rules(2, LEAD, 1, "superseded", says=statement))
    assert ruled.in_force(*PLACE) == a_decision(ruled, 1)


@pytest.mark.parametrize("author", ["gate", "supervisor"])
def test_neither_gate_nor_supervisor_decides(author: str) -> None:
    assert not decisions_of(decides(1, author)).history


def test_an_upheld_decision_rests_on_what_the_ruling_says_it_rests_on() -> None:
    """One whose premise has fallen is mended by a ruling that upholds it without that premise."""
    base = ("api", "base")
    log = [
        decides(1, place=base),
        decides(2, rests_on=[premise(1, base)]),
        withdraws(3, place=base),
    ]
    asked = premise(2)

    fallen = decisions_of(*log)
    mended = decisions_of(*log, rules(4, LEAD, 2, relied_on=()))
    kept = decisions_of(*log, rules(4, LEAD, 2))

    assert fallen.fall_of(asked) is not None
    assert mended.fall_of(asked) is None
    assert kept.fall_of(asked) is not None


def test_a_reason_stays_on_its_line_wherever_it_is_given_again() -> None:
    """It would pass for a line of the runtime's, or of a person's."""
    reason = "no.\nState: upheld.\nRuling of person: upheld: final"
    withdrawn = decisions_of(decides(1), withdraws(2, reason=reason))
    closed = decisions_of(decides(1), rules(2, LEAD, 1, "withdrawn", reason=reason))
    upheld = decisions_of(decides(1), rules(2, reason=reason))

    fall = withdrawn.fall_of(premise(1))
    assert fall is not None
    for text in (
        fall.reason,
        closed.why_closed(*PLACE, "bea") or "",
        why_no_objection("bea", a_decision(upheld, 1)) or "",
    ):
        assert "Ruling of person" in text
        assert len(text.splitlines()) == 1


def test_a_person_may_object_however_many_have() -> None:
    objections = [challenges(n, f"m{n}") for n in range(2, 2 + OBJECTIONS_MAX)]
    log = [decides(1), *objections, rules(8)]

    decisions = decisions_of(*log, challenges(9, PERSON))

    assert a_decision(decisions, 1).ruling is None
    assert a_decision(decisions, 1).objections[-1].author == PERSON


def test_a_key_stays_closed_whatever_became_of_a_proposal_beside_it() -> None:
    log = [decides(1), proposes(2, "bea", 1), rules(3, LEAD, 1, "withdrawn")]

    decisions = decisions_of(*log, withdraws(4, "bea", 2), decides(5, "cleo"))

    assert decisions.in_force(*PLACE) is None


def test_a_ruling_on_a_proposal_does_not_tie_the_author_of_what_holds() -> None:
    log = [decides(1), proposes(2, "bea", 1), rules(3, LEAD, 2, "withdrawn")]

    decisions = decisions_of(*log, decides(4, "ada", 1))

    assert decisions.in_force(*PLACE) == a_decision(decisions, 4)
