"""The arguments of `team compare`."""

from __future__ import annotations

import argparse
from collections.abc import Callable
from typing import Any

ENOUGH = 0.8
TRIALS = 2
TRIALS_MAX = 100
"""More than anybody pays for."""
JOBS_MAX = 1_000


def add_compare(add: Callable[..., argparse.ArgumentParser], commands: Any) -> None:
    """Add the command.

    Args:
        add: Makes a command's parser.
        commands: Where it goes.
    """
    compare = add(
        commands,
        "compare",
        "compare_command:compare",
        "say whether a team is worth it on your tasks: arms on one budget each, graded by code",
        "team compare tasks.jsonl --budget 2000000 --model claude-sonnet-5-5",
        "team compare tasks.jsonl --budget 2000000 --arms team,vote3 --trials 3 --out cmp",
        "team compare --resume cmp --all",
    )
    compare.add_argument("tasks", metavar="TASKS", nargs="?", help="a file of tasks, JSON lines")
    compare.add_argument(
        "--budget", metavar="N", help="of one arm for one task, in tokens as priced: 2000000, 2M"
    )
    compare.add_argument(
        "--arms", metavar="LIST", help="default: single,single-long,vote3,team,sham"
    )
    compare.add_argument(
        "--trials", type=_trials, metavar="N", help=f"times that each does each; default: {TRIALS}"
    )
    compare.add_argument("--team", metavar="TEAM", help="default: research")
    compare.add_argument("--model", metavar="NAME", help="a model for all; 'rehearsal' uses none")
    compare.add_argument("--policy", metavar="FILE", help="in place of the project's peerteam.toml")
    compare.add_argument("--seed", type=int, metavar="N", help="of order and bootstrap; default: 0")
    compare.add_argument("--jobs", type=_jobs, default=1, metavar="N", help="at once; default: 1")
    compare.add_argument("--out", metavar="DIR", help="a new folder; default: compare-DATE-TIME")
    compare.add_argument("--resume", metavar="DIR", help="go on with what was begun there")
    compare.add_argument(
        "--enough",
        type=_share,
        metavar="SHARE",
        help=f"stop if a single agent is right this often; default: {ENOUGH}",
    )
    compare.add_argument(
        "--all", action="store_true", help="run all arms, however good a single agent is"
    )
    compare.add_argument(
        "--allow-commands", action="store_true", help="graders may start programs of yours"
    )
    compare.add_argument("--quiet", "-q", action="store_true", help="no progress, only the report")


def _whole(text: str, most: int) -> int:
    number = int(text) if text.isdecimal() and len(text) <= len(str(most)) else 0
    if not 1 <= number <= most:
        raise argparse.ArgumentTypeError(f"{text!r} is no whole number from 1 to {most}; give one")
    return number


def _jobs(text: str) -> int:
    return _whole(text, JOBS_MAX)


def _trials(text: str) -> int:
    return _whole(text, TRIALS_MAX)


def _share(text: str) -> float:
    try:
        share = float(text)
    except ValueError:
        share = 0.0
    if not 0 < share <= 1:
        reason = f"{text!r} is no share above 0 and at most 1; give one, such as 0.8"
        raise argparse.ArgumentTypeError(reason)
    return share
