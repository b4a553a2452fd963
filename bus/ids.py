"""Names and ids that may stand in a NATS subject: make them, check them.

Not for subjects themselves: `bus.subjects` puts these together.
"""

from __future__ import annotations

import re
import secrets
import time
from typing import NewType

from bus.errors import InvalidNameError

RunId = NewType("RunId", str)
MemberName = NewType("MemberName", str)
TaskId = NewType("TaskId", str)

LEAD = MemberName("lead")
PERSON = MemberName("person")
GATE = MemberName("gate")
SUPERVISOR = MemberName("supervisor")

_SAFE = re.compile(r"[A-Za-z0-9_-]{1,64}")


def check_token(kind: str, value: str) -> str:
    """Return the value if it may be one token of a subject.

    Args:
        kind: What the value names, for the error ("run", "member", "area" …).
        value: 1 to 64 ASCII letters, digits, `_` or `-`.

    Raises:
        InvalidNameError: The value can't stand in a subject.
    """
    if not _SAFE.fullmatch(value):
        raise InvalidNameError(kind, value)
    return value


def new_run_id() -> RunId:
    """Make a run id that sorts by time: date, time, four random hex digits."""
    stamp = time.strftime("%m%d-%H%M%S", time.gmtime())
    return RunId(f"r{stamp}-{secrets.token_hex(2)}")


def new_message_id() -> str:
    """Make an id for one message: 128 random bits, 32 hex digits."""
    return secrets.token_hex(16)
