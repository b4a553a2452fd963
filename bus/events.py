"""Every log event that `bus` emits, with a sentence: the names are stable."""

from __future__ import annotations

from typing import Final

EVENTS: Final[dict[str, str]] = {}
