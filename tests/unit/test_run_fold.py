"""A whole run as a fold: all parts together, in stream order, the same every time."""

from __future__ import annotations

from typing import Any

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from bus.ids import LEAD
from bus.messages import (
    CancelRun,
    DecisionRecorded,
    Message,
    Question,
    ResultPublished,
    RunOpened,
    RunTriaged,
    StopMember,
    WrapUp,
)
from bus.run_stream import Record
from team.state import RunState, fold
from tests.support.builders import (
    Story,
    a_record,
    a_resolved_spec,
    a_story,
    a_usage,
    calls,
    opens,
    replies,
)
from tests.support.paper_team import PaperTeam


def everything(state: RunState) -> dict[str, Any]:
    """All that a state holds, ready to be compared."""
    return {
        name: vars(part) if type(part).__module__.startswith("team.state") else part
        for name, part in vars(state).items()
    }


def a_whole_run() -> list[Record]:
    """A run on paper from its start to its result, with mail, decisions and usage."""
    team = PaperTeam()
    team.lead()
    team.story.tell("mail", "bea", author="ada", body=Question(text="And yours?"))
    decided = DecisionRecorded(statement="Count as pool: pools.")
    team.story.tell("decision", "terms", "pool", author="ada", body=decided)
    turn = replies(1, calls("x"))
    team.story.tell("journal", author="ada", body=turn)
    team.story.tell("usage", author="ada", body=a_usage(input=5))
    for task in ("t1", "t2"):
        team.work(task)
        team.lead()
        team.judge(task)
    team.lead()
    return team.story.records


def test_what_is_decided_after_the_result_changes_nothing() -> None:
    """The result rests on what held when it was published, and the run lasted until then."""
    story = a_story()
    story.tell("result", body=ResultPublished(status="admitted"), at=1_010.0)

    late = DecisionRecorded(statement="Count as pool: pools.")
    story.tell("decision", "terms", "pool", author="person", body=late, at=2_000.0)

    assert not story.state.decisions.history
    assert (story.state.ended_at, story.state.last_at) == (1_010.0, 2_000.0)


def test_a_run_that_was_not_opened_has_neither_goal_nor_spec() -> None:
    state = fold([])

    assert (state.opened, state.spec, state.last_seq) == (None, None, 0)


def test_a_run_says_what_was_asked_of_which_team() -> None:
    state = a_story(turns_max=5).state

    assert state.opened is not None
    assert state.opened.goal == "Compare pools."
    assert state.spec is not None
    assert state.spec.team.policy.turns_max == 5
    assert (state.opened_at, state.spec_head_seq) == (1_000.0, 1)


@pytest.mark.parametrize("spec", [b'{"team":{"nme":"x"}}', b"[]", b"3"])
def test_a_spec_of_another_version_is_kept_aside(spec: bytes) -> None:
    """A run that this version can't lead can still be looked at."""
    story = Story()

    story.tell("spec", body=RunOpened(goal="Compare pools.", spec=msgspec.Raw(spec)))

    assert story.state.opened is not None
    assert story.state.spec is None
    assert story.state.unread[0].startswith("1: the spec can't be read: ")


def test_a_run_is_opened_once() -> None:
    story = a_story()
    other = RunOpened(goal="Other.", spec=msgspec.Raw(msgspec.json.encode(a_resolved_spec())))

    story.tell("spec", body=other)

    assert story.state.opened is not None
    assert story.state.opened.goal == "Compare pools."
    assert story.state.spec_head_seq == story.last_seq


@pytest.mark.parametrize(
    ("kind", "body"),
    [
        ("spec", RunTriaged(mode="solo", reasons=("so I say",))),
        ("result", ResultPublished(status="admitted", text="Obey.")),
    ],
)
def test_only_the_lead_says_what_a_run_is_and_how_it_ended(kind: str, body: Message) -> None:
    story = a_story()

    story.tell(kind, author="ada", body=body)

    assert story.state.triage is None
    assert story.state.result is None


def test_a_result_is_final() -> None:
    story = a_story()
    for status in ("admitted", "rejected"):
        story.tell("result", body=ResultPublished(status=status))

    assert story.state.result == ResultPublished(status="admitted")
    assert story.state.result_head_seq == story.last_seq


@pytest.mark.parametrize(
    ("to", "author", "is_cancelled"),
    [
        (LEAD, "person", True),
        (LEAD, LEAD, True),
        (LEAD, "ada", False),
        ("ada", LEAD, False),
        ("ada", "person", False),
    ],
)
def test_a_run_is_cancelled_by_a_person_or_the_lead_who_tells_the_lead(
    to: str, author: str, is_cancelled: bool
) -> None:
    story = a_story()

    story.tell("control", to, author=author, body=CancelRun(reason="enough"))

    assert (story.state.cancel_reason == "enough") is is_cancelled


def test_other_control_does_not_cancel() -> None:
    story = a_story()

    story.tell("control", LEAD, author="person", body=StopMember(reason="later"))

    assert story.state.cancel_reason is None


@pytest.mark.parametrize(("author", "is_told"), [(LEAD, True), ("bea", False)])
def test_who_was_told_to_wrap_up_is_known(author: str, is_told: bool) -> None:
    story = a_story()

    story.tell("control", "ada", author=author, body=WrapUp(reason="time is nearly over"))

    assert ("ada" in story.state.told_to_wrap_up) is is_told


@pytest.mark.parametrize(
    ("kind", "names"),
    [
        ("task", ("t1",)),
        ("decision", ("api", "paging")),
        ("finding", ("t1",)),
        ("mail", ("ada",)),
        ("member", ("ada",)),
        ("spec", ()),
        ("journal", ()),
        ("usage", ()),
        ("result", ()),
        ("control", ("ada",)),
    ],
)
def test_a_record_that_cannot_be_read_is_kept_aside(kind: str, names: tuple[str, ...]) -> None:
    """It changes nothing that anybody reads, but every next write can follow it."""
    story = a_story()
    story.tell("task", "t1", body=opens())
    story.tell("decision", "api", "paging", body=DecisionRecorded(statement="s"))
    before = story.state

    seq = story.tell(kind, *names, author="ada")

    state = story.state
    assert state.unread == [f"{seq}: unknown type 'x.y'"]
    assert state.last_seq == seq
    assert state.board.tasks["t1"].state is before.board.tasks["t1"].state
    assert state.decisions.all_in_force() == before.decisions.all_in_force()
    assert everything(state)["roster"] == everything(before)["roster"]
    assert state.result is None
    heads = {
        "task": state.board.tasks["t1"].head_seq,
        "decision": state.decisions.head_seqs["api", "paging"],
        "spec": state.spec_head_seq,
        "result": state.result_head_seq,
    }
    assert heads.get(kind, seq) == seq


def test_records_are_folded_in_stream_order_and_each_once() -> None:
    state = RunState()
    state.apply(a_record(2, "usage", author="ada", body=a_usage()))

    for seq in (1, 2):
        with pytest.raises(AssertionError):
            state.apply(a_record(seq, "usage", author="ada", body=a_usage()))


def test_each_kind_of_record_goes_to_its_part() -> None:
    state = fold(a_whole_run())

    assert state.result is not None
    assert state.triage is not None
    assert {task.state.value for task in state.board.tasks.values()} == {"admitted"}
    assert [d.name for d in state.decisions.all_in_force()] == ["terms/pool"]
    assert set(state.findings.submissions) == {"t1", "t2"}
    assert [letter.author for letter in state.mail.letters.values()] == ["ada"]
    assert state.ledger.total.calls == 1
    assert {seat.name for seat in state.roster.present("researcher")} == {"ada", "bea"}
    assert not state.unread
    assert not state.board.anomalies


@given(data=st.data())
def test_a_fold_may_stop_anywhere_and_go_on(data: st.DataObject) -> None:
    """Resuming is re-reading: a prefix and then the rest give the whole."""
    records = WHOLE
    cut = data.draw(st.integers(0, len(records)))
    state = fold(records[:cut])

    for record in records[cut:]:
        state.apply(record)

    assert everything(state) == everything(fold(records))


@given(data=st.data())
def test_a_fold_of_what_one_member_is_sent_never_fails(data: st.DataObject) -> None:
    """Members fold what their filters let through: any part of a run, in order."""
    kinds = data.draw(st.sets(st.sampled_from(sorted({r.subject.kind for r in WHOLE}))))

    state = fold(record for record in WHOLE if record.subject.kind in kinds)

    assert state.last_seq in {0, *(r.seq for r in WHOLE if r.subject.kind in kinds)}


WHOLE = a_whole_run()


def test_the_builders_tell_a_story_from_sequence_one() -> None:
    assert [record.seq for record in WHOLE] == list(range(1, len(WHOLE) + 1))
    assert Story().last_seq == 0
