"""The arguments of `team mcp`."""

from __future__ import annotations

import argparse


def add_mcp(mcp: argparse.ArgumentParser) -> None:
    """Add them."""
    mcp.add_argument(
        "--http",
        type=int,
        metavar="PORT",
        help="serve over HTTP on this machine, not over stdin and stdout; 0: any free port",
    )
    mcp.add_argument(
        "--allow",
        action="append",
        default=[],
        metavar="DIR",
        help="sources may lie in this folder too; may be given often",
    )
    mcp.add_argument(
        "--may-approve",
        action="store_true",
        help="clients may answer what a run asks a person; default: a terminal only",
    )
