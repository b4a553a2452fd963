"""Where this user's runs, logs, caches and the embedded server live on this machine."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Final

HOME_VARIABLE: Final = "PEERTEAM_HOME"


def state_dir() -> Path:
    """The user's state directory: $PEERTEAM_HOME, or peerteam in the XDG state directory."""
    named = os.environ.get(HOME_VARIABLE)
    if named:
        return Path(named).expanduser().absolute()
    base = os.environ.get("XDG_STATE_HOME") or "~/.local/state"
    return Path(base).expanduser().absolute() / "peerteam"


def run_dir(run: str) -> Path:
    """Where a run's report, result and logs are kept."""
    return state_dir() / "runs" / run


def cache_dir() -> Path:
    """Where large artifacts are kept on this machine; safe to delete."""
    return state_dir() / "cache"
