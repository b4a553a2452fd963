"""The arguments of `team tools`."""

from __future__ import annotations

import argparse
from collections.abc import Callable
from typing import Any


def add_tools_command(commands: Any, command: Callable[..., argparse.ArgumentParser]) -> None:
    """Add the command.

    Args:
        commands: Where commands are added.
        command: Makes one, as all are made.
    """
    tools = command(
        commands,
        "tools",
        "tools_command:tools",
        "start the MCP servers that a team may use, and list their tools",
        "team tools",
        "team tools teams/mine.toml --json",
        has_bus=False,
    )
    tools.add_argument(
        "spec", metavar="TEAM", nargs="?", default="research", help="a team spec; default: research"
    )
    tools.add_argument(
        "--policy", metavar="FILE", help="a policy in place of the project's peerteam.toml"
    )
