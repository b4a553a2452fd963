"""Premises: what rests on a decision that has fallen is caught, however far down; and mended."""

from __future__ import annotations

import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from bus.ids import LEAD, PERSON
from bus.messages import DecisionRecorded, DecisionWithdrawn, Premise, TaskState
from bus.run_stream import Record
from team.rules import steps
from team.rules.premises import (
    awaits_ruling,
    fallen_premises,
    is_news,
    premises_of,
    unseen_premises,
)
from team.state import Decision, Decisions
from tests.support.builders import OPENED_AT, a_claim, a_finding, a_submission, decisions_of, opens
from tests.support.decisions import (
    PLACE,
    DecidingTeam,
    a_decision,
    all_of,
    challenges,
    decides,
    logs,
    moves,
    premise,
    proposes,
    record_of,
    rules,
    withdraws,
)

S = TaskState
REASON_CHARACTERS_MAX = 2_000
"""A reason is read by people, by members, and travels in a verdict."""


def key(number: int) -> tuple[str, str]:
    return ("api", f"k{number}")


# --- what has fallen ---------------------------------------------------------------


def test_a_premise_in_force_stands_and_a_contested_one_still_does() -> None:
    assert decisions_of(decides(1)).fall_of(premise(1)) is None
    assert decisions_of(decides(1), challenges(2)).fall_of(premise(1)) is None
    assert decisions_of(decides(1), challenges(2), rules(3)).fall_of(premise(1)) is None


@pytest.mark.parametrize(
    ("log", "why"),
    [
        (
            [decides(1), decides(2, "ada", 1, says="Cursors.")],
            "superseded by 2 of ada: Cursors.",
        ),
        ([decides(1), withdraws(2, reason="no use")], "withdrawn by ada: no use"),
        ([decides(1), rules(2, LEAD, 1, "withdrawn")], "withdrawn by lead: so be it"),
        ([decides(1), rules(2, LEAD, 1, "superseded", says="B.")], "superseded by 2 of lead: B."),
        ([proposes(1)], "is only proposed"),
        ([decides(2)], "there is no revision 1 of api/paging"),
        ([decides(1, place=("api", "sorting"))], "there is no decision api/paging"),
        ([], "there is no decision api/paging"),
    ],
)
def test_a_premise_that_does_not_stand_says_why(log: list[Record], why: str) -> None:
    fall = decisions_of(*log).fall_of(premise(1))

    assert fall is not None
    assert why in fall.reason


def test_what_a_member_was_not_sent_is_no_problem_to_it() -> None:
    decisions = decisions_of(decides(5, rests_on=[premise(1, ("data", "x"))]))

    assert decisions.fall_of(premise(5), knows_all=False) is None
    assert decisions.fall_of(premise(5)) is not None


def test_the_reason_names_what_was_relied_on_and_what_has_fallen() -> None:
    decisions = decisions_of(
        decides(1, place=key(1)),
        decides(2, place=key(2), rests_on=[premise(1, key(1))]),
        decides(3, place=key(3), rests_on=[premise(2, key(2))]),
        withdraws(4, revision=1, place=key(1)),
    )

    fall = decisions.fall_of(premise(3, key(3)))

    assert fall is not None
    assert "api/k3 revision 3" in fall.reason
    assert "api/k1 revision 1" in fall.reason
    assert fall.seq == 4


@pytest.mark.parametrize("names", [3, 4])
def test_a_decision_that_rests_on_itself_or_on_a_later_one_never_stood(names: int) -> None:
    """Nobody can have read it then; and the search goes round in no circle."""
    decisions = decisions_of(
        decides(3, rests_on=[premise(names, key(3 if names == 3 else 4))], place=key(3)),
        decides(4, rests_on=[premise(3, key(3))], place=key(4)),
        withdraws(5, revision=4, place=key(4)),
    )

    fall = decisions.fall_of(premise(3, key(3)))
    assert fall is not None
    assert "which did not exist then" in fall.reason


def stands(decisions: Decisions, asked: Premise, *, knows_all: bool = True) -> bool:
    """The same asked of each decision in turn, plainly: the oracle."""
    decision = decisions.revision(asked.revision)
    if decision is None or (decision.area, decision.key) != (asked.area, asked.key):
        return not knows_all
    if any(premise.revision >= decision.seq for premise in decision.relied_on):
        return False
    lower = decision.relied_on
    return decision.holds and all(stands(decisions, p, knows_all=knows_all) for p in lower)


@settings(max_examples=300)
@given(log=logs(), knows_all=st.booleans())
def test_every_fallen_premise_is_caught_and_no_other(log: list[Record], knows_all: bool) -> None:
    decisions = decisions_of(*log)
    for decision in all_of(decisions):
        asked = decision.as_premise()
        fall = decisions.fall_of(asked, knows_all=knows_all)

        assert (fall is None) is stands(decisions, asked, knows_all=knows_all)
        assert fall is None or 0 <= fall.seq <= len(log)


@st.composite
def premise_graphs(draw: st.DrawFn) -> list[Record]:
    """Dense graphs of decisions on keys of their own, some of which have fallen since."""
    size = draw(st.integers(1, 14))
    log = [
        decides(
            seq,
            place=key(seq),
            rests_on=[
                premise(n, key(n)) for n in draw(st.sets(st.integers(1, seq + 1), max_size=4))
            ],
        )
        for seq in range(1, size + 1)
    ]
    for seq, fallen in enumerate(draw(st.sets(st.integers(1, size), max_size=3)), start=size + 1):
        falls = draw(st.booleans())
        gone = withdraws(seq, revision=fallen, place=key(fallen))
        log.append(gone if falls else decides(seq, "ada", fallen, place=key(fallen)))
    return log


@settings(max_examples=300)
@given(log=premise_graphs())
def test_a_fall_reaches_all_that_rests_on_it_through_any_graph(log: list[Record]) -> None:
    decisions = decisions_of(*log)
    for decision in all_of(decisions):
        asked = decision.as_premise()

        assert (decisions.fall_of(asked) is None) is stands(decisions, asked)


CHAIN = 5_000


def a_chain(length: int) -> list[Record]:
    """Decisions of which each rests on the one before it."""
    return [
        decides(n, place=key(n), rests_on=[premise(n - 1, key(n - 1))] if n > 1 else [])
        for n in range(1, length + 1)
    ]


def test_a_fall_is_caught_at_the_end_of_a_very_long_chain() -> None:
    decisions = decisions_of(*a_chain(CHAIN))
    assert decisions.fall_of(premise(CHAIN, key(CHAIN))) is None

    decisions.apply(withdraws(CHAIN + 1, revision=1, place=key(1), reason="gone"))
    fall = decisions.fall_of(premise(CHAIN, key(CHAIN)))

    assert fall is not None
    assert fall.seq == CHAIN + 1
    assert "gone" in fall.reason


def test_the_reason_for_a_fall_far_down_stays_short_enough_to_be_told() -> None:
    """It is refused to a model as it stands, and forty of them must fit one verdict."""
    decisions = decisions_of(*a_chain(CHAIN), withdraws(CHAIN + 1, revision=1, place=key(1)))

    fall = decisions.fall_of(premise(CHAIN, key(CHAIN)))

    assert fall is not None
    assert len(fall.reason) <= REASON_CHARACTERS_MAX


class Counting(Decisions):
    """A fold that counts how often it looks a revision up."""

    asked = 0

    def revision(self, seq: int) -> Decision | None:
        self.asked += 1
        assert self.asked <= 1_000, "it looks at the same decisions again and again"
        return super().revision(seq)


def test_each_decision_is_looked_at_once_however_many_ways_lead_to_it() -> None:
    """Forty layers of two, each resting on both of the layer below: a million million ways."""
    decisions = Counting()
    for seq in range(1, 81):
        layer = (seq - 1) // 2
        rests_on = [premise(n, key(n)) for n in (2 * layer - 1, 2 * layer) if layer]
        decisions.apply(decides(seq, place=key(seq), rests_on=rests_on))

    assert decisions.fall_of(premise(80, key(80))) is None


# --- findings that rest on decisions ---------------------------------------------------


def a_claim_on(revision: int, claim_id: str = "c2") -> object:
    return msgspec.structs.replace(a_claim(claim_id), relied_on=(premise(revision),))


def test_premises_are_those_of_the_finding_and_of_each_claim() -> None:
    finding = a_finding(a_claim(), a_claim_on(7), relied_on=(premise(3),))

    assert list(premises_of(finding)) == [(premise(3), None), (premise(7), "c2")]


def test_only_the_claim_that_rests_on_what_fell_is_refused() -> None:
    """So the member revises what is affected, not everything."""
    decisions = decisions_of(decides(1), decides(2, place=key(2)), withdraws(3))
    finding = a_finding(a_claim(), a_claim_on(1), relied_on=(premise(2, key(2)),))

    (judgement,) = fallen_premises(decisions, finding)

    assert (judgement.claim, judgement.outcome) == ("c2", "refuted")
    assert "api/paging revision 1" in judgement.reason


def test_what_its_author_was_never_shown_is_no_premise() -> None:
    finding = a_finding(a_claim_on(1), relied_on=(premise(2),), in_context=(premise(2),))

    (judgement,) = unseen_premises(finding)

    assert judgement.claim == "c2"
    assert "never was in its author's context" in judgement.reason


def test_a_fall_is_news_until_its_judge_has_said_it() -> None:
    decisions = decisions_of(decides(1), withdraws(3))
    finding = a_submission(relied_on=(premise(1),))
    said = tuple(("gate", j) for j in fallen_premises(decisions, finding.finding))

    assert is_news(decisions, finding, "gate")
    assert not is_news(decisions, msgspec.structs.replace(finding, judgements=said), "gate")
    assert is_news(decisions, msgspec.structs.replace(finding, judgements=said), "vera")
    assert not is_news(decisions_of(decides(1)), finding, "gate")


def test_a_finding_waits_for_the_lead_but_not_for_a_person() -> None:
    """A person may never come; a decision of a person holds until it does."""
    finding = a_finding(relied_on=(premise(1),))

    assert awaits_ruling(decisions_of(decides(1), challenges(2)), finding)
    assert not awaits_ruling(decisions_of(decides(1)), finding)
    assert not awaits_ruling(decisions_of(decides(1), challenges(2), rules(3)), finding)
    assert not awaits_ruling(decisions_of(decides(1, PERSON), challenges(2)), finding)


# --- what the lead does about it ---------------------------------------------------------


def a_team(**policy: int | float) -> DecidingTeam:
    """Ada has lane t1 and bea t2; nobody has claimed anything yet."""
    team = DecidingTeam(**policy)
    team.lead()
    team.done.clear()
    return team


def admit(team: DecidingTeam, task: str, *premises: Premise) -> None:
    """A lane's finding is submitted, checked, verified and admitted."""
    team.submit(task, *premises)
    team.lead()
    team.judge(task)
    team.lead()
    assert team.task(task).state is S.admitted


def kinds(team: DecidingTeam) -> list[str]:
    return [type(step).__name__ for step in team.done]


def replaced(team: DecidingTeam, revision: int) -> int:
    return team.decide("ada", supersedes=revision)


def test_an_admitted_finding_whose_premise_falls_is_checked_again_and_comes_back() -> None:
    team = a_team()
    decided = team.decide("ada")
    admit(team, "t1", premise(decided))
    team.done.clear()

    newer = replaced(team, decided)
    assert team.next() == steps.CheckFinding(task="t1")
    team.lead()

    task = team.task("t1")
    assert kinds(team)[:2] == ["CheckFinding", "Reopen"]
    assert (task.state, task.round, task.offered_to) == (S.open, 2, "ada")
    assert f"api/paging revision {decided}, which was superseded by {newer}" in task.reasons[0]


def test_a_finding_that_rests_on_nothing_that_fell_stays_admitted() -> None:
    team = a_team()
    decided, other = team.decide("ada"), team.decide("bea", key(2))
    admit(team, "t1", premise(decided))

    team.decide("bea", key(2), supersedes=other)

    assert isinstance(team.lead(), steps.Wait)
    assert team.task("t1").state is S.admitted


def test_a_revised_finding_is_checked_and_verified_anew_and_admitted() -> None:
    team = a_team()
    decided = team.decide("ada")
    admit(team, "t1", premise(decided))
    newer = replaced(team, decided)
    team.lead()

    admit(team, "t1", premise(newer))

    assert team.task("t1").round == 2
    assert [v.id for v in steps.verifications_of(team.state, team.task("t1"))] == ["v-t1-2-1"]
    assert not team.submission("t1").objections


def test_rounds_lost_to_decisions_are_excused_up_to_a_limit_then_the_lane_is_rejected() -> None:
    """One round of its own and two more for decisions that fell under it, not a third."""
    team = a_team(rounds_max=1, fresh_rounds_max=0)
    decided = team.decide("ada")
    rounds = []
    for _ in range(3):
        rounds.append(team.task("t1").round)
        admit(team, "t1", premise(decided))
        decided = replaced(team, decided)
        team.lead()

    task = team.task("t1")
    assert rounds == [1, 2, 3]
    assert (task.state, task.is_settled, task.round) == (S.rejected, True, 3)
    assert "premises refuted" in task.reasons[0]
    assert not team.state.board.anomalies


def test_a_round_lost_to_the_producers_own_fault_is_not_excused() -> None:
    """A premise that it was never shown is nobody else's doing."""
    team = a_team(rounds_max=1, fresh_rounds_max=0)
    decided = team.decide("bea")
    team.act("claim", "ada", "t1")
    finding = a_finding(relied_on=(premise(decided),), in_context=())
    team.tell_finding("ada", "t1", finding)

    team.lead()

    assert (team.task("t1").state, team.task("t1").round) == (S.rejected, 1)


def test_a_submitted_finding_waits_while_its_premise_awaits_a_ruling() -> None:
    team = a_team()
    decided = team.decide("bea")
    team.log("cleo", challenges(1, "cleo", decided).body)
    team.submit("t1", premise(decided))

    assert isinstance(team.lead(), steps.Wait)
    assert team.task("t1").state is S.submitted
    assert not team.submission("t1").judgements

    team.now += 61.0
    team.lead()
    assert kinds(team)[-3:] == ["CheckFinding", "Verify", "Wait"]


def test_a_finding_whose_premise_was_ruled_out_while_it_waited_comes_back() -> None:
    team = a_team()
    decided = team.decide("bea")
    team.log("cleo", challenges(1, "cleo", decided).body)
    team.submit("t1", premise(decided))
    team.outcome = "superseded"

    team.now += 61.0
    team.lead()

    assert kinds(team)[:3] == ["Rule", "CheckFinding", "Reopen"]
    assert "as the lead says" in team.task("t1").reasons[0]


@pytest.mark.parametrize("stage", ["offered", "claimed", "judged"])
def test_verifications_are_closed_when_a_premise_falls_during_them(stage: str) -> None:
    team = a_team()
    decided = team.decide("ada")
    team.submit("t1", premise(decided))
    team.lead()
    if stage != "offered":
        team.act("claim", "vera", "v-t1-1-1")
    if stage == "judged":
        team.act("uphold", "vera", "v-t1-1-1")

    replaced(team, decided)
    team.done.clear()
    team.lead()

    assert kinds(team)[:2] == ["CheckFinding", "Reopen"]
    assert team.task("v-t1-1-1").is_settled
    assert team.task("t1").round == 2
    assert not team.state.board.anomalies


def test_a_chain_of_decisions_reopens_the_finding_at_its_end() -> None:
    team = a_team()
    base = team.decide("ada", key(1))
    mid = team.decide("ada", key(2), relied_on=(premise(base, key(1)),))
    admit(team, "t1", premise(mid, key(2)))

    team.log("ada", DecisionWithdrawn(revision=base, reason="gone"), key(1))
    team.lead()

    assert team.task("t1").round == 2
    assert "api/k1" in team.task("t1").reasons[0]


def test_a_finding_that_has_fallen_is_not_in_the_answer_of_a_late_run() -> None:
    """The gate fails closed: what leans on a superseded decision was not returned."""
    team = a_team(run_seconds_max=100)
    decided = team.decide("ada")
    admit(team, "t1", premise(decided))
    team.now = OPENED_AT + 99.0
    replaced(team, decided)
    team.now = OPENED_AT + 101.0

    assert isinstance(team.lead(), steps.Dismiss)

    assert team.task("t1").state is not S.admitted
    assert "Synthesize" not in kinds(team)


def test_a_lane_is_not_admitted_when_one_that_it_depends_on_has_fallen_meanwhile() -> None:
    """Lane t2 was given the claims of t1 and works on them while t1 is rejected."""
    team = DecidingTeam(
        [opens("a"), opens("b", depends_on=("t1",))], rounds_max=1, fresh_rounds_max=0
    )
    team.lead()
    decided = team.decide("ada")
    admit(team, "t1", premise(decided))
    worker = team.task("t2").offered_to
    assert worker is not None
    team.act("claim", worker, "t2")
    for _ in range(2):
        decided = replaced(team, decided)
        team.lead()
        admit(team, "t1", premise(decided))
    replaced(team, decided)
    team.lead()
    assert team.task("t1").state is S.rejected

    if team.task("t2").state is S.claimed:
        team.act("submit", worker, "t2")
        team.lead()
        team.judge("t2")
        team.lead()

    assert team.task("t2").state is not S.admitted


@pytest.mark.parametrize("author", ["bea", LEAD, PERSON])
def test_who_replaced_the_premise_does_not_matter(author: str) -> None:
    team = a_team()
    decided = team.decide("bea")
    admit(team, "t1", premise(decided))

    team.log(author, DecisionRecorded(statement="Otherwise.", supersedes=decided))
    team.lead()

    assert a_decision(team.state.decisions, decided).replaced_by is not None
    assert team.task("t1").round == 2
    assert team.state.decisions.in_force(*PLACE) is not None


# --- whatever happens ------------------------------------------------------------------


def decides_something(data: st.DataObject, team: DecidingTeam) -> None:
    """A member, the lead or a person writes about a decision, sensibly or not."""
    move = data.draw(moves(places=[PLACE, key(1), key(2)]))
    record = record_of(team.story.last_seq + 1, move, team.state.decisions)
    team.story.records.append(msgspec.structs.replace(record, at=team.now))


def works(data: st.DataObject, team: DecidingTeam) -> bool:
    """Some member does what it may do now; what it submits rests on what holds."""
    deeds = team.deeds()
    if not deeds:
        return False
    verb, member, task = data.draw(st.sampled_from(deeds))
    if verb != "submit":
        team.act(verb, member, task)
        return True
    holding = [decision.as_premise() for decision in team.state.decisions.all_in_force()]
    premises = data.draw(st.lists(st.sampled_from(holding), max_size=2)) if holding else []
    finding = a_finding(
        round=team.task(task).round, relied_on=tuple(premises), in_context=tuple(premises)
    )
    team.tell_finding(member, task, finding)
    return True


@settings(max_examples=60)
@given(
    data=st.data(),
    verifiers=st.integers(1, 2),
    rounds_max=st.integers(1, 2),
    needs=st.sampled_from([(), ("t1",), ("t1", "t2")]),
)
def test_whatever_is_decided_meanwhile_a_run_ends_and_no_fallen_finding_is_in_its_answer(
    data: st.DataObject, verifiers: int, rounds_max: int, needs: tuple[str, ...]
) -> None:
    lanes = [opens("a"), opens("b"), opens("c", depends_on=needs)]
    team = DecidingTeam(lanes, verifiers=verifiers, rounds_max=rounds_max, restarts_max=3)
    for turn in range(150):
        if isinstance(team.lead(), steps.Dismiss):
            break
        team.outcome = data.draw(st.sampled_from(["upheld", "superseded", "withdrawn"]))
        if turn < 60 and data.draw(st.integers(0, 2)) == 2:
            decides_something(data, team)
        elif not works(data, team):
            team.now += 61.0

    state = team.state
    assert state.result is not None, "the run did not end"
    assert not state.board.anomalies
    for task in state.board.of_purpose("research"):
        assert task.is_settled
        assert task.round <= rounds_max + 2 + 1  # by a decision's fall, and by somebody fresh
        if task.state is S.admitted:
            assert not fallen_premises(state.decisions, team.submission(task.id).finding)
            assert {team.task(needed).state for needed in task.depends_on} <= {S.admitted}
    for task in state.board.of_purpose("verify"):
        assert task.is_settled or team.task(task.subject_task or "").state is S.failed
