"""`team compare`: plan, hash, run the arms, judge, print an honest answer."""

from __future__ import annotations

import argparse
import asyncio
import signal
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Final

import msgspec

from bus.access import Access
from bus.connection import connect
from team.agent.models.cassette.environment import folders
from team.cli import exit_codes
from team.cli.common import access_of, print_json
from team.cli.parser_compare import ENOUGH, TRIALS
from team.compare.analysis import REHEARSAL, Report, analysed, share_right
from team.compare.arms import DEFAULT
from team.compare.results import (
    REPORT_JSON,
    REPORT_TEXT,
    Plan,
    Row,
    add_departure,
    read_departures,
    read_plan,
    read_rows,
    worked_on,
    write_plan,
    write_whole,
)
from team.compare.session import Comparison
from team.compare.setting import Asked, departures_of, make_plan
from team.compare.tasks import Command
from team.errors import SpecError
from team.runtime.budget import parse_tokens
from team.runtime.launch import warm_up
from team.runtime.logs import log_to_file
from team.runtime.run import check_model_settings
from team.views.comparison import report_text, row_text
from team.views.output import write_data, write_note

TEAM: Final = "research"
_COMMAND: Final = "team compare"
_TOKENS_FIX: Final = (
    "give tokens for one arm and task, 2000000, 800k or 2M; it is no amount in dollars"
)
_NOT_AGAIN: Final = (
    "tasks",
    "budget",
    "arms",
    "trials",
    "team",
    "model",
    "policy",
    "seed",
    "out",
    "enough",
)
"""What is in the plan, and so can't be asked for otherwise when it is taken up again."""


def compare(options: argparse.Namespace) -> int:
    """Compare arms on a file of tasks."""
    if any(folder is not None for folder in folders()):
        reason = "a comparison is neither recorded nor replayed"
        raise SpecError(_COMMAND, "environment", reason, "unset what asks for it")
    if options.resume is not None:
        folder, plan, digest = _taken_up(options)
    else:
        folder, plan, digest = _begun(options)
    with worked_on(folder):
        if options.resume is not None:
            for text in departures_of(plan):
                add_departure(folder, text)
        check_model_settings(plan.provider)
        _say(options, plan, folder, digest)
        warm_up()
        log_to_file(folder / "supervisor.log")
        return asyncio.run(_compare(options, access_of(options), plan, digest, folder))


def _begun(options: argparse.Namespace) -> tuple[Path, Plan, str]:
    if options.tasks is None:
        raise SpecError(_COMMAND, "TASKS", "no tasks are named", "name a file, or --resume DIR")
    if options.budget is None:
        fix = "say what each arm may spend on one task, such as --budget 2M"
        raise SpecError(_COMMAND, "--budget", "there is none", fix)
    plan = make_plan(
        Asked(
            tasks_file=Path(options.tasks),
            budget=parse_tokens(options.budget, "--budget", _TOKENS_FIX),
            arms=DEFAULT if options.arms is None else options.arms,
            trials=options.trials or TRIALS,
            seed=options.seed or 0,
            team=options.team or TEAM,
            model=options.model,
            policy=options.policy,
            enough=options.enough or ENOUGH,
            asks_all=options.all,
            allows_commands=options.allow_commands,
            cwd=Path.cwd(),
        )
    )
    folder = Path(options.out or time.strftime("compare-%m%d-%H%M%S")).absolute()
    return folder, plan, write_plan(folder, plan)


def _taken_up(options: argparse.Namespace) -> tuple[Path, Plan, str]:
    given = [name for name in _NOT_AGAIN if getattr(options, name) is not None]
    if given:
        fix = "the plan of what was begun holds; begin anew for another"
        raise SpecError(_COMMAND, given[0], "it can't be changed with --resume", fix)
    folder = Path(options.resume).absolute()
    plan, digest = read_plan(folder)
    has_commands = any(isinstance(one, Command) for task in plan.tasks for one in task.graders)
    if has_commands and not options.allow_commands:
        fix = "give --allow-commands again"
        raise SpecError(str(folder), "graders", "they would start programs of yours", fix)
    return folder, plan, digest


def _say(options: argparse.Namespace, plan: Plan, folder: Path, digest: str) -> None:
    if options.quiet:
        return
    answers = len(plan.tasks) * plan.trials * len(plan.arms)
    counted = "price-weighted tokens" if plan.column == "weighted" else "tokens"
    write_note(f"plan {digest[:8]} in {folder}: {', '.join(plan.arms)}")
    most = f"{plan.budget * answers:,} {counted}"
    if plan.unit_usd is not None:
        most += f" (${plan.budget * answers * plan.unit_usd:,.2f})"
    write_note(f"{answers} answers, {plan.budget:,} {counted} each: at most {most} in all")
    if plan.provider == REHEARSAL:
        write_note("No language model is used: this shows the mechanics, and no claim is made.")


async def _compare(
    options: argparse.Namespace, access: Access, plan: Plan, digest: str, folder: Path
) -> int:
    def tell(row: Row, done: int, planned: int) -> None:
        if not options.quiet:
            write_note(row_text(row, done, planned))

    async with connect(access, name="team compare") as connection:
        await connection.check_jetstream()
        session = Comparison(connection, access, plan, digest, folder, jobs=options.jobs, tell=tell)
        is_rung = False
        try:
            with _stopped_by_signals(session):
                await session.first()
                is_rung = _is_enough(options, plan, folder, session.rows)
                if not is_rung and not session.is_stopping:
                    await session.others()
        finally:
            report = _write_report(plan, digest, folder, is_rung=is_rung)
    if options.json:
        print_json(report)
    else:
        write_data(report_text(report, session.rows).rstrip())
    write_note(f"report: {folder / REPORT_TEXT}")
    if session.is_stopping:
        write_note(f"interrupted; go on with: team compare --resume {folder}")
        return exit_codes.INTERRUPTED
    if is_rung:
        write_note(f"go on all the same with: team compare --resume {folder} --all")
    return exit_codes.OK


def _is_enough(options: argparse.Namespace, plan: Plan, folder: Path, rows: Sequence[Row]) -> bool:
    """Whether a single agent is so good that it ends here; that it was overruled is noted."""
    share = share_right(rows)
    if plan.asks_all or share < plan.enough:
        return False
    if options.all:
        said = f"all arms were run although a single agent was right on {share:.0%}"
        add_departure(folder, f"{said}, and {plan.enough:.0%} was to be enough")
    return not options.all


def _write_report(plan: Plan, digest: str, folder: Path, *, is_rung: bool) -> Report:
    rows = read_rows(folder)
    report = analysed(plan, digest, rows, read_departures(folder), is_rung=is_rung)
    data = msgspec.json.format(msgspec.json.encode(report), indent=2)
    write_whole(folder / REPORT_JSON, data)
    write_whole(folder / REPORT_TEXT, report_text(report, rows).encode())
    return report


@contextmanager
def _stopped_by_signals(session: Comparison) -> Iterator[None]:
    """Let Ctrl-C and SIGTERM stop a comparison cleanly."""
    loop = asyncio.get_running_loop()
    numbers = (signal.SIGINT, signal.SIGTERM)
    for number in numbers:
        loop.add_signal_handler(number, session.stop)
    try:
        yield
    finally:
        for number in numbers:
            with suppress(ValueError):
                loop.remove_signal_handler(number)
