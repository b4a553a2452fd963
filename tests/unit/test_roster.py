"""Who is in the team: seats, processes, departures, losses."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bus.ids import SUPERVISOR
from bus.messages import Budget, MemberJoined, MemberLeft, MemberLost, MemberSeated, Message
from bus.run_stream import Record
from team.state import Roster
from tests.support.builders import a_record

SEATED = MemberSeated(role="researcher", filters=("f",), areas=("api",), works_on="pools")
JOINED = MemberJoined(pid=7, host="h")
LEFT = MemberLeft(reason="done")
LOST = MemberLost(reason="kill -9")


def roster_of(*told: tuple[str, Message]) -> Roster:
    """A roster that was told these things of ada, each by its author."""
    roster = Roster()
    for seq, (author, body) in enumerate(told, start=1):
        roster.apply(record(seq, author, body))
    return roster


def record(seq: int, author: str, body: Message) -> Record:
    return a_record(seq, "member", "ada", author=author, body=body)


def test_a_seat_is_in_before_its_process_has_started() -> None:
    seat = roster_of(("lead", SEATED)).seats["ada"]

    assert seat.is_in
    assert (seat.role, seat.seated_seq, seat.incarnation) == ("researcher", 1, 0)
    assert (seat.filters, seat.areas, seat.works_on) == (("f",), ("api",), "pools")


@pytest.mark.parametrize("author", ["ada", "bea", "person", SUPERVISOR])
def test_only_the_lead_lays_out_a_seat(author: str) -> None:
    assert roster_of((author, SEATED)).seats == {}


def test_a_seat_may_be_laid_out_anew_and_keeps_its_process() -> None:
    wider = MemberSeated(role="researcher", filters=("f", "g"), works_on="timeouts")

    seat = roster_of(("lead", SEATED), ("ada", JOINED), ("lead", wider)).seats["ada"]

    assert (seat.filters, seat.works_on, seat.pid, seat.seated_seq) == (
        ("f", "g"),
        "timeouts",
        7,
        1,
    )


def test_nobody_joins_without_a_seat_or_for_another() -> None:
    assert roster_of(("ada", JOINED)).seats == {}
    assert roster_of(("lead", SEATED), ("bea", JOINED)).seats["ada"].pid is None


@pytest.mark.parametrize("said", [1, 2, 3])
def test_each_process_of_a_member_has_its_own_number(said: int) -> None:
    """The supervisor's count may begin anew after a resume; the stream's does not."""
    again = MemberJoined(pid=8, host="h", incarnation=said)

    seat = roster_of(("lead", SEATED), ("ada", JOINED), ("ada", again)).seats["ada"]

    assert seat.incarnation == max(2, said)
    assert seat.pid == 8


@pytest.mark.parametrize(
    ("author", "body", "is_in"),
    [
        ("ada", LEFT, False),
        ("bea", LEFT, True),
        ("lead", LEFT, True),
        ("ada", LOST, False),
        ("lead", LOST, False),
        (SUPERVISOR, LOST, False),
        ("bea", LOST, True),
        ("person", LOST, True),
    ],
)
def test_who_may_say_that_a_member_is_gone(author: str, body: Message, is_in: bool) -> None:
    roster = roster_of(("lead", SEATED), ("ada", JOINED), (author, body))

    assert roster.seats["ada"].is_in is is_in
    assert len(roster.present()) == is_in


def test_a_member_that_joins_again_is_neither_lost_nor_gone() -> None:
    roster = roster_of(
        ("lead", SEATED), ("ada", JOINED), ("ada", LEFT), (SUPERVISOR, LOST), ("ada", JOINED)
    )

    assert roster.seats["ada"].is_in


def test_a_new_layout_does_not_bring_a_lost_member_back() -> None:
    roster = roster_of(("lead", SEATED), (SUPERVISOR, LOST), ("lead", SEATED))

    assert not roster.seats["ada"].is_in
    assert roster.seats["ada"].lost == "kill -9"


def test_present_members_come_by_role_in_the_order_they_were_seated() -> None:
    roster = Roster()
    for seq, (name, role) in enumerate(
        [("bea", "researcher"), ("vera", "skeptic"), ("ada", "researcher")], start=1
    ):
        body = MemberSeated(role=role, filters=())
        roster.apply(a_record(seq, "member", name, body=body))

    assert [seat.name for seat in roster.present()] == ["bea", "vera", "ada"]
    assert [seat.name for seat in roster.present("researcher")] == ["bea", "ada"]
    assert roster.present("nobody") == []


@given(
    told=st.lists(
        st.tuples(
            st.sampled_from(["lead", "ada", "bea", SUPERVISOR]),
            st.sampled_from([SEATED, JOINED, LEFT, LOST]),
        ),
        max_size=15,
    )
)
def test_the_number_of_processes_only_grows(told: list[tuple[str, Message]]) -> None:
    roster, highest = Roster(), 0
    for seq, (author, body) in enumerate(told, start=1):
        roster.apply(record(seq, author, body))
        seat = roster.seats.get("ada")

        assert seat is None or seat.incarnation >= highest
        highest = seat.incarnation if seat else 0


@pytest.mark.parametrize("body", [MemberLeft(reason="done"), MemberLost(reason="gone")])
def test_who_is_gone_gives_its_pocket_back(body: Message) -> None:
    pocket = Budget(turns_max=1, tokens_max=10, seconds_max=1.0)
    seated = MemberSeated(role="researcher", filters=(), pocket=pocket)

    assert roster_of(("lead", seated), ("ada", JOINED)).seats["ada"].pocket == pocket
    gone = roster_of(("lead", seated), ("ada", JOINED), ("ada", body), ("ada", JOINED))
    assert gone.is_in("ada")
    assert gone.seats["ada"].pocket is None
