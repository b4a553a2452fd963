"""What is asked for becomes a plan, and a unit of the plan becomes a request to open runs.

Reads files; no bus, and nothing is spent.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterator
from datetime import UTC, datetime
from importlib import metadata
from pathlib import Path
from typing import Final

import msgspec

from bus.messages import TokenCounts
from team.agent.models.priced import cost_usd, has_price, most_usd, price_book
from team.compare.arms import (
    WEIGHTED_TOKENS,
    Arm,
    Column,
    arm_of,
    contrasts_of,
    dressed,
    least_budget,
    limits_of,
    read_arms,
)
from team.compare.results import Plan
from team.compare.sham import PEERS, PLACEBO_FILE
from team.compare.tasks import Task, read_tasks
from team.errors import SpecError
from team.policy import Policy, tightened_policy
from team.rules.effort import Mode
from team.runtime.budget import TOKENS_MAX
from team.runtime.run import Prepared, RunRequest, prepare
from team.spec import ResolvedSpec

TASKS_MIN: Final = 30
ALPHA: Final = 0.05
SEATS: Final = ("lead", "worker", "verifier")
PLAN_READS: Final = 20_000
"""Tokens that a first call reads at most: its bytes, while nobody has counted it."""
PRICED: Final = 1_000
"""Tokens of which a price is asked: a call that reads very much may cost more for each."""
PLACEBO_FOLDER: Final = "placebo"


class Asked(msgspec.Struct, frozen=True, kw_only=True):
    """What the user asked for; fields as in `Plan`.

    Attributes:
        tasks_file: The file of tasks.
        arms: Names with commas between.
        allows_commands: Whether graders may start programs.
    """

    tasks_file: Path
    budget: int
    arms: str
    trials: int
    seed: int
    team: str
    model: str | None
    policy: str | None
    enough: float
    asks_all: bool
    allows_commands: bool
    cwd: Path


def make_plan(asked: Asked) -> Plan:
    """Check everything that is asked for, and write down what will be done.

    Raises:
        SpecError: Tasks, arms, team, policy or budget can't be used.
        SourceError: A task's sources are not there.
    """
    path = (asked.cwd / asked.tasks_file).resolve()
    arms = read_arms(asked.arms)
    tasks = read_tasks(path, allows_commands=asked.allows_commands)
    draft = Plan(
        package=package_version(),
        made_at=datetime.now(UTC).strftime("%Y-%m-%dT%H:%M:%SZ"),
        cwd=str(asked.cwd),
        tasks_file=str(path),
        tasks=tasks,
        sources={},
        arms=arms,
        contrasts=contrasts_of(arms),
        trials=asked.trials,
        seed=asked.seed,
        budget=asked.budget,
        column="tokens",
        unit_usd=None,
        lead_call=0.0,
        team=asked.team,
        setting={},
        models={},
        provider="",
        model=asked.model,
        policy=asked.policy,
        limits=Policy(),
        enough=asked.enough,
        asks_all=asked.asks_all,
        tasks_min=TASKS_MIN,
        alpha=ALPHA,
        placebo_peers=PEERS,
    )
    first = _prepared(draft, tasks[0])
    _check_nobody_is_asked(first.spec)
    unit_usd = _unit_usd(first.spec)
    draft = msgspec.structs.replace(
        draft,
        sources={task.id: _sources_hash(_prepared(draft, task)) for task in tasks},
        column=_column(unit_usd),
        unit_usd=unit_usd,
        lead_call=_lead_call(first.spec, unit_usd),
        setting=setting_of(first.spec),
        models=models_of(first.spec),
        provider=first.spec.provider,
    )
    for name in arms:
        _check_budget(draft, _arm(name))
    specs = [_within_policy(draft, first.spec, _arm(name)) for name in arms]
    return msgspec.structs.replace(draft, limits=specs[0].team.policy)


def _column(unit_usd: float | None) -> Column:
    return "tokens" if unit_usd is None else "weighted"


def package_version() -> str:
    """The version of peerteam that runs."""
    try:
        return metadata.version("peerteam")
    except metadata.PackageNotFoundError:
        return "unknown"


def setting_of(spec: ResolvedSpec) -> dict[str, str]:
    """Hashes of all that arms have in common: the team, its roles, the project's policy."""
    parts: dict[str, object] = {"team": spec.team, "policy": spec.project}
    parts |= {f"role {name}": role.sha256 for name, role in sorted(spec.roles.items())}
    return {
        name: hashlib.sha256(msgspec.json.encode(part, order="deterministic")).hexdigest()
        for name, part in parts.items()
    }


def models_of(spec: ResolvedSpec) -> dict[str, str]:
    """Who answers, by seat."""
    return {seat: spec.model_of(spec.role_of_seat(seat).name) for seat in SEATS}


def _unit_usd(spec: ResolvedSpec) -> float | None:
    """What a token costs that the worker's model reads; nothing if any price is unknown."""
    models, book = models_of(spec), price_book(spec.project)
    if spec.provider == "rehearsal" or not all(has_price(one, book) for one in models.values()):
        return None
    price = cost_usd(models["worker"], TokenCounts(input=PRICED), book)
    return price / PRICED if price else None


def _lead_call(spec: ResolvedSpec, unit_usd: float | None) -> float:
    """What one call of the lead may take at most before it is made, in units of the column."""
    written = spec.team.policy.output_tokens_max
    if unit_usd is None:
        return float(PLAN_READS + written)
    lead, book = models_of(spec)["lead"], price_book(spec.project)
    return (most_usd(lead, PLAN_READS, written, book) or 0.0) / unit_usd


def _check_budget(plan: Plan, arm: Arm) -> None:
    """Refuse a budget in which an arm could not even plan: its answers would say nothing.

    Raises:
        SpecError: Names the arm and the least that it needs, or the most that a run can have.
    """
    most = TOKENS_MAX // (WEIGHTED_TOKENS if plan.column == "weighted" else 1)
    if plan.budget > most * arm.runs:
        reason = f"{plan.budget:,} is more than a run can have"
        raise SpecError("--budget", "", reason, f"ask for {most:,} at most")
    least = least_budget(plan.lead_call, arm.runs)
    if plan.budget < least:
        parts = f", {plan.budget // arm.runs:,} for each of its runs" if arm.runs > 1 else ""
        reason = f"{plan.budget:,} is too little for {arm.name}{parts}"
        raise SpecError("--budget", "", reason, f"ask for {least:,} or more, or leave the arm out")


def _check_nobody_is_asked(spec: ResolvedSpec) -> None:
    asks = spec.team.approve
    if asks.plan or asks.result or asks.areas or asks.over_dollars is not None:
        reason = "it wants a person to approve, and a comparison has nobody to ask"
        raise SpecError(f"team {spec.team.name!r}", "approve", reason, "compare without approvals")


def prepare_run(plan: Plan, folder: Path, task: Task, arm: Arm, run: str) -> Prepared:
    """What is needed to open one run of an arm.

    Raises:
        SpecError: Team, roles, policy or model can't be used any more.
        SourceError: The task's sources are gone.
    """
    placebo = (str(folder / PLACEBO_FOLDER / PLACEBO_FILE),) if arm.is_sham else ()
    prepared = _prepared(plan, task, arm.mode, placebo=placebo, run=run)
    spec = _within_policy(plan, prepared.spec, arm, wants_line=task.answer == "line")
    return msgspec.structs.replace(prepared, spec=spec)


def departures_of(plan: Plan) -> Iterator[str]:
    """Where the setting is not what it was when the plan was made.

    Raises:
        SpecError: Something can't be used any more.
        SourceError: The sources of a task are gone.
    """
    if plan.package != package_version():
        yield f"peerteam {package_version()} went on with what {plan.package} had begun"
    spec = _prepared(plan, plan.tasks[0]).spec
    if spec.provider != plan.provider:
        yield f"the provider is {spec.provider}, and was {plan.provider}"
    for seat, model in models_of(spec).items():
        if plan.models.get(seat) != model:
            yield f"the {seat}'s model is {model}, and was {plan.models.get(seat)}"
    now = setting_of(spec)
    for name in sorted({*now, *plan.setting}):
        if now.get(name) != plan.setting.get(name):
            yield f"the {name} was changed after the plan was made"
    for task in plan.tasks:
        if _sources_hash(_prepared(plan, task)) != plan.sources.get(task.id):
            yield f"the sources of task {task.id} were changed after the plan was made"


def _prepared(
    plan: Plan, task: Task, mode: Mode = "solo", *, placebo: tuple[str, ...] = (), run: str = "c"
) -> Prepared:
    base = Path(plan.tasks_file).parent
    request = RunRequest(
        team=plan.team,
        goal=task.goal.strip(),
        sources=(*(str(base / source) for source in task.sources), *placebo),
        cwd=Path(plan.cwd),
        mode=mode,
        model=plan.model,
        run=run,
        policy=plan.policy,
    )
    return prepare(request)


def _sources_hash(prepared: Prepared) -> str:
    files = [(one.group, one.path, one.sha256) for one in prepared.collection.files]
    return hashlib.sha256(msgspec.json.encode(files)).hexdigest()


def _arm(name: str) -> Arm:
    arm = arm_of(name)
    assert arm is not None
    return arm


def _within_policy(
    plan: Plan, spec: ResolvedSpec, arm: Arm, *, wants_line: bool = False
) -> ResolvedSpec:
    """A spec as an arm has it, within the project's policy.

    Raises:
        SpecError: The policy allows a run less than the budget.
    """
    budget = plan.budget // arm.runs
    own = limits_of(
        spec.team.policy,
        budget=budget,
        column=plan.column,
        unit_usd=plan.unit_usd,
        lead_call=plan.lead_call,
    )
    held = tightened_policy(own, spec.project.limits)
    for name in ("run_tokens_max", "run_dollars_max"):
        asked, allowed = getattr(own, name), getattr(held, name)
        if allowed != asked and allowed is not None:
            of_tokens = plan.column == "weighted" and name == "run_tokens_max"
            most = allowed / WEIGHTED_TOKENS if of_tokens else allowed
            if plan.column == "weighted" and name == "run_dollars_max" and plan.unit_usd:
                most = allowed / plan.unit_usd
            reason = f"the project's policy lets a run have {name} = {allowed:g}, not {asked:g}"
            fix = f"ask for {int(most) * arm.runs} at most, or raise it in the policy"
            raise SpecError("--budget", "", reason, fix)
    return dressed(spec, arm, held, wants_line=wants_line)
