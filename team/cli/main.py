"""`team`: one parser, one place where errors become messages and exit codes."""

from __future__ import annotations

import argparse
import logging
import os
import sys
import traceback
from collections.abc import Sequence

import structlog

from bus.errors import BusError, InvalidNameError, RunExistsError, RunNotFoundError
from roles import RoleError
from team.cli import (
    act_commands,
    exit_codes,
    look_commands,
    project_commands,
    run_command,
    server_commands,
)
from team.cli.common import note
from team.errors import TeamError

DESCRIPTION = "Run a team of LLM agents as peers on a message bus, to a gated and cited result."
EPILOG = """start here:
  team doctor                                     what is installed and reachable
  team run research "…" --source DIR              run a team
  team ps                                         the runs there are
  team show RUN                                   one of them

Every command has --help with examples."""


def build_parser() -> argparse.ArgumentParser:
    """Make the parser of all commands."""
    parser = argparse.ArgumentParser(
        prog="team",
        description=DESCRIPTION,
        epilog=EPILOG,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("--version", action="store_true", help="print the version and exit")
    commands = parser.add_subparsers(dest="command", metavar="COMMAND", title="commands")
    for module in (run_command, look_commands, act_commands, project_commands, server_commands):
        module.add_parsers(commands)
    return parser


def main(argv: Sequence[str] | None = None) -> int:
    """Run one command; returns its exit code."""
    parser = build_parser()
    options = parser.parse_args(argv)
    _configure_logs()
    if options.version:
        print(project_commands.version())
        return exit_codes.OK
    if options.command is None:
        parser.print_help()
        return exit_codes.BAD_INPUT
    try:
        return int(options.handler(options))
    except (RoleError, TeamError, InvalidNameError, RunExistsError, RunNotFoundError) as error:
        return _fail(str(error), exit_codes.BAD_INPUT)
    except BusError as error:
        return _fail(str(error), exit_codes.NO_BUS)
    except KeyboardInterrupt:
        return _fail("interrupted", exit_codes.INTERRUPTED)
    except BrokenPipeError:
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return exit_codes.OK
    except Exception as error:  # noqa: BLE001 - the last place where it can be told
        traceback.print_exc()
        return _fail(f"this is a bug in peerteam, please report it: {error!r}", exit_codes.INTERNAL)


def _fail(message: str, code: int) -> int:
    note(f"team: {message}")
    return code


def _configure_logs() -> None:
    """Warnings and errors to stderr; members write their own files."""
    structlog.configure(
        processors=[
            structlog.contextvars.merge_contextvars,
            structlog.processors.add_log_level,
            structlog.dev.ConsoleRenderer(colors=sys.stderr.isatty()),
        ],
        wrapper_class=structlog.make_filtering_bound_logger(logging.WARNING),
        logger_factory=structlog.PrintLoggerFactory(file=sys.stderr),
    )


if __name__ == "__main__":
    sys.exit(main())
