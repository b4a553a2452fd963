"""Who did what only another may: tools, sources, areas, models, paths, messages."""

from __future__ import annotations

from collections.abc import Iterator
from fnmatch import fnmatchcase
from typing import Final

import msgspec

from bus.ids import GATE, LEAD, PERSON, SUPERVISOR
from bus.messages import (
    ApprovalAsked,
    ApprovalGiven,
    ConflictJudged,
    ConflictRaised,
    ConflictRuled,
    FindingNoted,
    FindingSubmitted,
    MemberJoined,
    MemberLeft,
    MemberLost,
    MemberStuck,
    Message,
    SnapshotKept,
    TaskClaimed,
    TaskFailed,
    TaskOpened,
    TaskSettled,
    TaskSubmitted,
    VerdictGiven,
    type_name,
)
from bus.run_stream import Record
from roles.tool_patterns import covers, server_of, server_token
from team.audit.case import Case, Transcript
from team.audit.reading import RETURNS
from team.audit.report import Remark
from team.audit.trace import Event
from team.codes import limits as codes
from team.rules.hosts import hosts_of, place_of, reach_of
from team.sources import is_snapshot
from team.state.board import Board
from team.state.roster import Roster
from team.tool_names import FETCH, LOAD_SKILL, READ, RECALL, VIEW

_QUOTING: Final = frozenset({READ, VIEW})


def permission_breaches(case: Case) -> Iterator[Remark]:
    """Say who did what it may not."""
    if case.spec is None:
        return
    yield from _tools(case)
    yield from _sources(case)
    yield from _hosts(case)
    yield from _areas(case)
    yield from _models(case)
    yield from _writes(case)
    yield from _messages(case)


# --- tools, sources, models -------------------------------------------------------


def _tools(case: Case) -> Iterator[Remark]:
    """Tools that were run; what was refused has failed, and anybody may look back."""
    for event in case.trace:
        if event.kind != "called" or event.is_error or _only_reads_on(event):
            continue
        why = _why_not_tool(case, event)
        if why:
            yield _by(event, codes.TOOL, f"{event.context}: it ran {event.tool}, {why}")


def _only_reads_on(event: Event) -> bool:
    """Whether a call looked at what its context was shown already, or was given the name of."""
    return event.tool == RECALL or (event.tool == READ and is_snapshot(_source_of(event)))


def _why_not_tool(case: Case, event: Event) -> str:
    transcript = case.transcripts[event.agent, event.context]
    opened, contract = transcript.opened, case.contract_of(transcript)
    if opened is None or event.tool not in opened.tools:
        return "which its transcript was not given"
    if event.tool.startswith(RETURNS) or event.tool == LOAD_SKILL:
        return ""
    tool = _as_granted(event.tool)
    if contract is not None and not covers(contract.tools, tool):
        return "which its contract does not name"
    if contract is not None and covers(contract.tools_avoided, tool):
        return "which its contract forbids"
    return _why_not_by_policy(case, event)


def _as_granted(tool: str) -> str:
    """The tool by which another is granted: who may read a source may look at it."""
    return READ if tool == VIEW else tool


def _why_not_by_policy(case: Case, event: Event) -> str:
    assert case.spec is not None
    project, server = case.spec.project, server_of(event.tool)
    if server and server not in map(server_token, project.mcp.servers):
        return "of an MCP server that the policy does not allow"
    allowed = project.of_role(case.role_of(event.agent)).tools
    if allowed is not None and not covers(allowed, _as_granted(event.tool)):
        return "which the policy does not allow its role"
    return ""


def _sources(case: Case) -> Iterator[Remark]:
    """Sources that were read outside the contract; told only if the library is at hand."""
    for event in case.trace:
        if event.tool not in _QUOTING or event.is_error:
            continue
        contract = case.contract_of(case.transcripts[event.agent, event.context])
        source = _source_of(event)
        if is_snapshot(source):
            continue  # whoever was given its name may read it; a contract says who may cite it
        if contract is not None and source and case.is_outside(source, contract):
            what = f"{event.context}: it read {source!r}, outside its contract"
            yield _by(event, codes.SOURCE, what)


def _hosts(case: Case) -> Iterator[Remark]:
    """Pages that were fetched from elsewhere than policy and contract allow."""
    assert case.spec is not None
    for snapshot in case.state.snapshots.all:
        if snapshot.kept.tool != FETCH:
            continue
        why = _why_not_host(case, snapshot.member, snapshot.kept)
        if why:
            what = f"{snapshot.kept.context}: it fetched {snapshot.kept.origin}, {why}"
            yield Remark(code=codes.HOST, seqs=(snapshot.seq,), member=snapshot.member, what=what)


def _why_not_host(case: Case, member: str, kept: SnapshotKept) -> str:
    assert case.spec is not None
    try:
        place = place_of(kept.origin)
    except ValueError as error:
        return f"which is no address of the web: {error}"
    if reach_of(place, case.spec.project.web.hosts) is None:
        return "a host that the policy does not name"
    transcript = case.transcripts.get((member, kept.context))
    contract = None if transcript is None else case.contract_of(transcript)
    if contract is None or reach_of(place, hosts_of(contract.sources)) is None:
        return "a host that no contract of it names"
    return ""


class _Asked(msgspec.Struct, frozen=True, kw_only=True):
    source: str = ""


def _source_of(event: Event) -> str:
    try:
        return msgspec.json.decode(event.arguments, type=_Asked).source
    except msgspec.DecodeError:
        return ""


def _models(case: Case) -> Iterator[Remark]:
    """Models that were asked for, and those that answered in their place."""
    assert case.spec is not None
    if case.spec.provider == "rehearsal":
        return  # whatever name was asked for, no model was called
    project = case.spec.project
    for transcript in case.transcripts.values():
        role, opened = case.role_of(transcript.member), transcript.opened
        asked = opened.model if opened is not None else ""
        if opened is not None and not project.allows_model(role, asked):
            seq = transcript.entries[0].seq
            yield _of(transcript, seq, codes.MODEL, f"it asked for {asked!r}, which is not allowed")
        for seq, usage in transcript.usage:
            is_same = usage.model.startswith(asked) and bool(asked)
            if not is_same and not project.allows_model(role, usage.model):
                what = f"{usage.model!r} answered, which is not allowed"
                yield _of(transcript, seq, codes.MODEL, what)


def _of(transcript: Transcript, seq: int, code: str, what: str) -> Remark:
    return Remark(
        code=code, seqs=(seq,), member=transcript.member, what=f"{transcript.context}: {what}"
    )


def _by(event: Event, code: str, what: str) -> Remark:
    return Remark(code=code, seqs=(event.seq,), member=event.agent, what=what)


# --- areas and paths --------------------------------------------------------------


def _areas(case: Case) -> Iterator[Remark]:
    assert case.spec is not None
    for record in case.records:
        if record.subject.kind != "decision" or record.subject.author == PERSON:
            continue
        author, area = record.subject.author, record.subject.names[0]
        allowed = case.spec.project.of_role(case.role_of(author)).areas
        if allowed is not None and area not in allowed:
            what = f"it wrote in the area {area!r}, which the policy does not allow its role"
            yield Remark(code=codes.AREA, seqs=(record.seq,), member=author, what=what)


def _writes(case: Case) -> Iterator[Remark]:
    assert case.spec is not None
    for seq, task, opened in case.openings:
        allowed = case.spec.project.of_role(opened.role).writes
        for path in opened.contract.writes:
            if not any(fnmatchcase(path, pattern) for pattern in allowed):
                what = f"{task} may write {path!r}, which the policy does not allow {opened.role!r}"
                yield Remark(code=codes.WRITE, seqs=(seq,), member="", what=what)


# --- who may publish what ---------------------------------------------------------


class _Sofar:
    """Who had a seat and who held what, before the record that is looked at."""

    def __init__(self) -> None:
        self.roster = Roster()
        self.board = Board()
        self.held: set[tuple[str, str]] = set()
        """Who has held which task at some time."""

    def apply(self, record: Record) -> None:
        """Take a record into account, once it was looked at."""
        if record.subject.kind == "member":
            self.roster.apply(record)
        if record.subject.kind == "task":
            self.board.apply(record)
            task = self.board.tasks.get(record.subject.names[0])
            if task is not None and task.holder is not None:
                self.held.add((task.holder, task.id))


def _messages(case: Case) -> Iterator[Remark]:
    """Messages whose author may not give them, as docs/protocol.md has it."""
    so_far = _Sofar()
    for record in case.records:
        if record.body is not None and not _may_write(record, record.body, so_far):
            name, author = type_name(record.body), record.subject.author
            yield Remark(
                code=codes.MESSAGE,
                seqs=(record.seq,),
                member=author,
                what=f"it published {name} on {record.subject}, which is not its to give",
            )
        so_far.apply(record)


def _may_write(  # noqa: PLR0911 - one a kind
    record: Record, body: Message, so_far: _Sofar
) -> bool:
    author, kind = record.subject.author, record.subject.kind
    is_member = author == LEAD or author in so_far.roster.seats
    match kind:
        case "spec" | "result":
            return author == LEAD
        case "member":
            return _may_tell_of(body, author, record.subject.names[0])
        case "task" | "finding":
            return _may_work_on(body, author, record.subject.names[0], so_far)
        case "control":
            return author in (LEAD, PERSON)
        case "mail" | "decision" | "rationale":
            return is_member or author == PERSON
        case "verdict":
            return author == GATE or _may_judge(body, author, so_far)
        case "conflict" | "approval":
            return _may_settle(body, author, so_far)
        case _:
            return is_member


def _may_tell_of(body: Message, author: str, name: str) -> bool:
    match body:
        case MemberJoined() | MemberLeft():
            return author == name
        case MemberLost():
            return author in (name, SUPERVISOR, LEAD)
        case MemberStuck():
            return author == SUPERVISOR
        case _:
            return author == LEAD


def _may_work_on(body: Message, author: str, name: str, so_far: _Sofar) -> bool:
    task = so_far.board.tasks.get(name)
    match body:
        case TaskOpened() | TaskSettled():
            return author == LEAD
        case TaskClaimed():
            return task is not None and task.offered_to in (None, author)
        case FindingNoted():
            return (author, name) in so_far.held  # it may have lost the task while it wrote
        case TaskSubmitted() | TaskFailed() | FindingSubmitted():
            return task is not None and task.holder == author
        case _:
            return False


def _may_judge(body: Message, author: str, so_far: _Sofar) -> bool:
    """Whether somebody was asked to judge that finding."""
    return isinstance(body, VerdictGiven) and any(
        task.purpose == "verify" and task.holder == author and task.subject_seq == body.finding_seq
        for task in so_far.board.tasks.values()
    )


def _may_settle(body: Message, author: str, so_far: _Sofar) -> bool:
    match body:
        case ConflictRaised():
            return author == GATE
        case ConflictJudged():
            tasks = so_far.board.of_purpose("compare")
            return any(task.holder == author for task in tasks)
        case ConflictRuled():
            return author in (LEAD, PERSON)
        case ApprovalAsked():
            return author == LEAD
        case ApprovalGiven():
            return author == PERSON
        case _:
            return False
