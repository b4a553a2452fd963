"""The options of `team run` that are about money; nothing that takes time to import."""

from __future__ import annotations

import argparse

EXAMPLES = """
  team run research "…" --source src/ --dry-run                   what it would do and cost
  team run research "…" --source src/ --budget 2.50 --max-tokens 2M"""


def add_cost_options(run: argparse.ArgumentParser) -> None:
    """Limits of this run, an estimate before it, and a yes to the question before the spend."""
    run.add_argument(
        "--budget",
        metavar="USD",
        help="US dollars that this run may spend; a stricter limit of policy holds",
    )
    run.add_argument(
        "--max-tokens",
        metavar="N",
        help="tokens that it may read and write together: 500000, 500k, 2M; likewise",
    )
    run.add_argument(
        "--dry-run",
        action="store_true",
        help="say what it would do and about what it would cost; calls no model, opens no run",
    )
    run.add_argument(
        "--yes", "-y", action="store_true", help="do not ask although the estimate is above policy"
    )
