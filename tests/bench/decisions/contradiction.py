"""Two lanes whose sources state opposite conventions: without the log, with it, on a cassette.

The same goal and sources each time, as real processes on the rehearsal model.
"""

from __future__ import annotations

import json
import tempfile
from pathlib import Path
from typing import Any, Final

import msgspec

from bus.access import SERVER_DIRECTORY
from bus.server import stop_server
from tests.support.cli import Cli
from tests.support.conventions import ARGUMENTS, GOAL, conventions_cited, lay_out

WAYS: Final = {
    "alone": ("without the log", {}),
    "quiet": ("with the log", {}),
    "record": ("with the log, recorded", {"PEERTEAM_RECORD": "tape"}),
    "replay": ("the recording, replayed", {"PEERTEAM_REPLAY": "tape"}),
}
"""Runs by name: what each is, and its environment; the first has another team."""


class Outcome(msgspec.Struct, frozen=True, kw_only=True):
    """How one run ended.

    Attributes:
        way: Which of `WAYS`.
        status: Its status.
        stated: The conventions that the result states; two contradict each other.
        rulings: How often the lead ruled.
        rejected: Findings that the gate refused for a fallen decision.
        findings: Findings that were submitted.
        turns: Model calls.
        tokens: What they read and wrote, estimated.
    """

    way: str
    status: str
    stated: tuple[str, ...]
    rulings: int
    rejected: int
    findings: int
    turns: int
    tokens: int


def measure(*, is_quick: bool) -> list[Outcome]:
    """Run the team in every way; quick leaves the recording out."""
    names = [name for name in WAYS if not is_quick or name in ("alone", "quiet")]
    with tempfile.TemporaryDirectory() as folder:
        cli = Cli(Path(folder) / "home", Path(folder) / "project")
        lay_out(cli.cwd)
        try:
            return [_outcome(name, _run(cli, name)) for name in names]
        finally:
            stop_server(cli.home / SERVER_DIRECTORY)


def _run(cli: Cli, name: str) -> dict[str, Any]:
    _, environment = WAYS[name]
    paths = {variable: str(cli.cwd / place) for variable, place in environment.items()}
    team = "alone" if name == "alone" else "quiet"
    done = cli.run("run", team, GOAL, *ARGUMENTS, "--run", name, "--json", "-q", **paths)
    if not done.stdout:
        raise RuntimeError(done.stderr)
    shown: dict[str, Any] = json.loads(done.stdout)
    return shown


def _outcome(name: str, shown: dict[str, Any]) -> Outcome:
    steps = [step["step"] for decision in shown["decisions"] for step in decision["dispute"]]
    superseded = [d for d in shown["decisions"] if d["state"] == "superseded"]
    return Outcome(
        way=name,
        status=shown["status"],
        stated=tuple(sorted(conventions_cited(shown))),
        rulings=len(superseded) if "ruling" in steps else 0,
        rejected=sum("premises refuted" in reason for reason in shown["rejected"]),
        findings=len(shown["findings"]),
        turns=shown["usage"]["calls"],
        tokens=shown["usage"]["input_tokens"] + shown["usage"]["output_tokens"],
    )
