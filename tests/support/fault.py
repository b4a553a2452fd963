"""One injected fault, and how to see what meets it."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import msgspec

from team.sources import Library

Outcome = Callable[[Path, Library], str]


class Fault(msgspec.Struct, frozen=True, kw_only=True):
    """One fault, the mode that it is an instance of, and how to see what meets it."""

    mode: str
    name: str
    meets: Outcome


def ruled(mode: str, name: str, meets: Callable[[Library], str]) -> Fault:
    """A fault before a rule or a check: what it says."""
    return Fault(mode=mode, name=name, meets=lambda _, library: meets(library))
