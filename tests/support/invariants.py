"""What has to hold of a run's stream whatever was killed: pure checks, each with a name.

`broken` says which do not hold. `SAFETY` holds of every prefix of a stream that ends with a
whole batch, so after every kill; `AT_END` only once the run has ended. Nothing here knows of
processes or of time: a record is where it is in the order, and that is all that is looked at.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Sequence
from typing import Final

import msgspec

from bus.ids import LEAD
from bus.messages import (
    ContextClosed,
    ContextOpened,
    DecisionRecorded,
    DecisionRuled,
    DecisionWithdrawn,
    FindingSubmitted,
    Mail,
    MemberJoined,
    MemberSeated,
    ResultPublished,
    RunOpened,
    TaskFailed,
    TaskOpened,
    TaskSettled,
    TaskSubmitted,
    ToolOutcome,
    TurnActed,
    TurnReplied,
    UsageSpent,
)
from bus.run_stream import Record
from team.audit import audit
from team.audit.case import Case
from team.audit.limits import limit_breaches
from team.audit.reading import calls_of
from team.state import fold

Records = Sequence[Record]
Check = Callable[[Records], Iterator[str]]
Place = tuple[str, str]
"""A member and one of its contexts."""

DELIVERED: Final = frozenset({"finding", "verdict", "conflict"})
"""Kinds of records that are the work a `task.submitted` delivers."""
SENT: Final = frozenset({"mail", "decision", "rationale", "finding"})
"""Kinds of records that a teammate writes through its tools alone."""


class Broken(msgspec.Struct, frozen=True, kw_only=True):
    """One invariant that does not hold: its name, and what broke it."""

    name: str
    what: str

    def __str__(self) -> str:
        return f"{self.name}: {self.what}"


def broken(records: Records, *, has_ended: bool) -> list[Broken]:
    """Say what does not hold of a stream, or of what there is of it so far."""
    checks = SAFETY | AT_END if has_ended else SAFETY
    return [
        Broken(name=name, what=what) for name, check in checks.items() for what in check(records)
    ]


def assert_sound(records: Records, *, has_ended: bool) -> None:
    """Fail with all that does not hold."""
    found = broken(records, has_ended=has_ended)
    assert not found, "\n".join(map(str, found))


# --- the order --------------------------------------------------------------------


def sequences(records: Records) -> Iterator[str]:
    """Records count up from 1 without a gap."""
    for expected, record in enumerate(records, start=1):
        if record.seq != expected:
            yield f"{record.subject} is number {record.seq}, expected was {expected}"
            return


def readable(records: Records) -> Iterator[str]:
    """Every record is a message of this protocol."""
    for record in records:
        if record.problem is not None:
            yield f"{record.seq}: {record.subject}: {record.problem}"


def ids(records: Records) -> Iterator[str]:
    """No message is stored twice."""
    for message_id, count in Counter(record.id for record in records).items():
        if count > 1:
            yield f"{message_id} is stored {count} times"


# --- journals ---------------------------------------------------------------------


def journals(records: Records) -> Iterator[str]:
    """A context opens once, turns count 1, 2, 3 …, tools run between them, nothing follows its end.

    That is: no twin has written, no finished model call was made again.
    """
    stands: dict[Place, _Stand] = {}
    for record in records:
        body = record.body
        if isinstance(body, ContextOpened | TurnReplied | TurnActed | ContextClosed):
            stand = stands.setdefault((record.subject.author, body.context), _Stand())
            problem = stand.take(body)
            if problem is not None:
                yield f"{record.seq}: {record.subject.author}, {body.context}: {problem}"


class _Stand:
    """How far one context has got."""

    def __init__(self) -> None:
        self.is_open, self.has_ended = False, False
        self.turn = 0
        self.asked: tuple[str, ...] = ()

    def take(self, body: ContextOpened | TurnReplied | TurnActed | ContextClosed) -> str | None:
        """Take the next entry; says why it may not stand here."""
        is_opening = isinstance(body, ContextOpened)
        if is_opening and self.is_open:
            return "opened twice"
        if not is_opening and not self.is_open:
            return "was never opened"
        if self.has_ended:
            return f"{type(body).__name__} after its end"
        match body:
            case ContextOpened():
                self.is_open = True
            case TurnReplied():
                return self._reply(body)
            case TurnActed():
                return self._act(body)
            case ContextClosed():
                self.has_ended = True
        return None

    def _reply(self, body: TurnReplied) -> str | None:
        if body.turn != self.turn + 1:
            return f"call {body.turn} after call {self.turn}"
        if self.asked:
            return f"call {body.turn} before the tools of call {self.turn} had run"
        self.turn = body.turn
        self.asked = tuple(call.id for call in calls_of(body))
        return None

    def _act(self, body: TurnActed) -> str | None:
        ran = tuple(outcome.call_id for outcome in body.outcomes)
        if body.turn != self.turn or ran != self.asked or not self.asked:
            return f"tools {ran} ran for call {body.turn}; call {self.turn} waits for {self.asked}"
        self.asked, self.has_ended = (), body.ends
        return None


def payments(records: Records) -> Iterator[str]:
    """Each model call is paid once: `usage.spent` stands right after its `turn.replied`."""
    for one, following in _pairs(records):
        if isinstance(one.body, TurnReplied):
            paid = None if following is None else following.body
            is_paid = isinstance(paid, UsageSpent) and _call(following) == _call(one)
            took = one.body.tokens, one.body.lost
            if not is_paid or (paid.tokens, paid.lost) != took:
                yield f"{one.seq}: {_call(one)} is not followed by what it took"
    yield from _in_vain(records)
    replied = Counter(_call(r) for r in records if isinstance(r.body, TurnReplied))
    usages = [r for r in records if isinstance(r.body, UsageSpent)]
    spent = Counter(_call(r) for r in usages if not r.body.is_in_vain)
    for call in sorted((spent - replied) + (replied - spent)):
        yield f"{call} was made {replied[call]} times and paid {spent[call]} times"


def _in_vain(records: Records) -> Iterator[str]:
    """What a call took that gave no answer is said before the turn that it was to be."""
    turns: dict[Place, int] = {}
    for record in records:
        body = record.body
        if isinstance(body, TurnReplied):
            turns[record.subject.author, body.context] = body.turn
        elif isinstance(body, UsageSpent) and body.is_in_vain:
            after = turns.get((record.subject.author, body.context), 0)
            if body.turn != after + 1:
                yield f"{record.seq}: {_call(record)} took something in vain after turn {after}"


def requests(records: Records) -> Iterator[str]:
    """No answer of the provider stands in two journals or turns."""
    named = [r.body.request_id for r in records if isinstance(r.body, TurnReplied)]
    for request_id, count in Counter(named).items():
        if request_id and count > 1:
            yield f"{request_id} is the answer of {count} turns"


# --- tasks and findings -----------------------------------------------------------


def board(records: Records) -> Iterator[str]:
    """Every record of a task is a move that the board knows, by somebody who may make it."""
    yield from fold(records).board.anomalies


def settlements(records: Records) -> Iterator[str]:
    """A task is settled once and nothing follows, unless what was admitted falls."""
    settled: dict[str, TaskSettled | None] = {}
    for record in records:
        if record.subject.kind != "task":
            continue
        task, body = record.subject.names[0], record.body
        last = settled.get(task)
        may_follow = isinstance(body, TaskOpened) or _rejects(body)
        if last is not None and not (last.state == "admitted" and may_follow):
            yield f"{record.seq}: {task} was settled as {last.state}; {record.subject} follows"
        settled[task] = body if isinstance(body, TaskSettled) else None


def _rejects(body: object) -> bool:
    return isinstance(body, TaskSettled) and body.state == "rejected"


def deliveries(records: Records) -> Iterator[str]:
    """What a task delivers stands in one batch with its `task.submitted`, and once a round."""
    rounds = Counter[tuple[str, int]]()
    for batch in batches(records):
        kinds = [record.subject.kind for record in batch]
        done = [r.subject.names[0] for r in batch if isinstance(r.body, TaskSubmitted)]
        meant = list(filter(None, map(_returns, batch)))
        findings = [r for r in batch if isinstance(r.body, FindingSubmitted)]
        if done != meant or (done and not set(kinds) & DELIVERED) or len(findings) > len(done):
            where = f"{batch[0].seq}: {batch[0].subject.author}"
            yield f"{where} returned {meant}, submitted {done}, delivered {kinds}"
        rounds.update((r.subject.names[0], _round(r)) for r in findings)
    for (task, number), count in rounds.items():
        if count > 1:
            yield f"{task}, round {number} has {count} findings"


def batches(records: Records) -> list[list[Record]]:
    """What stands next to each other by one author, cut before each entry of a journal."""
    found: list[list[Record]] = []
    for record in records:
        is_same = found and found[-1][0].subject.author == record.subject.author
        if is_same and record.subject.kind != "journal":
            found[-1].append(record)
        else:
            found.append([record])
    return found


def _returns(record: Record) -> str | None:
    """The task for which a turn has returned the answer."""
    body = record.body
    is_task = isinstance(body, TurnActed) and body.ends and body.context.startswith("task:")
    return body.context.split(":")[1] if is_task else None


def _round(record: Record) -> int:
    assert isinstance(record.body, FindingSubmitted)
    return record.body.round


def sent_by_turns(records: Records) -> Iterator[str]:
    """What a teammate's tools send stands right after the `turn.acted` that sent it, whole."""
    members = {r.subject.author for r in records if r.subject.kind == "journal"} - {LEAD}
    for batch in batches(records):
        for record in batch:
            is_sent = record.subject.author in members and record.subject.kind in SENT
            if is_sent and not isinstance(batch[0].body, TurnActed):
                yield f"{record.seq}: {record.subject} was sent by no turn"
        keys = {"/".join(r.subject.names) for r in batch if r.subject.kind == "decision"}
        for key in sorted(_decided(batch[0]) - keys):
            yield f"{batch[0].seq}: {key} was decided, and it is not in the stream"


def _decided(record: Record) -> set[str]:
    """The keys that a turn's tools have decided, as they told the model."""
    outcomes = record.body.outcomes if isinstance(record.body, TurnActed) else ()
    made = [o for o in outcomes if o.tool == "record_decision" and not o.is_error]
    return {o.content.rstrip(".").rpartition(": ")[2] for o in made}


def offers(records: Records) -> Iterator[str]:
    """Who is offered a task is sent what is said of it, until the task leaves its hands."""
    filters: dict[str, tuple[str, ...]] = {}
    offered: dict[str, str] = {}
    for record in records:
        name, body = (*record.subject.names, "")[0], record.body
        match body:
            case MemberSeated():
                filters[name] = body.filters
            case TaskOpened(offered_to=str(member)):
                offered[name] = member
            case TaskSubmitted() | TaskFailed() | TaskSettled() | TaskOpened():
                offered.pop(name, None)
            case _:
                continue
        for task, member in offered.items():
            heard = filters.get(member)
            if (
                heard
                and name in (task, member)
                and not any(f".task.{task}." in one for one in heard)
            ):
                yield f"{record.seq}: {member} is to do {task} and is not sent it: {heard}"


# --- mail -------------------------------------------------------------------------


def letters(records: Records) -> Iterator[str]:
    """A letter that a committed turn says it sent is in the stream, once; and no other is."""
    told: dict[str, int] = {}
    for record in records:
        if isinstance(record.body, TurnActed):
            for message_id in filter(None, map(_sent, record.body.outcomes)):
                if message_id in told:
                    yield f"{record.seq}: {message_id} was sent in {told[message_id]} already"
                told[message_id] = record.seq
    members = {r.subject.author for r in records if r.subject.kind == "journal"}
    stored = {r.id: r for r in records if isinstance(r.body, Mail)}
    for message_id, seq in told.items():
        if message_id not in stored:
            yield f"{seq}: sent {message_id}, and it is not in the stream"
    for message_id, letter in stored.items():
        if letter.subject.author in members and message_id not in told:
            yield f"{letter.seq}: {letter.subject} ({message_id}) was sent by no turn"


def _sent(outcome: ToolOutcome) -> str | None:
    """The id of the letter that a tool call has sent, as it told the model."""
    is_sent = outcome.tool == "send_message" and not outcome.is_error
    return outcome.content.rstrip(".").rpartition(" as ")[2] if is_sent else None


def intakes(records: Records) -> Iterator[str]:
    """A letter enters the contexts of its reader at most once, and after it was sent."""
    stored = {r.id: r for r in records if isinstance(r.body, Mail)}
    read = Counter[str]()
    for record in records:
        for intake in record.body.intake if isinstance(record.body, TurnReplied) else ():
            letter = stored.get(intake.message_id)
            read[intake.message_id] += 1
            if letter is None or letter.seq > record.seq:
                yield f"{record.seq}: {intake.message_id} was read and had not been sent"
            elif letter.subject.names[0] != record.subject.author:
                yield f"{record.seq}: {record.subject.author} read {letter.subject}"
    for message_id, count in read.items():
        if count > 1:
            yield f"{message_id} entered {count} turns"


def unread(records: Records) -> Iterator[str]:
    """No letter was passed over: whoever read a later one has read it, too."""
    stored = {r.id: r for r in records if isinstance(r.body, Mail)}
    read = {
        intake.message_id
        for record in records
        for intake in (record.body.intake if isinstance(record.body, TurnReplied) else ())
    }
    reached: dict[str, int] = {}
    for letter in (stored[one] for one in read & stored.keys()):
        reader = letter.subject.names[0]
        reached[reader] = max(letter.seq, reached.get(reader, 0))
    for letter in stored.values():
        if letter.id not in read and letter.seq < reached.get(letter.subject.names[0], 0):
            yield f"{letter.seq}: {letter.subject} was never read, and a later one was"


# --- decisions --------------------------------------------------------------------


def decisions(records: Records) -> Iterator[str]:
    """At most one decision is in force for a key: what comes anew names what it replaces."""
    holds: dict[tuple[str, ...], int] = {}
    for record in records:
        key = record.subject.names
        match record.body:
            case DecisionRecorded(supersedes=replaced):
                if holds.get(key) is not None and replaced != holds[key]:
                    yield f"{record.seq}: {'/'.join(key)} is decided anew while {holds[key]} holds"
                holds[key] = record.seq
            case DecisionWithdrawn(revision=revision) if holds.get(key) == revision:
                del holds[key]
            case DecisionRuled(revision=revision, outcome=outcome, statement=statement):
                if statement and outcome == "superseded":
                    holds[key] = record.seq
                elif outcome != "upheld" and holds.get(key) == revision:
                    del holds[key]
            case _:
                pass
    yield from fold(records).decisions.anomalies


# --- budget and the whole ---------------------------------------------------------


def budget(records: Records) -> Iterator[str]:
    """No limit of policy or of a contract was passed, and the ledger has every call."""
    state = fold(records)
    paid = [r.body for r in records if isinstance(r.body, UsageSpent)]
    calls = sum(not usage.is_in_vain for usage in paid)
    tokens = sum(usage.tokens.total + usage.lost.total for usage in paid)
    if (state.ledger.total.calls, state.ledger.total.tokens) != (calls, tokens):
        yield f"the ledger has {state.ledger.total}, the stream has {calls} calls, {tokens} tokens"
    for remark in limit_breaches(Case(records)):
        yield f"{remark.seqs}: {remark.member}: {remark.what} ({remark.code})"


def one_run(records: Records) -> Iterator[str]:
    """A run is opened once, by the lead, and has at most one result."""
    for kind in (RunOpened, ResultPublished):
        found = [r for r in records if isinstance(r.body, kind)]
        if len(found) > 1 or any(r.subject.author != LEAD for r in found):
            yield f"{kind.__name__} at {[r.seq for r in found]}"


def all_settled(records: Records) -> Iterator[str]:
    """When a run has ended, every task that was opened has been settled."""
    last = {r.subject.names[0]: r for r in records if r.subject.kind == "task"}
    for task, record in last.items():
        if not isinstance(record.body, TaskSettled):
            yield f"{task} ends with {record.subject} ({type(record.body).__name__})"


def has_result(records: Records) -> Iterator[str]:
    """A run ends with a result."""
    if not any(isinstance(record.body, ResultPublished) for record in records):
        yield f"there is none among {len(records)} records"


def audited(records: Records) -> Iterator[str]:
    """The audit of the whole stream finds no breach."""
    for remark in audit(records).breaches:
        yield f"{remark.seqs}: {remark.member}: {remark.what} ({remark.code})"


SAFETY: Final[dict[str, Check]] = {
    "sequences are contiguous": sequences,
    "every record can be read": readable,
    "no message is stored twice": ids,
    "a run is opened once and ends once": one_run,
    "journals are unbroken": journals,
    "every call is paid once": payments,
    "no answer is used twice": requests,
    "tasks move as the board allows": board,
    "a task is settled once": settlements,
    "who is offered a task hears of it": offers,
    "no finding is lost or doubled": deliveries,
    "tools send what their turn says": sent_by_turns,
    "no letter is lost or doubled": letters,
    "a letter is read at most once": intakes,
    "no key has two decisions in force": decisions,
    "no budget is exceeded": budget,
}
"""What holds at every instant, by name."""

AT_END: Final[dict[str, Check]] = {
    "the run has a result": has_result,
    "every task is settled": all_settled,
    "no letter is passed over": unread,
    "the audit finds no breach": audited,
}
"""What holds once a run has ended, by name."""


# --- looking ----------------------------------------------------------------------


def _pairs(records: Iterable[Record]) -> Iterator[tuple[Record, Record | None]]:
    """Each record with the one that follows it."""
    found = list(records)
    yield from zip(found, [*found[1:], None][: len(found)], strict=True)


def _call(record: Record | None) -> tuple[str, str, int]:
    """Which model call a record is about: member, context, turn."""
    assert record is not None
    assert isinstance(record.body, TurnReplied | UsageSpent)
    return record.subject.author, record.body.context, record.body.turn


def last_pids(records: Records) -> dict[str, int]:
    """The process that each member joined with last."""
    return {r.subject.author: r.body.pid for r in records if isinstance(r.body, MemberJoined)}
