"""The decisions of a run as rows for programs and as text for people."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import groupby
from typing import Literal

import msgspec

from bus.messages import Evidence, Premise
from team.state import Decision, RunState
from team.views.columns import columns


class DisputeRow(msgspec.Struct, frozen=True, kw_only=True):
    """One step in the dispute over a decision, oldest first."""

    step: Literal["objection", "answer", "ruling", "withdrawal"]
    by: str
    text: str
    instead: str = ""
    evidence: tuple[Evidence, ...] = ()


class DecisionRow(msgspec.Struct, frozen=True, kw_only=True):
    """One revision of a decision.

    Attributes:
        state: `proposed`, `in force`, `contested`, `upheld`, `superseded` or `withdrawn`.
        supersedes: The revision that it replaced.
        replaced_by: The revision that replaced it.
        standing: The file that it comes from, if it is older than the run.
        fallen: Why it stands no longer although it holds: what it rests on has fallen.
        waits_for: Who has to rule on it: `lead` or `person`.
    """

    area: str
    key: str
    revision: int
    author: str
    statement: str
    rationale: str
    alternatives: tuple[str, ...]
    evidence: tuple[Evidence, ...]
    state: str
    supersedes: int | None
    replaced_by: int | None
    standing: str
    relied_on: tuple[Premise, ...]
    distinct_from: tuple[str, ...]
    dispute: tuple[DisputeRow, ...]
    fallen: str | None
    waits_for: Literal["lead", "person"] | None

    @property
    def name(self) -> str:
        """Area and key, as people write it."""
        return f"{self.area}/{self.key}"

    @property
    def is_current(self) -> bool:
        """Whether it holds, or is proposed."""
        return self.state not in ("superseded", "withdrawn")


def decision_rows(state: RunState) -> tuple[DecisionRow, ...]:
    """Every revision of every decision, oldest first."""
    revisions = [d for history in state.decisions.history.values() for d in history]
    return tuple(_decision(state, d) for d in sorted(revisions, key=lambda d: d.seq))


def _decision(state: RunState, decision: Decision) -> DecisionRow:
    fall = state.decisions.fall_of(decision.as_premise()) if decision.holds else None
    return DecisionRow(
        area=decision.area,
        key=decision.key,
        revision=decision.seq,
        author=decision.author,
        statement=decision.statement,
        rationale=decision.rationale,
        alternatives=decision.alternatives,
        evidence=decision.evidence,
        state=decision.state,
        supersedes=decision.supersedes,
        replaced_by=decision.replaced_by,
        standing=decision.standing,
        relied_on=decision.relied_on,
        distinct_from=decision.distinct_from,
        dispute=_dispute(decision),
        fallen=fall.reason if fall else None,
        waits_for=state.decisions.ruler_of(decision) if decision.is_disputed or fall else None,
    )


def _dispute(decision: Decision) -> tuple[DisputeRow, ...]:
    """What was said for and against a decision, and how it ended, in order."""
    steps = [
        (
            o.seq,
            DisputeRow(
                step="objection", by=o.author, text=o.reason, instead=o.instead, evidence=o.evidence
            ),
        )
        for o in decision.objections
    ]
    steps += [
        (r.seq, DisputeRow(step="answer", by=decision.author, text=r.reason, evidence=r.evidence))
        for r in decision.replies
    ]
    steps += [
        (
            ruling.seq,
            DisputeRow(step="ruling", by=ruling.author, text=f"{ruling.outcome}: {ruling.reason}"),
        )
        for ruling in decision.rulings
    ]
    if decision.end_reason and decision.changed_seq not in {r.seq for r in decision.rulings}:
        withdrawn = DisputeRow(step="withdrawal", by=decision.changed_by, text=decision.end_reason)
        steps.append((decision.changed_seq, withdrawn))
    return tuple(row for _, row in sorted(steps, key=lambda step: step[0]))


def list_text(rows: Sequence[DecisionRow]) -> str:
    """Decisions as a table, a line each."""
    table = [("DECISION", "REVISION", "BY", "STATE", "STATEMENT")]
    table += [
        (row.name, f"r{row.revision}", row.author, _state(row), row.statement) for row in rows
    ]
    return "\n".join(columns(table))


def history_text(rows: Sequence[DecisionRow]) -> str:
    """Every revision of every decision, with its reasons, disputes and rulings."""
    lines: list[str] = []
    for name, revisions in groupby(sorted(rows, key=lambda r: (r.name, r.revision)), _name_of):
        lines.append(name)
        for row in revisions:
            lines.append(f"  r{row.revision}  {row.author}  {_state(row)}: {row.statement}")
            lines += [f"      {line}" for line in _details(row)]
    return "\n".join(lines)


def _name_of(row: DecisionRow) -> str:
    return row.name


def _state(row: DecisionRow) -> str:
    if row.fallen:
        return f"{row.state}, but fallen"
    return f"{row.state}, waits for the {row.waits_for}" if row.waits_for else row.state


def _details(row: DecisionRow) -> list[str]:
    found = [f"from {row.standing}"] if row.standing else []
    found += [f"replaces r{row.supersedes}"] if row.supersedes else []
    found += [f"fallen: {row.fallen}"] if row.fallen else []
    found += [f"why: {row.rationale}"] if row.rationale else []
    found += [f"considered: {one}" for one in row.alternatives]
    found += [f"shown by {e.source} {e.locator}: “{e.quote}”" for e in row.evidence]
    found += [f"rests on {p.area}/{p.key} r{p.revision}" for p in row.relied_on]
    found += [f"distinct from {name}" for name in row.distinct_from]
    for step in row.dispute:
        instead = f" Instead: {step.instead}" if step.instead else ""
        found.append(f"{step.step} of {step.by}: {step.text}{instead}")
    return [" ".join(line.split()) for line in found]
