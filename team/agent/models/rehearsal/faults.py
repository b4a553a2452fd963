"""Planned faults, so that anyone can watch the runtime fail closed.

`PEERTEAM_REHEARSAL_FAULTS` is a comma-separated list of `fault[@member][#round]`,
for example `alter-quote@bea#1,refuse-key@lead`.
"""

from __future__ import annotations

import re
from typing import Final

import msgspec

FAULTS_VARIABLE: Final = "PEERTEAM_REHEARSAL_FAULTS"
LATENCY_VARIABLE: Final = "PEERTEAM_REHEARSAL_LATENCY_MS"
LATENCY_MAX_MS: Final = 600_000.0
FAULTS: Final = {
    "alter-quote": "change one word of the first quote of a finding",
    "unsupported": "claim something that its quote does not say",
    "garbage": "answer with words and call no tool",
    "bad-input": "call the returning tool with an input that does not fit",
    "html": "answer with a web page instead of a message",
    "cut-stream": "end the stream in the middle of the message",
    "empty": "answer with an empty body",
    "overloaded": "answer 529 to every call",
    "rate-limit": "answer the first try of each call with 429 and `retry-after: 1`",
    "cut-once": "end the stream in the middle of the message, at the first try of each call",
    "error-once": "send an overloaded error in mid-stream, at the first try of each call",
    "stall": "fall silent in the middle of the message, at the first try of each call",
    "truncated-tool": "run into `max_tokens` in the midst of a context's first tool call",
    "refuse-key": "answer 401 to every call",
    "refusal": "stop with the reason `refusal`",
    "hang": "never answer",
    "wait": "ask a peer, answer nobody, and wait for mail until told to wrap up",
    "repeat": "make the first search again and again until told to return",
}
"""Every fault there is, and what it does."""

ONCE: Final = frozenset({"rate-limit", "cut-once", "error-once", "stall"})
"""Faults that meet only the first try of each call."""

_FORM = re.compile(r"([a-z-]+)(?:@([A-Za-z0-9_-]+))?(?:#(\d+))?")


class Fault(msgspec.Struct, frozen=True, kw_only=True):
    """One planned fault: which, for whom (absent: all), in which round (absent: each)."""

    name: str
    member: str | None = None
    round: int | None = None

    def strikes(self, member: str, round_: int) -> bool:
        """Whether it meets this member in this round."""
        return self.member in (None, member) and self.round in (None, round_)


def parse_faults(text: str) -> tuple[Fault, ...]:
    """Read a list of faults.

    Raises:
        ValueError: One of them is unknown or malformed; names it and those there are.
    """
    return tuple(_parse(part.strip()) for part in text.split(",") if part.strip())


def parse_latency(text: str) -> float:
    """Read how long each call takes, in milliseconds, as seconds.

    Raises:
        ValueError: Not a number from 0 to `LATENCY_MAX_MS`.
    """
    try:
        latency_ms = float(text or "0")
    except ValueError:
        latency_ms = -1.0
    if not 0 <= latency_ms <= LATENCY_MAX_MS:
        raise ValueError(f"{text!r} is no number of milliseconds from 0 to {LATENCY_MAX_MS:g}")
    return latency_ms / 1_000


def _parse(text: str) -> Fault:
    found = _FORM.fullmatch(text)
    if found is None or found.group(1) not in FAULTS:
        known = ", ".join(FAULTS)
        raise ValueError(
            f"{text!r} is no fault; write NAME[@MEMBER][#ROUND], with NAME one of: {known}"
        )
    name, member, round_ = found.groups()
    return Fault(name=name, member=member, round=int(round_) if round_ else None)
