"""What the tools answer: small typed objects cut from a run, with a word on what comes next.

Pure: a run as one object goes in. What is long is cut or comes in pages, since it enters
the context of whoever asked.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

from typing_extensions import TypedDict

from bus.run_stream import Record
from team.rules.approvals import Awaited
from team.views.decisions import DecisionRow
from team.views.lines import clock, describe, one_line
from team.views.run_object import CitationRow, RunObject
from team.views.runs import RunRow

LINE_CHARACTERS: Final = 300
WAITING_CHARACTERS: Final = 4_000
TEXT_CHARACTERS: Final = 12_000
ROWS_MAX: Final = 50
"""How many rows of a kind an answer may have."""


class RunLine(TypedDict):
    """One run in a list."""

    run: str
    status: str
    started: str
    goal: str
    waits_for: list[str]


class RunList(TypedDict):
    """Runs, newest first; `next_offset` is null on the last page."""

    runs: list[RunLine]
    total: int
    next_offset: int | None


class Started(TypedDict):
    """A run that was started or taken up."""

    run: str
    is_at_work: bool
    policy: str | None
    notes: list[str]
    log: str
    next: str


class TaskLine(TypedDict):
    """One task of the board."""

    id: str
    title: str
    purpose: str
    state: str
    member: str | None
    round: int


class MemberLine(TypedDict):
    """One member of a run."""

    name: str
    role: str
    state: str
    works_on: str
    tokens: int
    cost_usd: float | None


class Waiting(TypedDict):
    """What a person has to answer."""

    id: str
    what: str
    text: str


class Spent(TypedDict):
    """What a run has cost; null where a price is unknown or there is no limit."""

    calls: int
    input_tokens: int
    output_tokens: int
    cost_usd: float | None
    is_estimated: bool
    tokens_max: float | None
    dollars_max: float | None


class RunStatus(TypedDict):
    """How a run stands."""

    run: str
    status: str
    goal: str
    mode: str | None
    model: str
    tasks: list[TaskLine]
    members: list[MemberLine]
    spent: Spent
    waits_for: list[Waiting]
    decisions_in_force: int
    missing: list[str]
    last_seq: int
    next: str


class Event(TypedDict):
    """One thing that happened in a run; `seq` is its place in the run's stream."""

    seq: int
    at: str
    by: str
    kind: str
    text: str


class News(TypedDict):
    """What happened after a sequence; follow on from `next_after`."""

    run: str
    status: str
    events: list[Event]
    next_after: int
    is_over: bool
    next: str


class DecisionLine(TypedDict):
    """One revision of a decision; reasons only where the history was asked for."""

    name: str
    revision: int
    author: str
    state: str
    statement: str
    rationale: str
    alternatives: list[str]
    replaced_by: int | None


class DecisionList(TypedDict):
    """Decisions of a run, oldest first; `next_offset` is null on the last page."""

    run: str
    decisions: list[DecisionLine]
    total: int
    next_offset: int | None


class Citation(TypedDict):
    """One citation; `number` is its mark in the text."""

    number: int
    claim: str
    member: str
    source: str
    locator: str
    quote: str


class Result(TypedDict):
    """The result of a run, or that there is none yet; `next_offset` is null on the last page."""

    run: str
    status: str
    text: str
    citations: list[Citation]
    citations_total: int
    next_offset: int | None
    missing: list[str]
    rejected: list[str]
    report: str | None
    next: str


class Done(TypedDict):
    """That something was done, and what comes next."""

    run: str
    did: str
    next: str


def run_list(rows: Sequence[RunRow], offset: int, limit: int) -> RunList:
    """A page of runs, newest first."""
    newest = sorted(rows, key=lambda row: row.created_at, reverse=True)
    page = newest[offset : offset + limit]
    return RunList(
        runs=[
            RunLine(
                run=row.run,
                status=row.status,
                started=row.created_at,
                goal=one_line(row.goal, 120),
                waits_for=list(row.waits_for),
            )
            for row in page
        ],
        total=len(rows),
        next_offset=_next_offset(offset, limit, len(rows)),
    )


def run_status(shown: RunObject, last_seq: int) -> RunStatus:
    """How a run stands, in a few hundred words."""
    usage = shown.usage
    return RunStatus(
        run=shown.run,
        status=shown.status,
        goal=one_line(shown.goal, LINE_CHARACTERS),
        mode=shown.mode,
        model=shown.model,
        tasks=[
            TaskLine(
                id=task.id,
                title=one_line(task.title, 80),
                purpose=task.purpose,
                state=task.state.value,
                member=task.member,
                round=task.round,
            )
            for task in shown.tasks[-ROWS_MAX:]
        ],
        members=[
            MemberLine(
                name=member.name,
                role=member.role,
                state=member.state,
                works_on=member.works_on,
                tokens=member.input_tokens + member.output_tokens,
                cost_usd=member.cost_usd,
            )
            for member in shown.members[:ROWS_MAX]
        ],
        spent=Spent(
            calls=usage.calls,
            input_tokens=usage.input_tokens,
            output_tokens=usage.output_tokens,
            cost_usd=usage.cost_usd,
            is_estimated=usage.is_estimated,
            tokens_max=usage.tokens.limit if usage.tokens else None,
            dollars_max=usage.dollars.limit if usage.dollars else None,
        ),
        waits_for=[waiting(one) for one in shown.waits_for],
        decisions_in_force=sum(row.is_current for row in shown.decisions),
        missing=_lines(shown.missing),
        last_seq=last_seq,
        next=what_next(shown.run, shown.status, last_seq),
    )


def waiting(one: Awaited) -> Waiting:
    """What a person has to answer, as far as it fits."""
    return Waiting(id=one.id, what=one.what, text=one.text[:WAITING_CHARACTERS])


def event(record: Record) -> Event:
    """A record as an event."""
    return Event(
        seq=record.seq,
        at=clock(record.at),
        by=record.subject.author,
        kind=record.subject.kind,
        text=one_line(describe(record), LINE_CHARACTERS),
    )


def decision_list(
    run: str, rows: Sequence[DecisionRow], offset: int, limit: int, *, is_history: bool
) -> DecisionList:
    """A page of decisions; with the reasons in a history."""
    return DecisionList(
        run=run,
        decisions=[
            DecisionLine(
                name=row.name,
                revision=row.revision,
                author=row.author,
                state=row.state,
                statement=row.statement,
                rationale=row.rationale[:WAITING_CHARACTERS] if is_history else "",
                alternatives=list(row.alternatives) if is_history else [],
                replaced_by=row.replaced_by,
            )
            for row in rows[offset : offset + limit]
        ],
        total=len(rows),
        next_offset=_next_offset(offset, limit, len(rows)),
    )


def text_page(shown: RunObject, offset: int) -> Result:
    """A page of the answer's text, with what it lacks."""
    text = shown.result.text if shown.result else ""
    page = text[offset : offset + TEXT_CHARACTERS]
    return _result(shown, page, [], _next_offset(offset, TEXT_CHARACTERS, len(text)))


def citations_page(shown: RunObject, offset: int, limit: int) -> Result:
    """A page of the citations, in the order of their marks."""
    rows = shown.result.citations if shown.result else ()
    page = [_citation(row) for row in rows[offset : offset + limit]]
    return _result(shown, "", page, _next_offset(offset, limit, len(rows)))


def _result(
    shown: RunObject, text: str, citations: list[Citation], next_offset: int | None
) -> Result:
    return Result(
        run=shown.run,
        status=shown.status,
        text=text,
        citations=citations,
        citations_total=len(shown.result.citations) if shown.result else 0,
        next_offset=next_offset,
        missing=_lines(shown.missing),
        rejected=_lines(shown.rejected),
        report=shown.report,
        next=what_next(shown.run, shown.status) if shown.result is None else "",
    )


def _citation(row: CitationRow) -> Citation:
    return Citation(
        number=row.number,
        claim=one_line(row.claim, LINE_CHARACTERS),
        member=row.member,
        source=row.source,
        locator=row.locator,
        quote=row.quote,
    )


def what_next(run: str, status: str, last_seq: int | None = None) -> str:
    """What whoever looks at a run can do next."""
    match status:
        case "running":
            after = f", after={last_seq}" if last_seq else ""
            return f"It goes on: follow_run(run={run!r}{after})."
        case "waiting":
            return (
                "A person has to answer what is in waits_for; on a terminal: "
                f"team approve {run} ID, or team reject {run} ID --why …"
            )
        case "stopped" | "stalled":
            return f"Nobody works on it: resume_run(run={run!r}) takes it up where it stopped."
        case "cancelled":
            return "It was cancelled; there is nothing more to do."
        case _:
            return f"It has ended: run_result(run={run!r})."


def _lines(lines: Sequence[str]) -> list[str]:
    kept = [one_line(line, LINE_CHARACTERS) for line in lines[:ROWS_MAX]]
    more = len(lines) - len(kept)
    return [*kept, f"and {more} more: team show"] if more else kept


def _next_offset(offset: int, limit: int, total: int) -> int | None:
    return offset + limit if offset + limit < total else None
