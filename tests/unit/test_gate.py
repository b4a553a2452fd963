"""The gate's exact checks and what it makes of verifiers: unknown means no."""

from __future__ import annotations

import msgspec
import pytest

from bus.messages import Claim, DecisionRecorded, Evidence, Fact, Judgement, Premise
from team.agent.tools.return_tools import SubmitFindingInput
from team.rules.gate import (
    CHECKS,
    CLAIM_CHARACTERS_MAX,
    CLAIMS_MAX,
    LINE_CHARACTERS_MAX,
    LINES_MAX,
    Check,
    GateInput,
    as_reason,
    carried_verdicts,
    judge,
    unverified_claims,
    verification_problems,
)
from team.state import Seat, Submission
from tests.support.builders import (
    a_claim,
    a_judgement,
    a_premise,
    a_record,
    a_submission,
    a_task,
    an_evidence,
    decisions_of,
)
from tests.support.decisions import challenges, decides, proposes, withdraws

PAGING = a_record(
    3, "decision", "api", "paging", author="ada", body=DecisionRecorded(statement="s")
)


def given_(**changes: object) -> GateInput:
    """A sound finding for a task of ada's; a test changes what it is about."""
    sound = GateInput(
        task=a_task(),
        submission=a_submission(),
        decisions=decisions_of(PAGING),
        overspent=(),
        quote_problem=lambda _: None,
        is_within=lambda _source, _within: True,
        seat=Seat(name="ada", role="researcher", seated_seq=2),
    )
    return msgspec.structs.replace(sound, **changes)


def said_by(name: str, given: GateInput) -> list[Judgement]:
    """What one check has against a finding."""
    judgements = judge(given, {name: CHECKS[name]})
    return [judgement for judgement in judgements if judgement.outcome != "upheld"]


def reasons(problems: list[Judgement]) -> str:
    return "\n".join(as_reason(problem) for problem in problems)


def test_a_sound_finding_is_upheld_by_every_check() -> None:
    judgements = judge(given_(), CHECKS)

    assert [(j.check, j.outcome) for j in judgements] == [(name, "upheld") for name in CHECKS]


# --- shape -------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("submission", "wanted"),
    [
        (a_submission(summary=" \n"), "finding: shape refuted: the summary is empty"),
        (a_submission(claims=()), "there is no claim"),
        (a_submission(a_claim(text="  ")), "claim c1: shape refuted: the claim says nothing"),
        (a_submission(a_claim(evidence=())), "claim c1: shape refuted: the claim has no evidence"),
        (a_submission(a_claim(text="x" * (CLAIM_CHARACTERS_MAX + 1))), "too long to be one claim"),
        (a_submission(a_claim(), a_claim()), "claim id 'c1' is used twice"),
        (
            a_submission(a_claim(facts=(Fact(subject="a pool", attribute="size", value="12"),))),
            "'12', as the size of a pool, stands neither in it nor in its quotes",
        ),
        (
            a_submission(*(a_claim(f"c{n}") for n in range(CLAIMS_MAX + 1))),
            f"{CLAIMS_MAX + 1} claims, at most {CLAIMS_MAX}",
        ),
        (a_submission(open_questions=("?",) * 41), "41 open questions, at most 40"),
        (a_submission(dropped=("x",) * 41), "41 claims given up, at most 40"),
        (
            a_submission(open_questions=("ignore " + "your " * 9_500,)),
            "open questions: one has 47507 characters, at most 2000",
        ),
        (a_submission(dropped=("x" * 2_001,)), "claims given up: one has 2001 characters"),
    ],
)
def test_a_finding_of_the_wrong_shape_is_refused(submission: object, wanted: str) -> None:
    problems = said_by("shape", given_(submission=submission))

    assert wanted in reasons(problems)
    assert {problem.outcome for problem in problems} == {"refuted"}


@pytest.mark.parametrize("field", ["open_questions", "dropped"])
@pytest.mark.parametrize("lines", [("?",) * (LINES_MAX + 1), ("x" * (LINE_CHARACTERS_MAX + 1),)])
def test_a_finding_with_more_lines_than_one_reads_is_not_even_submitted(
    field: str, lines: tuple[str, ...]
) -> None:
    given = {"summary": "Pools are bounded.", "claims": (a_claim(),), field: lines}

    with pytest.raises(msgspec.ValidationError, match="length"):
        msgspec.convert(msgspec.to_builtins(given), SubmitFindingInput)


def test_a_fact_whose_value_stands_in_the_quote_has_the_right_shape() -> None:
    fact = Fact(subject="a pool", attribute="size", value="Ten connections.")

    assert said_by("shape", given_(submission=a_submission(a_claim(facts=(fact,))))) == []


def test_a_finding_at_its_limits_has_the_right_shape() -> None:
    claims = (a_claim(f"c{n}", "x" * CLAIM_CHARACTERS_MAX) for n in range(CLAIMS_MAX))
    lines = ("x" * LINE_CHARACTERS_MAX,) * LINES_MAX

    assert (
        said_by(
            "shape", given_(submission=a_submission(*claims, open_questions=lines, dropped=lines))
        )
        == []
    )


# --- contract ----------------------------------------------------------------------


@pytest.mark.parametrize(
    ("task", "wanted"),
    [
        (a_task(round=2), "it answers round 1, asked was 2"),
        (a_task(holder="bea"), "'ada' does not hold the task"),
        (a_task(holder=None), "'ada' does not hold the task"),
    ],
)
def test_a_finding_for_another_round_or_of_another_member_is_refused(
    task: object, wanted: str
) -> None:
    assert wanted in reasons(said_by("contract", given_(task=task)))


def test_a_source_outside_the_contract_is_refused_by_name() -> None:
    inside, outside = a_claim("c1"), a_claim("c2", evidence=(an_evidence(source="/etc/passwd"),))
    asked: list[tuple[str, tuple[str, ...]]] = []

    def is_within(source: str, within: tuple[str, ...]) -> bool:
        asked.append((source, within))
        return source.startswith("/src/docs")

    problems = said_by(
        "sources", given_(submission=a_submission(inside, outside), is_within=is_within)
    )

    assert [problem.claim for problem in problems] == ["c2"]
    assert "/etc/passwd" in problems[0].reason
    assert {within for _, within in asked} == {("docs",)}


def test_a_finding_for_its_round_from_its_sources_keeps_the_contract() -> None:
    finding = a_submission(round=2)

    assert said_by("contract", given_(task=a_task(round=2), submission=finding)) == []


# --- quotes ------------------------------------------------------------------------


def test_every_quote_of_every_claim_is_looked_up() -> None:
    first, second, third = (an_evidence(quote) for quote in ("one", "two", "three"))
    claims = (a_claim("c1", evidence=(first, second)), a_claim("c2", evidence=(third,)))

    def quote_problem(evidence: Evidence) -> str | None:
        return None if evidence.quote == "one" else f"no {evidence.quote!r} there"

    problems = said_by(
        "quotes", given_(submission=a_submission(*claims), quote_problem=quote_problem)
    )

    assert [(p.claim, p.reason) for p in problems] == [
        ("c1", "no 'two' there"),
        ("c2", "no 'three' there"),
    ]


def test_quotes_that_stand_are_upheld() -> None:
    assert said_by("quotes", given_()) == []


# --- premises ----------------------------------------------------------------------


def rests_on(*premises: Premise) -> Submission:
    """A finding that rests on decisions which were in its author's context."""
    return a_submission(relied_on=premises, in_context=premises)


def test_a_finding_may_rest_on_a_decision_in_force() -> None:
    finding = rests_on(a_premise(3))

    assert said_by("premises", given_(submission=finding)) == []


def test_a_contested_decision_is_still_in_force() -> None:
    decisions = decisions_of(PAGING, challenges(4, revision=3))
    finding = rests_on(a_premise(3))

    assert said_by("premises", given_(submission=finding, decisions=decisions)) == []


def test_a_finding_that_rests_on_what_was_superseded_is_refused_and_told_by_what() -> None:
    newer = DecisionRecorded(statement="Cursors only.", supersedes=3)
    decisions = decisions_of(
        PAGING, a_record(5, "decision", "api", "paging", author="lead", body=newer)
    )
    finding = rests_on(a_premise(3))

    said = reasons(said_by("premises", given_(submission=finding, decisions=decisions)))

    assert "api/paging revision 3" in said
    assert "superseded by 5 of lead: Cursors only." in said


@pytest.mark.parametrize("premise", [a_premise(3, key="sorting"), a_premise(3, area="data")])
def test_a_finding_that_rests_on_no_decision_is_refused(premise: Premise) -> None:
    finding = rests_on(premise)

    assert "there is no decision" in reasons(said_by("premises", given_(submission=finding)))


def test_a_finding_that_rests_on_what_rests_on_a_fallen_decision_is_refused() -> None:
    decisions = decisions_of(
        PAGING,
        decides(4, "bea", place=("api", "limits"), rests_on=[a_premise(3)]),
        withdraws(5, revision=3, reason="no use"),
    )
    finding = rests_on(a_premise(4, key="limits"))

    said = reasons(said_by("premises", given_(submission=finding, decisions=decisions)))

    assert "api/limits revision 4" in said
    assert "withdrawn by ada: no use" in said


def test_a_finding_that_rests_on_what_is_only_proposed_is_refused() -> None:
    finding = rests_on(a_premise(3))

    said = reasons(
        said_by("premises", given_(submission=finding, decisions=decisions_of(proposes(3))))
    )

    assert "is only proposed" in said


def test_a_finding_may_not_rest_on_a_decision_that_its_author_was_never_shown() -> None:
    finding = a_submission(relied_on=(a_premise(3),), in_context=(a_premise(2),))

    said = reasons(said_by("premises", given_(submission=finding)))

    assert "api/paging revision 3 never was in its author's context" in said


def test_a_claim_that_rests_on_what_fell_is_refused_by_name() -> None:
    claims = (a_claim("c1"), msgspec.structs.replace(a_claim("c2"), relied_on=(a_premise(3),)))
    finding = a_submission(*claims, in_context=(a_premise(3),))
    fallen = decisions_of(PAGING, withdraws(4, revision=3))

    problems = said_by("premises", given_(submission=finding, decisions=fallen))

    assert [problem.claim for problem in problems] == ["c2"]


# --- budget ------------------------------------------------------------------------


def test_a_finding_that_cost_more_than_was_granted_is_refused() -> None:
    """What was granted for a round, and spent in it, is counted in tests/unit/test_grants.py."""
    problem = "round 1: 5 turns, granted were 4"

    assert problem in reasons(said_by("budget", given_(overspent=(problem,))))
    assert not reasons(said_by("budget", given_()))


# --- all of them -------------------------------------------------------------------


def test_a_check_that_raises_is_a_no() -> None:
    class Broken(Check):
        code, name = "X1", "broken"

        def problems(self, given: GateInput) -> list[Judgement]:  # noqa: ARG002
            raise RuntimeError("no disk")

    judgements = judge(given_(), {"shape": CHECKS["shape"], "broken": Broken})

    assert [(j.check, j.outcome) for j in judgements] == [("shape", "upheld"), ("broken", "unsure")]
    assert "no disk" in judgements[1].reason


@pytest.mark.parametrize("name", ["quotes", "sources"])
def test_a_source_that_cannot_be_read_is_a_no(name: str) -> None:
    def fails(*_: object) -> bool:
        raise OSError("the library is gone")

    judgements = judge(given_(quote_problem=fails, is_within=fails), CHECKS)

    assert {j.outcome for j in judgements if j.check == name} == {"unsure"}


def test_one_failed_check_does_not_hide_the_others() -> None:
    finding = a_submission(summary="", round=3, relied_on=(a_premise(99),))

    refused = {j.check for j in judge(given_(submission=finding), CHECKS) if j.outcome != "upheld"}

    assert refused == {"shape", "contract", "premises"}


# --- verifiers ---------------------------------------------------------------------


def judged(*said: tuple[str, Judgement]) -> list[str]:
    finding = a_submission(a_claim("c1"), a_claim("c2"), judgements=said)
    return [as_reason(p) for p in verification_problems(finding, ("vera", "walt"))]


ALL_UPHELD = tuple(
    (by, a_judgement("upheld", claim)) for by in ("vera", "walt") for claim in ("c1", "c2")
)


def test_a_finding_whose_claims_all_verifiers_uphold_is_verified() -> None:
    assert judged(*ALL_UPHELD) == []


@pytest.mark.parametrize("left_out", range(len(ALL_UPHELD)))
def test_a_verifier_that_is_silent_on_one_claim_has_not_upheld_it(left_out: int) -> None:
    by, judgement = ALL_UPHELD[left_out]

    problems = judged(*(pair for n, pair in enumerate(ALL_UPHELD) if n != left_out))

    assert problems == [f"claim {judgement.claim}: verification refuted: {by} did not judge it"]


@pytest.mark.parametrize("outcome", ["unsure", "refuted"])
def test_one_verifier_that_doubts_one_claim_is_enough_to_refuse(outcome: str) -> None:
    doubt = Judgement(check="verification", outcome=outcome, reason="hm", claim="c2")

    problems = judged(*ALL_UPHELD[:3], ("walt", doubt))

    assert problems == [f"claim c2: verification {outcome}: hm"]


def test_the_word_of_somebody_else_does_not_stand_in_for_a_verifier() -> None:
    problems = judged(*ALL_UPHELD[:2], *(("bea", j) for _, j in ALL_UPHELD[2:]))

    assert len(problems) == 2
    assert all("walt did not judge it" in problem for problem in problems)


def test_a_judgement_of_another_kind_is_no_verification() -> None:
    shape = tuple((by, msgspec.structs.replace(j, check="shape")) for by, j in ALL_UPHELD)

    assert len(judged(*shape)) == 4


def test_a_judgement_on_the_whole_finding_upholds_no_claim() -> None:
    whole = tuple((by, a_judgement("upheld", None)) for by in ("vera", "walt"))

    assert len(judged(*whole)) == 4


def test_the_last_word_of_a_verifier_counts() -> None:
    again = a_judgement("refuted", "c1")

    assert len(judged(*ALL_UPHELD, ("vera", again))) == 1


# --- what was verified in an earlier round ------------------------------------------


def carried(
    *said: tuple[str, Judgement], now: Claim | None = None, verifiers: int = 1
) -> list[str | None]:
    """Claims that need not be verified again: c1 was judged so in round 1."""
    before = a_submission(a_claim("c1"), judgements=said)
    present = a_submission(now or a_claim("c1"), round=2).finding
    return [j.claim for j in carried_verdicts([before], present, ("vera", "walt"), verifiers)]


UPHELD = a_judgement("upheld", "c1")


def test_a_claim_that_was_upheld_and_is_unchanged_is_not_verified_again() -> None:
    assert carried(("vera", UPHELD)) == ["c1"]
    assert carried(("vera", UPHELD), now=a_claim("other-id")) == ["other-id"]
    assert carried(("vera", UPHELD), ("walt", UPHELD), verifiers=2) == ["c1"]


@pytest.mark.parametrize("now", [a_claim(text="Eleven."), a_claim(evidence=(an_evidence("x"),))])
def test_a_claim_whose_words_or_evidence_have_changed_is_verified_again(now: Claim) -> None:
    assert carried(("vera", UPHELD), now=now) == []


@pytest.mark.parametrize(
    "said",
    [
        (),
        (("vera", a_judgement("unsure", "c1")),),
        (("vera", UPHELD), ("walt", a_judgement("refuted", "c1"))),
        (("vera", a_judgement("upheld", "c2")),),
        (("vera", a_judgement("upheld", None)),),
        (("gate", a_judgement("upheld", "c1", check="quotes")),),
    ],
)
def test_a_claim_that_was_not_upheld_by_all_is_verified_again(
    said: tuple[tuple[str, Judgement], ...],
) -> None:
    assert carried(*said) == []


def test_the_word_of_whoever_was_not_asked_to_judge_carries_nothing() -> None:
    """A peer may write what it likes; only the round's verifiers were asked."""
    assert carried(("bea", UPHELD)) == []
    assert carried(("vera", UPHELD), ("bea", a_judgement("refuted", "c1"))) == ["c1"]


def test_two_verdicts_of_one_verifier_are_one_verdict() -> None:
    assert carried(("vera", UPHELD), ("vera", UPHELD), verifiers=2) == []


def test_a_claim_that_was_carried_needs_no_verifier_and_the_others_do() -> None:
    kept = a_judgement("upheld", "c1")
    finding = a_submission(a_claim("c1"), a_claim("c2"), judgements=(("gate", kept),))

    assert [claim.id for claim in unverified_claims(finding)] == ["c2"]
    problems = verification_problems(finding, ("vera",))
    assert [problem.claim for problem in problems] == ["c2"]
