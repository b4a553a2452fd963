"""Whether a member goes round in circles: the same calls with the same answers, or mail alone.

Only what is the same in every part counts: a call that is repeated because its answer
changes is how one waits for something. What came by mail in between is a reason to ask again.
"""

from __future__ import annotations

from collections.abc import Sequence
from itertools import takewhile
from typing import Final

import msgspec

from team.tool_names import MAIL_TOOLS, SEND, WAIT

NO_MAIL: Final = "No mail came"
"""How the answer begins if waiting for mail was in vain."""

TWICE: Final = 2
"""What was done once is no repeat, whatever policy says."""


class Act(msgspec.Struct, frozen=True, kw_only=True):
    """One tool call: its input as JSON with sorted keys, what it gave, and whom it wrote to."""

    tool: str
    given: bytes
    answer: str
    to: str = ""


class TurnActs(msgspec.Struct, frozen=True, kw_only=True):
    """What a member did in one turn, and whether mail had come before it."""

    acts: tuple[Act, ...]
    has_mail: bool = False


def repeats(turns: Sequence[TurnActs]) -> int:
    """How many turns, up to the last, did the very same; 0 if the last did nothing."""
    if not turns or not turns[-1].acts:
        return 0
    last, count = _signature(turns[-1]), 0
    for turn in reversed(turns):
        if _signature(turn) != last:
            break
        count += 1
        if turn.has_mail:
            break
    return count


def turns_of_mail(turns: Sequence[TurnActs]) -> tuple[int, str]:
    """How many turns, up to the last, did nothing but trade mail with one peer, and with whom."""
    peer = next((act.to for turn in reversed(turns) for act in turn.acts if act.to), "")
    count = sum(1 for _ in takewhile(lambda turn: _is_mail_with(turn, peer), reversed(turns)))
    return (count, peer) if peer else (0, "")


def told(turns: Sequence[TurnActs], repeats_max: int) -> str | None:
    """What a member that goes round in circles is told before its next call; once for each."""
    limit = max(TWICE, repeats_max)
    if repeats(turns) == limit:
        return (
            f"{limit} turns in a row you have called {_names(turns[-1])} with the same input "
            "and got the same answer. It will be the same again"
        )
    count, peer = turns_of_mail(turns)
    if count == 2 * limit:
        return f"for {count} turns you have done nothing but trade mail with {peer}"
    return None


def reason_to_end(turns: Sequence[TurnActs], repeats_max: int) -> str | None:
    """Why an attempt is over that went on in its circle after it was told."""
    count = repeats(turns)
    if count < 2 * max(TWICE, repeats_max):
        return None
    return f"it called {_names(turns[-1])} {count} times in a row with the same input and answer"


def _names(turn: TurnActs) -> str:
    return ", ".join(dict.fromkeys(act.tool for act in turn.acts))


def _signature(turn: TurnActs) -> frozenset[tuple[str, bytes, str]]:
    return frozenset(map(_essence, turn.acts))


def _essence(act: Act) -> tuple[str, bytes, str]:
    """Waiting in vain is the same however long it was meant to last."""
    if act.tool == WAIT and act.answer.startswith(NO_MAIL):
        return act.tool, b"", NO_MAIL
    return act.tool, act.given, act.answer


def _is_mail_with(turn: TurnActs, peer: str) -> bool:
    return bool(turn.acts) and all(
        act.tool in MAIL_TOOLS and (act.tool != SEND or act.to == peer) for act in turn.acts
    )
