"""The shape of a run: what is counted, and what must not be told apart."""

from __future__ import annotations

import re
from pathlib import Path

import msgspec
import pytest
from hypothesis import given

from bus.ids import GATE, PERSON
from bus.messages import (
    ActRefused,
    Answer,
    ApprovalAsked,
    ApprovalGiven,
    ConflictRaised,
    DecisionChallenged,
    DecisionRecorded,
    Question,
    ResultPublished,
    TaskSettled,
)
from team.errors import SpecError
from team.rules.shape import SHAPE_VERSION, Shape, read_shape, shape_of
from team.rules.shape_fields import FIELDS, TEXTS, fields_of, template_of
from tests.support.builders import (
    a_story,
    a_usage,
    opens,
)
from tests.support.paper_runs import a_run, delivers, works
from tests.support.strategies import structs

DOC = Path(__file__).resolve().parents[2] / "docs" / "comparing-runs.md"


def test_lanes_turns_tokens_tools_and_claims_are_counted() -> None:
    shape = shape_of(a_run().records)

    fields = fields_of(shape)
    said = {
        name: fields[name]
        for name in (
            *("status", "mode", "lanes", "lanes_admitted", "stages", "rounds", "members"),
            *("turns", "tool_calls", "tools.note", "tokens.input", "tokens.output", "dollars"),
            *("findings.submitted", "findings.admitted", "findings.rejected"),
            *("claims.submitted", "claims.admitted", "claims.rejected", "claims.cited"),
            *("verdicts.quotes.upheld", "missing", "unread", "setup.models"),
        )
    }
    assert said == {
        "status": "admitted",
        "mode": "team",
        "lanes": 2,
        "lanes_admitted": 2,
        "stages": 2,
        "rounds": 2,
        "members": 3,
        "turns": 3,
        "tool_calls": 5,
        "tools.note": 5,
        "tokens.input": 30,
        "tokens.output": 3,
        "dollars": 1.5,
        "findings.submitted": 2,
        "findings.admitted": 2,
        "findings.rejected": 0,
        "claims.submitted": 4,
        "claims.admitted": 4,
        "claims.rejected": 0,
        "claims.cited": 1,
        "verdicts.quotes.upheld": 2,
        "missing": 0,
        "unread": 0,
        "setup.models": "m1",
    }


def test_work_is_told_by_role_and_by_lane() -> None:
    fields = fields_of(shape_of(a_run().records))

    assert fields["roles.researcher.members"] == 2
    assert fields["roles.researcher.turns"] == 2
    assert fields["roles.researcher.dollars"] == 1.0
    assert fields["roles.lead.tools.note"] == 1
    assert fields["lane.pools.stage"] == 1
    assert fields["lane.timeouts.stage"] == 2
    assert fields["lane.timeouts.after"] == "pools"
    assert fields["lane.timeouts.tokens.input"] == 10
    assert fields["lane.timeouts.sources"] == "docs"


def test_names_ids_and_order_do_not_make_equal_runs_differ() -> None:
    """Whoever worked first under whichever name: it is the same shape, to the last byte."""
    shape = shape_of(a_run().records)
    renamed = shape_of(a_run("zoe", "abe", ids=("lane-9", "lane-8"), is_second_first=True).records)

    assert msgspec.structs.replace(renamed, seconds=shape.seconds) == shape
    assert msgspec.json.encode(renamed.lanes) == msgspec.json.encode(shape.lanes)


def test_a_rejected_finding_is_counted_with_its_claims_and_its_round() -> None:
    story = a_story()
    story.seat("ada")
    story.tell("task", "t1", body=opens("pools"))
    delivers(story, "t1", "ada", is_upheld=False)
    story.tell("task", "t1", body=opens("pools", round=2))
    delivers(story, "t1", "ada")
    pending = fields_of(shape_of(story.records))
    story.tell("task", "t1", body=TaskSettled(state="admitted"))

    fields = fields_of(shape_of(story.records))
    assert fields["rounds"] == 2
    assert (fields["findings.admitted"], fields["findings.rejected"]) == (1, 1)
    assert (fields["claims.admitted"], fields["claims.rejected"]) == (2, 2)
    assert fields["verdicts.quotes.refuted"] == 1
    assert (pending["findings.admitted"], pending["findings.rejected"]) == (0, 1)


def test_mail_decisions_conflicts_and_refusals_are_counted_by_kind() -> None:
    story = a_story()
    story.seat("ada")
    story.tell("mail", "ada", body=Question(text="Is it?"))
    story.tell("mail", "lead", author="ada", body=Answer(text="Yes."))
    key = ("api", "paging")
    revision = story.tell("decision", *key, author="ada", body=DecisionRecorded(statement="x"))
    story.tell("decision", *key, body=DecisionChallenged(revision=revision, reason="no"))
    old = DecisionRecorded(statement="y", standing="docs/1.md")
    story.tell("decision", "api", "errors", author=PERSON, body=old)
    raised = ConflictRaised(first="t1.c1", second="t2.c1", reason="x")
    story.tell("conflict", "k1", author=GATE, body=raised)
    for _ in range(2):
        refused = ActRefused(code="P201", what="shell", reason="not in the role")
        story.tell("refusal", author="ada", body=refused)

    fields = fields_of(shape_of(story.records))
    assert fields["mail.question"] == fields["mail.answer"] == 1
    assert (fields["decisions.made"], fields["decisions.standing"]) == (1, 1)
    assert (fields["disputes.objections"], fields["disputes.rulings"]) == (1, 0)
    assert fields["conflicts.raised"] == 1
    assert fields["refusals.P201"] == 2


def test_waiting_for_a_person_is_no_wall_time() -> None:
    story = a_story()
    begin = story.records[0].at
    asked = ApprovalAsked(what="plan", text="this?")
    story.tell("approval", "plan", body=asked, at=begin + 10)
    approved = ApprovalGiven(outcome="approved")
    story.tell("approval", "plan", author=PERSON, body=approved, at=begin + 110)
    story.tell("result", body=ResultPublished(status="admitted"), at=begin + 130)

    assert shape_of(story.records).seconds == 30.0


def test_an_unknown_price_makes_the_dollars_unknown() -> None:
    story = a_run()
    usage = a_usage(cost_usd=None, context="task:t1:1")
    story.tell("usage", author="ada", body=usage)

    fields = fields_of(shape_of(story.records))
    assert fields["dollars"] == fields["lane.pools.dollars"] == "unknown"
    assert fields["lane.timeouts.dollars"] == 0.5


def test_a_record_that_can_not_be_read_is_counted() -> None:
    """Unknown means no: a shape that is not whole says so."""
    story = a_run()
    story.tell("mail", "ada", body=None)

    assert fields_of(shape_of(story.records))["unread"] == 1


def test_a_stage_is_one_more_than_the_deepest_that_is_waited_for() -> None:
    story = a_story()
    waits = {"t1": (), "t2": ("t1",), "t3": ("t1", "t2"), "t4": ("gone",), "t5": ("t3", "t4")}
    for task, needed in waits.items():
        story.tell("task", task, body=opens(task, depends_on=needed))

    assert [lane.stage for lane in shape_of(story.records).lanes] == [1, 2, 3, 1, 4]


def test_lanes_that_wait_for_each_other_lie_deepest() -> None:
    """No plan has them; a stream may."""
    story = a_story()
    for task, needed in (("t1", ()), ("t2", ("t1", "t3")), ("t3", ("t2",))):
        story.tell("task", task, body=opens(task, depends_on=needed))

    assert [lane.stage for lane in shape_of(story.records).lanes] == [1, 2, 2]


def test_who_worked_without_a_seat_is_counted_apart_and_unnamed() -> None:
    story = a_story()
    works(story, "stranger", "task:t1:1")

    fields = fields_of(shape_of(story.records))
    assert fields["roles.unseated.turns"] == 1
    assert fields["roles.unseated.members"] == 0
    assert not any("stranger" in name for name in fields)


def test_lanes_of_one_title_are_told_apart() -> None:
    story = a_story()
    story.tell("task", "t1", body=opens("How pools end"))
    story.tell("task", "t2", body=opens("How pools end!", depends_on=("t1",)))

    fields = fields_of(shape_of(story.records))
    assert fields["lane.How-pools-end.stage"] == 1
    assert fields["lane.How-pools-end~2.stage"] == 2


def test_a_stream_with_nothing_in_it_has_a_shape() -> None:
    fields = fields_of(shape_of([]))

    assert (fields["status"], fields["mode"], fields["lanes"]) == ("unfinished", "none", 0)


@given(structs(Shape))
def test_a_shape_that_is_written_is_read_back_and_has_known_fields_only(shape: Shape) -> None:
    shape = msgspec.structs.replace(shape, version=SHAPE_VERSION)

    assert read_shape(msgspec.json.encode(shape), "x.json") == shape
    for name, value in fields_of(shape).items():
        counts = ("findings", "claims", "decisions", "disputes", "verdicts")
        if not name.startswith(counts):  # any words there, in a shape that is made up
            assert template_of(name) in FIELDS
            is_text = template_of(name) in TEXTS or value == "unknown"
            assert isinstance(value, str) == is_text


@pytest.mark.parametrize(
    ("data", "said"),
    [
        (b"{", "it is no shape of a run"),
        (b"{}", "missing required field `version`"),
        (b"\xff", "it is no shape of a run"),
    ],
)
def test_what_is_no_shape_is_refused(data: bytes, said: str) -> None:
    with pytest.raises(SpecError, match=re.escape(said)):
        read_shape(data, "x.json")


def test_a_shape_of_another_version_is_refused() -> None:
    shape = msgspec.structs.replace(shape_of([]), version=SHAPE_VERSION + 1)

    with pytest.raises(SpecError, match=r"x\.json: version: it is 2, this version reads 1"):
        read_shape(msgspec.json.encode(shape), "x.json")


def test_every_field_is_described() -> None:
    said = dict(re.findall(r"(?m)^\| `([^`]+)` \| (.+) \|$", DOC.read_text()))

    assert {name: what for name, what in said.items() if name in FIELDS} == FIELDS
