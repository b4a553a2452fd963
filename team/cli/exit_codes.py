"""What `team` says by its exit code; documented in docs/cli.md."""

from __future__ import annotations

from typing import Final

OK: Final = 0
INTERNAL: Final = 1
BAD_INPUT: Final = 2
PARTIAL: Final = 3
REJECTED: Final = 4
STALLED: Final = 5
CANCELLED: Final = 6
NO_BUS: Final = 7
AUDIT: Final = 9
INTERRUPTED: Final = 130

OF_STATUS: Final[dict[str, int]] = {
    "admitted": OK,
    "partial": PARTIAL,
    "rejected": REJECTED,
    "stalled": STALLED,
    "cancelled": CANCELLED,
    "stopped": INTERRUPTED,
    "running": OK,
}
"""The exit code of each status of a run."""
