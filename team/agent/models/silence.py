"""How long a model's answer may be silent: read before a run, so it needs neither SDK nor HTTP."""

from __future__ import annotations

import math
import os
from typing import Final

SILENT_VARIABLE: Final = "PEERTEAM_MODEL_SILENT_S"
SILENT_S: Final = 90.0
"""How long an answer that has begun may send nothing, in seconds; a ping comes every 15 or so."""


def parse_silent(text: str) -> float:
    """Read how long an answer may be silent; empty means `SILENT_S`.

    Raises:
        ValueError: Not a number of seconds above 0.
    """
    try:
        silent_s = float(text or SILENT_S)
    except ValueError:
        silent_s = math.nan
    if not 0 < silent_s < math.inf:
        raise ValueError(f"{text!r} is no number of seconds above 0")
    return silent_s


def silent_from_environment() -> float:
    """How long an answer may be silent, as the environment says.

    Raises:
        ValueError: It says no number of seconds above 0.
    """
    return parse_silent(os.environ.get(SILENT_VARIABLE, ""))
