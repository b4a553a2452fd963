"""What the goal asks of the answer, and what was refused on the way: the final gate's part."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from bus.ids import GATE, LEAD
from bus.messages import (
    ConflictRaised,
    ConflictRuled,
    PlanMade,
    RunTriaged,
    TaskClaimed,
    TaskSettled,
    TaskSubmitted,
)
from team.codes import RULES
from team.rules.contradictions import pair_id
from team.rules.limits_of_text import limit_of, problem_of
from team.rules.sentences_of_text import sentences_of
from team.rules.synthesis import (
    ConstraintMet,
    Section,
    Sentence,
    Synthesis,
    admitted_claims,
    rejected_claims,
    render,
    upheld_claims,
)
from team.rules.synthesis_gate import (
    CHECKS,
    Asked,
    SynthesisCheck,
    SynthesisInput,
    asked_of,
    says_the_same,
    synthesis_problems,
)
from tests.support.builders import (
    Story,
    a_claim,
    a_contract,
    a_finding,
    a_judgement,
    a_story,
    a_verdict,
    an_admitted,
    an_evidence,
    opens,
)

TEN = "A pool keeps at most ten connections open."
ADMITTED = (an_admitted("t1.c1", a_claim(text=TEN)),)


def a_synthesis(*texts: str, **changes: Any) -> Synthesis:
    sentences = tuple(Sentence(text=text, cites=("t1.c1",)) for text in texts or (TEN,))
    sections = (Section(heading="Pools", sentences=sentences),)
    return msgspec.structs.replace(Synthesis(title="Pools", sections=sections), **changes)


def refused(synthesis: Synthesis, **asked: Any) -> str:
    return "\n".join(synthesis_problems(synthesis, ADMITTED, Asked(**asked)))


def test_every_check_of_the_answer_has_a_rule_in_the_catalogue() -> None:
    assert [check.code for check in CHECKS] == [c for c in RULES if c.startswith("G2")]


@pytest.mark.parametrize("check", CHECKS)
def test_each_check_of_the_answer_that_crashes_is_a_no(check: type[SynthesisCheck]) -> None:
    """An answer that is none: whatever looks at it fails."""
    broken = msgspec.structs.replace(a_synthesis(), sections=None)  # type: ignore[arg-type]
    asked = msgspec.structs.replace(Asked(), aspects=None, constraints=None)  # type: ignore[arg-type]

    [problem] = synthesis_problems(broken, ADMITTED, asked, (check,))

    assert problem.startswith(f"the check {check.name!r} failed: ")


def test_one_crash_does_not_hide_what_others_find() -> None:
    class Broken(SynthesisCheck):
        code, name = "X1", "broken"

        def problems(self, given: SynthesisInput) -> Iterator[str]:  # noqa: ARG002
            raise RuntimeError("no disk")

    loose = a_synthesis(sections=(Section(heading="h", sentences=(Sentence(text="x", cites=()),)),))

    problems = synthesis_problems(loose, ADMITTED, Asked(), (Broken, *CHECKS))

    assert "no disk" in problems[0]
    assert len(problems) == 3


# --- aspects --------------------------------------------------------------------------


def test_an_aspect_that_nothing_answers_is_refused() -> None:
    said = refused(a_synthesis(), aspects=("size", "cost"), covers={"t1": ("size",)})

    assert "the aspect 'cost' is answered by no sentence" in said
    assert "'size'" not in said


def test_an_aspect_may_be_said_to_be_missing_instead() -> None:
    honest = a_synthesis(missing=("Cost: no source speaks of it.",))

    assert refused(honest, aspects=("cost",)) == ""


def test_a_lane_that_covers_an_aspect_must_be_cited_for_it() -> None:
    """That it was admitted is not enough."""
    asked = {"aspects": ("cost",), "covers": {"t2": ("cost",)}}

    assert "'cost'" in refused(a_synthesis(), **asked)


# --- constraints ----------------------------------------------------------------------


@pytest.mark.parametrize(
    ("constraint", "problem"),
    [
        ("Use at most 100 words in total.", None),
        ("The answer must be no longer than 7 words.", "it has 8 words"),
        ("at most 7 words", "it has 8 words"),
        ("At most eight words.", None),
        ("in no more than one sentence", None),
        ("at least two sentences", "it has 1 sentences"),
        ("at least 3 words", None),
        ("do not mention connections", "it mentions 'connections'"),
        ("never mention “open sockets”", None),
        ("mention retries", "it does not mention 'retries'"),
    ],
)
def test_a_constraint_that_code_can_check_is_checked(constraint: str, problem: str | None) -> None:
    said = refused(a_synthesis(), constraints=(constraint,))

    assert (f"{constraint!r} is not met: {problem}" in said) if problem else said == ""


@pytest.mark.parametrize(
    "constraint",
    [
        "use only sources from before 2020",
        "at most 10 words per sentence",
        "Answer only from the docs in no more than 100 words",
        "at most 100 words, of which at least 20 words are on cost",
        "in German",
        "do not mention anything that was said in the interviews of the spring",
        "only mention pools",
    ],
)
def test_of_any_other_constraint_the_lead_says_how_it_is_met(constraint: str) -> None:
    met = ConstraintMet(constraint=constraint, how="All sources are of 2019.")
    blank = ConstraintMet(constraint=constraint, how="  ")

    assert "say in `constraints` how this is met" in refused(
        a_synthesis(), constraints=(constraint,)
    )
    assert "say in `constraints`" in refused(
        a_synthesis(constraints=(blank,)), constraints=(constraint,)
    )
    assert refused(a_synthesis(constraints=(met,)), constraints=(constraint,)) == ""


def test_that_the_lead_says_so_does_not_meet_what_code_can_check() -> None:
    met = ConstraintMet(constraint="at most 3 words", how="I was brief.")

    assert "it has 8 words" in refused(
        a_synthesis(constraints=(met,)), constraints=("at most 3 words",)
    )


@given(st.text(max_size=60), st.lists(st.text(max_size=20), max_size=3))
def test_any_constraint_can_be_read_and_any_answer_held_against_it(
    constraint: str, sentences: list[str]
) -> None:
    limit = limit_of(constraint)

    if limit is not None:
        problem_of(limit, sentences)


@given(st.integers(1, 60), st.integers(1, 60))
def test_a_limit_of_words_is_kept_exactly_up_to_its_number(most: int, words: int) -> None:
    limit = limit_of(f"at most {most} words")
    assert limit is not None

    assert (problem_of(limit, ["word"] * words) is None) == (words <= most)


def test_sentences_are_counted_and_not_the_entries_that_hold_them() -> None:
    crowded = a_synthesis("They keep ten. Ten it is! “So it is.” And ten, e.g. here. Ten.")

    assert "it has 5 sentences" in refused(crowded, constraints=("At most two sentences",))


TITLED = a_synthesis(title="Why Redis wins")
HEADED = a_synthesis(
    sections=(Section(heading="Redis", sentences=(Sentence(text=TEN, cites=()),)),)
)
LACKING = a_synthesis(missing=("Cost: Redis was not looked at.",))


@pytest.mark.parametrize("answer", [TITLED, HEADED, LACKING])
def test_what_may_not_be_mentioned_is_in_no_heading_either(answer: Synthesis) -> None:
    said = refused(answer, constraints=("Never mention Redis",), aspects=("Cost",))

    assert "it mentions 'Redis'" in said


def test_the_name_of_an_aspect_in_what_is_missing_breaks_no_constraint() -> None:
    """It has to be named, word for word."""
    honest = a_synthesis(missing=("Compare Redis: no lane covers it.",))
    asked = {"aspects": ("Compare Redis",), "constraints": ("do not mention Redis",)}

    assert refused(honest, **asked) == ""


# --- several sentences in one entry ----------------------------------------------------


@pytest.mark.parametrize(
    "text",
    [
        f"{TEN} The retry budget is 42.",
        f"The retry budget is 42. {TEN}",
        f"“{TEN}” The retry budget is 42.",
    ],
)
def test_each_of_several_sentences_that_share_a_citation_must_be_said_by_it(text: str) -> None:
    said = refused(a_synthesis(text))

    assert said.startswith("'The retry budget is 42.' shares its citations")


@pytest.mark.parametrize(
    "text",
    [
        "Pools keep ten. They never keep more.",
        "They never keep more. Pools keep ten.",
        "The guide says “Pools keep ten. They never keep more.”",
        "Pools keep ten, i.e. no more (cf. the guide, p. 7).",
    ],
)
def test_a_cited_claim_of_several_sentences_may_be_repeated(text: str) -> None:
    admitted = (an_admitted("t1.c1", a_claim(text="Pools keep ten. They never keep more.")),)

    assert synthesis_problems(a_synthesis(text), admitted) == []


# --- what was refused -----------------------------------------------------------------


@pytest.mark.parametrize(
    ("text", "was_refused"),
    [
        ("A pool keeps at most twelve connections open.", "Pools keep at most 12 open."),
        (
            "Timeouts are retried three times by default.",
            "By default, timeouts are retried three times.",
        ),
        (
            "A pool does not keep at most ten connections open.",
            "A pool does not keep at most ten connections open.",
        ),
    ],
)
def test_a_refused_claim_does_not_come_in_under_anothers_name(text: str, was_refused: str) -> None:
    if says_the_same(text, was_refused):
        said = refused(a_synthesis(text), refused=(was_refused,))
        assert "this was refused and is in no admitted claim" in said
    else:
        assert refused(a_synthesis(text), refused=(was_refused,)) == ""


BUDGET = "The retry budget of the server is forty two attempts before it aborts."
IN_OTHER_WORDS = "forty two attempts is the retry budget of the server before it aborts"


@pytest.mark.parametrize(
    "text",
    [
        f"{TEN} {BUDGET}",
        f"{TEN[:-1]}, and {BUDGET.lower()}",
        f"{TEN[:-1]}; {IN_OTHER_WORDS}.",
        f"{TEN} {IN_OTHER_WORDS}.",
        f"{TEN[:-1]} ({IN_OTHER_WORDS}).",
        f"As was found before, {BUDGET.lower()}",
    ],
)
def test_a_refused_claim_does_not_come_in_behind_an_admitted_one(text: str) -> None:
    said = refused(a_synthesis(text), refused=(BUDGET,))

    assert "this was refused and is in no admitted claim" in said


@pytest.mark.parametrize(
    "answer",
    [
        a_synthesis(title=BUDGET),
        a_synthesis(
            sections=(Section(heading=BUDGET, sentences=(Sentence(text=TEN, cites=("t1.c1",)),)),)
        ),
        a_synthesis(missing=(f"Cost: {BUDGET}",)),
        a_synthesis(missing=(IN_OTHER_WORDS,)),
    ],
)
def test_a_refused_claim_does_not_come_in_where_nothing_is_cited(answer: Synthesis) -> None:
    said = refused(answer, refused=(BUDGET,), goal="Compare pools.")

    assert "this was refused and is in no admitted claim" in said


def test_the_goal_its_aspects_and_what_code_reports_may_be_repeated() -> None:
    """Whatever was refused on the way: they are no words of the lead's."""
    reported = f"pools: rejected: the gate refused “{BUDGET}”"
    repeated = a_synthesis(title=BUDGET, missing=("Pools never end: no lane covers it.", reported))
    asked = {"goal": BUDGET, "aspects": ("Pools never end",), "reported": (reported,)}

    assert refused(repeated, refused=(BUDGET, "Pools never end."), **asked) == ""


def test_a_refused_claim_that_an_admitted_one_has_in_it_may_be_said() -> None:
    longer = f"As far as is known, {BUDGET.lower()}"
    admitted = (an_admitted("t1.c1", a_claim(text=longer)),)

    assert synthesis_problems(a_synthesis(longer), admitted, Asked(refused=(BUDGET,))) == []


@pytest.mark.parametrize("mark", ["[7]", "“connections never end at all”"])
def test_marks_and_quotations_around_the_sentences_are_looked_at_too(mark: str) -> None:
    told = f"Pools {mark}"
    headed = Section(heading=told, sentences=(Sentence(text=TEN, cites=("t1.c1",)),))

    for answer in (
        a_synthesis(title=told),
        a_synthesis(sections=(headed,)),
        a_synthesis(missing=(told,)),
    ):
        assert told in refused(answer)
        assert refused(answer, goal=told) == ""


@given(st.text(max_size=200))
def test_a_text_is_cut_into_sentences_without_losing_any_of_it(text: str) -> None:
    assert "".join("".join(sentences_of(text)).split()) == "".join(text.split())


def test_numbers_and_denials_tell_claims_apart() -> None:
    assert says_the_same(TEN, "At most ten connections are kept open by a pool keeps.")
    assert not says_the_same("It keeps 10 connections open.", "It keeps 12 connections open.")
    assert not says_the_same("Pools are shared by workers.", "Pools are not shared by workers.")


def test_what_was_refused_once_and_admitted_later_may_be_said() -> None:
    assert refused(a_synthesis(TEN), refused=(TEN,)) == ""


# --- from the stream --------------------------------------------------------------------


def a_lane(story: Story, task: str, *texts: str, refuse: str = "", covers: str = "size") -> None:
    """A lane of ada's; with a claim that is refused first, in round 1, and mended or dropped."""
    contract = a_contract(covers=(covers,))
    story.tell("task", task, body=opens(f"lane {task}", contract=contract))
    story.tell("task", task, author="ada", body=TaskClaimed())
    if refuse:
        bad = a_finding(a_claim("c9", refuse), a_claim("c1", texts[0]))
        seq = story.tell("finding", task, author="ada", body=bad)
        no = a_judgement("refuted", "c9", check="quotes")
        story.tell("verdict", task, author=GATE, body=a_verdict(seq, no))
    claims = tuple(a_claim(f"c{n}", text) for n, text in enumerate(texts, start=1))
    seq = story.tell("finding", task, author="ada", body=a_finding(*claims, round=2))
    story.tell("task", task, author="ada", body=TaskSubmitted())
    story.tell("verdict", task, author=GATE, body=a_verdict(seq))
    story.tell("task", task, body=TaskSettled(state="admitted"))


def test_what_is_asked_of_the_answer_comes_from_the_plan_and_the_findings() -> None:
    story = a_story()
    plan = PlanMade(
        mode="team", reasons=(), tasks=(), constraints=("In German.",), aspects=("size",)
    )
    story.tell("spec", body=plan)
    story.tell("spec", body=RunTriaged(mode="team", reasons=()))
    a_lane(story, "t1", TEN, refuse="Pools never end.")

    asked = asked_of(story.state)

    assert asked == Asked(
        aspects=("size",),
        constraints=("In German.",),
        covers={"t1": ("size",)},
        refused=("Pools never end.", TEN),
        goal="Compare pools.",
    )


def test_a_claim_that_lost_a_conflict_may_not_be_cited_and_is_named_as_struck_out() -> None:
    story = a_story()
    a_lane(story, "t1", "Ten.")
    a_lane(story, "t2", "Twelve.")
    raised = ConflictRaised(first="t1.c1", second="t2.c1", reason="numbers", is_certain=True)
    [one, other] = upheld_claims(story.state)
    name = pair_id(one.ref, one.claim, other.ref, other.claim)
    story.tell("conflict", name, author=GATE, body=raised)

    assert admitted_claims(story.state) == []

    story.tell("conflict", name, author=LEAD, body=ConflictRuled(stands="second", reason="newer"))

    assert [one.ref for one in admitted_claims(story.state)] == ["t2.c1"]
    [line] = rejected_claims(story.state)
    assert line.startswith("“Ten.” (ada on lane t1): struck out")
    assert "Ten." in asked_of(story.state).refused


def test_the_answer_names_what_was_refused_and_not_mended() -> None:
    story = a_story()
    a_lane(story, "t1", TEN, refuse="Pools never end.")

    rejected = rejected_claims(story.state)
    text, _ = render(a_synthesis(), ADMITTED, (), rejected)

    assert rejected == ("“Pools never end.” (ada on lane t1): claim c9: quotes refuted: so it is",)
    assert "## What was rejected\n\n- “Pools never end.”" in text


def test_what_was_mended_later_is_not_named() -> None:
    story = a_story()
    a_lane(story, "t1", TEN, *["x"] * 8, refuse="Ten connections.")

    assert "t1.c9" in {one.ref for one in admitted_claims(story.state)}
    assert rejected_claims(story.state) == ()


def test_an_answer_of_which_nothing_was_rejected_has_no_such_section() -> None:
    assert "rejected" not in render(a_synthesis(), ADMITTED, ())[0]


def test_no_more_refused_claims_are_named_than_one_reads() -> None:
    story = a_story()
    story.tell("task", "t1", body=opens())
    story.tell("task", "t1", author="ada", body=TaskClaimed())
    claims = tuple(a_claim(f"c{n}", "long " * 200) for n in range(30))
    seq = story.tell("finding", "t1", author="ada", body=a_finding(*claims))
    noes = tuple(a_judgement("refuted", claim.id) for claim in claims)
    story.tell("verdict", "t1", author=GATE, body=a_verdict(seq, *noes))

    lines = rejected_claims(story.state)

    assert len(lines) == 21
    assert lines[-1] == "and 10 more"
    assert max(map(len, lines)) < 600


def test_a_quote_of_a_cited_claim_is_no_refused_sentence() -> None:
    quote = "Pools never end at once."
    admitted = (an_admitted("t1.c1", a_claim(text=TEN, evidence=(an_evidence(quote),))),)

    assert synthesis_problems(a_synthesis(quote), admitted, Asked(refused=(quote,))) == []


def test_what_the_lead_says_of_a_constraint_stands_in_the_answer_as_its_word() -> None:
    said = ConstraintMet(constraint="Only use beta", how="every quote is beta's")
    text, _ = render(msgspec.structs.replace(a_synthesis(), constraints=(said,)), ADMITTED, (), ())

    assert "## Constraints on the lead's word\n\n- Only use beta: every quote is beta's" in text


@pytest.mark.parametrize("said", ["Don't mention workers or signals", "never mention any queue"])
def test_what_is_not_to_be_mentioned_is_not_guessed_where_it_is_more_than_a_name(said: str) -> None:
    assert limit_of(said) is None


def test_one_of_a_thing_mentions_it() -> None:
    limit = limit_of("Never mention signals")

    assert limit is not None
    assert problem_of(limit, ("A worker is ended by a signal.",)) == "it mentions 'signals'"
    assert problem_of(limit, ("A worker is ended by a signpost.",)) is None
