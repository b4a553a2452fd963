"""The arms: what each of them changes of one team, and what none of them changes.

All arms have the same models, tools, sources, roles and words of the goal.
"""

from __future__ import annotations

import hashlib
import random
import re
from collections.abc import Sequence
from math import ceil
from typing import Final, Literal

import msgspec

from team.errors import SpecError
from team.policy import Policy
from team.spec import ResolvedSpec
from team.tool_names import MAIL_TOOLS

SINGLE: Final = "single"
AGAIN: Final = "single-again"
LONG: Final = "single-long"
TEAM: Final = "team"
AUTO: Final = "auto"
SHAM: Final = "sham"
DEFAULT: Final = "single,single-long,vote3,team,sham"
VOTERS_MAX: Final = 9
WEIGHTED_TOKENS: Final = 10
"""How many tokens a price-weighted one can be at most: what is read from a cache costs a tenth."""
LEAD_CALLS: Final = 2
"""Calls that the lead's reserve must hold: it may use half of it for a plan."""
ROUND: Final = 1_000
LEAST_CALLS: Final = 8
"""Calls of the dearest kind that the least budget of a run holds: a lane gets about three."""

LONG_WORDS: Final = """

## Take your time

The budget in your contract is there to be used; nothing is gained by leaving it unspent. Before
you return, look for what you have missed: other words for the same, other files, evidence against
what you found. Check each claim again. Return when further looking has brought nothing new several
times in a row, or when you are told to wrap up.
"""
"""What a member is told that is to spend its budget."""

LINE_WORDS: Final = """

## The form of the answer

End the last section of the synthesis with one sentence that begins with `Answer:` and gives the
answer in the fewest words that say it, citing what it rests on. Where the claims do not say, it is
`Answer: unknown`.
"""
"""What the lead is told, in every arm, where a task wants its answer as a line."""

Column = Literal["weighted", "tokens"]
_VOTE: Final = re.compile(r"vote([2-9])")


class Arm(msgspec.Struct, frozen=True, kw_only=True):
    """One way to work on a task.

    Attributes:
        name: As it is asked for and shown.
        mode: Mode of its runs.
        runs: How many runs make one answer; each has an equal part of the budget.
        is_long: Whether members are told to spend the budget.
        is_sham: Whether peers without content are added.
    """

    name: str
    mode: Literal["auto", "team", "solo"] = "solo"
    runs: int = 1
    is_long: bool = False
    is_sham: bool = False


def arm_of(name: str) -> Arm | None:
    """The arm of a name, if there is one."""
    vote = _VOTE.fullmatch(name)
    if vote:
        return Arm(name=name, runs=int(vote.group(1)))
    known = {
        SINGLE: Arm(name=SINGLE),
        AGAIN: Arm(name=AGAIN),
        LONG: Arm(name=LONG, is_long=True),
        TEAM: Arm(name=TEAM, mode="team"),
        AUTO: Arm(name=AUTO, mode="auto"),
        SHAM: Arm(name=SHAM, mode="team", is_sham=True),
    }
    return known.get(name)


def read_arms(text: str) -> tuple[str, ...]:
    """Read a list of arms; `single` and `single-again`, which measures the noise, always run.

    Raises:
        SpecError: One is not known, or there is nothing to compare with.
    """
    names = [part.strip() for part in text.split(",") if part.strip()]
    for name in names:
        if arm_of(name) is None:
            known = f"{DEFAULT},{AUTO}; vote2 to vote{VOTERS_MAX}"
            raise SpecError("--arms", "", f"there is no arm {name!r}", f"known are: {known}")
    more = [name for name in dict.fromkeys(names) if name not in (SINGLE, AGAIN)]
    if not more:
        fix = f"name another arm, such as {TEAM}"
        raise SpecError("--arms", "", "nothing is compared with a single agent", fix)
    return (SINGLE, AGAIN, *more)


def contrasts_of(arms: Sequence[str]) -> tuple[tuple[str, str], ...]:
    """What is compared with what: each arm with a single agent, the team with each other arm."""
    others = [name for name in arms if name not in (SINGLE, AGAIN)]
    against = [(name, SINGLE) for name in others]
    if TEAM in others:
        against += [(TEAM, name) for name in others if name != TEAM]
    return tuple(against)


class Unit(msgspec.Struct, frozen=True, kw_only=True):
    """One task for one arm, once."""

    arm: str
    task: str
    trial: int


def first_units(tasks: Sequence[str], trials: int, seed: int) -> list[Unit]:
    """The single agent on everything: the first rung, in an order by the seed."""
    return _shuffled([SINGLE], tasks, trials, seed)


def other_units(arms: Sequence[str], tasks: Sequence[str], trials: int, seed: int) -> list[Unit]:
    """All other arms, in an order by the seed; the same unit is never next to itself by plan."""
    return _shuffled([name for name in arms if name != SINGLE], tasks, trials, seed + 1)


def _shuffled(arms: Sequence[str], tasks: Sequence[str], trials: int, seed: int) -> list[Unit]:
    units = [
        Unit(arm=arm, task=task, trial=trial)
        for trial in range(1, trials + 1)
        for task in tasks
        for arm in arms
    ]
    random.Random(seed).shuffle(units)  # noqa: S311 - an order, not a secret
    return units


def run_ids(plan_hash: str, unit: Unit, runs: int) -> tuple[str, ...]:
    """The ids of a unit's runs: of the plan's hash, so that they are found and mean one plan."""
    task = unit.task[:30]
    if task != unit.task:  # long ids may begin alike
        task = f"{task[:21]}_{hashlib.sha256(unit.task.encode()).hexdigest()[:8]}"
    name = f"c{plan_hash[:8]}-{unit.arm}-{task}-{unit.trial}"
    return (name,) if runs == 1 else tuple(f"{name}-{one}" for one in range(1, runs + 1))


def limits_of(
    policy: Policy, *, budget: int, column: Column, unit_usd: float | None, lead_call: float
) -> Policy:
    """A team's limits for one run of an arm: the budget binds, and nothing else does first.

    What a team holds each task to is left to the whole run, so that one agent on one task may
    use up as much as a team on many. Where the budget is small, more of it is kept for the
    lead, which could not make its first call else.

    Args:
        policy: The team's own.
        budget: Of one run, in units of the column.
        column: What it counts.
        unit_usd: US dollars of one price-weighted token.
        lead_call: What one call of the lead may take, in units of the column.
    """
    tokens, usd = budget, policy.run_dollars_max
    if column == "weighted":
        assert unit_usd is not None
        tokens, usd = budget * WEIGHTED_TOKENS, budget * unit_usd
    return msgspec.structs.replace(
        policy,
        run_tokens_max=tokens,
        tokens_max=tokens,
        run_dollars_max=usd,
        dollars_max=usd,
        turns_max=policy.turns_max * policy.teammates_max,
        tool_calls_max=policy.tool_calls_max * policy.teammates_max,
        seconds_max=policy.run_seconds_max,
        reserve_share=max(
            policy.reserve_share, min(LEAD_CALLS * lead_call / budget, LEAD_CALLS / LEAST_CALLS)
        ),
    )


def least_budget(lead_call: float, runs: int) -> int:
    """The smallest budget of an arm of so many runs in which each can be planned and worked on."""
    return ceil(round(LEAST_CALLS * lead_call / ROUND, 6)) * ROUND * runs


def dressed(
    spec: ResolvedSpec, arm: Arm, limits: Policy, *, wants_line: bool = False
) -> ResolvedSpec:
    """A spec as an arm has it: its limits, what its members are told, what its peers may do.

    Args:
        spec: The team as all arms have it.
        arm: The arm.
        limits: Of one run.
        wants_line: Whether the lead is asked for a line that gives the answer, in any arm. The
            goal stays as it is: code reads it to rule on lanes.
    """
    change = msgspec.structs.replace
    team = change(spec.team, policy=limits)
    roles = dict(spec.roles)
    if wants_line:
        name = spec.team.roles.lead
        roles[name] = change(roles[name], instructions=roles[name].instructions + LINE_WORDS)
    worker = spec.team.roles.worker
    role = roles[worker]
    if arm.is_long:
        role = change(role, instructions=role.instructions + LONG_WORDS)
    if arm.is_sham:
        role = change(role, disallowed_tools=(*role.disallowed_tools, *sorted(MAIL_TOOLS)))
    return change(spec, team=team, roles=roles | {worker: role})
