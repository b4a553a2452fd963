"""What a decisions log adds to each context each turn, by three ways of sharing it.

One recorded run is read by all three: our digest, as the member's own code makes it;
every entry sent to everybody; one file of all that holds, which everybody reads anew.
"""

from __future__ import annotations

import tempfile
from bisect import bisect_right
from collections.abc import Callable, Iterator, Sequence
from itertools import accumulate, pairwise
from pathlib import Path
from time import thread_time
from typing import Final

import msgspec

from bus.messages import (
    DecisionChallenged,
    DecisionExplained,
    DecisionRecorded,
    DecisionRuled,
)
from bus.run_stream import Record
from team.rules.decision_lines import line_of
from team.rules.limits import CHARACTERS_PER_TOKEN
from team.state import Decision, Decisions
from tests.bench.decisions.cells import (
    BUDGET_TOKENS,
    FULL,
    QUICK,
    TEAM_DECISIONS,
    WAYS,
    Cell,
    Figures,
    Opening,
)
from tests.bench.decisions.paper import PaperMember, tokens
from tests.bench.decisions.recorded import RecordedRun, Seat, read_run, write_run
from tests.bench.kit import Report, Row, quantile, row, say

SAMPLED_FROM: Final = 300_000
"""Members times decisions from which only some members are measured."""
SAMPLE: Final = 16
SEED: Final = 20_26


class Sample(msgspec.Struct):
    """What one way gave all measured members: tokens and CPU seconds of each turn.

    Of the decisions in the areas of each, `told` of `sent` were told.
    """

    tokens: list[int] = []
    cpu_s: list[float] = []
    told: int = 0
    sent: int = 0


# --- the three ways --------------------------------------------------------------


def ours(run: RecordedRun, seats: Sequence[Seat]) -> Sample:
    """The digest of what each member's consumer was sent: the areas of its contract."""
    sample = Sample()
    for seat in seats:
        member = PaperMember(seat.name, seat.about)
        sent = _sent_to(seat, run)
        record = next(sent, None)
        for at in seat.turns_at:
            while record is not None and record.at <= at:
                member.decisions.apply(record)
                record = next(sent, None)
            began = thread_time()
            digest = member.turn()
            sample.cpu_s.append(thread_time() - began)
            sample.tokens.append(tokens(len(digest.text)))
        sample.told += len(member.transcript.known.told)
        sample.sent += sum(map(len, member.decisions.history.values()))
    return sample


def broadcast(run: RecordedRun, seats: Sequence[Seat]) -> Sample:
    """Every entry of all others since the last turn, each decision with its reasons."""
    ats = [record.at for record in run.records]
    sizes = list(accumulate(map(_size_sent, run.records), initial=0))
    sample = Sample()
    for seat in seats:
        own = [_size_sent(r) * (r.subject.author == seat.name) for r in run.records]
        own_sizes = list(accumulate(own, initial=0))
        places = [bisect_right(ats, at) for at in (0.0, *seat.turns_at)]
        sample.tokens += [
            tokens(sizes[upto] - sizes[first] - own_sizes[upto] + own_sizes[first])
            for first, upto in pairwise(places)
        ]
    return sample


def file(run: RecordedRun, seats: Sequence[Seat]) -> Sample:
    """All that holds at the moment, with its reasons, at every turn."""
    ats, sizes = zip((0.0, 0), *_file_sizes(run.records), strict=True)
    found = [tokens(sizes[bisect_right(ats, at) - 1]) for seat in seats for at in seat.turns_at]
    return Sample(tokens=found)


ARMS: Final[dict[str, Callable[[RecordedRun, Sequence[Seat]], Sample]]] = {
    "ours": ours,
    "broadcast": broadcast,
    "file": file,
}


def entry_text(decision: Decision) -> str:
    """A decision with its reasons, as a file or a broadcast has it."""
    return "\n".join(filter(None, (line_of(decision), decision.rationale)))


def _sent_to(seat: Seat, run: RecordedRun) -> Iterator[Record]:
    """What the member's filter list lets through."""
    areas = set(seat.areas)
    return (r for r in run.records if r.subject.kind == "decision" and r.subject.names[0] in areas)


def _size_sent(record: Record) -> int:
    """Characters of one record as a broadcast writes it, in a line of its own."""
    head = f"{'/'.join(record.subject.names)} r{record.seq} ({record.subject.author}): \n"
    match record.body:
        case DecisionExplained(rationale=text):
            return len(text) + 1
        case DecisionRecorded(statement=text):
            return len(head) + len(text)
        case (
            DecisionRuled(reason=text, statement=more)
            | DecisionChallenged(reason=text, instead=more)
        ):
            return len(head) + len(text) + len(more)
        case body:
            return len(head) + len(getattr(body, "reason", ""))


def _file_sizes(records: Sequence[Record]) -> Iterator[tuple[float, int]]:
    """Characters of the file after each record."""
    decisions, held, size, seen = Decisions(), dict[int, int](), 0, 0
    for record in records:
        decisions.apply(record)
        changed = {revision for _, revision in decisions.changes[seen:]}
        if record.subject.kind == "rationale":
            changed.add(decisions.changes[-1][1])
        seen = len(decisions.changes)
        for revision in changed:
            decision = decisions.revision(revision)
            is_there = decision is not None and decision.holds
            new = len(entry_text(decision)) + 1 if is_there and decision is not None else 0
            size += new - held.get(revision, 0)
            held[revision] = new
        yield record.at, size


# --- runs and figures ------------------------------------------------------------


def measure(*, is_quick: bool) -> Figures:
    """Record every run once and let each way read it."""
    counts, teams, turns = QUICK if is_quick else FULL
    pooled: dict[str, Sample] = {way: Sample() for way in WAYS}
    cells: list[Cell] = []
    team_cells: list[Cell] = []
    openings: list[Opening] = []
    with tempfile.TemporaryDirectory(prefix="peerteam-bench-") as folder:
        for members in teams:
            for decisions in counts:
                run = _recorded(Path(folder), decisions, members, turns)
                cells += _cells(run, pooled)
                if members == teams[-1]:
                    openings.append(_opening(run))
            run = _recorded(Path(folder), TEAM_DECISIONS * members, members, turns)
            team_cells += _cells(run, {way: Sample() for way in WAYS})
    return Figures(
        turns=turns,
        cells=tuple(cells),
        teams=tuple(team_cells),
        pooled=tuple(_cell(way, sample, 0, 0, 0) for way, sample in pooled.items()),
        openings=tuple(openings),
    )


def _recorded(folder: Path, entries: int, members: int, turns: int) -> RecordedRun:
    """Write a run into a file, and read it from there."""
    path = folder / f"run-{entries}-{members}.jsonl"
    write_run(path, entries=entries, members=members, turns=turns, seed=SEED)
    return read_run(path)


def _opening(run: RecordedRun) -> Opening:
    member = PaperMember("none", run.head.seats[0].about)
    for record in run.records:
        if record.subject.kind == "decision":
            member.decisions.apply(record)
    began = thread_time()
    member.fill_index()
    filled = thread_time()
    digest = member.turn()
    return Opening(
        decisions=run.head.entries,
        held=len(member.decisions.all_in_force()),
        tokens=tokens(len(digest.text)),
        index_ms=1_000 * (filled - began),
        digest_ms=1_000 * (thread_time() - filled),
    )


def _cells(run: RecordedRun, pooled: dict[str, Sample]) -> list[Cell]:
    """All ways on one run; what they gave is added to `pooled`."""
    entries, seats = run.head.entries, _measured(run)
    say(f"tokens: {entries:,} decisions, {len(run.head.seats)} members ({len(seats)} measured)")
    found: list[Cell] = []
    for way, arm in ARMS.items():
        sample = arm(run, seats)
        pooled[way].tokens += sample.tokens
        pooled[way].cpu_s += sample.cpu_s
        found.append(_cell(way, sample, entries, len(run.head.seats), len(seats)))
    return found


def _measured(run: RecordedRun) -> tuple[Seat, ...]:
    """All members, or every n-th where all would take too long."""
    seats = run.head.seats
    if len(seats) * run.head.entries < SAMPLED_FROM:
        return seats
    return seats[:: max(1, len(seats) // SAMPLE)]


def _cell(way: str, sample: Sample, decisions: int, members: int, measured: int) -> Cell:
    cpu_ms = [1_000 * seconds for seconds in sample.cpu_s]
    total = sum(sample.tokens)
    return Cell(
        way=way,
        decisions=decisions,
        members=members,
        measured=measured,
        mean=total / len(sample.tokens),
        p99=int(quantile(sample.tokens, 0.99)),
        most=max(sample.tokens),
        whole=total / measured if measured else 0.0,
        told=sample.told / sample.sent if sample.sent else 1.0,
        cpu_p50_ms=quantile(cpu_ms, 0.5) if cpu_ms else 0.0,
        cpu_p99_ms=quantile(cpu_ms, 0.99) if cpu_ms else 0.0,
    )


def run(*, is_quick: bool) -> Report:
    """Measure, and give the figures as the other benchmarks do."""
    figures = measure(is_quick=is_quick)
    rows: list[Row] = []
    for cell in (*figures.cells, *figures.teams):
        if cell.way != "ours":
            continue
        case = f"{cell.decisions:,} decisions, {cell.members} members"
        others = [one for one in (*figures.cells, *figures.teams) if _is_beside(one, cell)]
        rows += [
            row(case, "added to a turn, mean", "tokens", cell.mean, one.mean, WAYS[one.way])
            for one in others
        ]
        rows.append(
            row(case, "added to a turn, most", "tokens", cell.most, BUDGET_TOKENS, "budget")
        )
        rows.append(row(case, "a digest, p50", "CPU ms", cell.cpu_p50_ms))
    for one in figures.openings:
        case = f"{one.decisions:,} decisions, new context"
        rows.append(row(case, "the first digest", "CPU ms", one.digest_ms))
    return Report(
        name="decisions.tokens",
        how=(
            f"Recorded runs of {figures.turns} turns a member. Each is shared three ways: our\n"
            "digest, every entry with its reasons sent to all, and one file of all that holds,\n"
            f"read anew each turn. A token is {CHARACTERS_PER_TOKEN} characters."
        ),
        rows=tuple(rows),
        notes=(f"from {SAMPLED_FROM:,} decisions x members on, {SAMPLE} members are measured",),
    )


def _is_beside(one: Cell, ours_: Cell) -> bool:
    """Whether two figures are of one run, by different ways."""
    same = (one.decisions, one.members) == (ours_.decisions, ours_.members)
    return same and one.way != ours_.way
