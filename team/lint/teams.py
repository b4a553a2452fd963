"""Team specs: what in one of them does not fit together, or not with roles and policy."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any, Final

import msgspec

from roles import Role, RoleError
from team.agent.models.needs import unmet
from team.agent.models.priced import has_price, price_book
from team.codes.lint import (
    CONTRADICTION,
    CORE_CHECK,
    LOOSER,
    MODEL_REFUSED,
    NO_KEY,
    NO_PRICE,
    NO_RECORDS,
    SEAT_TOOLS,
    SERVER_REFUSED,
    UNKNOWN_CHECK,
    UNKNOWN_PROVIDER,
    UNKNOWN_ROLE,
    UPHELD,
    VERIFIER_SEAT,
    VERIFIER_TOOLS,
)
from team.errors import SpecError
from team.lint.around import READING, Around
from team.lint.asking import Codes
from team.lint.limits import (
    contradictions,
    left_out_checks,
    never_asked,
    texts,
    too_many_upheld,
    triage_contradictions,
    unknown_checks,
)
from team.lint.role_files import problems_of_role, stands_for_missing
from team.lint.servers import refused_servers
from team.places import find_place
from team.policy import ProjectPolicy, at_provider
from team.runtime.permitted import dollar_limits, narrowed
from team.spec import ResolvedSpec, TeamSpec, tightened
from team.tool_names import TOOL_NAMES
from team.written import Document, Keys, Problem
from team.written.words import names, near, number

SEATS: Final = ("lead", "worker", "verifier")
TAKING_PART: Final = (
    "send_message",
    "wait_for_mail",
    "record_decision",
    "challenge_decision",
    "rebut_challenge",
    "withdraw_decision",
)
"""Tools that a verifier's role must not ask for."""
COMPARED: Final = ("policy", "triage", "gate")
_OTHERWISE: Final = "run it with another --model, or write a team of this name in teams/"


class Team(msgspec.Struct, frozen=True, kw_only=True):
    """A team spec under check, with what it is checked against.

    Attributes:
        document: Its file.
        spec: What the file says.
        project: The policy that holds; one that says nothing if there is none.
        around: Roles, checks and files.
        is_built_in: Whether it comes with the package, so that nobody here can mend it.
    """

    document: Document
    spec: TeamSpec
    project: ProjectPolicy
    around: Around
    is_built_in: bool


def _limits(team: Team) -> Iterator[Problem]:
    document, spec = team.document, team.spec
    yield from contradictions(document, "policy", spec.policy)
    yield from triage_contradictions(document, spec.triage)
    yield from never_asked(document, "policy", spec.approve, spec.policy)


# --- seats -----------------------------------------------------------------------


def _seats(team: Team) -> dict[str, Role | RoleError]:
    """The role of each seat, or why it has none."""
    return {seat: team.around.role(getattr(team.spec.roles, seat)) for seat in SEATS}


def _roles(team: Team) -> dict[str, Role]:
    """The roles that could be read, by name."""
    return {role.name: role for role in _seats(team).values() if isinstance(role, Role)}


def _unknown_roles(team: Team) -> Iterator[Problem]:
    for seat, role in _seats(team).items():
        if isinstance(role, RoleError):
            yield from _no_role(team, seat, role)


def _no_role(team: Team, seat: str, error: RoleError) -> Iterator[Problem]:
    if not stands_for_missing(error):
        yield from problems_of_role(error.path, team.around)
        return
    reason = f"there is no role {getattr(team.spec.roles, seat)!r}"
    yield team.document.problem(UNKNOWN_ROLE, ("roles", seat), reason, error.fix)


def _same_role(team: Team) -> Iterator[Problem]:
    roles = team.spec.roles
    for seat in ("lead", "worker"):
        if getattr(roles, seat) == roles.verifier:
            keys: Keys = ("roles", "verifier")
            where = keys if keys in team.document.spots else ("roles", seat)
            yield team.document.problem(
                VERIFIER_SEAT,
                where,
                f"{roles.verifier!r} is the verifier's role and the {seat}'s",
                "fill the two seats from different roles",
            )


def _taking_part(team: Team) -> Iterator[Problem]:
    """What a verifier must not have; what the policy takes away is told of the policy."""
    verifier = narrowed(_roles(team), team.project).get(team.spec.roles.verifier)
    asked = () if verifier is None or verifier.tools is None else verifier.allowed(TAKING_PART)
    if verifier is not None and asked:
        yield team.document.problem(
            VERIFIER_TOOLS,
            ("roles", "verifier"),
            f"the verifier's role {verifier.name!r} asks for {names(asked)}",
            f"delete that from {team.around.shown(verifier.source)}, or choose another role",
        )


def _reading(team: Team) -> Iterator[Problem]:
    """What nobody can work without."""
    roles = _roles(team)
    for seat in ("worker", "verifier"):
        role = roles.get(getattr(team.spec.roles, seat))
        if role is not None and not role.allowed(READING):
            yield team.document.problem(
                SEAT_TOOLS,
                ("roles", seat),
                f"role {role.name!r} has neither {' nor '.join(READING)}",
                f"give it one of them in {team.around.shown(role.source)}",
            )


# --- models ----------------------------------------------------------------------


def _models(team: Team) -> Iterator[Problem]:
    """Models that the policy refuses, and models without a price under a limit in dollars."""
    roles = narrowed(_roles(team), team.project)
    strict = tightened(team.spec, team.project)
    resolved = ResolvedSpec(team=strict, roles=roles, provider="anthropic")
    limits = dollar_limits(strict)
    for seat in SEATS:
        role = getattr(team.spec.roles, seat)
        if role not in roles:
            continue
        where: Keys = ("roles", seat) if roles[role].model else ("models", seat)
        for model in resolved.models_of(role):
            if not team.project.allows_model(role, model):
                yield _about_model(
                    team,
                    MODEL_REFUSED,
                    where,
                    f"the policy does not allow {model!r} for role {role!r}",
                    "name another model, or allow it in the policy",
                )
            elif limits and not has_price(model, price_book(team.project)):
                yield _about_model(
                    team,
                    NO_PRICE,
                    where,
                    f"the price of {model!r} is not known, and {limits[0]} is a limit in dollars",
                    "name a model with a price, give it one in `[models.prices]`, or limit tokens",
                )


def _providers(team: Team) -> Iterator[Problem]:
    """Models that name a provider that there is not, or that can't be used on this machine."""
    roles = narrowed(_roles(team), team.project)
    resolved = ResolvedSpec(team=team.spec, roles=roles, provider="anthropic")
    seats = {seat: getattr(team.spec.roles, seat) for seat in SEATS}
    asked = {
        model: seat
        for seat, role in reversed(seats.items())
        if role in roles
        for model in resolved.models_of(role)
    }
    providers = team.project.providers
    for model, seat in asked.items():
        where: Keys = ("roles", seat) if roles[seats[seat]].model else ("models", seat)
        name, _ = at_provider(model, providers)
        prefix, slash, _ = model.partition("/")
        missing = unmet(name, providers[name]) if name else None
        if slash and not name:
            reason = f"the policy has no provider {prefix!r}, which {model!r} names"
            fix = near(prefix, sorted(providers)) if providers else f"add `[providers.{prefix}]`"
            yield team.document.problem(UNKNOWN_PROVIDER, where, reason, fix)
        elif missing is not None:
            reason = f"{model!r} can't be asked on this machine: {missing.reason}"
            yield team.document.problem(NO_KEY, where, reason, missing.fix)


def _about_model(team: Team, code: str, where: Keys, reason: str, fix: str) -> Problem:
    """A problem of a built-in team is a warning: `--model` or an own team of its name mends it."""
    if team.is_built_in:
        return team.document.problem(code, where, reason, _OTHERWISE, severity="warning")
    return team.document.problem(code, where, reason, fix)


# --- records and policy ----------------------------------------------------------


def _missing_records(team: Team) -> Iterator[Problem]:
    for keys, argument in texts(team.document, "decisions", "standing"):
        try:
            find_place(argument, team.around.cwd, _refused, matches_max=1)
        except SpecError as error:
            reason = f"{argument!r}: {error.reason}"
            yield team.document.problem(NO_RECORDS, keys, reason, error.fix)


def _refused(argument: str, reason: str, fix: str) -> SpecError:
    return SpecError(argument, "", reason, fix)


def _looser(team: Team) -> Iterator[Problem]:
    """What the spec itself says and the policy makes stricter."""
    if team.is_built_in:
        return
    alone, strict = tightened(team.spec, ProjectPolicy()), tightened(team.spec, team.project)
    for table in COMPARED:
        ours, theirs = getattr(alone, table), getattr(strict, table)
        for name in ours.__struct_fields__:
            asked, holds = getattr(ours, name), getattr(theirs, name)
            if name == "checks" or asked == holds or not team.document.has(table, name):
                continue
            yield team.document.problem(
                LOOSER,
                (table, name),
                f"{_said(asked)} is looser than the policy; {_said(holds)} will hold",
                f"write {_said(holds)}, or delete the line",
            )


def _said(value: Any) -> str:
    if isinstance(value, bool):
        return str(value).lower()
    return number(value) if isinstance(value, int | float) else str(value)


# --- all of them -----------------------------------------------------------------

TeamRule = Callable[[Team], Iterator[Problem]]

TEAM_RULES: Final[dict[Codes, TeamRule]] = {
    (CONTRADICTION,): _limits,
    (UPHELD,): lambda team: too_many_upheld(team.document, team.spec.gate),
    (CORE_CHECK,): lambda team: left_out_checks(team.document, team.spec.gate),
    (UNKNOWN_CHECK,): lambda team: unknown_checks(team.document, team.around.checks),
    (NO_RECORDS,): _missing_records,
    (UNKNOWN_ROLE,): _unknown_roles,
    (VERIFIER_SEAT,): _same_role,
    (VERIFIER_TOOLS,): _taking_part,
    (SEAT_TOOLS,): _reading,
    (MODEL_REFUSED, NO_PRICE): _models,
    (UNKNOWN_PROVIDER, NO_KEY): _providers,
    (LOOSER,): _looser,
    (SERVER_REFUSED,): lambda team: refused_servers(team.document, team.project),
}
"""What does not fit in a team spec, by the codes under which it is told."""

assert {*READING, *TAKING_PART} <= TOOL_NAMES
