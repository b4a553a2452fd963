"""`team`: find the command's handler, and turn errors into messages and exit codes."""

from __future__ import annotations

import argparse
import importlib
import io
import logging
import os
import sys
import traceback
from collections.abc import Sequence

from bus.errors import (
    BusError,
    InvalidNameError,
    KillPointError,
    RunExistsError,
    RunNotFoundError,
    TooLargeError,
)
from team.cli import exit_codes
from team.cli.parser import build_parser
from team.errors import TeamError
from team.views.output import write_data, write_note


def main(argv: Sequence[str] | None = None) -> int:
    """Run one command; returns its exit code."""
    _mend_standard_streams()
    parser = build_parser()
    options = parser.parse_args(argv)
    if options.version:
        write_data(_version())
        return exit_codes.OK
    if options.command is None:
        parser.print_help()
        return exit_codes.BAD_INPUT
    try:
        return _dispatch(options)
    except KeyboardInterrupt:
        return _fail("interrupted", exit_codes.INTERRUPTED)
    except BrokenPipeError:
        return exit_codes.OK
    except Exception as error:
        return _explain(error)


def _mend_standard_streams() -> None:
    """Open what the caller has closed, and never fail over a character.

    A closed descriptor would be taken by the next file or socket that is opened, and
    members redirect theirs.
    """
    for number, name, mode in ((0, "stdin", "r"), (1, "stdout", "w"), (2, "stderr", "w")):
        try:
            os.fstat(number)
        except OSError:
            os.open(os.devnull, os.O_RDWR)
        if getattr(sys, name) is None:
            setattr(sys, name, open(number, mode, closefd=False))  # noqa: SIM115
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, io.TextIOWrapper):
            stream.reconfigure(errors="replace")


def _dispatch(options: argparse.Namespace) -> int:
    if options.has_logs:
        _configure_logs()
    module, function = options.handler.split(":")
    handler = getattr(importlib.import_module(f"team.cli.{module}"), function)
    return int(handler(options))


def _explain(error: Exception) -> int:
    """Say what went wrong; only what nobody foresaw has a traceback."""
    from roles import RoleError

    if isinstance(error, RoleError | TeamError | InvalidNameError):
        return _fail(str(error), exit_codes.BAD_INPUT)
    if isinstance(error, RunExistsError | RunNotFoundError | TooLargeError | KillPointError):
        return _fail(str(error), exit_codes.BAD_INPUT)
    if isinstance(error, OSError):
        return _fail(str(error), exit_codes.INTERNAL)
    if isinstance(error, BusError):
        return _fail(str(error), exit_codes.NO_BUS)
    traceback.print_exception(error)
    return _fail(f"this is a bug in peerteam, please report it: {error!r}", exit_codes.INTERNAL)


def _fail(message: str, code: int) -> int:
    write_note(f"team: {message}")
    return code


def _version() -> str:
    from importlib import metadata

    try:
        return f"team {metadata.version('peerteam')}"
    except metadata.PackageNotFoundError:
        return "team (not installed)"


def _configure_logs() -> None:
    """Warnings and errors to stderr; members and supervisors write their own files."""
    import structlog

    structlog.configure(
        processors=[
            structlog.contextvars.merge_contextvars,
            structlog.processors.add_log_level,
            structlog.processors.JSONRenderer(),
        ],
        wrapper_class=structlog.make_filtering_bound_logger(logging.WARNING),
        logger_factory=structlog.PrintLoggerFactory(file=sys.stderr),
    )


if __name__ == "__main__":
    sys.exit(main())
