"""`team run` and `team resume`: check, open, supervise, show, leave the files."""

from __future__ import annotations

import argparse
import asyncio
import sys
from contextlib import nullcontext, suppress
from pathlib import Path

from bus.access import Access, revive
from bus.connection import Connection, connect
from bus.errors import BusLostError
from bus.run_stream import RunStream, open_run
from team.agent.models.cassette.format import PROVES
from team.agent.models.cassette.recording import Recording
from team.cli import exit_codes
from team.cli.common import access_of, describe_run, print_json, read_run
from team.cli.resumable import run_to_resume
from team.cli.spending import (
    check_options,
    may_start,
    more_command,
    other_prices,
    show_dry_run,
)
from team.errors import SpecError
from team.mcp_files import McpServer
from team.rules.approvals import waits_only
from team.runtime.budget import parse_ask, said_of
from team.runtime.home import run_dir
from team.runtime.launch import warm_up
from team.runtime.logs import log_to_file
from team.runtime.orders import check_can_go_on
from team.runtime.run import (
    Prepared,
    RunRequest,
    index_sources,
    open_new_run,
    prepare,
    skipped_lines,
)
from team.runtime.servers import servers_again
from team.runtime.session import SessionEnd, supervise
from team.runtime.standing import Standing
from team.runtime.tape import Replay, check_fits, keep, tape_folder
from team.spec import ResolvedSpec
from team.views.files import write_files
from team.views.follow import Follower
from team.views.output import write_data, write_note
from team.views.progress import show_progress
from team.views.report import report_page
from team.views.run_object import RunObject
from team.views.text import summary_text


def run_command(options: argparse.Namespace) -> int:
    """Run a team on a goal."""
    check_options(options)
    with tape_folder(options.record, options.replay):
        return _run_request(options)


def _run_request(options: argparse.Namespace) -> int:
    goal = _read_goal() if options.goal == "-" else options.goal
    ask = parse_ask(options.budget, options.max_tokens)
    prepared = prepare(
        RunRequest(
            team=options.spec,
            goal=goal,
            sources=tuple(options.source),
            cwd=Path.cwd(),
            mode=options.mode,
            model=options.model,
            run=options.run,
            decisions=tuple(options.decisions),
            policy=options.policy,
            ask=ask,
            is_dry=options.dry_run,
        )
    )
    for line in said_of(ask, prepared.spec.team.policy):
        write_note(line)
    if options.dry_run:
        return show_dry_run(options, prepared, ask)
    if ask.usd is not None or ask.tokens is not None:
        # A plan by code takes what members are made of, the SDK too: only who needs one pays.
        from team.runtime.enough import check_budget

        check_budget(prepared.spec, ask)
    for line in check_fits(prepared) if prepared.replayed is not None else ():
        write_note(f"stale: {line}")
    warm_up(with_mcp=bool(prepared.servers.servers))
    access = access_of(options)
    return asyncio.run(_run(options, access, prepared))


def _read_goal() -> str:
    try:
        return sys.stdin.buffer.read().decode()
    except UnicodeDecodeError as error:
        raise SpecError("goal", "", f"it is not UTF-8 ({error})", "send text") from error


def resume_command(options: argparse.Namespace) -> int:
    """Take up a run where it stopped."""
    access = access_of(options)
    return asyncio.run(_resume(options, access))


async def _run(options: argparse.Namespace, access: Access, prepared: Prepared) -> int:
    async with connect(access, name="team run") as connection:
        await connection.check_jetstream()
        library, info = await asyncio.to_thread(index_sources, prepared.collection)
        if not await asyncio.to_thread(may_start, options, prepared, library, info):
            write_note("nothing was started, nothing is spent")
            return exit_codes.CANCELLED
        stream = await open_new_run(connection, prepared, library, replicas=options.replicas)
        skipped = skipped_lines(info.skipped)
        write_note(
            f"run {prepared.run}: {info.documents} sources, {info.passages} passages indexed"
        )
        if skipped:
            write_note(f"{len(skipped)} files were left out, first: {skipped[0]}")
        _say_policy(prepared)
        _say_standing(prepared.standing)
        for line in prepared.servers.left_out:
            write_note(f"left out: {line}")
        _say_provider(prepared.spec)
        servers = prepared.servers.servers
        code = await _session(
            options, access, connection, stream, prepared.spec, servers, prepared.replayed
        )
        await keep(stream, prepared, options.record)
        return code


async def _resume(options: argparse.Namespace, access: Access) -> int:
    async with connect(access, name="team resume") as connection:
        await connection.check_jetstream()
        if options.run is None or options.last:
            options.run = await run_to_resume(connection, options.run, is_last=options.last)
        stream = await open_run(connection, options.run)
        _, state = await read_run(connection, options.run)
        spec = check_can_go_on(options.run, state)
        if state.result is not None:
            write_note(f"run {options.run} has ended already: {state.result.status}")
            return _finish(options, await describe_run(connection, options.run, state))
        servers = servers_again(spec, options.run, Path.cwd())
        warm_up(with_mcp=bool(servers))
        _say_provider(spec)
        for line in other_prices(spec):
            write_note(line)
        return await _session(options, access, connection, stream, spec, servers)


def _say_policy(prepared: Prepared) -> None:
    if prepared.policy is not None:
        write_note(f"policy: {prepared.policy} holds for this run")


def _say_standing(standing: Standing) -> None:
    if standing.adrs or standing.left_out:
        write_note(f"{len(standing.adrs)} standing decisions hold from the start")
    for one in standing.left_out:
        write_note(f"left out: {one.path}: {one.reason}")


def _say_provider(spec: ResolvedSpec) -> None:
    if spec.provider == "rehearsal":
        write_note(
            "No language model is used: this is the rehearsal model, which quotes the sources "
            "and writes nothing of its own. Set ANTHROPIC_API_KEY to run on Claude."
        )


async def _session(
    options: argparse.Namespace,
    access: Access,
    connection: Connection,
    stream: RunStream,
    spec: ResolvedSpec,
    servers: tuple[McpServer, ...],
    replayed: Recording | None = None,
) -> int:
    run = stream.run
    log_to_file(run_dir(run) / "logs" / "supervisor.log")
    known_seq = await stream.last_seq()
    connection.patience_s = spec.team.liveness.bus_away_seconds
    replay = None
    if replayed is not None:
        replay = Replay(replayed, stream, options.replay or str(replayed.folder))

    def is_over() -> bool:
        if replay is not None and replay.is_off(follower.state):
            return True
        is_known = follower.state.last_seq >= known_seq
        return options.no_wait and is_known and waits_only(follower.state)

    async with (
        show_progress(Follower(connection, run), is_quiet=options.quiet) as follower,
        replay or nullcontext(),
    ):
        end = await supervise(
            connection,
            run,
            access=access,
            provider=spec.provider,
            restarts_max=spec.team.policy.restarts_max,
            liveness=spec.team.liveness,
            servers=servers,
            is_over=is_over,
        )
        if end.how == "no bus":
            raise BusLostError(run, connection.patience_s, end.reason)
        # It may have died with the run's last record, when nobody looked after it any more.
        await asyncio.to_thread(revive, access)
        await follower.caught_up(await stream.last_seq())
    state = follower.state
    if replay is not None and end.how != "interrupted":
        same = await replay.check(state)
        write_note(f"replayed: {same} messages are the same but for times and ids. {PROVES}")
    shown = await describe_run(connection, run, state, may_be_live=False)
    if state.result is not None:
        shown = write_files(run_dir(run), shown, report_page(shown, state))
    code = _finish(options, shown, end, can_resume=replay is None)
    again = more_command(options, shown.usage) if options.command == "run" else None
    if again is not None:
        write_note(f"try again with more: {again}")
    return code


def _finish(
    options: argparse.Namespace,
    shown: RunObject,
    end: SessionEnd | None = None,
    *,
    can_resume: bool = True,
) -> int:
    """Print the result and say by the exit code what it is."""
    with suppress(BrokenPipeError):
        # The exit code and the files say it too, if nobody reads on.
        if options.json:
            print_json(shown)
        elif shown.result is not None:
            write_data(shown.result.text)
    write_note(summary_text(shown))
    if shown.status in ("stopped", "stalled", "waiting"):
        if end is not None and end.reason:
            write_note(f"stalled: {end.reason}")
        if can_resume:
            write_note(f"take it up again with: team resume {shown.run}")
    was_stopped = end is not None and end.how == "interrupted" and shown.result is None
    if shown.status == "running" or was_stopped:
        return exit_codes.INTERRUPTED
    return exit_codes.OF_STATUS[shown.status]
