"""Who is in the team, as a fold: seats, processes, departures, losses."""

from __future__ import annotations

import msgspec

from bus.ids import LEAD, SUPERVISOR
from bus.messages import (
    Budget,
    MemberJoined,
    MemberLeft,
    MemberLost,
    MemberSeated,
    MemberStuck,
    WrapUp,
)
from bus.run_stream import Record


class Seat(msgspec.Struct, frozen=True, kw_only=True):
    """One member as the stream knows it.

    Attributes:
        name: Its name on the bus.
        role: The role it plays.
        filters: Its consumer's filter list.
        areas: Decision areas among these.
        works_on: Its lane in a few words.
        pocket: What it may use up beside its tasks; given back when it leaves or is lost.
        pid: Its last process.
        incarnation: How many processes it has had.
        left: Why it left; absent while it is in.
        lost: Why it was given up; absent unless it was.
        lost_seq: Where in the stream that was said; 0 unless it was.
        is_gone: Whether its last process is known to have ended: it, or who keeps it alive, has
            said so. One that the lead gives up may be frozen in the middle of a call.
        stuck: How it was last seen to get nowhere; absent while it moves.
        stuck_seq: Where in the stream that was said; 0 unless it was.
        told_seq: Where it was told so; 0 unless it was.
    """

    name: str
    role: str
    seated_seq: int
    filters: tuple[str, ...] = ()
    areas: tuple[str, ...] = ()
    works_on: str = ""
    pocket: Budget | None = None
    pid: int | None = None
    host: str = ""
    incarnation: int = 0
    joined_at: float = 0.0
    left: str | None = None
    lost: str | None = None
    lost_seq: int = 0
    is_gone: bool = False
    stuck: MemberStuck | None = None
    stuck_seq: int = 0
    told_seq: int = 0

    @property
    def takes_mail(self) -> bool:
        """Whether its filter list lets mail in; a verifier's does not."""
        return any(".mail." in pattern for pattern in self.filters)

    @property
    def is_in(self) -> bool:
        """Whether it has a seat that it neither left nor lost."""
        return self.left is None and self.lost is None


class Roster:
    """All members of a run."""

    def __init__(self) -> None:
        self.seats: dict[str, Seat] = {}

    def apply(self, record: Record) -> None:
        """Take one record of kind `member` into account."""
        name, author = record.subject.names[0], record.subject.author
        seat = self.seats.get(name)
        change = msgspec.structs.replace
        match record.body:
            case MemberSeated() as seated if author == LEAD:
                before = seat or Seat(name=name, role=seated.role, seated_seq=record.seq)
                self.seats[name] = change(
                    before,
                    role=seated.role,
                    filters=seated.filters,
                    areas=seated.areas,
                    works_on=seated.works_on,
                    pocket=seated.pocket,
                )
            case MemberJoined(pid=pid, host=host, incarnation=number) if seat and author == name:
                self.seats[name] = change(
                    seat,
                    pid=pid,
                    host=host,
                    incarnation=max(number, seat.incarnation + 1),
                    joined_at=record.at,
                    left=None,
                    lost=None,
                    lost_seq=0,
                    is_gone=False,
                    stuck=None,
                    stuck_seq=0,
                    told_seq=0,
                )
            case MemberLeft(reason=reason) if seat and author == name:
                self.seats[name] = change(seat, left=reason, pocket=None, is_gone=True)
            case MemberLost(reason=reason) if seat and author in (name, SUPERVISOR, LEAD):
                if seat.lost is None or author != SUPERVISOR:
                    seat = change(seat, lost=reason, lost_seq=record.seq)
                is_gone = seat.is_gone or author != LEAD or name == LEAD
                pocket = None if is_gone else seat.pocket
                self.seats[name] = change(seat, is_gone=is_gone, pocket=pocket)
            case MemberStuck() as stuck if seat and author == SUPERVISOR:
                self.seats[name] = change(seat, stuck=stuck, stuck_seq=record.seq)
            case _:
                pass

    def follow(self, record: Record) -> None:
        """Take any record into account: who commits something moves, who is told was told."""
        author, change = record.subject.author, msgspec.structs.replace
        seat = self.seats.get(author)
        if seat is not None and seat.stuck is not None:
            self.seats[author] = change(seat, stuck=None, stuck_seq=0, told_seq=0)
        if isinstance(record.body, WrapUp) and record.body.stuck_seq and author == LEAD:
            told = self.seats.get(record.subject.names[0])
            if told is not None and told.stuck_seq == record.body.stuck_seq:
                self.seats[told.name] = change(told, told_seq=record.seq)

    def is_in(self, name: str) -> bool:
        """Whether a member has a seat that it neither left nor lost."""
        seat = self.seats.get(name)
        return seat is not None and seat.is_in

    def is_gone(self, name: str) -> bool:
        """Whether a member makes no more calls for certain; nobody of that name makes none."""
        seat = self.seats.get(name)
        return seat is None or seat.is_gone

    def present(self, role: str | None = None) -> list[Seat]:
        """Members that are in, in the order they were seated; of one role, if named."""
        return [seat for seat in self.seats.values() if seat.is_in and role in (None, seat.role)]
