"""`team up` and `team down`: hold the embedded NATS server, or end it."""

from __future__ import annotations

import argparse
from typing import Any

from bus.access import SERVER_DIRECTORY
from bus.server import start_server, stop_server
from team.cli import exit_codes
from team.cli.common import out, print_json
from team.runtime.home import state_dir


def add_parsers(commands: Any) -> None:
    """Add `up` and `down`."""
    up = commands.add_parser(
        "up",
        help="start the embedded NATS server",
        description="Start the embedded NATS server, if it does not run. It stays until "
        "'team down'; commands that need it start it by themselves.",
        epilog="examples:\n  team up\n  team up --json",
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    up.add_argument("--json", action="store_true", help="print JSON on stdout")
    up.set_defaults(handler=_up)
    down = commands.add_parser(
        "down",
        help="end the embedded NATS server",
        description="End the embedded NATS server. Runs are kept on disk; members that are at "
        "work wait for its return.",
        epilog="examples:\n  team down",
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    down.add_argument("--json", action="store_true", help="print JSON on stdout")
    down.set_defaults(handler=_down)


def _up(options: argparse.Namespace) -> int:
    server = start_server(state_dir() / SERVER_DIRECTORY)
    if options.json:
        shown = {"url": server.url, "pid": server.pid, "version": server.version}
        print_json(shown | {"store": server.store})
    else:
        out(f"nats-server {server.version} runs at {server.url}, pid {server.pid}")
        out(f"its store: {server.store}")
    return exit_codes.OK


def _down(options: argparse.Namespace) -> int:
    was_running = stop_server(state_dir() / SERVER_DIRECTORY)
    if options.json:
        print_json({"was_running": was_running})
    else:
        out("The server has ended." if was_running else "No server was running.")
    return exit_codes.OK
