"""What people write down of limits: a team's own, and the project's, which tighten them.

A team spec says how a team works; `peerteam.toml` in the user's repository says what no
team there may pass. Not for enforcing: that is the runtime's and the rules' business.
"""

from __future__ import annotations

from collections.abc import Mapping
from fnmatch import fnmatchcase
from typing import Annotated, Final, Literal

import msgspec

Count = Annotated[int, msgspec.Meta(ge=1, le=1_000_000_000)]
Few = Annotated[int, msgspec.Meta(ge=1, le=64)]
FewOrNone = Annotated[int, msgspec.Meta(ge=0, le=64)]
Share = Annotated[float, msgspec.Meta(ge=0.05, le=0.9)]
Token = Annotated[str, msgspec.Meta(pattern="^[A-Za-z0-9_-]{1,64}$")]
Seconds = Annotated[float, msgspec.Meta(gt=0, le=30 * 24 * 3600)]
Dollars = Annotated[float, msgspec.Meta(gt=0, le=1_000_000)]
OutputTokens = Annotated[int, msgspec.Meta(ge=100, le=64_000)]
TokenPrice = Annotated[float, msgspec.Meta(ge=0, le=100_000)]
Verifiers = Annotated[int, msgspec.Meta(ge=1, le=5)]
Feature = Literal["cache", "effort", "thinking", "images", "count"]

AVOIDED: Final = "!"
"""What stands before a source that may not be used."""

CORE_CHECKS: Final = ("shape", "contract", "sources", "quotes", "premises", "budget", "status")
"""Exact checks that no policy can leave out."""

CHECKS_GROUP: Final = "peerteam.checks"
"""The entry points under which installed packages offer checks of their own."""

OPTIONAL_CHECKS: Final = ("acceptance", "authority", "instructions")
"""Exact checks that run unless a team's `gate.checks` leaves them out."""


class Written(
    msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True, omit_defaults=False
):
    """Something that people write by hand."""


# --- a team's own ----------------------------------------------------------------


class Policy(Written, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Limits that code holds.

    Attributes:
        teammates_max: Workers at once, verifiers not counted.
        depth_max: How deep recruiting goes: 1, for a teammate recruits nobody.
        rounds_max: How often one producer may submit a finding for its lane.
        fresh_rounds_max: Rounds that a fresh teammate has after these, before the lane
            is missing.
        plans_max: How often the lead may plan, if a person sends its plan back.
        turns_max: Model calls per task.
        tool_calls_max: Tool calls per task, the returning one not counted.
        tokens_max: Tokens per task, input and output together.
        dollars_max: US dollars per task; absent: no limit in dollars.
        seconds_max: Wall time per task, in seconds.
        run_tokens_max: Tokens of the whole run, granted in slices.
        run_dollars_max: US dollars of the whole run, granted in slices; absent: no limit.
        run_seconds_max: Wall time of the run, in seconds; waiting for a person not counted.
        reserve_share: Share of the run's tokens and dollars that only the lead may use, so
            that it can rule, wrap up and write.
        restarts_max: How often a member is started again before it is lost.
        output_tokens_max: Tokens that one model call may write.
    """

    teammates_max: Few = 8
    depth_max: Annotated[int, msgspec.Meta(ge=1, le=1)] = 1
    rounds_max: Few = 2
    fresh_rounds_max: FewOrNone = 1
    plans_max: Few = 3
    turns_max: Count = 24
    tool_calls_max: Count = 120
    tokens_max: Count = 400_000
    dollars_max: Dollars | None = None
    seconds_max: Seconds = 1_200.0
    run_tokens_max: Count = 8_000_000
    run_dollars_max: Dollars | None = None
    run_seconds_max: Seconds = 5_400.0
    reserve_share: Share = 0.2
    restarts_max: Few = 3
    output_tokens_max: OutputTokens = 8_000


class Liveness(Written, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """How long it is waited for what does not move.

    Attributes:
        restart_seconds: Within how many seconds `policy.restarts_max` deaths of a member
            are too many.
        stuck_seconds: How long a member may get nowhere before it is told, and again
            before it is replaced, in seconds.
        repeats_max: How often a member may make the same tool call in a row, with the
            same answer, before it is told; twice as often ends its attempt.
        bus_away_seconds: How long members wait for a bus that is away before they stop,
            in seconds.
    """

    restart_seconds: Seconds = 60.0
    stuck_seconds: Seconds = 300.0
    repeats_max: Few = 4
    bus_away_seconds: Seconds = 180.0


class TriageRules(Written, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """When a team is worth it, and how large.

    Attributes:
        lanes_min: Independent lanes from which a run is a team's.
        comparison_max: Lanes that a comparison may have; a fact has one, broad work as
            many as there are teammates.
        lane_tokens_min: Tokens of sources below which a lane does not pay for its dispatch.
        window_tokens: Tokens that a worker's context holds.
        window_share: Share of it that a lane's sources may fill before the lane is split.
    """

    lanes_min: Annotated[int, msgspec.Meta(ge=2, le=64)] = 2
    comparison_max: Annotated[int, msgspec.Meta(ge=2, le=64)] = 4
    lane_tokens_min: Annotated[int, msgspec.Meta(ge=0, le=1_000_000)] = 1_000
    window_tokens: Annotated[int, msgspec.Meta(ge=1_000, le=100_000_000)] = 200_000
    window_share: Share = 0.75


class GateRules(Written, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """What a finding must pass.

    Attributes:
        checks: Exact checks in their order: all of `CORE_CHECKS`, others by name, those of
            installed packages too.
        check_seconds: How long one check may take before it counts as failed, in seconds.
        verifiers: Fresh-context verifiers per finding.
        upheld_min: How many of them must uphold a claim; absent: all.
        canaries: Whether a known-bad claim is slipped to each verifier.
    """

    checks: tuple[str, ...] = (*CORE_CHECKS, *OPTIONAL_CHECKS)
    check_seconds: Seconds = 20.0
    verifiers: Verifiers = 1
    upheld_min: Verifiers | None = None
    canaries: bool = True

    @property
    def upheld_needed(self) -> int:
        """How many verifiers must uphold a claim."""
        return min(self.upheld_min or self.verifiers, self.verifiers)


class DecisionRules(Written, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """How choices are shared.

    Attributes:
        digest_tokens: Tokens of decisions that may enter one turn of a member.
        rebuttal_seconds: How long the lead waits for an author's answer before it
            rules on a challenge, in seconds.
        revisions_max: Rounds that a lane may have beyond `rounds_max` because a decision
            that it rested on has fallen.
        proposed: Areas in which a member only proposes and the lead rules.
        standing: Folders, files or globs of decision records that hold from the start.
    """

    digest_tokens: Annotated[int, msgspec.Meta(ge=200, le=20_000)] = 400
    rebuttal_seconds: Seconds = 60.0
    revisions_max: Few = 2
    proposed: tuple[Token, ...] = ()
    standing: tuple[str, ...] = ()


class Approvals(Written, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Where a person must say yes.

    Attributes:
        plan: Before tasks are put on the board.
        result: Before the synthesis is published.
        areas: Decision areas in which only a person rules.
        over_dollars: Before more than so many US dollars are granted; absent: never.
    """

    plan: bool = False
    result: bool = False
    areas: tuple[Token, ...] = ()
    over_dollars: Annotated[float, msgspec.Meta(ge=0, le=1_000_000)] | None = None


# --- the project's ---------------------------------------------------------------


class Limits(Written, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """What no team of the project may pass; fields as in `Policy`, absent: no word on it."""

    teammates_max: Few | None = None
    depth_max: Annotated[int, msgspec.Meta(ge=1, le=1)] | None = None
    rounds_max: Few | None = None
    fresh_rounds_max: FewOrNone | None = None
    plans_max: Few | None = None
    turns_max: Count | None = None
    tool_calls_max: Count | None = None
    tokens_max: Count | None = None
    dollars_max: Dollars | None = None
    seconds_max: Seconds | None = None
    run_tokens_max: Count | None = None
    run_dollars_max: Dollars | None = None
    run_seconds_max: Seconds | None = None
    reserve_share: Share | None = None
    restarts_max: Few | None = None
    output_tokens_max: OutputTokens | None = None


class TriageLimits(Written, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """How small a team may be and how large; fields as in `TriageRules`."""

    lanes_min: Annotated[int, msgspec.Meta(ge=2, le=64)] | None = None
    comparison_max: Annotated[int, msgspec.Meta(ge=2, le=64)] | None = None
    lane_tokens_min: Annotated[int, msgspec.Meta(ge=0, le=1_000_000)] | None = None


class GateLimits(Written, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """What the gate asks at least; fields as in `GateRules`.

    Attributes:
        checks: Checks that run in every team, beside those that it names.
    """

    checks: tuple[str, ...] = ()
    verifiers: Verifiers | None = None
    upheld_min: Verifiers | None = None
    canaries: bool | None = None


class Price(Written, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """What a model costs, in US dollars for a million tokens.

    Attributes:
        input: Read.
        output: Written.
        cache_read: Read from the cache; absent: as read.
        cache_write: Written to the cache; absent: a quarter more than read.
    """

    input: TokenPrice
    output: TokenPrice
    cache_read: TokenPrice | None = None
    cache_write: TokenPrice | None = None


class Provider(Written, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """A place where models answer; a model there is `<its name>/<the model>`.

    Attributes:
        kind: `anthropic`: a server that speaks the Messages API; or a cloud's own client.
        base_url: Address of the server; absent: as the SDK finds it.
        key_variable: The environment variable that holds the key; absent: as the SDK does,
            and none for a server of one's own.
        region: Of a cloud.
        project: Of a cloud that has projects.
        can: What it takes beyond the basic fields of the Messages API; Anthropic itself
            takes all of it, of any other place nothing is expected that is not said here.
    """

    kind: Literal["anthropic", "bedrock", "vertex"] = "anthropic"
    base_url: str = ""
    key_variable: str = ""
    region: str = ""
    project: str = ""
    can: tuple[Feature, ...] = ()


class WebRules(Written, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """What may be fetched from the web; nothing unless it is said here.

    Attributes:
        hosts: Hosts or patterns such as `*.python.org` that `fetch` may reach.
        page_bytes_max: Bytes that one page may have.
        page_seconds: How long one page may take, in seconds.
        robots: Whether a host's robots.txt is kept to.
        searches_max: Searches that a model call may have its provider make; 0: none.
    """

    hosts: tuple[str, ...] = ()
    page_bytes_max: Annotated[int, msgspec.Meta(ge=1_000, le=50_000_000)] = 2_000_000
    page_seconds: Seconds = 30.0
    robots: bool = True
    searches_max: FewOrNone = 0


class McpRules(Written, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Which MCP servers may be started and how; none unless it is named here.

    Attributes:
        servers: Servers by their names in `.mcp.json` or in a role's file.
        read_only: Tools, or patterns such as `mcp__docs__*`, that change nothing: these
            are run at the same time as others, and again after a crash.
        call_seconds: How long one call may take, in seconds.
        restarts_max: How often a server that has died is started again for a member.
    """

    servers: tuple[str, ...] = ()
    read_only: tuple[str, ...] = ()
    call_seconds: Seconds = 60.0
    restarts_max: Few = 3


class ModelRules(Written, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Which models may answer.

    Attributes:
        allow: Names or patterns such as `claude-*`.
        prices: By model, what it costs where the price table does not know or is wrong.
    """

    allow: tuple[str, ...] = ("*",)
    prices: dict[str, Price] = {}


class RoleRules(Written, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """What members of a role may do; a field that is absent allows all that the role has.

    Attributes:
        tools: Tools that they may use, beside the one that returns.
        sources: Source groups or path patterns that they may read; `!` before one forbids it.
        areas: Decision areas in which they may record, challenge and answer.
        writes: Paths that they may write; none unless given.
        models: Models that may answer for them.
        instructions: Files such as `CLAUDE.md` or `AGENTS.md` that they are given to read.
        skills: Skills that they may load, by name or by folder.
    """

    tools: tuple[str, ...] | None = None
    sources: tuple[str, ...] | None = None
    areas: tuple[Token, ...] | None = None
    writes: tuple[str, ...] = ()
    models: tuple[str, ...] | None = None
    instructions: tuple[str, ...] = ()
    skills: tuple[str, ...] = ()


class ProjectPolicy(Written, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """A `peerteam.toml`: what holds for every team of a project."""

    limits: Limits = Limits()
    triage: TriageLimits = TriageLimits()
    gate: GateLimits = GateLimits()
    models: ModelRules = ModelRules()
    roles: dict[str, RoleRules] = {}
    approve: Approvals = Approvals()
    web: WebRules = WebRules()
    mcp: McpRules = McpRules()
    providers: dict[str, Provider] = {}

    def of_role(self, role: str) -> RoleRules:
        """What holds for a role; nothing is forbidden to one that is not named."""
        return self.roles.get(role, RoleRules())

    def allows_model(self, role: str, model: str) -> bool:
        """Whether a model may answer for a role."""
        patterns = self.of_role(role).models
        return _matches(model, self.models.allow) and (
            patterns is None or _matches(model, patterns)
        )


def at_provider(model: str, providers: Mapping[str, Provider]) -> tuple[str, str]:
    """The provider that a model's name begins with, and its name there.

    Returns:
        An empty name and the whole model where it begins with none: the default answers.
    """
    name, _, there = model.partition("/")
    return (name, there) if there and name in providers else ("", model)


def _matches(name: str, patterns: tuple[str, ...]) -> bool:
    return any(fnmatchcase(name, pattern) for pattern in patterns)


# --- together --------------------------------------------------------------------


def tightened_policy(own: Policy, limits: Limits) -> Policy:
    """A team's limits, none of them above the project's, and no task's above the run's."""
    changes: dict[str, float] = {}
    for name in Limits.__struct_fields__:
        ours, theirs = getattr(own, name), getattr(limits, name)
        if theirs is None:
            continue
        pick = max if name == "reserve_share" else min
        changes[name] = theirs if ours is None else pick(ours, theirs)
    together = msgspec.structs.replace(own, **changes)
    return msgspec.structs.replace(
        together,
        tokens_max=min(together.tokens_max, together.run_tokens_max),
        seconds_max=min(together.seconds_max, together.run_seconds_max),
        dollars_max=min(
            (d for d in (together.dollars_max, together.run_dollars_max) if d is not None),
            default=None,
        ),
    )


def tightened_triage(own: TriageRules, limits: TriageLimits) -> TriageRules:
    """A team's rules of triage; it may not be larger, nor pay less attention to its size."""
    given = {
        name: value
        for name in TriageLimits.__struct_fields__
        if (value := getattr(limits, name)) is not None
    }
    return msgspec.structs.replace(
        own,
        lanes_min=max(own.lanes_min, given.get("lanes_min", 2)),
        comparison_max=min(own.comparison_max, given.get("comparison_max", 64)),
        lane_tokens_min=max(own.lane_tokens_min, given.get("lane_tokens_min", 0)),
    )


def tightened_gate(own: GateRules, limits: GateLimits) -> GateRules:
    """A team's gate, asking no less than the project does."""
    verifiers = max(own.verifiers, limits.verifiers or 1)
    needed = own.verifiers if own.upheld_min is None else own.upheld_min
    if own.upheld_min is None and verifiers > own.verifiers:
        needed = verifiers
    return msgspec.structs.replace(
        own,
        checks=tuple(dict.fromkeys((*own.checks, *limits.checks))),
        verifiers=verifiers,
        upheld_min=min(max(needed, limits.upheld_min or 1), verifiers),
        canaries=own.canaries or bool(limits.canaries),
    )


def tightened_approvals(own: Approvals, others: Approvals) -> Approvals:
    """All that either asks a person for."""
    amounts = [a for a in (own.over_dollars, others.over_dollars) if a is not None]
    return Approvals(
        plan=own.plan or others.plan,
        result=own.result or others.result,
        areas=tuple(dict.fromkeys((*own.areas, *others.areas))),
        over_dollars=min(amounts) if amounts else None,
    )
