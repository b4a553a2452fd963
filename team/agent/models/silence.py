"""How long a model's answer may be silent: read before a run, so it needs neither SDK nor HTTP."""

from __future__ import annotations

import math
import os
from typing import Final

SILENT_VARIABLE: Final = "PEERTEAM_MODEL_SILENT_S"
SILENT_S: Final = 90.0
"""How long an answer that has begun may send nothing, in seconds; a ping comes every 15 or so."""
SILENT_UNPINGED_S: Final = 300.0
"""The same for a server of one's own, in seconds: few of them send pings while they read."""


def parse_silent(text: str, silent_s: float = SILENT_S) -> float:
    """Read how long an answer may be silent; empty means `silent_s`.

    Raises:
        ValueError: Not a number of seconds above 0.
    """
    try:
        silent_s = float(text or silent_s)
    except ValueError:
        silent_s = math.nan
    if not 0 < silent_s < math.inf:
        raise ValueError(f"{text!r} is no number of seconds above 0")
    return silent_s


def silent_from_environment(silent_s: float = SILENT_S) -> float:
    """How long an answer may be silent, as the environment says; else `silent_s`.

    Raises:
        ValueError: It says no number of seconds above 0.
    """
    return parse_silent(os.environ.get(SILENT_VARIABLE, ""), silent_s)
