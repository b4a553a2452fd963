"""What tests of the decisions log are made of: its messages, logs of any kind, minds on a bus.

Each builder gives something sound; a test names only the part that it is about.
"""

from __future__ import annotations

import asyncio
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any, Final, NamedTuple

import httpx2
import msgspec
from hypothesis import strategies as st

from bus.feed import Feed, create_feed
from bus.ids import GATE, LEAD, PERSON
from bus.messages import (
    AnyMessage,
    Budget,
    DecisionChallenged,
    DecisionExplained,
    DecisionProposed,
    DecisionRebutted,
    DecisionRecorded,
    DecisionRuled,
    DecisionWithdrawn,
    Evidence,
    FindingSubmitted,
    MemberSeated,
    Premise,
    RulingOutcome,
    TaskOpened,
    TaskSubmitted,
    VerdictGiven,
)
from bus.run_stream import Entry, Record, RunStream
from bus.subjects import build
from team.agent.assignment import Assignment
from team.agent.decision_log import ContextDecisions, WholeLog
from team.agent.inbox import Inbox
from team.agent.journal import Journal
from team.agent.loop import Agent
from team.agent.models.call import Caller
from team.agent.models.rehearsal.brain import Composed
from team.agent.models.rehearsal.transport import message_events
from team.agent.snapshots import Snapshots
from team.agent.tools.base import Effect, Tool, ToolAnswer
from team.agent.tools.decision_tools import RecordDecision
from team.agent.tools.toolbox import AnyTool
from team.agent.world import World
from team.rules import steps
from team.rules.premises import fallen_premises, unseen_premises
from team.rules.world import teammate_filters
from team.sources import Library, build_library, collect
from team.state import Decision, Decisions, RunState, Submission
from tests.support.builders import a_finding, a_judgement, a_record
from tests.support.paper_team import PaperTeam

AREA: Final = "api"
KEY: Final = "paging"
PLACE: Final = (AREA, KEY)
AUTHORS: Final = ("ada", "bea", "cleo", LEAD, PERSON)
"""Three members, who are equals; the lead above them; a person above the lead."""


# --- one message of the log ------------------------------------------------------


def about(seq: int, author: str, body: AnyMessage, place: tuple[str, str] = PLACE) -> Record:
    """A record on the key of a decision."""
    return a_record(seq, "decision", *place, author=author, body=body)


def decides(
    seq: int,
    author: str = "ada",
    supersedes: int | None = None,
    *,
    place: tuple[str, str] = PLACE,
    says: str | None = None,
    rests_on: Iterable[Premise] = (),
    standing: str = "",
) -> Record:
    body = DecisionRecorded(
        statement=f"{author} at {seq}" if says is None else says,
        supersedes=supersedes,
        relied_on=tuple(rests_on),
        standing=standing,
    )
    return about(seq, author, body, place)


def proposes(
    seq: int,
    author: str = "ada",
    supersedes: int | None = None,
    *,
    place: tuple[str, str] = PLACE,
    says: str | None = None,
) -> Record:
    statement = f"{author} at {seq}" if says is None else says
    return about(seq, author, DecisionProposed(statement=statement, supersedes=supersedes), place)


def challenges(
    seq: int,
    author: str = "bea",
    revision: int = 1,
    *,
    reason: str = "too slow",
    instead: str = "",
    place: tuple[str, str] = PLACE,
) -> Record:
    body = DecisionChallenged(revision=revision, reason=reason, instead=instead)
    return about(seq, author, body, place)


def rebuts(
    seq: int,
    author: str = "ada",
    revision: int = 1,
    *,
    reason: str = "fast enough",
    place: tuple[str, str] = PLACE,
) -> Record:
    return about(seq, author, DecisionRebutted(revision=revision, reason=reason), place)


def withdraws(
    seq: int,
    author: str = "ada",
    revision: int = 1,
    *,
    reason: str = "wrong",
    place: tuple[str, str] = PLACE,
) -> Record:
    return about(seq, author, DecisionWithdrawn(revision=revision, reason=reason), place)


def rules(
    seq: int,
    author: str = LEAD,
    revision: int = 1,
    outcome: RulingOutcome = "upheld",
    *,
    says: str | None = None,
    reason: str = "so be it",
    relied_on: tuple[Premise, ...] | None = None,
    place: tuple[str, str] = PLACE,
) -> Record:
    statement = (f"{author} at {seq}" if outcome == "superseded" else "") if says is None else says
    body = DecisionRuled(
        revision=revision,
        outcome=outcome,
        reason=reason,
        statement=statement,
        relied_on=relied_on,
    )
    return about(seq, author, body, place)


def explains(
    seq: int,
    author: str = "ada",
    revision: int = 1,
    *,
    why: str = "because",
    alternatives: tuple[str, ...] = (),
    evidence: tuple[Evidence, ...] = (),
    place: tuple[str, str] = PLACE,
) -> Record:
    """The reasons of a revision; builders give record `n` the id `mn`."""
    body = DecisionExplained(rationale=why, alternatives=alternatives, evidence=evidence)
    record = a_record(seq, "rationale", *place, author=author, body=body)
    assert record.envelope is not None
    envelope = msgspec.structs.replace(record.envelope, cause=f"m{revision}")
    return msgspec.structs.replace(record, envelope=envelope)


def premise(revision: int, place: tuple[str, str] = PLACE) -> Premise:
    return Premise(area=place[0], key=place[1], revision=revision)


def a_decision(of: Decisions, revision: int) -> Decision:
    """A revision that is there."""
    found = of.revision(revision)
    assert found is not None, revision
    return found


def all_of(decisions: Decisions) -> list[Decision]:
    """Every revision, oldest first."""
    revisions = [d for history in decisions.history.values() for d in history]
    return sorted(revisions, key=lambda decision: decision.seq)


# --- logs of any kind --------------------------------------------------------------


class Move(NamedTuple):
    """Something that somebody writes about a key; what it aims at is found when it is told."""

    verb: str
    author: str
    place: tuple[str, str]
    aim: str
    number: int
    rests_on: tuple[int, ...]
    text: str


_RULED: Final[dict[str, RulingOutcome]] = {
    "uphold": "upheld",
    "overrule": "superseded",
    "strike": "withdrawn",
}
_SAID: Final = {"challenge": challenges, "rebut": rebuts, "withdraw": withdraws}
VERBS: Final = (
    *("record", "record", "propose", "challenge", "challenge", "rebut", "withdraw"),
    *(*_RULED, "explain", "garble"),
)
AREAS: Final = ("api", "data", "ui")
PLACES: Final = tuple((area, key) for area in AREAS for key in ("a", "b"))


_NO_TEXT: Final = st.just("")


def moves(
    texts: st.SearchStrategy[str] = _NO_TEXT, places: Sequence[tuple[str, str]] = PLACES
) -> st.SearchStrategy[Move]:
    """Valid and hostile ones: most aim well, some at what is stale, of another key, or nothing."""
    return st.builds(
        Move,
        verb=st.sampled_from(VERBS),
        author=st.sampled_from(AUTHORS),
        place=st.sampled_from(places),
        aim=st.sampled_from(["well"] * 6 + ["pending", "old", "any", "none"]),
        number=st.integers(0, 60),
        rests_on=st.lists(st.integers(0, 60), max_size=3).map(tuple),
        text=texts,
    )


def logs(
    texts: st.SearchStrategy[str] = _NO_TEXT,
    *,
    max_size: int = 40,
    places: Sequence[tuple[str, str]] = PLACES,
) -> st.SearchStrategy[list[Record]]:
    """Whole logs by many authors, in any interleaving."""
    return st.lists(moves(texts, places), max_size=max_size).map(told)


def told(written: Sequence[Move], first_seq: int = 1) -> list[Record]:
    """The records of some moves, in order."""
    decisions = Decisions()
    records: list[Record] = []
    for seq, move in enumerate(written, start=first_seq):
        records.append(record_of(seq, move, decisions))
        decisions.apply(records[-1])
    return records


def record_of(seq: int, move: Move, so_far: Decisions) -> Record:
    """What is written for a move, given what was written before."""
    aim, place, author, text = _aim(move, so_far), move.place, move.author, move.text
    if move.verb == "garble":
        return a_record(seq, "decision", *place, author=author)
    if move.verb == "record":
        premises = _premises(move, so_far)
        return decides(seq, author, aim, place=place, says=text or None, rests_on=premises)
    if move.verb == "propose":
        return proposes(seq, author, aim, place=place, says=text or None)
    if move.verb == "explain":
        return explains(seq, author, aim or 0, why=f"why {seq}", place=place)
    outcome, reason = _RULED.get(move.verb), text or "so it is"
    if outcome is not None:
        says = text or None if outcome == "superseded" else None
        return rules(seq, author, aim or 0, outcome, says=says, reason=reason, place=place)
    return _SAID[move.verb](seq, author, aim or 0, reason=reason, place=place)


def _aim(move: Move, so_far: Decisions) -> int | None:
    """The revision that a move names."""
    current, pending = so_far.in_force(*move.place), so_far.proposal(*move.place)
    makes = move.verb in ("record", "propose")
    match move.aim:
        case "well" if makes:
            return current.seq if current else None
        case "well":
            one = pending if pending is not None and move.number % 2 else current or pending
            return one.seq if one else None
        case "pending":
            return pending.seq if pending else None
        case "old":
            history = so_far.history.get(move.place, [])
            return history[move.number % len(history)].seq if history else None
        case "any":
            return move.number
        case _:
            return None


def _premises(move: Move, so_far: Decisions) -> list[Premise]:
    """Earlier revisions mostly; now and then one that never was, or that is to come."""
    revisions = all_of(so_far)
    found = [revisions[n % len(revisions)].as_premise() for n in move.rests_on if revisions]
    return [*found, premise(move.number, move.place)] if move.aim == "any" else found


# --- a team on paper that decides ----------------------------------------------------


class DecidingTeam(PaperTeam):
    """A paper team whose findings rest on decisions and whose lead rules as it is told to."""

    def __init__(
        self, lanes: Sequence[TaskOpened] = (), *, verifiers: int = 1, **policy: int | float
    ) -> None:
        super().__init__(lanes, verifiers=verifiers, **policy)
        self.outcome: RulingOutcome = "upheld"
        self.areas: tuple[str, ...] = (AREA,)

    def log(self, author: str, body: AnyMessage, place: tuple[str, str] = PLACE) -> int:
        """Somebody writes about a decision; gives its sequence."""
        kind = "rationale" if isinstance(body, DecisionExplained) else "decision"
        return self.story.tell(kind, *place, author=author, body=body, at=self.now)

    def decide(self, author: str, place: tuple[str, str] = PLACE, **more: Any) -> int:
        return self.log(author, DecisionRecorded(statement=f"by {author}", **more), place)

    def submit(self, task: str, *premises: Premise, **more: Any) -> None:
        """Whoever is offered a lane claims it and submits what rests on some decisions."""
        member = self.task(task).offered_to
        assert member is not None
        self.act("claim", member, task)
        finding = a_finding(
            round=self.task(task).round, relied_on=premises, in_context=premises, **more
        )
        self.tell_finding(member, task, finding)

    def tell_finding(self, member: str, task: str, finding: FindingSubmitted) -> None:
        """A member submits just this."""
        self.story.tell("finding", task, author=member, body=finding)
        self.story.tell("task", task, author=member, body=TaskSubmitted())

    def submission(self, task: str) -> Submission:
        found = self.state.findings.latest(task)
        assert found is not None
        return found

    def _do(self, step: steps.AnyStep) -> None:
        match step:
            case steps.Rule(revision=revision):
                self._rule(revision)
            case steps.WidenWorld(member=member):
                seat = self.state.roster.seats[member]
                areas = (*seat.areas, *steps.areas_needed(self.state, member))
                self._seat(member, seat.role, tuple(dict.fromkeys(areas)))
            case _:
                super()._do(step)

    def _rule(self, revision: int) -> None:
        decision = a_decision(self.state.decisions, revision)
        says = "as the lead says" if self.outcome == "superseded" else ""
        body = DecisionRuled(
            revision=revision, outcome=self.outcome, reason="heard", statement=says
        )
        self.log(LEAD, body, (decision.area, decision.key))

    def _recruit(self, role: str, count: int) -> None:
        super()._recruit(role, count)
        if role == "researcher":
            for seat in self.state.roster.present(role)[-count:]:
                self._seat(seat.name, role, self.areas)

    def _seat(self, name: str, role: str, areas: tuple[str, ...]) -> None:
        filters = teammate_filters("r1", name, (), areas)
        self.story.tell("member", name, body=MemberSeated(role=role, filters=filters, areas=areas))

    def _check(self, task: str) -> None:
        """As team/members/gating.py: all checks once, then only what has fallen since."""
        submission = self.submission(task)
        judgements = tuple(fallen_premises(self.state.decisions, submission.finding))
        if not submission.judged_by(GATE):
            refused = (*unseen_premises(submission.finding), *judgements)
            judgements = refused or (a_judgement("upheld", check="quotes"),)
        verdict = VerdictGiven(finding_seq=submission.seq, judgements=judgements)
        self.story.tell("verdict", task, author=GATE, body=verdict)


# --- minds on a bus --------------------------------------------------------------------


BUDGET: Final = Budget(turns_max=8, tokens_max=1_000_000, seconds_max=60.0)
CONTEXT: Final = "task:t1:1"

Calls = list[tuple[str, dict[str, Any]]]


class Scripted(httpx2.AsyncBaseTransport):
    """A model that calls tools by script, one list of calls a turn, then ends its turn."""

    def __init__(self, *turns: Calls, meet: asyncio.Barrier | None = None) -> None:
        self.turns, self.meet, self.asked = turns, meet, 0

    async def handle_async_request(self, request: httpx2.Request) -> httpx2.Response:
        """Answer the next turn, once every model in the test has been asked."""
        body = msgspec.json.decode(await request.aread())
        turn = sum(message["role"] == "assistant" for message in body["messages"])
        self.asked += 1
        if turn < len(self.turns):
            if self.meet is not None:
                await self.meet.wait()
            blocks = [
                {"type": "tool_use", "id": f"toolu_{turn}_{n}", "name": name, "input": given}
                for n, (name, given) in enumerate(self.turns[turn])
            ]
            composed = Composed(blocks=blocks, stop_reason="tool_use")
        else:
            blocks = [{"type": "text", "text": "Done."}]
            composed = Composed(blocks=blocks, stop_reason="end_turn")
        events = b"".join(message_events(body, composed))
        headers = {"content-type": "text/event-stream"}
        return httpx2.Response(200, headers=headers, content=events)


class Meeting(Tool[Any]):
    """A tool that waits, once it has looked, until the tools of all others have looked too.

    So each has answered from the same log, and none has committed: only one can win.
    """

    def __init__(self, tool: Tool[Any], meet: asyncio.Barrier) -> None:
        self.name, self.input_type = tool.name, tool.input_type  # type: ignore[misc]
        self.effect: Effect = tool.effect  # type: ignore[misc]
        self.calls, self._tool, self._meet = 0, tool, meet

    async def run(self, given: Any) -> ToolAnswer:
        answer = await self._tool.run(given)
        self.calls += 1
        if self.calls == 1:
            await self._meet.wait()
        return answer


async def a_world(
    stream: RunStream,
    me: str = "ada",
    *,
    areas: Sequence[str] | None = None,
    library: Library | None = None,
    proposed: tuple[str, ...] = (),
    digest_tokens: int = 400,
) -> World:
    """A member's access to a run; with `areas`, it is sent these and listens.

    Who asks for areas stops the inbox.
    """
    journal = Journal(stream, me)
    await journal.load()
    inbox = Inbox(Feed(stream.connection, stream.run, me), RunState(), me)
    if areas is not None:
        filters = teammate_filters(stream.run, me, ["t1"], areas)
        await create_feed(stream.connection, stream.run, me, filters)
        await inbox.load(stream, filters, ())
        await inbox.start()
    return World(
        me=me,
        stream=stream,
        inbox=inbox,
        journal=journal,
        log=WholeLog(stream),
        decisions=ContextDecisions(me, journal, digest_tokens),
        snapshots=Snapshots(me, stream, library),
        library=library,
        proposed=proposed,
    )


def an_agent(world: World, transport: Scripted) -> Agent:
    caller = Caller("rehearsal", transport)
    return Agent(world, world.journal, caller, on_text=lambda _: None, on_state=lambda *_: None)


def an_assignment(*tools: AnyTool, **changes: Any) -> Assignment:
    assignment = Assignment(
        context=CONTEXT,
        system="Do as the script says.",
        opening="Begin.",
        tools=tools,
        model="rehearsal-1",
        budget=BUDGET,
        output_tokens_max=1_000,
    )
    return msgspec.structs.replace(assignment, **changes)


async def send(
    stream: RunStream, author: str, body: AnyMessage, place: tuple[str, str] = PLACE
) -> int:
    """Write about a decision at once, whatever stands there; gives its sequence."""
    subject = build(stream.run, "decision", *place, author=author)
    return await stream.append(Entry(subject=subject, body=body))


async def whole_log(stream: RunStream) -> Decisions:
    """The log as somebody folds it who comes late."""
    return await WholeLog(stream).read()


CURSORS: Final = "List endpoints use cursor pagination."


async def decided(stream: RunStream, author: str = "bea", **more: Any) -> int:
    """Somebody has decided how lists are cut; gives the revision."""
    return await send(stream, author, DecisionRecorded(statement=CURSORS, **more))


async def call_tool(world: World, tool: Tool[Any], **given: Any) -> ToolAnswer:
    """Call a tool and commit what it sends, as a turn does."""
    answer = await tool.call(given)
    if answer.entries:
        await world.stream.commit(answer.entries)
    return answer


async def record_by_tool(world: World, **given: Any) -> ToolAnswer:
    """A member decides how lists are cut, or what is given."""
    asked = {"area": AREA, "key": KEY, "statement": CURSORS} | given
    return await call_tool(world, RecordDecision(world, CONTEXT), **asked)


def a_guide(folder: Path) -> Library:
    """A library of one source, `guide.md`, of two lines."""
    (folder / "docs").mkdir()
    text = "Pages are cut by cursor.\nOffsets are not stable while rows are added.\n"
    (folder / "docs/guide.md").write_text(text)
    build_library(collect(["docs"], folder), folder / "library.sqlite")
    return Library.open(folder / "library.sqlite")
