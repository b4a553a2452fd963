"""Choices outlive runs: decision records brought into a run, a run's written as records."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import Final, Literal

import msgspec

from bus import subjects
from bus.ids import PERSON
from bus.messages import DecisionExplained, DecisionRecorded
from bus.run_stream import Entry, RunStream
from team.adr import Adr, LeftOut, NewAdr, Replaced, Written, read_adrs, write_adrs
from team.state import Decision, Decisions, RunState

BATCH_ENTRIES: Final = 400
"""Messages of standing decisions that are stored at once."""


class Standing(msgspec.Struct, frozen=True, kw_only=True):
    """What is decided before a run begins.

    Attributes:
        adrs: The records that hold.
        left_out: Files that were seen and bring nothing into the run, and why.
    """

    adrs: tuple[Adr, ...] = ()
    left_out: tuple[LeftOut, ...] = ()


def read_standing(paths: Sequence[str], cwd: Path) -> Standing:
    """Read decision records; only those that were accepted and not replaced since hold.

    Args:
        paths: Files, folders or globs.
        cwd: Where relative ones are looked for.

    Raises:
        AdrError: A path is not there.
    """
    if not paths:
        return Standing()
    found = read_adrs(paths, cwd)
    held = tuple(adr for adr in found.adrs if adr.status == "accepted")
    others = tuple(
        LeftOut(path=adr.path, reason=f"its status is {adr.status}")
        for adr in found.adrs
        if adr.status != "accepted"
    )
    return Standing(adrs=held, left_out=(*found.left_out, *others))


async def bring_in(stream: RunStream, standing: Standing) -> None:
    """Put standing decisions in force in a new run, as a person's.

    Raises:
        BusError: They could not be stored.
    """
    entries = [entry for adr in standing.adrs for entry in _entries(stream.run, adr)]
    for first in range(0, len(entries), BATCH_ENTRIES):
        await stream.commit(entries[first : first + BATCH_ENTRIES])


def _entries(run: str, adr: Adr) -> list[Entry]:
    recorded = Entry(
        subject=subjects.decision(run, adr.area, adr.key, PERSON),
        body=DecisionRecorded(statement=adr.statement, standing=adr.path),
        expect=0,
    )
    explained = Entry(
        subject=subjects.rationale(run, adr.area, adr.key, PERSON),
        body=DecisionExplained(rationale=adr.rationale, alternatives=adr.alternatives),
        cause=recorded.id,
    )
    return [recorded, explained]


class Export(msgspec.Struct, frozen=True, kw_only=True):
    """What became of a run's decisions as files.

    Attributes:
        files: What was written or marked, and what was not.
        fallen: Decisions that were left out: they hold, and what they rest on has fallen.
    """

    files: tuple[Written, ...]
    fallen: tuple[str, ...] = ()


def export_decisions(
    run: str,
    state: RunState,
    folder: Path,
    style: Literal["auto", "madr", "nygard"],
    area: str | None = None,
) -> Export:
    """Write what a run decided, and what still stands of it, as decision records.

    Args:
        run: The run.
        state: The fold of its whole stream.
        folder: Where the files go.
        style: How they are written; `auto` goes by what the folder has.
        area: Only this area, if named.

    Raises:
        AdrError: A file can't be written.
    """
    decisions = state.decisions
    made = [d for d in decisions.all_in_force() if not d.standing and area in (None, d.area)]
    fallen = [decision for decision, _ in decisions.fallen() if decision in made]
    written = [decision for decision in made if decision not in fallen]
    new = [_new_adr(run, decisions, decision) for decision in written]
    ended = [_ended_record(decisions, *key) for key in decisions.history if area in (None, key[0])]
    replaced = {(decision.area, decision.key) for decision in written}
    withdrawn = [one for one in ended if one is not None and (one.area, one.key) not in replaced]
    files = write_adrs(folder, new, style, withdrawn=withdrawn)
    return Export(files=files, fallen=tuple(decision.name for decision in fallen))


def _new_adr(run: str, decisions: Decisions, decision: Decision) -> NewAdr:
    return NewAdr(
        area=decision.area,
        key=decision.key,
        statement=decision.statement,
        rationale=decision.rationale or (decision.ruling.reason if decision.ruling else ""),
        alternatives=decision.alternatives or _ruled_out(decisions, decision),
        author=decision.author,
        decided_on=datetime.fromtimestamp(decision.at, UTC).strftime("%Y-%m-%d"),
        run=run,
        revision=decision.seq,
        objections=_disputes(decisions, decision),
        relied_on=tuple(f"{p.area}/{p.key}" for p in decision.relied_on),
        replaces=_ended_record(decisions, decision.area, decision.key),
    )


def _earlier(decisions: Decisions, decision: Decision) -> list[Decision]:
    """The revisions that a decision came after, the newest first."""
    found: list[Decision] = []
    before = decisions.revision(decision.supersedes or 0)
    while before is not None:
        found.append(before)
        before = decisions.revision(before.supersedes or 0)
    return found


def _ruled_out(decisions: Decisions, decision: Decision) -> tuple[str, ...]:
    """What held before and was ruled against."""
    return tuple(d.statement for d in _earlier(decisions, decision) if d.objections)


def _disputes(decisions: Decisions, decision: Decision) -> tuple[str, ...]:
    """What was objected to a decision and to those that it replaced, and how it was ruled."""
    lines: list[str] = []
    for one in (*reversed(_earlier(decisions, decision)), decision):
        lines += [f"{o.author} objected to “{one.statement}”: {o.reason}" for o in one.objections]
        lines += [f"{r.author} ruled: {r.outcome}. {r.reason}" for r in one.rulings]
    return tuple(lines)


def _ended_record(decisions: Decisions, area: str, key: str) -> Replaced | None:
    """The newest record of a key that was brought into the run and holds no longer."""
    standing = [one for one in decisions.history.get((area, key), []) if one.standing]
    if not standing or standing[-1].holds:
        return None
    last = standing[-1]
    return Replaced(area=area, key=key, statement=last.statement, path=last.standing)
