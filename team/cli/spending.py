"""What `team run` does about money around a run: the dry run, the question, how to go on."""

from __future__ import annotations

import argparse
import shlex
import sys
from typing import TYPE_CHECKING

import msgspec

from team.agent.models.priced import price_table
from team.cli import exit_codes
from team.cli.common import print_json
from team.errors import SpecError
from team.runtime.budget import Ask
from team.runtime.run import Prepared, index_sources
from team.sources import LibraryInfo
from team.spec import ResolvedSpec
from team.views.output import write_data, write_note
from team.views.usage import UsageRow

if TYPE_CHECKING:
    from team.runtime.dry_run import DryRun


def check_options(options: argparse.Namespace) -> None:
    """Refuse options that do not go together.

    Raises:
        SpecError: A dry run is to be recorded or replayed.
    """
    if options.dry_run and (options.record or options.replay):
        which = "--record" if options.record else "--replay"
        raise SpecError(which, "", "a dry run makes no call", "leave it or --dry-run out")


def show_dry_run(options: argparse.Namespace, prepared: Prepared, ask: Ask) -> int:
    """Print what a run would do, and whether it would be refused for too small an amount."""
    # A plan by code takes what members are made of, the SDK too: only who needs one pays.
    from team.runtime.dry_run import dry_run
    from team.runtime.enough import check_budget
    from team.views.dry_run import dry_run_text

    dry = dry_run(prepared, *index_sources(prepared.collection))
    try:
        check_budget(prepared.spec, ask)
    except SpecError as error:
        dry = msgspec.structs.replace(dry, refused=str(error))
    if options.json:
        print_json(dry)
    else:
        write_data(dry_run_text(dry))
    return exit_codes.OK if dry.refused is None else exit_codes.BAD_INPUT


def may_start(
    options: argparse.Namespace, prepared: Prepared, library: bytes, info: LibraryInfo
) -> bool:
    """Whether the run may be opened: a person is asked where the estimate is above policy.

    Where nobody can be asked here it goes on: before more is granted than policy lets pass
    unasked, the run itself asks, in its stream.
    """
    over = prepared.spec.team.approve.over_dollars
    is_paid = prepared.spec.provider != "rehearsal" and prepared.replayed is None
    if over is None or not is_paid:
        return True
    from team.runtime.dry_run import dry_run
    from team.views.dry_run import in_short

    dry = dry_run(prepared, library, info)
    likely = dry.estimate.likely.usd
    if likely is not None and likely <= over:
        return True
    write_note(f"estimate: {in_short(dry.estimate)}; above approve.over_dollars, ${over:,.2f}")
    if options.yes:
        return True
    if sys.stdin.isatty() and sys.stderr.isatty():
        return _agrees(over, dry)
    write_note(f"nobody can be asked here; the run asks before it grants more than ${over:,.2f}")
    return True


def _agrees(over: float, dry: DryRun) -> bool:
    asks = f"the run asks again before it grants more than ${over:,.2f}"
    write_note(f"{len(dry.lanes)} lanes, {dry.mode}; {asks}. Go on? [y/N]")
    return sys.stdin.readline().strip().lower() in ("y", "yes")


def other_prices(spec: ResolvedSpec) -> tuple[str, ...]:
    """That a run goes on with another price table than it began with, if it does."""
    if spec.price_table in ("", price_table()):
        return ()
    return (f"prices: the run began with {spec.price_table}; from here on {price_table()} holds",)


def more_command(options: argparse.Namespace, usage: UsageRow) -> str | None:
    """The command that tries again with twice as much of what was lacking.

    Nothing where nothing was lacking, or where an option would not widen it.
    """
    if usage.stopped_for == "dollars" and options.budget is not None:
        row, option = usage.dollars, "--budget"
    elif usage.stopped_for == "tokens" and options.max_tokens is not None:
        row, option = usage.tokens, "--max-tokens"
    else:
        return None
    if row is None or row.limit is None:
        return None
    more = f"{2 * row.limit:.2f}" if option == "--budget" else f"{2 * row.limit:.0f}"
    return shlex.join([*_words(options, but=option), option, more])


def _words(options: argparse.Namespace, *, but: str) -> list[str]:
    """The command as it was given, without the run's name and one option."""
    words = ["team", "run", options.spec, options.goal]
    for name in ("source", "decisions"):
        words += [part for value in getattr(options, name) for part in (f"--{name}", value)]
    for option in ("--policy", "--model", "--budget", "--max-tokens", "--nats"):
        value = getattr(options, option[2:].replace("-", "_"))
        words += [option, value] if value is not None and option != but else []
    return words + (["--mode", options.mode] if options.mode != "auto" else [])
