"""`team up` and `team down`: hold the embedded NATS server, or end it."""

from __future__ import annotations

import argparse

from bus.access import SERVER_DIRECTORY
from bus.server import start_server, stop_server
from team.cli import exit_codes
from team.cli.common import print_json
from team.runtime.home import state_dir
from team.views.output import write_data


def up(options: argparse.Namespace) -> int:
    """Start the embedded server, if it does not run."""
    server = start_server(state_dir() / SERVER_DIRECTORY)
    if options.json:
        shown = {"url": server.url, "pid": server.pid, "version": server.version}
        print_json(shown | {"store": server.store})
    else:
        write_data(f"nats-server {server.version} runs at {server.url}, pid {server.pid}")
        write_data(f"its store: {server.store}")
    return exit_codes.OK


def down(options: argparse.Namespace) -> int:
    """End the embedded server."""
    was_running = stop_server(state_dir() / SERVER_DIRECTORY)
    if options.json:
        print_json({"was_running": was_running})
    else:
        write_data("The server has ended." if was_running else "No server was running.")
    return exit_codes.OK
