"""Records as lines for people: the story of a run, one event a line."""

from __future__ import annotations

from datetime import UTC, datetime

from bus.messages import (
    CancelRun,
    ContextClosed,
    ContextOpened,
    DecisionContested,
    DecisionRecorded,
    FindingNoted,
    FindingSubmitted,
    Mail,
    MemberJoined,
    MemberLeft,
    MemberLost,
    MemberSeated,
    ResultPublished,
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
    UsageSpent,
    VerdictGiven,
    WrapUp,
    type_name,
)
from bus.run_stream import Record

_STORY_KINDS = frozenset(
    {"spec", "member", "task", "mail", "decision", "finding", "verdict", "result", "control"}
)


def story_line(record: Record) -> str | None:
    """A record as a line of progress; nothing for what only a log should show."""
    if record.subject.kind not in _STORY_KINDS or isinstance(record.body, StopMember):
        return None
    return f"{clock(record.at)}  {record.subject.author:<10} {describe(record)}"


def log_line(record: Record) -> str:
    """A record as a line of the log: sequence, time, kind, author, what it says."""
    kind = f"{record.subject.kind:<8}"
    return f"{record.seq:>6}  {clock(record.at)}  {kind} {record.subject.author:<10} {describe(record)}"


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


def _text_of(record: Record, about: str) -> str:
    body = record.body
    match body:
        case RunOpened():
            return f"asks: {body.goal}"
        case RunTriaged():
            return f"runs as {body.mode}: {'; '.join(body.reasons)}"
        case MemberSeated():
            return f"recruits {about} as {body.role}" + (
                f" for {body.works_on}" if body.works_on else ""
            )
        case MemberJoined():
            again = f" again (process {body.incarnation})" if body.incarnation > 1 else ""
            return f"joins{again}, pid {body.pid}"
        case MemberLeft():
            return f"leaves: {body.reason}"
        case MemberLost():
            return f"{about} is lost: {body.reason}"
        case ResultPublished():
            return f"publishes the result: {body.status}"
        case Mail():
            return f"{type_name(body).removeprefix('mail.')} to {about}: {body.text}"
        case CancelRun() | StopMember() | WrapUp():
            return f"tells {about} to {type_name(body).removeprefix('control.')}: {body.reason}"
        case DecisionRecorded():
            return f"decides {about}/{record.subject.names[1]}: {body.statement}"
        case DecisionContested():
            return f"contests {about}/{record.subject.names[1]}: {body.reason}"
        case _:
            return _work_text(record, about)


def _work_text(record: Record, about: str) -> str:
    body = record.body
    match body:
        case TaskOpened():
            again = f" again, round {body.round}: {'; '.join(body.reasons)}" if body.reasons else ""
            return f"opens {about} ({body.title}){again}"
        case TaskClaimed():
            return f"claims {about}"
        case TaskSubmitted():
            return f"submits {about}"
        case TaskFailed():
            return f"fails {about}: {body.reason}"
        case TaskSettled():
            why = f": {'; '.join(body.reasons)}" if body.reasons else ""
            return f"settles {about} as {body.state}{why}"
        case FindingNoted():
            return f"notes on {about}: {body.text}"
        case FindingSubmitted():
            return f"finds for {about}: {len(body.claims)} claims. {body.summary}"
        case VerdictGiven():
            refused = [j for j in body.judgements if j.outcome != "upheld"]
            said = "; ".join(f"{j.claim or j.check}: {j.reason}" for j in refused)
            return f"judges {about}: {said or 'all upheld'}"
        case ContextOpened():
            return f"opens context {body.context}"
        case TurnReplied():
            return f"turn {body.turn} of {body.context}: {body.stop_reason}"
        case TurnActed():
            done = ", ".join(o.tool + (" (refused)" if o.is_error else "") for o in body.outcomes)
            return f"turn {body.turn} of {body.context}: {done}"
        case ContextClosed():
            return f"closes context {body.context}: {body.reason}"
        case UsageSpent():
            cost = "unknown cost" if body.cost_usd is None else f"${body.cost_usd:.4f}"
            return f"{body.tokens.total} tokens, {cost}, {body.took_s:.2f} s"
        case _:
            return "" if body is None else type_name(body)
