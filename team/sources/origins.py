"""Where texts from outside are from, in words for people."""

from __future__ import annotations

from datetime import UTC, datetime

from team.sources.snapshots import snapshot_name
from team.state import Snapshots


def origins(snapshots: Snapshots) -> dict[str, str]:
    """Where each text from outside is from, and when it was brought first, by its name."""
    return {
        snapshot_name(one.kept.text.sha256): f"{one.kept.origin}, brought {at_utc(one.at)}"
        for one in reversed(snapshots.all)
    }


def at_utc(at: float) -> str:
    """A time that is given in seconds since 1970, to the second."""
    return datetime.fromtimestamp(at, UTC).strftime("%Y-%m-%d %H:%M:%S UTC")
