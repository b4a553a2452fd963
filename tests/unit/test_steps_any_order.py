"""Whatever members do, and in whatever order: a run ends, and its gate holds."""

from __future__ import annotations

from hypothesis import given, settings
from hypothesis import strategies as st

from bus.ids import GATE
from bus.messages import TaskState
from team.rules import steps
from tests.support.builders import opens
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


def a_deed(data: st.DataObject, team: PaperTeam) -> Deed:
    """Something that a member does now, or that happens to it."""
    losses = [
        ("lose", seat.name, "") for seat in team.state.roster.present() if seat.name != "lead"
    ]
    possible = team.deeds()
    # A run can only be stuck if nobody has anything to do.
    assert possible, "the lead waits and nobody can act"
    if data.draw(st.integers(0, 9)) == 0:
        return data.draw(st.sampled_from(losses))
    return data.draw(st.sampled_from(possible))


@settings(max_examples=40)
@given(
    data=st.data(),
    verifiers=st.integers(1, 3),
    shape=st.sampled_from([(), (0,), (0, 1)]),
    rounds_max=st.integers(1, 3),
    canaries=st.booleans(),
)
def test_whatever_members_do_a_run_ends_and_its_gate_holds(
    data: st.DataObject, verifiers: int, shape: tuple[int, ...], rounds_max: int, *, canaries: bool
) -> None:
    """Claims, findings, refusals, canaries that pass, failures and losses in any order."""
    needs = tuple(f"t{n + 1}" for n in shape)
    team = PaperTeam(
        [opens("a"), opens("b"), opens("c", depends_on=needs)],
        verifiers=verifiers,
        rounds_max=rounds_max,
        restarts_max=3,
    )
    team.canaries = canaries
    refused = data.draw(st.sets(st.tuples(st.integers(1, 3), st.integers(1, 3)), max_size=4))
    team.refuses = lambda task: (int(task.id[1:]), task.round) in refused
    for _ in range(150):
        last = team.lead()
        gate_held(team, verifiers)
        nobody_judges_twice(team)
        if isinstance(last, steps.Dismiss):
            break
        verb, member, task = a_deed(data, team)
        if verb == "lose":
            team.lose(member)
        else:
            team.act(verb, member, task)

    assert team.state.result is not None, "the run did not end"
    assert not team.state.board.anomalies
    for task in team.state.board.of_purpose("verify"):
        assert task.is_settled or team.task(task.subject_task or "").state is S.failed
    for task in team.state.board.of_purpose("research"):
        assert task.is_settled
        assert task.round <= rounds_max
        if task.depends_on and task.state is S.admitted:
            assert {team.task(n).state for n in task.depends_on} == {S.admitted}
