"""The same calls with the same answers, and mail without end."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from team.rules.repeats import Act, TurnActs, reason_to_end, repeats, told, turns_of_mail

LIMIT = 3


def a_turn(tool: str = "read_source", answer: str = "L1| x", **changes: bool | str) -> TurnActs:
    given_, to = str(changes.get("given", "{}")), str(changes.get("to", ""))
    act = Act(tool=tool, given=given_.encode(), answer=answer, to=to)
    return TurnActs(acts=(act,), has_mail=bool(changes.get("has_mail", False)))


def told_at(turns: list[TurnActs]) -> list[int]:
    """After which turns the member is told something."""
    return [n for n in range(1, len(turns) + 1) if told(turns[:n], LIMIT)]


def test_the_same_call_with_the_same_answer_is_told_once_and_then_ends_the_attempt() -> None:
    turns = [a_turn("note"), *[a_turn()] * (2 * LIMIT)]

    assert told_at(turns) == [1 + LIMIT]
    assert "3 turns in a row you have called read_source" in (told(turns[: 1 + LIMIT], LIMIT) or "")
    assert reason_to_end(turns[:-1], LIMIT) is None
    assert reason_to_end(turns, LIMIT) == (
        "it called read_source 6 times in a row with the same input and answer"
    )


def test_a_call_whose_answer_changes_is_how_one_waits() -> None:
    turns = [a_turn("search_decisions", f"{n} decisions") for n in range(20)]

    assert told_at(turns) == []
    assert reason_to_end(turns, LIMIT) is None


def test_another_input_is_another_call() -> None:
    assert repeats([a_turn(given='{"n":1}'), a_turn(given='{"n":2}')]) == 1


def test_waiting_in_vain_is_the_same_however_long_it_took() -> None:
    turns = [
        a_turn("wait_for_mail", f"No mail came in {seconds} s.", given=f'{{"seconds":{seconds}}}')
        for seconds in (5, 10, 20)
    ]

    assert repeats(turns) == 3
    assert told_at(turns) == [3]


def test_what_came_by_mail_is_a_reason_to_ask_again() -> None:
    assert repeats([a_turn(), a_turn(), a_turn(has_mail=True), a_turn()]) == 2


def test_a_turn_without_calls_repeats_nothing() -> None:
    assert repeats([]) == repeats([TurnActs(acts=()), TurnActs(acts=())]) == 0
    assert repeats([a_turn(), TurnActs(acts=()), a_turn()]) == 1


def test_what_was_done_once_is_no_repeat_whatever_policy_says() -> None:
    assert told([a_turn()], 1) is None
    assert reason_to_end([a_turn()] * 3, 1) is None
    assert reason_to_end([a_turn()] * 4, 1) is not None


def test_two_that_only_trade_mail_are_told_once() -> None:
    talk = [
        a_turn("send_message", f"Sent to bea as m{n}.", given=str(n), to="bea")
        if n % 2
        else a_turn("wait_for_mail", "Mail has come.", has_mail=True)
        for n in range(1, 12)
    ]

    assert turns_of_mail(talk) == (11, "bea")
    assert told_at(talk) == [2 * LIMIT]
    assert told(talk[: 2 * LIMIT], LIMIT) == (
        "for 6 turns you have done nothing but trade mail with bea"
    )
    assert reason_to_end(talk, LIMIT) is None


def test_mail_to_several_or_with_work_in_between_is_no_circle() -> None:
    to_bea = a_turn("send_message", "Sent.", to="bea")
    to_cleo = a_turn("send_message", "Sent.", to="cleo")

    assert turns_of_mail([to_cleo, to_bea]) == (1, "bea")
    assert turns_of_mail([to_bea, a_turn()]) == (0, "bea")
    assert turns_of_mail([a_turn("wait_for_mail", "Mail has come.")]) == (0, "")


@given(
    answers=st.lists(st.sampled_from("ab"), max_size=20),
    limit=st.integers(1, 5),
    has_mail=st.lists(st.booleans(), min_size=20, max_size=20),
)
def test_only_equal_turns_in_a_row_count(
    answers: list[str], limit: int, has_mail: list[bool]
) -> None:
    turns = [a_turn(answer=a, has_mail=m) for a, m in zip(answers, has_mail, strict=False)]
    count = repeats(turns)

    assert len({turn.acts for turn in turns[len(turns) - count :]}) <= 1
    assert count <= len(turns)
    assert (reason_to_end(turns, limit) is not None) == (count >= 2 * max(2, limit))
