"""The arguments of `team source`."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any


def add_source_command(command: Callable[..., Any], commands: Any) -> None:
    """Add it.

    Args:
        command: Makes a command with what all have in common.
        commands: Where it is added.
    """
    source = command(
        commands,
        "source",
        "source_command:source",
        "list what was brought from outside, or print a text that may be quoted",
        "team source nightly-42",
        "team source nightly-42 snapshot:3f9a0b61c2d4e5f60718 --lines L10-L40",
    )
    source.add_argument("run", metavar="RUN")
    source.add_argument(
        "name", metavar="NAME", nargs="?", help="snapshot:…, or a source as citations name it"
    )
    source.add_argument("--lines", metavar="LINES", help="such as L10-L40, or p3:L1-L9 on a page")
