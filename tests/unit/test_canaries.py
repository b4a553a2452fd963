"""Canaries: how they are made, what becomes of a verifier that upholds one, who may judge."""

from __future__ import annotations

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from bus.messages import Claim, Evidence, TaskClaimed, TaskOpened, TaskState, VerdictGiven
from team.rules import steps
from team.rules.gate import barred_from, carried_verdicts, planted, verification_problems
from team.rules.gate import with_canary as with_canary_of
from team.state import Submission
from tests.support.builders import (
    QUOTE,
    a_claim,
    a_finding,
    a_judgement,
    a_story,
    a_submission,
    an_evidence,
    opens,
)
from tests.support.paper_team import PaperTeam

S = TaskState
TEXT = f"Title\n{QUOTE}\nTimeouts are not retried."
CLAIMS = (a_claim("c1", QUOTE), a_claim("c2", "Timeouts are not retried."), a_claim("c3", "Ten."))
TAKEN = frozenset({"c1", "c2", "c3"})


def quote_problem(evidence: Evidence) -> str | None:
    return None if evidence.quote in TEXT else "it does not stand there"


def with_canary(task: str, claims: tuple[Claim, ...] = CLAIMS) -> tuple[Claim, ...]:
    return with_canary_of(task, claims, frozenset(c.id for c in claims), quote_problem)


# --- how one is made ------------------------------------------------------------------


def test_a_canary_looks_like_the_other_claims_and_surely_does_not_stand() -> None:
    canary = planted("v-t1-1-1", CLAIMS, TAKEN, quote_problem)

    assert canary is not None
    assert canary.id == "c4"
    assert quote_problem(canary.evidence[0]) is not None
    assert canary.evidence[0].source in {claim.evidence[0].source for claim in CLAIMS}
    assert canary.confidence == CLAIMS[0].confidence


def test_a_canary_changes_its_text_with_its_quote() -> None:
    """Else comparing the two would give it away, without a look at the source."""
    claim = a_claim("c1", "It is 12 s.", evidence=(an_evidence("It is 12 s in all."),))

    canary = planted("v-t1-1-1", (claim,), frozenset({"c1"}), lambda _: "gone")

    assert canary is not None
    assert "12" not in canary.text
    assert canary.text.removesuffix(".") in canary.evidence[0].quote


def test_the_true_claims_are_all_there_unchanged() -> None:
    asked = with_canary("v-t1-1-1")

    assert sorted(c.id for c in asked) == ["c1", "c2", "c3", "c4"]
    assert {c.id: c for c in asked if c.id != "c4"} == {c.id: c for c in CLAIMS}


def test_the_same_verification_always_gets_the_same_canary_at_the_same_place() -> None:
    assert with_canary("v-t1-1-1") == with_canary("v-t1-1-1")


def test_canaries_stand_at_any_place() -> None:
    places = {[claim.id for claim in with_canary(f"v-t1-1-{n}")].index("c4") for n in range(1, 40)}

    assert places == {0, 1, 2, 3}


def test_where_no_claim_can_be_made_false_none_is_planted() -> None:
    assert with_canary_of("v", CLAIMS, TAKEN, lambda _: None) == CLAIMS
    assert with_canary_of("v", (), frozenset(), lambda _: "gone") == ()
    assert with_canary_of("v", (a_claim(evidence=()),), TAKEN, lambda _: "gone") == (
        a_claim(evidence=()),
    )


def test_a_canary_that_cannot_be_made_lets_no_claim_pass_to_a_verifier() -> None:
    """Whether the altered quote stands can't be told: without it nobody is asked to judge."""

    def fails(_: Evidence) -> str | None:
        raise OSError("no disk")

    with pytest.raises(OSError, match="no disk"):
        with_canary_of("v-t1-1-1", CLAIMS, TAKEN, fails)


@given(
    ids=st.lists(
        st.from_regex(r"\A[a-z]{0,3}[0-9]{0,3}\Z").filter(bool), min_size=1, max_size=6, unique=True
    ),
    quote=st.text(alphabet="ab no12.\n(é", min_size=1, max_size=40),
    task=st.text(min_size=1, max_size=8),
)
def test_a_canary_never_takes_the_name_of_a_claim(ids: list[str], quote: str, task: str) -> None:
    claims = tuple(a_claim(name, quote, evidence=(an_evidence(quote),)) for name in ids)
    taken = frozenset(ids)

    canary = planted(task, claims, taken, lambda one: "gone" if one.quote != quote else None)

    if canary is not None:
        assert canary.id not in taken
        assert canary.evidence[0].quote != quote


# --- what the fold makes of verdicts ------------------------------------------------------


def a_batch(**said: str) -> Submission:
    """A finding of two claims that vera was asked about, with a canary c9, and what she said."""
    story = a_story()
    seq = story.tell("finding", "t1", author="ada", body=a_finding(a_claim("c1"), a_claim("c2")))
    asked = tuple(a_claim(name) for name in ("c1", "c9", "c2"))
    opened: TaskOpened = opens(
        purpose="verify", subject_task="t1", subject_seq=seq, material=asked, offered_to="vera"
    )
    story.tell("task", "v-t1-1-1", body=opened)
    story.tell("task", "v-t1-1-1", author="vera", body=TaskClaimed())
    judgements = tuple(a_judgement(outcome, claim) for claim, outcome in said.items())
    verdict = VerdictGiven(finding_seq=seq, judgements=judgements)
    story.tell("verdict", "t1", author="vera", body=verdict)
    submission = story.state.findings.latest("t1")
    assert submission is not None
    return submission


def claims_in(said: tuple[tuple[str, object], ...]) -> list[str | None]:
    return [getattr(judgement, "claim", None) for _, judgement in said]


def test_a_verifier_that_refutes_the_canary_is_heard_and_the_canary_is_no_objection() -> None:
    submission = a_batch(c1="upheld", c9="refuted", c2="upheld")

    assert claims_in(submission.judgements) == ["c1", "c2"]
    assert claims_in(submission.canaries) == ["c9"]
    assert submission.objections == ()
    assert verification_problems(submission, ("vera",)) == []


def test_doubt_is_enough_to_have_seen_the_canary() -> None:
    assert not a_batch(c1="upheld", c9="unsure", c2="upheld").void_by


@pytest.mark.parametrize(
    "said",
    [
        {"c1": "upheld", "c9": "upheld", "c2": "upheld"},
        {"c1": "refuted", "c9": "upheld", "c2": "upheld"},
        {"c1": "upheld", "c2": "upheld"},
    ],
)
def test_all_words_of_a_verifier_that_lets_the_canary_pass_are_void(said: dict[str, str]) -> None:
    """Silence on it too: it was asked."""
    submission = a_batch(**said)

    assert submission.judgements == ()
    assert submission.objections == ()
    assert claims_in(submission.voided) == ["c1", "c2"]
    assert submission.void_by == {"vera"}
    problems = verification_problems(submission, ("vera",))
    assert [p.claim for p in problems] == ["c1", "c2"]
    assert "its word is void" in problems[0].reason


def test_a_void_word_is_not_carried_to_the_next_round() -> None:
    before = a_batch(c1="upheld", c9="upheld", c2="upheld")
    sound = a_batch(c1="upheld", c9="refuted", c2="upheld")
    again = a_finding(a_claim("c1"), a_claim("c2"), round=2)

    assert carried_verdicts([before], again, ("vera",), 1) == []
    assert [j.claim for j in carried_verdicts([sound], again, ("vera",), 1)] == ["c1", "c2"]


# --- what the lead does about it ----------------------------------------------------------


def a_team(verifiers: int = 1) -> PaperTeam:
    """Lane t1 is submitted and before verifiers, with a canary for each."""
    team = PaperTeam(verifiers=verifiers)
    team.canaries = True
    team.lead()
    team.work("t1")
    team.lead()
    team.done.clear()
    return team


def test_a_verification_that_let_a_canary_pass_is_made_anew() -> None:
    team = a_team()
    team.judge("t1", "uphold")

    step = team.next()
    team.lead()

    assert step == steps.Reopen(task="v-t1-1-1", round=2, reasons=(steps.VOID,))
    assert team.task("t1").state is S.submitted
    team.judge("t1", "see")
    team.lead()
    assert team.task("t1").state is S.admitted


def test_another_verifier_goes_first_where_there_is_one() -> None:
    team = a_team()
    team.story.seat("walt", role="skeptic")
    team.judge("t1", "uphold")

    team.lead()

    assert team.task("v-t1-1-1").offered_to == "walt"


def test_without_another_the_same_one_judges_in_a_fresh_context() -> None:
    team = a_team()
    team.judge("t1", "uphold")

    team.lead()

    assert (team.task("v-t1-1-1").offered_to, team.task("v-t1-1-1").round) == ("vera", 2)


def test_a_second_void_word_upholds_nothing() -> None:
    team = a_team()
    for _ in range(2):
        team.judge("t1", "uphold")
        team.lead()

    assert team.task("t1").round == 2
    assert "vera upheld a claim known to be false" in team.task("t1").reasons[0]


def test_a_canary_is_in_no_reason_that_a_producer_gets() -> None:
    team = a_team()
    team.judge("t1", "refute")
    team.lead()

    assert len(team.task("t1").reasons) == 1
    assert steps.rejected_findings(team.state) == (
        "ada on t1, round 1: claim c1: verification refuted: so it is",
    )


# --- k of n, and who may judge -------------------------------------------------------------

BOTH = (("vera", a_judgement("upheld", "c1")), ("walt", a_judgement("refuted", "c1")))


@pytest.mark.parametrize(("needed", "wanted"), [(1, 0), (2, 1), (None, 1)])
def test_as_many_verifiers_as_policy_asks_for_must_uphold_a_claim(
    needed: int | None, wanted: int
) -> None:
    finding = a_submission(judgements=BOTH)

    assert len(verification_problems(finding, ("vera", "walt"), needed)) == wanted


def test_one_verifier_is_not_two() -> None:
    finding = a_submission(judgements=BOTH[:1])

    [problem] = verification_problems(finding, ("vera", "vera"), 2)

    assert "1 of 2 uphold it, needed are 2" in problem.reason


def test_with_two_of_three_a_doubt_does_not_keep_a_lane_out_and_is_no_rejection() -> None:
    team = PaperTeam(verifiers=3)
    spec = team.state.spec
    assert spec is not None
    gate = msgspec.structs.replace(spec.team.gate, upheld_min=2)
    team.state.spec = msgspec.structs.replace(
        spec, team=msgspec.structs.replace(spec.team, gate=gate)
    )
    team.lead()
    team.work("t1")
    team.lead()
    verifications = steps.verifications_of(team.state, team.task("t1"))
    for verb, one in zip(("uphold", "refute", "uphold"), verifications, strict=True):
        assert one.offered_to is not None
        team.act("claim", one.offered_to, one.id)
        team.act(verb, one.offered_to, one.id)
    team.lead()

    assert team.task("t1").state is S.admitted
    assert steps.rejected_findings(team.state) == ()


def test_who_had_a_part_in_a_finding_may_not_judge_it() -> None:
    """Producers of any round, and of what it depends on; nobody else."""
    team = PaperTeam([opens("a"), opens("b"), opens("c", depends_on=("t1",))])
    team.lead()
    team.work("t1")
    team.work("t2")
    team.lead()
    team.judge("t1")
    team.lead()

    ada, bea = team.task("t1").holder, team.task("t2").holder
    barred = barred_from(team.state, "t3")

    assert ada in barred
    assert bea not in barred
    finding = a_submission(judgements=BOTH[:1])
    [problem] = verification_problems(finding, ("vera",), 1, barred={"vera"})
    assert "vera had a part in it" in problem.reason


def test_where_workers_are_verifiers_too_somebody_fresh_is_recruited() -> None:
    """With one role for both, all who are there may have had a part in it."""
    team = PaperTeam([opens("a")])
    spec = team.state.spec
    assert spec is not None
    roles = msgspec.structs.replace(spec.team.roles, verifier="researcher")
    team.state.spec = msgspec.structs.replace(
        spec, team=msgspec.structs.replace(spec.team, roles=roles)
    )
    team.story.seat("ada", role="researcher")
    while not isinstance(team.next(), steps.Wait):
        team._do(team.next())
    team.work("t1")
    team._do(team.next())

    assert team.next() == steps.Recruit(seat="verifier", count=1)
    assert spec.team.policy.restarts_max == 3
    for name in ("dora", "edda", "fay", "gwen"):
        team.story.seat(name, role="researcher")
        team.lose(name)
    step = team.next()
    assert isinstance(step, steps.Settle)
    assert step.state == "failed"
