"""What tests are made of: records, contracts, findings, whole runs on paper.

Each builder gives something sound; a test names only the part that it is about.
"""

from __future__ import annotations

from fnmatch import fnmatchcase
from typing import Any

import msgspec

from bus.codec import Envelope
from bus.ids import LEAD
from bus.messages import (
    AnyMessage,
    Budget,
    CallBegun,
    CallEnded,
    Claim,
    Confidence,
    ContextCompacted,
    ContextOpened,
    Contract,
    Criterion,
    Evidence,
    Fact,
    FindingSubmitted,
    Judgement,
    MemberJoined,
    MemberSeated,
    Outcome,
    Premise,
    RunOpened,
    TaskOpened,
    TaskState,
    TokenCounts,
    ToolOutcome,
    TurnActed,
    TurnReplied,
    UsageSpent,
    VerdictGiven,
)
from bus.run_stream import Record
from bus.subjects import build
from roles import Role
from team.policy import GateRules, Policy
from team.rules.plan import Ability, Lane, Plan, PlanFacts, Size
from team.rules.synthesis import AdmittedClaim
from team.spec import ResolvedSpec, SourceGroupDoc, TeamSpec
from team.state import Decisions, RunState, Spent, Submission, Task, fold

RUN = "r1"
OPENED_AT = 1_000.0
ASPECT = "Compare pools and timeouts"
PLAN_GOAL = f"{ASPECT}, each by its documents."
DOCUMENTS = {"docs/a.md": 4_000, "docs/b.md": 4_000, "code/a.py": 4_000, "code/b.py": 4_000}
QUOTE = "A pool keeps at most ten connections open."


# --- records ---------------------------------------------------------------------


def a_record(
    seq: int,
    kind: str,
    *names: str,
    author: str = LEAD,
    body: AnyMessage | None = None,
    message_id: str | None = None,
    at: float | None = None,
    problem: str | None = None,
) -> Record:
    """One stored message; without a body, one that this version can't read."""
    at = OPENED_AT + seq if at is None else at
    envelope = None if body is None else Envelope(body=body, id=message_id or f"m{seq}", at=at)
    return Record(
        seq=seq,
        subject=build(RUN, kind, *names, author=author),
        at=at,
        envelope=envelope,
        problem=problem or (None if body is not None else "unknown type 'x.y'"),
    )


class Story:
    """A run told record by record; sequences count up from 1."""

    def __init__(self) -> None:
        self.records: list[Record] = []

    @property
    def state(self) -> RunState:
        """The fold of all that was told."""
        return fold(self.records)

    @property
    def last_seq(self) -> int:
        """Sequence of the last record."""
        return len(self.records)

    def tell(
        self,
        kind: str,
        *names: str,
        author: str = LEAD,
        body: AnyMessage | None = None,
        message_id: str | None = None,
        at: float | None = None,
    ) -> int:
        """Add a record; gives its sequence."""
        seq = self.last_seq + 1
        record = a_record(seq, kind, *names, author=author, body=body, message_id=message_id, at=at)
        self.records.append(record)
        return seq

    def seat(self, name: str, role: str = "researcher") -> None:
        """Lay out a seat and have its member join."""
        self.tell("member", name, body=MemberSeated(role=role, filters=()))
        self.tell("member", name, author=name, body=MemberJoined(pid=1, host="h"))


def a_story(*, verifiers: int = 1, **policy: Any) -> Story:
    """A run that has been opened and led; nothing else has happened."""
    story = Story()
    spec = a_resolved_spec(verifiers=verifiers, **policy)
    opened = RunOpened(goal="Compare pools.", spec=msgspec.Raw(msgspec.json.encode(spec)))
    story.tell("spec", body=opened, at=OPENED_AT)
    story.seat(LEAD, role="lead")
    return story


# --- specs -----------------------------------------------------------------------


def a_role(name: str = "researcher", **changes: Any) -> Role:
    """A role that may have every tool."""
    role = Role(
        name=name,
        description="",
        instructions="Work.",
        tools=None,
        disallowed_tools=(),
        model=None,
        effort=None,
        max_turns=None,
        source=f"built-in:{name}",
        sha256="",
        honoured=(),
        ignored=(),
    )
    return msgspec.structs.replace(role, **changes)


def a_resolved_spec(*, verifiers: int = 1, **policy: Any) -> ResolvedSpec:
    """The built-in kind of team, with a policy as given."""
    return ResolvedSpec(
        team=TeamSpec(
            name="research", policy=Policy(**policy), gate=GateRules(verifiers=verifiers)
        ),
        roles={name: a_role(name) for name in ("lead", "researcher", "skeptic")},
        provider="rehearsal",
        groups=(a_group(),),
    )


def a_group(name: str = "docs") -> SourceGroupDoc:
    return SourceGroupDoc(name=name, title=name, root=f"/src/{name}", files=3)


# --- plans and contracts ---------------------------------------------------------


def a_criterion(**changes: Any) -> Criterion:
    criterion = Criterion(text="A claim at least.", claims_min=1)
    return msgspec.structs.replace(criterion, **changes)


def a_lane(title: str = "pools", **changes: Any) -> Lane:
    lane = Lane(
        title=title,
        output=f"What {title} do.",
        objective=f"Find out how {title} behave.",
        sources=("docs",),
        boundaries=("Nothing else.",),
        acceptance=(a_criterion(),),
        covers=(ASPECT,),
    )
    return msgspec.structs.replace(lane, **changes)


def a_plan(*lanes: Lane, **changes: Any) -> Plan:
    plan = Plan(
        title="Pools",
        lanes=lanes or (a_lane("pools"), a_lane("timeouts")),
        effort="comparison",
        aspects=(ASPECT,),
    )
    return msgspec.structs.replace(plan, **changes)


def some_facts(documents: dict[str, int] | None = None, **changes: Any) -> PlanFacts:
    """What rules look at beside a plan: documents with their tokens, two models, one goal."""
    held = DOCUMENTS if documents is None else documents

    def covered(within: tuple[str, ...] | None) -> tuple[Size, ...]:
        return tuple(
            Size(source=source, tokens=tokens)
            for source, tokens in held.items()
            if within is None or is_within(source, within)
        )

    facts = PlanFacts(
        goal=PLAN_GOAL,
        groups=tuple(a_group(name) for name in dict.fromkeys(s.partition("/")[0] for s in held)),
        covered=covered,
        lead=Ability(model="large", tools=("read_source", "search_sources")),
        worker=Ability(model="small", tools=("read_source", "search_sources", "submit_finding")),
    )
    return msgspec.structs.replace(facts, **changes)


def is_within(source: str, within: tuple[str, ...]) -> bool:
    """Whether a source is among what a lane may read, as the library rules it."""

    def names(entry: str) -> bool:
        return (
            entry in (source, source.partition("/")[0])
            or (entry.endswith("/") and source.startswith(entry))
            or fnmatchcase(source, entry)
        )

    avoided = (entry[1:] for entry in within if entry.startswith("!"))
    return any(names(e) for e in within if e[0] != "!") and not any(names(e) for e in avoided)


def a_budget(**changes: Any) -> Budget:
    budget = Budget(turns_max=20, tokens_max=100_000, seconds_max=600.0)
    return msgspec.structs.replace(budget, **changes)


def a_contract(**changes: Any) -> Contract:
    contract = Contract(
        objective="Find out how pools behave.",
        output_format="A finding.",
        sources=("docs",),
        tools=("read_source",),
        boundaries=("Nothing else.",),
        budget=a_budget(),
    )
    return msgspec.structs.replace(contract, **changes)


# --- tasks and findings ----------------------------------------------------------


def opens(title: str = "pools", **changes: Any) -> TaskOpened:
    """The lead opens a task for researchers."""
    opened = TaskOpened(title=title, contract=a_contract(), role="researcher")
    return msgspec.structs.replace(opened, **changes)


def a_task(task_id: str = "t1", *, state: TaskState = TaskState.submitted, **changes: Any) -> Task:
    """A task of ada's, as it stands on the board."""
    task = Task(
        id=task_id,
        title="pools",
        contract=a_contract(),
        role="researcher",
        purpose="research",
        state=state,
        head_seq=9,
        claim_seq=5,
        holder="ada",
    )
    return msgspec.structs.replace(task, **changes)


def an_evidence(quote: str = QUOTE, source: str = "/src/docs/pool.md") -> Evidence:
    return Evidence(source=source, locator="L1", quote=quote)


def a_claim(
    claim_id: str = "c1",
    text: str = "Ten connections at most.",
    *,
    evidence: tuple[Evidence, ...] | None = None,
    confidence: Confidence = "high",
    facts: tuple[Fact, ...] = (),
) -> Claim:
    """A claim with one piece of evidence."""
    given = (an_evidence(),) if evidence is None else evidence
    return Claim(id=claim_id, text=text, confidence=confidence, evidence=given, facts=facts)


def a_finding(*claims: Claim, **changes: Any) -> FindingSubmitted:
    finding = FindingSubmitted(summary="Pools are bounded.", claims=claims or (a_claim(),))
    return msgspec.structs.replace(finding, **changes)


def a_submission(
    *claims: Claim,
    seq: int = 7,
    member: str = "ada",
    judgements: tuple[tuple[str, Judgement], ...] = (),
    **changes: Any,
) -> Submission:
    """A finding of ada's for `t1`, as the stream has it."""
    return Submission(
        task="t1",
        seq=seq,
        member=member,
        at=OPENED_AT,
        finding=a_finding(*claims, **changes),
        judgements=judgements,
    )


def a_judgement(
    outcome: Outcome = "upheld", claim: str | None = None, check: str = "verification"
) -> Judgement:
    return Judgement(check=check, outcome=outcome, reason="so it is", claim=claim)


def a_verdict(seq: int, *judgements: Judgement) -> VerdictGiven:
    return VerdictGiven(finding_seq=seq, judgements=judgements or (a_judgement(),))


def a_premise(revision: int, area: str = "api", key: str = "paging") -> Premise:
    return Premise(area=area, key=key, revision=revision)


def decisions_of(*records: Record) -> Decisions:
    """The fold of some decision records."""
    decisions = Decisions()
    for record in records:
        decisions.apply(record)
    return decisions


def an_admitted(ref: str = "t1.c1", claim: Claim | None = None) -> AdmittedClaim:
    """A claim that may be cited, under a ref as `<task>.<claim>`."""
    task, claim_id = ref.split(".")
    return AdmittedClaim(
        ref=ref, task=task, lane=f"lane {task}", member="ada", claim=claim or a_claim(claim_id)
    )


# --- usage -----------------------------------------------------------------------


def a_usage(
    *,
    context: str = "task:t1:1",
    cost_usd: float | None = 0.5,
    model: str = "m1",
    is_estimated: bool = False,
    **tokens: int,
) -> UsageSpent:
    """One model call; tokens by kind."""
    return UsageSpent(
        context=context,
        turn=1,
        model=model,
        tokens=TokenCounts(**tokens),
        cost_usd=cost_usd,
        is_estimated=is_estimated,
    )


def spent(calls: int = 1, tokens: int = 10) -> Spent:
    return Spent(calls=calls, input_tokens=tokens)


# --- journals --------------------------------------------------------------------


def opens_context(context: str = "task:t1:1", **changes: Any) -> ContextOpened:
    opened = ContextOpened(
        context=context, system="You are ada.", opening="Begin.", tools=("note",), model="m1"
    )
    return msgspec.structs.replace(opened, **changes)


def replies(turn: int, *blocks: dict[str, Any], **changes: Any) -> TurnReplied:
    """A model's reply with these content blocks; with none, an empty one."""
    replied = TurnReplied(
        context="task:t1:1",
        turn=turn,
        content=msgspec.Raw(msgspec.json.encode(blocks)),
        stop_reason="end_turn",
    )
    return msgspec.structs.replace(replied, **changes)


def says(text: str) -> dict[str, Any]:
    return {"type": "text", "text": text}


def calls(call_id: str, tool: str = "note", **given: Any) -> dict[str, Any]:
    return {"type": "tool_use", "id": call_id, "name": tool, "input": given}


def acts(turn: int, *call_ids: str, **changes: Any) -> TurnActed:
    """The tools that a turn called have run."""
    outcomes = tuple(ToolOutcome(call_id=c, tool="note", content="Noted.") for c in call_ids)
    acted = TurnActed(context="task:t1:1", turn=turn, outcomes=outcomes)
    return msgspec.structs.replace(acted, **changes)


def compacts(upto: int, text: str = "Earlier.") -> ContextCompacted:
    """The first turns have left the context."""
    return ContextCompacted(context="task:t1:1", upto=upto, text=text, reason="full")


def begins(turn: int, call_id: str) -> CallBegun:
    """A call that changes the world begins."""
    return CallBegun(context="task:t1:1", turn=turn, call_id=call_id, tool="deploy")


def ends(turn: int, call_id: str, content: str = "Deployed.") -> CallEnded:
    """It has ended."""
    outcome = ToolOutcome(call_id=call_id, tool="deploy", content=content)
    return CallEnded(context="task:t1:1", turn=turn, outcome=outcome)
