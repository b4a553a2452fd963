"""The task board: which moves there are, who may make them, what is left of the rest."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bus.messages import (
    Message,
    TaskClaimed,
    TaskFailed,
    TaskSettled,
    TaskState,
    TaskSubmitted,
)
from team.state import Board
from team.state.board import MOVES
from tests.support.builders import a_record, opens

S = TaskState
INPUTS: dict[str, tuple[str, Message]] = {
    "open": ("lead", opens(offered_to="ada")),
    "claim": ("ada", TaskClaimed()),
    "submit": ("ada", TaskSubmitted()),
    "fail": ("ada", TaskFailed(reason="out of turns")),
    "admitted": ("lead", TaskSettled(state="admitted")),
    "rejected": ("lead", TaskSettled(state="rejected", reasons=("no quote",))),
    "failed": ("lead", TaskSettled(state="failed", reasons=("too late",))),
    "cancelled": ("lead", TaskSettled(state="cancelled")),
}
# How a task gets into each state, settled or not.
WAYS: dict[str, tuple[str, ...]] = {
    "none": (),
    "open": ("open",),
    "claimed": ("open", "claim"),
    "submitted": ("open", "claim", "submit"),
    "failed": ("open", "claim", "fail"),
    "admitted, settled": ("open", "claim", "submit", "admitted"),
    "rejected, settled": ("open", "claim", "submit", "rejected"),
    "failed, settled": ("open", "failed"),
    "cancelled, settled": ("open", "cancelled"),
}
MEMBERS = ("lead", "ada", "bea", "person", "supervisor")


def a_board(*inputs: str) -> Board:
    board = Board()
    for name in inputs:
        give(board, name)
    return board


def give(board: Board, name: str, author: str | None = None) -> int:
    """Give the board one input; returns its sequence."""
    usual, body = INPUTS[name]
    seq = next_seq(board)
    board.apply(a_record(seq, "task", "t1", author=author or usual, body=body))
    return seq


def next_seq(board: Board) -> int:
    task = board.tasks.get("t1")
    return (task.head_seq if task else 0) + len(board.anomalies) + 1


def test_every_state_is_reached_by_some_way() -> None:
    reached = {way.split(",")[0] for way in WAYS} - {"none"}

    assert reached == {state.value for state in TaskState}


def test_the_table_names_only_inputs_that_exist() -> None:
    assert {name for _, name in MOVES} == set(INPUTS)


@pytest.mark.parametrize("name", INPUTS)
@pytest.mark.parametrize("way", WAYS)
def test_every_pair_of_state_and_input_does_what_the_table_says(way: str, name: str) -> None:
    """A pair in the table moves the task; any other changes nothing but the head."""
    board = a_board(*WAYS[way])
    before = board.tasks.get("t1")
    assert not board.anomalies

    seq = give(board, name)

    after = board.tasks.get("t1")
    wanted = None
    if before is None or not before.is_settled or before.state is TaskState.admitted:
        wanted = MOVES.get((before.state if before else None, name))
    if wanted is None:
        assert len(board.anomalies) == 1
        assert (after.state if after else None) == (before.state if before else None)
        assert (after.is_settled if after else False) == (before.is_settled if before else False)
        assert (after.holder if after else None) == (before.holder if before else None)
    else:
        assert not board.anomalies
        assert after is not None
        assert after.state is wanted
    assert after is None or after.head_seq == seq


@pytest.mark.parametrize("way", [w for w in WAYS if w.endswith("settled") and w[0] != "a"])
@pytest.mark.parametrize("author", MEMBERS)
def test_a_settled_task_stays_as_it_is_whoever_writes(way: str, author: str) -> None:
    board = a_board(*WAYS[way])
    before = board.tasks["t1"]

    for name in INPUTS:
        give(board, name, author)

    after = board.tasks["t1"]
    assert (after.state, after.reasons, after.holder) == (
        before.state,
        before.reasons,
        before.holder,
    )
    assert len(board.anomalies) == len(INPUTS)


@pytest.mark.parametrize("name", ["open", "rejected"])
@pytest.mark.parametrize("author", ["ada", "bea", "person", "gate"])
def test_only_the_lead_takes_back_what_was_admitted(name: str, author: str) -> None:
    """A finding whose premise has fallen is worked on again, or its lane is missing."""
    board = a_board(*WAYS["admitted, settled"])

    give(board, name, author)
    assert board.tasks["t1"].state is TaskState.admitted
    give(board, name, "lead")

    assert board.tasks["t1"].state is MOVES[TaskState.admitted, name]
    assert board.tasks["t1"].is_settled is (name == "rejected")


@pytest.mark.parametrize("name", ["submit", "fail"])
@pytest.mark.parametrize("author", ["lead", "bea", "person", "gate"])
def test_only_the_holder_may_submit_or_fail(name: str, author: str) -> None:
    board = a_board("open", "claim")

    give(board, name, author)

    assert board.tasks["t1"].state is S.claimed
    assert len(board.anomalies) == 1


@pytest.mark.parametrize("name", ["open", "admitted", "rejected", "failed", "cancelled"])
@pytest.mark.parametrize("author", ["ada", "bea", "person", "gate", "supervisor"])
def test_only_the_lead_opens_and_settles(name: str, author: str) -> None:
    """Not even the holder may settle its own task or put it back."""
    board = a_board("open", "claim", "submit")

    give(board, name, author)

    assert board.tasks["t1"].state is S.submitted
    assert len(board.anomalies) == 1


def test_nobody_but_the_lead_puts_a_new_task_on_the_board() -> None:
    board = a_board()

    give(board, "open", author="ada")

    assert not board.tasks
    assert len(board.anomalies) == 1


def test_an_offered_task_is_claimed_by_nobody_else() -> None:
    """`TaskOpened.offered_to`: only this member may claim it."""
    board = a_board("open")

    give(board, "claim", author="bea")

    assert board.tasks["t1"].state is S.open
    assert board.tasks["t1"].holder is None
    assert len(board.anomalies) == 1


def test_a_task_offered_to_nobody_may_be_claimed_by_any() -> None:
    board = Board()
    board.apply(a_record(1, "task", "t1", body=opens()))

    give(board, "claim", author="bea")

    assert board.tasks["t1"].holder == "bea"


def test_a_second_claim_on_a_held_task_changes_nothing() -> None:
    board = Board()
    board.apply(a_record(1, "task", "t1", body=opens()))
    give(board, "claim", author="bea")

    give(board, "claim", author="ada")

    assert board.tasks["t1"].holder == "bea"
    assert len(board.anomalies) == 1


def test_a_claim_is_kept_with_its_sequence_and_time() -> None:
    board = a_board("open")
    board.apply(a_record(5, "task", "t1", author="ada", body=TaskClaimed(), at=77.0))

    task = board.tasks["t1"]

    assert (task.claim_seq, task.claimed_at, task.holder) == (5, 77.0, "ada")
    assert board.held_by("ada") == task
    assert board.held_by("bea") is None


def test_a_task_that_is_opened_again_has_no_claim_but_remembers_its_last_holder() -> None:
    board = a_board("open", "claim", "submit")

    board.apply(a_record(9, "task", "t1", body=opens(round=2, reasons=("a quote is wrong",))))

    task = board.tasks["t1"]
    assert (task.state, task.claim_seq, task.holder) == (S.open, 0, "ada")
    assert (task.round, task.reasons) == (2, ("a quote is wrong",))


def test_a_task_is_settled_with_its_reasons_or_else_with_those_it_had() -> None:
    board = a_board("open", "claim", "fail")
    board.apply(a_record(9, "task", "t1", body=TaskSettled(state="failed")))

    assert board.tasks["t1"].reasons == ("out of turns",)


def test_a_member_is_offered_open_tasks_that_name_it() -> None:
    board = Board()
    for seq, (task, to) in enumerate(
        [("t1", "ada"), ("t2", "bea"), ("t3", None), ("t4", "ada")], start=1
    ):
        board.apply(a_record(seq, "task", task, body=opens(offered_to=to)))
    board.apply(a_record(5, "task", "t4", author="ada", body=TaskClaimed()))

    assert [task.id for task in board.offered("ada")] == ["t1"]


def test_tasks_of_a_purpose_come_in_the_order_they_were_opened() -> None:
    board = Board()
    board.apply(a_record(1, "task", "t2", body=opens()))
    board.apply(a_record(2, "task", "v1", body=opens(purpose="verify")))
    board.apply(a_record(3, "task", "t1", body=opens()))

    assert [task.id for task in board.of_purpose("research")] == ["t2", "t1"]
    assert [task.id for task in board.of_purpose("verify")] == ["v1"]


def test_a_record_that_cannot_be_read_still_moves_the_head() -> None:
    """Or no write to this task could ever follow it."""
    board = a_board("open")

    board.apply(a_record(2, "task", "t1", author="ada"))

    assert board.tasks["t1"].head_seq == 2
    assert board.tasks["t1"].state is S.open


writes = st.lists(
    st.tuples(
        st.sampled_from(["t1", "t2"]), st.sampled_from(sorted(INPUTS)), st.sampled_from(MEMBERS)
    ),
    max_size=40,
)


@given(writes=writes)
def test_whoever_writes_what_a_task_has_one_holder_and_its_head_is_the_last_record(
    writes: list[tuple[str, str, str]],
) -> None:
    board = Board()
    last: dict[str, int] = {}
    settled: dict[str, TaskState] = {}
    for seq, (task_id, name, author) in enumerate(writes, start=1):
        before = board.tasks.get(task_id)

        board.apply(a_record(seq, "task", task_id, author=author, body=INPUTS[name][1]))

        after = board.tasks.get(task_id)
        last[task_id] = seq
        if after is None:
            continue
        assert after.head_seq == last[task_id]
        if before is not None and before.state is S.claimed and after.state is S.claimed:
            assert after.holder == before.holder
        if after.state is S.claimed:
            assert after.holder == "ada"  # the only one it was offered to
            assert 0 < after.claim_seq <= seq
        if after.is_settled:
            assert settled.setdefault(task_id, after.state) is after.state


@given(writes=writes)
def test_the_same_records_always_give_the_same_board(writes: list[tuple[str, str, str]]) -> None:
    records = [
        a_record(seq, "task", task, author=author, body=INPUTS[name][1])
        for seq, (task, name, author) in enumerate(writes, start=1)
    ]
    boards = [Board(), Board()]
    for board in boards:
        for record in records:
            board.apply(record)

    assert boards[0].tasks == boards[1].tasks
    assert boards[0].anomalies == boards[1].anomalies
