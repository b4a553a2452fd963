"""How a member's process ended, in words: its exit code or signal, and what it said last."""

from __future__ import annotations

import json
import signal
from pathlib import Path
from typing import Final

LOG_BYTES_MAX: Final = 64 * 1024
"""How much of a log's end is looked at."""
WORDS_CHARACTERS_MAX: Final = 500


def size_of(log_path: Path) -> int:
    """How long a log is now, in bytes; what a new process writes comes after that."""
    try:
        return log_path.stat().st_size
    except OSError:
        return 0


def how_it_ended(code: int, log_path: Path, since: int) -> str:
    """Say how a process ended.

    Args:
        code: Its exit code; negative is the signal that ended it.
        log_path: Its log.
        since: How long the log was when it started, in bytes.
    """
    how = f"ended by {_signal_name(-code)}" if code < 0 else f"exit code {code}"
    words = last_words(log_path, since) if code >= 0 else ""
    return f"{how}: {words}" if words else how


def last_words(log_path: Path, since: int) -> str:
    """The error that a process itself logged last, else the last line that it printed."""
    said = ""
    for line in _lines(log_path, since):
        event = _event(line)
        if event is None:
            said = line
        elif event.get("event") == "member.failed":
            said = str(event.get("error", ""))
    return " ".join(said.split())[:WORDS_CHARACTERS_MAX]


def _lines(log_path: Path, since: int) -> list[str]:
    try:
        with log_path.open("rb") as file:
            file.seek(max(since, size_of(log_path) - LOG_BYTES_MAX))
            text = file.read().decode(errors="replace")
    except OSError:
        return []
    return [line for line in text.splitlines() if line.strip()]


def _event(line: str) -> dict[str, object] | None:
    """A line of the log as an event; nothing if it was printed by something else."""
    try:
        event = json.loads(line)
    except ValueError:
        return None
    return event if isinstance(event, dict) else None


def _signal_name(number: int) -> str:
    try:
        return signal.Signals(number).name
    except ValueError:
        return f"signal {number}"
