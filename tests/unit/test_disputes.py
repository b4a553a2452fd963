"""Disputes over decisions: when the lead rules, what waits for it, who hears of it."""

from __future__ import annotations

import msgspec
import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from bus.ids import LEAD, PERSON
from bus.messages import (
    DecisionProposed,
    DecisionRuled,
    DecisionWithdrawn,
    MemberLeft,
    Premise,
    RulingOutcome,
)
from team.rules import steps
from team.rules.disputes import areas_needed, next_ruling_at, ripe_dispute, rules_at
from team.state import DecisionState
from tests.support.builders import OPENED_AT, a_claim, a_finding, a_premise
from tests.support.decisions import (
    KEY,
    PLACE,
    DecidingTeam,
    Move,
    a_decision,
    challenges,
    moves,
    premise,
    rebuts,
    told,
)

REBUTTAL_S = 60.0
"""What the policy grants an author, as the built-in spec has it."""


def a_team(**policy: int | float) -> DecidingTeam:
    """Ada has lane t1 and bea t2; nobody has claimed anything yet."""
    team = DecidingTeam(**policy)
    team.lead()
    team.done.clear()
    return team


def object_(team: DecidingTeam, author: str, revision: int) -> int:
    return team.log(author, challenges(1, author, revision).body)


def answer(team: DecidingTeam, author: str, revision: int) -> int:
    return team.log(author, rebuts(1, author, revision).body)


def a_dispute(author: str = "ada") -> tuple[DecidingTeam, int]:
    """Ada's decision, to which bea objects now."""
    team = a_team()
    decided = team.decide(author)
    object_(team, "bea", decided)
    return team, decided


# --- when ----------------------------------------------------------------------------


def test_without_a_dispute_there_is_nothing_to_rule_on() -> None:
    team = a_team()
    team.decide("ada")

    assert ripe_dispute(team.state, team.now) is None
    assert next_ruling_at(team.state) is None


def test_the_author_has_time_to_answer_then_the_lead_rules() -> None:
    team, decided = a_dispute()
    ripe_at = team.now + REBUTTAL_S

    assert next_ruling_at(team.state) == ripe_at
    assert ripe_dispute(team.state, ripe_at - 0.1) is None
    assert ripe_dispute(team.state, ripe_at) == a_decision(team.state.decisions, decided)


BASE = ("api", "base")


def a_fallen_decision(**more: object) -> tuple[DecidingTeam, int]:
    """Ada's decision rests on one of bea's, which bea has just withdrawn."""
    team = a_team()
    base = team.decide("bea", BASE)
    rests = Premise(area=BASE[0], key=BASE[1], revision=base)
    decided = team.decide("ada", relied_on=(rests,))
    if more:
        team.log(LEAD, DecisionRuled(revision=decided, outcome="upheld", reason="heard"))
    team.log("bea", DecisionWithdrawn(revision=base, reason="no use"), BASE)
    return team, decided


def test_the_author_of_a_fallen_decision_has_time_to_mend_it_then_the_lead_rules() -> None:
    """It holds and nothing may rest on it: somebody must end that."""
    team, decided = a_fallen_decision()
    fallen_at = a_decision(team.state.decisions, decided).at

    assert ripe_dispute(team.state, fallen_at + REBUTTAL_S - 1) is None
    ripe = ripe_dispute(team.state, fallen_at + 2 * REBUTTAL_S)
    assert ripe == a_decision(team.state.decisions, decided)


def test_on_a_fallen_decision_that_its_author_may_not_mend_the_lead_rules_at_once() -> None:
    """It was upheld: no member may replace, withdraw or challenge it any more."""
    team, decided = a_fallen_decision(is_upheld=True)

    assert ripe_dispute(team.state, team.now) == a_decision(team.state.decisions, decided)


def test_nobody_waits_for_the_ruling_on_a_fallen_decision() -> None:
    team, _ = a_fallen_decision()

    assert next_ruling_at(team.state) is None


def test_the_lead_rules_twice_at_most_on_one_fall_whatever_it_rules() -> None:
    """A ruling may miss the fall by a moment; one that mends nothing is not asked for for ever."""
    team, decided = a_fallen_decision(is_upheld=True)
    team.log(LEAD, DecisionRuled(revision=decided, outcome="upheld", reason="still"))
    assert ripe_dispute(team.state, team.now) is not None
    team.log(LEAD, DecisionRuled(revision=decided, outcome="upheld", reason="still"))

    assert ripe_dispute(team.state, team.now + 9 * REBUTTAL_S) is None


def test_once_the_author_has_spoken_after_the_last_objection_the_lead_rules_at_once() -> None:
    """One answer may meet several objections; nobody waits for another."""
    team, decided = a_dispute()
    object_(team, "cleo", decided)
    assert ripe_dispute(team.state, team.now) is None

    answer(team, "ada", decided)

    assert team.next() == steps.Rule(revision=decided)


def test_each_objection_gives_the_author_its_time_anew() -> None:
    team, decided = a_dispute()
    team.now += REBUTTAL_S - 1
    object_(team, "cleo", decided)

    assert next_ruling_at(team.state) == team.now + REBUTTAL_S


@pytest.mark.parametrize("end", ["lost", "left"])
def test_if_the_author_is_gone_the_lead_does_not_wait_for_it(end: str) -> None:
    team, decided = a_dispute()
    if end == "lost":
        team.lose("ada")
    else:
        team.story.tell("member", "ada", author="ada", body=MemberLeft(reason="done"))

    ripe = ripe_dispute(team.state, team.now)

    assert ripe == a_decision(team.state.decisions, decided)


def test_a_proposal_is_ruled_on_at_once_and_a_challenged_one_once_it_is_answered() -> None:
    team = a_team()
    proposed = team.log("ada", DecisionProposed(statement="Cursors."))
    assert team.next() == steps.Rule(revision=proposed)

    object_(team, "bea", proposed)

    assert ripe_dispute(team.state, team.now) is None
    answer(team, "ada", proposed)
    assert team.next() == steps.Rule(revision=proposed)


def test_the_oldest_ripe_dispute_comes_first() -> None:
    team = a_team()
    first, second = team.decide("ada", ("api", "a")), team.decide("ada", ("api", "b"))
    for revision, key in ((second, "b"), (first, "a")):
        team.log("bea", challenges(1, "bea", revision).body, ("api", key))
    decisions = team.state.decisions

    team.now += REBUTTAL_S

    assert ripe_dispute(team.state, team.now) == a_decision(decisions, first)
    assert next_ruling_at(team.state) == rules_at(team.state, a_decision(decisions, first))


def test_what_a_person_has_decided_waits_for_a_person_and_holds_nobody_up() -> None:
    team = a_team()
    decided = team.decide(PERSON)
    object_(team, "bea", decided)

    assert ripe_dispute(team.state, team.now + 10_000) is None
    assert next_ruling_at(team.state) is None
    for task in ("t1", "t2"):
        team.submit(task, premise(decided))
        team.lead()
        team.judge(task)
    assert isinstance(team.lead(), steps.Dismiss)
    assert "Synthesize" in [type(step).__name__ for step in team.done]


# --- the lead's step -------------------------------------------------------------------


def test_the_lead_wakes_when_a_dispute_becomes_ripe() -> None:
    team, decided = a_dispute()
    team.now += REBUTTAL_S - 5

    assert team.lead() == steps.Wait(until=team.now + 5)
    team.now += 5
    assert team.next() == steps.Rule(revision=decided)


@pytest.mark.parametrize("outcome", ["upheld", "superseded", "withdrawn"])
def test_a_ruling_ends_the_dispute_whatever_it_says(outcome: RulingOutcome) -> None:
    team, decided = a_dispute()
    team.outcome = outcome
    team.now += REBUTTAL_S

    assert isinstance(team.lead(), steps.Wait)

    assert [type(step).__name__ for step in team.done] == ["Rule", "Wait"]
    assert a_decision(team.state.decisions, decided).state == outcome
    assert not team.state.decisions.disputes()


def test_there_is_no_synthesis_while_a_dispute_is_open() -> None:
    """Nothing rests on the decision; it might still change what is asked."""
    team, decided = a_dispute()
    for task in ("t1", "t2"):
        team.submit(task)
        team.lead()
        team.judge(task)
    assert isinstance(team.lead(), steps.Wait)
    assert team.state.result is None

    team.now += REBUTTAL_S
    assert isinstance(team.lead(), steps.Dismiss)

    names = [type(step).__name__ for step in team.done]
    assert names.index("Rule") < names.index("Synthesize")
    assert a_decision(team.state.decisions, decided).state is DecisionState.upheld


def test_a_late_run_rules_before_it_ends() -> None:
    team, decided = a_dispute()
    team.now = OPENED_AT + 100_000.0

    assert isinstance(team.lead(), steps.Dismiss)

    assert a_decision(team.state.decisions, decided).state is DecisionState.upheld


def test_a_dispute_that_the_lead_may_not_settle_does_not_keep_it_busy_for_ever() -> None:
    """A member proposes in place of a person's decision; only a person may put that in force."""
    team = a_team()
    decided = team.decide(PERSON)

    team.log("bea", DecisionProposed(statement="Offsets.", supersedes=decided))

    assert isinstance(team.lead(), steps.Wait | steps.Dismiss)
    assert team.state.decisions.in_force(*PLACE) == a_decision(team.state.decisions, decided)


@settings(max_examples=200)
@example(
    written=[
        Move("record", PERSON, PLACE, "well", 0, (), ""),
        Move("propose", "bea", PLACE, "well", 0, (), ""),
    ],
    outcome="superseded",
)
@given(
    written=st.lists(moves(places=[PLACE, ("api", "sorting")]), max_size=25),
    outcome=st.sampled_from(["upheld", "superseded", "withdrawn"]),
)
def test_whatever_was_written_the_lead_settles_each_dispute_and_goes_on(
    written: list[Move], outcome: RulingOutcome
) -> None:
    """However hostile the log, its steps come to an end: it never goes round in circles."""
    team = a_team()
    team.outcome = outcome
    team.story.records += told(written, first_seq=team.story.last_seq + 1)
    team.now = team.story.records[-1].at + REBUTTAL_S

    assert isinstance(team.lead(), steps.Wait | steps.Dismiss)

    decisions = team.state.decisions
    assert all(decisions.ruler_of(d) == PERSON for d in decisions.disputes())


# --- who hears of it -------------------------------------------------------------------


ELSEWHERE = ("data", "ids")


def widened(team: DecidingTeam) -> list[str]:
    return [step.member for step in team.done if isinstance(step, steps.WidenWorld)]


def areas_of(team: DecidingTeam, member: str) -> tuple[str, ...]:
    return team.state.roster.seats[member].areas


def test_a_member_hears_of_the_areas_of_its_contract_and_no_more() -> None:
    team = a_team()
    team.decide("bea", ELSEWHERE)
    team.lead()

    assert "ada" not in widened(team)
    assert areas_of(team, "ada") == ("api",)


def test_who_decides_outside_its_contract_hears_what_becomes_of_it() -> None:
    team = a_team()

    team.decide("ada", ELSEWHERE)
    assert team.next() == steps.WidenWorld(member="ada")
    team.lead()

    assert widened(team) == ["ada"]
    assert areas_of(team, "ada") == ("api", "data")


def test_who_objects_outside_its_contract_hears_of_the_ruling() -> None:
    team = a_team()
    decided = team.decide(LEAD, ELSEWHERE)

    team.log("ada", challenges(1, "ada", decided).body, ELSEWHERE)
    team.lead()

    assert widened(team) == ["ada"]


@pytest.mark.parametrize("where", ["finding", "claim", "decision"])
def test_who_relies_on_a_decision_outside_its_contract_hears_when_it_falls(where: str) -> None:
    team = a_team()
    decided = team.decide(LEAD, ELSEWHERE)
    rests_on = (premise(decided, ELSEWHERE),)
    if where == "decision":
        team.decide("ada", relied_on=rests_on)
    else:
        team.act("claim", "ada", "t1")
        claim = msgspec.structs.replace(a_claim(), relied_on=rests_on)
        finding = (
            a_finding(claim, in_context=rests_on)
            if where == "claim"
            else a_finding(relied_on=rests_on, in_context=rests_on)
        )
        team.tell_finding("ada", "t1", finding)

    assert areas_needed(team.state, "ada") == (
        ("api", "data") if where == "decision" else ("data",)
    )
    team.lead()
    assert widened(team) == ["ada"]


def test_a_verifiers_world_is_never_widened() -> None:
    """It judges claims and evidence alone; a decision of its own changes nothing in that."""
    team = a_team()

    team.decide("vera", ELSEWHERE)
    team.lead()

    assert widened(team) == []


def test_who_has_left_is_sent_nothing_more() -> None:
    team = a_team()
    team.lose("ada")

    team.decide("ada", ELSEWHERE)
    team.lead()

    assert "ada" not in widened(team)


@pytest.mark.parametrize("area", ["a.b", "*", ">", "", "x y", "x" * 65])
def test_a_premise_whose_area_is_no_name_neither_stops_the_lead_nor_widens_a_world(
    area: str,
) -> None:
    """A faulty member may write anything into a premise: the filter list is the boundary."""
    team = a_team()

    team.decide("ada", relied_on=(Premise(area=area, key=KEY, revision=1),))

    assert isinstance(team.lead(), steps.Wait)
    assert areas_of(team, "ada") == ("api",)


def test_a_premise_that_names_no_decision_widens_no_world() -> None:
    """Else a member chooses its own filter list by inventing premises."""
    team = a_team()

    team.decide("ada", relied_on=(a_premise(77, area="payroll"),))
    team.lead()

    assert areas_of(team, "ada") == ("api",)


def test_a_premise_under_another_name_than_its_revisions_widens_no_world() -> None:
    team = a_team()
    elsewhere = team.decide(LEAD, ELSEWHERE)

    team.decide("ada", relied_on=(premise(elsewhere),))
    team.lead()

    assert areas_of(team, "ada") == ("api",)


def test_a_person_may_rule_before_the_lead_does() -> None:
    team, decided = a_dispute()

    ruled = DecisionRuled(revision=decided, outcome="upheld", reason="I say so")
    team.log(PERSON, ruled)

    assert isinstance(team.lead(), steps.Wait)
    assert next_ruling_at(team.state) is None
