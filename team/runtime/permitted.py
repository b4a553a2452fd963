"""What the project's policy makes of a request, before a run is opened.

Not for what members do later: each act is held where it happens.
"""

from __future__ import annotations

import os
from collections.abc import Iterable, Mapping
from pathlib import Path

import msgspec

from roles import Role, find_roles
from roles.front_matter import did_you_mean
from roles.tool_patterns import meet
from team.agent.models.needs import Unmet, unmet, unmet_of_default
from team.agent.models.priced import has_price, price_book
from team.codes.limits import MODEL
from team.codes.lint import VERIFIER_SEAT
from team.errors import SpecError
from team.policy import ProjectPolicy, Provider, at_provider
from team.project import the_policy
from team.rules.hosts import entry_problem
from team.spec import ResolvedSpec, TeamSpec
from team.tool_names import TOOL_NAMES


def policy_of_project(cwd: Path, named: str | None) -> tuple[ProjectPolicy, Path | None]:
    """Read the policy that holds, and see that its rules for roles mean roles that there are.

    Args:
        cwd: Where it is looked for.
        named: A file that the user names in its place.

    Raises:
        SpecError: Something is wrong with it. A rule for a role that nobody has would
            limit nobody, so that is an error too.
    """
    project, path = the_policy(cwd, named)
    if project.roles:
        known = sorted({found.name for found in find_roles(cwd, TOOL_NAMES)})
        for name in project.roles:
            if name not in known:
                fix = f"{did_you_mean(name, known)}known are: {', '.join(known)}"
                raise SpecError(str(path), f"roles.{name}", "there is no such role", fix)
    for entry in project.web.hosts:
        problem = entry_problem(entry)
        if problem is not None:
            fix = "write docs.python.org, *.python.org or wiki.internal:443"
            raise SpecError(str(path), "web.hosts", f"{entry!r}: {problem}", fix)
    return project, path


def check_seats(team: TeamSpec) -> None:
    """Refuse a team whose verifiers are of the lead's or the workers' role.

    Raises:
        SpecError: Names the seat that they share.
    """
    for seat in ("lead", "worker"):
        if getattr(team.roles, seat) == team.roles.verifier:
            reason = f"{team.roles.verifier!r} fills the seat of the {seat}, too ({VERIFIER_SEAT})"
            fix = "nobody judges their own work: give verifiers a role of their own"
            raise SpecError(f"team {team.name!r}", "roles.verifier", reason, fix)


def narrowed(roles: dict[str, Role], project: ProjectPolicy) -> dict[str, Role]:
    """Leave to each role the tools that the policy allows it; never more than its file asks."""
    return {name: _narrowed(role, project.of_role(name).tools) for name, role in roles.items()}


def _narrowed(role: Role, tools: tuple[str, ...] | None) -> Role:
    if tools is None:
        return role
    left = tools if role.tools is None else meet(role.tools, tools)
    return msgspec.structs.replace(role, tools=left)


def dollar_limits(team: TeamSpec) -> tuple[str, ...]:
    """The fields of a team that count dollars and are set."""
    given = {
        "policy.dollars_max": team.policy.dollars_max,
        "policy.run_dollars_max": team.policy.run_dollars_max,
        "approve.over_dollars": team.approve.over_dollars,
    }
    return tuple(name for name, amount in given.items() if amount is not None)


def check_models(spec: ResolvedSpec, budget: float | None = None) -> None:
    """Refuse models that the policy does not allow, and unknown prices under a dollar limit.

    The rehearsal model is no language model: it costs nothing and nothing leaves the machine,
    so it always may answer.

    Args:
        spec: Who is to answer, within which limits.
        budget: US dollars by `--budget`, if it was given.

    Raises:
        SpecError: Names the model, its role and what is wrong with it.
    """
    if spec.provider == "rehearsal":
        return
    is_asked = budget is not None and spec.team.policy.run_dollars_max == budget
    limits = ("--budget",) if is_asked else dollar_limits(spec.team)
    for role, model in _models(spec):
        named = f"model {model!r} of role {role!r}"
        if not spec.project.allows_model(role, model):
            fix = "name it in `[models] allow` and `[roles.NAME] models`, or choose another"
            raise SpecError(named, "", f"the policy does not allow it ({MODEL})", fix)
        if limits and not has_price(model, price_book(spec.project)):
            reason = f"its price is not known, and {limits[0]} is a limit in dollars"
            fix = "choose a model with a price, give it one in `[models.prices]`, or limit tokens"
            raise SpecError(named, "", reason, fix)


def names_provider(spec: ResolvedSpec) -> bool:
    """Whether a model of the team says at which provider it is to be asked."""
    providers = spec.project.providers
    return any(
        at_provider(model, providers)[0] or _is_prefixed(model) for _, model in _models(spec)
    )


def check_providers(spec: ResolvedSpec) -> None:
    """Refuse models whose provider is not described, or lacks a key or a package here.

    Nothing is called for it, and no key is told.

    Raises:
        SpecError: Names the model, its role, what is missing and the fix.
    """
    providers = spec.project.providers
    for role, model in _models(spec):
        name, _ = at_provider(model, providers)
        missing = unmet(name, providers[name]) if name else _unmet_default(model, providers)
        if missing is not None:
            named = f"model {model!r} of role {role!r}"
            raise SpecError(named, "", missing.reason, missing.fix)


def check_recordable(spec: ResolvedSpec) -> None:
    """Refuse to record calls whose answers a replay could not put into its own run's names.

    Raises:
        SpecError: Names the model and its role.
    """
    providers = spec.project.providers
    for role, model in _models(spec):
        name, _ = at_provider(model, providers)
        if name and providers[name].kind == "bedrock":
            reason = "answers of Bedrock come in a form that can't be recorded"
            fix = "run it without --record, or choose another model"
            raise SpecError(f"model {model!r} of role {role!r}", "", reason, fix)


def _unmet_default(model: str, providers: Mapping[str, Provider]) -> Unmet | None:
    """What keeps the default provider from answering for a model.

    Another server's models may have a slash in their names; Anthropic's have none.
    """
    prefix = model.partition("/")[0]
    if _is_prefixed(model):
        fix = f"{did_you_mean(prefix, sorted(providers))}describe it in `[providers.{prefix}]`"
        return Unmet(reason=f"the policy has no provider {prefix!r}", fix=fix)
    return unmet_of_default()


def _is_prefixed(model: str) -> bool:
    return "/" in model and not os.environ.get("ANTHROPIC_BASE_URL")


def _models(spec: ResolvedSpec) -> Iterable[tuple[str, str]]:
    """Each role with each model that may answer for it."""
    return ((name, model) for name in spec.roles for model in spec.models_of(name))
