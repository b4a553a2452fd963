"""The data that describes a team before it runs: roles, models, policy, gate.

Read from a TOML file and checked on load; a typo there is an error with file,
field and fix, never a silent default.
"""

from __future__ import annotations

import difflib
from collections.abc import Iterable
from pathlib import Path
from typing import Annotated, Final, Literal

import msgspec

from bus.messages import ArtifactRef
from roles import Role
from roles.given import GivenFile
from roles.tool_patterns import EVERY, MCP, covers, meet, server_of
from team.errors import SpecError
from team.policy import (
    Approvals,
    DecisionRules,
    GateRules,
    Liveness,
    Policy,
    ProjectPolicy,
    TriageRules,
    Written,
    tightened_approvals,
    tightened_gate,
    tightened_policy,
    tightened_triage,
)
from team.written import Problem, check_document, read_document

BUILT_IN: Final = Path(__file__).parent / "specs"
USER_FOLDER: Final = "teams"


class RoleNames(Written, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Which role file each seat is filled from."""

    lead: str = "lead"
    worker: str = "researcher"
    verifier: str = "skeptic"


OneOrMore = str | Annotated[tuple[str, ...], msgspec.Meta(min_length=1, max_length=8)]


class Models(Written, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Which model answers for each seat; a role file's own model wins.

    Attributes:
        lead: For the lead.
        worker: For a lane; of a list the n-th for the n-th teammate that tries it.
        verifier: For a verification; of a list the n-th for a finding's n-th verifier.
        cache: For how long a provider keeps what a call has read, for the next one.
    """

    lead: str = "claude-opus-5-5"
    worker: OneOrMore = "claude-sonnet-5-5"
    verifier: OneOrMore = "claude-sonnet-5-5"
    cache: Literal["5m", "1h", "off"] = "5m"


class SeatServers(Written, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Which MCP servers the workers use, beside those of their role's file.

    Attributes:
        servers: Their names; each has to be allowed by the policy.
    """

    servers: tuple[str, ...] = ()


class TeamSpec(Written, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """A team as its file describes it."""

    name: str
    description: str = ""
    roles: RoleNames = RoleNames()
    models: Models = Models()
    policy: Policy = Policy()
    triage: TriageRules = TriageRules()
    gate: GateRules = GateRules()
    decisions: DecisionRules = DecisionRules()
    approve: Approvals = Approvals()
    liveness: Liveness = Liveness()
    mcp: SeatServers = SeatServers()


class SourceGroupDoc(msgspec.Struct, frozen=True, kw_only=True):
    """A group of sources as a contract may name it; `tokens` is an estimate of its size."""

    name: str
    title: str
    root: str
    files: int
    tokens: int = 0


class ServerDoc(msgspec.Struct, frozen=True, kw_only=True):
    """An MCP server of a run, as the stream keeps it: no address, no command, no secret.

    Attributes:
        name: What its file calls it.
        token: Its name as the names of its tools have it.
        kind: `stdio` or `http`.
        sha256: Hash of its definition, the values of variables and headers left out.
        roles: The roles whose members use it.
    """

    name: str
    token: str
    kind: str
    sha256: str
    roles: tuple[str, ...]


class SkillDoc(msgspec.Struct, frozen=True, kw_only=True):
    """A skill as a role is given it: what the prompt says of it, its files, where they are kept."""

    name: str
    description: str
    files: tuple[str, ...]
    kept: ArtifactRef


class RoleGiven(msgspec.Struct, frozen=True, kw_only=True):
    """What the policy gives to a role from the project's files."""

    instructions: tuple[GivenFile, ...] = ()
    skills: tuple[SkillDoc, ...] = ()


class ResolvedSpec(msgspec.Struct, frozen=True, kw_only=True):
    """All that a run is made of, as the stream keeps it.

    Attributes:
        team: The team spec, tightened by the project's policy.
        roles: The role files, whole, by role name.
        provider: `anthropic` or `rehearsal`.
        groups: The sources, by group.
        model: A model that answers for every seat, if the user chose one.
        project: The project's policy, as it stood at the start.
        price_table: The price table that was installed then; empty where nothing is paid.
        servers: The MCP servers that its members may use.
        given: Instructions and skills by role, for those that the policy gives any.
    """

    team: TeamSpec
    roles: dict[str, Role]
    provider: str
    groups: tuple[SourceGroupDoc, ...] = ()
    model: str | None = None
    project: ProjectPolicy = ProjectPolicy()
    price_table: str = ""
    servers: tuple[ServerDoc, ...] = ()
    given: dict[str, RoleGiven] = {}

    def given_to(self, role_name: str) -> RoleGiven:
        """What a role is given from the project's files."""
        return self.given.get(role_name, RoleGiven())

    def role_of_seat(self, seat: str) -> Role:
        """The role file of a seat: `lead`, `worker` or `verifier`."""
        return self.roles[getattr(self.team.roles, seat)]

    def server_grants(self, role_name: str) -> tuple[str, ...]:
        """What a role may use of the run's MCP servers, as a contract names it."""
        role = self.roles[role_name]
        servers = [f"{MCP}{one.token}" for one in self.servers if role_name in one.roles]
        asked = (EVERY,) if role.tools is None else role.tools
        granted = meet([one for one in asked if one.startswith(MCP)], servers)
        return tuple(one for one in granted if not covers(role.disallowed_tools, one))

    def servers_for(self, role_name: str, tools: Iterable[str]) -> tuple[str, ...]:
        """The tokens of the servers of which a role may use something under a contract's tools."""
        mine = meet(self.server_grants(role_name), tools)
        named = [one.token for one in self.servers]
        return tuple(token for token in named if any(server_of(one) == token for one in mine))

    def model_of(self, role_name: str, number: int = 1) -> str:
        """The model that answers for a role: the user's, the role's, the seat's.

        Args:
            role_name: Which role.
            number: Which of the seat's models, if it has a list; past its end the last.
        """
        models = self.models_of(role_name)
        return models[min(number, len(models)) - 1]

    def models_of(self, role_name: str) -> tuple[str, ...]:
        """All models that may answer for a role, in the order in which they are asked."""
        asked: OneOrMore = self.model or self.roles[role_name].model or self._of_seat(role_name)
        listed = (asked,) if isinstance(asked, str) else asked
        return tuple(MODEL_ALIASES.get(model, model) for model in listed)

    def _of_seat(self, role_name: str) -> OneOrMore:
        for seat in ("lead", "verifier"):
            if getattr(self.team.roles, seat) == role_name:
                models: OneOrMore = getattr(self.team.models, seat)
                return models
        return self.team.models.worker


def tightened(team: TeamSpec, project: ProjectPolicy) -> TeamSpec:
    """A team as it may work in a project: the stricter of the two, field by field."""
    return msgspec.structs.replace(
        team,
        policy=tightened_policy(team.policy, project.limits),
        triage=tightened_triage(team.triage, project.triage),
        gate=tightened_gate(team.gate, project.gate),
        approve=tightened_approvals(team.approve, project.approve),
    )


MODEL_ALIASES: Final = {
    "opus": "claude-opus-5-5",
    "sonnet": "claude-sonnet-5-5",
    "haiku": "claude-haiku-5-5",
}
"""Short names as subagent files use them."""


def load_spec(path: Path) -> TeamSpec:
    """Read a team spec.

    Raises:
        SpecError: The first thing that is wrong, with file, line, field and fix;
            `team check` tells all of them.
    """
    document = read_document(path)
    if isinstance(document, Problem):
        raise document.error()
    checked = check_document(document, TeamSpec)
    if checked.problems or checked.value is None:
        raise checked.problems[0].error()
    return checked.value


def find_spec(name: str, cwd: Path) -> Path:
    """Find a team spec by path or by name: `./teams/NAME.toml`, then the built-in ones.

    Raises:
        SpecError: There is none; names those there are.
    """
    if name.endswith(".toml") or "/" in name:
        return cwd / name
    for folder in (cwd / USER_FOLDER, BUILT_IN):
        candidate = folder / f"{name}.toml"
        if candidate.is_file():
            return candidate
    known = sorted(list_specs(cwd))
    near = difflib.get_close_matches(name, known, 1)
    hint = f"did you mean {near[0]!r}? " if near else ""
    raise SpecError(
        name,
        "",
        "there is no such team spec",
        f"{hint}known are: {', '.join(known)}; or give a path",
    )


def list_specs(cwd: Path) -> dict[str, Path]:
    """Return the specs that a name finds from here."""
    found = {path.stem: path for path in sorted(BUILT_IN.glob("*.toml"))}
    found |= {path.stem: path for path in sorted((cwd / USER_FOLDER).glob("*.toml"))}
    return found
