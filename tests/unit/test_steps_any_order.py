"""Whatever members do, and in whatever order: a run ends, and its gate holds."""

from __future__ import annotations

import msgspec
from hypothesis import given, settings
from hypothesis import strategies as st

from bus.ids import GATE
from bus.messages import Claim, Fact, TaskState
from team.rules import steps
from team.rules.conflicts import standing
from team.rules.synthesis import admitted_claims
from team.state import Task
from tests.support.builders import a_claim, opens
from tests.support.paper_team import Deed, PaperTeam

S = TaskState


def gate_held(team: PaperTeam, verifiers: int) -> None:
    """No lane is admitted but with exact checks and that many verifiers who upheld it."""
    for task in team.state.board.of_purpose("research"):
        if task.state is not S.admitted:
            continue
        submission = team.state.findings.latest(task.id)
        assert submission is not None
        assert not submission.objections
        judges = {by for by, _ in submission.judgements}
        assert GATE in judges
        assert len(judges - {GATE}) == verifiers
        planted = team.state.findings.canaries_of(submission.seq)
        assert not planted & {judgement.claim for _, judgement in submission.judgements}


def nobody_judges_twice(team: PaperTeam) -> None:
    """Never two verifications of one finding with the same verifier."""
    at_work = [
        (task.subject_seq, task.holder if task.claim_seq else task.offered_to)
        for task in team.state.board.of_purpose("verify")
        if not task.is_settled and (task.claim_seq or task.offered_to)
    ]
    assert len(set(at_work)) == len(at_work), at_work


def no_conflict_is_passed_over(team: PaperTeam) -> None:
    """What is written into the answer was compared, and ruled on where it had to be."""
    admitted = {one.ref for one in admitted_claims(team.state)}
    for conflict in team.state.conflicts.all.values():
        pair = {conflict.raised.first, conflict.raised.second}
        if pair <= admitted and conflict.ruling is None:
            assert standing(team.state, conflict) == "compatible"
            assert [judged.outcome for _, judged in conflict.judgements] == ["compatible"]
        elif pair <= admitted:
            assert conflict.ruling is not None
            assert conflict.ruling.stands == "both"


def a_deed(data: st.DataObject, team: PaperTeam) -> Deed:
    """Something that a member does now, or that happens to it."""
    losses = [
        (verb, seat.name, "")
        for seat in team.state.roster.present()
        if seat.name != "lead"
        for verb in ("lose", "stick")
    ]
    possible = team.deeds()
    # A run can only be stuck if nobody has anything to do.
    assert possible, "the lead waits and nobody can act"
    if data.draw(st.integers(0, 9)) == 0:
        return data.draw(st.sampled_from(losses))
    return data.draw(st.sampled_from(possible))


def clashing_claims(task: Task, clashing: set[int]) -> tuple[Claim, ...]:
    """A claim that is sound by itself, but that the clashing lanes give different numbers."""
    lane = int(task.id[1:])
    number = lane if lane in clashing else 9
    twin = a_claim("c1", f"The pool keeps {number} connections open.")
    fact = Fact(subject="the pool", attribute="timeout", value=f"{number} s")
    return twin, msgspec.structs.replace(a_claim("c2", "Timeouts are known."), facts=(fact,))


@settings(max_examples=40)
@given(
    data=st.data(),
    verifiers=st.integers(1, 3),
    shape=st.sampled_from([(), (0,), (0, 1)]),
    rounds_max=st.integers(1, 3),
    fresh=st.integers(0, 2),
    canaries=st.booleans(),
)
def test_whatever_members_do_a_run_ends_and_its_gate_holds(
    data: st.DataObject,
    *,
    verifiers: int,
    shape: tuple[int, ...],
    rounds_max: int,
    fresh: int,
    canaries: bool,
) -> None:
    """Claims, findings, refusals, canaries that pass, failures, losses, circles in any order."""
    needs = tuple(f"t{n + 1}" for n in shape)
    team = PaperTeam(
        [opens("a"), opens("b"), opens("c", depends_on=needs)],
        verifiers=verifiers,
        rounds_max=rounds_max,
        fresh_rounds_max=fresh,
        restarts_max=3,
    )
    clashing = data.draw(st.sets(st.integers(1, 3)))
    team.claims = lambda task: clashing_claims(task, clashing)
    stands = data.draw(st.sampled_from(["first", "second", "both", "neither"]))
    team.stands = lambda _: stands
    team.canaries = canaries
    refused = data.draw(st.sets(st.tuples(st.integers(1, 3), st.integers(1, 3)), max_size=4))
    team.refuses = lambda task: (int(task.id[1:]), task.round) in refused
    late_from = data.draw(st.integers(0, 120))
    for number in range(250):
        team.now += 10_000.0 if number == late_from else 0.0
        last = team.lead()
        gate_held(team, verifiers)
        nobody_judges_twice(team)
        if isinstance(last, steps.Dismiss):
            break
        verb, member, task = a_deed(data, team)
        if verb == "lose":
            team.lose(member)
        elif verb == "stick":
            team.stick(member)
        else:
            team.act(verb, member, task)

    assert team.state.result is not None, "the run did not end"
    assert not team.state.board.anomalies
    no_conflict_is_passed_over(team)
    for task in team.state.board.of_purpose("compare"):
        assert task.is_settled
    for task in team.state.board.of_purpose("verify"):
        assert task.is_settled or team.task(task.subject_task or "").state is S.failed
    for task in team.state.board.of_purpose("research"):
        assert task.is_settled
        assert task.round <= rounds_max + fresh
        if task.depends_on and task.state is S.admitted:
            assert {team.task(n).state for n in task.depends_on} == {S.admitted}
