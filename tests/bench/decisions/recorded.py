"""Recorded runs of a decisions log: a seeded team decides, and all of it goes into a file.

The file is what every way of sharing is measured on: JSON lines, first who is in the
team and when each takes its turns, then the records as the stream would keep them.
Decisions come evenly over the run, their areas by Zipf's law. Nothing here knows how
they will be shared.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path
from random import Random
from typing import Final, get_args

import msgspec

from bus.codec import Envelope, encode
from bus.ids import LEAD
from bus.messages import (
    AnyMessage,
    DecisionChallenged,
    DecisionExplained,
    DecisionRecorded,
    DecisionRuled,
    DecisionWithdrawn,
    Premise,
    RulingOutcome,
)
from bus.run_stream import Record, record_of
from bus.subjects import build
from team.state import Decision, Decisions
from team.state.decision import why_no_objection
from tests.bench.decisions import vocabulary

RUN: Final = "bench"
TURN_S: Final = 30.0
AREAS_OF_A_CONTRACT: Final = (2, 5)
RATIONALE_CHARACTERS: Final = (200, 1_500, 500)
"""Least, most, most common."""
RESTS_ON_ANOTHER: Final = 0.15
"""Share of decisions that name another one as their premise."""
SHARES: Final = {"record": 80, "supersede": 10, "challenge": 4, "rule": 3, "withdraw": 3}
"""What members do to the log, in per cent; where one has no object, they record."""
RULED: Final = (5, 4, 1)
"""How rulings end: upheld, superseded, withdrawn."""
_OUTCOMES: Final = get_args(RulingOutcome)
_TRIES: Final = 20


class Seat(msgspec.Struct, frozen=True, kw_only=True):
    """One member: its areas, what it works on, and when its turns begin."""

    name: str
    areas: tuple[str, ...]
    about: str
    turns_at: tuple[float, ...]


class Head(msgspec.Struct, frozen=True, kw_only=True):
    """The first line of a file."""

    seed: int
    entries: int
    seats: tuple[Seat, ...]


class Line(msgspec.Struct, frozen=True, kw_only=True):
    """Any other line of a file: one record."""

    seq: int
    subject: str
    at: float
    data: msgspec.Raw


class RecordedRun(msgspec.Struct, frozen=True, kw_only=True):
    """A file that was read."""

    head: Head
    records: tuple[Record, ...]


def write_run(path: Path, *, entries: int, members: int, turns: int, seed: int) -> None:
    """Record a run.

    Args:
        path: Where to.
        entries: How often somebody writes to the log, rationales aside.
        members: How many take part, besides the lead.
        turns: How many each takes.
        seed: The same seed gives the same bytes.
    """
    random = Random(f"{seed} {entries} {members}")
    seats = tuple(_seat(random, number, members, turns) for number in range(members))
    author = _Author(random, seats)
    for number in range(entries):
        author.act((number + random.random()) / entries * turns * TURN_S)
    assert not author.decisions.anomalies, author.decisions.anomalies[:3]
    lines: list[msgspec.Struct] = [Head(seed=seed, entries=entries, seats=seats), *author.lines]
    path.write_bytes(b"".join(msgspec.json.encode(line) + b"\n" for line in lines))


def read_run(path: Path) -> RecordedRun:
    """Read a recorded run."""
    with path.open("rb") as file:
        head = msgspec.json.decode(file.readline(), type=Head)
        return RecordedRun(head=head, records=tuple(map(_record, file)))


def _record(data: bytes) -> Record:
    line = msgspec.json.decode(data, type=Line)
    return record_of(line.subject, bytes(line.data), seq=line.seq, at=line.at)


def _seat(random: Random, number: int, members: int, turns: int) -> Seat:
    areas = _areas(random)
    offset = (number + random.random()) / members
    return Seat(
        name=f"m{number + 1:02d}",
        areas=areas,
        about=" ".join(vocabulary.task(random, area) for area in areas),
        turns_at=tuple((turn + offset) * TURN_S for turn in range(1, turns + 1)),
    )


def _areas(random: Random) -> tuple[str, ...]:
    """What a contract names; an area with more decisions is named more often."""
    wanted, found = random.randint(*AREAS_OF_A_CONTRACT), dict[str, None]()
    while len(found) < wanted:
        found[_area(random)] = None
    return tuple(found)


def _area(random: Random) -> str:
    """An area by Zipf's law."""
    weights = [1 / rank for rank in range(1, len(vocabulary.AREAS) + 1)]
    return random.choices(tuple(vocabulary.AREAS), weights)[0]


class _Author:
    """All who write to one log, and the log as it stands."""

    def __init__(self, random: Random, seats: tuple[Seat, ...]) -> None:
        self.decisions = Decisions()
        self.lines: list[Line] = []
        self._random = random
        self._members: dict[str, list[str]] = {}
        for seat in seats:
            for area in seat.areas:
                self._members.setdefault(area, []).append(seat.name)
        self._revisions: list[int] = []
        self._contested: list[int] = []
        self._in_area: dict[str, list[int]] = {}

    def act(self, at: float) -> None:
        """Write one entry, and the reasons if it is a decision."""
        acts: dict[str, Callable[[float], bool]] = {
            "supersede": self._supersede,
            "challenge": self._challenge,
            "rule": self._rule,
            "withdraw": self._withdraw,
        }
        name = self._random.choices(tuple(SHARES), tuple(SHARES.values()))[0]
        if name == "record" or not acts[name](at):
            self._record(at)

    def _record(self, at: float) -> None:
        area = _area(self._random)
        author = self._random.choice(self._members.get(area, [LEAD]))
        key = f"{vocabulary.key(self._random, area)}-{len(self.lines) + 1}"
        self._decide(area, key, author, at)

    def _supersede(self, at: float) -> bool:
        decision = self._held(lambda d: d.author != LEAD and d.ruling is None)
        if decision is not None:
            self._decide(decision.area, decision.key, decision.author, at, decision.seq)
        return decision is not None

    def _challenge(self, at: float) -> bool:
        decision = self._held(lambda d: bool(self._opponents(d)))
        if decision is None:
            return False
        author = self._random.choice(self._opponents(decision))
        body = DecisionChallenged(
            revision=decision.seq,
            reason=vocabulary.sentence(self._random),
            instead=vocabulary.statement(self._random, decision.area),
        )
        self._write("decision", decision, author, body, at)
        self._contested.append(decision.seq)
        return True

    def _rule(self, at: float) -> bool:
        open_ones = [d for d in map(self.decisions.revision, self._contested) if d is not None]
        self._contested = [d.seq for d in open_ones if d.is_disputed]
        if not self._contested:
            return False
        decision = self.decisions.revision(self._contested.pop(0))
        assert decision is not None
        outcome = self._random.choices(_OUTCOMES, RULED)[0]
        is_new = outcome == "superseded"
        body = DecisionRuled(
            revision=decision.seq,
            outcome=outcome,
            reason=vocabulary.sentence(self._random),
            statement=vocabulary.statement(self._random, decision.area) if is_new else "",
        )
        self._write("decision", decision, LEAD, body, at)
        return True

    def _withdraw(self, at: float) -> bool:
        decision = self._held(lambda d: d.author != LEAD and d.ruling is None)
        if decision is None:
            return False
        body = DecisionWithdrawn(revision=decision.seq, reason=vocabulary.sentence(self._random))
        self._write("decision", decision, decision.author, body, at)
        return True

    def _decide(
        self, area: str, key: str, author: str, at: float, supersedes: int | None = None
    ) -> None:
        body = DecisionRecorded(
            statement=vocabulary.statement(self._random, area),
            supersedes=supersedes,
            relied_on=tuple(self._premises(area, supersedes)),
        )
        record = self._put("decision", (area, key), author, body, at)
        self._revisions.append(record.seq)
        self._in_area.setdefault(area, []).append(record.seq)
        length = int(self._random.triangular(*RATIONALE_CHARACTERS))
        why = DecisionExplained(rationale=vocabulary.rationale(self._random, length))
        self._put("rationale", (area, key), author, why, at, cause=record.id)

    def _premises(self, area: str, supersedes: int | None) -> Iterator[Premise]:
        if area in self._in_area and self._random.random() < RESTS_ON_ANOTHER:
            other = self.decisions.revision(self._random.choice(self._in_area[area]))
            if other is not None and other.holds and other.seq != supersedes:
                yield other.as_premise()

    def _held(self, fits: Callable[[Decision], bool]) -> Decision | None:
        """One decision that holds and fits; none if luck finds none."""
        for _ in range(_TRIES if self._revisions else 0):
            decision = self.decisions.revision(self._random.choice(self._revisions))
            if decision is not None and decision.holds and fits(decision):
                return decision
        return None

    def _opponents(self, decision: Decision) -> list[str]:
        members = self._members.get(decision.area, [])
        return [name for name in members if why_no_objection(name, decision) is None]

    def _write(
        self, kind: str, decision: Decision, author: str, body: AnyMessage, at: float
    ) -> None:
        self._put(kind, (decision.area, decision.key), author, body, at)

    def _put(
        self,
        kind: str,
        names: tuple[str, str],
        author: str,
        body: AnyMessage,
        at: float,
        cause: str | None = None,
    ) -> Record:
        subject, seq = build(RUN, kind, *names, author=author), len(self.lines) + 1
        envelope = Envelope(body=body, id=f"{self._random.getrandbits(128):032x}", at=at, v=1)
        envelope = msgspec.structs.replace(envelope, cause=cause)
        data = msgspec.Raw(encode(subject, envelope))
        self.lines.append(Line(seq=seq, subject=str(subject), at=at, data=data))
        record = Record(seq=seq, subject=subject, at=at, envelope=envelope)
        self.decisions.apply(record)
        return record
