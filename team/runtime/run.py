"""Open a run: from what the user asked to the first two messages of a stream.

Everything that can be wrong with the request is an error here, before a token is
spent and before the stream exists.
"""

from __future__ import annotations

import os
import tempfile
from collections import Counter
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Final, Literal

import msgspec

from bus import subjects
from bus.artifacts import create_artifacts, put_artifact
from bus.connection import Connection
from bus.errors import BusError, ConflictError, RunExistsError
from bus.feed import create_feed
from bus.ids import LEAD, check_token, new_run_id
from bus.messages import ArtifactRef, MemberSeated, RunOpened
from bus.run_stream import Entry, RunStream, create_run
from bus.streams import delete_stream
from roles import Role, get_role
from team.agent.models.cassette.environment import (
    check_cassette,
    is_recording,
    reads_pictures,
)
from team.agent.models.cassette.recording import Recording
from team.agent.models.needs import unmet_of_default
from team.agent.models.priced import price_table
from team.agent.models.rehearsal.faults import (
    FAULTS_VARIABLE,
    LATENCY_VARIABLE,
    parse_faults,
    parse_latency,
)
from team.agent.models.silence import SILENT_VARIABLE, parse_silent
from team.errors import SpecError
from team.members.library_cache import library_path
from team.rules.limits import tokens_of
from team.rules.world import lead_filters
from team.runtime.budget import Ask, check_ask, within
from team.runtime.given import given_to
from team.runtime.home import cache_dir
from team.runtime.permitted import (
    check_models,
    check_providers,
    check_recordable,
    check_seats,
    names_provider,
    narrowed,
    policy_of_project,
)
from team.runtime.servers import Chosen, choose_servers, with_servers
from team.runtime.standing import Standing, bring_in, read_standing
from team.sources import GENERATED, Collection, LibraryInfo, Skipped, build_library, collect
from team.spec import ResolvedSpec, SourceGroupDoc, TeamSpec, find_spec, load_spec, tightened
from team.tool_names import TOOL_NAMES

Provider = Literal["anthropic", "rehearsal"]
REHEARSAL_MODEL: Final = "rehearsal-1"
GOAL_CHARACTERS_MAX: Final = 20_000


class RunRequest(msgspec.Struct, frozen=True, kw_only=True):
    """What the user asked for.

    Attributes:
        team: Name or path of a team spec.
        goal: The question.
        sources: Files, folders, globs.
        cwd: Where relative paths and project files are looked for.
        mode: `auto`, `team` or `solo`.
        model: A model for every seat; `rehearsal` for none.
        run: The run's id, if the user chose one.
        decisions: Decision records that hold from the start, beside those of the spec.
        policy: A policy in place of the project's own.
        ask: What the user lets the run spend.
        is_dry: Whether it is only said what the run would do: that needs no key.
    """

    team: str
    goal: str
    sources: tuple[str, ...]
    cwd: Path
    mode: Literal["auto", "team", "solo"] = "auto"
    model: str | None = None
    run: str | None = None
    decisions: tuple[str, ...] = ()
    policy: str | None = None
    ask: Ask = Ask()
    is_dry: bool = False


class Prepared(msgspec.Struct, frozen=True, kw_only=True):
    """A request that was checked, and nothing was started yet.

    `policy` is the file that holds, `servers` the MCP servers with what is secret about them,
    `replayed` the recording that is replayed, `artifacts` the skills to be kept with the run.
    """

    run: str
    goal: str
    mode: Literal["auto", "team", "solo"]
    spec: ResolvedSpec
    collection: Collection
    standing: Standing = Standing()
    policy: Path | None = None
    servers: Chosen = Chosen()
    replayed: Recording | None = None
    artifacts: tuple[bytes, ...] = ()


def choose_provider(
    model: str | None, replayed: str | None = None, *, is_named: bool = False
) -> Provider:
    """Rehearsal if asked for, or if there is neither a key nor an address; else real.

    A replayed run has the provider of its recording, and needs no key.

    Args:
        model: The model that the user asks for.
        replayed: The provider of the recording that is replayed.
        is_named: Whether a model is asked for at a provider by name.
    """
    if replayed is not None:
        return "rehearsal" if replayed == "rehearsal" else "anthropic"
    if model == "rehearsal":
        return "rehearsal"
    has_any = is_named or unmet_of_default() is None
    if not has_any and model is not None:
        raise SpecError(
            "--model", "", f"{model!r} needs a key", "set ANTHROPIC_API_KEY, or --model rehearsal"
        )
    return "anthropic" if has_any else "rehearsal"


def prepare(request: RunRequest) -> Prepared:
    """Check a request and load all that it names.

    Raises:
        SpecError: Goal, amounts, spec, policy or model are not usable.
        RoleError: A role file is not usable.
        SourceError: A source is not there or not readable.
        AdrError: Decision records are not there.
        InvalidNameError: The run's id can't be used.
    """
    goal = _goal_of(request)
    check_ask(request.ask)
    project, policy = policy_of_project(request.cwd, request.policy)
    team = within(tightened(load_spec(find_spec(request.team, request.cwd)), project), request.ask)
    check_seats(team)
    replayed = check_cassette()
    roles = load_roles(team, request.cwd)
    # A replay starts no server: what is secret about one need not be here.
    known = os.environ if replayed is None else None
    servers = choose_servers(team, roles, project, request.cwd, known)
    roles = narrowed(with_servers(roles, servers), project)
    asked = ResolvedSpec(
        team=team, roles=roles, provider="anthropic", model=request.model, project=project
    )
    given = given_to(roles, project, policy)
    provider = _provider(request, asked, replayed)
    check_model_settings(provider)
    if not request.sources and not project.web.hosts:
        fix = "give files, folders or globs with --source, or name [web] hosts in the policy"
        raise SpecError("--source", "", "no source is named", fix)
    pictures = reads_pictures(provider, replayed)
    collection = collect(request.sources, request.cwd, pictures=pictures)
    spec = msgspec.structs.replace(
        asked,
        provider=provider,
        groups=_groups_of(collection),
        model=REHEARSAL_MODEL if provider == "rehearsal" else request.model,
        price_table="" if provider == "rehearsal" else price_table(),
        servers=servers.docs,
        given=given.roles,
    )
    check_models(spec, request.ask.usd)
    if provider != "rehearsal" and replayed is None and not request.is_dry:
        check_providers(spec)
    if is_recording():
        check_recordable(spec)
    return Prepared(
        run=_run_id(request.run),
        goal=goal,
        mode=request.mode,
        spec=spec,
        collection=collection,
        standing=read_standing((*team.decisions.standing, *request.decisions), request.cwd),
        policy=policy,
        servers=servers,
        replayed=replayed,
        artifacts=given.artifacts,
    )


def _goal_of(request: RunRequest) -> str:
    goal = request.goal.strip()
    if not goal:
        raise SpecError("goal", "", "it is empty", "say what the team is to find out")
    if not _is_text(goal):
        raise SpecError("goal", "", "it is not UTF-8", "give it as text")
    if len(goal) > GOAL_CHARACTERS_MAX:
        raise SpecError(
            "goal", "", f"{len(goal)} characters, at most {GOAL_CHARACTERS_MAX}", "put it in a file"
        )
    return goal


def _groups_of(collection: Collection) -> tuple[SourceGroupDoc, ...]:
    held = Counter[str]()
    for file in collection.files:
        held[file.group] += file.weight_bytes
    return tuple(
        SourceGroupDoc(
            name=g.name, title=g.title, root=g.root, files=g.files, tokens=tokens_of(held[g.name])
        )
        for g in collection.groups
    )


def _provider(request: RunRequest, asked: ResolvedSpec, replayed: Recording | None) -> Provider:
    """Who answers; of a run that is not made, who would once there is a key."""
    if request.is_dry and replayed is None and request.model != "rehearsal":
        return "anthropic"
    recorded = None if replayed is None else replayed.manifest.provider
    return choose_provider(request.model, recorded, is_named=names_provider(asked))


def _run_id(asked: str | None) -> str:
    if asked is None:
        return new_run_id()
    if asked.startswith("-"):
        raise SpecError("--run", "", f"{asked!r} looks like an option", "begin it with a letter")
    return check_token("run", asked)


def _is_text(goal: str) -> bool:
    try:
        goal.encode()
    except UnicodeEncodeError:
        return False
    return True


def check_model_settings(provider: str) -> None:
    """Refuse settings of model calls that can't be used.

    Raises:
        SpecError: Names the variable and what is wrong with it.
    """
    parsers: dict[str, Callable[[str], object]] = {SILENT_VARIABLE: parse_silent}
    if provider == "rehearsal":
        parsers |= {FAULTS_VARIABLE: parse_faults, LATENCY_VARIABLE: parse_latency}
    for name, parse in parsers.items():
        try:
            parse(os.environ.get(name, ""))
        except ValueError as error:
            raise SpecError("environment", name, str(error), "mend or unset it") from error


def load_roles(team: TeamSpec, cwd: Path) -> dict[str, Role]:
    """Load every role file that a team needs.

    Raises:
        RoleError: One is missing or not usable.
    """
    names = dict.fromkeys((team.roles.lead, team.roles.worker, team.roles.verifier))
    return {name: get_role(name, cwd, TOOL_NAMES) for name in names}


def index_sources(collection: Collection) -> tuple[bytes, LibraryInfo]:
    """Build the run's library, once; returns its bytes and what is in it."""
    with tempfile.TemporaryDirectory(prefix="peerteam-") as folder:
        path = Path(folder) / "library.db"
        info = build_library(collection, path)
        return path.read_bytes(), info


async def open_new_run(
    connection: Connection, prepared: Prepared, library: bytes, *, replicas: int = 1
) -> RunStream:
    """Make the stream of a run: its spec, its library, the lead's seat, what is decided.

    Raises:
        RunExistsError: There is a run of that name.
        TooFewNodesError: There is no place for so many copies; nothing is left behind.
    """
    run = prepared.run
    stream = await create_run(connection, run, label=prepared.goal, replicas=replicas)
    try:
        await create_artifacts(connection, run, replicas=replicas)
    except BusError:
        await delete_stream(connection, stream.name)
        raise
    ref = await put_artifact(connection, run, library, name="library.db")
    _keep(ref, library)
    for data in prepared.artifacts:
        await put_artifact(connection, run, data, name="skill")
    # Before the run is opened: one that is killed here was never opened, and is not resumed.
    await bring_in(stream, prepared.standing)
    filters = lead_filters(run)
    await create_feed(connection, run, LEAD, filters)
    opened = RunOpened(
        goal=prepared.goal,
        spec=msgspec.Raw(msgspec.json.encode(prepared.spec)),
        mode=prepared.mode,
        model=prepared.spec.model_of(prepared.spec.team.roles.worker),
        sources=ref,
        replay=prepared.replayed is not None,
    )
    seat = MemberSeated(role=prepared.spec.team.roles.lead, filters=filters)
    entries = [
        Entry(subject=subjects.spec(run), body=opened, expect=0),
        Entry(subject=subjects.member(run, LEAD, LEAD), body=seat, expect=0),
    ]
    try:
        await stream.commit(entries)
    except ConflictError as error:
        raise RunExistsError(run) from error
    return stream


def skipped_lines(skipped: Sequence[Skipped]) -> list[str]:
    """What was left out of the sources and might be missed, as lines for people."""
    return [f"{one.path}: {one.reason}" for one in skipped if one.reason != GENERATED]


def _keep(ref: ArtifactRef, data: bytes) -> None:
    """Put the library where members of this machine look first."""
    path = library_path(cache_dir(), ref)
    if not path.exists():
        path.parent.mkdir(parents=True, exist_ok=True)
        temporary = path.with_suffix(f".{os.getpid()}.tmp")
        temporary.write_bytes(data)
        temporary.replace(path)
