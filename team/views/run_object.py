"""A run as one object for programs: the same at any time of the run.

`team run --json` and `team show --json` print it; `team schema result` describes it.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Literal

import msgspec

from bus.live import Beat
from bus.messages import Claim, Judgement, Premise, TaskState
from team.rules.approvals import Awaited, awaited
from team.rules.conflicts import current, judgement_on, standing, struck_claims
from team.rules.steps import missing_lanes, rejected_findings
from team.rules.synthesis import struck_lines, upheld_claims
from team.sources import snapshot_name
from team.sources.origins import at_utc, origins
from team.state import Letter, RunState, Seat, Submission
from team.views.decisions import DecisionRow, decision_rows
from team.views.members import state_of
from team.views.usage import UsageRow, fresh_tokens, usage_row

Status = Literal[
    "running", "waiting", "stopped", "admitted", "partial", "rejected", "cancelled", "stalled"
]


class _Part(msgspec.Struct, frozen=True, kw_only=True):
    """A part of the object."""


class MemberRow(_Part, frozen=True, kw_only=True):
    """One member; `cost_usd` is null where a price is unknown, `stuck` while it moves.

    `compactions` says how often turns have left one of its contexts. `input_tokens` are all
    tokens read: fresh, from the cache and written to it; `lost_tokens` those of broken tries.
    """

    name: str
    role: str
    pid: int | None
    turns: int
    input_tokens: int
    output_tokens: int
    cost_usd: float | None
    incarnation: int
    works_on: str
    state: str
    stuck: str | None
    ended: str | None
    compactions: int = 0
    fresh_tokens: int = 0
    cache_read_tokens: int = 0
    cache_write_tokens: int = 0
    lost_tokens: int = 0


class TaskRow(_Part, frozen=True, kw_only=True):
    """One task of the board."""

    id: str
    title: str
    objective: str
    purpose: str
    state: TaskState
    member: str | None
    round: int
    depends_on: tuple[str, ...]
    reasons: tuple[str, ...]


class VerdictRow(_Part, frozen=True, kw_only=True):
    """One judgement and who gave it."""

    by: str
    judgement: Judgement


class FindingRow(_Part, frozen=True, kw_only=True):
    """One submitted finding, whatever became of it."""

    task: str
    member: str
    round: int
    state: Literal["submitted", "admitted", "rejected"]
    summary: str
    claims: tuple[Claim, ...]
    verdicts: tuple[VerdictRow, ...]
    open_questions: tuple[str, ...]
    relied_on: tuple[Premise, ...]


class ConflictRow(_Part, frozen=True, kw_only=True):
    """Two claims of different lanes that may contradict each other.

    `judged` and `ruling` are null until a verifier and the lead have spoken; `struck` names
    those of the two that may not be cited, whatever conflict struck them.
    """

    id: str
    first: str
    second: str
    reason: str
    is_certain: bool
    state: Literal["raised", "open", "compatible", "ruled", "outdated"]
    judged: str | None
    ruling: str | None
    ruling_reason: str | None
    struck: tuple[str, ...]


class LetterRow(_Part, frozen=True, kw_only=True):
    """One message between members, with its receipt."""

    id: str
    kind: str
    author: str
    to: str
    text: str
    in_reply_to: str | None
    receipt: str


class MessageCounts(_Part, frozen=True, kw_only=True):
    """How many messages, by kind and between whom, and each of them."""

    by_kind: dict[str, int]
    between: dict[str, int]
    letters: tuple[LetterRow, ...]


class BroughtRow(_Part, frozen=True, kw_only=True):
    """One text that a tool brought from outside; `source` is its name, `at` in UTC."""

    source: str
    origin: str
    title: str
    tool: str
    member: str
    lines: int
    at: str


class CitationRow(_Part, frozen=True, kw_only=True):
    """One citation of the synthesis; `number` is its mark in the text.

    `origin` says of a text from outside where it is from and when it was brought.
    """

    number: int
    ref: str
    claim: str
    member: str
    source: str
    locator: str
    quote: str
    origin: str = ""


class ResultRow(_Part, frozen=True, kw_only=True):
    """The synthesis."""

    text: str
    citations: tuple[CitationRow, ...]


class RefusalRow(_Part, frozen=True, kw_only=True):
    """Something that code has refused a member, and by which rule."""

    member: str
    code: str
    what: str
    reason: str
    context: str
    turn: int


class ForkRow(_Part, frozen=True, kw_only=True):
    """Of which run another is a fork, and from which message on it goes its own way."""

    origin: str
    at_seq: int


class RunObject(_Part, frozen=True, kw_only=True):
    """A run, for programs.

    Attributes:
        run: Its id.
        status: How it stands; `running`, `waiting` or `stopped` while it has no result.
        mode: `team` or `solo`, once triaged.
        model: The model that answers; `rehearsal-1` is none.
        missing: What the result lacks, with reasons.
        rejected: Findings that the gate refused and claims that it struck out, with reasons.
        conflicts: Claims of different lanes that may contradict each other.
        refusals: What code has refused members before it was done.
        brought: Texts that tools brought from outside.
        changed_by_peers: Claims that a peer's message changed, a sentence each.
        waits_for: What a person has to answer before it goes on.
        forked: Of which run it is a fork; null unless it is one.
        wall_s: From opening to the result, or to the last message, in seconds.
        report: Path of the report; null while there is none.
    """

    run: str
    goal: str
    status: Status
    mode: Literal["team", "solo"] | None
    model: str
    members: tuple[MemberRow, ...]
    tasks: tuple[TaskRow, ...]
    findings: tuple[FindingRow, ...]
    decisions: tuple[DecisionRow, ...]
    messages: MessageCounts
    result: ResultRow | None
    missing: tuple[str, ...]
    rejected: tuple[str, ...]
    conflicts: tuple[ConflictRow, ...]
    refusals: tuple[RefusalRow, ...]
    brought: tuple[BroughtRow, ...]
    changed_by_peers: tuple[str, ...]
    triage: tuple[str, ...]
    waits_for: tuple[Awaited, ...]
    usage: UsageRow
    forked: ForkRow | None
    wall_s: float
    report: str | None


def run_object(
    run: str,
    state: RunState,
    *,
    is_live: bool,
    heard: Mapping[str, Beat] | None = None,
    fetched: Mapping[str, int] | None = None,
    report: str | None = None,
) -> RunObject:
    """Describe a run.

    Args:
        run: Its id.
        state: The fold of its whole stream.
        is_live: Whether any of its members was heard lately.
        heard: Heartbeats of those that were.
        fetched: How far each member's consumer has handed out, by name.
        report: Path of the report, if there is one.
    """
    result = state.result
    return RunObject(
        run=run,
        goal=state.opened.goal if state.opened else "",
        status=status_of(state, is_live=is_live),
        mode=state.triage.mode if state.triage else None,
        model=", ".join(state.ledger.models) or (state.opened.model if state.opened else ""),
        members=_members(state, heard or {}, is_live=is_live),
        tasks=_tasks(state),
        findings=_findings(state),
        decisions=decision_rows(state),
        messages=_messages(state, fetched or {}),
        result=_result(state) if result is not None and result.text else None,
        missing=result.missing if result is not None else missing_lanes(state),
        rejected=(*rejected_findings(state), *struck_lines(state)),
        conflicts=_conflicts(state),
        changed_by_peers=changed_by_peers(state),
        triage=state.triage.reasons if state.triage else (),
        waits_for=awaited(state),
        refusals=_refusals(state),
        brought=brought_rows(state),
        usage=usage_row(state),
        forked=fork_row(state),
        wall_s=round(max(0.0, (state.ended_at or state.last_at) - state.opened_at), 3),
        report=report,
    )


def fork_row(state: RunState) -> ForkRow | None:
    """Of which run a run is a fork, if it is one."""
    forked = state.forked
    return ForkRow(origin=forked.origin, at_seq=forked.at_seq) if forked is not None else None


def status_of(state: RunState, *, is_live: bool) -> Status:
    """How a run stands, in one word."""
    if state.result is not None:
        return state.result.status
    if awaited(state):
        return "waiting"
    if is_live:
        return "running"
    lead = state.roster.seats.get("lead")
    return "stalled" if lead is not None and lead.lost else "stopped"


def changed_by_peers(state: RunState) -> tuple[str, ...]:
    """Each claim of a finding that a peer's message has changed, as a sentence."""
    found: list[str] = []
    for submissions in state.findings.submissions.values():
        for submission in submissions[-1:]:
            if submission.objections:
                continue
            for claim in submission.finding.claims:
                letter = state.mail.letters.get(claim.revised_after or "")
                if letter is not None:
                    found.append(
                        f"{submission.member} changed claim {claim.id} of {submission.task} after "
                        f"a {letter.kind} from {letter.author}: now “{claim.text}”"
                    )
    return tuple(found)


def _members(state: RunState, heard: Mapping[str, Beat], *, is_live: bool) -> tuple[MemberRow, ...]:
    seats = state.roster.seats.values()
    return tuple(
        _member(state, seat, state_of(seat, heard.get(seat.name), is_live=is_live))
        for seat in seats
    )


def _member(state: RunState, seat: Seat, standing: str) -> MemberRow:
    spent = state.ledger.of_member(seat.name)
    return MemberRow(
        name=seat.name,
        role=seat.role,
        pid=seat.pid,
        turns=spent.calls,
        input_tokens=spent.input_tokens,
        output_tokens=spent.output_tokens,
        cost_usd=spent.cost_usd,
        incarnation=seat.incarnation,
        works_on=seat.works_on,
        state=standing,
        stuck=seat.stuck.reason if seat.stuck is not None else None,
        ended=seat.lost or seat.left,
        compactions=state.compactions[seat.name],
        fresh_tokens=fresh_tokens(spent),
        cache_read_tokens=spent.cache_read_tokens,
        cache_write_tokens=spent.cache_write_tokens,
        lost_tokens=spent.lost_tokens,
    )


def _tasks(state: RunState) -> tuple[TaskRow, ...]:
    return tuple(
        TaskRow(
            id=task.id,
            title=task.title,
            objective=task.contract.objective,
            purpose=task.purpose,
            state=task.state,
            member=task.holder,
            round=task.round,
            depends_on=task.depends_on,
            reasons=task.reasons,
        )
        for task in state.board.tasks.values()
    )


def _findings(state: RunState) -> tuple[FindingRow, ...]:
    return tuple(
        FindingRow(
            task=submission.task,
            member=submission.member,
            round=submission.finding.round,
            state=_finding_state(state, submission),
            summary=submission.finding.summary,
            claims=submission.finding.claims,
            verdicts=tuple(VerdictRow(by=by, judgement=j) for by, j in submission.judgements),
            open_questions=submission.finding.open_questions,
            relied_on=submission.finding.relied_on,
        )
        for submissions in state.findings.submissions.values()
        for submission in submissions
    )


def _finding_state(
    state: RunState, submission: Submission
) -> Literal["submitted", "admitted", "rejected"]:
    task = state.board.tasks.get(submission.task)
    is_latest = state.findings.latest(submission.task) == submission
    if task is not None and is_latest and task.state is TaskState.admitted:
        return "admitted"
    if submission.objections or not is_latest or (task is not None and task.is_settled):
        return "rejected"
    return "submitted"


def _conflicts(state: RunState) -> tuple[ConflictRow, ...]:
    claims = {one.ref: one.claim for one in upheld_claims(state)}
    here = {conflict.id for conflict in current(state, claims)}
    struck = struck_claims(state, claims)
    rows: list[ConflictRow] = []
    for conflict in state.conflicts.all.values():
        raised, ruling = conflict.raised, conflict.ruling
        judged = judgement_on(state, conflict)
        pair = (raised.first, raised.second) if conflict.id in here else ()
        rows.append(
            ConflictRow(
                id=conflict.id,
                first=raised.first,
                second=raised.second,
                reason=raised.reason,
                is_certain=raised.is_certain,
                state=standing(state, conflict) if pair else "outdated",
                judged=f"{judged.outcome}: {judged.reason}" if judged else None,
                ruling=ruling.stands if ruling else None,
                ruling_reason=ruling.reason if ruling else None,
                struck=tuple(ref for ref in pair if ref in struck),
            )
        )
    return tuple(rows)


def _messages(state: RunState, fetched: Mapping[str, int]) -> MessageCounts:
    by_kind: dict[str, int] = {}
    between: dict[str, int] = {}
    for letter in state.mail.letters.values():
        by_kind[letter.kind] = by_kind.get(letter.kind, 0) + 1
        pair = f"{letter.author}→{letter.to}"
        between[pair] = between.get(pair, 0) + 1
    letters = tuple(_letter(x, fetched.get(x.to, 0)) for x in state.mail.letters.values())
    return MessageCounts(by_kind=by_kind, between=between, letters=letters)


def _letter(letter: Letter, fetched_seq: int) -> LetterRow:
    return LetterRow(
        id=letter.id,
        kind=letter.kind,
        author=letter.author,
        to=letter.to,
        text=letter.mail.text,
        in_reply_to=letter.mail.in_reply_to,
        receipt=letter.receipt(fetched_seq),
    )


def _result(state: RunState) -> ResultRow:
    assert state.result is not None
    known = origins(state.snapshots)
    return ResultRow(
        text=state.result.text,
        citations=tuple(
            CitationRow(
                number=number,
                ref=c.ref,
                claim=c.claim,
                member=c.member,
                source=c.source,
                locator=c.locator,
                quote=c.quote,
                origin=known.get(c.source, ""),
            )
            for number, c in enumerate(state.result.citations, start=1)
        ),
    )


def brought_rows(state: RunState) -> tuple[BroughtRow, ...]:
    """Every text that a tool brought from outside, in order."""
    return tuple(
        BroughtRow(
            source=snapshot_name(one.kept.text.sha256),
            origin=one.kept.origin,
            title=one.kept.title,
            tool=one.kept.tool,
            member=one.member,
            lines=one.kept.lines,
            at=at_utc(one.at),
        )
        for one in state.snapshots.all
    )


def _refusals(state: RunState) -> tuple[RefusalRow, ...]:
    return tuple(
        RefusalRow(
            member=one.member,
            code=one.refused.code,
            what=one.refused.what,
            reason=one.refused.reason,
            context=one.refused.context,
            turn=one.refused.turn,
        )
        for one in state.refusals.all
    )
