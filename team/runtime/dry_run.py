"""What a run would do and about what it would cost, without a model call and without a run.

The plan is the rehearsal planner's: code that reads the words of the goal and the groups of
sources. A lead that is a model may divide the work otherwise; triage and slices are the run's own.
"""

from __future__ import annotations

import tempfile
from math import ceil
from pathlib import Path
from typing import Final, Literal

import msgspec

from bus.messages import PlanMade, TokenCounts
from team.agent.models.cassette.environment import is_first_party
from team.agent.models.priced import PriceBook, cost_usd, most_usd, price_book
from team.agent.models.rehearsal.conversation import Situation
from team.agent.models.rehearsal.planner import plan as planned
from team.members.lead_turns import LEAD_BUDGET
from team.members.planning import plan_briefing, plan_facts, plan_made
from team.policy import Approvals, Policy
from team.rules.estimate import Estimate, Job, LaneJob, PriceOf, Seat, estimate
from team.rules.grants import lead_budget, why_empty
from team.rules.plan import Plan, PlanFacts, plan_problems
from team.runtime.run import Prepared, choose_provider, skipped_lines
from team.sources import Library, LibraryInfo
from team.spec import ResolvedSpec
from team.state import RunState

FIRST_CALL: Final = {"lead": 4_500, "worker": 5_500}
"""About the tokens that the first call of a seat reads, of short goals and few sources."""


class DryLane(msgspec.Struct, frozen=True, kw_only=True):
    """A lane as it would be put on the board, with its slice of the run."""

    task: str
    title: str
    objective: str
    sources: tuple[str, ...]
    source_tokens: int
    depends_on: tuple[str, ...]
    turns_max: int
    tokens_max: int
    usd_max: float | None


class DryMember(msgspec.Struct, frozen=True, kw_only=True):
    """A seat: how many members at once, of which role, and which model answers for them."""

    seat: Literal["lead", "worker", "verifier"]
    role: str
    count: int
    model: str
    has_price: bool


class DryGroup(msgspec.Struct, frozen=True, kw_only=True):
    """A group of sources and about how many tokens it has."""

    name: str
    title: str
    files: int
    tokens: int


class DrySources(msgspec.Struct, frozen=True, kw_only=True):
    """What the run would work from."""

    documents: int
    passages: int
    size_bytes: int
    tokens: int
    groups: tuple[DryGroup, ...]
    skipped: tuple[str, ...]


class DryRun(msgspec.Struct, frozen=True, kw_only=True):
    """What a run would do.

    Attributes:
        goal: The question.
        team: Name of the team.
        provider: `anthropic` or `rehearsal`.
        has_key: Whether there is a key or an address, so that a model would answer now.
        policy: The policy file that holds; null if there is none.
        mode: What triage rules for the plan below.
        triage: Why, a sentence each.
        plan_problems: What the lead would have to mend of that plan.
        lanes: The plan, made by code; the lead may plan otherwise.
        members: Who would be seated for it.
        sources: What they would work from.
        decisions: How many standing decisions hold from the start.
        limits: What code holds; the stricter of team, policy and options.
        approve: Where a person is asked.
        estimate: Tokens and dollars: low, likely, high.
        price_table: By which table; empty for the rehearsal model.
        own_prices: Models whose price the policy sets.
        warnings: Where the limits leave too little to begin with.
        refused: Why `team run` would refuse the amount that was given, and which would do;
            null if it would not.
    """

    goal: str
    team: str
    provider: str
    has_key: bool
    policy: str | None
    mode: Literal["team", "solo"]
    triage: tuple[str, ...]
    plan_problems: tuple[str, ...]
    lanes: tuple[DryLane, ...]
    members: tuple[DryMember, ...]
    sources: DrySources
    decisions: int
    limits: Policy
    approve: Approvals
    estimate: Estimate
    price_table: str
    own_prices: tuple[str, ...]
    warnings: tuple[str, ...]
    refused: str | None = None


def dry_run(prepared: Prepared, data: bytes, info: LibraryInfo) -> DryRun:
    """Say what a checked request would do.

    Args:
        prepared: The request.
        data: The library of its sources, as `index_sources` builds it.
        info: What is in that.
    """
    spec, state = prepared.spec, RunState()
    state.spec = spec
    with tempfile.TemporaryDirectory(prefix="peerteam-") as folder:
        path = Path(folder) / "library.db"
        path.write_bytes(data)
        with Library.open(path) as library:
            facts = plan_facts(spec, prepared.goal, prepared.mode, library)
            plan = _plan(facts, state)
            problems = plan_problems(plan, facts)
            made = plan_made(spec, state, plan, facts, 1)
            lanes = _lanes(made, facts)
            sources = _sources(prepared, info, facts)
    book = price_book(spec.project)
    return DryRun(
        goal=prepared.goal,
        team=spec.team.name,
        provider=spec.provider,
        has_key=choose_provider(None) != "rehearsal",
        policy=str(prepared.policy) if prepared.policy is not None else None,
        mode=made.mode,
        triage=made.reasons,
        plan_problems=tuple(problems),
        lanes=lanes,
        members=_members(spec, lanes, book),
        sources=sources,
        decisions=len(prepared.standing.adrs),
        limits=spec.team.policy,
        approve=spec.team.approve,
        estimate=estimate(_job(spec, lanes, book), _price_of(spec, book)),
        price_table=spec.price_table,
        own_prices=tuple(sorted(spec.project.models.prices)),
        warnings=_warnings(spec, state, made, book),
    )


def least_budget(spec: ResolvedSpec) -> float | None:
    """The least US dollars of which the lead could pay its first call; nothing if they suffice.

    Where a person can be asked for more, they always do.
    """
    state = RunState()
    state.spec = spec
    may, costs = _lead_may(state), _first_call_usd(spec, "lead", price_book(spec.project))
    limit = spec.team.policy.run_dollars_max
    if spec.team.approve.over_dollars is not None or not limit or not may or costs is None:
        return None
    return costs * limit / may if may < costs else None


def least_tokens(spec: ResolvedSpec) -> int | None:
    """The least tokens of the run that hold the lead's first call; nothing if they suffice."""
    state, policy = RunState(), spec.team.policy
    state.spec = spec
    may = lead_budget(state, "plan", LEAD_BUDGET).tokens_max
    needed = FIRST_CALL["lead"] + policy.output_tokens_max
    return ceil(policy.run_tokens_max * needed / max(1, may)) if may < needed else None


# --- the plan ----------------------------------------------------------------------


def _plan(facts: PlanFacts, state: RunState) -> Plan:
    briefing = plan_briefing(facts, state, 1)
    situation = Situation(briefing=briefing, done=(), mail=(), texts=(), tools=frozenset())
    return msgspec.json.decode(msgspec.json.encode(planned(situation)), type=Plan)


def _lanes(made: PlanMade, facts: PlanFacts) -> tuple[DryLane, ...]:
    found: list[DryLane] = []
    for task in made.tasks:
        contract = task.opened.contract
        found.append(
            DryLane(
                task=task.id,
                title=task.opened.title,
                objective=contract.objective,
                sources=contract.sources,
                source_tokens=sum(s.tokens for s in facts.covered(contract.sources)),
                depends_on=task.opened.depends_on,
                turns_max=contract.budget.turns_max,
                tokens_max=contract.budget.tokens_max,
                usd_max=contract.budget.usd_max,
            )
        )
    return tuple(found)


def _sources(prepared: Prepared, info: LibraryInfo, facts: PlanFacts) -> DrySources:
    groups = tuple(
        DryGroup(name=g.name, title=g.title, files=g.files, tokens=g.tokens)
        for g in prepared.spec.groups
    )
    return DrySources(
        documents=info.documents,
        passages=info.passages,
        size_bytes=sum(file.size_bytes for file in prepared.collection.files),
        tokens=sum(size.tokens for size in facts.covered(None)),
        groups=groups,
        skipped=tuple(skipped_lines(info.skipped)),
    )


# --- who answers -------------------------------------------------------------------


def _model(spec: ResolvedSpec, seat: str) -> str:
    return spec.model_of(spec.role_of_seat(seat).name)


def _members(
    spec: ResolvedSpec, lanes: tuple[DryLane, ...], book: PriceBook
) -> tuple[DryMember, ...]:
    free = sum(not lane.depends_on for lane in lanes)
    counts: dict[Literal["lead", "worker", "verifier"], int] = {
        "lead": 1,
        "worker": min(free, spec.team.policy.teammates_max),
        "verifier": spec.team.gate.verifiers,
    }
    price = _price_of(spec, book)
    return tuple(
        DryMember(
            seat=seat,
            role=spec.role_of_seat(seat).name,
            count=count,
            model=(model := _model(spec, seat)),
            has_price=price(model, TokenCounts(input=1, output=1)) is not None,
        )
        for seat, count in counts.items()
    )


def _price_of(spec: ResolvedSpec, book: PriceBook) -> PriceOf:
    if spec.provider == "rehearsal":
        return lambda _, __: 0.0
    return lambda model, tokens: cost_usd(model, tokens, book)


def _job(spec: ResolvedSpec, lanes: tuple[DryLane, ...], book: PriceBook) -> Job:
    policy = spec.team.policy
    lead, worker, verifier = (_seat(spec, s, book) for s in ("lead", "worker", "verifier"))
    return Job(
        lanes=tuple(
            LaneJob(
                sources=lane.source_tokens, turns_max=lane.turns_max, tokens_max=lane.tokens_max
            )
            for lane in lanes
        ),
        lead=lead,
        worker=worker,
        verifier=verifier,
        verifiers=spec.team.gate.verifiers,
        rounds_max=policy.rounds_max + policy.fresh_rounds_max,
        output_tokens_max=policy.output_tokens_max,
        window=spec.team.triage.window_tokens,
        run_tokens_max=policy.run_tokens_max,
        run_dollars_max=policy.run_dollars_max,
    )


def _seat(spec: ResolvedSpec, seat: str, book: PriceBook) -> Seat:
    """Who answers; only Anthropic itself is sent what makes it cache."""
    model = _model(spec, seat)
    is_paid = spec.provider != "rehearsal"
    is_theirs = is_first_party() and book.seller_of(model)[0] == "anthropic"
    return Seat(model=model, is_cached=is_paid and is_theirs)


# --- limits that leave too little --------------------------------------------------


def _warnings(
    spec: ResolvedSpec, state: RunState, made: PlanMade, book: PriceBook
) -> tuple[str, ...]:
    found: list[str] = []
    may, costs = _lead_may(state), _first_call_usd(spec, "lead", book)
    if may is not None and costs is not None and costs > may:
        found.append(
            f"the lead's first call may cost ${costs:.2f}, and ${may:.2f} are its to plan with: "
            "it will not be made"
        )
    for task in made.tasks:
        budget = task.opened.contract.budget
        denied, usd = why_empty(budget), _first_call_usd(spec, "worker", book)
        if denied is not None:
            found.append(f"{task.id} would get nothing: {denied.reason}")
        elif budget.usd_max is not None and usd is not None and usd > budget.usd_max:
            found.append(
                f"{task.id}'s first call may cost ${usd:.2f}, its slice is ${budget.usd_max:.2f}: "
                "it will not be made"
            )
    return tuple(found)


def _lead_may(state: RunState) -> float | None:
    """US dollars that the lead may spend on its plan; nothing without a limit."""
    return lead_budget(state, "plan", LEAD_BUDGET).usd_max


def _first_call_usd(spec: ResolvedSpec, seat: str, book: PriceBook) -> float | None:
    """The most that a first call may cost at the least that it reads."""
    if spec.provider == "rehearsal" or spec.team.policy.run_dollars_max is None:
        return None
    most = spec.team.policy.output_tokens_max
    return most_usd(_model(spec, seat), FIRST_CALL[seat], most, book)
