"""Records as lines for people: the story of a run, one event a line."""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, datetime
from typing import Any, Final

from bus.ids import LEAD, SUPERVISOR
from bus.messages import (
    ActRefused,
    ApprovalAsked,
    ApprovalGiven,
    CallBegun,
    CallEnded,
    CancelRun,
    ConflictJudged,
    ConflictRaised,
    ConflictRuled,
    ContextClosed,
    ContextCompacted,
    ContextOpened,
    DecisionChallenged,
    DecisionExplained,
    DecisionProposed,
    DecisionRebutted,
    DecisionRecorded,
    DecisionRuled,
    DecisionWithdrawn,
    FindingNoted,
    FindingSubmitted,
    Mail,
    MemberJoined,
    MemberLeft,
    MemberLost,
    MemberSeated,
    MemberStuck,
    PlanMade,
    ResultPublished,
    RunForked,
    RunOpened,
    RunTriaged,
    StopMember,
    TaskClaimed,
    TaskFailed,
    TaskOpened,
    TaskSettled,
    TaskSubmitted,
    TurnActed,
    TurnReplied,
    UsageReserved,
    UsageSpent,
    VerdictGiven,
    WrapUp,
    type_name,
)
from bus.run_stream import Record

_STORY_KINDS = frozenset(
    {
        "spec",
        "member",
        "task",
        "mail",
        "decision",
        "finding",
        "verdict",
        "conflict",
        "result",
        "control",
        "approval",
        "refusal",
    }
)


def story_line(record: Record) -> str | None:
    """A record as a line of progress; nothing for what only a log should show."""
    if record.subject.kind not in _STORY_KINDS or isinstance(record.body, StopMember):
        return None
    return f"{clock(record.at)}  {record.subject.author:<10} {describe(record)}"


def log_line(record: Record) -> str:
    """A record as a line of the log: sequence, time, kind, author, what it says."""
    who = f"{record.subject.kind:<8} {record.subject.author:<10}"
    return f"{record.seq:>6}  {clock(record.at)}  {who} {describe(record)}"


def clock(at: float) -> str:
    """A time of day in the machine's zone."""
    return datetime.fromtimestamp(at, UTC).astimezone().strftime("%H:%M:%S")


def describe(record: Record) -> str:
    """What a record says, in one line."""
    if record.body is None:
        return f"(unreadable: {record.problem})"
    names = record.subject.names
    about = names[0] if names else ""
    return one_line(_text_of(record, about))


def one_line(text: str, characters: int = 160) -> str:
    """A text on one line, cut where it gets long."""
    line = " ".join(text.split())
    return line if len(line) <= characters else line[: characters - 1] + "…"


def size_text(size_bytes: int) -> str:
    """A number of bytes as people read it: `1.2 MB`."""
    size, unit = float(size_bytes), "B"
    for larger in ("KB", "MB", "GB", "TB"):
        if size < 1000:  # noqa: PLR2004 - a thousand of one unit are one of the next
            break
        size, unit = size / 1000, larger
    return f"{size:.0f} {unit}" if unit == "B" else f"{size:.1f} {unit}"


def _text_of(record: Record, about: str) -> str:
    body = record.body
    if isinstance(body, Mail):
        return f"{type_name(body).removeprefix('mail.')} to {about}: {body.text}"
    if isinstance(body, CancelRun | StopMember | WrapUp):
        what = type_name(body).removeprefix("control.").replace("_", " ")
        return f"tells {about} to {what}: {body.reason}"
    if record.subject.kind in ("decision", "rationale"):
        about = "/".join(record.subject.names)
    return _WORDING[type(body)](body, about)


def _decided(body: DecisionRecorded, about: str) -> str:
    if body.standing:
        return f"brings the standing decision {about}: {body.statement}"
    replaces = f" (replaces {body.supersedes})" if body.supersedes else ""
    return f"decides {about}{replaces}: {body.statement}"


def _challenged(body: DecisionChallenged, about: str) -> str:
    instead = f" Instead: {body.instead}" if body.instead else ""
    return f"challenges {about} ({body.revision}): {body.reason}{instead}"


def _ruled(body: DecisionRuled, about: str) -> str:
    now = f", now: {body.statement}" if body.statement else ""
    return f"rules on {about} ({body.revision}): {body.outcome}{now}. {body.reason}"


def _joined(body: MemberJoined, about: str) -> str:
    if about == SUPERVISOR:
        return f"supervises, pid {body.pid}"
    again = f" again (process {body.incarnation})" if body.incarnation > 1 else ""
    return f"joins{again}, pid {body.pid}"


def _seated(body: MemberSeated, about: str) -> str:
    if about == LEAD:
        return "takes the lead"
    return f"recruits {about} as {body.role}" + (f" for {body.works_on}" if body.works_on else "")


def _opened(body: TaskOpened, about: str) -> str:
    again = f" again, round {body.round}: {'; '.join(body.reasons)}" if body.reasons else ""
    return f"opens {about} ({body.title}){again}"


def _settled(body: TaskSettled, about: str) -> str:
    why = f": {'; '.join(body.reasons)}" if body.reasons else ""
    return f"settles {about} as {body.state}{why}"


def _planned(body: PlanMade, _: str) -> str:
    again = f" again (plan {body.round})" if body.round > 1 else ""
    return f"plans{again} {len(body.tasks)} lanes: {'; '.join(t.opened.title for t in body.tasks)}"


def _answered(body: ApprovalGiven, about: str) -> str:
    why = f": {body.reason}" if body.reason else ""
    return f"has {body.outcome} {about}{why}"


def _judged(body: VerdictGiven, about: str) -> str:
    refused = [j for j in body.judgements if j.outcome != "upheld"]
    said = "; ".join(f"{j.claim or j.check}: {j.reason}" for j in refused)
    return f"judges {about}: {said or 'all upheld'}"


def _raised(body: ConflictRaised, about: str) -> str:
    seen = "contradict each other" if body.is_certain else "may contradict each other"
    return f"raises {about}: {body.first} and {body.second} {seen}: {body.reason}"


def _acted(body: TurnActed, _: str) -> str:
    done = ", ".join(o.tool + (" (refused)" if o.is_error else "") for o in body.outcomes)
    return f"turn {body.turn} of {body.context}: {done}"


def _spent(body: UsageSpent, _: str) -> str:
    cost = "unknown cost" if body.cost_usd is None else f"${body.cost_usd:.4f}"
    lost = f" ({body.lost.total} in answers that broke off)" if body.lost.total else ""
    tokens = body.tokens.total + body.lost.total
    more = f", {body.unsettled_tokens} more at most" if body.unsettled_tokens else ""
    return f"{tokens} tokens{lost}{more}, {cost}, {body.took_s:.2f} s"


def _reserved(body: UsageReserved, _: str) -> str:
    cost = "unknown cost" if body.usd is None else f"${body.usd:.4f}"
    return f"reserves {body.tokens} tokens, {cost} for turn {body.turn} of {body.context}"


_WORDING: Final[dict[Any, Callable[[Any, str], str]]] = {
    RunOpened: lambda body, _: f"asks: {body.goal}",
    RunForked: lambda body, _: f"goes on from message {body.at_seq} of run {body.origin}",
    PlanMade: _planned,
    ApprovalAsked: lambda body, about: f"waits for a person: {about} ({body.what})",
    ApprovalGiven: _answered,
    RunTriaged: lambda body, _: f"runs as {body.mode}: {'; '.join(body.reasons)}",
    ResultPublished: lambda body, _: f"publishes the result: {body.status}",
    MemberSeated: _seated,
    MemberJoined: _joined,
    MemberLeft: lambda body, _: f"leaves: {body.reason}",
    MemberLost: lambda body, about: f"{about} is lost: {body.reason}",
    MemberStuck: lambda body, about: f"{about} is stuck: {body.reason}",
    TaskOpened: _opened,
    TaskClaimed: lambda _, about: f"claims {about}",
    TaskSubmitted: lambda _, about: f"submits {about}",
    TaskFailed: lambda body, about: f"fails {about}: {body.reason}",
    TaskSettled: _settled,
    DecisionProposed: lambda body, about: f"proposes {about}: {body.statement}",
    DecisionRecorded: _decided,
    DecisionChallenged: _challenged,
    DecisionRebutted: lambda body, about: f"defends {about} ({body.revision}): {body.reason}",
    DecisionWithdrawn: lambda body, about: f"withdraws {about} ({body.revision}): {body.reason}",
    DecisionRuled: _ruled,
    DecisionExplained: lambda body, about: f"says why of {about}: {body.rationale}",
    FindingNoted: lambda body, about: f"notes on {about}: {body.text}",
    FindingSubmitted: lambda body, about: (
        f"finds for {about}: {len(body.claims)} claims. {body.summary}"
    ),
    VerdictGiven: _judged,
    ConflictRaised: _raised,
    ConflictJudged: lambda body, about: f"compares {about}: {body.outcome}: {body.reason}",
    ConflictRuled: lambda body, about: f"rules on {about}: {body.stands} stands. {body.reason}",
    ActRefused: lambda body, _: f"is refused {body.what} ({body.code}): {body.reason}",
    ContextOpened: lambda body, _: f"opens context {body.context}",
    TurnReplied: lambda body, _: f"turn {body.turn} of {body.context}: {body.stop_reason}",
    CallBegun: lambda body, _: f"begins {body.tool} in turn {body.turn} of {body.context}",
    CallEnded: lambda body, _: f"ends {body.outcome.tool} in turn {body.turn} of {body.context}",
    TurnActed: _acted,
    ContextCompacted: lambda body, _: (
        f"lets turns 1 to {body.upto} leave context {body.context}: {body.reason}"
    ),
    ContextClosed: lambda body, _: f"closes context {body.context}: {body.reason}",
    UsageReserved: _reserved,
    UsageSpent: _spent,
}
"""How each message is told; mail and control are told above."""
