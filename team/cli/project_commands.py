"""`team roles`, `doctor`, `schema`: what is here, and is it sound?"""

from __future__ import annotations

import argparse
import asyncio
import os
import sys
from importlib import metadata
from pathlib import Path
from typing import Any

import msgspec

from bus.access import find_access
from bus.connection import Connection, connect
from bus.errors import BusError
from bus.messages import AnyMessage, type_name
from bus.server import find_binary
from bus.streams import most_replicas
from roles import find_roles
from roles.report import report_role_file, role_files_below
from team.agent.models.needs import unmet
from team.cli import exit_codes
from team.cli.common import nats_url, print_json
from team.errors import SpecError
from team.policy import ProjectPolicy, Provider
from team.project import the_policy
from team.runtime.home import state_dir
from team.runtime.run import choose_provider
from team.spec import TeamSpec
from team.tool_names import TOOL_NAMES
from team.views.columns import columns
from team.views.output import write_data
from team.views.roles import roles_report, roles_report_text
from team.views.run_object import RunObject

# --- roles -----------------------------------------------------------------------


def roles(options: argparse.Namespace) -> int:
    """List the role files there are, or say what became of each of their fields."""
    if options.report is not None:
        return _report(options)
    found = find_roles(Path.cwd(), TOOL_NAMES)
    if options.json:
        print_json(found)
        return exit_codes.OK
    rows = [("ROLE", "FROM", "WINS", "FILE")]
    for one in found:
        wins = "yes" if one.wins else f"no, {one.shadowed_by}"
        rows.append((one.name, one.origin, "broken" if one.error else wins, one.path))
    write_data("\n".join(columns(rows)))
    for one in found:
        if one.error:
            write_data(f"\n{one.error}")
        for ignored in one.role.ignored if one.role else ():
            write_data(
                f"\n{one.path}: {ignored.field}: {ignored.value!r} has no effect: {ignored.why}"
            )
    return exit_codes.OK


def _report(options: argparse.Namespace) -> int:
    folder = Path(options.report)
    if options.report and not folder.is_dir():
        raise SpecError("--report", "", f"{options.report!r} is no folder", "name one, or none")
    if options.report:
        paths = list(role_files_below(folder))
    else:
        paths = [Path(one.path) for one in find_roles(Path.cwd(), TOOL_NAMES)]
    report = roles_report([report_role_file(path, TOOL_NAMES) for path in paths])
    if options.json:
        print_json(report)
    else:
        write_data(roles_report_text(report))
    return exit_codes.OK


# --- doctor ----------------------------------------------------------------------


class Sign(msgspec.Struct, frozen=True, kw_only=True):
    """One thing that `team doctor` looked at."""

    what: str
    is_ok: bool
    says: str


def doctor(options: argparse.Namespace) -> int:
    """Say what is installed and reachable."""
    return asyncio.run(_doctor(options))


async def _doctor(options: argparse.Namespace) -> int:
    signs = [
        _python(),
        *_packages(),
        _binary(),
        *await _bus(options),
        _provider(),
        *_providers(),
        _home(),
    ]
    if options.json:
        print_json(signs)
    else:
        rows = [("ok" if sign.is_ok else "NO", sign.what, sign.says) for sign in signs]
        write_data("\n".join(columns(rows)))
    return exit_codes.OK if all(sign.is_ok for sign in signs) else exit_codes.INTERNAL


def _python() -> Sign:
    running = ".".join(map(str, sys.version_info[:3]))
    is_ok = sys.version_info >= (3, 11)
    return Sign(what="python", is_ok=is_ok, says=f"{running} ({sys.executable})")


def _packages() -> list[Sign]:
    signs: list[Sign] = []
    for name in ("peerteam", "anthropic", "nats-py", "msgspec", "structlog"):
        try:
            signs.append(Sign(what=name, is_ok=True, says=metadata.version(name)))
        except metadata.PackageNotFoundError:
            signs.append(Sign(what=name, is_ok=False, says="not installed: run 'make setup'"))
    return signs


def _binary() -> Sign:
    try:
        return Sign(what="nats-server", is_ok=True, says=str(find_binary()))
    except BusError as error:
        return Sign(what="nats-server", is_ok=False, says=str(error))


async def _bus(options: argparse.Namespace) -> list[Sign]:
    """Whether the bus is reachable; an embedded server that does not run is no fault."""
    try:
        access = find_access(state_dir(), nats_url(options))
        if access is None:
            says = "the embedded server does not run; commands start it when they need it"
            return [Sign(what="bus", is_ok=True, says=says)]
        async with connect(access, name="team doctor") as connection:
            await connection.check_jetstream()
            kind = "embedded" if access.server_dir else "yours"
            says = (
                f"nats-server {connection.server_version} at {connection.url} ({kind}), JetStream"
            )
            bus = Sign(what="bus", is_ok=True, says=says)
            return [bus, await _cluster(connection)] if connection.cluster else [bus]
    except BusError as error:
        return [Sign(what="bus", is_ok=False, says=str(error))]


async def _cluster(connection: Connection) -> Sign:
    """Which node answers, and how many copies of a run its cluster can keep now."""
    most = await most_replicas(connection)
    where = f"node {connection.node!r} of cluster {connection.cluster!r}"
    if most == 1:
        return Sign(what="cluster", is_ok=False, says=f"{where}: fewer than 3 nodes keep a run")
    says = f"{where}: {most} nodes at least, so --replicas {most} is possible (tried)"
    return Sign(what="cluster", is_ok=True, says=says)


def _provider() -> Sign:
    if choose_provider(None) == "rehearsal":
        says = "no key: the rehearsal model, which is no language model; set ANTHROPIC_API_KEY"
        return Sign(what="model", is_ok=True, says=says)
    given = [n for n in ("ANTHROPIC_API_KEY", "ANTHROPIC_AUTH_TOKEN") if os.environ.get(n)]
    where = os.environ.get("ANTHROPIC_BASE_URL") or "the Anthropic API"
    key = f"key from {given[0]}" if given else "no key"
    return Sign(what="model", is_ok=True, says=f"{where}, {key} (not tried: that would cost)")


def _providers() -> list[Sign]:
    """The providers of the policy that holds here, and what each of them lacks; no key is shown."""
    try:
        project, _ = the_policy(Path.cwd(), None)
    except SpecError as error:
        return [Sign(what="policy", is_ok=False, says=str(error))]
    signs: list[Sign] = []
    for name, provider in project.providers.items():
        missing = unmet(name, provider)
        says = _where(provider) if missing is None else f"{missing.reason}: {missing.fix}"
        signs.append(Sign(what=f"provider {name}", is_ok=missing is None, says=says))
    return signs


def _where(provider: Provider) -> str:
    where = provider.base_url or provider.region or "the address that the SDK finds"
    key = f"key from {provider.key_variable}" if provider.key_variable else _key_of(provider)
    return f"{provider.kind} at {where}, {key} (not tried: that would cost)"


def _key_of(provider: Provider) -> str:
    if provider.kind == "anthropic":
        return "no key" if provider.base_url else "key as the SDK finds it"
    return "credentials as the cloud's own library finds them"


def _home() -> Sign:
    folder = state_dir()
    try:
        folder.mkdir(parents=True, exist_ok=True)
        is_ok = os.access(folder, os.W_OK)
    except OSError:
        is_ok = False
    return Sign(what="state", is_ok=is_ok, says=str(folder) + ("" if is_ok else " is not writable"))


# --- schema ----------------------------------------------------------------------


def schema(options: argparse.Namespace) -> int:
    """Print a JSON Schema."""
    kinds: dict[str, Any] = {type_name(kind): kind for kind in AnyMessage.__args__}
    kinds |= {"message": AnyMessage, "result": RunObject, "spec": TeamSpec}
    kinds |= {"policy": ProjectPolicy}
    if options.type is None and options.json:
        print_json(sorted(kinds))
        return exit_codes.OK
    if options.type is None:
        write_data("\n".join(sorted(kinds)))
        return exit_codes.OK
    if options.type not in kinds:
        raise SpecError(
            options.type, "", "there is no such type", "'team schema' lists those there are"
        )
    print_json(msgspec.json.schema(kinds[options.type]))
    return exit_codes.OK
