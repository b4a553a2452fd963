"""The shape of a run: how it went in numbers, without what was said and by whom.

Two runs of one team on one goal differ in words, names, ids and order; how many lanes,
turns, tokens and refusals there were should differ little. A change of a prompt that
changes behaviour is seen here. Not for judging a run: see `audit`.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable, Mapping
from hashlib import sha256
from typing import Final

import msgspec

from bus.ids import GATE
from bus.messages import TaskState, TurnActed, TurnReplied
from bus.run_stream import Record
from team.errors import SpecError
from team.rules.clock import began_at
from team.rules.conflicts import standing
from team.rules.synthesis import admitted_claims
from team.state import RunState, Submission, Task

SHAPE_VERSION: Final = 1
UNFINISHED: Final = "unfinished"
UNSEATED: Final = "unseated"
_HASH_DIGITS: Final = 12

Counts = dict[str, int]
"""How many, by a word: a tool, a kind of mail, a code."""
_Place = tuple[str, str]
"""A member and one of its contexts."""


class _Part(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """A part of the shape."""


class Setup(_Part, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """What the run was made of: not how it went, but why it may have gone otherwise.

    Attributes:
        goal: First digits of the goal's hash.
        team: Name of the team spec.
        models: The models that answered.
        roles: First digits of each role file's hash, by role.
    """

    goal: str
    team: str
    models: tuple[str, ...]
    roles: dict[str, str]


class Work(_Part, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """What was done and spent.

    Attributes:
        turns: Model calls.
        tools: Tool calls by tool, returning ones too.
        input_tokens: Tokens read, cached ones included.
        output_tokens: Tokens written.
        cost_usd: US dollars; absent as soon as one call's price is unknown.
    """

    turns: int
    tools: Counts
    input_tokens: int
    output_tokens: int
    cost_usd: float | None


class RoleShape(_Part, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """How many members played a role, and what they did together."""

    members: int
    work: Work


class LaneShape(_Part, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """One lane.

    Attributes:
        title: What the plan calls it.
        state: How its task stands.
        sources: What it may use, sorted.
        after: Titles of the lanes that it waits for, sorted.
        stage: 1, or one more than the latest stage that it waits for.
        rounds: How often it was on the board.
        work: What its own task took; verifying it and mail are not part of that.
    """

    title: str
    state: str
    sources: tuple[str, ...]
    after: tuple[str, ...]
    stage: int
    rounds: int
    work: Work


class Shape(_Part, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """How a run went, in numbers.

    Attributes:
        version: `SHAPE_VERSION`.
        status: How it ended, or `unfinished`.
        mode: `team` or `solo`; empty before triage.
        setup: What it was made of.
        work: What all members did together.
        seconds: Wall time, waiting for a person not counted.
        roles: By role.
        lanes: Sorted, so that ids and order say nothing.
        findings: Findings of lanes that were submitted, admitted, rejected.
        claims: The same of claims, and how many the result cites.
        missing: What the result says it lacks.
        verdicts: Judgements by check and outcome.
        mail: Letters by kind.
        decisions: Revisions made in the run, and standing ones.
        disputes: Objections and rulings.
        conflicts: Conflicts between claims, by state.
        refusals: Acts that code refused, by code.
        unread: Records that this version can't read.
    """

    version: int
    status: str
    mode: str
    setup: Setup
    work: Work
    seconds: float
    roles: dict[str, RoleShape]
    lanes: tuple[LaneShape, ...]
    findings: Counts
    claims: Counts
    missing: int
    verdicts: dict[str, Counts]
    mail: Counts
    decisions: Counts
    disputes: Counts
    conflicts: Counts
    refusals: Counts
    unread: int


def shape_of(records: Iterable[Record]) -> Shape:
    """The shape of a run from its whole stream."""
    state, acts = RunState(), _Acts()
    for record in records:
        state.apply(record)
        acts.apply(record)
    return Shape(
        version=SHAPE_VERSION,
        status=state.result.status if state.result else UNFINISHED,
        mode=state.triage.mode if state.triage else "",
        setup=_setup(state),
        work=_work(state, acts, lambda _: True),
        seconds=_seconds(state),
        roles=_roles(state, acts),
        lanes=_lanes(state, acts),
        findings=_findings(state),
        claims=_claims(state),
        missing=len(state.result.missing) if state.result else 0,
        verdicts=_verdicts(state),
        mail=_sorted(Counter(letter.kind for letter in state.mail.letters.values())),
        decisions=_decisions(state),
        disputes=_disputes(state),
        conflicts=_sorted(Counter(standing(state, one) for one in state.conflicts.all.values())),
        refusals=_sorted(Counter(refusal.refused.code for refusal in state.refusals.all)),
        unread=len(state.unread),
    )


def read_shape(data: bytes, place: str) -> Shape:
    """Read a shape that was written as JSON.

    Args:
        data: The JSON.
        place: Where it stands, for the error.

    Raises:
        SpecError: It is none, or another version wrote it.
    """
    fix = "write it anew: team diff RUN --json"
    try:
        shape = msgspec.json.decode(data, type=Shape)
    except (msgspec.DecodeError, UnicodeDecodeError) as error:
        raise SpecError(place, "", f"it is no shape of a run: {error}", fix) from error
    if shape.version != SHAPE_VERSION:
        reason = f"it is {shape.version}, this version reads {SHAPE_VERSION}"
        raise SpecError(place, "version", reason, fix)
    return shape


class _Acts:
    """Turns and tool calls by member and context: what no other fold keeps."""

    def __init__(self) -> None:
        self.turns: Counter[_Place] = Counter()
        self.tools: dict[_Place, Counter[str]] = {}

    def apply(self, record: Record) -> None:
        """Take one record into account."""
        match record.body:
            case TurnReplied(context=context):
                self.turns[record.subject.author, context] += 1
            case TurnActed(context=context, outcomes=outcomes):
                tools = self.tools.setdefault((record.subject.author, context), Counter())
                tools.update(outcome.tool for outcome in outcomes)
            case _:
                pass


def _sorted(counts: Mapping[str, int]) -> Counts:
    return dict(sorted(counts.items()))


def _setup(state: RunState) -> Setup:
    goal = state.opened.goal if state.opened else ""
    roles = state.spec.roles if state.spec else {}
    return Setup(
        goal=sha256(goal.encode()).hexdigest()[:_HASH_DIGITS],
        team=state.spec.team.name if state.spec else "",
        models=tuple(sorted(state.ledger.models)),
        roles={name: roles[name].sha256[:_HASH_DIGITS] for name in sorted(roles)},
    )


def _seconds(state: RunState) -> float:
    end = state.ended_at or state.last_at
    return round(max(0.0, end - began_at(state, end)), 3)


# --- what was done ---------------------------------------------------------------


def _work(state: RunState, acts: _Acts, is_wanted: Callable[[_Place], bool]) -> Work:
    """Sum up what was done in some members' contexts."""
    spent = [spent for place, spent in state.ledger.by_context.items() if is_wanted(place)]
    tools: Counter[str] = Counter()
    for place, calls in acts.tools.items():
        tools.update(calls if is_wanted(place) else ())
    costs = [s.cost_usd for s in spent if s.cost_usd is not None]
    return Work(
        turns=sum(turns for place, turns in acts.turns.items() if is_wanted(place)),
        tools=_sorted(tools),
        input_tokens=sum(s.input_tokens for s in spent),
        output_tokens=sum(s.output_tokens for s in spent),
        # Rounded: a sum of floats must not tell in which order the calls ended.
        cost_usd=round(sum(costs), 6) if len(costs) == len(spent) else None,
    )


def _roles(state: RunState, acts: _Acts) -> dict[str, RoleShape]:
    seats = state.roster.seats
    members = Counter(seat.role for seat in seats.values())

    roles = {name: seat.role for name, seat in seats.items()}
    for member, _ in (*acts.turns, *state.ledger.by_context):
        roles.setdefault(member, UNSEATED)
    return {
        role: RoleShape(members=members[role], work=_work(state, acts, _is_by(role, roles)))
        for role in sorted(set(roles.values()))
    }


def _is_by(role: str, roles: Mapping[str, str]) -> Callable[[_Place], bool]:
    return lambda place: roles.get(place[0]) == role


def _lanes(state: RunState, acts: _Acts) -> tuple[LaneShape, ...]:
    tasks = {task.id: task for task in state.board.of_purpose("research")}
    stages = _stages(tasks)
    lanes = [
        LaneShape(
            title=task.title,
            state=task.state.value,
            sources=tuple(sorted(task.contract.sources)),
            after=tuple(sorted(tasks[name].title for name in task.depends_on if name in tasks)),
            stage=stages[task.id],
            rounds=task.round,
            work=_work(state, acts, _is_on(task)),
        )
        for task in tasks.values()
    ]
    return tuple(sorted(lanes, key=lambda lane: (lane.title, msgspec.json.encode(lane))))


def _is_on(task: Task) -> Callable[[_Place], bool]:
    return lambda place: place[1].startswith(f"task:{task.id}:")


def _stages(tasks: Mapping[str, Task]) -> dict[str, int]:
    """How deep each lane lies; those that wait for one another in a circle lie deepest."""
    stages: dict[str, int] = {}
    for stage in range(1, len(tasks) + 1):
        waiting = {name for name in tasks if name not in stages}
        ready = {name for name in waiting if not waiting & set(tasks[name].depends_on)}
        stages |= dict.fromkeys(ready or waiting, stage)
    return stages


# --- what came of it -------------------------------------------------------------


def _submissions(state: RunState) -> list[tuple[Submission, str]]:
    """Every finding of a lane, and what became of it."""
    return [
        (submission, _became(state, task, submission))
        for task in state.board.of_purpose("research")
        for submission in state.findings.submissions.get(task.id, ())
    ]


def _became(state: RunState, task: Task, submission: Submission) -> str:
    upheld = state.findings.upheld_by(GATE, task.id)
    if task.state is TaskState.admitted and upheld is submission:
        return "admitted"
    is_latest = state.findings.latest(task.id) is submission
    is_over = submission.objections or not is_latest or task.is_settled
    return "rejected" if is_over else "pending"


def _findings(state: RunState) -> Counts:
    became = Counter(became for _, became in _submissions(state))
    return {
        "submitted": became.total(),
        "admitted": became["admitted"],
        "rejected": became["rejected"],
    }


def _claims(state: RunState) -> Counts:
    found = [(len(s.finding.claims), became) for s, became in _submissions(state)]
    return {
        "submitted": sum(claims for claims, _ in found),
        "admitted": len(admitted_claims(state)),
        "rejected": sum(claims for claims, became in found if became == "rejected"),
        "cited": len({c.ref for c in state.result.citations}) if state.result else 0,
    }


def _verdicts(state: RunState) -> dict[str, Counts]:
    found: dict[str, Counter[str]] = {}
    for submissions in state.findings.submissions.values():
        for _, judgement in (pair for s in submissions for pair in s.judgements):
            found.setdefault(judgement.check, Counter())[judgement.outcome] += 1
    return {check: _sorted(found[check]) for check in sorted(found)}


def _decisions(state: RunState) -> Counts:
    revisions = [d for history in state.decisions.history.values() for d in history]
    standing = sum(bool(decision.standing) for decision in revisions)
    return {"made": len(revisions) - standing, "standing": standing}


def _disputes(state: RunState) -> Counts:
    revisions = [d for history in state.decisions.history.values() for d in history]
    rulings = {ruling.seq for decision in revisions for ruling in decision.rulings}
    return {"objections": sum(len(d.objections) for d in revisions), "rulings": len(rulings)}
